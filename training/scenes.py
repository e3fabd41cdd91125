"""Draws the still backgrounds of Pocket's toy world, with chance in every one; knows nothing of subjects or motion.

Each painter returns float32 (H, W, 3) in 0..1. Lengths are in units of the short side, so all shapes look alike.
"""

from __future__ import annotations

from random import Random

import numpy as np

Picture = np.ndarray


def draw(name: str, height: int, width: int, rng: Random) -> Picture:
    """Paint the scene `name` (a key of subjects.SCENES) at the given size in pixels."""
    short = min(height, width)
    y, x = np.meshgrid(np.arange(height) / short, np.arange(width) / short, indexing="ij")
    picture = _PAINTERS[name](x.astype(np.float32), y.astype(np.float32), rng)
    return np.clip(picture, 0, 1).astype(np.float32)


def _gradient(y: Picture, top: tuple, bottom: tuple, rng: Random, jitter: float = 0.04) -> Picture:
    t = (y / max(float(y.max()), 1e-6))[..., None]
    shift = np.array([rng.uniform(-jitter, jitter) for _ in range(3)], np.float32)
    return np.array(top, np.float32) * (1 - t) + np.array(bottom, np.float32) * t + shift


def _disc(x: Picture, y: Picture, cx: float, cy: float, r: float, squash: float = 1.0) -> Picture:
    distance = np.sqrt(((x - cx) / squash) ** 2 + (y - cy) ** 2)
    return np.clip((r - distance) * 60 + 0.5, 0, 1)[..., None]


def _over(base: Picture, mask: Picture, colour) -> Picture:
    return base * (1 - mask) + np.asarray(colour, np.float32) * mask


def _land(x: Picture, y: Picture, horizon: float, waves: float, rng: Random) -> Picture:
    phase, rate = rng.uniform(0, 6.3), rng.uniform(3, 6)
    edge = horizon + waves * np.sin(x * rate + phase) + waves * 0.4 * np.sin(x * rate * 2.3 + phase * 2)
    return np.clip((y - edge) * 60 + 0.5, 0, 1)[..., None]


def _horizon(y: Picture, rng: Random, low: float = 0.5, high: float = 0.65) -> float:
    return rng.uniform(low, high) * float(y.max())


def _cloud(picture: Picture, x: Picture, y: Picture, rng: Random, colour=(1, 1, 1)) -> Picture:
    cx, cy, r = rng.uniform(0, float(x.max())), rng.uniform(0.05, 0.5) * float(y.max()), rng.uniform(0.06, 0.12)
    for dx in (-1.1, 0.0, 1.1):
        picture = _over(picture, _disc(x, y, cx + dx * r, cy, r * (1.0 if dx == 0 else 0.7), 1.3), colour)
    return picture


def _stars(picture: Picture, rng: Random, count: int) -> Picture:
    height, width = picture.shape[:2]
    for _ in range(count):
        row, column, bright = rng.randrange(height - 1), rng.randrange(width - 1), rng.uniform(0.6, 1)
        picture[row : row + 2, column : column + 2] = bright
    return picture


def _sky(x, y, rng):
    picture = _gradient(y, (0.35, 0.65, 0.95), (0.8, 0.92, 1.0), rng)
    for _ in range(rng.choice((2, 3, 4))):
        picture = _cloud(picture, x, y, rng)
    return picture


def _sea(x, y, rng):
    horizon = _horizon(y, rng, 0.38, 0.52)
    picture = _gradient(y, (0.55, 0.8, 0.98), (0.85, 0.95, 1.0), rng)
    if rng.random() < 0.5:
        picture = _cloud(picture, x, y * 1.6, rng)
    water = _gradient(y, (0.15, 0.55, 0.8), (0.02, 0.2, 0.45), rng)
    picture = _over(picture, _land(x, y, horizon, 0.012, rng), water)
    for k in range(3):
        crest = horizon + 0.12 + 0.16 * k
        line = np.abs(y - crest - 0.015 * np.sin(x * 22 + rng.uniform(0, 6.3))) < 0.008
        picture = _over(picture, 0.5 * line[..., None], (0.75, 0.9, 0.97))
    return picture


def _desert(x, y, rng):
    picture = _gradient(y, (0.55, 0.78, 0.95), (0.98, 0.92, 0.75), rng)
    picture = _over(picture, _disc(x, y, rng.uniform(0.1, float(x.max())), 0.14, 0.08), (1.0, 0.95, 0.6))
    horizon = _horizon(y, rng)
    picture = _over(picture, _land(x, y, horizon - 0.08, 0.06, rng), (0.93, 0.76, 0.45))
    return _over(
        picture, _land(x, y, horizon + 0.08, 0.05, rng), _gradient(y, (0.95, 0.75, 0.4), (0.8, 0.55, 0.25), rng)
    )


