"""What a clip takes and how long it still takes, honestly: from its own steps and from what past clips took.

Pure functions. Each phase takes a sum of parts that grow with steps, latent pixels and frames, as a transformer's work
does; how large each part is on this machine is fitted to the past runs. Says None rather than guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

import numpy as np

from studio.domain import Estimate, Grid, Phase, VideoRequest
from studio.engine import grid
from studio.store.runs import Run

RUNS_LOOKED_AT = 20
# The first step also pays for what is set up on the way, so one step alone tells too much.
STEPS_BEFORE_TRUSTED = 2

Parts = tuple[float, ...]
# The sizes of the parts that `_parts` counts, as measured with Pocket on one core. Their ratios are what one past run
# alone cannot tell; the more runs there are, the less these matter.
USUAL: dict[Phase, Parts] = {
    "reading the prompt": (0.02,),
    "denoising": (0.03, 0.19, 0.024, 0.06),
    "decoding": (0.08, 0.18),
    "encoding": (0.003, 0.055),
}
PHASES = tuple(USUAL)
USUAL_MEMORY: Parts = (7e8, 1e8)
# How strongly a part is held at its usual size, against one run that says otherwise.
HOLD = 0.03
# An error of the fit below this is noise; above, a run counts the less the further off it is, as with a median.
NOISE = 0.05


@dataclass(frozen=True)
class Pace:
    """Where a running job is: its phase, for how long, and when it did its last step (seconds since phase start)."""

    phase: Phase
    in_phase_s: float
    step: int = 0
    total: int = 0
    stepped_s: float = 0.0


def expected(request: VideoRequest, shapes: Grid, runs: Sequence[Run]) -> Estimate | None:
    """What this request will take on this machine; None without a past run of its model."""
    spent_s = expected_s(request, shapes, runs)
    if spent_s is None:
        return None
    seconds, runs = _made_s(spent_s), _of_shapes(shapes, runs)
    ours = _size(Run.of(request, {}), shapes, bool(request.extends))
    peaks = [(_size(run, shapes), float(run.peak_memory_bytes)) for run in runs if run.peak_memory_bytes]
    # Energy is metered once the model is loaded; that of a run that went on from latents is also of the time before.
    per_second = [run.energy_wh / _made_s(run.spent_s) for run in runs if run.energy_wh and _is_whole(run)]
    return Estimate(
        seconds=seconds,
        memory_bytes=round(_predicted(ours, peaks, USUAL_MEMORY)) if peaks else None,
        energy_wh=median(per_second) * seconds if per_second else None,
        is_energy_measured=bool(per_second) and all(run.is_energy_measured for run in runs if run.energy_wh),
    )


def expected_s(request: VideoRequest, shapes: Grid, runs: Sequence[Run]) -> dict[Phase, float] | None:
    """Seconds that each phase of this request will take; None while there is a phase that no past run went through."""
    ours = Run.of(request, {})
    runs = _of_shapes(shapes, runs)
    if ours.aspect_ratio not in shapes.sizes:
        return None
    found: dict[Phase, float] = {}
    for phase in PHASES:
        # A run that went on from kept latents says nothing of the phases before.
        past = [(_parts(phase, run, shapes), run.spent_s[phase]) for run in runs if run.spent_s.get(phase, 0.0) > 0]
        if not past:
            return None
        found[phase] = _predicted(_parts(phase, ours, shapes, bool(request.extends)), past, USUAL[phase])
    return found


def remaining_s(request: VideoRequest, shapes: Grid, runs: Sequence[Run], pace: Pace | None) -> float | None:
    """Seconds until the clip is there, once it runs (`pace`) or from its start (None)."""
    spent_s = expected_s(request, shapes, runs)
    if spent_s is None:
        return None
    if pace is None:
        return _made_s(spent_s)
    if pace.phase not in PHASES:
        return None
    whole_s = spent_s[pace.phase]
    if pace.phase == "denoising" and pace.step >= STEPS_BEFORE_TRUSTED:
        whole_s = pace.stepped_s / pace.step * pace.total
    later = PHASES[PHASES.index(pace.phase) + 1 :]
    return max(0.0, whole_s - pace.in_phase_s) + sum(spent_s[phase] for phase in later)


def _of_shapes(shapes: Grid, runs: Sequence[Run]) -> list[Run]:
    """A model that was brought along may have had other shapes before."""
    return [run for run in runs if run.aspect_ratio in shapes.sizes]


def _is_whole(run: Run) -> bool:
    return all(run.spent_s.get(phase, 0.0) > 0 for phase in PHASES)


def _made_s(spent_s: Mapping[Phase, float]) -> float:
    return sum(spent_s.get(phase, 0.0) for phase in PHASES)


def _parts(phase: Phase, run: Run, shapes: Grid, is_extension: bool = False) -> Parts:
    """What this run's phase has of each part of work, in the order of USUAL."""
    if phase == "reading the prompt":
        return (1.0,)
    if phase != "denoising":
        return _size(run, shapes, is_extension)
    latents = grid.latent_shape(shapes, run.aspect_ratio, _denoised_frames(run, shapes, is_extension))
    thousands = math.prod(latents) / 1000
    steps = run.num_inference_steps
    # Whether guidance costs a second pass is the model's affair, so the runs have to tell.
    guided = steps * thousands if run.guidance_scale > 1 else 0.0
    return (steps, steps * thousands, steps * thousands**2, guided)


