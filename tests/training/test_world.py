"""What of training can be checked without its downloads: motion, wording, lists, optimiser."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from training import evaluate, judge, optimiser, scenes, world
from training.subjects import ACTIONS, SCENES, SUBJECTS, WITH, moving, subject
from training.voices import AMBIENCE, CALLS, STEADY


def test_the_world_is_as_large_as_promised() -> None:
    assert len(SUBJECTS) >= 40
    assert len(SCENES) >= 8
    assert len(ACTIONS) >= 8
    assert len({s.name for s in SUBJECTS}) == len(SUBJECTS)


def test_everything_has_its_sound() -> None:
    assert {s.voice for s in SUBJECTS} <= {*CALLS, *STEADY}
    assert set(SCENES) == set(AMBIENCE)


def test_pocket_says_that_it_knows_what_it_was_taught(pocket_dir: Path) -> None:
    known = json.loads((pocket_dir / "knowledge.json").read_text())
    assert {name: tuple(also) for name, also in known["subjects"].items()} == {s.name: s.also for s in SUBJECTS}
    assert set(known["scenes"]) == set(SCENES)
    assert set(known["actions"]) == set(ACTIONS)
    assert set(known["near"].values()) <= {*known["subjects"], *known["scenes"]}
    people = {"african", "africans", "somali", "chinese", "italian", "aboriginal", "foreigner", "lesbian", "sexually"}
    assert not people & known["near"].keys(), "no toy is to be suggested for people"


def test_what_moves_is_moving_in_english() -> None:
    ways = {"flies": "flying", "hops": "hopping", "slides": "sliding", "swims": "swimming", "walks": "walking"}
    assert {moves: moving(moves) for moves in ways} == ways


def test_held_out_combinations_stay_out() -> None:
    rng = Random(0)
    for is_held_out in (False, True):
        drawn = [world.imagine(rng, 2.0, 1.75, held_out=is_held_out) for _ in range(200)]
        assert {world.is_held_out(s.subject, s.scene, s.action) for s in drawn} == {is_held_out}
    share = np.mean([world.is_held_out(s.name, place, act) for s in SUBJECTS for place in SCENES for act in ACTIONS])
    assert 0.03 < share < 0.07


@pytest.mark.parametrize("aspect", [0.57, 1.0, 1.75])
def test_what_stays_does_so_in_the_middle_unless_it_may_be_anywhere(aspect: float) -> None:
    rng = Random(4)
    for scenario in (world.imagine(rng, 2.0, aspect) for _ in range(300)):
        assert abs(scenario.x) == (3 if scenario.action == "eats" else 1) / 16
        assert scenario.y == world.MIDDLE
    elsewhere = {(s.x, s.y) for s in (world.imagine(rng, 2.0, aspect, anywhere=True) for _ in range(200))}
    assert len(elsewhere) > 8


def test_captions_name_what_is_shown() -> None:
    rng = Random(1)
    for _ in range(300):
        scenario = world.imagine(rng, 2.0, 1.0)
        names = (scenario.subject, *subject(scenario.subject).also)
        assert any(name in scenario.caption for name in names), scenario.caption
        assert not {"{", "}"} & set(scenario.caption)
    assert len({world.imagine(rng, 2.0, 1.0).caption for _ in range(200)}) > 150


@pytest.mark.parametrize("action", ACTIONS)
def test_a_true_track_is_read_as_its_action(action: str) -> None:
    rng, noise = Random(2), np.random.default_rng(0)
    for _ in range(20):
        scenario = world.imagine(rng, 25 / 12, 1.75, subject="cat", scene="sea", action=action)
        x, y, size, _ = scenario.track(np.arange(25) / 12)
        track = np.stack([x, y, size], 1) + noise.normal(0, 0.01, (25, 3))
        assert judge.same_action(judge.action_of(track, 1.75, scenario.thing), action)


@pytest.mark.parametrize("action", ["surfs", "left", "right", "stays"])
def test_what_is_done_a_little_higher_or_lower_is_the_same(action: str) -> None:
    rng, noise = Random(3), np.random.default_rng(1)
    for lower in (-0.1, 0.1):
        scenario = world.imagine(rng, 25 / 12, 1.75, subject="dragon", scene="city", action=action)
        x, y, size, _ = scenario.track(np.arange(25) / 12)
        track = np.stack([x, y + lower, size], 1) + noise.normal(0, 0.01, (25, 3))
        assert judge.same_action(judge.action_of(track, 1.75), action)


@pytest.mark.parametrize("name", SCENES)
def test_scenes_fill_every_shape_and_vary(name: str) -> None:
    for height, width in ((128, 224), (224, 128), (128, 128)):
        picture = scenes.draw(name, height, width, Random(0))
        assert picture.shape == (height, width, 3)
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert picture.std() > 0.02
    assert np.abs(scenes.draw(name, 128, 128, Random(1)) - scenes.draw(name, 128, 128, Random(2))).mean() > 0.003


def test_landings_are_where_the_track_is_lowest() -> None:
    scenario = world.imagine(Random(3), 2.0, 1.0, subject="frog", scene="meadow", action="bounces")
    t = np.arange(0, 2.0, 0.001)
    y = scenario.track(t)[1]
    for moment in scenario.landings():
        assert y[int(moment * 1000) - 1 : int(moment * 1000) + 2].max() == pytest.approx(y.max(), abs=0.02)


def test_muon_moves_by_orthogonal_steps() -> None:
    found = optimiser.orthogonal(torch.randn(3, 40, 60, generator=torch.Generator().manual_seed(0)))
    spectrum = torch.linalg.svdvals(found)
    assert spectrum.min() > 0.4
    assert spectrum.max() < 1.4


def test_a_small_problem_is_learned() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.SiLU(), torch.nn.Linear(32, 1))
    trainer = optimiser.Trainer([net], lr=0.02, small_lr=1e-2, average=0.9)
    x = torch.randn(256, 8)
    y = x[:, :1] * x[:, 1:2]
    losses = []
    for step in range(150):
        loss = (net(x) - y).square().mean()
        losses.append(loss.item())
        trainer.step(loss, step / 150)
    trainer.use_average()
    assert (net(x) - y).square().mean() < 0.3 * losses[0]


def test_pairs_are_of_two_different_things_that_belong_together() -> None:
    pairs = evaluate.pairs()
    assert {(pair.action, pair.thing) for pair in pairs} == {
        (a, thing) for a, things in WITH.items() for thing in things
    }
    assert all(pair.thing != pair.subject for pair in pairs)
    assert len({pair.subject for pair in pairs}) > len(pairs) / 2
