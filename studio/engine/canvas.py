"""What a model takes and gives in sizes of its own, fitted to a clip: edges around it, and a cut out of the middle."""

from __future__ import annotations

import numpy as np

from studio.domain import ModelCard, StudioError, VideoRequest
from studio.engine import grid


def on_canvas(card: ModelCard, request: VideoRequest, frames: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) of the clip's size with their edges repeated up to the canvas.

    StudioError for another size.
    """
    ratio = request.aspect_ratio
    (width, height), (wide, tall) = grid.size(card.grid, ratio), grid.canvas(card.grid, ratio)
    if frames.shape[1:] != (height, width, 3):
        found = f"{frames.shape[2]} x {frames.shape[1]}"
        raise StudioError(f"A picture for {ratio} has {width} x {height} pixels; not {found}.")
    down, across = tall - height, wide - width
    edges = (down // 2, down - down // 2), (across // 2, across - across // 2)
    return np.pad(frames, ((0, 0), *edges, (0, 0)), mode="edge")


def cut(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """The middle of frames (T, H, W, 3), of that size in pixels."""
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return np.ascontiguousarray(frames[:, top : top + height, left : left + width])


def fitted(sound: np.ndarray, wanted: int) -> np.ndarray:
    """Sound (2, N) of that many samples: cut, or with silence behind it."""
    return np.ascontiguousarray(np.pad(sound, ((0, 0), (0, max(0, wanted - sound.shape[1]))))[:, :wanted])
