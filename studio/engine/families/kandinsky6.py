"""Kandinsky 6 in diffusers: picture and sound at once, from words or from a first picture.

Latents are picture (1, C, T, h, w) and sound (1, C, L), scaled.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from studio.domain import ModelCard
from studio.engine.device import Plan
from studio.engine.families import OnStep, Shot, diffusion

if TYPE_CHECKING:
    from torch import Tensor


def load(card: ModelCard, source: str | Path, plan: Plan) -> Any:
    """Only text is read, so the words' part of its processor will do: that of films wants torchvision."""
    from transformers import AutoTokenizer, ProcessorMixin  # slow to import, so they wait until a model is wanted

    class Words(ProcessorMixin):
        def __init__(self, tokenizer: Any):
            super().__init__(tokenizer)

        def __call__(self, text: list[str], images: None = None, videos: None = None, **wanted: Any) -> Any:
            return self.tokenizer(text, **wanted)

    try:
        words = AutoTokenizer.from_pretrained(source, subfolder="tokenizer", local_files_only=True)
    except (OSError, ValueError) as error:
        raise diffusion.damaged(card, error) from error
    return diffusion.load(card, source, plan, {"tokenizer": Words(words)}, vocoder="float32")


def denoise(pipe: Any, shot: Shot, generator: Any, on_step: OnStep) -> tuple[Tensor, Tensor | None]:
    frame_rate, config = shot.card.grid.frame_rate, pipe.transformer.config
    arguments = diffusion.asked(shot) | {"frame_rate": frame_rate, "sample_audio": shot.request.sound}
    arguments["latents"] = diffusion.noise(pipe, generator, 1, config.in_visual_dim, *shot.latents)
    if shot.request.sound:
        length = math.ceil(shot.num_frames / frame_rate * pipe.audio_sample_rate / pipe.audio_latent_hop_length)
        arguments["audio_latents"] = diffusion.noise(pipe, generator, 1, config.in_audio_dim, length)
    if shot.opening is not None:
        # The picture's own latents are drawn from what its autoencoder makes of it.
        arguments |= {"image": Image.fromarray(shot.opening[-1]), "generator": generator}
    if not arguments["negative_prompt"]:
        arguments["negative_prompt"] = None  # the makers' own, where the visitor has none

    def shown(clean: Tensor) -> Tensor:
        """A given picture stands behind the last frame."""
        return clean[:, : shot.latents[0]].permute(0, 4, 1, 2, 3)

    steps_done = 0

    def on_each(done: int, clean: Tensor) -> bool:
        nonlocal steps_done
        steps_done = done
        return on_step(done, clean)

    made = diffusion.run(pipe, on_each, shown, **arguments)
    if made.audio is None:
        return made.frames.float(), None
    is_whole = steps_done == shot.request.num_inference_steps
    sound = made.audio if is_whole else pipe.scheduler.copies[-1].clean.permute(0, 2, 1)
    return made.frames.float(), sound.float()


def unpack(pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
    return picture.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor


def hear(pipe: Any, sound: Tensor) -> tuple[np.ndarray, int]:
    """It hears with one ear; both sides of the clip get the same."""
    vae = pipe.audio_vae
    scaled = sound.to(pipe._execution_device, vae.dtype) / vae.config.scaling_factor
    mel = vae.decode(scaled, return_dict=False)[0].to(pipe.vocoder.dtype)
    wave = pipe.vocoder(mel, return_dict=False)[0][:1, 0].float().clamp(-1, 1).cpu().numpy()
    return np.repeat(wave, 2, axis=0), int(pipe.audio_sample_rate)
