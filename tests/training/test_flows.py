"""A teacher's flows, on a denoiser of one narrow layer with random weights."""

from __future__ import annotations

import pytest
import torch

from training import model
from training.flows import Noised, Teacher
from training.latents import Shape

CLIPS, AUDIO_TOKENS = 2, 12
SHAPE = Shape("1:1", 5)


@pytest.fixture(scope="module")
def modules() -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    denoiser, connectors = model.transformer(width=128, layers=1).eval(), model.connectors(width=128).eval()
    return denoiser, connectors


@pytest.fixture(scope="module")
def noised() -> Noised:
    frames, height, width = SHAPE.latents
    kept = torch.arange(1, frames * height * width, 3).expand(CLIPS, -1)
    sigma = torch.tensor([0.9, 0.4])
    level = sigma[:, None] * (kept >= height * width)
    return Noised(
        SHAPE, kept, torch.randn(*kept.shape, model.VIDEO_CHANNELS), torch.randn(CLIPS, AUDIO_TOKENS, 64), sigma, level
    )


def words(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.zeros(count, model.TEXT_TOKENS, dtype=torch.int64)
    mask[:, -5:] = 1
    return torch.randn(count, model.TEXT_TOKENS, 3 * model.TEXT_WIDTH), mask


@torch.no_grad()
def test_a_teacher_goes_on_from_no_words_past_the_words(modules, noised: Noised) -> None:
    told, empty = words(CLIPS), words(1)
    with_words = noised.flows(*modules, *told)
    without = noised.flows(*modules, empty[0].expand(CLIPS, -1, -1), empty[1].expand(CLIPS, -1))
    for found, its, other in zip(Teacher(*modules, empty, 3.0).flows(noised, *told), with_words, without, strict=True):
        assert found.shape[:2] == its.shape[:2]
        assert (its - other).abs().max() > 0.01
        torch.testing.assert_close(found, other + 3 * (its - other), rtol=1e-3, atol=1e-3)


def test_where_nothing_is_said_there_is_no_guidance(modules, noised: Noised) -> None:
    empty = words(1)
    of_all = empty[0].expand(CLIPS, -1, -1), empty[1].expand(CLIPS, -1)
    for found, plain in zip(
        Teacher(*modules, empty, 3.0).flows(noised, *of_all), noised.flows(*modules, *of_all), strict=True
    ):
        torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)
        assert not found.requires_grad
