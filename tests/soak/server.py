"""The real app in a process group of its own on this machine, and how a program speaks with it. Knows no test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_S = 600.0
# A connection that the server closes while it lies idle looks like a fault at its next use; browsers ask once more.
# To keep none is not enough: among a thousand threads some find another's before it is closed.
ONCE = {"Connection": "close"}
QUICK: dict[str, Any] = {"seconds": 1.0, "num_inference_steps": 2, "aspect_ratio": "1:1"}


@dataclass
class Server:
    """`app.py` on a port of its own; `extra` are more environment variables."""

    data_dir: Path
    extra: dict[str, str] = field(default_factory=dict)
    log_path: Path = Path()

    def __post_init__(self) -> None:
        if self.log_path == Path():
            self.log_path = self.data_dir.with_suffix(".log")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=self.address, timeout=START_S, trust_env=False, headers=ONCE)
        self._parts: dict[str, int] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, wait: bool = True) -> None:
        own = {
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "GRADIO_TEMP_DIR": str(self.data_dir.with_suffix(".uploads")),
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env={**os.environ, **own, **self.extra},
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self._parts = {}
        if wait:
            self.wait_until(self.answers)

    def answers(self) -> bool:
        """Whether the page is there; RuntimeError when the process has ended."""
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"app.py ended: {self.log_path.read_text(errors='replace')[-2000:]}")
        try:
            return self._http.get("/health", timeout=5).status_code in (200, 503)
        except httpx.TransportError:
            return False

    def wait_until(self, is_so: Any, timeout_s: float = START_S, every_s: float = 0.1) -> None:
        until_s = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > until_s:
                raise TimeoutError(f"it did not come to pass within {timeout_s:g} s")
            time.sleep(every_s)

    def kill(self) -> None:
        """As a power cut does it: nothing is tidied up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As Ctrl + C and containers do it."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, how)
            self.process.wait(timeout=300)
            self.process = None

    def close(self) -> None:
        self.kill()
        self._http.close()

    # What a program asks

    def health(self) -> dict[str, Any]:
        return self._http.get("/health").json()

    def is_idle(self) -> bool:
        health = self.health()
        return not health["running"] and not health["waiting"]

    def begin(self, endpoint: str, **arguments: Any) -> str:
        """Call an endpoint without waiting for what comes of it; returns the event's id."""
        answer = self._http.post(f"/gradio_api/call/v2/{endpoint}", json=arguments)
        answer.raise_for_status()
        return answer.json()["event_id"]

    def outcome(self, endpoint: str, event_id: str) -> tuple[str, Any]:
        """Wait for an event: ("complete", values), or ("error", sentence)."""
        with self._http.stream("GET", f"/gradio_api/call/{endpoint}/{event_id}", timeout=START_S) as answer:
            kind = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: ") and kind in ("complete", "error"):
                    return kind, json.loads(line[6:])
        return "error", None

    def call(self, endpoint: str, **arguments: Any) -> tuple[str, Any]:
        return self.outcome(endpoint, self.begin(endpoint, **arguments))

    def part(self, name: str, timeout_s: float = START_S, **data: Any) -> Any:
        """A part's server function, asked as the page asks it."""
        body = {
            "session_hash": uuid.uuid4().hex,
            "component_id": self.server_functions()[name],
            "fn_name": name,
            "data": data,
        }
        return self._http.post("/gradio_api/component_server/", json=body, timeout=timeout_s).json()

    def server_functions(self) -> dict[str, int]:
        """Every server function of the page, and the component that answers it."""
        if not self._parts:
            for component in self._http.get("/config").json()["components"]:
                for name in component["props"].get("server_fns") or ():
                    self._parts[name] = component["id"]
        return self._parts

    def upload(self, name: str, content: bytes) -> str:
        """Returns the path under which the server keeps the file for now."""
        answer = self._http.post("/gradio_api/upload", files={"files": (name, content)})
        answer.raise_for_status()
        return answer.json()[0]

    def memory_bytes(self) -> int:
        """What of the process is in memory now."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
