"""A file is read in a process of its own: the same picture, the same sentences, and none can hurt the studio."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.domain import StudioError, VideoRequest
from studio.media.apart import Bounds, picture_apart, recipe_apart
from studio.media.picture import read_picture
from studio.media.provenance import tags
from studio.media.video import Movie, write_video


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    noise = np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_it_is_the_same_picture(photo: Path) -> None:
    with Image.open(io.BytesIO(picture_apart(photo))) as read:
        assert np.array_equal(np.asarray(read), np.asarray(read_picture(photo)))


def test_it_says_the_same_of_what_is_none(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:900])
    for name in ("text.png", "cut.jpg", "nowhere.png"):
        said = []
        for read in (read_picture, picture_apart):
            with pytest.raises(StudioError) as caught:
                read(tmp_path / name)
            said.append(str(caught.value))
        assert said[0] == said[1]
    with pytest.raises(StudioError, match=r"0\.1 megapixels at most; this one has 0\.1"):
        picture_apart(photo, max_pixels=100_000)


def test_what_decoders_say_is_not_for_visitors(photo: Path, tmp_path: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(tmp_path / "large.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(photo) as picture:
        picture.save(tmp_path / "turned.jpg", exif=exif.tobytes()[:-4] + b"\xff\xff\xff\xff")
        picture.save(tmp_path / "torn.tif", compression="tiff_lzw")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "turned.jpg").read_bytes()[:900])
    torn = bytearray((tmp_path / "torn.tif").read_bytes())
    torn[400:2400] = b"\xff" * 2000
    (tmp_path / "torn.tif").write_bytes(torn)
    for name in ("large.png", "cut.jpg", "torn.tif"):
        with pytest.raises(StudioError) as caught:
            picture_apart(tmp_path / name)
        assert str(caught.value).startswith(("A picture may", "The picture is damaged")), caught.value
        assert "\n" not in str(caught.value)


def test_time_has_a_limit(photo: Path) -> None:
    with pytest.raises(StudioError, match=r"may take 0\.01 s at most; this one took longer"):
        picture_apart(photo, bounds=Bounds(seconds=0.01))


def test_memory_has_a_limit(tmp_path: Path) -> None:
    Image.new("RGB", (6000, 6000)).save(tmp_path / "large.png")
    with pytest.raises(StudioError, match=r"memory; this one takes more|damaged or cut short|broke the program"):
        picture_apart(tmp_path / "large.png", bounds=Bounds(memory_bytes=150_000_000))
    with Image.open(io.BytesIO(picture_apart(tmp_path / "large.png"))) as read:
        assert max(read.size) == 2048


def test_a_clip_tells_its_recipe_and_another_file_tells_none(photo: Path, tmp_path: Path) -> None:
    request = VideoRequest("a cat \u2603", seed=7, seconds=1.5)
    movie = Movie(np.zeros((5, 64, 64, 3), np.uint8), 12.0)
    write_video(tmp_path / "clip.mp4", movie, tags(request, {"steps_done": 4}), lambda: False)
    assert VideoRequest.from_dict(recipe_apart(tmp_path / "clip.mp4") or {}) == request
    assert recipe_apart(photo) is None
    with pytest.raises(StudioError, match=r"Reading a clip may take 0\.01 s at most"):
        recipe_apart(tmp_path / "clip.mp4", Bounds(seconds=0.01))