def _meadow(x, y, rng):
    picture = _gradient(y, (0.45, 0.75, 0.98), (0.9, 0.97, 1.0), rng)
    picture = _cloud(picture, x, y * 1.5, rng)
    horizon = _horizon(y, rng)
    picture = _over(picture, _land(x, y, horizon - 0.05, 0.05, rng), (0.55, 0.8, 0.4))
    picture = _over(
        picture, _land(x, y, horizon + 0.05, 0.03, rng), _gradient(y, (0.4, 0.75, 0.25), (0.2, 0.5, 0.12), rng)
    )
    for _ in range(rng.choice((4, 6, 8))):
        cx, cy = rng.uniform(0, float(x.max())), rng.uniform(horizon + 0.12, float(y.max()))
        picture = _over(picture, _disc(x, y, cx, cy, 0.016), rng.choice(((1, 1, 1), (1, 0.85, 0.2), (0.95, 0.4, 0.5))))
    return picture


def _snow(x, y, rng):
    picture = _gradient(y, (0.6, 0.7, 0.82), (0.85, 0.9, 0.95), rng)
    horizon = _horizon(y, rng)
    picture = _over(picture, _land(x, y, horizon - 0.07, 0.05, rng), (0.88, 0.92, 0.98))
    for _ in range(rng.choice((1, 2, 3))):
        picture = _fir(
            picture, x, y, rng.uniform(0, float(x.max())), horizon, rng.uniform(0.15, 0.28), (0.25, 0.42, 0.38)
        )
    return _over(
        picture, _land(x, y, horizon + 0.02, 0.03, rng), _gradient(y, (0.98, 0.99, 1.0), (0.85, 0.9, 0.98), rng)
    )


def _sunset(x, y, rng):
    picture = _gradient(y, (0.35, 0.15, 0.45), (1.0, 0.6, 0.2), rng)
    horizon = _horizon(y, rng, 0.7, 0.8)
    picture = _over(picture, _disc(x, y, rng.uniform(0.2, 0.8) * float(x.max()), horizon - 0.05, 0.15), (1.0, 0.9, 0.5))
    return _over(picture, _land(x, y, horizon, 0.03, rng), (0.25, 0.1, 0.2))


def _space(x, y, rng):
    picture = _stars(_gradient(y, (0.01, 0.0, 0.05), (0.09, 0.02, 0.16), rng, 0.02), rng, 30)
    cx, cy, r = rng.uniform(0.1, 0.9) * float(x.max()), rng.uniform(0.1, 0.9) * float(y.max()), rng.uniform(0.1, 0.18)
    colour = np.array(rng.choice(((0.75, 0.4, 0.3), (0.4, 0.55, 0.8), (0.8, 0.7, 0.4), (0.5, 0.7, 0.5))), np.float32)
    picture = _over(picture, _disc(x, y, cx, cy, r), colour)
    return _over(picture, _disc(x, y, cx + r * 0.35, cy + r * 0.1, r) * _disc(x, y, cx, cy, r) * 0.5, colour * 0.45)


def _night(x, y, rng):
    picture = _stars(_gradient(y, (0.03, 0.04, 0.16), (0.1, 0.13, 0.32), rng, 0.02), rng, 22)
    picture = _over(picture, _disc(x, y, rng.uniform(0.15, 0.85) * float(x.max()), 0.16, 0.09), (0.95, 0.95, 0.82))
    return _over(picture, _land(x, y, _horizon(y, rng, 0.75, 0.85), 0.04, rng), (0.03, 0.07, 0.1))


def _fir(picture, x, y, cx, foot, tall, colour):
    spread = np.clip((y - (foot - tall)) / tall, 0, 1) * tall * 0.38
    inside = (np.abs(x - cx) < spread) & (y < foot) & (y > foot - tall)
    return _over(picture, inside[..., None].astype(np.float32), colour)


def _forest(x, y, rng):
    picture = _gradient(y, (0.6, 0.8, 0.75), (0.75, 0.88, 0.7), rng)
    horizon = _horizon(y, rng, 0.6, 0.72)
    for depth, tall in ((0, 0.5), (1, 0.62)):
        for _ in range(int(7 * float(x.max())) - 2 * depth):
            green = np.array((0.16, 0.42, 0.2), np.float32) * (1.25 - 0.4 * depth) * rng.uniform(0.8, 1.1)
            picture = _fir(
                picture, x, y, rng.uniform(0, float(x.max())), horizon + 0.06 * depth, tall * rng.uniform(0.7, 1), green
            )
    return _over(
        picture, _land(x, y, horizon + 0.04, 0.02, rng), _gradient(y, (0.35, 0.5, 0.2), (0.25, 0.33, 0.14), rng)
    )


