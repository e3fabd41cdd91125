"""Brings models' files here for whoever may ask for it: one at a time, in a process of its own, beside the queue.

What it knows is on the server, so that any page can show it and a reload loses nothing. Knows no page, and leaves to
`engine.hub` how a hub is spoken with.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Literal

from studio.domain import ModelCard, StudioError

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
# Over so many reports a speed is the mean; there are two in a second.
SPEED_OVER = 12
BROKEN_OFF = "The fetching broke off; what has come stays, and is gone on from."
# Without the hub's own way of transfer, which begins each file anew.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "0",
    "TRANSFORMERS_OFFLINE": "0",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "PYTHONPATH": str(ROOT),
}


@dataclass(frozen=True)
class Download:
    """How it stands with one model's files, in bytes; `sentence` says what went wrong."""

    state: Literal["none", "asking", "known", "fetching", "stopped", "failed", "done"] = "none"
    total_bytes: int = 0
    have_bytes: int = 0
    free_bytes: int = 0
    bytes_per_s: float = 0.0
    sentence: str = ""

    @property
    def is_busy(self) -> bool:
        return self.state in ("asking", "fetching")


class Downloads:
    """At most one is under way. Safe to call from any thread."""

    def __init__(self, spare_bytes: int) -> None:
        self._spare_bytes = spare_bytes
        self._lock = Lock()
        self._states: dict[str, Download] = {}
        self._process: subprocess.Popen[str] | None = None
        self._busy_with: ModelCard | None = None
        self._follower: Thread | None = None

    def state(self, card: ModelCard) -> Download:
        with self._lock:
            return self._states.get(card.name, Download())

    def look_up(self, card: ModelCard) -> None:
        """Ask the hub what the model's files take; returns at once."""
        self._start(card, "asking")

    def fetch(self, card: ModelCard) -> None:
        """Bring the model's files here, from where an earlier try ended; returns at once."""
        self._start(card, "fetching", "--fetch")

    def stop(self, card: ModelCard) -> None:
        """End what is under way for this model; does nothing when nothing is."""
        with self._lock:
            if self._busy_with == card:
                self._end()

    def close(self) -> None:
        with self._lock:
            self._end()
            follower = self._follower
        if follower:
            follower.join()

    def _start(self, card: ModelCard, state: Literal["asking", "fetching"], *options: str) -> None:
        with self._lock:
            if self._busy_with == card:
                return
            if self._busy_with is not None:
                raise StudioError(f"One model is fetched at a time, and {self._busy_with.title} is under way.")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "studio.engine.hub", card.source, "--spare", str(self._spare_bytes), *options],
                cwd=ROOT,
                env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.PIPE,  # it ends when this closes, so also when the studio was killed
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what matters is told
                text=True,
            )
            self._busy_with = card
            self._states[card.name] = replace(self._states.get(card.name, Download()), state=state, sentence="")
            self._follower = Thread(target=self._follow, args=(card, self._process), name="download", daemon=True)
            self._follower.start()

    def _end(self) -> None:
        process, card = self._process, self._busy_with
        self._process = self._busy_with = None
        if process is None or card is None:
            return
        process.kill()
        process.wait()
        before = self._states[card.name]
        state = "stopped" if before.state == "fetching" else "none"
        self._states[card.name] = replace(before, state=state, bytes_per_s=0.0)

    def _follow(self, card: ModelCard, process: subprocess.Popen[str]) -> None:
        """Take in what the process tells until it ends, in a thread of its own."""
        assert process.stdout is not None
        seen: deque[tuple[float, int]] = deque(maxlen=SPEED_OVER)
        told: dict[str, Any] = {}
        with process:
            for line in process.stdout:
                told = json.loads(line)
                if "have" not in told:
                    continue
                seen.append((time.monotonic(), told["have"]))
                with self._lock:
                    if self._process is process:
                        self._states[card.name] = _after(self._states[card.name], told, _speed(seen))
        if process.returncode and "error" not in told:
            told = {"error": BROKEN_OFF}
        with self._lock:
            if self._process is not process:
                return
            self._process = self._busy_with = None
            before = self._states[card.name]
            if "error" in told:
                self._states[card.name] = replace(before, state="failed", sentence=told["error"], bytes_per_s=0.0)
            else:
                state = "known" if before.state == "asking" else "done"
                self._states[card.name] = replace(before, state=state, bytes_per_s=0.0)
        log.info("download ended", extra={"model": card.name, "reason": told.get("reason", "")})


def _after(download: Download, told: dict[str, Any], bytes_per_s: float) -> Download:
    sizes = {f"{name}_bytes": told[name] for name in ("total", "have", "free") if name in told}
    return replace(download, bytes_per_s=bytes_per_s, **sizes)


def _speed(seen: deque[tuple[float, int]]) -> float:
    (first_s, first), (last_s, last) = seen[0], seen[-1]
    return max(0.0, last - first) / (last_s - first_s) if last_s > first_s else 0.0
