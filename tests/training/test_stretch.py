"""A stretch of training that goes on from another's weights sees what the other did not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training import checkpoint
from training.optimiser import Trainer


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checkpoint, "CACHE", tmp_path)


def drawn(weight: float, worker: int = 0) -> tuple[float, float]:
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(layer.weight, weight)
    torch.nn.init.constant_(layer.bias, weight)
    stretch = checkpoint.Stretch("toy", {"layer": layer}, Trainer([layer], lr=0.1, small_lr=0.1), minutes=1)
    return stretch.chances(worker).random(), torch.rand(1).item()


def test_what_is_drawn_depends_on_the_weights_it_goes_on_from() -> None:
    assert drawn(1.0) == drawn(1.0)
    assert drawn(1.0)[0] != drawn(2.0)[0]
    assert drawn(1.0)[1] != drawn(2.0)[1]


def test_each_worker_draws_for_itself() -> None:
    assert drawn(1.0, worker=1) != drawn(1.0, worker=0)