def _city(x, y, rng):
    picture = _gradient(y, (0.55, 0.72, 0.9), (0.9, 0.88, 0.85), rng)
    ground, left = _horizon(y, rng, 0.75, 0.82), -0.1
    while left < float(x.max()):
        wide, tall = rng.uniform(0.16, 0.28), rng.uniform(0.3, 0.62)
        grey = np.array(
            rng.choice(((0.5, 0.52, 0.6), (0.62, 0.5, 0.45), (0.42, 0.48, 0.55), (0.7, 0.66, 0.6))), np.float32
        )
        inside = (x >= left) & (x < left + wide) & (y > ground - tall)
        picture = _over(picture, inside[..., None].astype(np.float32), grey)
        panes = inside & (((x - left) % 0.08) > 0.04) & (((y - ground + tall) % 0.1) > 0.055) & (y < ground - 0.05)
        picture = _over(picture, panes[..., None].astype(np.float32), (0.95, 0.9, 0.6))
        left += wide + rng.uniform(0.0, 0.03)
    return _over(picture, (y > ground)[..., None].astype(np.float32), (0.35, 0.35, 0.38))


def _beach(x, y, rng):
    picture = _gradient(y, (0.4, 0.75, 0.98), (0.85, 0.95, 1.0), rng)
    horizon = _horizon(y, rng, 0.4, 0.48)
    picture = _over(picture, _land(x, y, horizon, 0.0, rng), (0.1, 0.6, 0.75))
    shore = _land(x, y, horizon + 0.17, 0.025, rng)
    picture = _over(picture, _land(x, y, horizon + 0.14, 0.02, rng), (0.9, 0.97, 0.97))
    picture = _over(picture, shore, _gradient(y, (0.98, 0.9, 0.68), (0.93, 0.78, 0.5), rng))
    side = rng.choice((0.12, 0.88)) * float(x.max())
    trunk = (np.abs(x - side - 0.12 * (y - 0.3) ** 2) < 0.018) & (y > 0.22) & (y < horizon + 0.28)
    picture = _over(picture, trunk[..., None].astype(np.float32), (0.5, 0.35, 0.2))
    for dx, dy in ((-0.11, 0.03), (0.11, 0.03), (-0.06, -0.05), (0.06, -0.05)):
        picture = _over(picture, _disc(x, y, side + dx, 0.22 + dy, 0.04, 2.2), (0.15, 0.55, 0.2))
    return picture


def _peak(picture, x, y, summit, foot, slope, colour):
    cx, top = summit
    drop = np.abs(x - cx) * slope
    rock = np.clip((y - top - drop) * 60 + 0.5, 0, 1)[..., None] * (y < foot)[..., None]
    cap = np.clip((top + 0.13 + 0.02 * np.sin(x * 60) - y) * 60 + 0.5, 0, 1)[..., None]
    return _over(_over(picture, rock, colour), rock * cap, (0.97, 0.98, 1.0))


def _mountains(x, y, rng):
    picture = _gradient(y, (0.4, 0.65, 0.92), (0.85, 0.92, 0.97), rng)
    foot = _horizon(y, rng, 0.75, 0.82)
    for grey in (0.62, 0.52, 0.42):
        colour = (grey * 0.85, grey * 0.92, grey * 1.1)
        summit = rng.uniform(0, float(x.max())), rng.uniform(0.1, 0.3) * float(y.max())
        picture = _peak(picture, x, y, summit, foot, rng.uniform(1.0, 1.5), colour)
    return _over(picture, _land(x, y, foot - 0.02, 0.03, rng), (0.3, 0.5, 0.28))


def _underwater(x, y, rng):
    picture = _gradient(y, (0.25, 0.75, 0.85), (0.02, 0.25, 0.5), rng)
    slant = rng.uniform(-0.4, 0.4)
    beams = np.clip(np.sin((x + slant * y) * 14 + rng.uniform(0, 6.3)), 0, 1) * np.clip(1 - y / float(y.max()), 0, 1)
    picture = picture + 0.12 * beams[..., None]
    floor = _horizon(y, rng, 0.82, 0.9)
    for _ in range(rng.choice((3, 4, 5))):
        cx, tall = rng.uniform(0, float(x.max())), rng.uniform(0.15, 0.3)
        weed = (np.abs(x - cx - 0.02 * np.sin(y * 25)) < 0.014) & (y > floor - tall)
        picture = _over(picture, weed[..., None].astype(np.float32), (0.1, 0.5, 0.3))
    for _ in range(rng.choice((4, 6, 8))):
        cx, cy = rng.uniform(0, float(x.max())), rng.uniform(0, 0.8) * float(y.max())
        picture = _over(picture, 0.6 * _disc(x, y, cx, cy, rng.uniform(0.01, 0.025)), (0.85, 0.97, 1.0))
    return _over(picture, _land(x, y, floor, 0.02, rng), (0.8, 0.72, 0.5))


