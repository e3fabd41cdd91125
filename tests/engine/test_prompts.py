"""What a text encoder made of words is kept, within bounds. That every family asks for it stands in test_families."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.engine.prompts import MAX_PROMPTS, ReadPrompts
from tests.tiny import pipelines

# One prompt of 8 tokens, 32 numbers of 4 bytes each.
BYTES = 8 * 32 * 4


@pytest.fixture(scope="module")
def pipe() -> Any:
    return pipelines.wan_21()


def read(pipe: Any, *prompts: str) -> tuple[list[str], torch.Tensor]:
    """Which of the prompts the text encoder had to read, and what it made of the last."""
    seen: list[str] = []
    for prompt in prompts:
        hook = pipe.text_encoder.register_forward_pre_hook(lambda *_, prompt=prompt: seen.append(prompt))
        embeds, none = pipe.encode_prompt(prompt, None, False, max_sequence_length=8)
        hook.remove()
        assert none is None
    return seen, embeds


def test_what_was_used_longest_ago_is_forgotten_first(pipe: Any) -> None:
    ReadPrompts(max_bytes=2 * BYTES).attend(pipe)
    assert read(pipe, "a", "b", "a", "c", "a", "b")[0] == ["a", "b", "c", "b"]


def test_what_is_kept_is_nobodys_to_change(pipe: Any) -> None:
    ReadPrompts().attend(pipe)
    _, first = read(pipe, "a red ball")
    before = first.clone()
    first.zero_()
    seen, again = read(pipe, "a red ball")
    assert seen == []
    assert torch.equal(again, before)


def test_what_there_is_no_room_for_is_read_each_time(pipe: Any) -> None:
    ReadPrompts(max_bytes=BYTES - 1).attend(pipe)
    seen, embeds = read(pipe, "a", "a")
    assert seen == ["a", "a"]
    assert embeds.shape == (1, 8, 32)


def test_only_so_many_are_kept_however_small(pipe: Any) -> None:
    ReadPrompts().attend(pipe)
    read(pipe, *(f"number {number}" for number in range(MAX_PROMPTS + 1)))
    assert read(pipe, "number 1", "number 0")[0] == ["number 0"]
