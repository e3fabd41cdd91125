"""The captioned toy world that Pocket learns from: a named subject does something somewhere, at times with a thing.

A `Scenario` says what happens, as functions of time, so that `render` here and `sounds.py` tell the same story.
Positions and sizes are in units of 128 pixels, from the picture's centre, x to the right and y down.

Everything keeps step with the latents, of 16 pixels and 4 frames: places lie on their grid, a subject is 5 wide, what
moves goes one further each time, and what repeats has come round. So a small model may copy what it has drawn before,
where it would have to draw it anew at every fraction of a latent.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from studio.engine.grid import POCKET
from training import scenes, sources
from training.subjects import ACTIONS, AHEAD, SCENES, SUBJECTS, THINGS, UNCOUNTED, WITH, Subject, moving, subject, words

SPRITE_PX = 80
LOOP_FRAMES = 72
UNIT_PX = 128
SIZE = 80 / UNIT_PX
SPEED = 48 / UNIT_PX  # a second: 4 pixels a frame
HOLD = 2  # frames that each of the art's is shown for: a quarter of its speed, so that a small model can follow
SHAKES_HZ, SHAKES_BY = 3.0, 0.08
BOUNCES_HZ = 1.0
TURNS_HZ = 0.375  # an eighth of a turn in 4 frames
SWELL_HZ, SWELL = 0.75, 0.125  # what surfs goes up and down by that much
DANCES_HZ, DANCES_BY, SWAYS_BY = 1.0, 0.125, 0.25  # of place and, in radians, of turn
THING = 48 / UNIT_PX
BITES_S = (0.6, 1.1, 1.6)  # when what is eaten gets smaller, and at last is gone

# Where clips begin and end; all are odd eighths of a half, at which the subject's edges fall between latents.
TOP, GROUND, BOTTOM, RIDDEN = -7 / 16, 3 / 16, 5 / 16, -3 / 16
SMALL, LARGE = 0.2, 0.84
MIDDLE = 1 / 16  # nearest to it on the grid of latents


def crossing(aspect: float) -> float:
    """Where what goes to one side begins."""
    return 7 / 16 if aspect > 1.2 else 5 / 16


def hop(phase: np.ndarray) -> np.ndarray:
    """Height 0..1 at so many hops."""
    return 4 * (phase % 1) * (1 - phase % 1)


@dataclass(frozen=True)
class Scenario:
    """What happens in a clip of `seconds`."""

    subject: str
    scene: str
    action: str
    caption: str
    seconds: float
    aspect: float  # width / height
    x: float
    y: float
    flip: bool
    seed: int
    thing: str = ""  # what it is done with

    @property
    def ahead(self) -> int:
        """To which side the subject looks: -1 is left."""
        return -1 if subject(self.subject).faces_left != self.flip else 1

    def track(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """x, y, size and turn (radians) at the times `t` (N,) in seconds; each (N,)."""
        u = t / self.seconds
        x, y, size, turn = (np.full_like(t, v) for v in (self.x, self.y, SIZE, 0.0))
        reach = crossing(self.aspect)
        match self.action:
            case "left":
                x = np.maximum(reach - SPEED * t, -reach)
            case "right":
                x = np.minimum(SPEED * t - reach, reach)
            case "bounces":
                y = GROUND - 0.375 * hop(t * BOUNCES_HZ)
            case "spins":
                turn = -2 * math.pi * TURNS_HZ * t
            case "grows":
                size = SMALL + (LARGE - SMALL) * u
            case "shrinks":
                size = LARGE - (LARGE - SMALL) * u
            case "falls":
                y = np.minimum(TOP + (GROUND - TOP) * (u / 0.7) ** 2, GROUND)
            case "rises":
                y = np.maximum(BOTTOM - SPEED * t, -BOTTOM)
            case "shakes":
                x = self.x + SHAKES_BY * np.sin(2 * math.pi * SHAKES_HZ * t)
            case "surfs":
                x = self.ahead * np.minimum(SPEED * t - reach, reach)
                y = SWELL * np.sin(2 * math.pi * SWELL_HZ * t)
                turn = 0.2 * self.ahead * np.cos(2 * math.pi * SWELL_HZ * t)
            case "dances":
                x = self.x + DANCES_BY * np.sin(2 * math.pi * DANCES_HZ * t)
                turn = SWAYS_BY * np.sin(2 * math.pi * DANCES_HZ * t)
            case "rides":
                x = self.ahead * np.minimum(SPEED * t - reach, reach)
                y = np.full_like(t, RIDDEN)
        return x, y, size, turn

    def thing_track(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The same of the thing."""
        x, y, _, turn = self.track(t)
        if self.action == "rides":
            return x, y + 0.375, np.full_like(t, THING), turn
        left = sum((t < bite).astype(float) for bite in BITES_S) / len(BITES_S)
        return x + 0.375 * self.ahead, y + 0.125, np.maximum(THING * left, 1e-3), turn

    def landings(self) -> list[float]:
        """The times in seconds at which the subject hits the ground."""
        if self.action == "bounces":
            return [k / BOUNCES_HZ for k in range(1, math.ceil(self.seconds * BOUNCES_HZ))]
        return [0.7 * self.seconds] if self.action == "falls" else []

    def bites(self) -> list[float]:
        """The times in seconds at which it is bitten off the thing."""
        return [bite for bite in BITES_S if bite < self.seconds] if self.action == "eats" else []


