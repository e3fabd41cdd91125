"""Small pictures that stand for a clip: the poster of the gallery and the animation of README and model card."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from studio.media.video import Movie


def poster_jpeg(frames: np.ndarray, xmp: bytes) -> bytes:
    """A JPEG of the middle frame of uint8 (T, H, W, 3): at the edges of a clip its subject may be out of sight.

    `xmp` is what it says of itself to programs.
    """
    target = io.BytesIO()
    Image.fromarray(frames[len(frames) // 2]).save(target, "JPEG", quality=88, xmp=xmp)
    return target.getvalue()


def animated_webp(movie: Movie, target: Path, xmp: bytes, quality: int = 80) -> None:
    """Write the clip as a silent, endlessly looping WebP, with what `xmp` says of it."""
    first, *others = [Image.fromarray(frame) for frame in movie.frames]
    duration_ms = round(1000 / movie.frame_rate)
    first.save(
        target, "WEBP", save_all=True, append_images=others, duration=duration_ms, loop=0, quality=quality, xmp=xmp
    )
