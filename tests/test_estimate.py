"""What is said about a clip's time, memory and energy is grounded in steps and past runs, or is not said."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.domain import ASPECT_RATIOS, Made, Phase, VideoRequest
from studio.engine import grid
from studio.estimate import PHASES, RUNS_LOOKED_AT, Pace, expected, expected_s, remaining_s
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


def on_a_machine(request: VideoRequest, noise: float = 1.0, history: int = 0) -> Run:
    """A run as some machine does it: four times Pocket's usual speed, twice the share that grows with the square."""
    width, height = grid.canvas(grid.POCKET, request.aspect_ratio)
    frames = grid.num_frames(grid.POCKET, request.seconds) + (history - 1 if history else 0)
    tokens = width * height / 256 * ((frames - 1) // 4 + 1) / 1000
    passes = 2 if request.guidance_scale > 1 else 1
    volume = width * height * frames / 1e6
    spent: dict[Phase, float] = {
        "reading the prompt": 0.005,
        "denoising": request.num_inference_steps * (0.01 + passes * (0.03 * tokens + 0.01 * tokens**2)),
        "decoding": 0.01 + 0.05 * volume,
        "encoding": 0.001 + 0.01 * volume,
    }
    made = Made(
        *grid.size(grid.POCKET, request.aspect_ratio), frames, 12.0, True, 1.0, energy_wh=sum(spent.values()) / 100
    )
    made = replace(made, peak_memory_bytes=round(6e8 + 2e8 * volume))
    return Run.of(request, {phase: noise * spent_s for phase, spent_s in spent.items()}, made)


REQUESTS = st.builds(
    VideoRequest,
    prompt=st.just("a ghost"),
    aspect_ratio=st.sampled_from(ASPECT_RATIOS),
    seconds=st.floats(1, 3),
    num_inference_steps=st.integers(1, 50),
    guidance_scale=st.floats(1, 12),
    extends=st.none() | st.just("0" * 32),
)


def total_s(run: Run) -> float:
    return sum(run.spent_s[phase] for phase in PHASES)


def test_nothing_is_known_without_a_past_run() -> None:
    assert expected(REQUEST, grid.POCKET, []) is None
    assert expected_s(REQUEST, grid.POCKET, []) is None
    assert remaining_s(REQUEST, grid.POCKET, [], None) is None
    assert remaining_s(REQUEST, grid.POCKET, [], Pace("denoising", 5.0, 5, 10, 5.0)) is None


def test_the_same_again_takes_as_long_loading_left_out() -> None:
    assert remaining_s(REQUEST, grid.POCKET, [RUN], None) == pytest.approx(27.0)
    found = expected(REQUEST, grid.POCKET, [RUN])
    assert found is not None
    assert found.seconds == pytest.approx(27.0)


def test_a_shape_that_the_model_has_no_more_says_nothing() -> None:
    gone = replace(RUN, aspect_ratio="5:4", spent_s={phase: 9 * s for phase, s in SPENT.items()})
    assert expected(REQUEST, grid.POCKET, [gone]) is None
    assert expected(REQUEST, grid.POCKET, [gone, RUN]) == expected(REQUEST, grid.POCKET, [RUN])
    assert remaining_s(replace(REQUEST, aspect_ratio="5:4"), grid.POCKET, [RUN], None) is None


def test_one_slow_run_among_others_is_forgiven() -> None:
    slow = replace(RUN, spent_s={phase: 100 * s for phase, s in SPENT.items()})
    assert remaining_s(REQUEST, grid.POCKET, [RUN, slow, RUN], None) == pytest.approx(27.0, rel=0.05)


def test_work_grows_with_steps_size_and_length() -> None:
    more_steps = expected_s(replace(REQUEST, num_inference_steps=20), grid.POCKET, [RUN])
    assert more_steps == pytest.approx({**{p: SPENT[p] for p in PHASES}, "denoising": 40.0})
    longer = expected_s(replace(REQUEST, seconds=3.0), grid.POCKET, [RUN])
    assert longer is not None
    # 37 frames after 25, and some of the work is the same for every clip.
    assert 20 * 1.1 < longer["denoising"] < 20 * 1.6
    assert 4 * 1.1 < longer["decoding"] < 4 * 1.5
    assert longer["reading the prompt"] == pytest.approx(1.0)


def test_an_extension_denoises_the_end_of_the_old_clip_too() -> None:
    plain, extension = (
        expected_s(REQUEST, grid.POCKET, [RUN]),
        expected_s(replace(REQUEST, extends="0" * 32), grid.POCKET, [RUN]),
    )
    assert plain is not None
    assert extension is not None
    assert extension["denoising"] > 1.2 * plain["denoising"]
    whole_clip = Made(224, 128, 25 + 24, 12.0, True, 1.0)
    assert expected_s(
        replace(REQUEST, extends="0" * 32), grid.POCKET, [Run.of(REQUEST, SPENT, whole_clip)]
    ) == pytest.approx({phase: SPENT[phase] for phase in PHASES})


def test_a_run_that_went_on_from_latents_does_not_say_that_denoising_is_free() -> None:
    resumed = replace(RUN, spent_s={"decoding": 4.0, "encoding": 2.0})
    assert expected_s(REQUEST, grid.POCKET, [resumed]) is None
    assert remaining_s(REQUEST, grid.POCKET, [resumed, RUN], None) == pytest.approx(27.0)


def test_the_energy_before_the_latents_is_not_laid_to_what_came_after() -> None:
    made = Made(224, 128, 25, 12.0, True, 27.0, energy_wh=0.27)
    whole, resumed = Run.of(REQUEST, SPENT, made), Run.of(REQUEST, {"decoding": 4.0, "encoding": 2.0}, made)
    found = expected(REQUEST, grid.POCKET, [whole, resumed])
    assert found is not None
    assert found.energy_wh == pytest.approx(0.27)


def test_twenty_runs_of_mixed_sizes_tell_what_this_machine_is_like() -> None:
    dice = random.Random(3)
    asked = [
        VideoRequest(
            "a ghost",
            aspect_ratio=dice.choice(ASPECT_RATIOS),
            seconds=dice.choice((1.0, 1.5, 2.0, 3.0)),
            num_inference_steps=dice.randint(1, 30),
            guidance_scale=dice.choice((1.0, 3.0, 3.0)),
            extends=dice.choice((None, None, "0" * 32)),
        )
        for _ in range(60)
    ]
    runs = [on_a_machine(r, dice.lognormvariate(0, 0.1), grid.POCKET.overlap_frames if r.extends else 0) for r in asked]
    off = []
    for number, request in enumerate(asked[RUNS_LOOKED_AT:]):
        found = expected(request, grid.POCKET, runs[number : number + RUNS_LOOKED_AT])
        truth = on_a_machine(request, history=grid.POCKET.overlap_frames if request.extends else 0)
        assert found is not None
        assert found.memory_bytes == pytest.approx(truth.peak_memory_bytes, rel=0.1)
        assert found.energy_wh == pytest.approx(truth.energy_wh, rel=0.4)
        off.append(abs(found.seconds / total_s(truth) - 1))
    assert median(off) < 0.06
    assert max(off) < 0.35


@given(request=REQUESTS, past=st.lists(st.tuples(REQUESTS, st.floats(0.1, 10)), min_size=1, max_size=6))
def test_whatever_ran_before_there_is_a_sensible_answer(
    request: VideoRequest, past: list[tuple[VideoRequest, float]]
) -> None:
    runs = [on_a_machine(before, noise) for before, noise in past]
    found = expected(request, grid.POCKET, runs)
    assert found is not None
    rates = [total_s(run) / total_s(on_a_machine(before)) for run, (before, _) in zip(runs, past, strict=True)]
    assert 0.1 * min(rates) < found.seconds / total_s(on_a_machine(request)) < 10 * max(rates)
    assert found.memory_bytes is not None
    assert found.memory_bytes > 0
    more = replace(request, num_inference_steps=request.num_inference_steps + 10)
    assert (expected_s(more, grid.POCKET, runs) or {})["denoising"] > (expected_s(request, grid.POCKET, runs) or {})[
        "denoising"
    ]


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
    assert remaining_s(REQUEST, grid.POCKET, [RUN], pace) == (None if left_s is None else pytest.approx(left_s))
