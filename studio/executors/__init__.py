"""Where jobs are carried out. An executor makes one clip of one task; it knows no queue, no rows and no page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from studio.domain import Made, ModelCard, Orders, Report, StudioError, Task


@dataclass(frozen=True)
class Readiness:
    """Whether a clip would start at once, and what to tell the visitor if not."""

    state: Literal["starting", "loading", "ready", "failed"]
    sentence: str


class Faulty(StudioError):
    """What was denoised is of no use: it is no good, or what it goes on from is gone."""


READY = Readiness("ready", "Ready.")


class Executor(Protocol):
    @property
    def workers(self) -> int:
        """How many tasks may run at once; may change at any time, and 0 means that a task would wait."""
        ...

    def line(self, model: str) -> Executor:
        """Who carries out that model's tasks, which wait for each other alone: itself, or whom it hands them on to."""
        ...

    def has_room(self, model: str, running: Collection[str]) -> bool:
        """Whether a task of that model could begin at once, beside tasks of the models that are `running`."""
        ...

    def obstacle(self, card: ModelCard) -> str:
        """Why that model can't be used here, in one sentence; empty where it can."""
        ...

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        """Write `task.target` and `task.poster`; Stopped and StudioError as they come, other errors are bugs.

        `task.latents` is written on the way, or used when it lies there; removing it is the caller's business. With
        Unfinished it lies there, and running the task again makes the rest.
        """
        ...

    def warm_up(self) -> None:
        """Begin to load what the first job needs; returns at once."""
        ...

    def readiness(self) -> Readiness: ...

    def device(self) -> str:
        """Where the work is done, in one sentence."""
        ...

    def close(self) -> None: ...