_BANDS = ((0.93, 0.25, 0.25), (0.98, 0.6, 0.2), (0.99, 0.9, 0.3), (0.35, 0.8, 0.4), (0.3, 0.55, 0.95), (0.6, 0.4, 0.85))


def _rainbow(x, y, rng):
    picture = _gradient(y, (0.5, 0.75, 0.97), (0.88, 0.95, 1.0), rng)
    wide, tall = float(x.max()), float(y.max())
    cx, cy, r = wide * rng.uniform(0.4, 0.6), tall * 1.05, max(wide * 0.5, 0.75 * tall)
    for k, colour in enumerate(_BANDS):
        picture = _over(picture, _disc(x, y, cx, cy, r - 0.055 * k), colour)
    inside = _gradient(y, (0.6, 0.82, 0.98), (0.9, 0.96, 1.0), rng)
    picture = _over(picture, _disc(x, y, cx, cy, r - 0.055 * len(_BANDS)), inside)
    for _ in range(2):
        picture = _cloud(picture, x, y * 0.55, rng)
    return _over(picture, _land(x, y, tall * 0.9, 0.02, rng), (0.45, 0.75, 0.35))


def _volcano(x, y, rng):
    picture = _gradient(y, (0.2, 0.08, 0.1), (0.75, 0.3, 0.15), rng)
    cx, foot = rng.uniform(0.25, 0.75) * float(x.max()), 0.8 * float(y.max())
    for k in range(3):
        puff = rng.uniform(0.07, 0.11)
        picture = _over(picture, _disc(x, y, cx + 0.06 * (k - 1), 0.1 + 0.05 * k, puff, 1.3), (0.4, 0.35, 0.36))
    side = np.maximum(np.abs(x - cx) - 0.08, 0) * 1.3
    cone = np.clip((y - 0.3 * float(y.max()) - side) * 60 + 0.5, 0, 1)[..., None]
    picture = _over(picture, cone, (0.25, 0.17, 0.17))
    for dx in (-0.04, 0.03):
        stream = np.abs(x - cx - dx * (1 + 4 * (y - 0.3)) - 0.01 * np.sin(y * 30)) < 0.018
        picture = _over(picture, cone * stream[..., None], (1.0, 0.5, 0.1))
    lava = _gradient(y, (1.0, 0.6, 0.15), (0.85, 0.2, 0.05), rng)
    return _over(picture, _land(x, y, foot, 0.02, rng), lava)


def _garden(x, y, rng):
    picture = _gradient(y, (0.6, 0.85, 1.0), (0.93, 0.98, 0.95), rng)
    horizon = _horizon(y, rng, 0.45, 0.55)
    for cx in np.arange(0, float(x.max()) + 0.2, 0.2):
        picture = _over(picture, _disc(x, y, cx, horizon, rng.uniform(0.1, 0.14)), (0.2, 0.5, 0.22))
    picture = _over(picture, _land(x, y, horizon, 0.01, rng), _gradient(y, (0.5, 0.8, 0.35), (0.3, 0.62, 0.2), rng))
    for _ in range(int(14 * float(x.max()))):
        cx, cy = rng.uniform(0, float(x.max())), rng.uniform(horizon + 0.05, float(y.max()))
        petal = rng.choice(((0.95, 0.3, 0.4), (1.0, 0.85, 0.2), (0.85, 0.45, 0.9), (1.0, 1.0, 1.0), (1.0, 0.55, 0.2)))
        picture = _over(picture, _disc(x, y, cx, cy, 0.032), petal)
        picture = _over(picture, _disc(x, y, cx, cy, 0.012), (0.98, 0.8, 0.2))
    return picture


