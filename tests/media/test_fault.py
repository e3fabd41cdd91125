"""Bad clips are noticed, and no clip that a model makes for honest is taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from studio.media import fault

DISTORTED = "came out with a sound that is nothing but distortion"
drawn = np.random.default_rng(0)


def scene(contrast: float = 60.0, level: float = 120.0, count: int = 9) -> np.ndarray:
    """Smooth waves that drift, uint8 (count, 48, 64, 3)."""
    t, y, x = np.mgrid[0:count, 0:48, 0:64]
    grey = level + contrast * np.sin((x + 2 * t) / 9) * np.cos(y / 7)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)


def night(count: int = 9) -> np.ndarray:
    """Black but for a few stars."""
    frames = np.zeros((count, 48, 64, 3), np.uint8)
    frames[:, ::12, ::16] = 200
    return frames


def noise(shape: tuple[int, ...] = (9, 48, 64, 3)) -> np.ndarray:
    return drawn.integers(0, 256, shape, dtype=np.uint8)


def tone(level: float, count: int = 16000) -> np.ndarray:
    return np.tile((level * np.sin(np.arange(count) / 7)).astype(np.float32), (2, 1))


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (np.zeros((9, 48, 64, 3), np.uint8), "came out black"),
        (drawn.integers(0, 6, (9, 48, 64, 3), dtype=np.uint8), "came out black"),
        (np.full((9, 48, 64, 3), 127, np.uint8), "came out as one flat colour"),
        (np.full((9, 48, 64, 3), (255, 0, 90), np.uint8), "came out as one flat colour"),
        (drawn.integers(1, 11, (9, 48, 64, 1), dtype=np.uint8).repeat(3, 3) // 10 + 126, "came out as one flat colour"),
        # Flickering, but flat at each moment.
        (np.arange(20, 200, 20, dtype=np.uint8)[:, None, None, None].repeat(48, 1).repeat(64, 2).repeat(3, 3),
         "came out as one flat colour"),
        (noise(), "came out as noise"),
        (noise((1, 48, 64, 3)), "came out as noise"),
        (noise((200, 16, 16, 3)), "came out as noise"),
    ],
)  # fmt: skip
def test_a_bad_picture_is_named(frames: np.ndarray, reason: str) -> None:
    assert fault.in_picture(frames) == reason
    assert fault.find(frames, tone(0.5)) == fault.find(frames, None) == reason


@pytest.mark.parametrize(
    "frames",
    [
        scene(),
        scene(count=1),
        scene(contrast=6.0, level=20.0),
        scene(contrast=6.0, level=250.0),
        night(),
        np.concatenate([np.zeros((8, 48, 64, 3), np.uint8), scene(count=1)]),
        (scene() * 0.6 + noise() * 0.4).astype(np.uint8),
        np.repeat(noise((1, 48, 64, 3)), 9, axis=0),
        noise((9, 6, 8, 3)).repeat(8, axis=1).repeat(8, axis=2),
    ],
    ids=["waves", "one frame", "dark", "bright", "stars", "mostly black", "grainy", "still static", "blocks"],
)
def test_an_honest_picture_passes(frames: np.ndarray) -> None:
    assert fault.in_picture(frames) is None


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros((2, 16000), np.float32), "came out without a sound"),
        (tone(5e-5), "came out without a sound"),
        (np.zeros((2, 0), np.float32), "came out without a sound"),
        (tone(40.0).clip(-1, 1), DISTORTED),
        (np.sign(drawn.standard_normal((2, 16000))).astype(np.float32), DISTORTED),
    ],
)  # fmt: skip
def test_a_bad_sound_is_named(sound: np.ndarray, reason: str) -> None:
    assert fault.in_sound(sound) == reason
    assert fault.find(scene(), sound) == reason
    assert fault.find(scene(), None) is None


@pytest.mark.parametrize(
    "sound", [tone(0.001), tone(0.9), tone(1.01).clip(-1, 1)], ids=["quiet", "loud", "at its peak"]
)
def test_an_honest_sound_passes(sound: np.ndarray) -> None:
    assert fault.in_sound(sound) is None


def test_the_reason_reads_on_after_the_clip() -> None:
    assert all(text.startswith("came out") for text in (fault.NO_NUMBERS, fault.find(noise(), None) or ""))
