"""One worker of a Ray cluster: a process on one GPU, some GPUs or processors, that holds the pipeline and makes clips.

Lives on a machine of its own. Runs on the code and weights that the studio sends; knows no driver and no other worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from studio.domain import Made, Order, Progress, Task
from studio.engine import catalog
from studio.engine.catalog import POCKET_DIR, Catalog
from studio.engine.parallel import ParallelPipeline
from studio.engine.pipeline import VideoPipeline
from studio.engine.rows import POCKET
from studio.executors.local import LocalExecutor
from studio.executors.parcel import Cluster, Event, Failed, Finished, Latents, Parcel


class Worker:
    """Becomes a Ray actor in the driver. `make` runs one at a time; `tell` and `obstacles` answer meanwhile."""

    def __init__(self, cluster: Cluster, gpus: int) -> None:
        """`gpus` is how many of its machine are its own."""
        folder = Path(cluster.pocket_dir) if cluster.pocket_dir else POCKET_DIR
        own = folder, cluster.device, Catalog((POCKET, *cluster.models))
        self._cluster = cluster
        alone = cluster.memory_plan, cluster.tuning
        self._executor = LocalExecutor(ParallelPipeline(gpus, *own) if gpus > 1 else VideoPipeline(*own, *alone))
        self._executor.warm_up()
        self._waiter = ThreadPoolExecutor(max_workers=1)
        self._orders: dict[str, Order] = {}

    def obstacles(self) -> dict[str, str]:
        """By model why its clips can't be made here, empty where they can; answers once the worker is there."""
        return {
            card.name: catalog.obstacle(card, self._cluster.device, self._cluster.memory_plan)
            for card in self._cluster.models
        }

    def tell(self, attempt: str, order: Order) -> None:
        self._orders[attempt] = order

    def make(self, attempt: str, parcel: Parcel) -> Iterator[Event]:
        """What happens, as it happens; the last is Finished or Failed."""
        events: SimpleQueue[Event | None] = SimpleQueue()
        with TemporaryDirectory(prefix="flipbook-") as folder:
            task = parcel.unpack(Path(folder))
            future = self._waiter.submit(self._run, task, attempt, events)
            future.add_done_callback(lambda _: events.put(None))
            while (event := events.get()) is not None:
                yield event
            self._orders.pop(attempt, None)
            yield _outcome(task, future)

    def _run(self, task: Task, attempt: str, events: SimpleQueue[Event | None]) -> Made:
        sent_ns = _changed_ns(task.latents)

        def report(progress: Progress) -> None:
            nonlocal sent_ns
            # Decoding is reported when the latents are written down.
            if progress.phase == "decoding" and _changed_ns(task.latents) != sent_ns:
                sent_ns = _changed_ns(task.latents)
                events.put(Latents(task.latents.read_bytes()))
            events.put(progress)

        return self._executor.run(task, report, lambda: self._orders.get(attempt, "go on"))


def _changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _outcome(task: Task, future: Future[Made]) -> Event:
    try:
        return Finished(future.result(), task.target.read_bytes(), task.poster.read_bytes())
    except Exception as error:  # noqa: BLE001 - whatever it is, the studio's queue is the one to deal with it
        return Failed.of(error)
