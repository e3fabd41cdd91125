"""The studio as a whole, and the door through which an interface comes in: `visit`. Here its parts meet.

What a visitor may ask is in visits.py; what concerns nobody in particular is here. Knows no page and no HTTP.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from studio import estimate
from studio.domain import EVERYONE, VERSION, Clip, Estimate, ModelCard, Queued, StudioError, VideoRequest, shown
from studio.downloads import Download, Downloads
from studio.engine import advice, catalog, checkpoint, memory
from studio.engine.advice import Advice
from studio.engine.catalog import BUILT_IN, Catalog
from studio.engine.grid import longest_extension_s
from studio.engine.pipeline import VideoPipeline
from studio.engine.tuning import AS_IT_IS, Tuning
from studio.executors import Executor, Readiness
from studio.executors.local import LocalExecutor
from studio.executors.parcel import Cluster
from studio.executors.ray_cluster import RayExecutor
from studio.executors.remote import RemoteExecutor, card_of_remote
from studio.executors.routing import RoutingExecutor
from studio.executors.zero_gpu import ZeroExecutor
from studio.jobs import JobQueue
from studio.media.larger import larger_size, write_larger
from studio.settings import Settings
from studio.store.files import is_id
from studio.store.library import Library
from studio.store.removals import KEEPER
from studio.visits import OVER, Outlook, Visit

__all__ = ["OVER", "Download", "Outlook", "Studio", "Visit", "larger_size", "longest_extension_s"]

log = logging.getLogger(__name__)

FAILURES_SHOWN = 5
TIDY_EVERY_S = 3600.0  # looking at every row of a large gallery takes a while


@dataclass(frozen=True)
class Health:
    """How the studio is. `errors` are the newest failures: Unix time and sentence; `jobs` counts rows by state."""

    version: str
    model: str
    state: str
    sentence: str
    device: str
    up_s: float
    running: int
    waiting: int
    jobs: dict[str, int]
    clips_bytes: int
    free_bytes: int
    process: int
    errors: tuple[tuple[float, str], ...]


class Studio:
    """One open studio: a data folder, a queue and an executor. Safe to call from any thread."""

    def __init__(self, settings: Settings, library: Library, executor: Executor, models: Catalog = BUILT_IN) -> None:
        self.settings = settings
        self._catalog = models
        self._library = library
        self._executor = executor
        self._queue = JobQueue(
            library, executor, settings.max_queued, settings.max_queued_per_visitor, between_jobs=self._sweep
        )
        self._downloads = Downloads(settings.min_free_disk_bytes)
        self._opened_s = time.monotonic()
        self._tidy_s = self._opened_s + TIDY_EVERY_S

    @classmethod
    def open(cls, settings: Settings, start: bool = True) -> Studio:
        """Open the data folder, put right what a crash left, and start; without `start` that is left to the caller."""
        _check_tuning(settings)
        models = _catalog(settings)
        library = Library(settings.data_dir)
        try:
            studio = cls(settings, library, _executor(settings, library, models), models)
        except BaseException:
            library.close()
            raise
        if start:
            studio.start()
        return studio

    def start(self) -> None:
        """Start the worker and begin to load the model in its thread."""
        if self.settings.warm_up:
            self._executor.warm_up()
        self._queue.start()

    def close(self) -> None:
        """Stop the running job (it is taken up again at the next start) and let go of the data folder."""
        self._downloads.close()
        self._queue.close()
        self._executor.close()
        self._library.close()

    def visit(self, visitor: object = None, person: str | None = None) -> Visit:
        """The studio as one visitor sees it.

        `visitor` is the secret that a browser or program keeps, 32 hexadecimal characters; `person` is who signed in,
        where AUTH asks for that. With a shared gallery everyone is the same visitor. StudioError without a secret
        where galleries are private.
        """
        return Visit(self._owner(visitor, person), self.settings, self._library, self._queue, self._catalog)

    def take_down(self, film: str) -> None:
        """Remove for good whose clip it ever is that has a `film` of that file name; its maker finds a note of it."""
        clip = self._of_film(film)
        self._library.delete(clip, (KEEPER, time.time()))
        log.info("clip taken down", extra={"clip": clip.id})

    def larger(self, film: str) -> bytes:
        """The film of that file name, which nobody guesses, scaled up: a clip's work, so ask for one at a time."""
        source = self.clips_dir / self._of_film(film).video
        with tempfile.TemporaryDirectory() as folder:
            write_larger(source, target := Path(folder) / "larger.mp4")
            return target.read_bytes()

    def _of_film(self, film: str) -> Clip:
        clip = self._library.clips.of_film(film)
        if clip is None:
            raise StudioError(f"There is no film {shown(film)} here; it may have been deleted.")
        return clip

    def _owner(self, visitor: object, person: str | None) -> str:
        if not self.settings.has_private_galleries:
            return EVERYONE
        if person:
            return _digest(f"person {person}")
        if not is_id(visitor):
            raise StudioError(
                "Galleries are private here: a visitor is known by 32 hexadecimal characters that nobody else has, "
                "and this message names none."
            )
        # Who reads the database must not be able to come as its visitors.
        return _digest(f"visitor {visitor}")

    # Models

    def models(self) -> tuple[ModelCard, ...]:
        return self._catalog.models()

    def loras(self) -> tuple[str, ...]:
        """The names of the LoRAs that models may wear here."""
        return tuple(lora.name for lora in self._catalog.loras)

    def card(self, name: str) -> ModelCard:
        """The model called `name`; StudioError, listing the known ones, when there is none."""
        return self._catalog.card(name)

    def obstacle(self, card: ModelCard) -> str:
        """Why that model can't be used here, in one sentence; empty where it can."""
        return self._executor.obstacle(card)

    def can_fetch(self, card: ModelCard) -> bool:
        """Whether its files are all that the model lacks, and whoever asks may bring them here."""
        return self.settings.has_downloads and self.obstacle(card) == checkpoint.absence(card)

    def download(self, card: ModelCard) -> Download:
        """How it stands with the fetching of its files; what came and was cleared away since is to be fetched anew."""
        state = self._downloads.state(card)
        return Download() if state.state == "done" and self.can_fetch(card) else state

    def look_up(self, name: str) -> ModelCard:
        """Ask the hub what the model's files take; StudioError where nobody may fetch it here."""
        card = self._fetchable(name)
        self._downloads.look_up(card)
        return card

    def fetch(self, name: str) -> ModelCard:
        """Begin to bring the model's files here, or go on; StudioError where nobody may, or another is under way."""
        card = self._fetchable(name)
        self._downloads.fetch(card)
        return card

    def stop_fetching(self, name: str) -> ModelCard:
        card = self._fetchable(name)
        self._downloads.stop(card)
        return card

    def _fetchable(self, name: str) -> ModelCard:
        card = self.card(name)
        if not self.settings.has_downloads:
            raise StudioError("Models are not fetched through this page; DOWNLOADS=1 lets whoever opens it do so.")
        if not self.can_fetch(card):
            raise StudioError(self.obstacle(card) or f"{card.title} is on this machine already.")
        return card

    def advise(self, model: str, prompt: str, has_picture: bool = False) -> Advice:
        """What of the prompt the model does not know, and the nearest that it does."""
        return advice.advise(self._catalog.card(model).name, prompt, has_picture)

    def readiness(self) -> Readiness:
        """The executor's, unless the queue itself can't go on."""
        trouble = self._queue.trouble
        if trouble:
            return Readiness("failed", f"{trouble} Clips that wait will be made then.")
        return self._executor.readiness()

    def estimate(self, request: VideoRequest) -> Estimate | None:
        """What this clip will take, learnt from past runs; None before the first one."""
        card = self._catalog.card(request.model)
        request.check(card)
        return estimate.expected(request, card.grid, self._library.runs.newest(request.model, estimate.RUNS_LOOKED_AT))

    def has_changed(self, clip: Clip) -> bool:
        """Whether the clip's model has other weights by now, so that the same request makes another film."""
        card = self._catalog.find(clip.request.model) if clip.made.weights else None
        now = checkpoint.fingerprint(card.source or self.settings.pocket_dir) if card else ""
        return bool(now) and clip.made.weights != now

    # The house

    @property
    def clips_dir(self) -> Path:
        """The only folder that a browser may be served from."""
        return self._library.files.clips

    @property
    def uploads_dir(self) -> Path:
        """Where the page's server may put what is sent to it; emptied at each start, and of what is a day old."""
        return self._library.files.uploads

    def has_room(self) -> bool:
        """Whether there is as much free disk as a new clip wants."""
        return self._library.files.free_bytes() >= self.settings.min_free_disk_bytes

    def health(self) -> Health:
        """How the studio is; names no visitor, no prompt and no path."""
        unfinished = self._queue.unfinished()
        waiting = sum(isinstance(job.state, Queued) for job in unfinished)
        readiness = self.readiness()
        return Health(
            version=VERSION,
            model=self.models()[0].title,
            state=readiness.state,
            sentence=readiness.sentence,
            device=self._executor.device(),
            up_s=time.monotonic() - self._opened_s,
            running=len(unfinished) - waiting,
            waiting=waiting,
            jobs=self._library.jobs.count_by_state(),
            clips_bytes=self._library.clips.bytes(),
            free_bytes=self._library.files.free_bytes(),
            process=os.getpid(),
            errors=tuple(
                (row.ended_s or row.created_s, row.sentence)
                for row in self._library.jobs.newest_failures(FAILURES_SHOWN)
            ),
        )

    def _sweep(self) -> None:
        self._library.sweep_clips(self.settings.keep_days, self.settings.keep_bytes)
        if time.monotonic() > self._tidy_s:
            self._tidy_s = time.monotonic() + TIDY_EVERY_S
            self._library.sweep_leftovers()
        self._library.files.keep_spare()


