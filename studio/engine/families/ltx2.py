"""LTX-2 in diffusers: how its joint picture-and-sound pipeline is loaded and called. Pocket is of this family.

A clip is made in two halves, `denoise` and `decode`, which together give bit by bit what one call of the diffusers
pipeline gives. Latents are as the transformer knows them: picture (1, tokens, C) and sound (1, L, C * bins).
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.domain import ModelCard
from studio.engine import attention, schedule
from studio.engine.device import Plan
from studio.engine.families import OnStep, Shot, diffusion

if TYPE_CHECKING:
    from torch import Tensor


def load(card: ModelCard, source: str | Path, plan: Plan) -> Any:
    # The original's vocoder is a hundred convolutions in a row, which 16 bits blur; its makers run it so too.
    formats: dict[str, Any] = {"vocoder": "float32"} if card.source else {}
    pipe = diffusion.load(card, source, plan, **formats)
    if "sigmas" in card.arguments:
        # The steps that a model was distilled to are to be taken as they are, not shifted by the size of the clip.
        import diffusers  # slow to import, so it waits until a model is wanted

        kind, config = diffusers.FlowMatchEulerDiscreteScheduler, pipe.scheduler.config
        pipe.scheduler = kind.from_config(config, use_dynamic_shifting=False, shift_terminal=None)
        schedule.watch(pipe.scheduler)
    if plan.is_tiled:
        pipe.vae.use_framewise_decoding = True  # its tiles alone leave time whole
    # The pipeline would copy its scheduler for the sound at every call, out of our sight.
    pipe.audio_scheduler = copy.deepcopy(pipe.scheduler)
    # The original's gates and masks are not known to it.
    if plan.device == "cpu" and not card.source:
        attention.use_on_cpu(pipe.transformer, pipe.connectors)
        pipe.transformer.register_forward_pre_hook(_share_times, with_kwargs=True)
    return pipe


def _share_times(_transformer: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Read the noise level once where all tokens have the same, as without a given picture, and not for each token.

    Of a default clip of Pocket's that spares a seventh of the denoising, bit by bit the same.
    """
    times = named["timestep"]
    if times.ndim > 1 and bool((times == times[:, :1]).all()):
        named["timestep"] = times[:, :1]
    return positional, named


def denoise(pipe: Any, shot: Shot, generator: Any, on_step: OnStep) -> tuple[Tensor, Tensor]:
    """As the protocol says.

    What stands after k steps is where step k was heading, which is what the preview shows. Against the finished clip
    of 16 steps (three prompts of Pocket's) it has 25.8 dB after 4 steps and 33.5 dB after 8. Two more, large steps to
    the end would give 32.1 and 42.0 dB, but another clip than the one that was seen, two steps later, on a schedule
    bent in the middle of the pipeline's loop.
    """
    arguments = diffusion.asked(shot) | {"frame_rate": shot.card.grid.frame_rate, "generator": generator}
    conditions = _conditions(shot, arguments.pop("image_crf", None))
    diffusion.run(pipe, on_step, conditions=conditions, **arguments)
    return pipe.scheduler.clean, pipe.audio_scheduler.clean


def _conditions(shot: Shot, crf: int | None) -> list[Any] | None:
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition  # slow to import

    given = [] if shot.opening is None else [LTX2VideoCondition(frames=shot.opening, index=0, strength=1.0, crf=crf)]
    if shot.closing is not None:
        given.append(LTX2VideoCondition(frames=shot.closing[None], index=-1, strength=1.0, crf=crf))
    return given or None


def unpack(pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
    """Behind the tokens of the clip come those of a last picture."""
    vae, shape = pipe.vae, shot.latents
    tokens = picture[:, : shape[0] * shape[1] * shape[2]].to(pipe._execution_device)
    patches = pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size
    latents = pipe._unpack_latents(tokens, *shape, *patches).to(vae.dtype)
    return pipe._denormalize_latents(latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)


def hear(pipe: Any, sound: Tensor) -> tuple[np.ndarray, int]:
    vae = pipe.audio_vae
    latents = pipe._denormalize_audio_latents(sound.to(pipe._execution_device), vae.latents_mean, vae.latents_std)
    bins = pipe.audio_mel_bins // pipe.audio_vae_mel_compression_ratio
    latents = pipe._unpack_audio_latents(latents, sound.shape[1], num_mel_bins=bins)
    mel = vae.decode(latents.to(vae.dtype), return_dict=False)[0]
    waves = pipe.vocoder(mel.to(pipe.vocoder.dtype))
    return waves[0].float().clamp(-1, 1).cpu().numpy(), int(pipe.vocoder.config.output_sampling_rate)