def _room(x, y, rng):
    wall = rng.choice(((0.93, 0.86, 0.74), (0.75, 0.85, 0.88), (0.9, 0.78, 0.76), (0.8, 0.87, 0.75)))
    picture = _gradient(y, wall, tuple(c * 0.92 for c in wall), rng, 0.02)
    floor = _horizon(y, rng, 0.72, 0.78)
    left, top = rng.uniform(0.1, 0.5) * float(x.max()), 0.14 * float(y.max())
    for inset, colour in ((0.0, (0.98, 0.98, 0.96)), (0.025, (0.6, 0.82, 0.97))):
        pane = (x > left + inset) & (x < left + 0.34 - inset) & (y > top + inset) & (y < top + 0.36 - inset)
        picture = _over(picture, pane[..., None].astype(np.float32), colour)
    bar = (np.abs(x - left - 0.17) < 0.01) & (y > top) & (y < top + 0.36)
    picture = _over(picture, bar[..., None].astype(np.float32), (0.98, 0.98, 0.96))
    picture = _over(picture, (y > floor)[..., None].astype(np.float32), (0.62, 0.42, 0.26))
    carpet = _disc(x, y * 2.2, float(x.max()) / 2, 2.2 * (floor + 0.12), 0.2, 2.2)
    picture = _over(picture, carpet, rng.choice(((0.75, 0.25, 0.25), (0.25, 0.4, 0.65), (0.8, 0.6, 0.25))))
    return _over(picture, (np.abs(y - floor) < 0.012)[..., None].astype(np.float32), (0.97, 0.96, 0.93))


def _rain(x, y, rng):
    picture = _gradient(y, (0.3, 0.34, 0.42), (0.55, 0.6, 0.65), rng)
    for _ in range(3):
        picture = _cloud(picture, x, y * 2.2, rng, (0.42, 0.45, 0.52))
    picture = _over(picture, _land(x, y, _horizon(y, rng, 0.72, 0.8), 0.03, rng), (0.22, 0.36, 0.28))
    for _ in range(int(28 * float(x.max()))):
        cx, cy = rng.uniform(0, float(x.max())), rng.uniform(0, float(y.max()))
        drop = (np.abs(x - cx + 0.25 * (y - cy)) < 0.007) & (np.abs(y - cy) < 0.05)
        picture = _over(picture, 0.55 * drop[..., None], (0.85, 0.9, 1.0))
    return picture


def _fog(x, y, rng):
    picture = _gradient(y, (0.78, 0.8, 0.82), (0.88, 0.89, 0.89), rng, 0.02)
    horizon = _horizon(y, rng, 0.66, 0.74)
    for depth, shade in enumerate((0.76, 0.68, 0.58)):
        for _ in range(int(4 * float(x.max()))):
            cx, tall = rng.uniform(0, float(x.max())), rng.uniform(0.25, 0.45)
            picture = _fir(picture, x, y, cx, horizon + 0.07 * depth, tall, (shade * 0.97, shade, shade))
    return _over(picture, _land(x, y, horizon + 0.12, 0.02, rng), (0.72, 0.75, 0.72))


def _moon(x, y, rng):
    picture = _stars(_gradient(y, (0.0, 0.0, 0.02), (0.03, 0.03, 0.07), rng, 0.01), rng, 30)
    cx, cy, r = rng.uniform(0.15, 0.85) * float(x.max()), 0.2 * float(y.max()), 0.12
    picture = _over(picture, _disc(x, y, cx, cy, r), (0.2, 0.45, 0.85))
    picture = _over(
        picture, _disc(x, y, cx, cy, r) * _disc(x, y, cx - 0.03, cy + 0.02, r * 0.5, 1.5), (0.35, 0.65, 0.35)
    )
    ground = _horizon(y, rng, 0.6, 0.7)
    picture = _over(
        picture, _land(x, y, ground, 0.02, rng), _gradient(y, (0.75, 0.75, 0.74), (0.5, 0.5, 0.5), rng, 0.02)
    )
    for _ in range(rng.choice((4, 5, 6))):
        cx, cy = rng.uniform(0, float(x.max())), rng.uniform(ground + 0.08, float(y.max()))
        wide = rng.uniform(0.03, 0.07)
        picture = _over(picture, _disc(x, y * 2, cx, cy * 2, wide, 1.2), (0.42, 0.42, 0.43))
        picture = _over(picture, _disc(x, y * 2, cx, cy * 2 + 0.02, wide * 0.85, 1.2), (0.58, 0.58, 0.58))
    return picture


_PAINTERS = {
    "sky": _sky, "sea": _sea, "desert": _desert, "meadow": _meadow, "snow": _snow,
    "sunset": _sunset, "space": _space, "night": _night, "forest": _forest, "city": _city,
    "beach": _beach, "mountains": _mountains, "underwater": _underwater, "rainbow": _rainbow, "volcano": _volcano,
    "garden": _garden, "room": _room, "rain": _rain, "fog": _fog, "moon": _moon,
}  # fmt: skip
