"""Carries out tasks in a ZeroGPU Space, on a GPU that is lent for one clip each. Pocket does not need it.

Hugging Face's package `spaces` runs the one generating function in a process forked for it, where nothing comes back
but its result: progress, orders and previews go through files. Knows no queue; the visitor's right to a GPU is in the
context that `run` is called in.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studio.domain import Made, ModelCard, Order, Orders, Progress, Report, StudioError, Task, VideoRequest
from studio.executors import READY, Executor, Readiness
from studio.executors.parcel import Failed

log = logging.getLogger(__name__)

# The hub's own usual share; a shorter one is granted sooner and takes less of the visitor's day.
UNKNOWN_S = 60.0
# What is asked for beyond what past clips took, since a clip that is not done by then is lost.
MARGIN, MARGIN_S = 1.2, 5.0
# What `spaces` says of a clip that was broken off, most often for its time; and how much longer the next one gets.
ABORTED, LONGER = "GPU task aborted", 2.0
ASK_S = 0.1
# Each has a process of its own and waits in the hub's own line, where a right to a GPU does not grow too old.
AT_ONCE = 8

Lend = Callable[..., Callable[..., Any]]
Expect = Callable[[VideoRequest], float | None]


@dataclass(frozen=True)
class Table:
    """A folder on which two processes leave word for each other: the newest progress, and the newest order."""

    folder: Path

    def report(self, progress: Progress) -> None:
        part = self.folder / "progress.part"
        part.write_bytes(pickle.dumps(progress))
        part.replace(self.folder / "progress")

    def news(self) -> Progress | None:
        """The progress that nobody has seen yet."""
        try:
            told = (self.folder / "progress").rename(self.folder / "seen")
        except FileNotFoundError:
            return None
        return pickle.loads(told.read_bytes())

    def tell(self, order: Order) -> None:
        (self.folder / order).touch()

    def is_loaded(self, after_s: float) -> None:
        """Only the first time counts."""
        if not (place := self.folder / "loaded").exists():
            place.write_text(str(after_s))

    def load_s(self) -> float:
        """After how many seconds the model was there; 0 where it never was."""
        place = self.folder / "loaded"
        return float(place.read_text()) if place.exists() else 0.0

    def orders(self) -> Order:
        for order in ("stop", "keep"):
            if (self.folder / order).exists():
                return order
        return "go on"


class ZeroExecutor:
    workers = AT_ONCE

    def __init__(self, gpu: Executor, lend: Lend, expect: Expect) -> None:
        """`lend` is `spaces.GPU`; it must be called before the page is launched. `expect` gives a clip's seconds."""
        self._gpu, self._expect = gpu, expect
        self._too_short: dict[str, tuple[float, float]] = {}  # by model, seconds that did not do, and for how much work
        self._load_s: dict[str, float] = {}  # by model, what bringing it onto a borrowed GPU took
        self._make_on_gpu = lend(duration=_duration)(self._make)

    def line(self, model: str) -> Executor:
        return self

    def has_room(self, model: str, running: Collection[str]) -> bool:
        return len(running) < self.workers

    def obstacle(self, card: ModelCard) -> str:
        return ""

    def warm_up(self) -> None: ...

    def readiness(self) -> Readiness:
        return READY

    def device(self) -> str:
        return "Other models than Pocket borrow a GPU for each clip."

    def close(self) -> None:
        self._gpu.close()

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        expected_s = self._expect(task.request)
        load_s = self._load_s.get(task.request.model, 0.0)
        seconds = UNKNOWN_S if expected_s is None else MARGIN * (expected_s + load_s) + MARGIN_S
        # Of a clip that was broken off nothing is learned but that it takes longer.
        short_s, of_work = self._too_short.get(task.request.model, (0.0, 1.0))
        seconds = max(seconds, LONGER * short_s * min(1.0, _work(task.request) / of_work))
        with TemporaryDirectory(prefix="flipbook-") as folder, ThreadPoolExecutor(max_workers=1) as waiter:
            table = Table(Path(folder))
            # The thread gets this one's context, for in there is whose share of GPUs it is.
            future = waiter.submit(copy_context().run, self._borrow, task, table, seconds)
            told: Order = "go on"
            while not wait([future], ASK_S).done:
                if (order := orders()) != told:
                    told = order
                    table.tell(order)
                if progress := table.news():
                    report(progress)
            self._load_s[task.request.model] = max(load_s, table.load_s())
            return future.result()

    def _borrow(self, task: Task, table: Table, seconds: float) -> Made:
        try:
            outcome = self._make_on_gpu(task, table, seconds)
        except Exception as error:
            # What `spaces` itself raises is meant for the visitor: no GPU is free, or the day's share is used up.
            log.warning("no GPU", extra={"job": task.id}, exc_info=True)
            said = str(getattr(error, "message", "") or type(error).__name__).rstrip(".")
            advice = ""
            # What the hub refuses says that it was asked for too much.
            self._too_short.pop(task.request.model, None)
            if said == ABORTED:
                self._too_short[task.request.model] = seconds, _work(task.request)
                advice = (
                    f" It had {seconds:.0f} s of one; the next try asks for {LONGER * seconds:.0f} s. "
                    "A shorter clip or fewer steps take less."
                )
            raise StudioError(f"No GPU made this clip: {said}.{advice}") from error
        if isinstance(outcome, Failed):
            raise outcome.error
        self._too_short.pop(task.request.model, None)
        return outcome

    def _make(self, task: Task, table: Table, _seconds: float) -> Made | Failed:
        """The one function that runs where a GPU is."""
        began_s = time.monotonic()

        def report(progress: Progress) -> None:
            if progress.phase != "loading":
                table.is_loaded(time.monotonic() - began_s)
            table.report(progress)

        try:
            return self._gpu.run(task, report, table.orders)
        except Exception as error:  # noqa: BLE001 - it shall leave the process as it is, not as `spaces` tells it
            return Failed.of(error)


def _work(request: VideoRequest) -> float:
    """What a clip's time goes by, roughly."""
    return request.seconds * request.num_inference_steps


def _duration(_task: Task, _table: Table, seconds: float) -> float:
    """`spaces` asks for so many seconds of a GPU."""
    return seconds
