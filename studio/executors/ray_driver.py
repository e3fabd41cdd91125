"""The studio's link to a Ray cluster, in a process of its own: `python -m studio.executors.ray_driver <socket>`.

A Ray driver ends with the head of its cluster, and the studio must not. Keeps one worker for each GPU or share of
processors on each node, hands out what the studio sends, and tells what comes of it. Knows no queue and no files.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from studio.domain import Order, Stopped
from studio.executors.parcel import Cluster, Failed, Lost, Make, Staff, Tell, Told
from studio.executors.ray_worker import Worker

ROOT = Path(__file__).resolve().parents[2]
# All that a worker needs of the studio; each node gets it from here, so no node can run other code than the studio's.
# The first pattern is for names of two letters and more, since Ray asks about the folder "." too.
LEFT_AT_HOME = [
    "/??*", "!/studio", "!/studio/**", "!/assets", "!/assets/pocket", "!/assets/pocket/**", "__pycache__"
]  # fmt: skip
LOOK_S = 1.0
UNREACHED = "The cluster cannot be reached, which is tried again and again; clips wait until it can."


@dataclass
class Seat:
    """One worker's place: on which node, and whether it is ready, which is when its `obstacles` are known, and free."""

    node: str
    actor: Any
    promised: Any
    obstacles: dict[str, str] | None = None
    is_busy: bool = False
    model: str = "pocket"  # which one it has loaded

    def can_make(self, model: str) -> bool:
        """Also what nobody knows, so that the worker is the one to refuse it."""
        return self.obstacles is not None and not self.obstacles.get(model)