def _catalog(settings: Settings) -> Catalog:
    """The models on offer; StudioError for a name or folder that is none."""
    models = Catalog.with_own(settings.models, settings.loras)
    _pocket, *others = (card.name for card in models.rows)
    rows = {card.name: card for card in models.rows}
    for name, _ in settings.remote_models:
        if name not in others:
            raise StudioError(f"REMOTE_MODELS names {name}; it may name {', '.join(others)}.")
        rows[name] = card_of_remote(rows[name])
    return Catalog(tuple(rows.values()), models.loras)


def _executor(settings: Settings, library: Library, models: Catalog) -> Executor:
    """Who carries out the jobs; StudioError where a package that the settings ask for is missing."""
    if settings.memory_plan == "int8" and find_spec("torchao") is None:
        raise StudioError(memory.NO_TORCHAO)
    remote = dict(settings.remote_models)
    at_home = tuple(card for card in models.rows if card.name not in remote)
    home = _home(settings, library, Catalog(at_home, models.loras))
    servers = {
        name: RemoteExecutor(models.card(name), address, settings.remote_token) for name, address in remote.items()
    }
    return RoutingExecutor(home, servers) if servers else home


def _home(settings: Settings, library: Library, models: Catalog) -> Executor:
    if settings.engine == "local":
        return LocalExecutor(
            VideoPipeline(settings.pocket_dir, settings.device, models, settings.memory_plan, _tuning(settings))
        )
    if settings.engine == "zero":
        return _zero_executor(settings, library, models)
    return _ray_executor(settings, models)


