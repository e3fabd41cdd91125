"""The tiny checkpoints as folders: saved by diffusers, with the sizes that a fly's film has beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tiny import pipelines

# What every tiny film is like: so many pixels a side, a second, a few steps.
SIDE_PX = 32
ABILITIES = ("words", "picture", "last picture", "extension", "sound")


@dataclass(frozen=True)
class Checkpoint:
    """How one is made, and what its row must let it do; `ratios` are pixels and frames for each latent."""

    make: Callable[[], Any]
    abilities: tuple[str, ...]
    ratios: tuple[int, int]
    overlap_frames: int = 1
    steps: int = 3
    arguments: dict[str, Any] = field(default_factory=dict)


# A byte is a token here, so a short prompt has as many as a real one has words.
SHORT = {"max_sequence_length": 32}
CHECKPOINTS: dict[str, Checkpoint] = {
    "tiny-ltx-2": Checkpoint(
        pipelines.ltx2, ABILITIES, (8, 2), 5, arguments=SHORT | {"spatio_temporal_guidance_blocks": [0]}
    ),
    "tiny-wan-2.1": Checkpoint(pipelines.wan_21, ("words",), (8, 4), arguments=SHORT),
    # Steps enough that each of its two transformers has some.
    "tiny-wan-2.2-t2v-a14b": Checkpoint(pipelines.wan_22_14b, ("words",), (8, 4), steps=6, arguments=SHORT),
    "tiny-wan-2.2-ti2v": Checkpoint(pipelines.wan_22_5b, ("words", "picture", "extension"), (16, 4), arguments=SHORT),
    "tiny-wan-2.2-i2v": Checkpoint(
        pipelines.wan_22_i2v, ("picture", "last picture", "extension"), (8, 4), arguments=SHORT
    ),
    "tiny-wan-vace": Checkpoint(
        pipelines.wan_vace, ("words", "picture", "last picture", "extension"), (8, 4), 5, arguments=SHORT
    ),
    "tiny-hunyuan-1.5": Checkpoint(pipelines.hunyuan15, ("words",), (8, 4)),
    "tiny-hunyuan-1.5-i2v": Checkpoint(lambda: pipelines.hunyuan15(True), ("picture", "extension"), (8, 4)),
    "tiny-kandinsky-6": Checkpoint(
        pipelines.kandinsky6, ("words", "picture", "extension", "sound"), (8, 4), arguments=SHORT
    ),
    "tiny-skyreels-df": Checkpoint(
        pipelines.skyreels, ("words", "picture", "last picture", "extension"), (8, 4), 5, arguments=SHORT
    ),
    "tiny-cogvideox": Checkpoint(pipelines.cogvideox, ("words",), (8, 4), arguments=SHORT),
    "tiny-cogvideox-i2v": Checkpoint(
        lambda: pipelines.cogvideox("CogVideoXImageToVideoPipeline"), ("picture", "extension"), (8, 4), arguments=SHORT
    ),
}


def save(name: str, parent: Path) -> Path:
    """Write the checkpoint's folder, called by its name, into `parent`."""
    checkpoint, folder = CHECKPOINTS[name], parent / name
    checkpoint.make().save_pretrained(folder)
    if name == "tiny-kandinsky-6":
        # As the real one says; a processor of films and pictures can't be made here.
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        index["tokenizer"] = ["transformers", "Qwen2_5_VLProcessor"]
        (folder / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    spatial, temporal = checkpoint.ratios
    ours = {
        "default_seconds": 1.0,
        "default_steps": checkpoint.steps,
        "arguments": checkpoint.arguments,
        "limits": {"min_seconds": 0.5, "max_seconds": 2.0},
        "grid": {
            "sizes": {"1:1": [SIDE_PX, SIDE_PX]},
            "frame_rate": 12.0,
            "spatial_ratio": spatial,
            "temporal_ratio": temporal,
            "overlap_frames": checkpoint.overlap_frames,
        },
    }
    (folder / "flipbook.json").write_text(json.dumps(ours, indent=2), encoding="utf-8")
    return folder
