"""How one task becomes a clip: denoised, kept as latents, decoded, looked at, and written with what it took.

Brings engine and media together: files in, frames and sound made, files out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from studio.domain import (
    MAX_SEED,
    Made,
    ModelCard,
    Orders,
    Progress,
    Report,
    Stopped,
    StudioError,
    Task,
    Unfinished,
    VideoRequest,
    sentence_of,
)
from studio.engine import grid, memory
from studio.engine.latents import Damaged, Latents
from studio.engine.meter import Meter, Spent
from studio.engine.pipeline import Generated, VideoPipeline, total_frames
from studio.executors import Faulty
from studio.media import detail, fault
from studio.media.join import join
from studio.media.picture import fit, read_picture
from studio.media.poster import poster_jpeg
from studio.media.provenance import read_recipe, tags, xmp
from studio.media.video import Movie, Tags, read_video, write_video

log = logging.getLogger(__name__)
T = TypeVar("T")

# What a second try may change of a request.
SAFER = {"guidance_scale", "negative_prompt", "num_inference_steps", "seed"}
ADVICE = "Please try another prompt or seed."
LEANER = "The memory ran out, so this clip was made with a plan that takes less of it"


class Making:
    """One run of one task, with all that its steps share."""

    def __init__(self, pipeline: VideoPipeline, task: Task, report: Report, orders: Orders, meter: Meter) -> None:
        self.pipeline, self.task, self.report, self.orders, self.meter = pipeline, task, report, orders, meter
        self.card = pipeline.catalog.card(task.request.model)
        size = grid.size(self.card.grid, task.request.aspect_ratio)
        self.source = read_video(task.source) if task.source else None
        self.begins_with = (read_recipe(task.source) or {}) if task.source else {}
        self.history = _history(self.source, self.card, size)
        self.picture, self.last_picture = (
            fit(read_picture(path), *size, task.request.picture_fit) if path else None
            for path in (task.picture, task.last_picture)
        )
        self.before: Spent | None = None  # what an earlier run of this task took
        self.leaner = ""  # what the visitor should know of the memory

    def run(self) -> Callable[[], Made]:
        """All that needs the pipeline; what it returns writes the clip, and may do so on another thread."""
        latents = self._kept() or self._denoised(self.task.request)
        generated = self._decoded(latents)
        if reason := self._fault(generated):
            latents = self._made_safely(latents, reason)
            generated = self._decoded(latents)
            if second := self._fault(generated):
                self.task.latents.unlink(missing_ok=True)
                raise Faulty(f"The clip {reason}; made again with {_settings(latents.request)} it {second}. {ADVICE}")
        return lambda: self._written(latents, generated)

    def _kept(self) -> Latents | None:
        """The latents of an earlier run, if they are whole and of this request."""
        if not self.task.latents.exists():
            return None
        try:
            latents = Latents.load(self.task.latents)
            asked = self.task.request
            if _changed(asked, latents.request).keys() - SAFER or latents.num_frames != total_frames(
                self.card, asked, self.history
            ):
                raise Damaged("they are of another request")
            # Of those that an earlier version kept nothing is known.
            if latents.weights and latents.weights != self.pipeline.weights(asked.model):
                raise Damaged("they are of other weights")
        except Damaged as reason:
            log.warning("latents unusable", extra={"job": self.task.id, "reason": str(reason)})
            return None
        self.before = latents.spent
        return latents

    def _denoised(self, request: VideoRequest, note: str = "") -> Latents:
        given = self.picture, self.history, self.last_picture
        latents = self._with_room(lambda: self.pipeline.denoise(request, self.report, self.orders, *given))
        if self.leaner and self.pipeline.plan and self.pipeline.plan.mode not in memory.SAME_FRAMES:
            self.leaner = f"{LEANER}; its frames differ from those of the full plan."
        made_by = self.pipeline.weights(request.model)
        latents = replace(latents, note=note, spent=self.meter.spent(self.before), weights=made_by)
        try:
            latents.save(self.task.latents)
        except OSError:
            log.warning("latents not kept", extra={"job": self.task.id}, exc_info=True)
        return latents

    def _decoded(self, latents: Latents) -> Generated:
        with finishing(self.task):
            return self._with_room(lambda: self.pipeline.decode(latents, self.report, self.orders))

    def _with_room(self, work: Callable[[], T]) -> T:
        """What `work` gives, which is done once more with a leaner plan when the memory runs out; only once a clip."""
        try:
            return work()
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
            log.warning("memory ran out", extra={"job": self.task.id}, exc_info=True)
        if self.leaner:
            raise StudioError(memory.NO_ROOM)
        self.report(Progress("loading"))
        self.pipeline.step_down()
        self.leaner = f"{LEANER}."
        return work()

    def _made_safely(self, latents: Latents, reason: str) -> Latents:
        """The one second try. StudioError where there can be none."""
        self.task.latents.unlink(missing_ok=True)
        if latents.note:
            raise Faulty(f"The clip {reason}, although it was made again with safer settings. {ADVICE}")
        if self.orders() == "keep":
            done, total = latents.steps_done, latents.request.num_inference_steps
            raise Faulty(f"What stood after {done} of {total} steps {reason}, so there was nothing to keep.")
        request = _safer(latents.request, self.card)
        log.warning("clip faulty", extra={"job": self.task.id, "reason": reason})
        without = ", without the negative prompt" if request.negative_prompt != latents.request.negative_prompt else ""
        note = f"The first try {reason}, so it was made again with {_settings(request)}{without}."
        return self._denoised(request, note)

    def _fault(self, generated: Generated) -> str | None:
        if not generated.is_finite:
            return fault.NO_NUMBERS
        given = self.history if self.history is not None else None if self.picture is None else self.picture[None]
        # A clip that starts from a black picture may stay black.
        is_picture_meant = given is not None and fault.in_picture(given) is not None
        return fault.find(None if is_picture_meant else generated.frames, generated.sound)

    def _movie(self, made: Generated) -> Movie:
        movie = Movie(made.frames, made.frame_rate, made.sound, made.sampling_rate)
        is_soft = self.card.is_soft
        if self.source is not None and self.history is not None:
            return join(self.source, movie, len(self.history), is_soft)
        if is_soft and self.picture is not None:
            return replace(movie, frames=detail.give_back(movie.frames, self.picture))
        return movie

    def _written(self, latents: Latents, generated: Generated) -> Made:
        """Encode the clip, then say in the file and in the answer alike what all of that took."""
        task = self.task
        with finishing(task):
            self.report(Progress("encoding"))
            movie = self._movie(generated)
            made = self._made(latents, movie)

            def texts() -> Tags:
                nonlocal made
                made = self._made(latents, movie)
                earlier = {"begins_with": self.begins_with} if self.begins_with else {}
                return tags(latents.request, {**facts_of(made), **earlier, "clip": task.id})

            task.poster.write_bytes(poster_jpeg(movie.frames, xmp(self.card.name)))
            write_video(task.target, movie, texts, lambda: self.orders() == "stop", begins_as=task.source)
            return made

    def _made(self, latents: Latents, movie: Movie) -> Made:
        num_frames, height, width, _ = movie.frames.shape
        spent = self.meter.spent(self.before)
        return Made(
            width=width,
            height=height,
            num_frames=num_frames,
            frame_rate=movie.frame_rate,
            has_sound=movie.sound is not None,
            elapsed_seconds=spent.seconds,
            steps_done=latents.steps_done,
            energy_wh=spent.energy_wh,
            is_energy_measured=spent.is_energy_measured and _is_measured(self.begins_with),
            peak_memory_bytes=spent.peak_memory_bytes,
            note=" ".join(filter(None, (latents.note, self.leaner))),
            changed=_changed(self.task.request, latents.request),
            weights=latents.weights,
            **_earlier(self.begins_with),
        )


@contextmanager
def finishing(task: Task) -> Iterator[None]:
    """What fails in here fails after denoising: where the latents are kept, Unfinished says so."""
    try:
        yield
    except Stopped:
        raise
    except Exception as error:
        if not task.latents.exists():
            raise
        said = sentence_of(error, "after denoising")
        raise Unfinished(f"{said} What was denoised is kept, so the clip can be finished later.") from error


def facts_of(made: Made) -> dict[str, Any]:
    """What the recipe in the file says beside the request; of energy only where it is known."""
    facts: dict[str, Any] = {
        "width": made.width,
        "height": made.height,
        "num_frames": made.num_frames,
        "frame_rate": made.frame_rate,
        "has_sound": made.has_sound,
        "steps_done": made.steps_done,
        "elapsed_seconds": made.elapsed_seconds,
    }
    if made.energy_wh:
        facts |= {"energy_wh": made.energy_wh, "energy_is_measured": made.is_energy_measured}
    if made.earlier_seconds:
        facts |= {"earlier_seconds": made.earlier_seconds, "earlier_energy_wh": made.earlier_energy_wh}
    return facts | {name: text for name, text in (("weights", made.weights), ("note", made.note)) if text}


def _parts(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """The recipes of a film's parts, the last one first."""
    parts = [recipe]
    while recipe := recipe.get("begins_with", {}):
        parts.append(recipe)
    return parts


