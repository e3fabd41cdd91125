"""Where the parts of a drawn subject lie, and what a denoiser's middle is asked of them."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
import torch

from training import model, world
from training.flows import Noised
from training.latents import Shape
from training.parts import COUNT, NOTHING, SIDE, THING, Finder, parts_of

SHAPE = Shape("1:1", 25)
SECONDS = 25 / 12
SQUARE = torch.arange(2, 2 + SIDE * SIDE).view(SIDE, SIDE)


def drawn(**fixed: str) -> world.Scenario:
    scenario = world.imagine(Random(1), SECONDS, 1.0, scene="meadow", **fixed)
    return replace(scenario, x=1 / 16, y=1 / 16, flip=False)


def parts(scenario: world.Scenario | None) -> torch.Tensor:
    return parts_of(scenario, SHAPE.latents, SHAPE.times).view(SHAPE.latents)


def test_each_part_of_what_stays_is_under_one_token() -> None:
    found = parts(drawn(subject="cat", action="stays"))
    assert (found != NOTHING).sum() == SIDE * SIDE * len(found)
    top, left = (int(where.min()) for where in torch.where(found[0] != NOTHING))
    for frame in found:
        assert torch.equal(frame[top : top + SIDE, left : left + SIDE], SQUARE)


def test_what_is_mirrored_has_its_parts_mirrored() -> None:
    one = drawn(subject="cat", action="stays")
    seen, mirrored = parts(one)[0], parts(replace(one, flip=True))[0]
    assert torch.equal(mirrored[seen != NOTHING].view(SIDE, SIDE), SQUARE.flip(1))


def test_what_turns_takes_its_parts_along() -> None:
    found = parts(drawn(subject="cat", action="spins"))
    rows = [torch.where(torch.isin(frame, SQUARE[0]))[0].float().mean() for frame in (found[0], found[4])]
    assert rows[0] + 2 < rows[1], "after 1.2 of the 2.7 seconds of a turn its upper side is below"


def test_a_thing_lies_before_its_subject_and_nothing_on_a_photograph() -> None:
    both = parts(drawn(subject="unicorn", action="eats", thing="spaghetti"))[0]
    alone = parts(drawn(subject="unicorn", action="stays"))[0]
    assert (both == THING).any()
    assert THING not in alone
    assert not parts(None).any()


@pytest.fixture(scope="module")
def noised() -> Noised:
    kept = torch.arange(8).expand(2, -1)
    sigma = torch.tensor([0.9, 0.4])
    video = torch.randn(2, 8, model.VIDEO_CHANNELS)
    return Noised(Shape("1:1", 5), kept, video, torch.randn(2, 12, 64), sigma, sigma[:, None].expand(2, 8))


def test_the_finder_learns_from_the_last_pass_with_gradients(noised: Noised) -> None:
    torch.manual_seed(0)
    denoiser, connectors = model.transformer(width=128, layers=1), model.connectors(width=128)
    finder, aims = Finder(denoiser), torch.arange(16).view(2, 8) % COUNT
    mask = torch.ones(2, model.TEXT_TOKENS, dtype=torch.int64)
    words = torch.randn(2, model.TEXT_TOKENS, 3 * model.TEXT_WIDTH)
    optimiser = torch.optim.Adam([*denoiser.parameters(), *finder.parameters()], 1e-3)
    losses = []
    for _ in range(12):
        noised.flows(denoiser, connectors, words, mask)
        with torch.no_grad():
            noised.flows(denoiser, connectors, torch.zeros_like(words), mask)
        loss = finder.loss(aims)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(COUNT), rel=1e-3)
    assert losses[-1] < 0.5 * losses[0]
    block = denoiser.get_submodule("transformer_blocks.0")
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
