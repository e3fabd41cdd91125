"""Seconds to frames, aspect ratio to width and height, frames to latents. Pure functions of Pocket's numbers."""

from __future__ import annotations

from studio.domain import ASPECT_RATIOS, StudioError

FRAME_RATE = 12.0
SPATIAL_RATIO = 16
TEMPORAL_RATIO = 4
OVERLAP_FRAMES = 9

# (output width, output height), (canvas width, canvas height) in pixels. diffusers' LTX-2 pipelines take multiples
# of 32 only; where the ratio falls between, a larger canvas is denoised and its border cut off.
_SIZES = {
    "16:9": ((224, 128), (224, 128)),
    "9:16": ((128, 224), (128, 224)),
    "1:1": ((128, 128), (128, 128)),
    "4:3": ((192, 144), (192, 160)),
    "3:4": ((144, 192), (160, 192)),
}
assert tuple(_SIZES) == ASPECT_RATIOS


def size(aspect_ratio: str) -> tuple[int, int]:
    """Width and height in pixels of the finished clip; StudioError for a ratio that is not offered."""
    return _entry(aspect_ratio)[0]


def canvas(aspect_ratio: str) -> tuple[int, int]:
    """Width and height in pixels of what is denoised, at least `size` and multiples of 32."""
    return _entry(aspect_ratio)[1]


def _entry(aspect_ratio: str) -> tuple[tuple[int, int], tuple[int, int]]:
    if aspect_ratio not in _SIZES:
        raise StudioError(f"The aspect ratio is one of {', '.join(_SIZES)}; not {aspect_ratio!r}.")
    return _SIZES[aspect_ratio]


def num_frames(seconds: float, frame_rate: float = FRAME_RATE) -> int:
    """The number of frames nearest to `seconds` that the autoencoder can make: 4k + 1, at least 5."""
    latents = max(1, round((seconds * frame_rate - 1) / TEMPORAL_RATIO))
    return TEMPORAL_RATIO * latents + 1


def whole_frames(count: int) -> int:
    """The largest 4k + 1 that is not above `count` frames; `count` is at least 1."""
    return (count - 1) // TEMPORAL_RATIO * TEMPORAL_RATIO + 1
