"""What a visitor is told when something goes wrong: one sentence; a traceback goes to the log only.

Knows how Gradio carries an error to the page, to a program and to a part's JavaScript; knows no feature.
"""

from __future__ import annotations

import functools
import html
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from studio.domain import StudioError
from studio.ui import wording

log = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f]{32}")


def on_page(function: Callable[..., Any]) -> Callable[..., Any]:
    """For an event of the page: any failure becomes a gr.Error with one sentence."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with _one_sentence(as_html=True):
            return function(*args, **kwargs)

    return guarded


def for_program(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """For an endpoint: the same sentences as the API's error."""

    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        with _one_sentence():
            return await function(*args, **kwargs)

    return guarded


def for_part(function: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Any]:
    """For a part's server function, which anybody can call with anything: it gets a dict, it answers {"error": ...}."""

    @functools.wraps(function)
    def guarded(data: Any) -> Any:
        if not isinstance(data, dict):
            return {"error": wording.BAD_CALL}
        try:
            return function(data)
        except Exception as error:  # noqa: BLE001 an answer is owed whatever happened; _sentence logs it
            return {"error": _sentence(error)}

    # Gradio reads the signature to fill special arguments; it must see ours, not the wrapped one's.
    del guarded.__wrapped__
    return guarded


def an_id(value: object) -> str:
    """A job's or clip's id as it came from outside; StudioError when it can't be one."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise StudioError(wording.BAD_CALL)
    return value


def an_upload(path: object) -> Path:
    """The file that a visitor has just uploaded; StudioError for any other path, which must never be read."""
    if isinstance(path, str) and path and "\0" not in path:
        file = Path(path).resolve()
        if file.is_relative_to(Path(get_upload_folder()).resolve()) and file.is_file():
            return file
    raise StudioError(wording.NOT_UPLOADED)


def _sentence(error: Exception) -> str:
    if isinstance(error, StudioError):
        return str(error)
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
