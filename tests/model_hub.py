"""A small server on this machine that speaks the part of the hub's HTTP API by which models are fetched. Knows no test.

Files of more than `LARGE_BYTES` are named by their SHA-256, as those in the hub's large storage are; parts of them may
be asked for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event

from tests.hub import answering

LARGE_BYTES = 10_000
COMMIT, NEWER = "c0ffee" + "0" * 34, "beef" + "0" * 36


@dataclass
class ModelHub:
    """One model, of which a newer commit is there when it `has_moved`.

    Of a file longer than `hold_at` bytes no more is sent until `go`; `ranges` are what was asked for.
    """

    source: str
    files: dict[str, bytes]
    address: str = ""
    is_gated: bool = False
    has_moved: bool = False
    hold_at: int | None = None
    go: Event = field(default_factory=Event)
    ranges: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def of_folder(cls, source: str, folder: Path) -> ModelHub:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        return cls(source, {name: path.read_bytes() for name, path in files.items()})

    def info(self) -> dict[str, object]:
        siblings = []
        for name, content in self.files.items():
            entry = {"rfilename": name, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
            if len(content) > LARGE_BYTES:
                entry["lfs"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134}
            siblings.append(entry)
        return {"id": self.source, "modelId": self.source, "sha": COMMIT, "siblings": siblings, "tags": []}


class _Handler(BaseHTTPRequestHandler):
    hub: ModelHub

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        found = re.fullmatch(rf"/{re.escape(self.hub.source)}/resolve/[^/]+/(.+)", path)
        if path == f"/api/models/{self.hub.source}":
            self._json(200, self.hub.info())
        elif found and self.hub.is_gated:
            self._json(403, {"error": "Access is restricted."}, {"X-Error-Code": "GatedRepo"})
        elif found and found[1] in self.hub.files:
            self._file(self.hub.files[found[1]], NEWER if self.hub.has_moved and "/resolve/main/" in path else COMMIT)
        else:
            self._json(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def _json(self, status: int, values: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(values).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def _file(self, content: bytes, commit: str) -> None:
        begin = 0
        if asked := self.headers.get("Range"):
            self.hub.ranges.append(asked)
            begin = int(asked.removeprefix("bytes=").partition("-")[0])
        kind = "sha256" if len(content) > LARGE_BYTES else "sha1"
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{hashlib.new(kind, content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(content) - begin))
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self._send(content, begin)

    def _send(self, content: bytes, begin: int) -> None:
        held = len(content) if self.hub.hold_at is None else max(begin, self.hub.hold_at)
        try:
            self.wfile.write(content[begin:held])
            if content[held:]:
                self.hub.go.wait(60)
                self.wfile.write(content[held:])
        except OSError:
            pass  # the one who asked was stopped

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(hub: ModelHub) -> Iterator[ModelHub]:
    """`hub` answers on a port of this machine until the block ends."""
    with answering(type("Handler", (_Handler,), {"hub": hub})) as hub.address:
        try:
            yield hub
        finally:
            hub.go.set()