def is_held_out(subject: str, scene: str, action: str) -> bool:
    """True for the twentieth of all combinations that training never sees; chosen by hash, for evaluation."""
    return hashlib.sha256(f"{subject}|{scene}|{action}".encode()).digest()[0] % 20 == 0


def imagine(
    rng: Random, seconds: float, aspect: float, held_out: bool = False, anywhere: bool = False, **fixed: str
) -> Scenario:
    """Draw a scenario; `fixed` may name subject, scene, action or thing.

    `held_out` draws from the combinations kept back. What happens in one place does so in the middle unless `anywhere`:
    in noise a small model can't tell where a thing is, and draws a little of it at every place that it could have.
    """
    while True:
        name = fixed.get("subject") or rng.choice(SUBJECTS).name
        scene = fixed.get("scene") or rng.choice(list(SCENES))
        action = fixed.get("action") or rng.choice(list(ACTIONS))
        if fixed.keys() >= {"subject", "scene", "action"} or is_held_out(name, scene, action) == held_out:
            break
    # As the art shows it, unless it would go backwards: what may face either way is a lump to a small model.
    seen = subject(name)
    flip = action in ("left", "right") and (action == "right") == seen.faces_left
    thing = fixed.get("thing", "")
    if action in WITH and not thing:
        thing = rng.choice([thing for thing in WITH[action] if thing != name])
    ahead = -1 if seen.faces_left else 1
    x, y = place(rng, action, ahead, aspect) if anywhere else middle(action, ahead)
    return Scenario(
        name, scene, action, caption(seen, scene, action, rng, thing), seconds, aspect, x=x, y=y, flip=flip,
        seed=rng.randrange(2**31), thing=thing,
    )  # fmt: skip


def middle(action: str, ahead: int) -> tuple[float, float]:
    """Where things happen: in the middle, or with a thing before it a little behind that."""
    return (-3 * MIDDLE * ahead if action == "eats" else MIDDLE), MIDDLE


def place(rng: Random, action: str, ahead: int, aspect: float) -> tuple[float, float]:
    """Any place on the grid where the subject, and what it eats, is wholly in the picture."""
    across = (-5, -3, -1, 1, 3, 5) if aspect > 1.2 else (-3, -1, 1, 3)
    if action == "eats":
        return rng.choice([x for x in across if x * ahead < 0]) / 16, rng.choice((-1, 1)) / 16
    return rng.choice(across) / 16, rng.choice((-1, 1, 3)) / 16


def caption(seen: Subject, scene: str, action: str, rng: Random, thing: str = "") -> str:
    """One of many wordings of the same thing, from bare keywords to a sentence; a `scene` of "" is left open."""
    name = rng.choice((seen.name, seen.name, *seen.also))
    does = rng.choice(words(action, seen.moves, thing))
    if action == ("left" if seen.faces_left else "right") and rng.random() < 0.3:
        does = rng.choice(AHEAD).format(moves=seen.moves, moving=moving(seen.moves))
    where = rng.choice(SCENES[scene]) if scene else ""
    article = article_of(name)
    if scene and action == "stays" and rng.random() < 0.6:
        return rng.choice(
            (f"{article} {name} {where}", f"{name} {where}", f"{where}, {article} {name}", f"{name} {scene}")
        )
    bare = does.removeprefix("is ")
    if not scene or rng.random() < 0.07:  # people often leave the scene open
        return rng.choice((f"{article} {name} that {does}", f"{article} {name} {bare}", f"{name} {bare}"))
    return rng.choice((
        f"{article} {name} {does} {where}", f"{article} {name} {does} {where}", f"the {name} {does} {where}",
        f"{where}, {article} {name} {does}", f"{article} {name} {where} {does}",
        f"{article} {name} that {does} {where}", f"{article} {name} {bare} {where}",
        f"{name} {bare} {where}", f"{name} {scene} {bare}", f"a video of {article} {name} that {does}, {where}",
    ))  # fmt: skip


def article_of(name: str) -> str:
    if name in UNCOUNTED:
        return "some"
    return "an" if name[0] in "aeiou" and not name.startswith(("uni", "ufo")) else "a"


