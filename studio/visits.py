"""What one visitor may ask of the studio: its own jobs, clips and pictures, and nobody else's.

A visit is made for each message from outside. Checks what comes and answers with domain objects or a StudioError;
to a stranger another visitor's things are as if they were not there. Knows no page and no HTTP.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import ClassVar

from studio import estimate
from studio.domain import (
    EVERYONE,
    MAX_SEED,
    NEW_SEED,
    Clip,
    Job,
    ModelCard,
    Queued,
    StudioError,
    VideoRequest,
    shown,
)
from studio.engine import grid
from studio.engine.catalog import Catalog
from studio.jobs import JobQueue
from studio.media.apart import picture_apart, recipe_apart
from studio.media.picture import MAX_KEPT_SIDE_PX, png_bytes
from studio.media.video import frame_at
from studio.settings import MEGABYTE, MEGAPIXEL, Settings
from studio.store.clips import Sought
from studio.store.files import is_id
from studio.store.library import Library
from studio.store.removals import Removal
from studio.store.runs import Run

log = logging.getLogger(__name__)

MAX_LISTED = 1000
REMOVALS_TOLD = 5
MAX_SOUGHT_CHARS = 200


@dataclass(frozen=True)
class Outlook:
    """How a job stands: `position` among those that wait for the same, 0 when it runs; `remaining_s` until its clip is
    there, None if unknown.
    """

    position: int
    remaining_s: float | None


OVER = Outlook(0, None)


@dataclass(frozen=True)
class Visit:
    """The studio as `owner` sees it. Safe to use from any thread.

    A picture is kept with no longer side than `LONGEST_SIDE_PX`.
    """

    LONGEST_SIDE_PX: ClassVar[int] = MAX_KEPT_SIDE_PX

    owner: str
    settings: Settings
    library: Library
    queue: JobQueue
    models: Catalog

    # Making clips

    def submit(self, request: VideoRequest, job_id: str | None = None) -> Job:
        """Check the request, draw its seed if it has none, and queue it.

        Who draws the job's id beforehand finds the job although this answer is lost; what comes twice is one job.
        """
        if job_id is not None and not is_id(job_id):
            raise StudioError(f"A job's id is 32 hexadecimal characters; not {shown(job_id)}.")
        self.check(request)
        self._check_room()
        if request.seed == NEW_SEED:
            request = replace(request, seed=secrets.randbelow(MAX_SEED + 1))
        job = Job(job_id or uuid.uuid4().hex, request, time.time(), Queued(), self.owner)
        if not self.queue.submit(job):
            return self.job(job.id)
        prompt = {"prompt": request.prompt} if self.settings.log_prompts else {}
        log.info("job accepted", extra={"job": job.id, "model": request.model, "seconds": request.seconds, **prompt})
        return job

    def regenerate(self, clip_id: str, seed: int | None = None, job_id: str | None = None) -> Job:
        """The same request again: with its own seed (None), a new one (-1) or this one."""
        clip = self.clip(clip_id)
        if clip.request.extends and not self.library.clips.get(clip.request.extends):
            raise StudioError("This clip goes on from another one that was deleted, so it can't be made again.")
        same = clip.request.seed
        return self.submit(replace(clip.request, seed=same if seed is None else seed, parent=clip.id), job_id)

    def extend(
        self, clip_id: str, seconds: float, prompt: str = "", seed: int = NEW_SEED, job_id: str | None = None
    ) -> Job:
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
            last_picture=None,
            extends=clip.id,
            parent=clip.id,
        )
        return self.submit(request, job_id)

    # Following jobs

    def cancel(self, job_id: str, keep: bool = False) -> bool:
        """Ask a job to stop, or to `keep` the clip as far as it is; False when it was over already."""
        if not isinstance(keep, bool):
            raise StudioError(f"Whether to keep is true or false; not {shown(keep)}.")
        return self.queue.cancel(self.job(job_id).id, keep)

    def finish(self, job_id: str) -> Job:
        """Try once more to make the clip of a failed job from the latents that were kept of it."""
        self._check_room()
        if not self.queue.finish(self.job(job_id).id):
            raise StudioError("Of this clip nothing is left that could be finished; please make it again.")
        return self.job(job_id)

    def job(self, job_id: str) -> Job:
        job = self.queue.job(job_id) if is_id(job_id) else None
        if job is None or job.owner != self.owner:
            raise StudioError(f"There is no job {shown(job_id)}; it may have been deleted with its clip.")
        return job

    def outlook(self) -> dict[str, Outlook]:
        """How it stands with each of the visitor's unfinished jobs, by id, in one look at the queue.

        The running one first, then those that wait, in their order.
        """
        found: dict[str, Outlook] = {}
        runs: dict[str, list[Run]] = {}
        # Of each line when its workers will be free, in seconds from now, and how many wait; the next gets the first.
        lines: dict[object, list[float]] = {}
        places: Counter[object] = Counter()
        for job in self.queue.unfinished():
            model = job.request.model
            line = self.queue.line(model)
            free_s = lines.setdefault(line, [0.0] * max(1, line.workers))
            if model not in runs:
                runs[model] = self.library.runs.newest(model, estimate.RUNS_LOOKED_AT)
            card, pace = self.models.find(model), self.queue.pace(job.id)
            left_s = estimate.remaining_s(job.request, card.grid, runs[model], pace) if card else None
            ends_s = heappop(free_s) + (math.inf if left_s is None else left_s)
            heappush(free_s, ends_s)
            places[line] += isinstance(job.state, Queued)
            if job.owner == self.owner:
                found[job.id] = Outlook(
                    places[line] if isinstance(job.state, Queued) else 0, ends_s if math.isfinite(ends_s) else None
                )
        return found

    def watch(self, job_id: str, timeout_s: float) -> Job:
        """Wait until the job is over or the time is; returns it as it is then."""
        job = self.queue.watch(self.job(job_id).id, timeout_s)
        return job or self.job(job_id)

    # The gallery

    def clips(
        self, limit: int = 50, before: int | None = None, words: str = "", only_favourites: bool = False
    ) -> list[Clip]:
        """Newest first. `before` is the `number` of the last clip of the page before.

        With `words`, those in whose prompts all of them are found.
        """
        _check_page(limit, before)
        _check_truth("favourite", only_favourites)
        sought = Sought(_words(words), only_favourites)
        return self.library.clips.newest(limit, before, self.owner, sought)

    def showcase(self, limit: int = 50, before: int | None = None) -> list[Clip]:
        """What visitors chose to show to everyone, newest first; StudioError where there is no showcase."""
        self._check_showcase()
        _check_page(limit, before)
        return self.library.clips.shown(limit, before)

    def clip(self, clip_id: str) -> Clip:
        clip = self.library.clips.get(clip_id) if is_id(clip_id) else None
        if clip is None or clip.owner != self.owner:
            raise StudioError(f"There is no clip {shown(clip_id)} in the gallery.")
        return clip

    def visible_clip(self, clip_id: str) -> Clip:
        """The visitor's own clip, or one of the showcase."""
        clip = self.library.clips.get(clip_id) if is_id(clip_id) and self.settings.showcase else None
        return clip if clip is not None and clip.is_shown else self.clip(clip_id)

    def video_path(self, clip_id: str) -> Path:
        return self.library.files.clips / self.clip(clip_id).video

    def recipe(self, path: str | Path) -> VideoRequest:
        """The request that a clip's file tells of, whoever made it, within its model's rules.

        Its pictures and LoRAs are named only, and may not be here.
        """
        told = recipe_apart(path) or {}
        if not isinstance(told.get("prompt"), str):
            raise StudioError(
                "This file does not tell how it was made; only clips as Flipbook saved them do, "
                "and a program that saves one anew may leave that out."
            )
        request = VideoRequest.from_dict(told)
        request.check(self.models.card(request.model))
        _check_texts(request)
        return request

    def delete(self, clip_id: str) -> None:
        """Remove the clip, its files and the job that made it. Clips that grew from it stay."""
        self.library.delete(self.clip(clip_id))

    def favour(self, clip_id: str, is_favourite: bool) -> None:
        """A favourite is never swept."""
        _check_truth("favourite", is_favourite)
        self.library.clips.favour(self.clip(clip_id).id, is_favourite)

    def show(self, clip_id: str, is_shown: bool) -> None:
        """Put the clip into the showcase, or take it back."""
        self._check_showcase()
        _check_truth("shown", is_shown)
        self.library.clips.show(self.clip(clip_id).id, is_shown)

    def removals(self) -> list[Removal]:
        """What was swept of this visitor's clips, the newest first."""
        return self.library.removals.newest(self.owner, REMOVALS_TOLD)

    # Pictures

    def keep_picture(self, path: str | Path) -> str:
        """Check an uploaded picture and store it upright; returns its name for `VideoRequest.picture`."""
        self._check_pictures()
        png = picture_apart(path, self.settings.max_picture_pixels, self.settings.max_upload_bytes)
        return self.library.keep_picture(self.owner, png)

    def keep_frame(self, clip_id: str, at_s: float | None = None) -> str:
        """Store the clip's frame at that time, or its last, as it is; returns its name for `VideoRequest.picture`."""
        self._check_pictures()
        is_time = at_s is None or (isinstance(at_s, int | float) and not isinstance(at_s, bool) and at_s >= 0)
        if not is_time:
            raise StudioError(f"The time of a frame is a number of seconds from 0; not {shown(at_s)}.")
        frame = frame_at(self.video_path(clip_id), math.inf if at_s is None else at_s)
        return self.library.keep_picture(self.owner, png_bytes(frame))

    def picture_path(self, name: str) -> Path:
        path = self.library.files.picture(name)
        if not self.library.pictures.is_of(self.owner, name):
            raise StudioError(f"The picture {name[:8]}... is no longer here; please choose it again.")
        return path

    # Checks

    def check(self, request: VideoRequest) -> None:
        """Raise StudioError with one sentence for the first rule that the request breaks here."""
        card = self.models.card(request.model)
        if missing := self.queue.obstacle(card):
            raise StudioError(missing)
        request.check(card)
        self.models.check_loras(request.loras)
        if request.step_cache > self.settings.max_step_cache:
            most = self.settings.max_step_cache
            raise StudioError(f"A step cache may be {most:g} at most here; {request.step_cache:g} is more.")
        _check_texts(request)
        if request.parent is not None and not is_id(request.parent):
            raise StudioError(f"A parent is the id of a clip; not {shown(request.parent)}.")
        for picture in (request.picture, request.last_picture):
            if picture is not None:
                self.picture_path(picture)
        if request.extends is not None:
            _check_extension(request, self.clip(request.extends), card)
        width, height = grid.size(card.grid, request.aspect_ratio)
        volume, most = width * height * grid.num_frames(card.grid, request.seconds), self.settings.max_pixel_frames
        if volume > most:
            raise StudioError(
                f"A clip may have {most / MEGAPIXEL:.10g} million pixels in all its frames; "
                f"this one would have {volume / MEGAPIXEL:.1f} million."
            )

    def _check_pictures(self) -> None:
        sent, most = self.library.pictures.count_today(self.owner), self.settings.max_pictures_per_visitor
        if self.owner != EVERYONE and sent >= most:
            raise StudioError(
                f"You may begin with {most} pictures and last frames a day at most and have chosen {sent}."
            )
        self._check_room()

    def _check_room(self) -> None:
        free, wanted = self.library.files.free_bytes(), self.settings.min_free_disk_bytes
        if free < wanted:
            raise StudioError(
                f"Flipbook wants {wanted // MEGABYTE} MB of free disk before it starts a clip; there are "
                f"{free // MEGABYTE} MB. Please delete some clips or free some space."
            )
        yours = None if self.owner == EVERYONE else self.owner
        for whose, owner, most in (
            ("All clips together", None, self.settings.max_disk_bytes),
            ("Your clips", yours, self.settings.max_disk_per_visitor_bytes if yours else 0),
        ):
            taken = self.library.clips.bytes(owner) if most else 0
            if most and taken >= most:
                raise StudioError(
                    f"{whose} may take {most // MEGABYTE} MB at most and take {taken // MEGABYTE} MB. "
                    "Please delete some clips."
                )

    def _check_showcase(self) -> None:
        if not self.settings.showcase:
            raise StudioError("This studio has no showcase; SHOWCASE=1 switches one on.")


