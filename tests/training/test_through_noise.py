"""What is measured of a denoiser that sees held-out clips through noise."""

from __future__ import annotations

import math

import pytest
import torch

from training import model, through_noise
from training.flows import Flows
from training.latents import Batch, Shape
from training.through_noise import Weighed, through

SHAPE = Shape("1:1", 5)
TOKENS = math.prod(SHAPE.latents)
WEIGHED = Weighed((torch.zeros(1, 32, 1152), torch.zeros(1, 32)), torch.ones(64))


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32, whatever this processor is fastest in: what is measured here would drown in bfloat16's rounding."""
    monkeypatch.setattr(through_noise, "FASTEST", torch.float32)


@pytest.fixture
def clip() -> Batch:
    generator = torch.Generator().manual_seed(5)
    video = torch.randn(1, TOKENS, model.VIDEO_CHANNELS, generator=generator)
    subject = (torch.arange(TOKENS) % 4 == 0)[None]
    return Batch(
        SHAPE, video, subject, torch.zeros(1, 12, 64), torch.zeros(1, 32, 1152),
        torch.ones(1, 32), torch.zeros(1, dtype=torch.bool),
    )  # fmt: skip


class Knowing(torch.nn.Module):
    """Tells the true flow, but on the first tokens is wrong by `by`; as a denoiser is called."""

    def __init__(self, clip: Batch, sigma: float, by: float):
        super().__init__()
        self.clip, self.sigma, self.by = clip, sigma, by
        self.rope = self

    def prepare_video_coords(self, *_given: object, **_named: object) -> torch.Tensor:
        return torch.zeros(1, 3, TOKENS, 2)

    def forward(self, hidden_states: torch.Tensor, audio_hidden_states: torch.Tensor, **_given: object) -> Flows:
        flow = (hidden_states - self.clip.video) / self.sigma
        flow[:, :4] += self.by
        return flow, audio_hidden_states


def connectors(text: torch.Tensor, mask: torch.Tensor, padding_side: str):
    return text, text, mask


def test_what_is_guessed_wrong_is_told_of_subject_and_elsewhere(clip: Batch) -> None:
    sigma, by = 0.5, 2.0
    seen = through(sigma, [clip], (Knowing(clip, sigma, by), connectors), WEIGHED)
    square = (sigma * by) ** 2
    assert seen.subject == pytest.approx(square / clip.subject.sum().item(), rel=1e-4)
    assert seen.elsewhere == pytest.approx(3 * square / (~clip.subject).sum().item(), rel=1e-4)
    assert seen.guided == pytest.approx(seen.subject, rel=1e-4), "words make no difference here"
