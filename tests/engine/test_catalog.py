from __future__ import annotations

from dataclasses import replace

import pytest

from studio.domain import StudioError, VideoRequest
from studio.engine import catalog, grid


def test_every_row_makes_its_own_defaults() -> None:
    for card in catalog.BUILT_IN.models():
        VideoRequest(
            "a cat",
            seconds=card.default_seconds,
            num_inference_steps=card.default_steps,
            guidance_scale=card.default_guidance,
            sound=card.has_sound,
            model=card.name,
            aspect_ratio=card.limits.aspect_ratios[0],
            picture="0" * 64 if card.must_begin_with_picture else None,
        ).check(card)


def test_every_row_has_sizes_that_its_model_takes() -> None:
    for card in catalog.BUILT_IN.models():
        assert tuple(card.grid.sizes) == card.limits.aspect_ratios
        step = max(32 if card.family == "ltx2" else 16, 2 * card.grid.spatial_ratio if card.family == "wan" else 0)
        for ratio, size in card.grid.sizes.items():
            across, down = (int(part) for part in ratio.split(":"))
            assert size[0] / size[1] == pytest.approx(across / down, rel=0.03)
            canvas = grid.canvas(card.grid, ratio)
            assert canvas[0] % step == canvas[1] % step == 0, (card.name, ratio)


def test_who_has_only_a_processor_is_told_what_a_large_model_needs() -> None:
    assert catalog.obstacle(catalog.BUILT_IN.card("pocket"), "cpu") == ""
    for card in catalog.BUILT_IN.models()[1:]:
        told = catalog.obstacle(card, "cpu")
        assert told.startswith(f"{card.title} needs a graphics card with ")
        assert told.endswith("; this machine has none that may be used.")


def test_a_model_that_was_not_fetched_is_told_with_the_way_to_fetch_it() -> None:
    small = replace(catalog.BUILT_IN.card("wan-2.1-1.3b"), memory_bytes=0)
    assert "`hf download Wan-AI/Wan2.1-T2V-1.3B-Diffusers` fetches it." in catalog.obstacle(small, "cpu")


def test_an_unknown_model_is_named_beside_the_known() -> None:
    with pytest.raises(StudioError, match=r"'nonsense'.*pocket"):
        catalog.BUILT_IN.card("nonsense")
