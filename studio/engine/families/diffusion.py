"""What the families have in common in diffusers: loading quietly, one set of weights under several classes, a run that
is watched step by step, and the arguments, latents and noise that go into it."""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.domain import ModelCard, StudioError
from studio.engine import memory, schedule
from studio.engine.device import Plan
from studio.engine.families import OnStep, Shot
from studio.engine.prompts import ReadPrompts

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)


def load(card: ModelCard, source: str | Path, plan: Plan, parts: dict[str, Any] | None = None, **formats: str) -> Any:
    """The card's pipeline from a folder of safetensors, or the hub's cache, with its scheduler watched.

    `formats` are the components that want another number format than the plan's, by torch's names; `parts` those that
    are here already. StudioError for files that can't be read.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import diffusers  # these take seconds to import, so they wait until a model is wanted
    import torch
    from diffusers.utils import logging as diffusion_logging
    from transformers.utils import logging as text_logging

    # The class names Gemma as its text encoder and warns of anything else; a small BERT serves as well.
    for loud in (diffusion_logging, text_logging):
        loud.set_verbosity_error()
        loud.disable_progress_bar()
    wanted: Any = getattr(torch, plan.dtype)
    if formats:
        wanted = {"default": wanted} | {part: getattr(torch, name) for part, name in formats.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = getattr(diffusers, card.pipeline)
        try:
            pipe = kind.from_pretrained(
                source, torch_dtype=wanted, local_files_only=True, **memory.quantisation(plan), **parts or {}
            )
        except (OSError, ValueError) as error:
            raise damaged(card, error) from error
    memory.settle(pipe, plan)
    pipe.set_progress_bar_config(disable=True)
    schedule.watch(pipe.scheduler)
    ReadPrompts().attend(pipe)
    return pipe


def damaged(card: ModelCard, error: Exception) -> StudioError:
    """What is said of files that can't be read, for `error`, which the log gets."""
    log.warning("model not read", extra={"model": card.name}, exc_info=error)
    return StudioError(f"The files of {card.title} are missing or damaged on this machine.")


def as_class(pipe: Any, name: str) -> Any:
    """A pipeline of diffusers' class `name` over the very same parts, hooks kept.

    `from_pipe` ends with a cast that turns the parts themselves to float32.
    """
    import diffusers  # slow to import, so it waits until a model is wanted

    if type(pipe).__name__ == name:
        return pipe
    kind = getattr(diffusers, name)
    known = {**pipe.config, **pipe.components}
    wanted = {
        key: known.get(key)
        for key, parameter in inspect.signature(kind.__init__).parameters.items()
        if key in pipe.components or (key != "self" and (parameter.default is parameter.empty or key in pipe.config))
    }
    twin = kind(**wanted)
    twin.set_progress_bar_config(disable=True)
    pipe.read_prompts.attend(twin)
    for hooked in ("_all_hooks", "_offload_device", "_offload_gpu_id"):
        if hooked in vars(pipe):
            setattr(twin, hooked, getattr(pipe, hooked))
    return twin


def run(pipe: Any, on_step: OnStep, shown: Callable[[Tensor], Tensor] = lambda clean: clean, **arguments: Any) -> Any:
    """Call a pipeline for latents. When `on_step` says so, those that it showed last go through the pipeline's own end.

    Told by the scheduler, since not every pipeline calls back. `shown` makes of its clean latents what stands in the
    clip: with the given frames in it, and in the layout that the pipeline returns.
    """
    scheduler, steps = pipe.scheduler, 0

    def listen(clean: Tensor) -> bool:
        nonlocal steps
        steps += 1
        goes_on = on_step(steps, shown(clean))
        pipe._interrupt = not goes_on
        return goes_on

    scheduler.listener = listen
    scheduler.copies.clear()
    try:
        return pipe(output_type="latent", **arguments)
    finally:
        scheduler.listener = None


def asked(shot: Shot) -> dict[str, Any]:
    """The arguments that every family's call has. The card's may hold the negative prompt of who has none."""
    request, (width, height) = shot.request, shot.canvas
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "width": width,
        "height": height,
        "num_frames": shot.num_frames,
        "num_inference_steps": request.num_inference_steps,
        "guidance_scale": request.guidance_scale,
        **shot.card.arguments,
        **({"negative_prompt": request.negative_prompt} if request.negative_prompt else {}),
    }


def encode(pipe: Any, frames: np.ndarray) -> Tensor:
    """Frames uint8 (T, H, W, 3) to the autoencoder's raw latents (1, C, T', h, w)."""
    import torch  # slow to import, so only where a model is already loaded

    pixels = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.no_grad():
        return pipe.vae.encode(pixels.to(pipe._execution_device, pipe.vae.dtype)).latent_dist.mode()


def noise(pipe: Any, generator: Any, *shape: int) -> Tensor:
    """Float32 noise in the transformer's format: drawn in that format, the same seed would be another clip."""
    import torch  # slow to import, so only where a model is already loaded

    return torch.randn(shape, generator=generator).to(pipe._execution_device, pipe.transformer.dtype)
