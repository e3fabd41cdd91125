"""The one shared pipeline object: loads a catalog entry and makes frames and sound from a request.

Owned by one thread; knows nothing of files, jobs or pages. Speaks diffusers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.domain import Progress, Report, ShouldStop, Stopped, StudioError, VideoRequest
from studio.engine import catalog, grid
from studio.engine import device as devices
from studio.engine.device import Plan
from studio.engine.families import ltx2
from studio.engine.preview import Previewer


@dataclass(frozen=True)
class Generated:
    """`frames` uint8 (T, H, W, 3); `sound` float32 (2, N) in -1..1 or None; times in seconds."""

    frames: np.ndarray
    sound: np.ndarray | None
    sampling_rate: int
    frame_rate: float
    text_s: float
    denoise_s: float
    decode_s: float


class VideoPipeline:
    """Text, a picture or the end of a clip go in; all three are one path with optional conditions."""

    def __init__(self, pocket_dir: Path = catalog.POCKET_DIR, device: str = "auto"):
        self.pocket_dir = pocket_dir
        self.wanted_device = device
        self.plan: Plan | None = None
        self._pipe: Any = None
        self._model: str | None = None

    def is_loaded(self, model: str) -> bool:
        return self._model == model

    def load(self, model: str = "pocket") -> None:
        """Bring `model` into memory; does nothing when it is there. StudioError when there is no such model."""
        name = catalog.card(model).name
        if self._model == name:
            return
        self.plan = devices.plan(self.wanted_device)
        self._pipe = ltx2.load(self.pocket_dir, self.plan)
        self._model = name

    def generate(
        self,
        request: VideoRequest,
        report: Report,
        should_stop: ShouldStop,
        picture: np.ndarray | None = None,
        history: np.ndarray | None = None,
    ) -> Generated:
        """Make a clip. Raises Stopped soon after `should_stop()` turns true, and the pipeline stays usable.

        `picture` is uint8 (H, W, 3) and becomes the first frame. `history` is uint8 (T, H, W, 3) with T = 4k + 1,
        the end of the clip to go on from: it is made again as the first T frames of the result, and
        `request.seconds` more follow. Both have the size `grid.size` gives for the request's aspect ratio.
        """
        report(Progress("loading"))
        self.load(request.model)
        width, height = grid.size(request.aspect_ratio)
        given = history if history is not None else picture[None] if picture is not None else None
        if given is not None and given.shape[1:] != (height, width, 3):
            found = f"{given.shape[2]} x {given.shape[1]}"
            raise StudioError(f"A picture for {request.aspect_ratio} has {width} x {height} pixels; not {found}.")
        run = _Run(self._pipe, request, report, should_stop, total_frames(request, history))
        return run.make(given)


def total_frames(request: VideoRequest, history: np.ndarray | None) -> int:
    """Frames to denoise in all: those asked for, after the history where one is given."""
    if history is None:
        return grid.num_frames(request.seconds)
    return len(history) + grid.num_frames(request.seconds) - 1


class _Run:
    """One generation: progress, preview and Stop around one call of the diffusers pipeline."""

    def __init__(self, pipe: Any, request: VideoRequest, report: Report, should_stop: ShouldStop, num_frames: int):
        self.pipe, self.request, self.report, self.should_stop = pipe, request, report, should_stop
        self.num_frames = num_frames
        self.width, self.height = grid.canvas(request.aspect_ratio)
        self.previewer = Previewer(
            pipe,
            (num_frames - 1) // grid.TEMPORAL_RATIO + 1,
            self.height // grid.SPATIAL_RATIO,
            self.width // grid.SPATIAL_RATIO,
        )
        self.started = time.monotonic()
        self.first_step = self.last_step = 0.0

    def make(self, given: np.ndarray | None) -> Generated:
        import torch  # slow to import, so only where a model is already loaded

        self.report(Progress("reading the prompt"))
        self._check_stop()
        request = self.request
        # The noise is drawn on the CPU from a fresh generator, so one seed means one clip on every device.
        generator = torch.Generator("cpu").manual_seed(request.seed)
        with self._watched():
            frames, sound = ltx2.call(
                self.pipe,
                request,
                size=(self.width, self.height),
                num_frames=self.num_frames,
                given=None if given is None else _padded(given, self.width, self.height),
                generator=generator,
                on_step=self._on_step,
            )
        done = time.monotonic()
        return Generated(
            frames=_cut(frames, *grid.size(request.aspect_ratio)),
            sound=_fitted(sound, self.num_frames, ltx2.sampling_rate(self.pipe)) if request.sound else None,
            sampling_rate=ltx2.sampling_rate(self.pipe),
            frame_rate=grid.FRAME_RATE,
            text_s=self.first_step - self.started,
            denoise_s=self.last_step - self.first_step,
            decode_s=done - self.last_step,
        )

    def _check_stop(self) -> None:
        if self.should_stop():
            raise Stopped

    def _on_step(self, step: int, latents: Any) -> None:
        self.last_step = time.monotonic()
        total = self.request.num_inference_steps
        self._check_stop()
        strip = self.previewer.strip(latents, step)
        self.report(Progress("denoising", step + 1, total, strip, 4 if strip else 1))
        if step + 1 == total:
            self.report(Progress("decoding", total, total))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Hooks on the blocks, so that Stop works within a step and while decoding, and the preview sees the input."""

        def check(*_: Any) -> None:
            self._check_stop()

        def see(_: Any, args: Any, kwargs: dict[str, Any]) -> None:
            if not self.first_step:
                self.first_step = time.monotonic()
                self.report(Progress("denoising", 0, self.request.num_inference_steps))
            self.previewer.see_input(kwargs["hidden_states"][-1:])

        hooks = [module.register_forward_pre_hook(check) for module in ltx2.checkpoints(self.pipe)]
        hooks.append(self.pipe.transformer.register_forward_pre_hook(see, with_kwargs=True))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self.pipe.maybe_free_model_hooks()


def _padded(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    tall, wide = height - frames.shape[1], width - frames.shape[2]
    return np.pad(frames, ((0, 0), (tall // 2, tall - tall // 2), (wide // 2, wide - wide // 2), (0, 0)), mode="edge")


def _cut(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return np.ascontiguousarray(frames[:, top : top + height, left : left + width])


def _fitted(sound: np.ndarray, num_frames: int, rate: int) -> np.ndarray:
    wanted = round(num_frames / grid.FRAME_RATE * rate)
    return np.ascontiguousarray(np.pad(sound, ((0, 0), (0, max(0, wanted - sound.shape[1]))))[:, :wanted])
