"""Hands each task to the executor that has its model: home has all of them but those that are made elsewhere.

Knows no model and no queue.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from studio.domain import Made, ModelCard, Orders, Report, Task
from studio.executors import Executor, Readiness


class RoutingExecutor:
    def __init__(self, home: Executor, elsewhere: Mapping[str, Executor]) -> None:
        """`elsewhere` are executors by the name of the model that they make."""
        self._home, self._elsewhere = home, elsewhere
        self._all = home, *dict.fromkeys(elsewhere.values())

    @property
    def workers(self) -> int:
        return sum(executor.workers for executor in self._all)

    def line(self, model: str) -> Executor:
        return self._of(model)

    def has_room(self, model: str, running: Collection[str]) -> bool:
        executor = self._of(model)
        return executor.has_room(model, [other for other in running if self._of(other) is executor])

    def obstacle(self, card: ModelCard) -> str:
        return self._of(card.name).obstacle(card)

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        return self._of(task.request.model).run(task, report, orders)

    def warm_up(self) -> None:
        self._home.warm_up()

    def readiness(self) -> Readiness:
        return self._home.readiness()

    def device(self) -> str:
        return " ".join(executor.device() for executor in self._all)

    def close(self) -> None:
        for executor in self._all:
            executor.close()

    def _of(self, model: str) -> Executor:
        return self._elsewhere.get(model, self._home)
