"""LTX-2 in diffusers: how its joint picture-and-sound pipeline is loaded and called. Pocket is of this family."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from studio.domain import VideoRequest
from studio.engine import attention, grid
from studio.engine.device import Plan

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
    if plan.device == "cpu":
        attention.use_on_cpu(pipe.transformer, pipe.connectors)
    return pipe


def call(
    pipe: Any,
    request: VideoRequest,
    *,
    size: tuple[int, int],
    num_frames: int,
    given: np.ndarray | None,
    generator: Any,
    on_step: Callable[[int, Any], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Run the pipeline; frames uint8 (T, H, W, 3) and sound float32 (2, N). `given` (T, H, W, 3) opens the clip."""
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition  # slow to import

    def on_step_end(_: Any, step: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        on_step(step, tensors["latents"])
        return {}

    opening = None if given is None else [LTX2VideoCondition(frames=given, index=0, strength=1.0, crf=0)]
    made = pipe(
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
        output_type="np",
        max_sequence_length=PROMPT_TOKENS,
        callback_on_step_end=on_step_end,
        **PLAIN_GUIDANCE,
    )
    frames = (made.frames[0] * 255).round().astype(np.uint8)
    return frames, made.audio[0].float().clamp(-1, 1).cpu().numpy()


# What a small model was not trained for is switched off.
PLAIN_GUIDANCE: dict[str, Any] = {
    "stg_scale": 0.0,
    "audio_stg_scale": 0.0,
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
