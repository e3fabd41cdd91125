"""`make bench ARGS=visitors`: what 1, 8 and 32 visitors at once get of a studio on this machine, on its real page.

Each visitor asks for a clip, waits for it, and asks for the next; meanwhile the page itself is opened again and again.
Settings come from the environment, so that `ENGINE=ray` measures a cluster.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

CROWDS = (1, 8, 32)
CLIPS_AT_LEAST = 4
START_S, ANSWER_S = 180.0, 3600.0
# How often the page is opened while clips are made.
OPEN_S = 0.25
ROOT = Path(__file__).parent.parent


@dataclass
class Crowd:
    """What one crowd of visitors found. Seconds, and bytes of the server's memory at its most."""

    visitors: int
    waits_s: list[float] = field(default_factory=list)
    opens_s: list[float] = field(default_factory=list)
    took_s: float = 0.0
    memory_bytes: int = 0

    def row(self) -> str:
        waits, opens = sorted(self.waits_s), sorted(self.opens_s)
        late = opens[int(0.95 * (len(opens) - 1))]
        return (
            f"| {self.visitors} | {len(waits)} | {60 * len(waits) / self.took_s:.1f} | {median(waits):.1f} s "
            f"| {waits[-1]:.1f} s | {1000 * median(opens):.0f} ms | {1000 * late:.0f} ms "
            f"| {self.memory_bytes / 1e6:.0f} MB |"
        )


def main(crowds: tuple[int, ...] = CROWDS, **request: Any) -> None:
    """Print one row for each crowd; `request` overrides the defaults of `/generate`."""
    print("| visitors | clips | clips a minute | wait, median | longest | page, median | 95 % | memory |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with running() as (process, address):
        make_clip(address, request)  # the first one pays for loading the model
        for visitors in crowds:
            print(measure(process, address, visitors, request).row(), flush=True)


@contextmanager
def running() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The studio with a data folder and a port of its own, ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        own = {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": folder, "GALLERY": "private", "MAX_QUEUED": "1000"}
        server = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env={**os.environ, **own},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            until_s = time.monotonic() + START_S
            while True:
                try:
                    fetch(f"{address}/")
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > until_s:
                        raise
                    time.sleep(0.1)
            yield server, address
        finally:
            server.terminate()
            server.wait()


def measure(process: subprocess.Popen[bytes], address: str, visitors: int, request: dict[str, Any]) -> Crowd:
    """Let that many visitors make clips, each at least one, all together at least CLIPS_AT_LEAST."""
    found, is_over = Crowd(visitors), Event()

    def look() -> None:
        while not (found.opens_s and is_over.wait(OPEN_S)):
            began_s = time.perf_counter()
            fetch(f"{address}/")
            found.opens_s.append(time.perf_counter() - began_s)
            found.memory_bytes = max(found.memory_bytes, resident_bytes(process.pid))

    def visit(_: int) -> None:
        for _ in range(-(-CLIPS_AT_LEAST // visitors)):
            began_s = time.perf_counter()
            make_clip(address, request)
            found.waits_s.append(time.perf_counter() - began_s)

    began_s = time.perf_counter()
    with ThreadPoolExecutor(visitors + 1) as crowd:
        looking = crowd.submit(look)
        try:
            list(crowd.map(visit, range(visitors)))
            found.took_s = time.perf_counter() - began_s
        finally:
            is_over.set()
        looking.result()
    return found


def make_clip(address: str, request: dict[str, Any]) -> None:
    """As a program asks for one; RuntimeError with the sentence when there is none."""
    asked = {"prompt": "a cat walks to the right in a meadow", "visitor": secrets.token_hex(16), **request}
    call = urllib.request.Request(
        f"{address}/gradio_api/call/v2/generate", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(call, timeout=ANSWER_S) as answer:
        event = json.load(answer)["event_id"]
    told = fetch(f"{address}/gradio_api/call/generate/{event}").decode()
    if "event: complete" not in told:
        raise RuntimeError(told[-500:])


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:
        return answer.read()


def resident_bytes(pid: int) -> int:
    """What of a process is in memory now; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
