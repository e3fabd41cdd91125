"""The one shared pipeline object: loads a catalog entry and makes frames and sound from a request.

Owned by one thread; knows nothing of files, jobs or pages. Speaks diffusers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.domain import Orders, Progress, Report, Stopped, StudioError, VideoRequest
from studio.engine import catalog, grid
from studio.engine import device as devices
from studio.engine.device import Plan
from studio.engine.families import ltx2
from studio.engine.latents import Latents
from studio.engine.preview import FRAMES, Previewer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Generated:
    """`frames` uint8 (T, H, W, 3); `sound` float32 (2, N) in -1..1 or None; rates per second.

    `is_finite` is False when something on the way was no number; black and silence stand for it.
    """

    frames: np.ndarray
    sound: np.ndarray | None
    sampling_rate: int
    frame_rate: float
    steps_done: int
    is_finite: bool


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
        orders: Orders,
        picture: np.ndarray | None = None,
        history: np.ndarray | None = None,
    ) -> Generated:
        """Make a clip: `denoise`, then `decode`."""
        return self.decode(self.denoise(request, report, orders, picture, history), report, orders)

    def denoise(
        self,
        request: VideoRequest,
        report: Report,
        orders: Orders,
        picture: np.ndarray | None = None,
        history: np.ndarray | None = None,
    ) -> Latents:
        """Make a clip's clean latents. Raises Stopped soon after `orders()` says so, and the pipeline stays usable.

        When they say "keep", it ends after the step that runs, and what the preview shows then is what is kept.
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
        return _Denoising(self._pipe, request, report, orders, total_frames(request, history)).run(given)

    def decode(self, latents: Latents, report: Report, orders: Orders) -> Generated:
        """Make frames and sound of latents. Stopped as in `denoise`; "keep" lets it finish."""
        request = latents.request
        self.load(request.model)
        pipe = self._pipe
        report(Progress("decoding", latents.steps_done, request.num_inference_steps))
        with _stoppable(pipe, orders):
            frames, sound = ltx2.decode(
                pipe,
                latents.picture,
                latents.sound if request.sound else None,
                size=grid.canvas(request.aspect_ratio),
                num_frames=latents.num_frames,
            )
        is_finite = latents.is_finite
        if not np.isfinite(frames).all():
            frames, is_finite = np.nan_to_num(frames), False
        if sound is not None and not np.isfinite(sound).all():
            sound, is_finite = np.nan_to_num(sound), False
        rate = ltx2.sampling_rate(pipe)
        return Generated(
            frames=_cut((frames * 255).round().astype(np.uint8), *grid.size(request.aspect_ratio)),
            sound=None if sound is None else _fitted(sound, latents.num_frames, rate),
            sampling_rate=rate,
            frame_rate=grid.FRAME_RATE,
            steps_done=latents.steps_done,
            is_finite=is_finite,
        )


def total_frames(request: VideoRequest, history: np.ndarray | None) -> int:
    """Frames to denoise in all: those asked for, after the history where one is given."""
    if history is None:
        return grid.num_frames(request.seconds)
    return len(history) + grid.num_frames(request.seconds) - 1


class _Denoising:
    """One run up to the latents: progress, preview and orders around one call of the diffusers pipeline."""

    def __init__(self, pipe: Any, request: VideoRequest, report: Report, orders: Orders, num_frames: int):
        self.pipe, self.request, self.report, self.orders = pipe, request, report, orders
        self.num_frames = num_frames
        self.width, self.height = grid.canvas(request.aspect_ratio)
        self.previewer = Previewer(
            pipe,
            (num_frames - 1) // grid.TEMPORAL_RATIO + 1,
            self.height // grid.SPATIAL_RATIO,
            self.width // grid.SPATIAL_RATIO,
        )
        self.steps_done = 0

    def run(self, given: np.ndarray | None) -> Latents:
        import torch  # slow to import, so only where a model is already loaded

        self.report(Progress("reading the prompt"))
        _check(self.orders)
        # The noise is drawn on the CPU from a fresh generator, so one seed means one clip on every device.
        generator = torch.Generator("cpu").manual_seed(self.request.seed)
        begins = self.pipe.transformer.register_forward_pre_hook(lambda *_: self._begin())
        try:
            with _stoppable(self.pipe, self.orders):
                picture, sound = ltx2.denoise(
                    self.pipe,
                    self.request,
                    size=(self.width, self.height),
                    num_frames=self.num_frames,
                    given=None if given is None else _padded(given, self.width, self.height),
                    generator=generator,
                    on_step=self._on_step,
                )
        finally:
            begins.remove()
        return Latents(picture, sound, self.request, self.num_frames, self.steps_done)

    def _begin(self) -> None:
        if not self.steps_done:
            self.report(Progress("denoising", 0, self.request.num_inference_steps))

    def _on_step(self, done: int, clean: Tensor) -> bool:
        """Tell of one more step; whether to go on."""
        self.steps_done = done
        _check(self.orders)
        strip = self.previewer.strip(clean)
        self.report(Progress("denoising", done, self.request.num_inference_steps, strip, FRAMES if strip else 1))
        return self.orders() != "keep"


def _check(orders: Orders) -> None:
    if orders() == "stop":
        raise Stopped


@contextmanager
def _stoppable(pipe: Any, orders: Orders) -> Iterator[None]:
    """Hooks on the blocks, so that Stop works within a step and while decoding."""
    hooks = [module.register_forward_pre_hook(lambda *_: _check(orders)) for module in ltx2.checkpoints(pipe)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        pipe.maybe_free_model_hooks()


def _padded(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    tall, wide = height - frames.shape[1], width - frames.shape[2]
    return np.pad(frames, ((0, 0), (tall // 2, tall - tall // 2), (wide // 2, wide - wide // 2), (0, 0)), mode="edge")


def _cut(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return np.ascontiguousarray(frames[:, top : top + height, left : left + width])


def _fitted(sound: np.ndarray, num_frames: int, rate: int) -> np.ndarray:
    wanted = round(num_frames / grid.FRAME_RATE * rate)
    return np.ascontiguousarray(np.pad(sound, ((0, 0), (0, max(0, wanted - sound.shape[1]))))[:, :wanted])
