"""`make bench`: where a default clip's seconds go, what the studio adds to plain diffusers, how far estimates are off.

With ARGS=visitors it is the bench of bench_visitors.py instead, with ARGS="visitors 8" for a crowd of 8 alone.
Runs alternate, and medians are printed, because machines are noisy; compare the ratios, not the seconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from studio import bench_visitors, estimate
from studio.domain import Phase, Progress, Report, Task, VideoRequest
from studio.engine import attention, grid, rows
from studio.engine.device import cpu_format
from studio.engine.pipeline import Generated, VideoPipeline
from studio.executors.local import LocalExecutor
from studio.media.provenance import tags
from studio.media.video import Movie, write_video
from studio.store.runs import Run

ROUNDS = 5
REQUEST = VideoRequest("a cat walks to the right in a meadow", seed=7)
# Shape, seconds, steps and guidance of small clips that differ in all of these.
SPREAD = (
    ("1:1", 1.0, 2, 3.0), ("1:1", 2.0, 6, 3.0), ("1:1", 3.0, 4, 1.0), ("16:9", 1.0, 4, 3.0), ("16:9", 2.0, 2, 1.0),
    ("16:9", 3.0, 6, 3.0), ("4:3", 1.0, 6, 3.0), ("4:3", 2.0, 3, 3.0), ("4:3", 3.0, 2, 3.0), ("9:16", 1.0, 8, 3.0),
    ("9:16", 2.0, 4, 5.0), ("3:4", 3.0, 3, 3.0),
)  # fmt: skip


def main(what: str = "clip", *crowds: str) -> None:
    if what == "visitors":
        if unfit := [crowd for crowd in crowds if not crowd.isdecimal() or int(crowd) < 1]:
            raise SystemExit(f"A crowd is a number of visitors, 1 or more; not {unfit[0]!r}.")
        bench_visitors.main(tuple(map(int, crowds)) or bench_visitors.CROWDS)
        return
    if what != "clip" or crowds:
        raise SystemExit(f"What is measured is clip or visitors; not {' '.join((what, *crowds))!r}.")
    frames, pixels = grid.num_frames(grid.POCKET, REQUEST.seconds), grid.size(grid.POCKET, REQUEST.aspect_ratio)
    print(f"Default clip: {frames} frames, {pixels} pixels, {REQUEST.num_inference_steps} steps, ", end="")
    print(f"guidance {REQUEST.guidance_scale:g}; medians of {ROUNDS} rounds.\n")
    print("| what | seconds |\n|---|---|")
    print(f"| page answers after the start | {page_ready():.2f} |")
    pipeline = VideoPipeline()
    started = time.perf_counter()
    pipeline.load()
    print(f"| import torch and diffusers, load Pocket | {time.perf_counter() - started:.2f} |")
    for name, seconds in clip(pipeline).items():
        print(f"| {name} | {seconds:.2f} |")
    print("\n| one clip's frames and sound | seconds | against plain diffusers | frames |\n|---|---|---|---|")
    for row in against_diffusers(pipeline):
        print(row)
    print(f"\n| estimate of one clip from {len(SPREAD) - 1} others | median error | largest |\n|---|---|---|")
    for name, errors in estimate_errors(pipeline).items():
        print(f"| {name} | {100 * median(errors):.0f} % | {100 * max(errors):.0f} % |")


def page_ready() -> float:
    """Seconds from starting the studio to its page answering."""
    started = time.perf_counter()
    with bench_visitors.running():
        return time.perf_counter() - started


def clip(pipeline: VideoPipeline) -> dict[str, float]:
    """Seconds of every phase of a warm default clip, medians."""
    found: dict[str, list[float]] = {}
    began: dict[str, float] = {}

    def watch(progress: Progress) -> None:
        began.setdefault(progress.phase, time.perf_counter())

    generate(pipeline)
    for _ in range(ROUNDS):
        began.clear()
        started = time.perf_counter()
        made = generate(pipeline, watch)
        generated = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            movie = Movie(made.frames, made.frame_rate, made.sound, made.sampling_rate)
            write_video(Path(folder) / "clip.mp4", movie, tags(REQUEST, {}), lambda: False)
        done = time.perf_counter()
        length = len(made.frames) / made.frame_rate
        for name, value in (
            ("read the prompt", began["denoising"] - began["reading the prompt"]),
            ("denoise", began["decoding"] - began["denoising"]), ("decode", generated - began["decoding"]),
            ("encode", done - generated), ("total", done - started), ("the clip's own length", length),
        ):  # fmt: skip
            found.setdefault(name, []).append(value)
    return {name: median(values) for name, values in found.items()}


def generate(pipeline: VideoPipeline, report: Report = lambda _: None) -> Generated:
    return pipeline.generate(REQUEST, report, lambda: "go on")


def against_diffusers(pipeline: VideoPipeline) -> list[str]:
    """Table rows: our pipeline, plain diffusers with our attention, plain diffusers as it comes."""
    import torch  # slow to import, and only the bench wants it here
    from diffusers import LTX2ConditionPipeline  # slow to import, and only the bench wants it here

    plain = {}
    for name in ("plain diffusers, our attention", "plain diffusers as it comes"):
        pipe: Any = LTX2ConditionPipeline.from_pretrained(
            pipeline.pocket_dir, torch_dtype=getattr(torch, cpu_format()), local_files_only=True
        )
        pipe.set_progress_bar_config(disable=True)
        plain[name] = pipe
    attention.use_on_cpu(
        plain["plain diffusers, our attention"].transformer, plain["plain diffusers, our attention"].connectors
    )
    runs: dict[str, Any] = {"ours": lambda: generate(pipeline).frames}
    runs |= {name: (lambda pipe=pipe: plain_frames(pipe)) for name, pipe in plain.items()}
    frames = {name: run() for name, run in runs.items()}
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            spent[name].append(time.perf_counter() - started)
    base = median(spent["plain diffusers as it comes"])
    rows = []
    for name, values in spent.items():
        change, alike = 100 * (median(values) / base - 1), likeness(frames[name], frames["ours"])
        rows.append(f"| {name} | {median(values):.2f} | {change:+.1f} % | {alike} |")
    return rows


def plain_frames(pipe: Any) -> np.ndarray:
    """The default clip by diffusers alone: no progress, no preview, no Stop."""
    import torch  # slow to import, and only the bench wants it here

    made = pipe(
        prompt=REQUEST.prompt,
        negative_prompt=REQUEST.negative_prompt,
        width=grid.canvas(grid.POCKET, REQUEST.aspect_ratio)[0],
        height=grid.canvas(grid.POCKET, REQUEST.aspect_ratio)[1],
        num_frames=grid.num_frames(grid.POCKET, REQUEST.seconds),
        frame_rate=grid.POCKET.frame_rate,
        num_inference_steps=REQUEST.num_inference_steps,
        guidance_scale=REQUEST.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(REQUEST.seed),
        output_type="np",
        max_sequence_length=rows.POCKET.arguments["max_sequence_length"],
        **rows.PLAIN_GUIDANCE,
    )
    return (made.frames[0] * 255).round().astype(np.uint8)


def likeness(frames: np.ndarray, ours: np.ndarray) -> str:
    if np.array_equal(frames, ours):
        return "equal to ours"
    square = np.mean((frames.astype(np.float64) - ours) ** 2)
    return f"{10 * np.log10(255**2 / square):.1f} dB to ours"


def estimate_errors(pipeline: VideoPipeline) -> dict[str, list[float]]:
    """What is estimated of each clip of SPREAD from all the others, relative to what it then took."""
    executor = LocalExecutor(pipeline)
    requests = [
        VideoRequest(
            REQUEST.prompt,
            aspect_ratio=ratio,
            seconds=seconds,
            num_inference_steps=steps,
            guidance_scale=guidance,
            seed=7,
        )
        for ratio, seconds, steps, guidance in SPREAD
    ]
    timed(executor, REQUEST)  # the first clip of a process pays for what is set up on the way
    runs = [timed(executor, request) for request in requests]
    executor.close()
    errors: dict[str, list[float]] = {"seconds": [], "memory": []}
    for at, (request, run) in enumerate(zip(requests, runs, strict=True)):
        found = estimate.expected(request, grid.POCKET, [*runs[:at], *runs[at + 1 :]])
        taken_s = sum(run.spent_s.get(phase, 0.0) for phase in estimate.PHASES)
        errors["seconds"].append(abs(found.seconds / taken_s - 1) if found else 1.0)
        if found and found.memory_bytes and run.peak_memory_bytes:
            errors["memory"].append(abs(found.memory_bytes / run.peak_memory_bytes - 1))
    return {name: values for name, values in errors.items() if values}


def timed(executor: LocalExecutor, request: VideoRequest) -> Run:
    """Make a clip as the queue has it made, phase by phase on the clock."""
    marks: list[tuple[Phase, float]] = []

    def report(progress: Progress) -> None:
        if not marks or marks[-1][0] != progress.phase:
            marks.append((progress.phase, time.perf_counter()))

    with tempfile.TemporaryDirectory() as folder:
        target, poster, latents = (Path(folder) / name for name in ("clip.mp4", "clip.jpg", "clip.safetensors"))
        made = executor.run(Task("0" * 32, request, target, poster, latents), report, lambda: "go on")
    ends = [since for _, since in marks[1:]] + [time.perf_counter()]
    spent_s: dict[Phase, float] = {phase: end - since for (phase, since), end in zip(marks, ends, strict=True)}
    return Run.of(request, spent_s, made)


if __name__ == "__main__":
    main(*sys.argv[1:])
