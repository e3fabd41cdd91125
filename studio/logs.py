"""The log: one line of JSON for each event, whoever it comes from, that no value from outside can break or forge.

Knows nothing of what is logged. An error's message could quote a visitor's words, so what it quotes is left out.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import sys
import threading
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

_OURS = str(Path(__file__).resolve().parent)
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# From a quotation mark to the next of its kind, or to the end where a message was cut.
_QUOTED = re.compile(r"""(["'`“])(?:\\.|.)*?(?:(?<=“)”|\1|”|$)""", re.DOTALL)
# What these quote are paths, tables and modules.
_QUOTE_NO_VISITOR = (OSError, sqlite3.Error, ImportError)
MAX_MESSAGE = 500

log = logging.getLogger("studio")


def configure(stream: TextIO | None = None) -> None:
    """Send every event to `stream` (stderr) as one line: the studio's from INFO on, the libraries' from WARNING on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)
    # Libraries bring handlers of their own, torch when it is imported, that would tell things in their way.
    setattr(logging.Logger, "callHandlers", lambda _, record: handler.handle(record))  # noqa: B010
    # A logging error would be told in many lines; a broken stream is nothing that a log can mend.
    logging.raiseExceptions = False
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    warnings.showwarning = _warned
    # Gradio prints what its handlers raise, many lines of it and with what visitors sent.
    traceback.print_exc = lambda *_, **__: log.error("caught", exc_info=True)
    _quiet_uvicorn()


class OneLine(logging.Formatter):
    """time (UTC), level, source and event; of an error what, where and its traceback; then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "source": record.name,
            "event": _event(record),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields |= {"error": _said(error), "where": _where(error), "traceback": _traceback(error)}
        own = {key: value for key, value in vars(record).items() if key not in _USUAL | fields.keys()}
        return _line(fields | own)


def _line(fields: dict[str, Any]) -> str:
    """Pure ASCII without control characters: JSON escapes all of them but one."""
    try:
        text = json.dumps(fields, default=str, allow_nan=False)
    except Exception:  # noqa: BLE001 - a value that JSON has no word for must not lose the event
        text = json.dumps({key: _text(value) for key, value in fields.items()})
    return text.replace("\x7f", "\\u007f")


def _event(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - placeholders that do not fit must not lose the event
        return _text(record.msg)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an object that cannot be shown must not lose the event
        return f"<{type(value).__name__}>"


def _said(error: BaseException) -> str:
    """The error's type and its message, without what stands in quotation marks."""
    message = _text(error)
    if not isinstance(error, _QUOTE_NO_VISITOR):
        message = _QUOTED.sub("[...]", message)
    return f"{type(error).__name__}: {message[:MAX_MESSAGE]}" if message else type(error).__name__


def _where(error: BaseException) -> str:
    """The innermost line of ours, or the innermost at all."""
    frames = traceback.extract_tb(error.__traceback__)
    # An ASGI layer of ours is around all that Gradio does, and only passes on what fails in there.
    ours = [frame for frame in frames if frame.filename.startswith(_OURS) and frame.name != "__call__"] or list(frames)
    return f"{_short(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""


def _short(filename: str) -> str:
    return str(Path(filename).relative_to(Path(_OURS).parent)) if filename.startswith(_OURS) else filename


def _traceback(error: BaseException) -> str:
    """As Python prints it, causes first, but with the messages that `_said` lets through."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join("".join(traceback.format_tb(link.__traceback__)) + _said(link) for link in reversed(chain))


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    # A person's Ctrl + C is no error.
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        log.critical("uncaught", exc_info=error and (kind, error, trace))


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    where = f"{_short(filename)}:{lineno}"
    logging.getLogger("py.warnings").warning("%s", message, extra={"warning": category.__name__, "where": where})


def _quiet_uvicorn() -> None:
    """uvicorn gives its loggers handlers of their own when it starts; without these its lines come to ours."""
    from uvicorn.config import LOGGING_CONFIG  # late: only the app that serves needs it

    LOGGING_CONFIG["loggers"] = {}
