"""Where jobs are carried out. An executor makes one clip of one task; it knows no queue, no rows and no page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from studio.domain import Made, Report, ShouldStop, Task


@dataclass(frozen=True)
class Readiness:
    """Whether a clip would start at once, and what to tell the visitor if not."""

    state: Literal["starting", "loading", "ready", "failed"]
    sentence: str


class Executor(Protocol):
    def run(self, task: Task, report: Report, should_stop: ShouldStop) -> Made:
        """Write `task.target` and `task.poster`; Stopped and StudioError as they come, other errors are bugs."""
        ...

    def warm_up(self) -> None:
        """Begin to load what the first job needs; returns at once."""
        ...

    def readiness(self) -> Readiness: ...

    def close(self) -> None: ...
