"""What is said about the time left is grounded in steps and past runs, or is not said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.domain import Phase, VideoRequest
from studio.engine import grid
from studio.estimate import PHASES, Pace, expected_s, remaining_s
from studio.store.runs import Run

REQUEST = VideoRequest("a ghost", aspect_ratio="16:9", seconds=2.0, num_inference_steps=10, guidance_scale=3.0)
SPENT: dict[Phase, float] = {
    "loading": 30.0,
    "reading the prompt": 1.0,
    "denoising": 20.0,
    "decoding": 4.0,
    "encoding": 2.0,
}
RUN = Run.of(REQUEST, SPENT)


def test_nothing_is_known_without_a_past_run() -> None:
    assert expected_s(REQUEST, []) is None
    assert remaining_s(REQUEST, [], None) is None
    assert remaining_s(REQUEST, [], Pace("denoising", 5.0, 5, 10, 5.0)) is None


def test_the_same_again_takes_as_long_loading_left_out() -> None:
    assert remaining_s(REQUEST, [RUN], None) == pytest.approx(27.0)


def test_the_median_forgives_one_slow_run() -> None:
    slow = replace(RUN, spent_s={phase: 100 * s for phase, s in SPENT.items()})
    assert remaining_s(REQUEST, [RUN, slow, RUN], None) == pytest.approx(27.0)


def test_work_grows_with_steps_guidance_size_and_length() -> None:
    more_steps = expected_s(replace(REQUEST, num_inference_steps=20), [RUN])
    assert more_steps is not None
    assert more_steps == pytest.approx({**{p: SPENT[p] for p in PHASES}, "denoising": 40.0})
    unguided = expected_s(replace(REQUEST, guidance_scale=1.0), [RUN])
    assert unguided is not None
    assert unguided["denoising"] == pytest.approx(10.0)
    longer = expected_s(replace(REQUEST, seconds=3.0, aspect_ratio="1:1"), [RUN])
    assert longer is not None
    (wide, high), (one_wide, one_high) = grid.size("16:9"), grid.size("1:1")
    factor = one_wide * one_high * grid.num_frames(3.0) / (wide * high * grid.num_frames(2.0))
    assert longer["denoising"] == pytest.approx(20.0 * factor)
    assert longer["decoding"] == pytest.approx(4.0 * factor)
    assert longer["reading the prompt"] == 1.0


@pytest.mark.parametrize(
    ("pace", "left_s"),
    [
        (Pace("loading", 3.0), None),
        (Pace("reading the prompt", 0.4), 0.6 + 20 + 4 + 2),
        (Pace("denoising", 1.0, 0, 10, 0.0), 19 + 4 + 2),
        (Pace("denoising", 7.0, 1, 10, 6.0), 13 + 4 + 2),
        (Pace("denoising", 9.0, 2, 10, 8.0), 40 - 9 + 4 + 2),
        (Pace("denoising", 5.0, 5, 10, 5.0), 5 + 4 + 2),
        (Pace("denoising", 99.0, 5, 10, 5.0), 0 + 4 + 2),
        (Pace("decoding", 1.0, 10, 10, 0.0), 3 + 2),
        (Pace("encoding", 1.0), 1),
        (Pace("encoding", 50.0), 0),
    ],
)
def test_a_running_job_is_judged_by_its_own_steps(pace: Pace, left_s: float | None) -> None:
    assert remaining_s(REQUEST, [RUN], pace) == (None if left_s is None else pytest.approx(left_s))
