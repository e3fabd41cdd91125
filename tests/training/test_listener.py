"""The judge of soundtracks, as far as it goes without its weights and training's downloads."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch

from training import listener
from training.voices import AMBIENCE, SAMPLE_RATE, STEADY


@pytest.mark.parametrize("seconds", [1.0, 2.1, 3.1])
def test_any_length_is_listened_to(seconds: float) -> None:
    torch.manual_seed(0)
    sound = np.random.default_rng(0).normal(0, 0.1, (2, round(16_000 * seconds))).astype(np.float32)
    voice, scene = listener.listen(listener.Listener().eval(), sound)
    assert voice in listener.VOICES
    assert scene in listener.PLACES


def test_what_is_roughened_is_the_same_sound() -> None:
    mels = torch.nn.functional.interpolate(2 * torch.randn(4, 1, 14, 5), (209, 64), mode="bilinear")[:, 0]
    for seed in range(6):
        rough = listener.roughened(mels, Random(seed))
        assert rough.shape == mels.shape
        assert 0 < (rough - mels).abs().mean() < 0.5 * mels.std()


@pytest.mark.parametrize("name", [*AMBIENCE, *STEADY])
def test_a_phone_plays_it(name: str) -> None:
    """Its speaker has hardly anything below 200 Hz, and the vocoder little."""
    wave = AMBIENCE[name](Random(1), 2.0) if name in AMBIENCE else STEADY[name](Random(1), 2.0)
    power = np.abs(np.fft.rfft(wave)) ** 2
    assert power[np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE) > 200].sum() > 0.25 * power.sum()
