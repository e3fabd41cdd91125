"""How alike two pictures look: no difference is none, more is more, and its file can run nothing."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from training import lpips


def by_chance() -> dict:
    """Weights of the right shapes, as the file holds them."""
    rng, came, number, weights = np.random.default_rng(0), 3, 0, {"VGG16_0": {}}
    for stage, widths in enumerate(lpips.STAGES):
        for width in widths:
            kernel = rng.normal(0, (2 / (9 * came)) ** 0.5, (3, 3, came, width)).astype(np.float32)
            weights["VGG16_0"][f"Conv_{number}"] = {"kernel": kernel, "bias": np.zeros(width, np.float32)}
            came, number = width, number + 1
        weights[f"NetLinLayer_{stage}"] = {"Conv_0": {"kernel": np.ones((1, 1, came, 1), np.float32)}}
    return weights


def test_the_more_two_pictures_differ_the_higher(tmp_path: Path) -> None:
    path = tmp_path / "weights.ckpt"
    path.write_bytes(pickle.dumps(by_chance()))
    measure, dice = lpips.Lpips(lpips.read(path)), torch.Generator().manual_seed(1)
    picture = torch.rand(2, 3, 32, 32, generator=dice) * 2 - 1
    noise = torch.randn(picture.shape, generator=dice)
    same, near, far = (measure(picture, picture + by * noise) for by in (0.0, 0.1, 0.5))
    assert same.shape == (2,)
    assert same.abs().max() < 1e-6
    assert (same < near).all()
    assert (near < far).all()


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "weights.ckpt"
    path.write_bytes(pickle.dumps({"Conv_0": Trap()}))
    with pytest.raises(pickle.UnpicklingError, match=r"asks for posix\.mkdir; only arrays are read"):
        lpips.read(path)
    assert not (tmp_path / "sprung").exists()
