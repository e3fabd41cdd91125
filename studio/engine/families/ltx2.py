"""LTX-2 in diffusers: how its joint picture-and-sound pipeline is loaded and called. Pocket is of this family.

A clip is made in two halves, `denoise` and `decode`, which together give bit by bit what one call of the diffusers
pipeline gives.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.domain import VideoRequest
from studio.engine import attention, grid
from studio.engine.device import Plan

if TYPE_CHECKING:
    from torch import Tensor

PROMPT_TOKENS = 32  # the default of 1,024 costs more than Pocket's picture


def load(folder: Path, plan: Plan) -> Any:
    """diffusers' own LTX2ConditionPipeline from a folder of safetensors, ready to run as planned."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch  # these two take seconds to import, so they wait until a model is wanted
    from diffusers import LTX2ConditionPipeline
    from diffusers.utils import logging
    from transformers.utils import logging as text_logging

    # The class names Gemma as its text encoder and warns of anything else; a small BERT serves as well.
    for loud in (logging, text_logging):
        loud.set_verbosity_error()
        loud.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = LTX2ConditionPipeline.from_pretrained(
            folder, torch_dtype=getattr(torch, plan.dtype), local_files_only=True
        )
    pipe.to(plan.device)
    pipe.set_progress_bar_config(disable=True)
    # The pipeline would copy its scheduler for the sound at every call, out of our sight.
    pipe.audio_scheduler = copy.deepcopy(pipe.scheduler)
    for scheduler in (pipe.scheduler, pipe.audio_scheduler):
        _remember_clean(scheduler)
    if plan.device == "cpu":
        attention.use_on_cpu(pipe.transformer, pipe.connectors)
    return pipe


def _remember_clean(scheduler: Any) -> None:
    """Let `scheduler.clean` be the latents without noise that its latest step was heading for, in float32.

    An Euler step follows a straight line and the last one goes to its end, so after the last step these are the
    finished latents, bit by bit. The velocity that a scheduler is given has guidance and given frames in it already.
    """
    step = scheduler.step

    def remembering(velocity: Tensor, timestep: Any, sample: Tensor, **options: Any) -> Any:
        after = step(velocity, timestep, sample, **options)
        scheduler.clean = sample - scheduler.sigmas[scheduler.step_index - 1] * velocity
        return after

    scheduler.step = remembering


def denoise(
    pipe: Any,
    request: VideoRequest,
    *,
    size: tuple[int, int],
    num_frames: int,
    given: np.ndarray | None,
    generator: Any,
    on_step: Callable[[int, Tensor], bool],
) -> tuple[Tensor, Tensor]:
    """Clean latents as the transformer knows them: picture (1, tokens, C) and sound (1, L, C * bins), float32.

    `given` uint8 (T, H, W, 3) opens the clip. `on_step` gets the steps done and the clean picture so far; when it
    returns False the run ends there, and what stands is returned.

    What stands after k steps is where step k was heading, which is what the preview shows. Against the finished clip
    of 16 steps (three prompts) it has 25.8 dB after 4 steps and 33.5 dB after 8. Two more, large steps to the end
    would give 32.1 and 42.0 dB, but another clip than the one that was seen, two steps later, on a schedule bent in
    the middle of the pipeline's loop.
    """
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition  # slow to import

    def on_step_end(_: Any, step: int, __: Any, ___: dict[str, Any]) -> dict[str, Any]:
        pipe._interrupt = not on_step(step + 1, pipe.scheduler.clean)
        return {}

    opening = None if given is None else [LTX2VideoCondition(frames=given, index=0, strength=1.0, crf=0)]
    pipe(
        conditions=opening,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=size[0],
        height=size[1],
        num_frames=num_frames,
        frame_rate=grid.FRAME_RATE,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        generator=generator,
        output_type="latent",
        max_sequence_length=PROMPT_TOKENS,
        callback_on_step_end=on_step_end,
        **PLAIN_GUIDANCE,
    )
    return pipe.scheduler.clean, pipe.audio_scheduler.clean


def decode(
    pipe: Any, picture: Tensor, sound: Tensor | None, *, size: tuple[int, int], num_frames: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Latents of `denoise` to frames float32 (T, H, W, 3) in 0..1 and sound float32 (2, N) in -1..1, as the pipeline
    does at its end. What is not a number in them stays so.
    """
    import torch  # slow to import, so only where a model is already loaded

    vae, audio_vae = pipe.vae, pipe.audio_vae
    shape = (num_frames - 1) // grid.TEMPORAL_RATIO + 1, size[1] // grid.SPATIAL_RATIO, size[0] // grid.SPATIAL_RATIO
    with torch.no_grad():
        tokens = picture[:, : shape[0] * shape[1] * shape[2]].to(vae.device)
        patches = pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size
        latents = pipe._unpack_latents(tokens, *shape, *patches).to(vae.dtype)
        latents = pipe._denormalize_latents(latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)
        pixels = vae.decode(latents.to(vae.dtype), None, return_dict=False)[0]
        frames = pipe.video_processor.postprocess_video(pixels, output_type="np")[0]
        if sound is None:
            return frames, None
        heard = pipe._denormalize_audio_latents(
            sound.to(audio_vae.device), audio_vae.latents_mean, audio_vae.latents_std
        )
        bins = pipe.audio_mel_bins // pipe.audio_vae_mel_compression_ratio
        heard = pipe._unpack_audio_latents(heard, sound.shape[1], num_mel_bins=bins)
        waves = pipe.vocoder(audio_vae.decode(heard.to(audio_vae.dtype), return_dict=False)[0])
        return frames, waves[0].float().clamp(-1, 1).cpu().numpy()


# What a small model was not trained for is switched off.
PLAIN_GUIDANCE: dict[str, Any] = {
    "stg_scale": 0.0,
    "audio_stg_scale": 0.0,
    "audio_guidance_scale": None,  # as the picture's: left out, it would be 7, and guidance 1 would cost two passes
    "modality_scale": 1.0,
    "audio_modality_scale": 1.0,
    "guidance_rescale": 0.0,
    "audio_guidance_rescale": 0.0,
}


def sampling_rate(pipe: Any) -> int:
    """Samples of sound per second."""
    return int(pipe.vocoder.config.output_sampling_rate)


def checkpoints(pipe: Any) -> list[Any]:
    """The modules before which a run may be stopped: every block of the denoiser and of the decoders."""
    decoder = pipe.vae.decoder
    return [
        *pipe.transformer.transformer_blocks,
        decoder.mid_block,
        *decoder.up_blocks,
        pipe.audio_vae.decoder,
        pipe.vocoder,
    ]
