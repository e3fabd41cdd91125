"""Carries out tasks on this machine: one thread owns the pipeline, so two jobs never run on it at once.

On a graphics card a clip is written by its job's own thread, while the owner may have the next one already.

Knows no queue and no rows; how one clip is made stands in making.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack

from studio.domain import Made, ModelCard, Orders, Progress, Report, Stopped, StudioError, Task
from studio.engine import catalog
from studio.engine import device as devices
from studio.engine.meter import Meter
from studio.engine.pipeline import VideoPipeline
from studio.executors import READY, Executor, Readiness
from studio.executors.making import Making

log = logging.getLogger(__name__)

STARTING = Readiness("starting", "The model is loaded with the first clip.")
LOADING = Readiness("loading", "The model is loading; you can write your prompt meanwhile.")
# The model that is loaded at the start, and that /health speaks of.
DEFAULT = "pocket"
ASK_S = 0.1

# What must be free of the main memory for a clip to wait there while the next is denoised: a few times its frames, of
# which the largest that is made at once by default has 0.6 GB.
ROOM_BYTES = 4 * 10**9


class LocalExecutor:
    def __init__(self, pipeline: VideoPipeline, overlaps: bool | None = None) -> None:
        """`overlaps`: whether a clip is written while the next is denoised; None says on a graphics card only.

        On processors alone both would want the same ones.
        """
        self._pipeline = pipeline
        self._overlaps = overlaps
        self._owner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipeline")
        self._owned: Future[Made | Callable[[], Made]] | None = None  # the newest that the owner was given
        self._written: set[str] = set()  # the tasks that are being written beside the owner
        self._readiness = STARTING

    @property
    def workers(self) -> int:
        """One, and one more when the pipeline is free already while its last clip is being written."""
        return 2 if self._written and (self._owned is None or self._owned.done()) else 1

    def line(self, model: str) -> Executor:
        return self

    def has_room(self, model: str, running: Collection[str]) -> bool:
        return len(running) < self.workers

    def obstacle(self, card: ModelCard) -> str:
        return catalog.obstacle(card, self._pipeline.wanted_device, self._pipeline.memory_plan)

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        with ExitStack() as metered:
            self._owned = owned = self._owner.submit(self._make, task, report, orders, metered)
            # Its turn may be long in coming; whose turn it is reads the orders itself.
            while not wait([owned], ASK_S).done:
                if orders() == "stop" and owned.cancel():
                    raise Stopped
            made = owned.result()
            if isinstance(made, Made):
                return made
            self._written.add(task.id)
            try:
                return made()
            finally:
                self._written.discard(task.id)

    def warm_up(self) -> None:
        self._readiness = LOADING
        self._owner.submit(self._warm_up)

    def readiness(self) -> Readiness:
        return self._readiness

    def device(self) -> str:
        plan = self._pipeline.plan
        return plan.reason if plan else "Chosen when the model is loaded."

    def close(self) -> None:
        self._owner.shutdown(wait=True, cancel_futures=True)

    def _warm_up(self) -> None:
        try:
            self._load(DEFAULT)
        except Exception:
            log.exception("model not loaded")

    def _load(self, model: str) -> None:
        if self._pipeline.is_loaded(model):
            return
        self._readiness = LOADING
        try:
            self._pipeline.load(model)
        except Exception as error:
            reason = str(error) if isinstance(error, StudioError) else type(error).__name__
            if model == DEFAULT:
                self._readiness = Readiness("failed", f"The model {model} could not be loaded: {reason}")
            else:
                self._readiness = READY if self._pipeline.is_loaded(DEFAULT) else STARTING
            raise
        self._readiness = READY

    def _make(self, task: Task, report: Report, orders: Orders, metered: ExitStack) -> Made | Callable[[], Made]:
        """On the owner thread. The clip, or what writes it where the next may be denoised meanwhile."""
        if orders() == "stop":
            raise Stopped
        report(Progress("loading"))
        self._load(task.request.model)
        device = self._pipeline.plan.device if self._pipeline.plan else "cpu"
        meter = metered.enter_context(Meter(device, gpus=self._pipeline.gpus))
        making = Making(self._pipeline, task, report, orders, meter)
        write = making.run()
        if not self._may_overlap(device):
            return write()

        def beside() -> Made:
            meter.hand_over()
            return write()

        return beside

    def _may_overlap(self, device: str) -> bool:
        wanted = device == "cuda" if self._overlaps is None else self._overlaps
        return wanted and devices.free_memory(device).host_bytes > ROOM_BYTES
