"""The log: one line of JSON for each event, whoever it comes from, and nobody's words in it but ours."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.logs import OneLine

ROOT = Path(__file__).resolve().parent.parent


def written(event: object, error: BaseException | None = None, /, *args: object, **fields: Any) -> dict[str, Any]:
    """What the log says of one event, after checking that it is one line."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("studio.jobs", logging.ERROR, "jobs.py", 1, event, args, exc_info)
    vars(record).update(fields)
    line = OneLine().format(record)
    assert line.isascii()
    assert line.isprintable()
    return json.loads(line)


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - whatever was given comes back with its traceback
        return caught


def test_an_event_has_its_time_level_source_and_fields() -> None:
    said = written("job ended", None, job="ab12", spent_s={"denoising": 1.5})
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "error", "source": "studio.jobs", "event": "job ended", "job": "ab12", "spent_s": {"denoising": 1.5}
    }  # fmt: skip


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.frozensets(st.text()),
    max_leaves=8,
)


@given(event=st.text(), fields=st.dictionaries(st.text(min_size=1), VALUES, max_size=4))
def test_nothing_forges_or_breaks_a_line(event: str, fields: dict[str, Any]) -> None:
    fields = {f"x{key}": value for key, value in fields.items()}
    said = written(event, None, **fields)
    assert said["event"] == event
    assert said.keys() >= fields.keys()


def test_a_field_cannot_pass_for_the_time_or_the_level() -> None:
    said = written("job ended", None, level="info", time="1970", source="root", event="nothing")
    assert (said["level"], said["source"], said["event"]) == ("error", "studio.jobs", "job ended")


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_even_what_cannot_be_shown_leaves_its_event() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert written("odd", None, circle=circle, thing=Unshowable())["thing"] == "<Unshowable>"
    assert written("%d clips", None, "many")["event"] == "%d clips"


def test_an_error_is_told_with_its_place_and_its_causes() -> None:
    def fail() -> None:
        try:
            json.loads("{")
        except ValueError as error:
            raise RuntimeError("unreadable\nindeed") from error

    try:
        fail()
    except RuntimeError as error:
        said = written("job failed", error)
    assert said["error"] == "RuntimeError: unreadable\nindeed"
    assert said["where"].partition(":")[0].endswith("test_logs.py")
    assert said["traceback"].index("JSONDecodeError") < said["traceback"].index("unreadable")
    assert said["traceback"].endswith("RuntimeError: unreadable\nindeed")


def test_the_place_of_an_error_is_the_last_line_of_ours() -> None:
    from studio.domain import VideoRequest  # late: only this test needs it

    try:
        VideoRequest("a ghost", num_inference_steps=object()).check(None)  # type: ignore[arg-type]
    except AttributeError as error:
        said = written("odd", error)
    assert said["where"].startswith("studio/domain.py:")


@pytest.mark.parametrize("prompt", ["a ghost in my garden", 'it\'s a "ghost"', "ghost\n'", "“ghost”"])
@pytest.mark.parametrize("form", ["{!r}", "no word for {!r} here", "cut: {!r:.12}", "{!r} and {!r}"])
def test_a_message_that_quotes_a_prompt_is_logged_without_it(prompt: str, form: str) -> None:
    for kind in (ValueError, KeyError, RuntimeError):
        cause = raised(kind(form.format(prompt, prompt)))
        error = raised(RuntimeError("while tokenizing"))
        error.__cause__ = cause
        assert "ghost" not in json.dumps([written("job failed", cause), written("job failed", error)])


def test_what_the_system_says_of_a_file_is_kept() -> None:
    said = written("odd", raised(FileNotFoundError(2, "No such file or directory", "/data/clips/ab.mp4")))
    assert said["error"].endswith("No such file or directory: '/data/clips/ab.mp4'")


PROGRAM = """
    import logging, sys, threading, warnings
    from studio import logs
    logs.configure()
    import uvicorn
    uvicorn.Config(lambda: None, log_level="warning")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\\nmore")
    logging.getLogger("gradio").warning("a warning of gradio's")
    import torch
    logging.getLogger("torch.utils").warning("a warning of torch's")
    logging.getLogger("httpx").info("too much")
    logging.getLogger("studio.jobs").info("job started", extra={"job": "ab12"})
    warnings.warn("an old way", stacklevel=1)
    import traceback
    try:
        {}["a prompt"]
    except KeyError:
        traceback.print_exc()
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    Odd = type("Odd", (), {"__del__": lambda self: [].pop()})
    Odd()
    raise RuntimeError("the end")
"""


def test_everything_that_a_process_says_is_one_line_each() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [(line["source"], line["level"], line["event"].splitlines()[0]) for line in lines] == [
        ("uvicorn.error", "error", "Exception in ASGI application"),
        ("gradio", "warning", "a warning of gradio's"),
        ("torch.utils", "warning", "a warning of torch's"),
        ("studio.jobs", "info", "job started"),
        ("py.warnings", "warning", "an old way"),
        ("studio", "error", "caught"),
        ("studio", "critical", "uncaught"),
        ("studio", "critical", "uncaught"),
        ("studio", "critical", "uncaught"),
    ]
    assert [line["error"].partition(":")[0] for line in lines[-4:]] == [
        "KeyError", "ZeroDivisionError", "IndexError", "RuntimeError"
    ]  # fmt: skip
    assert "a prompt" not in ran.stderr
    assert ran.returncode == 1
    assert ran.stdout == ""
