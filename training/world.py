"""The captioned toy world that Pocket learns from: one named subject does something in a named scene.

A `Scenario` says what happens, as functions of time, so that `render` here and `sounds.py` tell the same story.
Positions are in units of the short side from the picture's centre, x to the right and y down.
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
from training.subjects import ACTIONS, SCENES, SUBJECTS, Subject, subject

SPRITE_PX = 80
LOOP_FRAMES = 72
SHAKES_HZ, SHAKES_BY = 2.5, 0.08


@dataclass(frozen=True)
class Scenario:
    """What happens in a clip of `seconds`; `chance` holds the numbers drawn for its motion."""

    subject: str
    scene: str
    action: str
    caption: str
    seconds: float
    aspect: float  # width / height
    size: float  # of the subject, in short sides
    x: float
    y: float
    flip: bool
    rate: float
    seed: int

    def track(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """x, y, size and turn (radians) at the times `t` (N,) in seconds; each (N,)."""
        u = t / self.seconds
        x, y, size, turn = (np.full_like(t, v) for v in (self.x, self.y, self.size, 0.0))
        reach = max(1.0, self.aspect) / 2
        match self.action:
            case "left":
                x = (reach + 0.1) * (0.55 - 1.1 * u)
            case "right":
                x = (reach + 0.1) * (-0.55 + 1.1 * u)
            case "bounces":
                phase = (t * self.rate) % 1
                y = 0.2 - 0.45 * 4 * phase * (1 - phase)
            case "spins":
                turn = math.pi * t * self.rate * (1 if self.flip else -1)
            case "grows":
                size = 0.2 + (self.size * 1.35 - 0.2) * u
            case "shrinks":
                size = self.size * 1.35 - (self.size * 1.35 - 0.2) * u
            case "falls":
                y = np.minimum(-0.5 + 0.7 * (u / 0.7) ** 2, 0.2)
            case "rises":
                y = 0.35 - 0.7 * u
            case "shakes":
                x = self.x + SHAKES_BY * np.sin(2 * math.pi * SHAKES_HZ * t)
        return x, y, size, turn

    def landings(self) -> list[float]:
        """The times in seconds at which the subject hits the ground."""
        if self.action == "bounces":
            return [k / self.rate for k in range(1, int(self.seconds * self.rate) + 1) if k / self.rate < self.seconds]
        return [0.7 * self.seconds] if self.action == "falls" else []


def is_held_out(subject: str, scene: str, action: str) -> bool:
    """True for the twentieth of all combinations that training never sees; chosen by hash, for evaluation."""
    return hashlib.sha256(f"{subject}|{scene}|{action}".encode()).digest()[0] % 20 == 0


def imagine(rng: Random, seconds: float, aspect: float, held_out: bool = False, **fixed: str) -> Scenario:
    """Draw a scenario; `fixed` may name subject, scene or action. `held_out` draws from the combinations kept back."""
    while True:
        name = fixed.get("subject") or rng.choice(SUBJECTS).name
        scene = fixed.get("scene") or rng.choice(list(SCENES))
        action = fixed.get("action") or rng.choice(list(ACTIONS))
        if len(fixed) == 3 or is_held_out(name, scene, action) == held_out:
            break
    seen, flip = subject(name), rng.random() < 0.5
    if action in ("left", "right"):
        flip = (action == "right") == seen.faces_left
    side = max(0.0, aspect - 1) * 0.3
    return Scenario(
        name, scene, action, caption(seen, scene, action, rng), seconds, aspect,
        size=rng.uniform(0.48, 0.64), x=rng.uniform(-0.15 - side, 0.15 + side), y=rng.uniform(-0.08, 0.18),
        flip=flip, rate=rng.uniform(0.75, 1.15), seed=rng.randrange(2**31),
    )  # fmt: skip


def caption(seen: Subject, scene: str, action: str, rng: Random) -> str:
    """One of many wordings of the same thing, from bare keywords to a sentence."""
    name = rng.choice((seen.name, seen.name, *seen.also))
    does = rng.choice(ACTIONS[action]).format(moves=seen.moves)
    where = rng.choice(SCENES[scene])
    article = "an" if name[0] in "aeiou" and not name.startswith(("uni", "ufo")) else "a"
    if action == "stays" and rng.random() < 0.6:
        return rng.choice(
            (f"{article} {name} {where}", f"{name} {where}", f"{where}, {article} {name}", f"{name} {scene}")
        )
    return rng.choice((
        f"{article} {name} {does} {where}", f"{article} {name} {does} {where}", f"the {name} {does} {where}",
        f"{where}, {article} {name} {does}", f"{article} {name} {where} {does}",
        f"{article} {name} that {does} {where}",
        f"{name} {does} {where}", f"{name} {scene} {does}", f"a video of {article} {name} that {does}, {where}",
    ))  # fmt: skip


def render(scenario: Scenario, num_frames: int, height: int, width: int) -> torch.Tensor:
    """The clip as float32 (3, num_frames, height, width) in -1..1."""
    times = np.arange(num_frames) / POCKET.frame_rate
    background = torch.from_numpy(scenes.draw(scenario.scene, height, width, Random(scenario.seed)).transpose(2, 0, 1))
    return compose(_frames(scenario, num_frames), background, scenario.track(times), scenario.flip) * 2 - 1


def render_still(scenario: Scenario, at_s: float, height: int, width: int) -> torch.Tensor:
    """One moment of the scenario, float32 (3, 1, height, width) in -1..1."""
    background = torch.from_numpy(scenes.draw(scenario.scene, height, width, Random(scenario.seed)).transpose(2, 0, 1))
    loop = sprites()[scenario.subject]
    frame = loop[[int(scenario.seed + at_s * POCKET.frame_rate) % len(loop)]].float() / 255
    return compose(frame, background, scenario.track(np.array([at_s])), scenario.flip) * 2 - 1


def _frames(scenario: Scenario, num_frames: int) -> torch.Tensor:
    loop = sprites()[scenario.subject]
    start = scenario.seed % len(loop)
    return loop[(start + torch.arange(num_frames)) % len(loop)].float() / 255


def compose(sprite: torch.Tensor, background: torch.Tensor, track, flip: bool) -> torch.Tensor:
    """Lay sprites (T, 4, S, S) over a background (3, H, W), both 0..1, along a track; (3, T, H, W)."""
    height, width = background.shape[-2:]
    short = min(height, width)
    x, y, size, turn = (torch.from_numpy(np.asarray(v, np.float32)) for v in track)
    half_w, half_h = width / short / 2, height / short / 2
    cos, sin, mirror = torch.cos(turn) * 2 / size, torch.sin(turn) * 2 / size, -1.0 if flip else 1.0
    row_x = torch.stack([cos * half_w, sin * half_h, -(cos * x + sin * y)], -1) * mirror
    row_y = torch.stack([-sin * half_w, cos * half_h, -(-sin * x + cos * y)], -1)
    grid = F.affine_grid(torch.stack([row_x, row_y], 1), [len(x), 4, height, width], align_corners=False)
    drawn = F.grid_sample(sprite, grid, align_corners=False, padding_mode="zeros")
    return (drawn[:, :3] + background[None] * (1 - drawn[:, 3:])).clamp(0, 1).permute(1, 0, 2, 3)


@lru_cache(maxsize=1)
def sprites() -> dict[str, torch.Tensor]:
    """Subject name -> uint8 (frames, 4, S, S), premultiplied RGBA at the world's frame rate; kept in the cache."""
    store = sources.CACHE / f"sprites-{SPRITE_PX}.pt"
    if not store.exists():
        files = sources.emoji_files()
        torch.save({s.name: _load_sprite(*files[s.art]) for s in SUBJECTS}, store)
    return torch.load(store)


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


@lru_cache(maxsize=1)
def _photos() -> list[torch.Tensor]:
    return [
        torch.from_numpy(np.asarray(Image.open(p).convert("RGB").resize((448, 224), Image.Resampling.LANCZOS)).copy())
        for p in sources.photographs()
    ]


def photo_clip(rng: Random, num_frames: int, height: int, width: int) -> torch.Tensor:
    """A slow pan over a landscape photograph, float32 (3, T, H, W) in -1..1; for the autoencoder only."""
    photo = rng.choice(_photos()).permute(2, 0, 1).float() / 127.5 - 1
    tall, wide = photo.shape[1:]
    x, y = rng.uniform(0, wide - width), rng.uniform(0, tall - height)
    dx, dy = rng.uniform(-2, 2) * rng.choice((0, 1)), rng.uniform(-1, 1) * rng.choice((0, 0, 1))
    corners = [
        (round(min(max(y + dy * k, 0), tall - height)), round(min(max(x + dx * k, 0), wide - width)))
        for k in range(num_frames)
    ]
    return torch.stack([photo[:, t : t + height, left : left + width] for t, left in corners], 1)
