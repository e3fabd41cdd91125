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
    shares = stays(frames, frames[0])
    shares[:1] = shares[1:2] if len(frames) > 1 else 1
    return put(frames, picture.astype(np.float32) - frames[0], shares)


def put(frames: np.ndarray, lost: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Frames, uint8 (T, H, W, 3), each with its share, (T, H, W, 1) or (T, 1, 1, 1), of what is `lost` (H, W, 3)."""
    return (frames + shares * lost).round().clip(0, 255).astype(np.uint8)


def stays(frames: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Where frames, uint8 (T, H, W, 3), show what `before`, (H, W, 3), did: 1 if so, 0 if not; (T, H, W, 1)."""
    shown = _blurred(before)
    change = np.stack([np.abs(_blurred(frame) - shown).max(-1, keepdims=True) for frame in frames])
    return ((OTHER - change) / (OTHER - SAME)).clip(0, 1)


def _blurred(frame: np.ndarray) -> np.ndarray:
    radius = BLUR * min(frame.shape[:2])
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius)), np.float32)
