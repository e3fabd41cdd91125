"""A small server on this machine that speaks the part of the hub's HTTP API which a deployment uses. Knows no test.

Binary files travel as git-LFS objects, as on the hub; what was committed can be read back from `files`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "hf_a_token_that_may_write"


@dataclass
class Hub:
    """One account `me`, with at most one Space. `stages` are what the Space goes through after an upload.

    A stage in which it `rests` it only leaves when it is restarted.
    """

    address: str = ""
    repo: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    buckets: list[str] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    hardware: str = "cpu-basic"
    paid: tuple[str, ...] = ()
    is_free: bool = False  # the account, which then can't begin a Space on the hub's own free hardware
    stages: list[str] = field(default_factory=lambda: ["BUILDING", "APP_STARTING", "RUNNING"])
    rests: str = ""
    commits: int = 0
    asked: list[str] = field(default_factory=list)
    _objects: dict[str, bytes] = field(default_factory=dict)
    _to_come: list[str] = field(default_factory=list)
    _runs: str = ""

    @property
    def commit(self) -> str:
        return f"{self.commits:040x}"

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON for a request whose token is right."""
        self.asked.append(f"{method} {path}")
        if path == "/api/whoami-v2":
            return 200, {"name": "me", "type": "user"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if found := re.fullmatch(r"/api/buckets/(.+)", path):
            self.buckets.append(found[1])
            return 200, {"url": f"{self.address}/buckets/{found[1]}"}
        if found := re.fullmatch(r"/objects/(\w+)", path):
            self._objects[found[1]] = body
            return 200, {}
        if found := re.fullmatch(r"/spaces/(.+)\.git/info/lfs/objects/batch", path):
            return 200, self._batch(json.loads(body))
        found = re.fullmatch(r"/api/spaces/([^/]+/[^/]+)(?:/(.*))?", path)
        if not found or found[1] != self.repo:
            return 404, {"error": "Repository not found"}
        return self._space(method, found[2] or "", body)

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        repo = f"{asked['organization'] or 'me'}/{asked['name']}"
        if not repo.startswith("me/"):
            return 403, {"error": "You don't have the rights to create a Space there."}
        status = 409 if self.repo == repo else 200
        hardware = asked.get("hardware", "cpu-basic")
        if status == 200 and (hardware in self.paid or (self.is_free and hardware == "cpu-basic")):
            return 402, {"error": "Please add a payment method."}
        self.repo = repo
        return status, {"url": f"{self.address}/spaces/{repo}"}

    def _space(self, method: str, part: str, body: bytes) -> tuple[int, Any]:
        asked = json.loads(body) if body and not part.startswith("commit") else {}
        match part.split("/")[0]:
            case "runtime":
                return 200, self._runtime()
            case "restart":
                self.rests = ""
                return 200, self._runtime()
            case "hardware":
                if asked["flavor"] in self.paid:
                    return 402, {"error": "Please add a payment method."}
                self.hardware = asked["flavor"]
                return 200, self._runtime()
            case "variables":
                if method == "POST":
                    self.variables[asked["key"]] = asked["value"]
                return 200, {name: {"value": value} for name, value in self.variables.items()}
            case "secrets":
                self.secrets[asked["key"]] = asked["value"]
                return 200, {}
            case "volumes":
                self.volumes = asked["volumes"]
                return 200, {}
            case "preupload":
                return 200, {"files": [_mode(file) for file in asked["files"]]}
            case "tree":
                return 200, [{"type": "file", "path": name, "size": 1, "oid": "0" * 40} for name in self.files]
            case "commit":
                return self._commit(body)
        return 404, {"error": f"There is no {part}"}

    def _runtime(self) -> dict[str, Any]:
        if len(self._to_come) > 1 and not self.rests:
            self._to_come.pop(0)
        stage = self.rests or (self._to_come[0] if self._to_come else "NO_APP_FILE")
        if not self.rests and stage not in ("BUILDING", "RUNNING_BUILDING"):
            self._runs = self.commit
        hardware = {"current": self.hardware, "requested": self.hardware}
        error = {"errorMessage": "Exit code 1"} if stage.endswith("ERROR") else {}
        return {"stage": stage, "hardware": hardware, "volumes": self.volumes, "sha": self._runs, **error}

    def _batch(self, asked: dict[str, Any]) -> dict[str, Any]:
        objects = []
        for wanted in asked["objects"]:
            upload = {"upload": {"href": f"{self.address}/objects/{wanted['oid']}"}}
            objects.append({**wanted, **({} if wanted["oid"] in self._objects else {"actions": upload})})
        return {"transfer": "basic", "objects": objects}

    def _commit(self, body: bytes) -> tuple[int, Any]:
        for line in body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            match entry["key"]:
                case "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    content = self._objects[value["oid"]]
                    assert hashlib.sha256(content).hexdigest() == value["oid"]
                    self.files[value["path"]] = content
                case "deletedFile":
                    del self.files[value["path"]]
        self.commits += 1
        self._to_come = ["", *self.stages]
        return 200, {"commitOid": self.commit, "commitUrl": f"{self.address}/spaces/{self.repo}/commit/{self.commit}"}


def _mode(file: dict[str, Any]) -> dict[str, Any]:
    is_binary = file["path"].endswith((".safetensors", ".png", ".webp"))
    return {"path": file["path"], "uploadMode": "lfs" if is_binary else "regular", "shouldIgnore": False}


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """`hub` answers on a port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else self._chunks()
            path = self.path.partition("?")[0]
            # What is uploaded to storage carries its right in its address.
            if self.headers.get("Authorization") == f"Bearer {TOKEN}" or path.startswith("/objects/"):
                status, values = hub.answer(self.command, path, body)
            else:
                status, values = 401, {"error": "Invalid credentials"}
            content = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status >= 400:
                self.send_header("X-Error-Message", values.get("error", ""))
            self.end_headers()
            self.wfile.write(content)

        def _chunks(self) -> bytes:
            found = b""
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            return found

        do_GET = do_POST = do_PUT = _do

        def log_message(self, *_: object) -> None: ...

    with answering(Handler) as hub.address:
        yield hub


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """`handler` answers on a port of this machine until the block ends; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
