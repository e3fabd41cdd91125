"""HunyuanVideo 1.5 in diffusers, from words. Guidance is a part of its pipeline, not an argument. Makes no sound.

Latents are (1, C, T, h, w), scaled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.domain import ModelCard
from studio.engine.device import Plan
from studio.engine.families import OnStep, Shot, diffusion

if TYPE_CHECKING:
    from torch import Tensor


def load(card: ModelCard, source: str | Path, plan: Plan) -> Any:
    return diffusion.load(card, source, plan)


def denoise(pipe: Any, shot: Shot, generator: Any, on_step: OnStep) -> tuple[Tensor, None]:
    arguments = diffusion.asked(shot)
    pipe.guider = pipe.guider.new(guidance_scale=arguments.pop("guidance_scale"))
    latents = diffusion.noise(pipe, generator, 1, pipe.num_channels_latents, *shot.latents)
    return diffusion.run(pipe, on_step, latents=latents, **arguments).frames.float(), None


def unpack(pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
    return picture.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor
