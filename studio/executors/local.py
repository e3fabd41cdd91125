"""Carries out tasks on this machine: one thread owns the pipeline, so two jobs never run on it at once.

Brings engine and media together: files in, frames and sound made, files out. Knows no queue and no rows.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from studio.domain import Made, Progress, Report, ShouldStop, StudioError, Task
from studio.engine import grid
from studio.engine.pipeline import VideoPipeline
from studio.executors import Readiness
from studio.media.join import join
from studio.media.picture import fit, read_picture
from studio.media.poster import poster_jpeg
from studio.media.provenance import tags
from studio.media.video import Movie, read_video, write_video

log = logging.getLogger(__name__)

STARTING = Readiness("starting", "The model is loaded with the first clip.")
LOADING = Readiness("loading", "The model is loading; you can write your prompt meanwhile.")
READY = Readiness("ready", "Ready.")


class LocalExecutor:
    def __init__(self, pipeline: VideoPipeline) -> None:
        self._pipeline = pipeline
        self._owner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipeline")
        self._readiness = STARTING

    def run(self, task: Task, report: Report, should_stop: ShouldStop) -> Made:
        return self._owner.submit(self._make, task, report, should_stop).result()

    def warm_up(self) -> None:
        self._readiness = LOADING
        self._owner.submit(self._warm_up)

    def readiness(self) -> Readiness:
        return self._readiness

    def close(self) -> None:
        self._owner.shutdown(wait=True, cancel_futures=True)

    def _warm_up(self) -> None:
        try:
            self._load("pocket")
        except Exception:
            log.exception("The model could not be loaded")

    def _load(self, model: str) -> None:
        if self._pipeline.is_loaded(model):
            return
        self._readiness = LOADING
        try:
            self._pipeline.load(model)
        except Exception as error:
            reason = str(error) if isinstance(error, StudioError) else type(error).__name__
            self._readiness = Readiness("failed", f"The model {model} could not be loaded: {reason}")
            raise
        self._readiness = READY

    def _make(self, task: Task, report: Report, should_stop: ShouldStop) -> Made:
        report(Progress("loading"))
        self._load(task.request.model)
        started_s = time.monotonic()
        source = read_video(task.source) if task.source else None
        movie = self._generate(task, source, report, should_stop)
        report(Progress("encoding"))
        num_frames, height, width, _ = movie.frames.shape
        facts = {
            "width": width,
            "height": height,
            "num_frames": num_frames,
            "frame_rate": movie.frame_rate,
            "has_sound": movie.sound is not None,
        }
        texts = tags(task.request, {**facts, "clip": task.id})
        write_video(task.target, movie, texts, should_stop, begins_as=task.source)
        task.poster.write_bytes(poster_jpeg(movie.frames))
        return Made(**facts, elapsed_seconds=round(time.monotonic() - started_s, 3))

    def _generate(self, task: Task, source: Movie | None, report: Report, should_stop: ShouldStop) -> Movie:
        request = task.request
        width, height = grid.size(request.aspect_ratio)
        history = _history(source, width, height) if source else None
        generated = self._pipeline.generate(
            request, report, should_stop, picture=_fitted(task, width, height), history=history
        )
        movie = Movie(generated.frames, generated.frame_rate, generated.sound, generated.sampling_rate)
        return movie if source is None or history is None else join(source, movie, overlap=len(history))


def _fitted(task: Task, width: int, height: int) -> np.ndarray | None:
    return fit(read_picture(task.picture), width, height, task.request.picture_fit) if task.picture else None


def _history(source: Movie, width: int, height: int) -> np.ndarray:
    """The last frames of the clip to extend, as many as the model looks back on: 4k+1 of them."""
    is_high, is_wide = source.frames.shape[1:3]
    if (is_wide, is_high) != (width, height):
        raise StudioError(
            f"A clip can be extended in its own size only: this one is {is_wide}x{is_high} px, "
            f"the model makes {width}x{height} px."
        )
    return source.frames[-grid.whole_frames(min(grid.OVERLAP_FRAMES, len(source.frames))) :]
