"""The attention of CPUs against diffusers' own, on one of Pocket's modules with random weights."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention

from studio.engine import attention

LENGTH, OTHERS, WIDTH, HEADS = 40, 12, 64, 4
CLIPS = 2


@pytest.fixture
def module() -> LTX2Attention:
    torch.manual_seed(0)
    return LTX2Attention(WIDTH, HEADS, HEADS, WIDTH // HEADS, rope_type="split").to(torch.bfloat16).eval()


def given(is_masked: bool) -> dict[str, torch.Tensor]:
    mask = torch.zeros(CLIPS, 1, OTHERS)
    mask[1, :, 5:] = -10_000
    states = {
        "hidden_states": torch.randn(CLIPS, LENGTH, WIDTH),
        "encoder_hidden_states": torch.randn(CLIPS, OTHERS, WIDTH),
    }
    return {name: each.bfloat16() for name, each in (states | ({"attention_mask": mask} if is_masked else {})).items()}


@pytest.fixture(autouse=True, params=["few", "many"])
def pairs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few tokens and many go different ways."""
    monkeypatch.setattr(attention, "LARGE", 2**17 if request.param == "few" else 1)


@pytest.mark.parametrize("is_masked", [False, True])
def test_it_is_diffusers_own_within_rounding(module: LTX2Attention, is_masked: bool) -> None:
    asked = given(is_masked)
    with torch.no_grad():
        stock = module(**asked)
        attention.use_on_cpu(module)
        ours = module(**asked)
    assert isinstance(module.processor, attention.MatmulAttention)
    assert not torch.equal(stock, torch.zeros_like(stock))
    torch.testing.assert_close(ours, stock, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("is_masked", [False, True])
def test_it_is_the_same_in_training(module: LTX2Attention, is_masked: bool) -> None:
    """All heads at once, where gradients are wanted."""
    attention.use_on_cpu(module)
    asked = given(is_masked)
    with torch.no_grad():
        in_use = module(**asked)
    learning = module(**asked)
    assert learning.requires_grad
    torch.testing.assert_close(in_use, learning.detach(), rtol=0.02, atol=0.01)


def test_what_is_masked_is_not_seen(module: LTX2Attention) -> None:
    attention.use_on_cpu(module)
    asked = given(is_masked=True)
    other = {**asked, "encoder_hidden_states": asked["encoder_hidden_states"].clone()}
    other["encoder_hidden_states"][1, 5:] = 3.0
    with torch.no_grad():
        assert torch.equal(module(**asked), module(**other))
        del asked["attention_mask"], other["attention_mask"]
        assert not torch.equal(module(**asked), module(**other))
