"""A small real executor for tests of the queue: it draws frames, encodes them, and does what its prompt says."""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Callable, Collection
from threading import Event

import numpy as np

from studio.domain import (
    Job,
    Made,
    ModelCard,
    Orders,
    Progress,
    Queued,
    Report,
    Stopped,
    StudioError,
    Task,
    Unfinished,
    VideoRequest,
)
from studio.engine import catalog
from studio.executors import Executor, Faulty, Readiness
from studio.jobs import JobQueue
from studio.media.poster import poster_jpeg
from studio.media.video import Movie, Tags, write_video
from studio.store.library import Library

SOON_S = 120.0  # a busy machine is slow, not wrong
RAISES: dict[str, Callable[[], Exception]] = {
    "rule": lambda: StudioError("The rule is this; the value was that."),
    "bug": lambda: ZeroDivisionError("float division by zero\nand more lines"),
    "mute": lambda: KeyError(),
    "full": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "memory": lambda: MemoryError("could not allocate"),
}


class OnPaper:
    """What executors have in common that need no model."""

    workers = 1

    def line(self, model: str) -> Executor:
        return self

    def has_room(self, model: str, running: Collection[str]) -> bool:
        return len(running) < self.workers

    def obstacle(self, card: ModelCard) -> str:
        return catalog.obstacle(card, "cpu")

    def warm_up(self) -> None: ...

    def readiness(self) -> Readiness:
        return Readiness("ready", "")

    def device(self) -> str:
        return "On paper."

    def close(self) -> None: ...


class DrawingExecutor(OnPaper):
    """Draws grey frames and encodes them. Prompts steer it: "hold" waits for `go` or an order, RAISES raise.

    It leaves latents like the real one. With "unfinished" it fails after them, and goes on from them the next time.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.go = Event()
        self.started: list[str] = []
        self.at_once = self.most_at_once = 0

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        self.started.append(task.request.prompt)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._make(task, report, orders)
        finally:
            self.at_once -= 1

    def _make(self, task: Task, report: Report, orders: Orders) -> Made:
        words = task.request.prompt.split()
        frames = np.stack([np.full((48, 64, 3), 10 * number, np.uint8) for number in range(5)])
        has_latents = task.latents.exists()
        steps = 3 if has_latents else self._steps(words, report, orders)
        if words and words[0] in RAISES:
            task.target.write_bytes(b"half a file")
            raise RAISES[words[0]]()
        task.latents.write_bytes(b"latents")
        if "faulty" in words:
            raise Faulty("The clip came out black.")
        if "unfinished" in words and not has_latents:
            raise Unfinished("The disk is full. What was denoised is kept, so the clip can be finished later.")
        task.poster.write_bytes(poster_jpeg(frames, b""))
        report(Progress("encoding"))
        write_video(task.target, Movie(frames, 12.0), Tags("", "", ""), lambda: orders() == "stop")
        return Made(64, 48, 5, 12.0, False, 0.1, steps_done=steps)

    def _steps(self, words: list[str], report: Report, orders: Orders) -> int:
        for step in range(3):
            report(Progress("denoising", step + 1, 3, preview=b"jpeg", preview_frames=4))
            while "hold" in words and orders() == "go on" and not self.go.wait(0.01):
                pass
            if orders() == "stop":
                raise Stopped
            if orders() == "keep":
                return step + 1
        return 3


def submit(queue: JobQueue, prompt: str, **values: object) -> str:
    job = Job(uuid.uuid4().hex, VideoRequest(prompt, seed=1, **values), time.time(), Queued())  # type: ignore[arg-type]
    queue.submit(job)
    return job.id


def ended(queue: JobQueue, job_id: str) -> Job:
    job = queue.watch(job_id, SOON_S)
    assert job is not None
    assert job.is_over, f"still {job.state}"
    return job


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < until_s, "it did not come to pass"
        time.sleep(0.005)


def files(library: Library) -> list[str]:
    return sorted(path.name for folder in (library.files.clips, library.files.tmp) for path in folder.iterdir())
