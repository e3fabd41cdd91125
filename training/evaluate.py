"""Measures the Pocket in `assets/pocket` on held-out prompts and prints a table.

    python -m training.evaluate [--clips 48] [--before OLD_POCKET [--before-at 4 1]] [--keep]

The prompts are plain captions of combinations that training never saw. The judge learned from the art alone; its own
accuracy on true renders stands beside its verdicts on Pocket's clips. Each Pocket is asked as its page asks it.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from studio.domain import VideoRequest
from studio.engine import grid
from studio.engine.pipeline import Generated, VideoPipeline
from studio.engine.rows import POCKET
from studio.media.detail import give_back
from studio.media.join import join
from studio.media.video import Movie
from training import judge, listener, lpips, model, photos, sounds, world
from training.sources import CACHE
from training.subjects import PANS, SCENES, SUBJECTS, WITH, subject, words

RATIOS = ("16:9", "1:1", "9:16")
FEWER = 24  # clips are enough for what takes a clip more
SEEDS = 8  # of each of these
PAIRS = 24  # of things that have to do with each other
TYPED_FIRST = {  # prompt -> subject, scene (none is asked for where it is empty), action and thing in it
    "a cat surfing on a rainbow": ("cat", "rainbow", "surfs", ""),
    "a dragon soaring over a cityscape": ("dragon", "city", "surfs", ""),
    "a unicorn eating spaghetti": ("unicorn", "", "eats", "spaghetti"),
}
MANY_STEPS, GUIDED = 32, 3.0
PANNED = photos.PAN * 12 / 2  # half of what is said will do


def plain_caption(scenario: world.Scenario) -> str:
    seen = subject(scenario.subject)
    does = words(scenario.action, seen.moves, scenario.thing)[0]
    return f"{world.article_of(seen.name)} {seen.name} {does} {SCENES[scenario.scene][0]}"


def held_out(count: int) -> list[world.Scenario]:
    """The first `count` scenarios of a fixed seed among the combinations kept out of training, every shape in turn."""
    rng = Random(2026)
    sizes = [grid.size(grid.POCKET, RATIOS[k % 3]) for k in range(count)]
    return [world.imagine(rng, 25 / grid.POCKET.frame_rate, width / height, held_out=True) for width, height in sizes]


def pairs() -> list[world.Scenario]:
    """Subjects from the whole list with each thing that they may eat or ride, every shape in turn, anywhere."""
    told, scenarios = [(action, thing) for action, things in WITH.items() for thing in things], []
    for k in range(PAIRS):
        width, height = grid.size(grid.POCKET, RATIOS[k % 3])
        (action, thing), name = told[k % len(told)], any_subject(k, PAIRS)
        thing = thing if thing != name else next(other for other in WITH[action] if other != name)
        with_it = {"subject": name, "action": action, "thing": thing}
        scenarios.append(world.imagine(Random(k), 25 / grid.POCKET.frame_rate, width / height, **with_it))
    return scenarios


def together(seen: judge.Sight, scenario: world.Scenario) -> dict[str, float]:
    """Whether subject and thing are both seen, and where they belong."""
    are_both = seen.subject == scenario.subject and seen.thing == scenario.thing
    return {
        "subject and thing beside it, both found": are_both,
        "... and where they belong": are_both and seen.is_together(scenario.ahead),
    }


def rendered(scenario: world.Scenario, ratio: str) -> np.ndarray:
    width, height = grid.size(grid.POCKET, ratio)
    return pixels(world.render(scenario, 25, height, width))


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


@torch.no_grad()
def unlike(measure: lpips.Lpips, a: np.ndarray, b: np.ndarray) -> float:
    """LPIPS of two clips, uint8 (T, H, W, 3), mean over every sixth frame: 0 for the same."""
    ours, theirs = (torch.from_numpy(x[::6]).permute(0, 3, 1, 2).float() / 127.5 - 1 for x in (a, b))
    return float(measure(ours, theirs).mean())


def balance_shift(sound: np.ndarray) -> float:
    """How far the sound (2, N) moves to the right: its balance, -1..1, in the second half against the first."""
    first, second = (part.astype(np.float64) ** 2 for part in np.array_split(sound, 2, axis=1))
    return float(np.diff([(p[1].sum() - p[0].sum()) / (p.sum() + 1e-9) for p in (first, second)])[0])


@dataclass
class Tally:
    """What was found of one Pocket: values by name, one for each clip, and the clips themselves."""

    values: dict[str, list[float]] = field(default_factory=dict)
    clips: list[np.ndarray] = field(default_factory=list)

    def add(self, found: dict[str, float]) -> None:
        for what, value in found.items():
            self.values.setdefault(what, []).append(float(value))

    def said(self, what: str) -> str:
        """Its mean or median with its unit, which its name tells, and of how many if not of every clip."""
        values = self.values.get(what)
        if not values:
            return ""
        few = f" ({len(values)})" if len(values) != len(self.values["subject"]) else ""
        if "median" in what:
            return f"{np.median(values):.1f}{few}"
        if "dB" in what:
            return f"{np.mean(values):.1f}{few}"
        return f"{np.mean(values):.2f}{few}" if "LPIPS" in what else f"{100 * np.mean(values):.0f} %{few}"


class Evaluation:
    """One Pocket, and the judge of it."""

    def __init__(self, folder: Path, steps: int, guidance: float) -> None:
        self.pipeline, self.judges, self.tally = VideoPipeline(folder), load_judges(), Tally()
        self.seer, self.lpips = self.judges[0], lpips.load()
        self.steps, self.guidance = steps, guidance
        self.pipeline.load()

    def make(self, prompt: str, ratio: str, seed: int, **given: Any) -> Generated:
        request = VideoRequest(
            prompt, aspect_ratio=ratio, seed=seed,
            seconds=given.pop("seconds", 2.0), num_inference_steps=given.pop("steps", self.steps),
            guidance_scale=given.pop("guidance", self.guidance), picture="x" if "picture" in given else None,
        )  # fmt: skip
        made = self.pipeline.generate(request, lambda _: None, lambda: "go on", **given)
        return replace(made, frames=give_back(made.frames, given["picture"])) if "picture" in given else made

    def judge(self, scenarios: list[world.Scenario]) -> None:
        """Subject, scene, action, thing and sound of each; and of the first ones what many steps make of them."""
        for k, scenario in enumerate(scenarios):
            made = self.make(plain_caption(scenario), RATIOS[k % 3], k)
            self.tally.clips.append(made.frames)
            assert made.sound is not None
            values = found(self.judges, scenario, made.frames, made.sound)
            self.tally.add(values)
            if k < FEWER:
                many = self.make(plain_caption(scenario), RATIOS[k % 3], k, steps=MANY_STEPS, guidance=GUIDED)
                seen, way = judge.look(self.seer, many.frames), f"in {MANY_STEPS} steps with guidance {GUIDED:g}"
                of_first = "of the first of these clips"
                self.tally.add({f"subject {of_first}, as above": values["subject"]})
                self.tally.add({f"subject {of_first}, {way}": seen.subject == scenario.subject})
                self.tally.add({f"action {of_first}, as above": values["action"]})
                self.tally.add({f"action {of_first}, {way}": judge.same_action(seen.action, scenario.action)})

    def typed(self) -> None:
        """What people type first, in the page's own words and shape, with the first seeds."""
        for prompt, (name, scene, action, thing) in TYPED_FIRST.items():
            for seed in range(SEEDS):
                seen = judge.look(self.seer, self.make(prompt, RATIOS[0], seed).frames)
                self.tally.add({"typed first, subject": seen.subject == name})
                self.tally.add({"typed first, action": judge.same_action(seen.action, action)})
                if scene:
                    self.tally.add({"typed first, scene": seen.scene == scene})
                if thing:
                    ahead = -1 if subject(name).faces_left else 1
                    is_there = seen.thing == thing and seen.is_together(ahead)
                    self.tally.add({"typed first, spaghetti seen in front": is_there})

    def pair(self) -> None:
        """Two things and how they are together."""
        for k, scenario in enumerate(pairs()):
            made = self.make(plain_caption(scenario), RATIOS[k % 3], k)
            self.tally.add(together(judge.look(self.seer, made.frames), scenario))

    def compare(self, scenarios: list[world.Scenario]) -> None:
        """What wants more than one look at a clip: autoencoder, pictures, going on, other seeds."""
        for k, scenario in enumerate(scenarios[:FEWER]):
            ratio, true = RATIOS[k % 3], rendered(scenario, RATIOS[k % 3])
            self._add_autoencoded("unseen toy clips", true)
            if k % 3 == 0:
                follows = self.make("", ratio, 1, picture=true[0]).frames[0]
                self.tally.add({"picture to video, first frame of a toy (median), dB": psnr(follows, true[0])})
                photo = photographed(Random(k), ratio)
                follows = self.make("", ratio, 1, picture=photo[0]).frames[0]
                self._add_autoencoded("photographs that it learned from", photo)
                self.tally.add({"picture to video, first frame of a photograph (median), dB": psnr(follows, photo[0])})
                self.tally.add(self._gone_on(scenario, ratio, self.tally.clips[k]))
            if k % 4 == 0:
                others = [self.tally.clips[k], self.make(plain_caption(scenario), ratio, 1000 + k).frames]
                again = world.imagine(
                    Random(k), scenario.seconds, scenario.aspect, subject=scenario.subject, scene=scenario.scene,
                    action=scenario.action, thing=scenario.thing,
                )  # fmt: skip
                share = apart(*others) / apart(true, rendered(again, ratio))
                self.tally.add({"other seeds differ, against the data's (median)": share})

    def _add_autoencoded(self, what: str, true: np.ndarray) -> None:
        again = autoencoded(self.pipeline, true)
        self.tally.add({f"autoencoder, {what}, dB": psnr(again, true)})
        self.tally.add({f"autoencoder, {what}, LPIPS": unlike(self.lpips, again, true)})

    def _gone_on(self, scenario: world.Scenario, ratio: str, clip: np.ndarray) -> dict[str, float]:
        """The clip made a second longer: the jump at the seam, and whether the subject is still there."""
        history = clip[-grid.POCKET.overlap_frames :]
        made = self.make(plain_caption(scenario), ratio, 7, history=history, seconds=1.0)
        more = Movie(made.frames, grid.POCKET.frame_rate)
        longer = join(Movie(clip, grid.POCKET.frame_rate), more, len(history), POCKET.is_soft).frames[len(clip) :]
        steps = [apart(a, b) for a, b in pairwise([*clip[-5:]])] + [apart(a, b) for a, b in pairwise([*longer[:5]])]
        usual = float(np.mean(steps))
        is_same = judge.look(self.seer, longer).subject == judge.look(self.seer, clip).subject
        return {
            "extension, jump at the seam against the usual one (median)": apart(clip[-1], longer[0]) / usual,
            "extension, subject still the same": float(is_same),
        }

    def bring(self) -> None:
        """Photographs that training has not seen: each stays, is panned over, and has a toy come into it."""
        for k in range(SEEDS):
            width, height = grid.size(grid.POCKET, RATIOS[0])
            photo = pixels(photos.view(Random(k), height, width, is_kept_out=True)[:, None] * 2 - 1)[0]
            stayed = self.make("", RATIOS[0], k, picture=photo).frames
            self.tally.add({"photograph alone, the last frame as the given one, dB": psnr(stayed[-1], photo)})
            side = (-1, 1)[k % 2]
            panned = self.make(PANS[side][0], RATIOS[0], k, picture=photo).frames
            self.tally.add({"photograph, the camera pans to the side that is said": pan_seen(panned) * side >= PANNED})
            name = any_subject(k)
            came = self.make(f"{world.article_of(name)} {name} bounces", RATIOS[0], k, picture=photo).frames
            self.tally.add({"photograph, the toy that comes into it": judge.look(self.seer, came).subject == name})