def _check_extension(request: VideoRequest, clip: Clip, card: ModelCard) -> None:
    if request.picture is not None:
        raise StudioError("A clip starts from a picture or goes on from another clip; this request asks for both.")
    if request.aspect_ratio != clip.request.aspect_ratio:
        raise StudioError(
            f"An extension keeps the clip's aspect ratio, {clip.request.aspect_ratio}; not {request.aspect_ratio}."
        )
    most_s = grid.longest_extension_s(card)
    if request.seconds > most_s:
        raise StudioError(f"{card.title} makes a clip {most_s:g} s longer at once at most; not {request.seconds:g} s.")
    length_s = clip.made.num_frames / clip.made.frame_rate
    if length_s + request.seconds > card.limits.max_clip_seconds:
        raise StudioError(
            f"A clip may become {card.limits.max_clip_seconds:g} s long at most; this one has {length_s:.1f} s "
            f"and would get {request.seconds:g} s more."
        )


def _check_texts(request: VideoRequest) -> None:
    """Text from JavaScript may hold half of a pair of code units, which no tokenizer takes."""
    for name, text in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise StudioError(f"Character {error.start + 1} of the {name} is broken: half of a pair.") from error


def _words(text: object) -> tuple[str, ...]:
    if not isinstance(text, str) or len(text) > MAX_SOUGHT_CHARS:
        raise StudioError(f"What is looked for is text of {MAX_SOUGHT_CHARS} characters at most; not {shown(text)}.")
    return tuple(text.encode("utf-8", "replace").decode().split())


def _check_truth(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise StudioError(f"Whether a clip is {name} is true or false; not {shown(value)}.")


def _check_page(limit: object, before: object) -> None:
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LISTED:
        raise StudioError(f"The limit is a whole number from 1 to {MAX_LISTED}; not {shown(limit)}.")
    is_number = isinstance(before, int) and not isinstance(before, bool) and abs(before) < 2**62
    if before is not None and not is_number:
        raise StudioError(f"`before` is the number of a clip; not {shown(before)}.")
