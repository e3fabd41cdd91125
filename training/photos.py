"""What a visitor may bring: photographs that stay as they are, are panned over, or have a toy come in.

Of the scenarios of `world.py` it knows how they are drawn; knows no latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from studio.engine.grid import POCKET
from training import sounds, sources, world
from training.subjects import PANS, STILL

HEIGHT, WIDTH = 224, 448
KEPT_OUT = 10  # each so manieth photograph is for evaluation; the autoencoder alone has seen it
PAN = 2  # pixels a frame
ABSENT_FRAMES = 1  # a toy that comes into a photograph is there from the second latent frame on
AMBIENCE = "mountains"


@dataclass(frozen=True)
class Shot:
    """A clip (3, T, H, W) in -1..1, its sound (2, N), the toy in it if any, and whether its beginning must be given.

    It is what its toy does from `late_s` on.
    """

    caption: str
    pixels: torch.Tensor
    sound: np.ndarray
    toy: world.Scenario | None = None
    begins: bool = True
    late_s: float = 0.0


@lru_cache(maxsize=1)
def photos() -> list[torch.Tensor]:
    """All of them, uint8 (HEIGHT, WIDTH, 3)."""
    size = WIDTH, HEIGHT
    return [
        torch.from_numpy(np.asarray(Image.open(p).convert("RGB").resize(size, Image.Resampling.LANCZOS)).copy())
        for p in sources.photographs()
    ]


def view(rng: Random, height: int, width: int, is_kept_out: bool = False) -> torch.Tensor:
    """A part of a photograph, mirrored or not, float32 (3, height, width) in 0..1."""
    kept = [photo for k, photo in enumerate(photos()) if (k % KEPT_OUT == 0) == is_kept_out]
    photo = rng.choice(kept).permute(2, 0, 1).float() / 255
    tall = rng.randint(HEIGHT // 2, max(HEIGHT // 2, min(HEIGHT, WIDTH * height // width)))
    wide = min(WIDTH, tall * width // height)
    top, left = rng.randrange(HEIGHT - tall + 1), rng.randrange(WIDTH - wide + 1)
    part = photo[:, top : top + tall, left : left + wide]
    part = F.interpolate(part[None], (height, width), mode="bilinear", antialias=True)[0]
    return part.flip(2) if rng.random() < 0.5 else part


def shoot(rng: Random, num_frames: int, height: int, width: int, aspect: float) -> Shot:
    """One of the three kinds; `aspect` is of what will be shown of the picture."""
    seconds, kind = num_frames / POCKET.frame_rate, rng.random()
    if kind < 0.4:
        is_given = rng.random() < 0.5
        toy = world.imagine(rng, seconds, aspect, scene=AMBIENCE, anywhere=is_given)
        caption = world.caption(world.subject(toy.subject), "", toy.action, rng, toy.thing)
        backdrop = view(rng, height, width)
        pixels = world.render(toy, num_frames, height, width, backdrop)
        if not is_given:
            pixels[:, :ABSENT_FRAMES] = backdrop[:, None] * 2 - 1
        return Shot(caption, pixels, sounds.soundtrack(toy), toy)
    sound = sounds.around(AMBIENCE, seconds, rng)
    if kind < 0.65:
        side = rng.choice((-1, 1))
        return Shot(rng.choice(PANS[side]), _panned(rng, num_frames, height, width, side), sound)
    still = view(rng, height, width)[:, None].expand(-1, num_frames, -1, -1) * 2 - 1
    return Shot(rng.choice(STILL), still, sound)


def _panned(rng: Random, num_frames: int, height: int, width: int, side: int) -> torch.Tensor:
    far = PAN * (num_frames - 1)
    wide = view(rng, height, width + far) * 2 - 1
    starts = [PAN * k if side > 0 else far - PAN * k for k in range(num_frames)]
    return torch.stack([wide[:, :, start : start + width] for start in starts], 1)


def clip(rng: Random, num_frames: int, height: int, width: int) -> torch.Tensor:
    """A slow pan over a photograph, float32 (3, T, H, W) in -1..1; for the autoencoder."""
    photo = rng.choice(photos()).permute(2, 0, 1).float() / 127.5 - 1
    tall, wide = photo.shape[1:]
    x, y = rng.uniform(0, wide - width), rng.uniform(0, tall - height)
    dx, dy = rng.uniform(-2, 2) * rng.choice((0, 1)), rng.uniform(-1, 1) * rng.choice((0, 0, 1))
    corners = [
        (round(min(max(y + dy * k, 0), tall - height)), round(min(max(x + dx * k, 0), wide - width)))
        for k in range(num_frames)
    ]
    return torch.stack([photo[:, t : t + height, left : left + width] for t, left in corners], 1)
