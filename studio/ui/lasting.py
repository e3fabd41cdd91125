"""Lets browsers keep clips and posters: a file of the gallery never changes, and its name is never used again."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOR_A_YEAR = "private, max-age=31536000, immutable"


class Lasting:
    """ASGI middleware: what is served out of `folder` may be kept by the browser that got it, and by nobody between."""

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app, self._within = app, f"/file={folder}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_lasting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 206):
                MutableHeaders(scope=message)["Cache-Control"] = FOR_A_YEAR
            await send(message)

        is_of_gallery = scope["type"] == "http" and self._within in scope["path"]
        await self._app(scope, receive, send_lasting if is_of_gallery else send)
