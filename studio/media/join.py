"""Puts a continuation behind the clip it continues: the old frames stay, the sound goes on without a gap."""

from __future__ import annotations

import numpy as np

from studio.domain import StudioError
from studio.media import detail
from studio.media.soundtrack import fit_sound
from studio.media.video import Movie

CROSSFADE_S = 0.25
CARRIED_S = 0.4


def join(old: Movie, new: Movie, overlap: int, is_soft: bool = False) -> Movie:
    """`old`, then `new` without its first `overlap` frames, which show the end of `old` again.

    What the model lost of the last common frame is put back into the next ones, less and less, so that no cut is seen
    where an autoencoder is soft; with `is_soft` it stays wherever the picture does, and what is drawn anew there comes
    in softly. The sounds are cross-faded inside the overlap; where one movie is silent it stays so. StudioError when
    the two do not fit together.
    """
    if old.frames.shape[1:] != new.frames.shape[1:] or old.frame_rate != new.frame_rate:
        raise StudioError(f"Two clips join in one size and rate only; these are {_shape(old)} and {_shape(new)}.")
    frames = np.concatenate([old.frames, _carried_on(old, new, overlap, is_soft)])
    if old.sound is None and new.sound is None:
        return Movie(frames, old.frame_rate)
    rate = old.sampling_rate or new.sampling_rate
    if new.sound is not None and new.sampling_rate != rate:
        raise StudioError(f"Two sounds join at one sampling rate only; these have {rate} and {new.sampling_rate} Hz.")
    seam = round(len(old.frames) / old.frame_rate * rate)
    faded = min(round(CROSSFADE_S * rate), round(overlap / old.frame_rate * rate))
    before = _sound(old, rate)
    after = _sound(new, rate)[:, round(overlap / old.frame_rate * rate) - faded :]
    sound = np.concatenate(
        [before[:, : seam - faded], _crossfade(before[:, seam - faded :], after[:, :faded]), after[:, faded:]], axis=1
    )
    return Movie(frames, old.frame_rate, fit_sound(sound, len(frames), old.frame_rate, rate), rate)


def _carried_on(old: Movie, new: Movie, overlap: int, is_soft: bool) -> np.ndarray:
    """The frames of `new` behind the `overlap`; the first ones get what the one before them lacks of `old`'s last."""
    frames = new.frames[overlap:].copy()
    if overlap > 0:
        last, common = old.frames[-1].astype(np.float32), new.frames[overlap - 1]
        carried = round(CARRIED_S * old.frame_rate) + 1
        some = frames if is_soft else frames[:carried]
        shares = (1 - np.arange(1, len(some) + 1, dtype=np.float32) / carried).clip(0)[:, None, None, None]
        stays = detail.stays(some, common) if is_soft else 0 * shares
        some[:] = detail.put(some, last - common, np.maximum(shares, stays))
        # What is drawn anew although it stays comes in by two steps: the first frame is half-way there.
        some[:1] = detail.put(some[:1], last - some[0], stays[:1] / 2)
    return frames


def _sound(movie: Movie, rate: int) -> np.ndarray:
    sound = np.zeros((2, 0), np.float32) if movie.sound is None else movie.sound
    return fit_sound(sound, len(movie.frames), movie.frame_rate, rate)


def _crossfade(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """From `old` to `new`, both (2, N), at equal loudness all the way.

    Equal power alone would swell by 3 dB where the new sound goes on exactly like the old one, so the gains are
    divided by the power that the two have together, given how alike they are.
    """
    angle = np.linspace(0, np.pi / 2, old.shape[1], dtype=np.float32)
    fade_out, fade_in = np.cos(angle), np.sin(angle)
    together = float(np.vdot(old, new))
    alike = max(0.0, together / max(float(np.linalg.norm(old) * np.linalg.norm(new)), 1e-9))
    return (fade_out * old + fade_in * new) / np.sqrt(1 + 2 * alike * fade_out * fade_in)


def _shape(movie: Movie) -> str:
    height, width = movie.frames.shape[1:3]
    return f"{width}x{height} px at {movie.frame_rate:g} frames a second"
