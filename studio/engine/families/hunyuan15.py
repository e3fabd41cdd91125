"""HunyuanVideo 1.5 in diffusers: one checkpoint from words, another from a first picture. Makes no sound.

Guidance is a part of its pipeline, not an argument.
Latents are (1, C, T, h, w), scaled.
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
    arguments = diffusion.asked(shot)
    pipe.guider = pipe.guider.new(guidance_scale=arguments.pop("guidance_scale"))
    latents = diffusion.noise(pipe, generator, 1, pipe.num_channels_latents, *shot.latents)
    if shot.opening is not None:
        # It makes the size out of the picture's, and by a rounding of its own may miss that of the very picture.
        size = arguments.pop("height"), arguments.pop("width")
        pipe.video_processor.calculate_default_height_width = lambda **_: size
        arguments["image"] = Image.fromarray(shot.opening[-1])
    return diffusion.run(pipe, on_step, latents=latents, **arguments).frames.float(), None


def unpack(pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
    return picture.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor
