"""Extension: the old frames stay and the sound goes on without a hole."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from studio.domain import StudioError
from studio.media.join import join
from studio.media.video import Movie, Tags, read_video, write_video

RATE = 16000
OVERLAP = 9


def frames(num_frames: int, first: int = 0) -> np.ndarray:
    y, x, t = np.mgrid[0:48, 0:64, first : first + num_frames]
    bars = np.stack([128 + 90 * np.sin((x + 2 * t) / 9), 128 + 90 * np.cos((y - t) / 7), 60 + t + 0 * x], -1)
    return np.moveaxis(bars, 2, 0).clip(0, 255).astype(np.uint8)


def tone(num_frames: int, first: int = 0, hertz: float = 440.0) -> np.ndarray:
    """A sine that goes on where the frames before `first` left off."""
    at = np.arange(round(num_frames / 12 * RATE)) + round(first / 12 * RATE)
    left = 0.5 * np.sin(2 * np.pi * hertz * at / RATE)
    return np.stack([left, left]).astype(np.float32)


def loudness(sound: np.ndarray, window_s: float = 0.02) -> np.ndarray:
    """Root mean square of each window of the left channel."""
    size = round(window_s * RATE)
    left = sound[0, : sound.shape[1] // size * size].reshape(-1, size)
    return np.sqrt((left**2).mean(1))


def old_and_new(new_sound: np.ndarray | None = None) -> tuple[Movie, Movie]:
    old = Movie(frames(25), 12.0, tone(25), RATE)
    sound = tone(33, 25 - OVERLAP) if new_sound is None else new_sound
    return old, Movie(frames(33, 25 - OVERLAP), 12.0, sound, RATE)


def test_the_new_frames_come_behind_the_old() -> None:
    old, new = old_and_new()
    joined = join(old, new, OVERLAP)
    assert np.array_equal(joined.frames, frames(25 + 33 - OVERLAP))
    assert joined.sound is not None
    assert joined.sound.shape == (2, round(49 / 12 * RATE))


def test_a_soft_model_keeps_what_it_lost_where_nothing_moves() -> None:
    still = np.repeat(frames(1), 25, 0)
    grain = np.random.default_rng(0).normal(0, 12, still[0].shape)
    sharp = (still + grain).clip(0, 255).astype(np.uint8)
    old, new = Movie(sharp, 12.0), Movie(np.repeat(still[:1], 33, 0), 12.0)
    last, faded = (join(old, new, OVERLAP, is_soft).frames[-1].astype(float) for is_soft in (True, False))
    assert np.abs(last - sharp[0]).mean() < 1
    assert np.abs(faded - still[0]).mean() < 1


def test_what_a_soft_model_draws_anew_comes_in_by_two_steps() -> None:
    still = np.repeat(frames(1), 33, 0).astype(float)
    grain = np.random.default_rng(0).normal(0, 6, (2, *still[0].shape))
    before, behind = still[:25] + grain[0], still + grain[0]
    behind[OVERLAP:] += grain[1] - grain[0]
    old, new = (Movie(movie.clip(0, 255).astype(np.uint8), 12.0) for movie in (before, behind))
    soft, hard = (join(old, new, OVERLAP, is_soft).frames[24:28].astype(float) for is_soft in (True, False))
    first, second, third = (np.abs(b - a).mean() for a, b in pairwise(soft))
    whole = np.abs(hard[1] - hard[0]).mean()
    assert first == pytest.approx(whole / 2, rel=0.1)
    assert second == pytest.approx(whole / 2, rel=0.1)
    assert third < 0.1 * whole


def test_what_the_model_lost_fades_out_behind_the_seam() -> None:
    old, new = old_and_new()
    softer = Movie((new.frames // 8 * 8 + 20).clip(0, 255).astype(np.uint8), 12.0, new.sound, RATE)
    joined = join(old, softer, OVERLAP).frames.astype(float)
    plain = np.concatenate([old.frames, softer.frames[OVERLAP:]]).astype(float)
    usual = np.abs(np.diff(frames(49).astype(float), axis=0)).mean()
    assert np.abs(plain[25] - plain[24]).mean() > 2 * usual
    assert np.abs(joined[25] - joined[24]).mean() < 1.3 * usual
    away = np.abs(joined - plain).mean((1, 2, 3))
    assert away[:25].max() == 0
    assert np.all(np.diff(away[25:30]) < 0)
    assert away[30:].max() == 0


def test_a_sine_that_goes_on_is_heard_without_a_hole_or_a_bump() -> None:
    old, new = old_and_new()
    joined = join(old, new, OVERLAP)
    assert joined.sound is not None
    level = loudness(joined.sound)
    assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.03)
    assert np.abs(np.diff(joined.sound[0])).max() < 1.05 * np.abs(np.diff(tone(49)[0])).max(), "no click"


def test_a_different_sound_fades_over_at_equal_power() -> None:
    old, new = old_and_new(tone(33, 0, hertz=997.0))
    joined = join(old, new, OVERLAP)
    assert joined.sound is not None
    assert loudness(joined.sound, 0.05) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def test_a_sound_of_opposite_phase_leaves_no_silence() -> None:
    """A faded-over sum would cancel in its middle for an instant; it must be no longer than that."""
    old, new = old_and_new(-tone(33, 25 - OVERLAP))
    joined = join(old, new, OVERLAP)
    assert joined.sound is not None
    assert (loudness(joined.sound, 0.04) < 0.02).sum() == 0


def test_old_sound_is_untouched_before_the_fade() -> None:
    old, new = old_and_new()
    joined = join(old, new, OVERLAP)
    kept = round((25 / 12 - 0.25) * RATE)
    assert joined.sound is not None
    assert old.sound is not None
    assert np.array_equal(joined.sound[:, :kept], old.sound[:, :kept])


def test_through_the_file_the_old_frames_stay_and_the_sound_has_no_hole(tmp_path: Path) -> None:
    """As an extension does it: the old clip is read from its file, and the longer one is written to another."""
    old, new = old_and_new()
    tags = Tags("", "", "")
    write_video(tmp_path / "old.mp4", old, tags, lambda: False)
    source = read_video(tmp_path / "old.mp4")
    longer_movie = join(source, new, OVERLAP)
    write_video(tmp_path / "long.mp4", longer_movie, tags, lambda: False, begins_as=tmp_path / "old.mp4")
    longer = read_video(tmp_path / "long.mp4")

    assert np.array_equal(longer.frames[:25], source.frames)
    assert longer.sound is not None
    level = loudness(longer.sound)[1:-1]
    assert level.min() > 0.9 * 0.5 / np.sqrt(2)


@pytest.mark.parametrize("silent", ["old", "new"])
def test_one_of_the_two_may_be_silent(silent: str) -> None:
    old, new = old_and_new()
    quiet = Movie(old.frames, 12.0) if silent == "old" else Movie(new.frames, 12.0)
    joined = join(quiet, new, OVERLAP) if silent == "old" else join(old, quiet, OVERLAP)
    assert joined.sound is not None
    assert joined.sound.shape == (2, round(49 / 12 * RATE))
    level = loudness(joined.sound)
    assert (level[:85] < 1e-6).all() if silent == "old" else (level[110:] < 1e-6).all()


def test_two_silent_clips_stay_silent() -> None:
    old, new = old_and_new()
    assert join(Movie(old.frames, 12.0), Movie(new.frames, 12.0), OVERLAP).sound is None


def test_what_does_not_fit_together_is_said() -> None:
    old, new = old_and_new()
    with pytest.raises(StudioError, match="64x48 px at 12 frames a second and 32x48 px"):
        join(old, Movie(new.frames[:, :, :32], 12.0), OVERLAP)
    with pytest.raises(StudioError, match="16000 and 24000 Hz"):
        join(old, Movie(new.frames, 12.0, new.sound, 24000), OVERLAP)