class Driver:
    def __init__(self, link: Connection, cluster: Cluster) -> None:
        """Join the cluster; RayError, ConnectionError and the like when it can't be."""
        self._link, self._cluster = link, cluster
        self._speaking = Lock()
        ray.init(
            cluster.address,
            runtime_env={"working_dir": str(ROOT), "excludes": LEFT_AT_HOME},
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
        remote: Any = ray.remote  # whose types know no groups
        self._actor = remote(max_restarts=-1, max_task_retries=0, concurrency_groups={"control": 2})(Worker)
        self._seats: dict[tuple[str, int], Seat] = {}
        self._waiting: deque[Make] = deque()
        self._orders: dict[str, Order] = {}
        self._at: dict[str, Seat] = {}
        self._trouble = ""
        self._changed = Condition()

    def run(self) -> None:
        """Until the studio hangs up."""
        Thread(target=self._watch, daemon=True).start()
        while True:
            try:
                message = self._link.recv()
            except (EOFError, OSError):
                return
            with self._changed:
                if isinstance(message, Make):
                    self._waiting.append(message)
                    self._hand_out()
                elif isinstance(message, Tell):
                    self._tell(message)

    def _say(self, message: Told | Staff) -> None:
        with self._speaking:
            try:
                self._link.send(message)
            except OSError:
                os._exit(0)  # the studio has gone

    def _tell(self, message: Tell) -> None:
        if seat := self._at.get(message.attempt):
            seat.actor.tell.options(concurrency_group="control").remote(message.attempt, message.order)
            return
        waiting = next((make for make in self._waiting if make.attempt == message.attempt), None)
        if waiting and message.order == "stop":
            self._waiting.remove(waiting)
            self._orders.pop(message.attempt, None)
            self._say(Told(message.attempt, Failed(Stopped())))
        elif waiting:
            self._orders[message.attempt] = message.order

    def _hand_out(self) -> None:
        """Give what waits to free workers that have its model; what finds none does not hold up the rest."""
        for make in list(self._waiting):
            seat = self._seat_for(make.parcel.request.model)
            if seat is None:
                continue
            self._waiting.remove(make)
            seat.is_busy, seat.model, self._at[make.attempt] = True, make.parcel.request.model, seat
            if order := self._orders.pop(make.attempt, None):
                seat.actor.tell.options(concurrency_group="control").remote(make.attempt, order)
            Thread(target=self._follow, args=(seat, make), daemon=True).start()

    def _seat_for(self, model: str) -> Seat | None:
        """A free one, where the model is loaded already before others, then on the node that has least to do."""
        free = [seat for seat in self._seats.values() if not seat.is_busy and seat.can_make(model)]
        busy = Counter(seat.node for seat in self._seats.values() if seat.is_busy)
        return min(free, key=lambda seat: (seat.model != model, busy[seat.node]), default=None)

    def _follow(self, seat: Seat, make: Make) -> None:
        has_begun = False
        try:
            stream = seat.actor.make.options(num_returns="streaming").remote(make.attempt, make.parcel)
            for reference in stream:
                self._say(Told(make.attempt, ray.get(reference)))
                has_begun = True
        except Exception as error:  # noqa: BLE001 - whatever it is, the job that waits for an end must get one
            if is_loss(error):
                self._dismiss(seat)
                self._say(Told(make.attempt, Lost(took_worker=True, has_begun=has_begun)))
            else:
                self._say(Told(make.attempt, Failed.of(RuntimeError(f"{type(error).__name__}: {error}"))))
        finally:
            with self._changed:
                seat.is_busy = False
                del self._at[make.attempt]
                self._hand_out()

    def _dismiss(self, seat: Seat) -> None:
        """Another gets its place at the next look, when its share is free: nobody may find two of them on one GPU.

        Who does not answer may only be out of reach and still at work, or may just be starting again.
        """
        ray.kill(seat.actor)
        with self._changed:
            self._seats = {key: other for key, other in self._seats.items() if other is not seat}

    def _watch(self) -> None:
        told: Staff | None = None
        while True:
            try:
                staff = self._look()
            except Exception as error:  # noqa: BLE001 - without the cluster this process has no purpose
                self._say(_without(self._cluster, error))
                os._exit(1)
            if staff != told:
                self._say(staff)
                told = staff
            time.sleep(LOOK_S)

    def _look(self) -> Staff:
        """See which nodes there are, have a worker on each share of them, and find out who is ready."""
        nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        wanted = {(name, number) for name, node in nodes.items() for number in range(self._shares(node))}
        with self._changed:
            for key in self._seats.keys() - wanted:
                del self._seats[key]
            for key in wanted - self._seats.keys():
                self._seats[key] = self._hire(key[0], nodes[key[0]])
            seats = list(self._seats.values())
        for seat in seats:
            if seat.obstacles is None and ray.wait([seat.promised], timeout=0)[0]:
                self._introduce(seat)
        with self._changed:
            self._hand_out()
            return self._staff(nodes)

    def _introduce(self, seat: Seat) -> None:
        trouble = ""
        obstacles: Any = None
        try:
            obstacles = ray.get(seat.promised)
        except RayError as error:
            trouble = f"a worker did not start: {_last_line(error)}"
            self._dismiss(seat)
        with self._changed:
            seat.obstacles, self._trouble = obstacles, trouble

    def _has_gpus(self, node: dict[str, Any]) -> bool:
        return self._cluster.device != "cpu" and node["Resources"].get("GPU", 0) >= 1

    def _shares(self, node: dict[str, Any]) -> int:
        if self._has_gpus(node):
            return int(node["Resources"]["GPU"] // self._cluster.worker_gpus)
        if self._cluster.device == "cuda":
            return 0
        return int(node["Resources"].get("CPU", 0) // self._cluster.worker_cpus)

    def _hire(self, name: str, node: dict[str, Any]) -> Seat:
        # Ray gives a process as many threads as it has processors, so a worker on them must own them.
        gpus = self._cluster.worker_gpus if self._has_gpus(node) else 0
        share = {"num_gpus": gpus} if gpus else {"num_cpus": self._cluster.worker_cpus}
        place = NodeAffinitySchedulingStrategy(name, soft=False)
        actor = self._actor.options(**share, scheduling_strategy=place).remote(self._cluster, gpus)
        return Seat(name, actor, actor.obstacles.options(concurrency_group="control").remote())

    def _staff(self, nodes: dict[str, Any]) -> Staff:
        ready = [seat for seat in self._seats.values() if seat.obstacles is not None]
        # While a worker is free, what waits is for others: it takes no place of those whom the free one could serve.
        passed_over = len(self._waiting) if any(not seat.is_busy for seat in ready) else 0
        on = len({seat.node for seat in ready})
        coming = len(self._seats) - len(ready)
        sentence = f"{len(ready)} workers on {on} of {len(nodes)} machines of the cluster"
        sentence += f", {coming} more are starting." if coming else "."
        if not self._seats:
            sentence += f" None has {self._cluster.worker_gpus} GPUs or {self._cluster.worker_cpus} processors to give."
        workers = len(ready) + min(passed_over, len(ready))
        return Staff(workers, sentence, self._trouble, self._obstacles(ready))

    def _obstacles(self, ready: list[Seat]) -> dict[str, str]:
        """By model why nobody can make its clips, as most of the workers say it; empty where one can."""
        found: dict[str, str] = {}
        for card in self._cluster.models if ready else ():
            said = [(seat.obstacles or {})[card.name] for seat in ready]
            found[card.name] = "" if "" in said else Counter(said).most_common(1)[0][0]
        return found


def is_loss(error: Exception) -> bool:
    """Whether a worker, its node or what it had told of is gone.

    Ray says so in many ways: a worker that can't be started again, since its node is not there, is "unschedulable".
    Only a task's error is the worker's own.
    """
    return isinstance(error, RayError) and not isinstance(error, RayTaskError)


def _last_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else ''}"[:300]


def _without(cluster: Cluster, error: Exception) -> Staff:
    return Staff(0, UNREACHED, f"{cluster.address}: {_last_line(error)}")


def main() -> None:
    link = Connection(int(sys.argv[1]))
    cluster: Cluster = link.recv()
    try:
        driver = Driver(link, cluster)
    except Exception as error:  # noqa: BLE001 - Ray raises all kinds of errors where there is no cluster to join
        link.send(_without(cluster, error))
        sys.exit(1)
    driver.run()


if __name__ == "__main__":
    main()
