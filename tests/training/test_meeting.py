from pathlib import Path

import pytest
import torch

from training import meeting
from training.optimiser import Trainer


def trainer(value: float) -> Trainer:
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(layer.weight, value)
    torch.nn.init.constant_(layer.bias, value)
    return Trainer([layer], lr=0.0, small_lr=0.0)


def test_workers_move_towards_each_other_by_the_steps_each_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "CACHE", tmp_path)
    monkeypatch.setattr(meeting, "MEET_EVERY_S", 0.0)
    slow, fast = trainer(0.0), trainer(1.0)
    here, there = meeting.Meeting(slow, 0, 2), meeting.Meeting(fast, 1, 2)
    slow.steps, fast.steps = 1, 3
    there.now_and_then()
    here.now_and_then()
    assert slow.masters[0].flatten().tolist() == [0.75] * 4
    assert fast.masters[0].flatten().tolist() == [1.0] * 4


def test_a_late_worker_begins_where_the_first_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "CACHE", tmp_path)
    monkeypatch.setattr(meeting, "MEET_EVERY_S", 0.0)
    first = trainer(2.0)
    first.steps = 5
    meeting.Meeting(first, 0, 2).now_and_then()
    late = trainer(0.0)
    meeting.Meeting(late, 1, 2)
    assert late.masters[0].flatten().tolist() == [2.0] * 4


def test_a_worker_by_itself_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "CACHE", tmp_path)
    monkeypatch.setattr(meeting, "MEET_EVERY_S", 0.0)
    meeting.Meeting(trainer(0.0), 0, 1).now_and_then()
    assert not list(tmp_path.iterdir())


def test_checkpoints_of_workers_have_names_of_their_own() -> None:
    assert [meeting.named("whole", worker) for worker in (0, 1)] == ["whole", "whole-1"]