def any_subject(k: int, of: int = SEEDS) -> str:
    """The kth of so many names, from the whole list of subjects."""
    return SUBJECTS[(2 * k + 1) * len(SUBJECTS) // (2 * of)].name


def load_judges() -> tuple[judge.Judge, listener.Listener]:
    return judge.load(), listener.load()


def found(
    judges: tuple[judge.Judge, listener.Listener], scenario: world.Scenario, frames: np.ndarray, sound: np.ndarray
) -> dict[str, float]:
    """Of one clip: 1 or 0 for what is right or not, or a share, or a number of frames."""
    sight, (voice, place) = judge.look(judges[0], frames), listener.listen(judges[1], sound)
    values: dict[str, float] = {
        "subject": sight.subject == scenario.subject,
        "subject, in single frames": float(np.mean([seen == scenario.subject for seen in sight.subjects])),
        "scene": sight.scene == scenario.scene,
        "action": judge.same_action(sight.action, scenario.action),
        "the subject's voice heard": voice == subject(scenario.subject).voice,
        "the scene heard": place == scenario.scene,
    }
    if scenario.action in ("left", "right") and sight.action in ("left", "right"):
        side = 1 if sight.action == "right" else -1
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


def photographed(rng: Random, ratio: str) -> np.ndarray:
    """A slow pan over a photograph as uint8 (T, H, W, 3)."""
    width, height = grid.size(grid.POCKET, ratio)
    return pixels(photos.clip(rng, 25, height, width))


def pixels(clip: torch.Tensor) -> np.ndarray:
    """(3, T, H, W) in -1..1 as uint8 (T, H, W, 3)."""
    return ((clip.permute(1, 2, 3, 0) + 1) * 127.5).round().byte().numpy()


def pan_seen(clip: np.ndarray, frames: int = 12, most: int = 48) -> int:
    """By how many pixels the camera has gone to the right after so many frames, where that explains most."""
    first, later = clip[0].astype(np.float32), clip[frames].astype(np.float32)
    width = first.shape[1]

    def error(shift: int) -> float:
        before, after = max(0, shift), max(0, -shift)
        return float(np.abs(first[:, before : width - after] - later[:, after : width - before]).mean())

    return min(range(-most, most + 1, 2), key=error)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of two pictures or clips, 0..255."""
    return float(np.abs(a.astype(np.float32) - b.astype(np.float32)).mean())


def evaluated(folder: Path, clips: int, steps: int, guidance: float) -> Tally:
    """All that is measured of the Pocket in `folder`, on one core: several at once do not disturb each other."""
    torch.set_num_threads(1)
    scenarios, evaluation = held_out(clips), Evaluation(folder, steps, guidance)
    evaluation.judge(scenarios)
    evaluation.typed()
    evaluation.pair()
    evaluation.bring()
    evaluation.compare(scenarios)
    return evaluation.tally


def of_true_renders(clips: int) -> Tally:
    """What the judge finds in the world itself."""
    torch.set_num_threads(1)
    judges, tally = load_judges(), Tally()
    for k, scenario in enumerate(held_out(clips)):
        tally.add(found(judges, scenario, rendered(scenario, RATIOS[k % 3]), sounds.soundtrack(scenario)))
    for k, scenario in enumerate(pairs()):
        tally.add(together(judge.look(judges[0], rendered(scenario, RATIOS[k % 3])), scenario))
    return tally


def learn_to_judge() -> None:
    """Train the judges that the cache lacks."""
    for name, module, minutes in (("judge", judge, 16), ("listener", listener, 6)):
        if not (CACHE / f"{name}.weights.pt").exists():
            print(f"There is no {name} yet; it learns for {minutes} minutes.", flush=True)
            module.train(minutes)


def main(clips: int, before: Path | None, before_at: tuple[float, float]) -> str:
    """The table."""
    learn_to_judge()
    own = POCKET.default_steps, POCKET.default_guidance
    runs = {model.POCKET: own} | ({before: (int(before_at[0]), before_at[1])} if before else {})
    with ProcessPoolExecutor(2, get_context("spawn")) as cores:
        asked = [cores.submit(evaluated, folder, clips, *settings) for folder, settings in runs.items()]
        true = cores.submit(of_true_renders, clips)
        tallies = [run.result() for run in asked] + [true.result()]
    heads = [
        f"{name}, {steps} steps, guidance {guidance:g}"
        for name, (steps, guidance) in zip(("Pocket", "the one before"), runs.values(), strict=False)
    ]
    rows = [
        f"| {clips} held-out prompts (or so many clips) | {' | '.join(heads)} | true renders |",
        f"|---{'|---' * len(tallies)}|",
        *(f"| {what} | {' | '.join(tally.said(what) for tally in tallies)} |" for what in tallies[0].values),
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--before", type=Path, help="folder of another Pocket, judged by the same clips beside it")
    parser.add_argument("--before-at", type=float, nargs=2, default=(4, 1.0), metavar=("STEPS", "GUIDANCE"))
    parser.add_argument("--keep", action="store_true", help="write the table where the model card takes it from")
    chosen = parser.parse_args()
    table = main(chosen.clips, chosen.before, chosen.before_at)
    print(table)
    if chosen.keep:
        (model.POCKET / "evaluation.md").write_text(table + "\n", encoding="utf-8")
