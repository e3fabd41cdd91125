"""How long a clip still takes, honestly: from the steps it has done and from how long past clips took.

Pure functions. The work of denoising grows with pixels x frames x passes through the model, that of decoding and
encoding with pixels x frames; the prompt costs the same each time. Says None rather than guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from studio.domain import Phase, VideoRequest
from studio.engine import grid
from studio.store.runs import Run

PHASES: tuple[Phase, ...] = ("reading the prompt", "denoising", "decoding", "encoding")
RUNS_LOOKED_AT = 20
# The first step also pays for what is set up on the way, so one step alone tells too much.
STEPS_BEFORE_TRUSTED = 2


@dataclass(frozen=True)
class Pace:
    """Where a running job is: its phase, for how long, and when it did its last step (seconds since phase start)."""

    phase: Phase
    in_phase_s: float
    step: int = 0
    total: int = 0
    stepped_s: float = 0.0


def expected_s(request: VideoRequest, runs: Sequence[Run]) -> dict[Phase, float] | None:
    """Seconds that each phase of this request will take; None without a past run of its model."""
    if not runs:
        return None
    ours = Run.of(request, {})
    return {
        phase: median(run.spent_s.get(phase, 0.0) * _work(phase, ours) / _work(phase, run) for run in runs)
        for phase in PHASES
    }


def remaining_s(request: VideoRequest, runs: Sequence[Run], pace: Pace | None) -> float | None:
    """Seconds until the clip is there, once it runs (`pace`) or from its start (None)."""
    expected = expected_s(request, runs)
    if expected is None:
        return None
    if pace is None:
        return sum(expected.values())
    if pace.phase not in PHASES:
        return None
    whole_s = expected[pace.phase]
    if pace.phase == "denoising" and pace.step >= STEPS_BEFORE_TRUSTED:
        whole_s = pace.stepped_s / pace.step * pace.total
    later = PHASES[PHASES.index(pace.phase) + 1 :]
    return max(0.0, whole_s - pace.in_phase_s) + sum(expected[phase] for phase in later)


def _work(phase: Phase, run: Run) -> float:
    if phase == "reading the prompt":
        return 1.0
    width, height = grid.size(run.aspect_ratio)
    volume = float(width * height * grid.num_frames(run.seconds))
    if phase != "denoising":
        return volume
    # Guidance looks at every step twice, with the prompt and without it.
    return volume * run.num_inference_steps * (2 if run.guidance_scale > 1 else 1)
