"""Carries out tasks on this machine: one thread owns the pipeline, so two jobs never run on it at once.

Knows no queue and no rows; how one clip is made stands in making.py.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from studio.domain import Made, ModelCard, Orders, Progress, Report, StudioError, Task
from studio.engine import catalog
from studio.engine.meter import Meter
from studio.engine.pipeline import VideoPipeline
from studio.executors import READY, Readiness
from studio.executors.making import Making

log = logging.getLogger(__name__)

STARTING = Readiness("starting", "The model is loaded with the first clip.")
LOADING = Readiness("loading", "The model is loading; you can write your prompt meanwhile.")


class LocalExecutor:
    workers = 1

    def __init__(self, pipeline: VideoPipeline) -> None:
        self._pipeline = pipeline
        self._owner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipeline")
        self._readiness = STARTING

    def obstacle(self, card: ModelCard) -> str:
        return catalog.obstacle(card, self._pipeline.wanted_device, self._pipeline.memory_plan)

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        return self._owner.submit(self._make, task, report, orders).result()

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
            self._load("pocket")
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
            self._readiness = Readiness("failed", f"The model {model} could not be loaded: {reason}")
            raise
        self._readiness = READY

    def _make(self, task: Task, report: Report, orders: Orders) -> Made:
        report(Progress("loading"))
        self._load(task.request.model)
        plan = self._pipeline.plan
        with Meter(plan.device if plan else "cpu") as meter:
            return Making(self._pipeline, task, report, orders, meter).run()
