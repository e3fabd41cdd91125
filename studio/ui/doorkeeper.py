"""Turns away other websites, what is too much to be read, and addresses at which Gradio itself breaks off.

Knows no feature of the studio.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.ui import wording

MAX_ADDRESS_CHARS = 2000
READING = ("GET", "HEAD", "OPTIONS")
_OUTCOME = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/(?P<event>[^/]+)/?$")
_SIZED_ICON = re.compile(r"/pwa_icon/[^/]+/?$")


class Doorkeeper:
    """ASGI middleware: what is not from our page, not to be answered, or too much to be read, gets one sentence."""

    def __init__(
        self,
        app: ASGIApp,
        hostnames: tuple[str, ...] | None,
        max_bytes: int,
        has_room: Callable[[], bool],
    ) -> None:
        """`hostnames` are those that the studio goes by, beside addresses in digits; None for any.

        A request may have `max_bytes`, which Gradio and FastAPI would hold in memory before they ask who sends them.
        `has_room` tells whether the disk has some for a file that somebody sends.
        """
        self._app, self._hostnames, self._max_bytes, self._has_room = app, hostnames, max_bytes, has_room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_request = scope["type"] == "http"
        refused = (self._misnamed(scope) or _refused(scope) or self._has_no_place(scope)) if is_request else None
        if refused is None:
            await self._app(scope, self._bounded(receive) if is_request else receive, send)
        else:
            status, sentence = refused
            await JSONResponse({"detail": sentence}, status)(scope, receive, send)

    def _has_no_place(self, scope: Scope) -> tuple[int, str] | None:
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > self._max_bytes:
            return 413, wording.too_much(self._max_bytes)
        if scope["path"].rstrip("/").endswith("/gradio_api/upload") and not self._has_room():
            return 507, wording.NO_ROOM_FOR_FILES
        return None

    def _bounded(self, receive: Receive) -> Receive:
        """Of who does not say beforehand how much it will be, too much looks like a connection that broke off."""
        taken = 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken > self._max_bytes else message

        return receive_some

    def _misnamed(self, scope: Scope) -> tuple[int, str] | None:
        """Another website may have its own name lead to this machine, and its page is then one of ours to a browser."""
        named = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
        name = re.sub(r":\d*$", "", named).removesuffix(".")
        is_known = self._hostnames is None or not name or name in self._hostnames or name.endswith(".localhost")
        return None if is_known or _is_digits(name) else (421, wording.no_hostname(name))


def _is_digits(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


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
