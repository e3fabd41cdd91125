"""`make bench`: where the seconds of a default clip go on this machine, and what the studio adds to plain diffusers.

Runs alternate, and medians are printed, because machines are noisy; compare the ratios, not the seconds.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from studio.domain import VideoRequest
from studio.engine import attention, grid
from studio.engine.families import ltx2
from studio.engine.pipeline import VideoPipeline
from studio.media.provenance import tags
from studio.media.video import Movie, write_video

ROUNDS = 5
REQUEST = VideoRequest("a cat walks to the right in a meadow", seed=7)
ROOT = Path(__file__).parent.parent


def main() -> None:
    frames, pixels = grid.num_frames(REQUEST.seconds), grid.size(REQUEST.aspect_ratio)
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


def page_ready() -> float:
    """Seconds from starting the studio to its page answering."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PORT": str(port), "DATA_DIR": folder}
        started = time.perf_counter()
        server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                    return time.perf_counter() - started
                except OSError:
                    if server.poll() is not None or time.perf_counter() - started > 120:
                        raise
                    time.sleep(0.05)
        finally:
            server.terminate()
            server.wait()


def clip(pipeline: VideoPipeline) -> dict[str, float]:
    """Seconds of every phase of a warm default clip, medians."""
    found: dict[str, list[float]] = {}
    generate(pipeline)
    for _ in range(ROUNDS):
        started = time.perf_counter()
        made = generate(pipeline)
        generated = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            movie = Movie(made.frames, made.frame_rate, made.sound, made.sampling_rate)
            write_video(Path(folder) / "clip.mp4", movie, tags(REQUEST, {}), lambda: False)
        done = time.perf_counter()
        length = len(made.frames) / made.frame_rate
        for name, value in (
            ("read the prompt", made.text_s), ("denoise", made.denoise_s), ("decode", made.decode_s),
            ("encode", done - generated), ("total", done - started), ("the clip's own length", length),
        ):  # fmt: skip
            found.setdefault(name, []).append(value)
    return {name: median(values) for name, values in found.items()}


def generate(pipeline: VideoPipeline) -> Any:
    return pipeline.generate(REQUEST, lambda _: None, lambda: False)


def against_diffusers(pipeline: VideoPipeline) -> list[str]:
    """Table rows: our pipeline, plain diffusers with our attention, plain diffusers as it comes."""
    import torch  # slow to import, and only the bench wants it here
    from diffusers import LTX2ConditionPipeline  # slow to import, and only the bench wants it here

    plain = {}
    for name in ("plain diffusers, our attention", "plain diffusers as it comes"):
        pipe: Any = LTX2ConditionPipeline.from_pretrained(
            pipeline.pocket_dir, torch_dtype=torch.bfloat16, local_files_only=True
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
        width=grid.canvas(REQUEST.aspect_ratio)[0],
        height=grid.canvas(REQUEST.aspect_ratio)[1],
        num_frames=grid.num_frames(REQUEST.seconds),
        frame_rate=grid.FRAME_RATE,
        num_inference_steps=REQUEST.num_inference_steps,
        guidance_scale=REQUEST.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(REQUEST.seed),
        output_type="np",
        max_sequence_length=ltx2.PROMPT_TOKENS,
        **ltx2.PLAIN_GUIDANCE,
    )
    return (made.frames[0] * 255).round().astype(np.uint8)


def likeness(frames: np.ndarray, ours: np.ndarray) -> str:
    if np.array_equal(frames, ours):
        return "equal to ours"
    square = np.mean((frames.astype(np.float64) - ours) ** 2)
    return f"{10 * np.log10(255**2 / square):.1f} dB to ours"


if __name__ == "__main__":
    main()