def _ray_executor(settings: Settings, models: Catalog) -> Executor:
    if find_spec("ray") is None:
        raise StudioError("ENGINE=ray needs the package ray: please run `pip install -r requirements-ray.txt`.")
    if models.loras:
        raise StudioError("LORAS can't be used with ENGINE=ray: a cluster's workers have none.")
    # The workers are sent this studio's own Pocket; another must lie in the same folder on each of their machines.
    pocket_dir = None if settings.pocket_dir == catalog.POCKET_DIR.resolve() else str(settings.pocket_dir)
    others = tuple(_anywhere(card) for card in models.models() if card.source)
    share = settings.worker_cpus, settings.worker_gpus, settings.device
    own = settings.memory_plan, _tuning(settings)
    return RayExecutor(Cluster(settings.ray_address, *share, pocket_dir, others, *own))


def _anywhere(card: ModelCard) -> ModelCard:
    """The card as it is understood on another machine: a folder by its whole path."""
    folder = Path(card.source).expanduser()
    return replace(card, source=str(folder.resolve())) if folder.is_dir() else card


def _zero_executor(settings: Settings, library: Library, models: Catalog) -> Executor:
    if find_spec("spaces") is None:
        raise StudioError("ENGINE=zero is for ZeroGPU Spaces, which have the package spaces; this machine has none.")
    import spaces  # changes gradio and brings torch along, so only where it is wanted

    def expected_s(request: VideoRequest) -> float | None:
        runs = library.runs.newest(request.model, estimate.RUNS_LOOKED_AT)
        found = estimate.expected(request, models.card(request.model).grid, runs)
        return found.seconds if found else None

    # Pocket is small enough for the Space's own processor, and so costs nobody's share.
    # There torch says that it has CUDA, but only the function that borrows a GPU does.
    processor = LocalExecutor(VideoPipeline(settings.pocket_dir, "cpu", models))
    # The hub says what a GPU has only where one is lent, and lends a large one.
    gpu_plan = "full" if settings.memory_plan == "auto" else settings.memory_plan
    gpu = VideoPipeline(settings.pocket_dir, "cuda", models, gpu_plan, _tuning(settings))
    lent = [card.name for card in models.models() if card.source and checkpoint.is_here(card)]
    # `spaces` packs what the main thread has loaded before the page is launched.
    for name in lent[:1]:
        gpu.load(name)
    # Made in any case: a ZeroGPU Space without a function that borrows does not start.
    borrower = ZeroExecutor(LocalExecutor(gpu), spaces.GPU, expected_s)
    return RoutingExecutor(processor, dict.fromkeys(lent, borrower))


def _tuning(settings: Settings) -> Tuning:
    return Tuning(settings.attention, settings.compiles)


def _check_tuning(settings: Settings) -> None:
    """StudioError for settings that do not go together."""
    if settings.engine == "ray" and settings.worker_gpus > 1 and _tuning(settings) != AS_IT_IS:
        raise StudioError("ATTENTION and COMPILE can't be used with WORKER_GPUS above 1, where GPUs share one clip.")
    if settings.engine == "ray" and settings.worker_gpus > 1 and settings.memory_plan != "auto":
        raise StudioError(
            "MEMORY_PLAN must be auto with WORKER_GPUS above 1, where GPUs share one clip; "
            f"it is {settings.memory_plan}."
        )
    for is_set, other in (
        (settings.engine == "zero", "ENGINE=zero: a ZeroGPU Space does not run torch.compile"),
        (settings.memory_plan in ("group", "fp8", "int8"), "a MEMORY_PLAN that works inside of the blocks"),
        (bool(settings.loras), "LORAS: each choice of them would be compiled anew"),
    ):
        if settings.compiles and is_set:
            raise StudioError(f"COMPILE can't be used with {other}.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
