"""Detail of a known picture: given back where it is still shown, and nowhere else."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from studio.media.detail import give_back, stays

HEIGHT, WIDTH = 128, 224


def picture() -> np.ndarray:
    """Large colours with fine grain on them."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    colours = np.stack([128 + 80 * np.sin(x / 40), 128 + 80 * np.cos(y / 30), 60 + x / 2], -1)
    return (colours + np.random.default_rng(0).normal(0, 20, colours.shape)).clip(0, 255).astype(np.uint8)


def soft(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(3)))


def off(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def test_what_stays_is_as_sharp_as_the_picture() -> None:
    true = picture()
    given = give_back(np.stack([soft(true)] * 5), true)
    assert given.dtype == np.uint8
    assert all(off(frame, true) < 0.01 for frame in given)


def test_flicker_of_an_autoencoder_is_no_change() -> None:
    true, dice = picture(), np.random.default_rng(1)
    frames = [(soft(true) + dice.normal(0, 5, true.shape)).clip(0, 255).astype(np.uint8) for _ in range(4)]
    given = give_back(np.stack(frames), true)
    assert all(off(frame, true) < 0.5 * off(before, true) for frame, before in zip(given, frames, strict=True))


def test_what_comes_into_the_picture_is_left_as_it_is() -> None:
    true = picture()
    frames = np.stack([soft(true)] * 6)
    frames[3:, 40:90, 80:140] = (250, 20, 20)
    given = give_back(frames, true)
    assert off(given[4][44:86, 84:136], frames[4][44:86, 84:136]) < 0.01
    assert off(given[4][:, :60], true[:, :60]) < 0.01
    assert off(given[2], true) < 0.01


def test_what_moves_at_once_is_not_sharp_for_one_frame_alone() -> None:
    true = picture()
    frames = np.stack([soft(np.roll(true, 30 * k, 1)) for k in range(4)])
    given = give_back(frames, true)
    moving = stays(frames[1:2], frames[0])[0, ..., 0] == 0
    assert moving.mean() > 0.2
    assert off(given[0][moving], frames[0][moving]) < 0.01


def test_one_frame_becomes_the_picture() -> None:
    true = picture()
    assert off(give_back(soft(true)[None], true)[0], true) < 0.01
