"""Opens a picture from outside: checks it before decoding, turns it upright, makes it plain RGB, fits it to a frame.

Knows nothing of where pictures are kept.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from studio.domain import Fit, StudioError

# Only these: among Pillow's many others is one that starts another program (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
MAX_PIXELS = 50_000_000
MAX_BYTES = 30_000_000
# Each scan goes over the whole picture once more; cameras and programs write ten or fewer.
JPEG, SCAN, MAX_SCANS = b"\xff\xd8", b"\xff\xda", 200
MAX_KEPT_SIDE_PX = 2048
SRGB = ImageCms.createProfile("sRGB")
# Pillow's own limits are higher than ours: the error from 179 megapixels on, the warning from 89.
BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_picture(source: str | Path | bytes, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> Image.Image:
    """The picture upright in RGB, the first frame of an animation, transparency on white.

    StudioError for what is no picture, is cut short, or is larger than the limits; pixels are counted from
    the header, before anything is decoded.
    """
    data = source if isinstance(source, bytes) else _bytes_of(Path(source), max_bytes)
    if not data:
        raise StudioError("The picture file is empty (0 bytes).")
    _check_bytes(len(data), max_bytes)
    scans = data.count(SCAN) if data.startswith(JPEG) else 0
    if scans > MAX_SCANS:
        raise StudioError(f"A JPEG picture may have {MAX_SCANS} scans at most; this one has {scans}.")
    picture = _open(data, max_pixels)
    pixels = picture.width * picture.height
    if pixels > max_pixels:
        raise StudioError(
            f"A picture may have {_mega(max_pixels)} megapixels at most; this one has {_mega(pixels)} "
            f"({picture.width}x{picture.height})."
        )
    try:
        picture.load()
        picture.getexif()  # is remembered; what it was read from would be written anew, which fails at odd values
        for name in ("exif", "Raw profile type exif"):
            picture.info.pop(name, None)
        return _rgb(ImageOps.exif_transpose(picture))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        raise StudioError(f"The picture is damaged or cut short: {_first_line(error)}.") from error


def crop_box(width: int, height: int, target_width: int, target_height: int) -> tuple[float, float, float, float]:
    """The largest centred part (left, top, right, bottom) of a picture with the shape of the target, in its pixels."""
    scale = min(width / target_width, height / target_height)
    # 224 * (900 / 224) is a hair over 900, and Pillow refuses a box that is.
    cut_width, cut_height = min(width, target_width * scale), min(height, target_height * scale)
    left, top = (width - cut_width) / 2, (height - cut_height) / 2
    return left, top, left + cut_width, top + cut_height


def fit(picture: Image.Image, width: int, height: int, how: Fit) -> np.ndarray:
    """The picture as uint8 (height, width, 3): cropped to the shape, or whole between black bars."""
    if how == "crop":
        box = crop_box(picture.width, picture.height, width, height)
        return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS, box=box))
    inner = _within(picture, width, height)
    padded = Image.new("RGB", (width, height), "black")
    padded.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return np.asarray(padded)


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as PNG without loss; one with a side over MAX_KEPT_SIDE_PX is scaled down to that first."""
    if max(picture.size) > MAX_KEPT_SIDE_PX:
        picture = _within(picture, MAX_KEPT_SIDE_PX, MAX_KEPT_SIDE_PX)
    target = io.BytesIO()
    # All are in sRGB here; the profile itself would carry the time of its making into what the file is named by.
    picture.save(target, "PNG", compress_level=3, icc_profile=None)
    return target.getvalue()


def _within(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture scaled to fit inside; a very thin one keeps at least one pixel."""
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _check_bytes(count: int, max_bytes: int) -> None:
    if count > max_bytes:
        raise StudioError(f"A picture file may have {_mega(max_bytes)} MB at most; this one has {_mega(count)} MB.")


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    try:
        _check_bytes(path.stat().st_size, max_bytes)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise StudioError(f"The picture file cannot be read: {_first_line(error)}.") from error


def _open(data: bytes, max_pixels: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except BOMB as error:
        counted = re.search(r"\d+", str(error))
        has = _mega(int(counted[0])) if counted else "far more"
        raise StudioError(f"A picture may have {_mega(max_pixels)} megapixels at most; this one has {has}.") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise StudioError(
            "This file is no picture that Flipbook reads: JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF."
        ) from error


def _in_srgb(picture: Image.Image) -> Image.Image:
    """Photographs of phones are often in Display P3, whose numbers mean stronger colours."""
    profile = picture.info.get("icc_profile")
    if picture.mode == "RGB" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # which colour is clear would be forgotten
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK"):
        return picture
    mode = "RGB" if picture.mode == "CMYK" else picture.mode
    try:
        converted = ImageCms.profileToProfile(picture, io.BytesIO(profile), SRGB, outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        return picture  # no profile, or one of pictures of another kind
    return converted or picture


def _rgb(picture: Image.Image) -> Image.Image:
    picture = _in_srgb(picture)
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_to_8_bits(np.asarray(picture)))
    if "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Whole numbers are 16 bits deep; what is not counts from 0 to 1. Pillow would cut them off at 255."""
    peak = 65535 if np.issubdtype(values.dtype, np.integer) else 1
    return (np.clip(values / peak, 0, 1) * 255).round().astype(np.uint8)


def _mega(count: int) -> str:
    return f"{count / 1_000_000:g}" if count % 100_000 == 0 else f"{count / 1_000_000:.1f}"


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:120]
