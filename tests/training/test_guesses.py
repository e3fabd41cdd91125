"""Clips as the denoiser guesses them, with Pocket's own weights."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from training import guesses, latents, photos, publish, sources, transformer


@pytest.fixture
def guesser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> guesses.Guesser:
    for module in (sources, latents, transformer):
        monkeypatch.setattr(module, "CACHE", tmp_path)
    publish.unpack()
    return guesses.Guesser("transformer", Random(3))


def grey(shape: latents.Shape) -> photos.Shot:
    height, width = shape.pixels
    sound = np.zeros((2, round(shape.num_frames / 12 * 16000)), np.float32)
    return photos.Shot("a cat stays in the snow", torch.zeros(3, shape.num_frames, height, width), sound)


def test_the_decoder_gets_guesses_and_the_clips_they_are_of(
    guesser: guesses.Guesser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guesser.studio, "shot", grey)  # the art for others is not on every machine
    guessed, clips = guesser.draw(2)
    with torch.no_grad():
        decoded = guesser.studio.pipe.vae.decode(guessed.to(guesser.studio.pipe.vae.dtype)).sample.float()
    assert decoded.shape == clips.shape
    assert (decoded - clips).square().mean() < 0.2
