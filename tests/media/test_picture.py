"""Pictures as they really come: every odd kind is read upright in RGB or refused with one sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from studio.domain import StudioError
from studio.media.picture import MAX_KEPT_SIDE_PX, crop_box, fit, png_bytes, read_picture

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def quarters(mode: str = "RGB") -> Image.Image:
    """40x20 px: red, green above blue, white."""
    picture = Image.new("RGB", (40, 20))
    for place, colour in zip([(0, 0), (20, 0), (0, 10), (20, 10)], [RED, GREEN, BLUE, WHITE], strict=True):
        picture.paste(colour, (*place, place[0] + 20, place[1] + 10))
    return picture.convert(mode)


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    """The colours at the middles of the four quarters, coarse enough for JPEG."""
    across, down = picture.width // 4, picture.height // 4
    at = [(across, down), (3 * across, down), (across, 3 * down), (3 * across, 3 * down)]
    pixels = np.asarray(picture)
    return [tuple(int(round(float(value) / 255) * 255) for value in pixels[y, x]) for x, y in at]


def header_only_png(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels behind it: decoding it would fail, reading its header does not."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "JPEG", "AVIF", "GIF"])
def test_the_usual_kinds(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.anything"
    path.write_bytes(saved(quarters(), kind, **({"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {})))
    picture = read_picture(path)
    assert (picture.mode, picture.size) == ("RGB", (40, 20))
    assert corners(picture) == [RED, GREEN, BLUE, WHITE]
    assert corners(read_picture(str(path))) == corners(read_picture(path.read_bytes()))


def test_cmyk_keeps_its_colours() -> None:
    picture = read_picture(saved(quarters("CMYK"), "JPEG", quality=95))
    assert picture.mode == "RGB"
    assert corners(picture) == [RED, GREEN, BLUE, WHITE]


def test_palette_keeps_its_colours() -> None:
    picture = read_picture(saved(quarters().quantize(16), "PNG"))
    assert (picture.mode, corners(picture)) == ("RGB", [RED, GREEN, BLUE, WHITE])


def test_sixteen_bits_keep_their_greys() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    for kind in ("PNG", "TIFF"):
        picture = read_picture(saved(Image.fromarray(ramp), kind))
        assert picture.mode == "RGB"
        assert np.abs(np.asarray(picture)[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_floating_point_keeps_its_greys() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(4, 0)
    picture = read_picture(saved(Image.fromarray(ramp), "TIFF"))
    assert np.abs(np.asarray(picture)[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L"])
def test_black_and_white(mode: str) -> None:
    picture = read_picture(saved(quarters().convert(mode), "PNG"))
    assert (picture.mode, picture.size) == ("RGB", (40, 20))


def test_transparency_becomes_white() -> None:
    clear = Image.new("RGBA", (40, 20), (255, 0, 0, 0))
    grey = Image.new("LA", (40, 20), (0, 0))
    palette = quarters().quantize(16)
    palette.info["transparency"] = palette.getpixel((1, 1))
    for data in (saved(clear, "PNG"), saved(clear, "WEBP", lossless=True), saved(grey, "PNG"), saved(palette, "PNG")):
        assert corners(read_picture(data))[0] == WHITE
    key = saved(quarters(), "PNG", transparency=RED)
    assert corners(read_picture(key)) == [WHITE, GREEN, BLUE, WHITE]


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (40, 20), colour) for colour in (RED, GREEN, BLUE)]
    for kind in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        assert corners(read_picture(data)) == [RED] * 4


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_a_turned_photo_is_turned_upright(orientation: int, expected: list[tuple[int, ...]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(saved(quarters(), "JPEG", quality=95, exif=exif))
    assert picture.size == ((40, 20) if orientation < 5 else (20, 40))
    assert corners(picture) == expected


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_garbage_in_exif_does_not_matter() -> None:
    assert read_picture(saved(quarters(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")).size == (40, 20)


@pytest.mark.parametrize("size", [(1, 1), (10000, 10), (10, 10000), (1, 4000)])
@pytest.mark.parametrize("how", ["crop", "pad"])
def test_strange_sizes_are_read_fitted_and_kept(size: tuple[int, int], how: str) -> None:
    picture = read_picture(saved(Image.new("RGB", size, GREEN), "PNG"))
    assert picture.size == size
    fitted = fit(picture, 224, 128, "crop" if how == "crop" else "pad")
    assert (fitted.shape, fitted.dtype) == ((128, 224, 3), np.uint8)
    assert (fitted == GREEN).all(-1).any()
    kept = read_picture(png_bytes(picture))
    assert max(kept.size) == min(max(size), MAX_KEPT_SIDE_PX)
    assert min(kept.size) >= 1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The picture file is empty (0 bytes)."),
        (b"hello, I am a text", "This file is no picture that Flipbook reads: JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "This file is no picture that Flipbook reads"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This file is no picture that Flipbook reads"),
        (saved(quarters(), "JPEG")[:-200], "The picture is damaged or cut short: "),
        (saved(quarters(), "JPEG")[:300], "T"),
        (saved(quarters(), "PNG")[:60], "The picture is damaged or cut short: "),
        (saved(quarters(), "WEBP")[:40], "Th"),
        (header_only_png(40, 20), "The picture is damaged or cut short: "),
    ],
)
def test_what_cannot_be_read_gets_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(StudioError) as caught:
        read_picture(data)
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("width", "height", "value"),
    [
        (8000, 8000, "64 (8000x8000)"),
        (10000, 10000, "100"),
        (12000, 12000, "144"),
        (30000, 30000, "900"),
        (65000, 65000, "4225"),
    ],
)
def test_a_bomb_is_refused_by_its_header(width: int, height: int, value: str) -> None:
    """There are no pixels behind these headers, so a refusal that decoded first would speak of damage instead."""
    with pytest.raises(StudioError, match="A picture may have 50 megapixels at most") as caught:
        read_picture(header_only_png(width, height))
    assert f"this one has {value}" in str(caught.value)


def test_the_limits_are_those_that_were_given(tmp_path: Path) -> None:
    data = saved(quarters(), "PNG")
    with pytest.raises(StudioError, match=r"0\.0001 megapixels at most|at most; this one has 0\.0 \(40x20\)"):
        read_picture(data, max_pixels=799)
    assert read_picture(data, max_pixels=800).size == (40, 20)
    path = tmp_path / "large.png"
    path.write_bytes(bytes(2_500_000))
    for source in (path, path.read_bytes()):
        with pytest.raises(StudioError, match=r"may have 2 MB at most; this one has 2\.5 MB\."):
            read_picture(source, max_bytes=2_000_000)


@pytest.mark.parametrize("name", ["missing.png", "a\x00b.png", "x" * 5000, "."])
def test_a_path_that_leads_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudioError, match="The picture file cannot be read: "):
        read_picture(tmp_path / name)


def test_a_jpeg_of_scans_without_end_is_refused() -> None:
    whole = saved(quarters(), "JPEG", progressive=True)
    assert read_picture(whole).size == quarters().size
    start = whole.rindex(b"\xff\xda")
    with pytest.raises(StudioError, match="A JPEG picture may have 200 scans at most; this one has 3"):
        read_picture(whole[:-2] + 300 * whole[start:-2] + whole[-2:])


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((320, 180), (0, 0, 320, 180)),
        ((100, 100), (0, 21.875, 100, 78.125)),
        ((1000, 90), (420, 0, 580, 90)),
        ((1, 1), (0, 0.21875, 1, 0.78125)),
    ],
)
def test_crop_box_is_centred_and_largest(size: tuple[int, int], box: tuple[float, ...]) -> None:
    assert crop_box(*size, 16, 9) == pytest.approx(box)


def test_crop_and_pad_keep_circles_round() -> None:
    y, x = np.mgrid[0:200, 0:200]
    disc = ((x - 99.5) ** 2 + (y - 99.5) ** 2 < 40**2).astype(np.uint8) * 255
    picture = Image.fromarray(disc).convert("RGB")
    for how in ("crop", "pad"):
        seen = fit(picture, 224, 128, "crop" if how == "crop" else "pad")[:, :, 0] > 127
        wide, high = seen.any(0).sum(), seen.any(1).sum()
        assert abs(int(wide) - int(high)) <= 2


def test_pad_shows_the_whole_picture_between_bars() -> None:
    fitted = fit(Image.new("RGB", (100, 100), WHITE), 224, 128, "pad")
    assert (fitted[:, 48:176] == 255).all()
    assert not fitted[:, :48].any()
    assert not fitted[:, 176:].any()


def test_kept_pictures_lose_nothing_below_the_limit() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8))
    assert np.array_equal(np.asarray(read_picture(png_bytes(noise))), np.asarray(noise))


def test_a_turned_photo_with_odd_exif_is_turned() -> None:
    """Phones write values that Pillow reads and can't write anew."""
    turned = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    inner_at = 8 + 2 + 2 * 12 + 4
    head = b"II*\0" + struct.pack("<IH", 8, 2) + turned + struct.pack("<HHII", 0x8769, 4, 1, inner_at) + bytes(4)
    brightness = struct.pack("<HHHIII", 1, 37379, 10, 1, inner_at + 18, 0) + struct.pack("<ii", -1, 0)
    exif = b"Exif\0\0" + head + brightness
    assert read_picture(saved(Image.new("RGB", (40, 20)), "JPEG", exif=exif)).size == (20, 40)
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n")  # as ImageMagick has it
    assert read_picture(saved(Image.new("RGB", (40, 20)), "PNG", pnginfo=text)).size == (20, 40)


def test_colours_mean_what_their_profile_says() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"xxxx", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"xxxx", b"bXYZ", 1)
    red = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    for known, colour in ((swapped, (0, 0, 255)), (profile, (255, 0, 0)), (b"garbage", (255, 0, 0))):
        read = np.asarray(read_picture(saved(red, "PNG", icc_profile=known))).astype(int)
        assert np.abs(read - colour).max() <= 3
    kept = png_bytes(read_picture(saved(red, "PNG", icc_profile=swapped)))
    with Image.open(io.BytesIO(kept)) as opened:
        assert "icc_profile" not in opened.info, "the same picture would be another file each time"


def test_what_is_clear_stays_so_beside_a_profile() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    clear = saved(Image.new("RGB", (8, 8), RED), "PNG", transparency=RED, icc_profile=profile)
    assert corners(read_picture(clear))[0] == WHITE
