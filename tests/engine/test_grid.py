from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.domain import ASPECT_RATIOS, ModelCard, ModelLimits, StudioError
from studio.engine import grid, rows


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_sizes_are_even_near_their_ratio_and_fit_the_canvas(ratio: str) -> None:
    width, height = grid.size(grid.POCKET, ratio)
    across, down = (int(part) for part in ratio.split(":"))
    assert width / height == pytest.approx(across / down, rel=0.02)
    assert min(width, height) >= 128
    assert width % 2 == height % 2 == 0
    canvas_width, canvas_height = grid.canvas(grid.POCKET, ratio)
    assert canvas_width >= width
    assert canvas_height >= height
    assert canvas_width % 32 == canvas_height % 32 == 0


def test_an_unknown_ratio_is_named() -> None:
    with pytest.raises(StudioError, match="'2:1'"):
        grid.size(grid.POCKET, "2:1")


@given(st.floats(ModelLimits().min_seconds, ModelLimits().max_seconds))
def test_frames_fit_the_autoencoder_and_the_wish(seconds: float) -> None:
    frames = grid.num_frames(grid.POCKET, seconds)
    assert frames % 4 == 1
    assert abs(frames - seconds * grid.POCKET.frame_rate) <= 3


@given(st.integers(1, 1000))
def test_whole_frames_round_down(count: int) -> None:
    whole = grid.whole_frames(grid.POCKET, count)
    assert whole % 4 == 1
    assert count - 4 < whole <= count


@pytest.mark.parametrize("card", rows.ROWS, ids=lambda card: card.name)
def test_an_extension_is_no_longer_than_what_the_model_learnt(card: ModelCard) -> None:
    """With what it looks back on; and there is a length that it makes at all."""
    most_s = grid.longest_extension_s(card)
    assert card.limits.min_seconds <= most_s <= card.limits.max_seconds
    denoised = card.grid.overlap_frames + grid.num_frames(card.grid, most_s) - 1
    assert denoised <= grid.num_frames(card.grid, card.limits.max_seconds)
