"""Everything that an interface may ask of the studio; the one place where its parts meet.

Checks what comes from outside and answers with domain objects or a StudioError. Knows no page and no HTTP.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import replace
from pathlib import Path

from studio import estimate
from studio.domain import MAX_SEED, NEW_SEED, Clip, Job, ModelCard, Queued, StudioError, VideoRequest
from studio.engine import catalog, grid
from studio.engine.catalog import Advice
from studio.engine.pipeline import VideoPipeline
from studio.executors import Executor, Readiness
from studio.executors.local import LocalExecutor
from studio.jobs import JobQueue
from studio.media.picture import png_bytes, read_picture
from studio.media.video import last_frame
from studio.settings import MEGABYTE, Settings
from studio.store.files import is_id, shown
from studio.store.library import Library

MAX_LISTED = 1000


class Studio:
    """One open studio: a data folder, a queue and an executor. Safe to call from any thread."""

    def __init__(self, settings: Settings, library: Library, executor: Executor) -> None:
        self._settings = settings
        self._library = library
        self._executor = executor
        self._jobs = JobQueue(library, executor, settings.max_queued)

    @classmethod
    def open(cls, settings: Settings, start: bool = True) -> Studio:
        """Open the data folder, put right what a crash left, and start; without `start` that is left to the caller."""
        library = Library(settings.data_dir)
        studio = cls(settings, library, LocalExecutor(VideoPipeline(settings.pocket_dir, settings.device)))
        if start:
            studio.start()
        return studio

    def start(self) -> None:
        """Start the worker and begin to load the model in its thread."""
        if self._settings.warm_up:
            self._executor.warm_up()
        self._jobs.start()

    def close(self) -> None:
        """Stop the running job (it is taken up again at the next start) and let go of the data folder."""
        self._jobs.close()
        self._executor.close()
        self._library.close()

    # Making clips

    def submit(self, request: VideoRequest) -> Job:
        """Check the request, draw its seed if it has none, and queue it."""
        self._check(request)
        self._check_room()
        if request.seed == NEW_SEED:
            request = request.with_seed(secrets.randbelow(MAX_SEED + 1))
        job = Job(uuid.uuid4().hex, request, time.time(), Queued())
        self._jobs.submit(job)
        return job

    def regenerate(self, clip_id: str, seed: int | None = None) -> Job:
        """The same request again: with its own seed (None), a new one (-1) or this one."""
        clip = self.clip(clip_id)
        same = clip.request.seed
        return self.submit(replace(clip.request, seed=same if seed is None else seed, parent=clip.id))

    def extend(self, clip_id: str, seconds: float, prompt: str = "", seed: int = NEW_SEED) -> Job:
        """A longer clip: the old frames and sound, then about `seconds` more; an empty prompt is the clip's own."""
        clip = self.clip(clip_id)
        if not isinstance(prompt, str):
            raise StudioError(f"A prompt is text; this is {type(prompt).__name__}.")
        request = replace(
            clip.request,
            prompt=prompt if prompt.strip() else clip.request.prompt,
            seconds=seconds,
            seed=seed,
            sound=clip.made.has_sound,
            picture=None,
            extends=clip.id,
            parent=clip.id,
        )
        return self.submit(request)

    # Following jobs

    def cancel(self, job_id: str) -> bool:
        """Ask a job to stop; False when it was over already. StudioError when there is no such job."""
        return self._jobs.cancel(self.job(job_id).id)

    def job(self, job_id: str) -> Job:
        job = self._jobs.job(job_id) if is_id(job_id) else None
        if job is None:
            raise StudioError(f"There is no job {shown(job_id)}; it may have been deleted with its clip.")
        return job

    def queue(self) -> list[Job]:
        """The running job first, then those that wait, in their order."""
        return self._jobs.unfinished()

    def position(self, job_id: str) -> int:
        """0 when the job runs or is over, 1 when it is the next, and so on."""
        self.job(job_id)
        waiting = [job.id for job in self._jobs.unfinished() if isinstance(job.state, Queued)]
        return waiting.index(job_id) + 1 if job_id in waiting else 0

    def remaining_s(self, job_id: str) -> float | None:
        """Seconds until this job's clip is there, those before it counted in; None when that cannot be known."""
        self.job(job_id)
        total_s = 0.0
        for job in self._jobs.unfinished():
            runs = self._library.runs.newest(job.request.model, estimate.RUNS_LOOKED_AT)
            left_s = estimate.remaining_s(job.request, runs, self._jobs.pace(job.id))
            if left_s is None:
                return None
            total_s += left_s
            if job.id == job_id:
                return total_s
        return None

    def watch(self, job_id: str, timeout_s: float) -> Job:
        """Wait until the job is over or the time is; returns it as it is then."""
        job = self._jobs.watch(self.job(job_id).id, timeout_s)
        return job or self.job(job_id)

    # The gallery

    def clips(self, limit: int = 50, before: float | None = None) -> list[Clip]:
        """Newest first. `before` is the `created_s` of the last clip of the page before."""
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LISTED:
            raise StudioError(f"The limit is a whole number from 1 to {MAX_LISTED}; not {shown(limit)}.")
        if before is not None and (not isinstance(before, int | float) or isinstance(before, bool)):
            raise StudioError(f"`before` is a time in seconds since 1970; not {shown(before)}.")
        return self._library.clips.newest(limit, before)

    def clip(self, clip_id: str) -> Clip:
        clip = self._library.clips.get(clip_id) if is_id(clip_id) else None
        if clip is None:
            raise StudioError(f"There is no clip {shown(clip_id)} in the gallery.")
        return clip

    def video_path(self, clip_id: str) -> Path:
        return self.clips_dir / self.clip(clip_id).video

    def poster_path(self, clip_id: str) -> Path:
        return self.clips_dir / self.clip(clip_id).poster

    def delete(self, clip_id: str) -> None:
        """Remove the clip, its files and the job that made it. Clips that grew from it stay."""
        self._library.delete(self.clip(clip_id).id)

    @property
    def clips_dir(self) -> Path:
        """The only folder that a browser may be served from."""
        return self._library.files.clips

    # Pictures

    def keep_picture(self, path: str | Path) -> str:
        """Check an uploaded picture and store it upright; returns its name for `VideoRequest.picture`."""
        picture = read_picture(path, self._settings.max_picture_pixels, self._settings.max_upload_bytes)
        return self._library.files.keep_picture(png_bytes(picture))

    def keep_last_frame(self, clip_id: str) -> str:
        """Store the clip's last frame without loss; returns its name for `VideoRequest.picture`."""
        return self._library.files.keep_picture(png_bytes(last_frame(self.video_path(clip_id))))

    def picture_path(self, name: str) -> Path:
        return self._library.files.picture(name)

    # Models

    def models(self) -> tuple[ModelCard, ...]:
        return catalog.models()

    def frame_size(self, aspect_ratio: str) -> tuple[int, int]:
        """Width and height in pixels of a clip of that ratio."""
        return grid.size(aspect_ratio)

    def advise(self, model: str, prompt: str) -> Advice:
        """What of the prompt the model does not know, and the nearest that it does."""
        return catalog.advise(model, prompt)

    def readiness(self) -> Readiness:
        return self._executor.readiness()

    # Checks

    def _check(self, request: VideoRequest) -> None:
        card = catalog.card(request.model)
        request.check(card.limits)
        _check_text("prompt", request.prompt)
        _check_text("negative prompt", request.negative_prompt)
        if request.sound and not card.has_sound:
            raise StudioError(f"The model {card.name} makes no sound; please switch sound off.")
        if request.parent is not None and not is_id(request.parent):
            raise StudioError(f"A parent is the id of a clip; not {shown(request.parent)}.")
        if request.picture is not None:
            self.picture_path(request.picture)
        if request.extends is not None:
            self._check_extension(request, self.clip(request.extends), card)

    def _check_extension(self, request: VideoRequest, clip: Clip, card: ModelCard) -> None:
        if request.picture is not None:
            raise StudioError("A clip starts from a picture or goes on from another clip; this request asks for both.")
        if request.aspect_ratio != clip.request.aspect_ratio:
            raise StudioError(
                f"An extension keeps the clip's aspect ratio, {clip.request.aspect_ratio}; not {request.aspect_ratio}."
            )
        length_s = clip.made.num_frames / clip.made.frame_rate
        if length_s + request.seconds > card.limits.max_clip_seconds:
            raise StudioError(
                f"A clip may become {card.limits.max_clip_seconds:g} s long at most; this one has {length_s:.1f} s "
                f"and would get {request.seconds:g} s more."
            )

    def _check_room(self) -> None:
        free, wanted = self._library.files.free_bytes(), self._settings.min_free_disk_bytes
        if free < wanted:
            raise StudioError(
                f"Flipbook wants {wanted // MEGABYTE} MB of free disk before it starts a clip; there are "
                f"{free // MEGABYTE} MB. Please delete some clips or free some space."
            )


def _check_text(name: str, text: str) -> None:
    """Text from JavaScript may hold half of a pair of code units, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StudioError(f"Character {error.start + 1} of the {name} is broken: half of a pair.") from error
