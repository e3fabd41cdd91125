"""Where each message from outside comes in: finds out who sent it, and tells of a failure in one sentence.

Knows how Gradio carries messages and errors from and to the page, a program and a part's JavaScript; knows no feature.
A traceback goes to the log only.
"""

from __future__ import annotations

import base64
import functools
import html
import logging
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils
from gradio.utils import get_upload_folder
from starlette.responses import JSONResponse

from studio.domain import NO_ROOM, StudioError, no_room_sentence
from studio.service import Studio
from studio.ui import wording
from studio.ui.who import visit_of

log = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f]{32}")


Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def on_page(function: Callable[..., Any]) -> Callable[..., Any]:
    """For an event of the page that concerns nobody in particular: any failure becomes a gr.Error with one sentence."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with _one_sentence(as_html=True):
            return function(*args, **kwargs)

    return guarded


def on_form(studio: Studio) -> Wrap:
    """For an event whose first input is the visitor part: the function gets the visit and the other inputs."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(request: gr.Request, visitor: Any, *values: Any) -> Any:
            with _one_sentence(as_html=True):
                return function(visit_of(studio, visitor, request), *values)

        return guarded

    return wrap


def on_act(studio: Studio) -> Wrap:
    """For an event that a part triggers, its first input the visitor part.

    The function gets the visit, the details and the other inputs.
    """

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(request: gr.Request, event: gr.EventData, visitor: Any, *values: Any) -> Any:
            with _one_sentence(as_html=True):
                details = event._data if isinstance(event._data, dict) else {}
                return function(visit_of(studio, visitor, request), details, *values)

        return guarded

    return wrap


def for_program(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """For an endpoint: the same sentences as the API's error."""

    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        with _one_sentence():
            return await function(*args, **kwargs)

    return guarded


def for_part(studio: Studio) -> Wrap:
    """For a part's server function, which anybody can call with anything: it gets the visit and a dictionary.

    Where it raises, the answer is {"error": sentence}.
    """

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(data: Any, request: gr.Request) -> Any:
            try:
                if not isinstance(data, dict):
                    raise StudioError(wording.BAD_CALL)
                return function(visit_of(studio, data.get("visitor"), request), data)
            except Exception as error:  # noqa: BLE001 an answer is owed whatever happened; _sentence logs it
                return {"error": _sentence(error)}

        guarded.__name__ = function.__name__
        return guarded

    return wrap


def an_id(value: object) -> str:
    """A job's or clip's id as it came from outside; StudioError when it can't be one."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise StudioError(wording.BAD_CALL)
    return value


def a_drawn_id(details: object) -> str | None:
    """The id that the page drew for the job it asks for, None where it drew none; StudioError when it can't be one."""
    if not isinstance(details, dict):
        raise StudioError(wording.BAD_CALL)
    drawn = details.get("drawn")
    return None if drawn is None else an_id(drawn)


def a_truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise StudioError(wording.BAD_CALL)
    return value


def an_upload(path: object) -> Path:
    """The file that a visitor has just uploaded; StudioError for any other path, which must never be read."""
    try:
        file = Path(path).resolve() if isinstance(path, str) and path else None
        if file and file.is_relative_to(Path(get_upload_folder()).resolve()) and file.is_file():
            return file
    except (OSError, ValueError):
        pass  # too long, or not even a name
    raise StudioError(wording.NOT_UPLOADED)


@contextmanager
def an_upload_of(address: str) -> Iterator[Path]:
    """The file that a data address holds, for as long as it is read; StudioError where it holds none."""
    try:
        data = base64.b64decode(address.partition(";base64,")[2], validate=True)
    except ValueError:
        data = b""
    if not data:
        raise StudioError(wording.NOT_UPLOADED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        yield path


async def _fetch_nothing(url: str, cache_dir: str) -> str:
    raise gr.Error(wording.NOT_UPLOADED, title=wording.NAME, print_exception=False)


def stay_home() -> None:
    """Gradio would fetch any address that a message names, whole into memory, before a function of ours is asked."""
    processing_utils.async_ssrf_protected_download = _fetch_nothing


def refusal(_request: object, error: Exception) -> JSONResponse:
    """What Gradio itself fails at, for lack of an argument or of room for an upload, gets a sentence too."""
    return JSONResponse({"detail": _sentence(error)}, 500)


def _sentence(error: Exception) -> str:
    if isinstance(error, StudioError):
        return str(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return no_room_sentence(error.strerror or type(error).__name__)
    log.exception("unexpected error behind the page", exc_info=error)
    return wording.UNEXPECTED


@contextmanager
def _one_sentence(as_html: bool = False) -> Iterator[None]:
    """Turn whatever is raised inside into a gr.Error; the page shows its text as HTML, a program reads it as it is."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 the last line of defence; _sentence logs what is not a StudioError
        # A sentence may quote what the visitor typed.
        sentence = html.escape(_sentence(error), quote=False) if as_html else _sentence(error)
        raise gr.Error(sentence, duration=10, title=wording.NAME, print_exception=False) from None
