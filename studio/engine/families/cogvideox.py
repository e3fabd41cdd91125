"""CogVideoX in diffusers: one checkpoint from words, another from a first picture. Makes no sound.

Latents are (1, T, C, h, w), scaled; those of 1.5 may have frames in front that only fill a patch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from studio.domain import ModelCard
from studio.engine.device import Plan
from studio.engine.families import OnStep, Shot, diffusion

if TYPE_CHECKING:
    from torch import Tensor


def load(card: ModelCard, source: str | Path, plan: Plan) -> Any:
    return diffusion.load(card, source, plan)


def denoise(pipe: Any, shot: Shot, generator: Any, on_step: OnStep) -> tuple[Tensor, None]:
    # The same generator draws what some of its schedulers add at each step, on the processor too.
    arguments = diffusion.asked(shot) | {"generator": generator}
    if shot.opening is not None:
        arguments["image"] = Image.fromarray(shot.opening[-1])
    frames, height, width = shot.latents
    frames += -frames % (pipe.transformer.config.patch_size_t or 1)
    shape = 1, frames, pipe.vae.config.latent_channels, height, width
    latents = diffusion.noise(pipe, generator, *shape)
    return diffusion.run(pipe, on_step, latents=latents, **arguments).frames.float(), None


def unpack(pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
    frames = picture[:, -shot.latents[0] :].permute(0, 2, 1, 3, 4).to(pipe.vae.dtype)
    return 1 / pipe.vae_scaling_factor_image * frames
