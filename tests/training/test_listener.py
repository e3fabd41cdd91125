"""The judge of soundtracks, as far as it goes without its weights and training's downloads."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch

from training import listener


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
