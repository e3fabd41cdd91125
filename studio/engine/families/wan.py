"""Wan 2.1 and 2.2 in diffusers, VACE too: one set of weights, and a class for each task. Makes no sound.

Latents are (1, C, T, h, w), normalised.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from studio.domain import ModelCard, StudioError
from studio.engine.device import Plan
from studio.engine.families import OnStep, Shot, diffusion

if TYPE_CHECKING:
    from torch import Tensor

GREY = 128


def load(card: ModelCard, source: str | Path, plan: Plan) -> Any:
    """StudioError where the text encoder's words came out as zeros: transformers 5.0 and 5.1 load UMT5 so."""
    pipe = diffusion.load(card, source, plan, vae="float32")
    words = pipe.text_encoder
    if words.shared.weight.data_ptr() != words.encoder.embed_tokens.weight.data_ptr():
        raise StudioError(f"The words of {card.title} were not loaded; please install the transformers that is pinned.")
    return pipe


def denoise(pipe: Any, shot: Shot, generator: Any, on_step: OnStep) -> tuple[Tensor, None]:
    arguments = diffusion.asked(shot) | {"generator": generator}
    if shot.card.pipeline == "WanVACEPipeline":
        made = diffusion.run(pipe, on_step, **arguments | _canvas_and_mask(shot))
    elif shot.opening is None:
        made = diffusion.run(diffusion.as_class(pipe, "WanPipeline"), on_step, **arguments)
    else:
        pictures = {"image": Image.fromarray(shot.opening[-1])}
        if shot.closing is not None:
            pictures["last_image"] = Image.fromarray(shot.closing)
        task = diffusion.as_class(pipe, "WanImageToVideoPipeline")
        made = diffusion.run(task, on_step, _given(pipe, shot), **arguments, **pictures)
    return made.frames, None


def _canvas_and_mask(shot: Shot) -> dict[str, Any]:
    """What VACE keeps, which is black in the mask, and the grey that it paints over."""
    width, height = shot.canvas
    frames = np.full((shot.num_frames, height, width, 3), GREY, np.uint8)
    mask = np.full((shot.num_frames, height, width), 255, np.uint8)
    if shot.opening is not None:
        frames[: len(shot.opening)], mask[: len(shot.opening)] = shot.opening, 0
    if shot.closing is not None:
        frames[-1], mask[-1] = shot.closing, 0
    if mask.all():
        return {}
    return {"video": [Image.fromarray(frame) for frame in frames], "mask": [Image.fromarray(one) for one in mask]}


def _given(pipe: Any, shot: Shot) -> Any:
    """Where the picture stands in the latents as they are (2.2's 5B), what the model thinks of that does not count."""
    if not pipe.config.get("expand_timesteps") or shot.opening is None:
        return lambda clean: clean
    mean, std = _moments(pipe)
    first = (diffusion.encode(pipe, shot.opening[-1:]) - mean) / std

    def with_picture(clean: Tensor) -> Tensor:
        clean = clean.clone()
        clean[:, :, :1] = first
        return clean

    return with_picture


def unpack(pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
    mean, std = _moments(pipe)
    return picture.to(std.device, std.dtype) * std + mean


def _moments(pipe: Any) -> tuple[Tensor, Tensor]:
    import torch  # slow to import, so only where a model is already loaded

    vae = pipe.vae
    mean, std = (
        torch.tensor(values, device=pipe._execution_device, dtype=vae.dtype).view(1, -1, 1, 1, 1)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, std
