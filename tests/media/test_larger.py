"""A film scaled up: the same pictures, the very same sound, and nothing lost of what it says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.domain import StudioError, VideoRequest
from studio.media.larger import larger_size, write_larger
from studio.media.provenance import read_recipe, tags
from studio.media.video import Movie, probe, read_video, read_xmp, write_video

REQUEST = VideoRequest("a ghöst 👻", seed=7)


def drawn(path: Path, width: int, height: int, has_sound: bool = True) -> Movie:
    y, x, t = np.mgrid[0:height, 0:width, 0:13]
    shades = [128 + 90 * np.sin((x + 2 * t) / 19), 128 + 90 * np.cos((y - t) / 17), 60 + 5 * t + 0 * x]
    frames = np.moveaxis(np.stack(shades, -1), 2, 0).astype(np.uint8)
    sound = (0.5 * np.sin(np.arange(2 * 17333).reshape(2, -1) / 9)).astype(np.float32)
    movie = Movie(frames, 12.0, sound, 16000) if has_sound else Movie(frames, 12.0)
    write_video(path, movie, tags(REQUEST, {"clip": "x"}), lambda: False)
    return movie


@pytest.mark.parametrize(
    ("size", "larger"),
    [
        ((224, 128), (1260, 720)),
        ((128, 224), (720, 1260)),
        ((128, 128), (720, 720)),
        ((304, 128), (1710, 720)),
        ((360, 640), (720, 1280)),
        ((640, 362), None),
        ((1280, 720), None),
    ],
)
def test_small_films_get_a_short_side_of_720(size: tuple[int, int], larger: tuple[int, int] | None) -> None:
    assert larger_size(*size) == larger


@pytest.mark.parametrize("has_sound", [True, False])
def test_all_but_the_size_stays(tmp_path: Path, has_sound: bool) -> None:
    small, large = tmp_path / "small.mp4", tmp_path / "large.mp4"
    drawn(small, 224, 128, has_sound)
    write_larger(small, large)
    before, after = probe(small), probe(large)
    assert (after.width, after.height) == (1260, 720)
    assert (after.num_frames, after.frame_rate, after.has_sound) == (13, 12.0, has_sound)
    assert (after.video_codec, after.pixel_format) == (before.video_codec, before.pixel_format)
    assert read_recipe(large) == read_recipe(small)
    assert (read_recipe(large) or {})["prompt"] == REQUEST.prompt
    assert read_xmp(large) == read_xmp(small)
    assert b"trainedAlgorithmicMedia" in read_xmp(large)
    one, other = read_video(small), read_video(large)
    again = np.stack([np.asarray(Image.fromarray(frame).resize((224, 128))) for frame in other.frames])
    assert np.abs(again.astype(float) - one.frames).mean() < 2, "the same pictures at the same times"
    assert (one.sound is None) is not has_sound
    if one.sound is not None and other.sound is not None:
        assert np.array_equal(one.sound, other.sound)


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no film")
    with pytest.raises(StudioError, match="cannot be read as a video"):
        write_larger(tmp_path / "no.mp4", tmp_path / "large.mp4")
    assert not (tmp_path / "large.mp4").exists()
