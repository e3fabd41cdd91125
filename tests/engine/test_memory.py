"""Which memory plan a model gets, from numbers alone; what stands for memory that ran out; and the step down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.domain import StudioError
from studio.engine import catalog, device, memory, rows
from studio.engine.device import Memory, Plan
from studio.engine.rows import GB
from studio.settings import MEMORY_PLANS

CUDA, CPU = Plan("cuda", "bfloat16", "Runs on a card"), Plan("cpu", "bfloat16", "Runs on the processor")
BIG = [card for card in rows.ROWS if card.memory_bytes]
# All of it takes 78 GB: 44 denoise, 24 read the prompt, 10 are for a clip.
LTX = rows.LTX


def test_the_settings_name_every_plan() -> None:
    assert ("auto", *memory.MODES) == MEMORY_PLANS


@pytest.mark.parametrize("card", rows.ROWS, ids=lambda card: card.name)
def test_each_plan_takes_less_than_the_one_before(card: rows.ModelCard) -> None:
    assert card.transformer_bytes + card.encoder_bytes <= 0.9 * card.memory_bytes
    taken = [memory.needs(card, mode) for mode in memory.SAME_FRAMES]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] == card.memory_bytes
    assert memory.needs(card, "fp8") == memory.needs(card, "int8") <= memory.needs(card, "offload")


def test_a_processor_without_bfloat16_needs_twice_the_memory() -> None:
    free = Memory(150 * GB, 150 * GB)
    assert memory.fit(CPU, LTX, "auto", free).mode == "full"
    plan = memory.fit(replace(CPU, dtype="float32"), LTX, "auto", free)
    assert plan.mode != "full"
    assert "all of LTX-2.3 takes 156 GB" in plan.reason


@pytest.mark.parametrize(
    ("card_gb", "main_gb", "mode"),
    [
        (141, 0, "full"),
        (80, 64, "full"),
        (77, 128, "offload"),
        (54, 68, "offload"),
        (53, 68, "group"),
        (15, 68, "group"),
    ],
)
def test_the_quickest_plan_that_fits_is_taken(card_gb: int, main_gb: int, mode: str) -> None:
    plan = memory.fit(CUDA, LTX, "auto", Memory(card_gb * GB, main_gb * GB))
    assert (plan.mode, plan.is_tiled) == (mode, True)
    assert plan.reason.startswith("Runs on a card: ")
    assert plan.reason.endswith(
        f", since all of LTX-2.3 takes 78 GB and {card_gb} GB are free there and {main_gb} GB of main memory."
    )


@pytest.mark.parametrize(("card_gb", "main_gb"), [(14, 128), (77, 67), (0, 0)])
def test_where_none_fits_one_sentence_says_what_is_needed(card_gb: int, main_gb: int) -> None:
    with pytest.raises(StudioError) as raised:
        memory.fit(CUDA, LTX, "auto", Memory(card_gb * GB, main_gb * GB))
    assert str(raised.value) == (
        "LTX-2.3 needs a graphics card with 78 GB of memory, or one with 14 GB of memory beside 68 GB of main memory; "
        f"{card_gb} GB are free there and {main_gb} GB of main memory."
    )


def test_a_plan_that_is_asked_for_is_taken_and_said() -> None:
    for mode in memory.MODES:
        plan = memory.fit(CUDA, LTX, mode, Memory(0, 0))
        assert plan.mode == mode
        assert plan.reason.endswith("as MEMORY_PLAN asks.")
    assert memory.fit(CPU, rows.POCKET, "fp8", Memory(0, 0)) == CPU, "Pocket fits everywhere"


@pytest.mark.parametrize("card", BIG, ids=lambda card: card.name)
def test_each_step_down_takes_less_until_there_is_none(card: rows.ModelCard) -> None:
    for mode in memory.MODES:
        seen, plan = [mode], replace(CUDA, mode=mode)
        while plan := memory.leaner(plan, card):
            assert memory.needs(card, plan.mode) < memory.needs(card, seen[-1])
            assert plan.is_tiled
            assert plan.reason.endswith("since the memory ran out before.")
            seen.append(plan.mode)
        assert seen[-1] == "group"
    assert memory.leaner(replace(CPU, mode="full"), card) == replace(
        CPU, mode="fp8", is_tiled=True, why=f"{memory.SAID['fp8']}, since the memory ran out before"
    )
    assert memory.leaner(replace(CPU, mode="fp8"), card) is None
    assert memory.leaner(CPU, rows.POCKET) is None


def test_what_a_smaller_card_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(card_gb: int, main_gb: int, wanted: str = "auto") -> str:
        monkeypatch.setattr(device, "whole_memory", lambda _: Memory(card_gb * GB, main_gb * GB))
        return catalog.obstacle(LTX, "auto", wanted)

    fetch = "LTX-2.3 is not on this machine yet"
    assert told(80, 16).startswith(fetch)
    assert told(24, 96).startswith(fetch)
    assert told(24, 96, "full") == (
        "LTX-2.3 needs a graphics card with 78 GB of memory; this machine has one with 24 GB and 96 GB of main memory."
    )
    assert told(24, 32) == (
        "LTX-2.3 needs a graphics card with 78 GB of memory, or one with 14 GB of memory beside 68 GB of main memory; "
        "this machine has one with 24 GB and 32 GB of main memory."
    )


def test_memory_that_ran_out_is_known_from_other_errors() -> None:
    import torch  # slow to import, so only in the tests that need it

    with pytest.raises(RuntimeError) as real:
        torch.empty(2**60, dtype=torch.uint8)
    assert memory.is_out_of_memory(real.value)
    assert memory.is_out_of_memory(torch.OutOfMemoryError())
    assert memory.is_out_of_memory(MemoryError())
    assert not memory.is_out_of_memory(RuntimeError("CUDA error: an illegal memory access"))
    assert not memory.is_out_of_memory(ValueError("can't allocate memory"))
