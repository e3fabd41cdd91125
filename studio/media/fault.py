"""Notices a clip that came out as no clip: black, one flat colour, noise, silence. Pure functions on frames and sound.

Each reason goes on after "The clip". The thresholds lie below all that Pocket made in 27 tries of 1 to 16 steps with
guidance 1 to 12, but for one that was truly black: a dull clip is no fault.
"""

from __future__ import annotations

import numpy as np

NO_NUMBERS = "came out broken, with values that are no numbers"
BLACK = 8  # the brightest value of a black clip, of 255; Pocket's darkest, space in few steps, have 16 to 30
FLAT = 0.6  # the standard deviation inside every frame of a flat one; those darkest have 1.3
UNLIKE = 0.3  # the correlation of neighbouring pixels in noise; Pocket's have at least 0.95 in space
SILENT = 1e-4  # the loudest sample of a silent sound: 80 dB below full scale
FULL_SCALE, CLIPPED_SHARE = 0.999, 0.1
MAX_FRAMES = 16


def find(frames: np.ndarray | None, sound: np.ndarray | None) -> str | None:
    """What is wrong with frames uint8 (T, H, W, 3) and sound float32 (2, N); None for what is not to be looked at."""
    of_picture = None if frames is None else in_picture(frames)
    return of_picture or (None if sound is None else in_sound(sound))


def in_picture(frames: np.ndarray) -> str | None:
    """What is wrong with frames uint8 (T, H, W, 3), or None; T may be 1."""
    if frames.max() <= BLACK:
        return "came out black"
    grey = frames.mean(axis=3, dtype=np.float32)
    if grey.std(axis=(1, 2)).max() <= FLAT:
        return "came out as one flat colour"
    first = np.unique(np.linspace(0, max(0, len(grey) - 2), MAX_FRAMES).astype(int))
    here = grey[first]
    pairs = [(here[:, 1:], here[:, :-1]), (here[:, :, 1:], here[:, :, :-1])]
    if len(grey) > 1:
        pairs.append((grey[first + 1], here))
    if all(_correlation(one, other) < UNLIKE for one, other in pairs):
        return "came out as noise"
    return None


def in_sound(sound: np.ndarray) -> str | None:
    """What is wrong with a sound float32 (2, N) that was asked for, or None."""
    loudness = np.abs(sound)
    if loudness.max(initial=0.0) <= SILENT:
        return "came out without a sound"
    if (loudness >= FULL_SCALE).mean() >= CLIPPED_SHARE:
        return "came out with a sound that is nothing but distortion"
    return None


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, of two arrays of one shape; 1 where one of them has no contrast."""
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / size if size else 1.0
