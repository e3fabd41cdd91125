"""The one shared pipeline object: loads a catalog entry and makes frames and sound from a request.

Owned by one thread; knows nothing of files, jobs or pages. Speaks diffusers.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.domain import ModelCard, Orders, Progress, Report, Stopped, StudioError, VideoRequest
from studio.engine import device as devices
from studio.engine import grid, loras, memory
from studio.engine.canvas import cut, fitted, on_canvas
from studio.engine.catalog import BUILT_IN, POCKET_DIR, Catalog
from studio.engine.checkpoint import fingerprint
from studio.engine.device import Plan
from studio.engine.families import Family, Shot, Sounding, cogvideox, hunyuan15, kandinsky6, ltx2, skyreels, wan
from studio.engine.latents import Latents
from studio.engine.preview import FRAMES, Previewer
from studio.engine.tuning import AS_IT_IS, Tuning, step_cache, stops

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FAMILIES: dict[str, Family] = {
    "ltx2": ltx2, "wan": wan, "hunyuan15": hunyuan15, "kandinsky6": kandinsky6, "cogvideox": cogvideox,
    "skyreels": skyreels,
}  # fmt: skip
SOUNDING: dict[str, Sounding] = {"ltx2": ltx2, "kandinsky6": kandinsky6}


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
    """Text, pictures or the end of a clip go in; all are one path with optional conditions."""

    def __init__(
        self,
        pocket_dir: Path = POCKET_DIR,
        device: str = "auto",
        catalog: Catalog = BUILT_IN,
        memory_plan: str = "auto",
        tuning: Tuning = AS_IT_IS,
    ):
        self.pocket_dir = pocket_dir
        self.wanted_device = device
        self.catalog = catalog
        self.memory_plan = memory_plan
        self.tuning = tuning
        self.plan: Plan | None = None
        self._card: ModelCard | None = None
        self._pipe: Any = None
        self._worn: dict[str, float] = {}
        self._previewer: Any = None

    @property
    def gpus(self) -> int:
        """How many GPUs work on a clip of the loaded model, where they do."""
        return 1

    def is_loaded(self, model: str) -> bool:
        return self._card is not None and self._card.name == model

    def weights(self, model: str) -> str:
        """Stands for the weights that `model` has here."""
        return fingerprint(self.catalog.card(model).source or self.pocket_dir)

    def load(self, model: str = "pocket") -> None:
        """Bring `model` into memory in place of another; does nothing when it is there.

        Where the memory runs out meanwhile, a leaner plan is tried once. StudioError when there is no such model, or
        no room for it.
        """
        card = self.catalog.card(model)
        if self._card == card:
            return
        self.unload()
        plan = devices.plan(self.wanted_device)
        # What asks the driver lets such a model be chosen; on the processor a clip would take days.
        if card.memory_bytes and plan.device == "cpu" and self.wanted_device == "auto" and devices.gpu_memory_bytes():
            raise StudioError(
                f"{card.title} needs this machine's graphics card, which torch can't use: {devices.why_no_cuda()}."
            )
        plan = memory.fit(plan, card, self.memory_plan, devices.free_memory(plan.device))
        try:
            self._open(card, plan)
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
            self._card, self.plan = card, plan
        if self._pipe is None:
            self.step_down()

    def _open(self, card: ModelCard, plan: Plan) -> None:
        self._pipe = FAMILIES[card.family].load(card, card.source or self.pocket_dir, plan)
        told = {self.tuning.apply(one, plan) for one in memory.experts(self._pipe)}
        self._previewer = Previewer(self._pipe)
        self._card, self._worn = card, {}
        self.plan = replace(plan, why="; ".join(filter(None, (plan.why, *told))))

    def step_down(self) -> None:
        """Load the model anew with a leaner plan, after the memory ran out; StudioError where there is none.

        To be called outside of the `except`: what an error still holds can't be freed.
        """
        card, plan = self._card, self.plan
        assert card is not None and plan is not None  # noqa: PT018 - both are there once a model was asked for
        leaner = memory.leaner(plan, card)
        self.unload()
        if leaner is None:
            raise StudioError(memory.NO_ROOM)
        try:
            self._open(card, leaner)
        except Exception as error:
            if memory.is_out_of_memory(error):
                raise StudioError(memory.NO_ROOM) from error
            raise

    def unload(self) -> None:
        """Give back all that the loaded model takes."""
        if self._pipe is not None:
            self._pipe.remove_all_hooks()
        self._card = self._pipe = self._previewer = None
        # What a model's parts hold of each other is no more reachable, but not yet collected.
        gc.collect()
        self.tuning.forget()
        devices.release()

    def generate(
        self,
        request: VideoRequest,
        report: Report,
        orders: Orders,
        picture: np.ndarray | None = None,
        history: np.ndarray | None = None,
        last_picture: np.ndarray | None = None,
    ) -> Generated:
        """Make a clip: `denoise`, then `decode`."""
        return self.decode(self.denoise(request, report, orders, picture, history, last_picture), report, orders)

    def denoise(
        self,
        request: VideoRequest,
        report: Report,
        orders: Orders,
        picture: np.ndarray | None = None,
        history: np.ndarray | None = None,
        last_picture: np.ndarray | None = None,
    ) -> Latents:
        """Make a clip's clean latents. Raises Stopped soon after `orders()` says so, and the pipeline stays usable.

        When they say "keep", it ends after the step that runs, and what the preview shows then is what is kept.
        `picture` is uint8 (H, W, 3) and becomes the first frame, `last_picture` the last. `history` is uint8
        (T, H, W, 3) with T a whole number of latents, the end of the clip to go on from: it is made again as the first
        T frames of the result, and `request.seconds` more follow. All have the size `grid.size` gives for the request's
        aspect ratio.
        """
        report(Progress("loading"))
        self.load(request.model)
        card = self.catalog.card(request.model)
        self._wear(request.loras)
        opening = history if history is not None else picture[None] if picture is not None else None
        closing = None if last_picture is None else on_canvas(card, request, last_picture[None])[0]
        opening = None if opening is None else on_canvas(card, request, opening)
        shot = Shot(card, request, total_frames(card, request, history), opening, closing)
        return _Denoising(self._pipe, shot, self._previewer, report, orders).run()

    def _wear(self, wanted: dict[str, float]) -> None:
        if wanted == self._worn:
            return
        assert self.plan is not None
        self.catalog.check_loras(wanted)
        # Whatever fails on the way, nothing is worn then.
        self._worn = {}
        loras.wear(self._pipe, self.plan, self.catalog.loras, wanted)
        self._worn = dict(wanted)

    def decode(self, latents: Latents, report: Report, orders: Orders) -> Generated:
        """Make frames and sound of latents. Stopped as in `denoise`; "keep" lets it finish."""
        request = latents.request
        self.load(request.model)
        card, pipe = self.catalog.card(request.model), self._pipe
        family = FAMILIES[card.family]
        report(Progress("decoding", latents.steps_done, request.num_inference_steps))
        with _stoppable(pipe, orders):
            frames = _decoded(pipe, family.unpack(pipe, Shot(card, request, latents.num_frames), latents.picture))
            sound, rate = None, 0
            if latents.sound is not None and request.sound:
                sound, rate = _heard(SOUNDING[card.family], pipe, latents.sound)
        is_finite = latents.is_finite
        if not np.isfinite(frames).all():
            frames, is_finite = np.nan_to_num(frames), False
        if sound is not None and not np.isfinite(sound).all():
            sound, is_finite = np.nan_to_num(sound), False
        frame_rate = card.grid.frame_rate
        return Generated(
            frames=cut((frames * 255).round().astype(np.uint8), *grid.size(card.grid, request.aspect_ratio)),
            sound=None if sound is None else fitted(sound, round(latents.num_frames / frame_rate * rate)),
            sampling_rate=rate,
            frame_rate=frame_rate,
            steps_done=latents.steps_done,
            is_finite=is_finite,
        )


def total_frames(card: ModelCard, request: VideoRequest, history: np.ndarray | None) -> int:
    """Frames to denoise in all: those asked for, after the history where one is given."""
    asked = grid.num_frames(card.grid, request.seconds)
    return asked if history is None else len(history) + asked - 1


class _Denoising:
    """One run up to the latents: progress, preview and orders around one call of the diffusers pipeline."""

    def __init__(self, pipe: Any, shot: Shot, previewer: Previewer, report: Report, orders: Orders):
        self.pipe, self.shot, self.previewer, self.report, self.orders = pipe, shot, previewer, report, orders
        self.family = FAMILIES[shot.card.family]
        self.total = shot.request.num_inference_steps
        self.steps_done = 0

    def run(self) -> Latents:
        import torch  # slow to import, so only where a model is already loaded

        self.report(Progress("reading the prompt"))
        _check(self.orders)
        self.previewer.begin(self.shot.canvas)
        # The noise is drawn on the CPU from a fresh generator, so one seed means one clip on every device.
        generator = torch.Generator("cpu").manual_seed(self.shot.request.seed)
        begins = self.pipe.transformer.register_forward_pre_hook(lambda *_: self._begin())
        try:
            with _stoppable(self.pipe, self.orders), step_cache(self.pipe, self.shot.request.step_cache):
                picture, sound = self.family.denoise(self.pipe, self.shot, generator, self._on_step)
        finally:
            begins.remove()
        return Latents(picture, sound, self.shot.request, self.shot.num_frames, self.steps_done)

    def _begin(self) -> None:
        if not self.steps_done:
            self.report(Progress("denoising", 0, self.total))

    def _on_step(self, done: int, clean: Tensor) -> bool:
        """Tell of one more step; whether to go on."""
        self.steps_done = done
        _check(self.orders)
        strip = self._strip(clean) if self.previewer.is_due() else None
        self.report(Progress("denoising", done, self.total, strip, FRAMES if strip else 1))
        return self.orders() != "keep"

    def _strip(self, clean: Tensor) -> bytes | None:
        try:
            return self.previewer.strip(self.family.unpack(self.pipe, self.shot, clean))
        except Stopped:
            raise
        except Exception:
            # A clip is not given up because it can't be shown while it is made.
            log.exception("no preview")
            self.previewer.pause()
            return None


def _decoded(pipe: Any, latents: Tensor) -> np.ndarray:
    """Latents (1, C, T, h, w) to frames float32 (T, H, W, 3) in 0..1."""
    import torch  # slow to import, so only where a model is already loaded

    with torch.no_grad():
        pixels = pipe.vae.decode(latents.to(pipe._execution_device, pipe.vae.dtype), return_dict=False)[0]
        return pipe.video_processor.postprocess_video(pixels, output_type="np")[0]


def _heard(family: Sounding, pipe: Any, sound: Tensor) -> tuple[np.ndarray, int]:
    import torch  # slow to import, so only where a model is already loaded

    with torch.no_grad():
        return family.hear(pipe, sound)


def _check(orders: Orders) -> None:
    if orders() == "stop":
        raise Stopped


@contextmanager
def _stoppable(pipe: Any, orders: Orders) -> Iterator[None]:
    """Hooks on every block of every part, so that Stop works within a step, and while reading and decoding."""
    import torch  # slow to import, so only where a model is already loaded

    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    blocks = dict.fromkeys(block for part in parts for block in stops(part))
    hooks = [block.register_forward_pre_hook(lambda *_: _check(orders)) for block in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        # A run that was stopped has not done this; caches would keep its tensors, and offloading its modules.
        pipe.maybe_free_model_hooks()
