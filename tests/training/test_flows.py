"""A guide's flows and aims, on a denoiser of one narrow layer with random weights."""

from __future__ import annotations

import pytest
import torch

from training import model
from training.flows import Itself, Noised, Teacher
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
    aims = Teacher(*modules, empty, 3.0).aims(noised, *told, without, without)
    for found, its, other in zip(aims, with_words, without, strict=True):
        assert found.shape[:2] == its.shape[:2]
        assert (its - other).abs().max() > 0.01
        torch.testing.assert_close(found, other + 3 * (its - other), rtol=1e-3, atol=1e-3)


def test_where_nothing_is_said_there_is_no_guidance(modules, noised: Noised) -> None:
    empty = words(1)
    of_all = empty[0].expand(CLIPS, -1, -1), empty[1].expand(CLIPS, -1)
    plain, true = noised.flows(*modules, *of_all), noised.flows(*modules, *words(CLIPS))
    for guide, due in ((Teacher(*modules, empty, 3.0), plain), (Itself(*modules, empty, 3.0), true)):
        for found, its in zip(guide.aims(noised, *of_all, plain, true), due, strict=True):
            torch.testing.assert_close(found, its, rtol=1e-4, atol=1e-4)
            assert not found.requires_grad


@torch.no_grad()
def test_who_guides_itself_rests_where_guidance_is_learned(modules, noised: Noised) -> None:
    told, empty = words(CLIPS), words(1)
    true = noised.flows(*modules, *told)
    learned = Teacher(*modules, empty, 3.0).aims(noised, *told, true, true)
    itself = Itself(*modules, empty, 3.0)
    for aim, there in zip(itself.aims(noised, *told, learned, true), learned, strict=True):
        torch.testing.assert_close(aim, there, rtol=1e-3, atol=1e-3)
    for aim, data, there in zip(itself.aims(noised, *told, true, true), true, learned, strict=True):
        assert (aim - there).abs().mean() < (data - there).abs().mean()
