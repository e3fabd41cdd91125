"""A judge of clips that learns from the art alone, never from Pocket's output: which subject, which scene, and where.

    python -m training.judge --minutes 8

A small convolutional net that looks at single frames of 1:1, 16:9 or 9:16 and says the subject, the scene, the thing
beside the subject if there is one, and the subject's place and size; what happens is then read from the track over the
frames and from the thing.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from studio.engine import grid
from training import world
from training.checkpoint import Stretch
from training.formats import autocast
from training.optimiser import Trainer
from training.sources import CACHE
from training.subjects import ACTIONS, SCENES, SUBJECTS, WITH

NAMES, PLACES = [s.name for s in SUBJECTS], list(SCENES)
THINGS = ["", *(thing for things in WITH.values() for thing in things)]  # "" where there is none
SEEN_FOR = 0.4  # of the frames, at least; what is eaten is there for three quarters of a clip
BESIDE = 0.15  # in units of the world: 0.1 on average under who rides, 0.23 in front of who eats, as the judge sees it
SIZES = ((128, 128), (128, 224), (224, 128))


class Judge(nn.Module):
    """Frames (B, 3, H, W) in -1..1 to logits of subject, scene and thing, and (x, y, size) in units of the world.

    Last comes where it looked for the thing, (x, y), which nobody taught it.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 48, 96, 160)
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths), widths, strict=False):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
            layers += [nn.Conv2d(after, after, 3, 1, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.heat = nn.Conv2d(widths[-1], 2, 1)
        self.subject = nn.Linear(widths[-1], len(NAMES))
        self.size = nn.Linear(widths[-1], 1)
        self.scene = nn.Linear(widths[-1], len(PLACES))
        self.thing = nn.Linear(widths[-1], len(THINGS))

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.body(frames)
        rows, columns = features.shape[-2:]
        where = self.heat(features).flatten(2).softmax(-1)  # (B, 2, cells): the subject's place, and the thing's
        here, beside = (features.flatten(2) @ where.mT).unbind(-1)
        y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
        short = min(rows, columns)
        cells = torch.stack([(x - columns / 2) / short, (y - rows / 2) / short]).flatten(1)
        place, place_beside = (where @ cells.T).unbind(1)
        track = torch.cat([place, self.size(here)], 1)
        return self.subject(here), self.scene(features.mean((2, 3))), self.thing(beside), track, place_beside


def stills(rng: Random, count: int) -> tuple[torch.Tensor, ...]:
    """Fresh frames with their truths: subject, scene, thing and track.

    A little blurred and noised at times, so that soft pictures are judged fairly.
    """
    height, width = rng.choice(SIZES)
    frames, subjects, scenes, things, tracks = [], [], [], [], []
    for _ in range(count):
        scenario = world.imagine(rng, 2.0, width / height, anywhere=True)
        at = rng.uniform(0.1, 0.9) * 2.0
        x, y, size, _ = (float(v[0]) for v in scenario.track(np.array([at])))
        frames.append(world.render_still(scenario, at, height, width)[:, 0])
        subjects.append(NAMES.index(scenario.subject))
        scenes.append(PLACES.index(scenario.scene))
        is_there = scenario.thing and scenario.thing_track(np.array([at]))[2][0] > 0.1
        things.append(THINGS.index(scenario.thing if is_there else ""))
        tracks.append((x, y, size))
    batch = torch.stack(frames)
    if rng.random() < 0.5:
        small = rng.choice((0.35, 0.5, 0.7))
        batch = F.interpolate(
            F.interpolate(batch, scale_factor=small, mode="area"), size=(height, width), mode="bilinear"
        )
    batch = batch + rng.uniform(0, 0.08) * torch.randn_like(batch)
    return batch, *(torch.tensor(truth) for truth in (subjects, scenes, things, tracks))


def train(minutes: float) -> None:
    torch.manual_seed(0)
    judge = Judge().train()
    trainer = Trainer([judge], lr=0.02, small_lr=2e-3, average=0.99)
    stretch = Stretch("judge", {"judge": judge}, trainer, minutes)
    rng = Random(5 + trainer.steps)
    while stretch.goes_on():
        frames, subjects, scenes, things, tracks = stills(rng, 24)
        with autocast():
            subject, scene, thing, track, _ = judge(frames)
        loss = F.cross_entropy(subject.float(), subjects) + 0.5 * F.cross_entropy(scene.float(), scenes)
        loss = loss + 0.5 * F.cross_entropy(thing.float(), things)
        trainer.step(loss + 4 * (track.float() - tracks).abs().mean(), stretch.progress)
        right = (subject.argmax(1) == subjects).float().mean().item()
        found = {"scene": scene.argmax(1) == scenes, "thing": thing.argmax(1) == things}
        stretch.tick(subject=right, **{name: each.float().mean().item() for name, each in found.items()})
    stretch.finish(CACHE / "judge.weights.pt")


def load() -> Judge:
    judge = Judge()
    judge.load_state_dict(torch.load(CACHE / "judge.weights.pt")["judge"])
    return judge.eval()


@dataclass(frozen=True)
class Sight:
    """What the judge sees in a clip of T frames: by the mean over them, frame by frame, and where, `track` (T, 3).

    `offset` is how far right of the subject and below it the thing is, while it is seen; None without one.
    """

    subject: str
    scene: str
    action: str
    thing: str
    subjects: list[str]
    track: np.ndarray
    offset: tuple[float, float] | None

    def is_together(self, ahead: int) -> bool:
        """Whether the thing is where what is done with it wants it: under who rides it, in front of who eats it.

        `ahead` is where the subject faces: 1 to the right, -1 to the left.
        """
        if self.offset is None:
            return False
        beside, below = self.offset
        return below > 0 and abs(beside) < BESIDE if self.action == "rides" else beside * ahead > BESIDE

    def landings(self) -> list[int]:
        """The frames at which the subject reaches the ground: where it comes to rest, or each lowest point."""
        y = self.track[:, 1]
        if self.action == "falls":
            return [int(np.argmax(y > np.median(y[-5:]) - 0.04))]
        after = np.append(y[1:], -np.inf)  # the last frame may be the lowest too
        lowest = [k for k in range(1, len(y)) if y[k - 1] <= y[k] > after[k] and y[k] > y.mean()]
        return lowest or [int(y.argmax())]


@torch.no_grad()
def look(judge: Judge, frames: np.ndarray) -> Sight:
    """Look at a clip, uint8 (T, H, W, 3)."""
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    subject, scene, things, track, beside = judge(pixels)
    thing = _thing(things.softmax(-1).mean(0))
    is_seen = things.argmax(-1) == THINGS.index(thing)
    offset = (beside - track[:, :2])[is_seen].median(0).values.tolist() if thing and is_seen.any() else None
    return Sight(
        subject=NAMES[int(subject.softmax(-1).mean(0).argmax())],
        scene=PLACES[int(scene.softmax(-1).mean(0).argmax())],
        action=action_of(track.numpy(), frames.shape[2] / frames.shape[1], thing),
        thing=thing,
        subjects=[NAMES[k] for k in subject.argmax(-1).tolist()],
        track=track.numpy(),
        offset=offset and (offset[0], offset[1]),
    )


def _thing(shares: torch.Tensor) -> str:
    """The thing that is seen, "" for none, from how sure the judge is of each over the frames (things,)."""
    best = int(shares[1:].argmax()) + 1
    return THINGS[best] if shares[1:].sum() > SEEN_FOR else ""


def action_of(track: np.ndarray, aspect: float, thing: str = "") -> str:
    """The likeliest action for a track (T, 3): the one whose ideal curve it follows with the least error.

    Spinning leaves no trace in place and size, so spins and stays are one answer, "stays". Where a thing is seen, it
    says what is done with it.
    """
    if thing:
        return next(action for action, things in WITH.items() if thing in things)
    t, u = np.arange(len(track)) / grid.POCKET.frame_rate, np.linspace(0, 1, len(track))
    x, y, size = track.T
    reach, gone = world.crossing(aspect), world.SPEED * t
    grown = world.SMALL + (world.LARGE - world.SMALL) * u
    fallen = world.TOP + (world.GROUND - world.TOP) * (u / 0.7) ** 2
    errors = {
        "left": _misfit(x, np.maximum(reach - gone, -reach)) + _flat(y) + _flat(size),
        "right": _misfit(x, np.minimum(gone - reach, reach)) + _flat(y) + _flat(size),
        "falls": _misfit(y, np.minimum(fallen, world.GROUND)) + _flat(x) + _flat(size),
        "rises": _misfit(y, np.maximum(world.BOTTOM - gone, -world.BOTTOM)) + _flat(x) + _flat(size),
        "grows": _sized(size, grown) + _flat(x) + _flat(y),
        "shrinks": _sized(size, grown[::-1]) + _flat(x) + _flat(y),
        "bounces": _misfit(y, world.GROUND - 0.375 * world.hop(t * world.BOUNCES_HZ)) + _flat(x) + _flat(size),
        "surfs": min(_misfit(x, side * np.minimum(gone - reach, reach)) for side in (-1, 1))
        + _misfit(y - y.mean(), _swelling(t) - _swelling(t).mean())  # how high it does so is no matter, as elsewhere
        + _flat(size),
        "dances": _misfit(x - x.mean(), world.DANCES_BY * np.sin(2 * math.pi * world.DANCES_HZ * t))
        + _flat(y)
        + _flat(size),
        "shakes": min(_misfit(x - x.mean(), _shaking(t, p)) for p in np.arange(0, 1, 0.25)) + _flat(y) + _flat(size),
        "stays": _flat(x) + _flat(y) + _flat(size),
    }
    return min(errors, key=lambda name: errors[name])


def _swelling(t: np.ndarray) -> np.ndarray:
    return world.SWELL * np.sin(2 * math.pi * world.SWELL_HZ * t)


def _shaking(t: np.ndarray, phase: float) -> np.ndarray:
    return world.SHAKES_BY * np.sin(2 * math.pi * (world.SHAKES_HZ * t + phase))


def _sized(found: np.ndarray, ideal: np.ndarray) -> float:
    """The judge takes what is large for smaller and what is small for larger, so less of a change will do."""
    return min(_misfit(found - found.mean(), share * (ideal - ideal.mean())) for share in (0.3, 0.5, 0.75, 1.0))


def _misfit(found: np.ndarray, ideal: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - ideal) ** 2)))


def _flat(found: np.ndarray) -> float:
    return float(found.std())


def same_action(found: str, meant: str) -> bool:
    return found == meant or (found == "stays" and meant == "spins")


_READ = {
    "left",
    "right",
    "bounces",
    "spins",
    "grows",
    "shrinks",
    "falls",
    "rises",
    "shakes",
    "stays",
    "surfs",
    "dances",
}
assert set(ACTIONS) == _READ | set(WITH)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    train(parser.parse_args().minutes)
