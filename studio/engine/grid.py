"""Seconds to frames, aspect ratio to width and height, frames to latents. Pure functions of a model's grid."""

from __future__ import annotations

import math

from studio.domain import Grid, ModelCard, StudioError

# diffusers' LTX-2 pipelines take multiples of 32 only; where the ratio falls between, a border is cut off.
POCKET = Grid(
    sizes={
        "16:9": (224, 128),
        "9:16": (128, 224),
        "1:1": (128, 128),
        "4:3": (192, 144),
        "3:4": (144, 192),
        "21:9": (298, 128),
    },
    canvases={"4:3": (192, 160), "3:4": (160, 192), "21:9": (320, 128)},
    frame_rate=12.0,
    spatial_ratio=16,
    temporal_ratio=4,
    overlap_frames=13,
)


def size(grid: Grid, aspect_ratio: str) -> tuple[int, int]:
    """Width and height in pixels of the finished clip; StudioError for a ratio that is not offered."""
    if aspect_ratio not in grid.sizes:
        raise StudioError(f"The aspect ratio is one of {', '.join(grid.sizes)}; not {aspect_ratio!r}.")
    return grid.sizes[aspect_ratio]


def canvas(grid: Grid, aspect_ratio: str) -> tuple[int, int]:
    """Width and height in pixels of what is denoised, at least `size` and of multiples that the model takes."""
    return grid.canvases.get(aspect_ratio) or size(grid, aspect_ratio)


def num_frames(grid: Grid, seconds: float) -> int:
    """The number of frames nearest to `seconds` that the autoencoder can make: whole latents after the first frame."""
    step = grid.temporal_ratio * grid.latents_step
    return step * max(1, round((seconds * grid.frame_rate - 1) / step)) + 1


def longest_extension_s(card: ModelCard) -> float:
    """How much longer the model makes a clip at once, by half seconds: what it looks back on counts as made too."""
    back_s = (card.grid.overlap_frames - 1) / card.grid.frame_rate
    return max(card.limits.min_seconds, math.floor(2 * (card.limits.max_seconds - back_s)) / 2)


def whole_frames(grid: Grid, count: int) -> int:
    """The largest number that the autoencoder can make of `count` frames or fewer; `count` is at least 1."""
    return (count - 1) // grid.temporal_ratio * grid.temporal_ratio + 1


def latent_shape(grid: Grid, aspect_ratio: str, num_frames: int) -> tuple[int, int, int]:
    """Frames, height and width of the latents of that many frames."""
    width, height = canvas(grid, aspect_ratio)
    return (num_frames - 1) // grid.temporal_ratio + 1, height // grid.spatial_ratio, width // grid.spatial_ratio
