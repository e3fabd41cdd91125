"""The process is killed at random moments while jobs are submitted and made; nothing accepted may be lost.

The next start must find every job, sweep what was half made, and go on.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections import Counter
from pathlib import Path

import httpx

from studio.ui import wording
from tests.soak import ledger
from tests.soak.report import Row, row
from tests.soak.server import QUICK, Server

JOBS_AHEAD = 3
# The rest of the kills fall while the studio starts and the model loads.
SHARE_AT_WORK = 0.75
NOT_AT_WORK = {"starting", "loading", "ready", wording.PHASES["loading"]}


def run(folder: Path, rounds: int, seed: int) -> list[Row]:
    dice = random.Random(seed)
    server = Server(folder / "kills")
    try:
        start_s, work_s = _whole_life(server)
        server.stop()
        watch = _Watch(server)
        began_s = time.monotonic()
        for number in range(rounds):
            is_at_work = dice.random() < SHARE_AT_WORK
            watch.live(is_at_work, dice.uniform(0, work_s if is_at_work else start_s))
            server.kill()
            watch.look(f"kill {number + 1}")
        per_round_s = (time.monotonic() - began_s) / max(1, rounds)
        server.start()
        server.wait_until(server.is_idle)
        server.stop()
        watch.look("the end")
    finally:
        server.close()
    last = watch.last
    assert last is not None
    ends = Counter(job["state"] for job in last.jobs.values())
    # What was killed three times is given up, but may be finished from its latents if it had got so far.
    wanted = {f"{job_id}.safetensors" for job_id, job in last.jobs.items() if job["can_finish"]}
    left = last.orphans | last.half_made | (last.latents ^ wanted)
    watch.wrong += [f"{name} was left by a tidy end, or is missing" for name in left]
    watch.wrong += [
        f"job {job_id} never ended" for job_id, job in last.jobs.items() if job["state"] not in ("done", "failed")
    ]
    phases = ", ".join(f"{count} {phase}" for phase, count in watch.phases.most_common())
    said = ", ".join(f"{count} {state}" for state, count in ends.most_common())
    return [
        row(
            "kills (SIGKILL)",
            f"{rounds} at random moments, {len(watch.accepted)} jobs accepted, {per_round_s:.1f} s a round",
            watch.wrong,
            f"0 lost, 0 twice, 0 rows without file, 0 files without row; in the end {said}",
        ),
        Row("where the kills fell", f"{rounds} kills", phases),
    ]


def _whole_life(server: Server) -> tuple[float, float]:
    """Seconds until the model is loaded here, and what a few jobs take then."""
    began_s = time.monotonic()
    server.start()
    server.wait_until(lambda: server.health()["state"] == "ready")
    ready_s = time.monotonic()
    for number in range(JOBS_AHEAD):
        server.begin("generate", prompt="a ghost at sea", seed=number, **QUICK)
    server.wait_until(lambda: server.health()["jobs"].get("done", 0) >= JOBS_AHEAD)
    return ready_s - began_s, time.monotonic() - ready_s


class _Watch:
    """What was accepted and seen so far, over all the lives of the server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.wrong: list[str] = []
        self.phases: Counter[str] = Counter()
        self.last: ledger.Ledger | None = None
        self.accepted: set[str] = set()
        self._orphans: set[str] = set()
        self._has_swept = True
        self._seed = 1000

    def live(self, is_at_work: bool, seconds: float) -> None:
        """One life with always a few jobs waiting; it ends `seconds` after its start, or after its first job's."""
        phase, until_s = "starting", None if is_at_work else time.monotonic() + seconds
        self.server.start(wait=False)
        while until_s is None or time.monotonic() < until_s:
            with contextlib.suppress(httpx.HTTPError):  # while it is not up yet
                phase = self._step(phase)
            if until_s is None and phase not in NOT_AT_WORK:
                until_s = time.monotonic() + seconds
            time.sleep(max(0.0, min(0.05, (until_s or math.inf) - time.monotonic())))
        self.phases[phase] += 1
        # A page that answers comes after the sweep.
        self._has_swept = phase != "starting"

    def _step(self, phase: str) -> str:
        if phase == "starting" and not self.server.answers():
            return phase
        told = self.server.part("poll_jobs", timeout_s=5.0, jobs=[], preview="")
        # What a visitor was told of counts as accepted, whatever the database says later.
        self.accepted |= {view["id"] for view in told["jobs"]}
        if len(told["jobs"]) < JOBS_AHEAD:
            self._seed += 1
            self.server.begin("generate", prompt="a ghost at sea", seed=self._seed, **QUICK)
        running = [view["headline"] for view in told["jobs"] if view["state"] == "running"]
        return running[0] if running else told["readiness"]["state"]

    def look(self, when: str) -> None:
        """The server is down: what lies there must be right, but for files that the next start is to sweep."""
        found = ledger.read(self.server.data_dir)
        self.wrong += [f"{when}: {wrong}" for wrong in found.violations(self.accepted)]
        survivors = found.orphans & self._orphans if self._has_swept else set()
        self.wrong += [f"{when}: {name} has no row and was not swept" for name in survivors]
        self.accepted |= found.jobs.keys()
        self.last, self._orphans = found, found.orphans
