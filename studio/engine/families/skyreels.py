"""SkyReels V2 with diffusion forcing in diffusers: Wan's parts, and a noise level of its own for each frame.

So each latent frame has a scheduler of its own, and a clip goes on from frames that have no noise. A clip is made in
one piece: the pipelines' own stitching would end in noise when it is stopped. Makes no sound. Latents as Wan's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from studio.domain import ModelCard
from studio.engine.device import Plan
from studio.engine.families import OnStep, Shot, diffusion, wan

if TYPE_CHECKING:
    from torch import Tensor

# From diffusers' documentation of each of the pipelines: 8 for words and for films, 5 for pictures.
FLOW_SHIFT, FLOW_SHIFT_FROM_PICTURES = 8.0, 5.0
_CLASS = "SkyReelsV2DiffusionForcing{}Pipeline"


def load(card: ModelCard, source: str | Path, plan: Plan) -> Any:
    return wan.load(card, source, plan)


def denoise(pipe: Any, shot: Shot, generator: Any, on_step: OnStep) -> tuple[Tensor, None]:
    arguments = diffusion.asked(shot) | {"generator": generator}
    task, given = _task(shot)
    # The checkpoint says 1, which its makers never use; of each call's copies every one has it.
    pipe.scheduler.register_to_config(flow_shift=FLOW_SHIFT if task != "ImageToVideo" else FLOW_SHIFT_FROM_PICTURES)
    runs = diffusion.as_class(pipe, _CLASS.format(task))
    copies = pipe.scheduler.copies

    def on_step_end(_: Any, step: int, __: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        clean = tensors["latents"].clone()  # given frames have no noise and no steps
        for at, scheduler in enumerate(copies):
            if scheduler.clean is not None:
                clean[:, :, at] = scheduler.clean
        if on_step(step + 1, clean):
            return {}
        runs._interrupt = True
        return {"latents": clean}

    copies.clear()
    made = runs(
        output_type="latent",
        callback_on_step_end=on_step_end,
        base_num_frames=shot.num_frames,
        fps=round(shot.card.grid.frame_rate),
        **arguments,
        **given,
    )
    return made.frames, None


def _task(shot: Shot) -> tuple[str, dict[str, Any]]:
    opening, closing = shot.opening, shot.closing
    if opening is None:
        return "", {}
    if len(opening) > 1:
        video = [Image.fromarray(frame) for frame in opening]
        return "VideoToVideo", {"video": video, "overlap_history": len(opening)}
    last = {} if closing is None else {"last_image": Image.fromarray(closing)}
    return "ImageToVideo", {"image": Image.fromarray(opening[0]), **last}


def unpack(pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
    """Behind the clip's own frames comes a last picture."""
    return wan.unpack(pipe, shot, picture[:, :, : shot.latents[0]])
