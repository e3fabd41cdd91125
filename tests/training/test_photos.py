"""What begins with a photograph: it stays, or the camera goes the way that is said; and it is given, always."""

from random import Random

import numpy as np
import pytest
import torch

from studio.engine.grid import POCKET, latent_shape
from training import photos, world
from training.latents import Shape
from training.subjects import PANS, STILL
from training.transformer import clean_tokens

FRAMES, HEIGHT, WIDTH = 13, 128, 224


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty pictures of noise, whose parts can be told from each other, and a grey toy."""
    dice = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (20, photos.HEIGHT, photos.WIDTH, 3), generator=dice, dtype=torch.uint8)
    toys = {name: torch.full((1, 4, 80, 80), 128, dtype=torch.uint8) for name in (s.name for s in world.SUBJECTS)}
    toys |= dict.fromkeys(world.THINGS, toys["cat"])
    monkeypatch.setattr(photos, "photos", lambda: list(noise))
    monkeypatch.setattr(world, "sprites", lambda: toys)


def shots(count: int) -> list[photos.Shot]:
    return [photos.shoot(Random(k), FRAMES, HEIGHT, WIDTH, 1.75) for k in range(count)]


def test_a_shot_has_its_picture_its_sound_and_its_words() -> None:
    made = shots(40)
    for shot in made:
        assert shot.pixels.shape == (3, FRAMES, HEIGHT, WIDTH)
        assert -1 <= shot.pixels.min() <= shot.pixels.max() <= 1
        assert shot.sound.shape[0] == 2
        assert 0.01 < np.abs(shot.sound).max() <= 1
    assert {bool(shot.toy) for shot in made} == {True, False}
    for shot in made:
        if shot.toy:
            name = world.subject(shot.toy.subject)
            assert any(word in shot.caption for word in (name.name, *name.also))


def test_the_camera_goes_where_the_words_say() -> None:
    panned = [(shot, side) for shot in shots(40) for side, words in PANS.items() if shot.caption in words]
    assert {side for _, side in panned} == {-1, 1}
    for shot, side in panned:
        now, later = shot.pixels[:, 0], shot.pixels[:, 1]
        shifted = now.roll(-side * photos.PAN, 2)[..., photos.PAN : -photos.PAN]
        assert (shifted - later[..., photos.PAN : -photos.PAN]).abs().max() < 1e-6


def test_a_photograph_stays_where_nothing_is_said() -> None:
    still = [shot for shot in shots(40) if shot.caption in STILL]
    assert still
    for shot in still:
        assert (shot.pixels == shot.pixels[:, :1]).all()


def test_what_begins_with_a_photograph_is_given_it() -> None:
    shape = Shape("16:9", FRAMES)
    frames, height, width = shape.latents
    kept = torch.arange(frames * height * width).expand(400, -1)
    begins = torch.arange(400) < 200
    given = clean_tokens(shape, kept, begins, Random(1))
    first = given[:, : height * width]
    assert first[:200].all()
    assert 0.2 < first[200:].float().mean() < 0.6
    assert not given.all(1).any(), "something is left to learn"


def test_an_opening_is_what_an_extension_is_given() -> None:
    shape = Shape("16:9", 25)
    frames, height, width = shape.latents
    kept = torch.arange(frames * height * width).expand(300, -1)
    given = clean_tokens(shape, kept, torch.arange(300) < 100, Random(2)).sum(1) / (height * width)
    assert set(given.tolist()) == {0, 1, latent_shape(POCKET, "16:9", POCKET.overlap_frames)[0]}


def test_a_clip_may_begin_late_in_what_happens() -> None:
    toy = world.imagine(Random(3), 3.0, 1.75, subject="cat", scene="meadow", action="bounces")
    whole, late = world.render(toy, 13, HEIGHT, WIDTH), world.render(toy, 9, HEIGHT, WIDTH, late=4)
    assert torch.equal(whole[:, 4:], late)
