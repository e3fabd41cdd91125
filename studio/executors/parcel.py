"""What travels between the studio and a worker on another machine: a task with its files as bytes, and what came of it.

Nodes share no disk, so nothing here is a path.
"""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from studio.domain import Made, ModelCard, Order, Progress, Task, VideoRequest
from studio.engine.tuning import AS_IT_IS, Tuning


@dataclass(frozen=True)
class Parcel:
    """A task on its way to a worker; `latents` are those of an earlier try."""

    id: str
    request: VideoRequest
    picture: bytes | None
    last_picture: bytes | None
    source: bytes | None
    latents: bytes | None

    @classmethod
    def pack(cls, task: Task) -> Parcel:
        latents = task.latents if task.latents.exists() else None
        files = task.picture, task.last_picture, task.source, latents
        return cls(task.id, task.request, *(file.read_bytes() if file else None for file in files))

    def unpack(self, folder: Path) -> Task:
        """Write the files into `folder`; returns the task that works on them."""
        found: dict[str, Path | None] = {}
        for name, content in (
            ("picture.png", self.picture),
            ("last_picture.png", self.last_picture),
            ("source.mp4", self.source),
            ("clip.safetensors", self.latents),
        ):
            found[name] = folder / name if content is not None else None
            if content is not None:
                (folder / name).write_bytes(content)
        return Task(
            self.id,
            self.request,
            target=folder / "clip.mp4",
            poster=folder / "clip.jpg",
            latents=folder / "clip.safetensors",
            picture=found["picture.png"],
            source=found["source.mp4"],
            last_picture=found["last_picture.png"],
        )


@dataclass(frozen=True)
class Latents:
    """Finished latents, sent as soon as they are there: with them another worker can go on."""

    content: bytes


@dataclass(frozen=True)
class Finished:
    made: Made
    video: bytes
    poster: bytes


@dataclass(frozen=True)
class Failed:
    error: Exception

    @classmethod
    def of(cls, error: Exception) -> Failed:
        """An error as it can travel, with the lines that say where it happened."""
        error.add_note("".join(traceback.format_exception(error)))
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001 - an error of any library may refuse to be pickled in any way
            return cls(RuntimeError(type(error).__name__))
        return cls(error)


@dataclass(frozen=True)
class Lost:
    """The try came to nothing, for no fault of the clip's as far as one knows.

    `took_worker`: the worker that had it is gone; `has_begun`: it was at work on it.
    """

    took_worker: bool = False
    has_begun: bool = False


Event = Progress | Latents | Finished | Failed | Lost


# What the studio tells the driver.


@dataclass(frozen=True)
class Make:
    attempt: str
    parcel: Parcel


@dataclass(frozen=True)
class Tell:
    attempt: str
    order: Order


@dataclass(frozen=True)
class Cluster:
    """Which cluster, and what a worker is there: `worker_gpus` GPUs, or `worker_cpus` processors.

    Without a `pocket_dir` a worker uses the weights that the studio sends. `models` are those whose weights lie on the
    workers' own machines, or not; what a folder is called is the same on each.
    """

    address: str
    worker_cpus: int
    worker_gpus: int
    device: str
    pocket_dir: str | None
    models: tuple[ModelCard, ...] = ()
    memory_plan: str = "auto"
    tuning: Tuning = AS_IT_IS


# What the driver tells the studio.


@dataclass(frozen=True)
class Told:
    attempt: str
    event: Event


@dataclass(frozen=True)
class Staff:
    """How many tasks may be at the driver, one sentence about the workers, and what goes wrong for the log alone.

    `obstacles` are, by model, why no worker can make its clips, empty where one can.
    """

    workers: int
    sentence: str
    trouble: str = ""
    obstacles: dict[str, str] = field(default_factory=dict)
