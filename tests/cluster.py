"""A Ray cluster of several nodes on this machine's loopback, with a token, whose parts can be killed. Knows no test."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.ui.running import free_port

RAY = Path(sys.executable).with_name("ray")
STORE_BYTES = 100_000_000
START_S, TRIES = 300.0, 3
SOONER = {
    # Ray lets its workers stand back behind all else, so on a busy machine they would hardly get on.
    "RAY_worker_niceness": "0",
    # What is lost is given up after 3 and 5 s, not after 15 and 20: the waiting is not what is tested.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}


@dataclass
class Machines:
    """The head gives no processors, as the studio's own machine would; each node has one."""

    port: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    # Ray keeps sockets in there, and their paths may not be long.
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="fb-", dir="/tmp")))
    head: subprocess.Popen[bytes] | None = None
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """Of a studio beside them."""
        return {"RAY_AUTH_TOKEN": self.token, **SOONER}

    def start_head(self) -> None:
        asked = ["--head", f"--port={self.port}", "--num-cpus=0", "--include-dashboard=false", "--no-monitor"]
        self.head = self._start(*asked, f"--temp-dir={self.folder}")

    def add_node(self, core: int | None = None, **environ: str) -> subprocess.Popen[bytes]:
        """A machine with one processor, which is that `core` of this one.

        `environ` is what its workers find in their environment besides.
        """
        node = self._start(f"--address={self.address}", "--num-cpus=1", core=core, **environ)
        self.nodes.append(node)
        return node

    def _start(self, *arguments: str, core: int | None = None, **environ: str) -> subprocess.Popen[bytes]:
        """Returns when it is up: two that start at once may choose the same ports.

        Ray itself gives up after 30 s, so on a busy machine it is tried again.
        """
        for _ in range(TRIES):
            said = self.folder / f"said-{time.time_ns()}"
            process = self._begin(said, arguments, core, environ)
            until_s = time.monotonic() + START_S
            while process.poll() is None and time.monotonic() < until_s:
                if b"Ray runtime started" in said.read_bytes():
                    return process
                time.sleep(0.1)
            kill(process)
        raise RuntimeError(said.read_text(errors="replace")[-2000:])

    def _begin(
        self, said: Path, arguments: tuple[str, ...], core: int | None, environ: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        with said.open("wb") as log:
            process = subprocess.Popen(
                [
                    str(RAY),
                    "start",
                    "--block",
                    "--disable-usage-stats",
                    f"--object-store-memory={STORE_BYTES}",
                    *arguments,
                ],
                env={**os.environ, "RAY_AUTH_MODE": "token", **self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if core is not None:  # long before it starts any other process, and those inherit it
            os.sched_setaffinity(process.pid, {core})
        return process

    def workers(self) -> list[int]:
        """Process ids of the workers that hold a pipeline, of all nodes."""
        found = [child for node in self.nodes for child in descendants(node.pid)]
        return [pid for pid in found if b"ray::Worker" in command(pid)]

    def used_s(self) -> float:
        """Processor seconds that the workers have used so far."""
        ticks = 0
        for pid in self.workers():
            with contextlib.suppress(OSError):
                ticks += sum(
                    int(text) for text in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
                )
        return ticks / os.sysconf("SC_CLK_TCK")

    def kill_head(self) -> None:
        assert self.head is not None
        kill(self.head)
        self.head = None

    def kill_node(self, node: subprocess.Popen[bytes]) -> None:
        """As a power cut does it."""
        kill(node)
        self.nodes.remove(node)

    def close(self) -> None:
        for process in [*self.nodes, *([self.head] if self.head else [])]:
            kill(process)
        shutil.rmtree(self.folder, ignore_errors=True)


def kill(process: subprocess.Popen[bytes]) -> None:
    for pid in [*descendants(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def descendants(pid: int) -> list[int]:
    """The children of a process, theirs and so on."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
            parents.setdefault(parent, []).append(int(path.parent.name))
    found = parents.get(pid, [])
    return [*found, *(deeper for child in found for deeper in descendants(child))]
