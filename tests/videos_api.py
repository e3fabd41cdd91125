"""A small server on this machine that speaks `/v1/videos` and serves real MP4s. Knows no test.

The first word of a prompt says what goes wrong with it: see `Videos`. What was asked can be read back.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np

from studio.media.video import Movie, Tags, write_video
from tests.hub import answering

TOKEN = "a-token-of-this-server"
FRAMES, RATE = 13, 12.0


@dataclass
class Videos:
    """Jobs go from queued to in_progress to completed, one state each time they are asked after.

    The first word of a prompt: "refused" and "broken" end at once with 400 and 500; "failed" fails; "forgotten" is
    not known any more; "endless" never ends; "dropped" is hung up on whenever it is asked after; "cut" is hung up on
    while it is sent; "garbage" is no video; "mute" has no sound, "black" no picture, "wide" another size, "long" too
    many frames; "listed" answers with no object, "nameless" with no id.
    """

    address: str = ""
    forms: list[dict[str, bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    _kinds: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, path: str, form: dict[str, bytes]) -> tuple[int, Any]:
        """Status and JSON, or bytes; a status of 0 hangs up."""
        self.asked.append(f"{method} {path}")
        if (method, path) == ("POST", "/v1/videos"):
            return self._create(form)
        found = re.fullmatch(r"/v1/videos/(video-\d+)(/content)?", path)
        if found is None or found[1] not in self._kinds:
            return 404, {"detail": "Video not found"}
        kind = self._kinds[found[1]]
        if method == "DELETE":
            self.deleted.append(found[1])
            return 200, {"id": found[1], "deleted": True}
        return (200, content(kind)) if found[2] else self._state(found[1], kind)

    def _create(self, form: dict[str, bytes]) -> tuple[int, Any]:
        self.forms.append(form)
        kind = form["prompt"].decode().split()[0]
        status = {"refused": 400, "broken": 500}.get(kind, 200)
        name = f"video-{len(self.forms)}"
        self._kinds[name] = kind
        if kind == "listed":
            return 200, [name]
        return status, {"id": None if kind == "nameless" else name, "object": "video", "status": "queued"}

    def _state(self, name: str, kind: str) -> tuple[int, Any]:
        if kind == "dropped":
            return 0, None
        if kind == "forgotten":
            return 404, {"detail": "Video not found"}
        times = self.asked.count(f"GET /v1/videos/{name}")
        state = ("queued", "in_progress", "completed")[min(times - 1, 1 if kind == "endless" else 2)]
        if kind == "failed" and state == "completed":
            return 200, {"id": name, "status": "failed", "error": {"message": f"no luck with: {kind}"}}
        return 200, {"id": name, "status": state, "progress": 50 if state == "in_progress" else 0}


def content(kind: str) -> bytes:
    """A square on its way over a sky, with a tone."""
    if kind == "garbage":
        return b"this is no video " * 100
    height, width, frames = 48, 128 if kind == "wide" else 64, 5 * FRAMES if kind == "long" else FRAMES
    pixels = np.zeros((frames, height, width, 3), np.uint8)
    if kind != "black":
        pixels[:] = np.linspace(40, 200, width, dtype=np.uint8)[:, None]
        for number, frame in enumerate(pixels):
            frame[10:20, number : number + 10] = (220, 60, 30)
    tone = 0.3 * np.sin(np.arange(round(frames / RATE * 16_000)) / 5)
    sound = None if kind == "mute" else np.stack([tone, tone]).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, Movie(pixels, RATE, sound, 16_000), Tags("", "", "another's"), lambda: False)
        return path.read_bytes()


@contextmanager
def serving(videos: Videos) -> Iterator[Videos]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(401, json.dumps({"error": "who are you?"}).encode())
                return
            status, values = videos.answer(self.command, self.path, _form(self.headers["Content-Type"], body))
            if not status:
                self.close_connection = True
            elif isinstance(values, bytes):
                self._send(status, values, is_cut=any(form["prompt"].startswith(b"cut") for form in videos.forms[-1:]))
            else:
                self._send(status, json.dumps(values).encode())

        do_POST = do_DELETE = do_GET

        def _send(self, status: int, content: bytes, is_cut: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if is_cut else content)

        def log_message(self, *_: object) -> None: ...

    with answering(Handler) as videos.address:
        yield videos


def _form(kind: str | None, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart form by name; no other kind of form is understood."""
    if not kind or not kind.startswith("multipart/form-data"):
        return {}
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)  # type: ignore[misc]
        for part in message.iter_parts()
    }