def _size(run: Run, shapes: Grid, is_extension: bool = False) -> Parts:
    """Once each run, and its millions of pixels in all frames."""
    width, height = grid.canvas(shapes, run.aspect_ratio)
    return (1.0, width * height * _denoised_frames(run, shapes, is_extension) / 1e6)


def _denoised_frames(run: Run, shapes: Grid, is_extension: bool) -> int:
    """An extension makes the end of the clip it continues once more; its clip has more frames than were asked for."""
    frames = grid.num_frames(shapes, run.seconds)
    return frames + shapes.overlap_frames - 1 if is_extension or run.num_frames > frames else frames


def _predicted(parts: Parts, past: Sequence[tuple[Parts, float]], usual: Parts) -> float:
    return sum(part * size for part, size in zip(parts, _sizes(tuple(past), usual), strict=True))


# The page asks once a second for each tab, and the answer changes once a clip.
@lru_cache(maxsize=256)
def _sizes(past: tuple[tuple[Parts, float], ...], usual: Parts) -> Parts:
    """How large each part is: none below zero, the ratio of prediction to truth as near to 1 as it gets.

    Fits factors on the usual sizes, scaled to these runs, by reweighted least squares on the logarithm of that ratio.
    """
    taken = np.array([value for _, value in past])
    work = np.array([parts for parts, _ in past]) * usual
    scale = float(np.median(taken / work.sum(axis=1)))
    work *= scale
    factors = np.ones(len(usual))
    for _ in range(8):
        predicted = work @ factors
        off = np.log(taken / predicted)
        weights = np.minimum(1.0, NOISE / np.maximum(np.abs(off), NOISE))
        factors = _not_negative(work / predicted[:, None], 1 + off, weights)
    return tuple(float(size) for size in np.array(usual) * scale * factors)


def _not_negative(work: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Factors >= 0, held near 1, that make the rows of `work` sum to `wanted`: descent along one factor at a time."""
    square = work.T @ (work * weights[:, None]) + HOLD * np.eye(work.shape[1])
    right = work.T @ (weights * wanted) + HOLD
    factors = np.ones(work.shape[1])
    for _ in range(60):
        for at in range(len(factors)):
            rest = right[at] - square[at] @ factors + square[at, at] * factors[at]
            factors[at] = max(0.0, rest / square[at, at])
    return factors
