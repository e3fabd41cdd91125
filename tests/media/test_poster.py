"""The small pictures that stand for a clip."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from studio.media.poster import animated_webp, poster_jpeg
from studio.media.provenance import SOURCE_TYPE, xmp
from studio.media.video import Movie


def test_the_poster_shows_the_middle() -> None:
    frames = np.stack([np.full((48, 64, 3), 20 * number, np.uint8) for number in range(9)])
    poster = Image.open(io.BytesIO(poster_jpeg(frames, xmp("pocket"))))
    assert (poster.format, poster.size, poster.mode) == ("JPEG", (64, 48), "RGB")
    assert abs(np.asarray(poster).mean() - 80) < 2
    assert SOURCE_TYPE.encode() in poster.info["xmp"]


def test_the_animation_has_every_frame_and_loops(tmp_path: Path) -> None:
    frames = np.stack([np.full((48, 64, 3), 25 * number, np.uint8) for number in range(9)])
    animated_webp(Movie(frames, 12.0), tmp_path / "clip.webp", xmp("pocket"))
    with Image.open(tmp_path / "clip.webp") as animation:
        assert (animation.format, animation.size) == ("WEBP", (64, 48))
        assert (getattr(animation, "n_frames", 1), animation.info["loop"]) == (9, 0)
        assert SOURCE_TYPE.encode() in animation.info["xmp"]
        animation.load()
        assert animation.info["duration"] == 83
