"""Turns away what other websites send, and addresses at which Gradio itself would break off with a traceback.

Knows no feature of the studio.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.ui import wording

MAX_ADDRESS_CHARS = 2000
READING = ("GET", "HEAD", "OPTIONS")
_OUTCOME = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/(?P<event>[^/]+)/?$")
_SIZED_ICON = re.compile(r"/pwa_icon/[^/]+/?$")


class Doorkeeper:
    """ASGI middleware: another website, an impossible address, or an event nobody waits for, gets one sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = _refused(scope) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
        else:
            status, sentence = refused
            await JSONResponse({"detail": sentence}, status)(scope, receive, send)


def _refused(scope: Scope) -> tuple[int, str] | None:
    path = scope["path"]
    if len(path) > MAX_ADDRESS_CHARS or "\0" in path:
        return 400, wording.no_address(len(path), MAX_ADDRESS_CHARS)
    # Gradio's cookie comes along from other websites too. Browsers say where a request is from; programs say nothing.
    if scope["method"] not in READING and (b"sec-fetch-site", b"cross-site") in scope["headers"]:
        return 403, wording.OTHER_SITE
    if _SIZED_ICON.search(path):
        # Gradio would resize the picture to any size that is asked for; ours is drawn from lines and needs none.
        return 404, wording.NO_SIZED_ICON
    if scope["method"] == "GET" and not _is_awaited(path, scope["query_string"], scope["app"].get_blocks()._queue):
        return 404, wording.NO_EVENT
    return None


def _is_awaited(path: str, query: bytes, queue: Any) -> bool:
    """False where a stream of events is asked for that Gradio knows nothing of: it would begin one and break it off."""
    if path.rstrip("/").endswith("/gradio_api/queue/data"):
        sessions = parse_qs(query.decode("latin-1")).get("session_hash", [])
        return not sessions or sessions[-1] in queue.pending_messages_per_session
    outcome = _OUTCOME.search(path)
    if outcome is None:
        return True
    event = outcome["event"]
    waiting = (event in events for events in queue.pending_event_ids_session.values())
    return event in queue.event_ids_to_events or event in queue.pending_messages_per_session or any(waiting)
