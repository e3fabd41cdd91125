"""Measures the Pocket in `assets/pocket` on held-out prompts and prints a table.

    python -m training.evaluate [--clips 60] [--steps 16] [--sheet sheet.png]

The prompts are plain captions of combinations that training never saw. The judge learned from the art alone; its own
accuracy on true renders stands beside its verdicts on Pocket's clips.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image, ImageOps

from studio.domain import VideoRequest
from studio.engine import grid
from studio.engine.pipeline import VideoPipeline
from training import judge, model, sounds, world
from training.subjects import ACTIONS, SCENES, subject

RATIOS = ("16:9", "1:1", "9:16")


def plain_caption(scenario: world.Scenario) -> str:
    seen = subject(scenario.subject)
    article = "an" if seen.name[0] in "aeio" else "a"
    return f"{article} {seen.name} {ACTIONS[scenario.action][0].format(moves=seen.moves)} {SCENES[scenario.scene][0]}"


def held_out(count: int) -> list[world.Scenario]:
    """The first `count` scenarios of a fixed seed among the combinations kept out of training, every shape in turn."""
    rng = Random(2026)
    sizes = [grid.size(grid.POCKET, RATIOS[k % 3]) for k in range(count)]
    return [world.imagine(rng, 25 / grid.POCKET.frame_rate, width / height, held_out=True) for width, height in sizes]


def rendered(scenario: world.Scenario, ratio: str) -> np.ndarray:
    width, height = grid.size(grid.POCKET, ratio)
    clip = world.render(scenario, 25, height, width)
    return ((clip.permute(1, 2, 3, 0) + 1) * 127.5).round().byte().numpy()


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    square = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return 99.0 if square == 0 else 10 * math.log10(255**2 / square)


@torch.no_grad()
def autoencoded(pipeline: VideoPipeline, frames: np.ndarray) -> np.ndarray:
    """The clip through the video autoencoder and back."""
    vae = pipeline._pipe.vae
    pixels = (torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1).to(vae.dtype)
    again = vae.decode(vae.encode(pixels).latent_dist.mode(), None, return_dict=False)[0][0].float()
    return ((again.permute(1, 2, 3, 0) + 1) * 127.5).clamp(0, 255).round().byte().numpy()


def balance_shift(sound: np.ndarray) -> float:
    """How far the sound (2, N) moves to the right: its balance, -1..1, in the second half against the first."""
    first, second = (part.astype(np.float64) ** 2 for part in np.array_split(sound, 2, axis=1))
    return float(np.diff([(p[1].sum() - p[0].sum()) / (p.sum() + 1e-9) for p in (first, second)])[0])


def score(pipeline: VideoPipeline, scenarios: list[world.Scenario], steps: int, guidance: float) -> tuple[dict, list]:
    """What the judge finds of subject, scene, action, and how the sound fits, each clip's by name; and the clips."""
    seer = judge.load()
    tally: dict[str, list[float]] = {}
    clips = []
    for k, scenario in enumerate(scenarios):
        ratio = RATIOS[k % 3]
        request = VideoRequest(
            plain_caption(scenario), aspect_ratio=ratio, seed=k, num_inference_steps=steps, guidance_scale=guidance
        )
        made = pipeline.generate(request, lambda _: None, lambda: "go on")
        clips.append(made.frames)
        true = rendered(scenario, ratio), sounds.soundtrack(scenario)
        for name, frames, sound in (("Pocket", made.frames, made.sound), ("true", *true)):
            for what, value in found(seer, scenario, frames, sound).items():
                tally.setdefault(f"{what}, {name}", []).append(value)
    return tally, clips


def found(seer: judge.Judge, scenario: world.Scenario, frames: np.ndarray, sound: np.ndarray) -> dict[str, float]:
    """Of one clip: 1 or 0 for what is right or not, or a share, or a number of frames."""
    sight = judge.look(seer, frames)
    values: dict[str, float] = {
        "subject": sight.subject == scenario.subject,
        "subject, in single frames": float(np.mean([seen == scenario.subject for seen in sight.subjects])),
        "scene": sight.scene == scenario.scene,
        "action": judge.same_action(sight.action, scenario.action),
    }
    if scenario.action in ("left", "right"):
        side = 1 if scenario.action == "right" else -1
        values["heard moving to the side it is seen moving to"] = balance_shift(sound) * side > 0
    if scenario.landings() and values["action"]:
        heard = landing_heard(sound)
        values["landing heard, frames from where it is seen (median)"] = min(abs(heard - k) for k in sight.landings())
    return values


def landing_heard(sound: np.ndarray) -> float:
    """The frame of the loudest onset below about 250 Hz, where a thud is."""
    logs = sounds.mel(torch.from_numpy(sound)).mean(0)[:, :3] * sounds.MEL_SPREAD
    loudness = np.convolve(logs.exp().mean(1).numpy(), np.ones(3) / 3, "same")
    onset = int(np.argmax(loudness[3:] - loudness[:-3])) + 2
    return onset / 100 * grid.POCKET.frame_rate


def contact_sheet(clips: list[np.ndarray], path: Path, columns: int = 4) -> None:
    """Rows of clips, `columns` moments each, two clips a row."""
    rows = []
    for clip in clips:
        moments = [Image.fromarray(clip[k]) for k in np.linspace(0, len(clip) - 1, columns).astype(int)]
        rows.append(np.concatenate([np.asarray(ImageOps.pad(each, (168, 128))) for each in moments], 1))
    pairs = [np.concatenate(rows[k : k + 2], 1) for k in range(0, len(rows) - 1, 2)]
    Image.fromarray(np.concatenate(pairs)).save(path)


def main(clips: int, steps: int, guidance: float, sheet: Path | None) -> None:
    pipeline = VideoPipeline()
    pipeline.load()
    scenarios = held_out(clips)
    fresh = [rendered(scenario, RATIOS[k % 3]) for k, scenario in enumerate(scenarios)]
    recon = [psnr(autoencoded(pipeline, frames), frames) for frames in fresh]
    started = time.monotonic()
    tally, made = score(pipeline, scenarios, steps, guidance)
    spent = time.monotonic() - started
    first = VideoRequest("", picture="x", seed=1, num_inference_steps=steps, guidance_scale=guidance)
    follows = [
        psnr(pipeline.generate(first, lambda _: None, lambda: "go on", picture=f[0]).frames[0], f[0])
        for k, f in enumerate(fresh) if k % 3 == 0
    ][:8]  # fmt: skip
    rows = [
        f"| {clips} held-out prompts, {steps} steps, guidance {guidance:g} | |",
        "|---|---|",
        f"| video autoencoder, unseen toy clips | {np.mean(recon):.1f} dB |",
        f"| picture to video: first frame against the picture (toys) | {np.mean(follows):.1f} dB |",
    ]
    for name, values in tally.items():
        is_median = "median" in name
        rows.append(
            f"| {name} | {np.median(values):.1f} |" if is_median else f"| {name} | {100 * np.mean(values):.0f} % |"
        )
    rows.append(f"| seconds a clip of 2.1 s, judging included | {spent / clips:.1f} |")
    print("\n".join(rows))
    (model.POCKET / "evaluation.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if sheet:
        contact_sheet(made[:24], sheet)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--sheet", type=Path)
    chosen = parser.parse_args()
    main(chosen.clips, chosen.steps, chosen.guidance, chosen.sheet)
