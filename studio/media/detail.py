"""Gives frames back what a soft autoencoder lost of a picture that is known, wherever they still show it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

BLUR = 1 / 32  # of the shorter side: what differs by less than that is flicker, not motion
SAME, OTHER = 5.0, 16.0  # levels of 255 that a place has changed by, blurred: it still shows the same; something else


def give_back(frames: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The frames, uint8 (T, H, W, 3), with the detail of `picture`, uint8 (H, W, 3), that the first of them lacks.

    Each place of a frame gets it as far as it looks like that place of the first frame. The first frame gets it as the
    second does, so that nothing that moves is sharp for one frame alone.
    """
    lost = picture.astype(np.float32) - frames[0]
    shown = [frames[min(1, len(frames) - 1)], *frames[1:]]
    return np.stack([put(frame, lost, stays(seen, frames[0])) for frame, seen in zip(frames, shown, strict=True)])


def put(frame: np.ndarray, lost: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """A frame, uint8 (H, W, 3), with a `share`, (H, W, 1) or one for all, of what was `lost`, float32 (H, W, 3)."""
    return (frame + share * lost).round().clip(0, 255).astype(np.uint8)


def stays(frame: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Where a frame, uint8 (H, W, 3), shows what the one before it did: 1 if it does, 0 if not, float32 (H, W, 1)."""
    change = np.abs(_blurred(frame) - _blurred(before)).max(-1, keepdims=True)
    return ((OTHER - change) / (OTHER - SAME)).clip(0, 1)


def _blurred(frame: np.ndarray) -> np.ndarray:
    radius = BLUR * min(frame.shape[:2])
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius)), np.float32)