def _is_measured(recipe: dict[str, Any]) -> bool:
    """Whether no part's energy was estimated: the gallery tells the sum."""
    return all(part.get("energy_is_measured", True) for part in _parts(recipe))


def _earlier(recipe: dict[str, Any]) -> dict[str, Any]:
    """What the parts before took, and their prompts line by line, from the recipe of the film that is extended."""
    parts = _parts(recipe)
    return {
        "earlier_seconds": round(sum(part.get("elapsed_seconds", 0.0) for part in parts), 3),
        "earlier_energy_wh": round(sum(part.get("energy_wh", 0.0) for part in parts), 6),
        "earlier_prompts": "\n".join(part["prompt"] for part in reversed(parts) if part.get("prompt")),
    }


def _safer(request: VideoRequest, card: ModelCard) -> VideoRequest:
    """What the model can be trusted with; a negative prompt is refused where it would do nothing."""
    return replace(
        request,
        negative_prompt=request.negative_prompt if card.default_guidance > 1 else "",
        guidance_scale=card.default_guidance,
        num_inference_steps=max(request.num_inference_steps, card.default_steps),
        seed=(request.seed + 1) % (MAX_SEED + 1),
    )


def _changed(asked: VideoRequest, used: VideoRequest) -> dict[str, Any]:
    """The fields of `used` that are not as asked."""
    before = asked.to_dict()
    return {name: value for name, value in used.to_dict().items() if value != before[name]}


def _settings(request: VideoRequest) -> str:
    return f"guidance {request.guidance_scale:g}, {request.num_inference_steps} steps and seed {request.seed}"


def _history(source: Movie | None, card: ModelCard, size: tuple[int, int]) -> np.ndarray | None:
    """The last frames of the clip to extend, as many as the model looks back on, in whole latents."""
    if source is None:
        return None
    width, height = size
    is_high, is_wide = source.frames.shape[1:3]
    if (is_wide, is_high) != (width, height):
        raise StudioError(
            f"A clip can be extended in its own size only: this one is {is_wide}x{is_high} px, "
            f"the model makes {width}x{height} px."
        )
    return source.frames[-grid.whole_frames(card.grid, min(card.grid.overlap_frames, len(source.frames))) :]