def render(
    scenario: Scenario, num_frames: int, height: int, width: int, backdrop: torch.Tensor | None = None, late: int = 0
) -> torch.Tensor:
    """The clip as float32 (3, num_frames, height, width) in -1..1; before a `backdrop`, 0..1, or else its scene.

    It begins with frame `late` of the scenario.
    """
    return _drawn(scenario, np.arange(late, late + num_frames), height, width, backdrop)


def render_still(scenario: Scenario, at_s: float, height: int, width: int) -> torch.Tensor:
    """One moment of the scenario, float32 (3, 1, height, width) in -1..1."""
    return _drawn(scenario, np.array([at_s * POCKET.frame_rate]), height, width)


def _drawn(
    scenario: Scenario, moments: np.ndarray, height: int, width: int, backdrop: torch.Tensor | None = None
) -> torch.Tensor:
    """The scenario at so many `moments` (T,), in frames: (3, T, height, width) in -1..1."""
    if backdrop is None:
        scene = scenes.draw(scenario.scene, height, width, Random(scenario.seed))
        backdrop = torch.from_numpy(scene.transpose(2, 0, 1))
    times, whole = moments / POCKET.frame_rate, torch.from_numpy(np.rint(moments)).long()
    layers = [(scenario.subject, scenario.track(times))]
    if scenario.thing:
        layers.append((scenario.thing, scenario.thing_track(times)))
    picture = backdrop[:, None].expand(-1, len(times), -1, -1)
    for name, track in layers:
        loop = sprites()[name]
        picture = compose(loop[whole // HOLD % len(loop)].float() / 255, picture, track, scenario.flip)
    return picture * 2 - 1


def compose(sprite: torch.Tensor, background: torch.Tensor, track, flip: bool) -> torch.Tensor:
    """Lay sprites (T, 4, S, S) over a background (3, T, H, W), both 0..1, along a track; (3, T, H, W)."""
    height, width = background.shape[-2:]
    x, y, size, turn = (torch.from_numpy(np.asarray(v, np.float32)) for v in track)
    half_w, half_h = width / UNIT_PX / 2, height / UNIT_PX / 2
    cos, sin, mirror = torch.cos(turn) * 2 / size, torch.sin(turn) * 2 / size, -1.0 if flip else 1.0
    row_x = torch.stack([cos * half_w, sin * half_h, -(cos * x + sin * y)], -1) * mirror
    row_y = torch.stack([-sin * half_w, cos * half_h, -(-sin * x + cos * y)], -1)
    grid = F.affine_grid(torch.stack([row_x, row_y], 1), [len(x), 4, height, width], align_corners=False)
    drawn = F.grid_sample(sprite, grid, align_corners=False, padding_mode="zeros")
    drawn = drawn.permute(1, 0, 2, 3)
    return (drawn[:3] + background * (1 - drawn[3:])).clamp(0, 1)


@lru_cache(maxsize=1)
def sprites() -> dict[str, torch.Tensor]:
    """Name of a subject or thing -> uint8 (frames, 4, S, S), premultiplied RGBA; kept in the cache."""
    store, art = sources.CACHE / f"sprites-{SPRITE_PX}.pt", {s.name: s.art for s in SUBJECTS} | THINGS
    found = torch.load(store) if store.exists() else {}
    if missing := art.keys() - found.keys():
        files = sources.emoji_files()
        found |= {name: _load_sprite(*files[art[name]]) for name in missing}
        torch.save(found, store)
    return found


def _load_sprite(path, is_animated: bool) -> torch.Tensor:
    with Image.open(path) as art:
        count = min(getattr(art, "n_frames", 1), LOOP_FRAMES) if is_animated else 1
        frames = []
        for k in range(count):  # at half the art's speed, 24 frames a second: so quick a wriggle is smeared at 12
            art.seek(k)
            frames.append(np.asarray(art.convert("RGBA"), np.float32) / 255)
    stack = np.stack(frames)
    stack[..., :3] *= stack[..., 3:]
    small = F.interpolate(
        torch.from_numpy(_cropped(stack)).permute(0, 3, 1, 2), (SPRITE_PX, SPRITE_PX), mode="bicubic", antialias=True
    )
    return (small.clamp(0, 1) * 255).round().byte()


def _cropped(stack: np.ndarray) -> np.ndarray:
    seen = stack[..., 3].max(0) > 0.05
    rows, columns = np.where(seen.any(1))[0], np.where(seen.any(0))[0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(bottom - top, right - left)
    out = np.zeros((len(stack), side, side, 4), np.float32)
    dy, dx = (side - (bottom - top)) // 2, (side - (right - left)) // 2
    out[:, dy : dy + bottom - top, dx : dx + right - left] = stack[:, top:bottom, left:right]
    return out
