"""Carries out tasks on the workers of a Ray cluster; a worker's, a node's or the head's end costs no task.

Knows no Ray: that lives in a driver process (ray_driver.py), which may die and is started again. The studio's own
table of jobs stays the truth; each try has a name of its own here, and only the last one's end counts.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread

from studio.domain import Made, ModelCard, Order, Orders, Progress, Report, Stopped, StudioError, Task
from studio.executors import READY, Executor, Readiness
from studio.executors.making import finishing
from studio.executors.parcel import (
    Cluster,
    Event,
    Failed,
    Finished,
    Latents,
    Lost,
    Make,
    Parcel,
    Staff,
    Tell,
    Told,
)

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
# A clip whose workers die again and again may be what kills them; one that they die before may wait longer.
MAX_LOST, MAX_LOST_BEFORE = 3, 20
ASK_S = 0.1
AGAIN_S = 2.0
# A worker obeys within a step; one that has not by then is out of reach, and what it still does counts for nothing.
OBEY_S = 20.0
# Ray reads its settings when it is imported, so the driver must be born with them: no process that it starts tells
# anybody outside of it, strangers can't join, and after 20 s without the head it gives up, for another to wait for one.
RAYS_OWN = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_gcs_rpc_server_reconnect_timeout_s": "20"}
# How long a clip waits, while others are made, for a worker to come that has its model.
LACKING_S = 600.0
JOINING = Staff(0, "The studio is joining its cluster; clips wait until a worker is there.")


class RayExecutor:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._staff = JOINING
        self._link: Connection | None = None
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._mail: dict[str, SimpleQueue[Event]] = {}
        self._lock = Lock()
        self._is_closing = Flag()
        self._keeper = Thread(target=self._keep, name="cluster", daemon=True)
        self._keeper.start()

    @property
    def workers(self) -> int:
        return self._staff.workers

    def line(self, model: str) -> Executor:
        return self

    def has_room(self, model: str, running: Collection[str]) -> bool:
        return len(running) < self.workers

    def obstacle(self, card: ModelCard) -> str:
        """Of Pocket none, since every worker is sent it; a clip of it waits for one."""
        if not card.source:
            return ""
        said = self._staff.obstacles.get(card.name)
        if said is None:
            return f"Whether a worker of the cluster has {card.title} is known when one is there; now there is none."
        return said and f"No worker of the cluster can take it: {said}"

    def warm_up(self) -> None:
        """Workers load the model as soon as they are there."""

    def readiness(self) -> Readiness:
        return READY if self._staff.workers else Readiness("loading", self._staff.sentence)

    def device(self) -> str:
        return self._staff.sentence

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        lost = lost_before = 0
        while max(lost / MAX_LOST, lost_before / MAX_LOST_BEFORE) < 1:
            event = self._try(task, report, orders)
            match event:
                case Finished(made, video, poster):
                    with finishing(task):
                        task.poster.write_bytes(poster)
                        task.target.write_bytes(video)
                    return made
                case Failed(error):
                    raise error
                case Lost(took_worker, has_begun):
                    lost += has_begun
                    lost_before += took_worker and not has_begun
                    log.warning("worker lost", extra={"job": task.id, "lost": lost, "lost_before": lost_before})
            report(Progress("loading"))
        raise StudioError(
            f"{lost + lost_before} workers of the cluster ended over this clip, so it was given up; "
            "a shorter clip or fewer steps may work."
        )

    def close(self) -> None:
        self._is_closing.set()
        with self._lock:
            if self._socket:
                self._socket.shutdown(socket.SHUT_RDWR)
        self._keeper.join()

    # One try

    def _try(self, task: Task, report: Report, orders: Orders) -> Event:
        """Send the task to a worker and pass on what it tells, up to the event that ends the try."""
        attempt = uuid.uuid4().hex
        while not self._send(Make(attempt, Parcel.pack(task))):
            if orders() == "stop":
                raise Stopped
            time.sleep(ASK_S)
        try:
            return self._follow(attempt, task, report, orders)
        finally:
            with self._lock:
                del self._mail[attempt]

    def _follow(self, attempt: str, task: Task, report: Report, orders: Orders) -> Event:
        told: Order = "go on"
        until_s, heard_s = float("inf"), time.monotonic()
        while True:
            if (order := orders()) != told:
                self._send(Tell(attempt, order))
                told, until_s = order, time.monotonic() + OBEY_S if order == "stop" else until_s
            try:
                event = self._mail[attempt].get(timeout=ASK_S)
            except Empty:
                if time.monotonic() > until_s:
                    raise Stopped from None
                if (lack := self._staff.obstacles.get(task.request.model)) and time.monotonic() > heard_s + LACKING_S:
                    self._send(Tell(attempt, "stop"))
                    raise StudioError(f"No worker of the cluster came that can take this clip: {lack}") from None
                continue
            heard_s = time.monotonic()
            match event:
                case Progress():
                    report(event)
                case Latents(content):
                    _keep_latents(task.latents, content)
                case _:
                    return event

    def _send(self, message: Make | Tell) -> bool:
        """Whether there was a driver to send it to."""
        with self._lock:
            if self._link is None:
                return False
            try:
                self._link.send(message)
            except OSError:
                return False
            # Under the lock, so that a driver that dies from here on is told to this try.
            if isinstance(message, Make):
                self._mail[message.attempt] = SimpleQueue()
            return True

    # The driver

    def _keep(self) -> None:
        """Have a driver at all times; what one was busy with when it died is tried again with the next."""
        while not self._is_closing.is_set():
            try:
                self._listen()
            except (EOFError, OSError):
                pass
            finally:
                self._hang_up()
            self._is_closing.wait(AGAIN_S)

    def _listen(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "studio.executors.ray_driver", str(theirs.fileno())],
                cwd=ROOT,
                env={**RAYS_OWN, **os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # Ray's own words in many lines; what matters comes over the link
                pass_fds=[theirs.fileno()],
            )
        link = Connection(os.dup(ours.fileno()))
        link.send(self._cluster)
        with self._lock:
            self._link, self._socket = link, ours
        while True:
            message = link.recv()
            if isinstance(message, Staff):
                self._staff = message
                log.info("workers", extra={"workers": message.workers, "trouble": message.trouble})
            elif isinstance(message, Told):
                self._deliver(message)

    def _deliver(self, told: Told) -> None:
        with self._lock:
            mail = self._mail.get(told.attempt)
        if mail:  # otherwise of a try that was given up
            mail.put(told.event)

    def _hang_up(self) -> None:
        with self._lock:
            if self._link and self._socket:
                self._link.close()
                self._socket.close()
            self._link = self._socket = None
            for mail in self._mail.values():
                mail.put(Lost())
        if self._staff.workers:
            self._staff = JOINING
        if self._process:
            self._end(self._process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """A driver that was hung up on ends by itself, leaving the cluster tidily; one that hangs is killed."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _keep_latents(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        log.warning("latents not kept", exc_info=True)
    finally:
        part.unlink(missing_ok=True)
