"""Latents go through their file unharmed, and a harmed file is noticed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.domain import VideoRequest
from studio.engine.latents import Damaged, Latents
from studio.engine.meter import Spent
from studio.engine.pipeline import VideoPipeline

REQUEST = VideoRequest("Ünï 雪 🎬 \ud83d\x00", seconds=1.0, seed=3, num_inference_steps=16, aspect_ratio="3:4")


def latents(dtype: torch.dtype = torch.float32) -> Latents:
    drawn = torch.Generator().manual_seed(1)
    picture, sound = torch.randn(1, 60, 64, generator=drawn), torch.randn(1, 27, 64, generator=drawn)
    return Latents(picture.to(dtype), sound.to(dtype), REQUEST, 13, 7, "a note", Spent(1.5, 0.25, True, 10**10))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_everything_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    kept = latents(dtype)
    kept.save(tmp_path / "x.latents")
    again = Latents.load(tmp_path / "x.latents")
    assert again.picture.dtype == again.sound.dtype == dtype
    assert torch.equal(again.picture, kept.picture)
    assert torch.equal(again.sound, kept.sound)
    assert replace(again, picture=kept.picture, sound=kept.sound) == kept
    assert [path.name for path in tmp_path.iterdir()] == ["x.latents"]


def test_any_tool_can_read_the_file(tmp_path: Path) -> None:
    from safetensors import safe_open  # late like in the module itself

    latents().save(tmp_path / "x.latents")
    with safe_open(tmp_path / "x.latents", "np") as file:
        assert sorted(file.keys()) == ["picture", "sound"]
        assert json.loads(file.metadata()["latents"])["steps_done"] == 7


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_cut_short_is_damaged(tmp_path: Path, share: float) -> None:
    path = tmp_path / "x.latents"
    latents().save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(Damaged):
        Latents.load(path)


@pytest.mark.parametrize("where", [4, 40, 1500, -1])
def test_one_changed_byte_is_noticed(tmp_path: Path, where: int) -> None:
    path = tmp_path / "x.latents"
    latents().save(path)
    data = bytearray(path.read_bytes())
    data[where] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(Damaged):
        Latents.load(path)


def test_a_foreign_or_missing_file_is_damaged(tmp_path: Path) -> None:
    from safetensors.torch import save_file  # late like in the module itself

    save_file({"picture": torch.zeros(1)}, tmp_path / "foreign")
    torch.save({"picture": torch.zeros(1)}, tmp_path / "pickled")
    for name in ("foreign", "pickled", "missing"):
        with pytest.raises(Damaged):
            Latents.load(tmp_path / name)


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "full.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        latents().save(tmp_path / "full")
    assert list(tmp_path.iterdir()) == []


def test_a_clip_from_the_file_is_the_same_clip(pipeline: VideoPipeline, tmp_path: Path) -> None:
    request = VideoRequest("a cat in the snow", seconds=1.0, seed=3, num_inference_steps=1)
    made = pipeline.denoise(request, lambda _: None, lambda: "go on")
    made.save(tmp_path / "x")
    one, again = (pipeline.decode(x, lambda _: None, lambda: "go on") for x in (made, Latents.load(tmp_path / "x")))
    assert np.array_equal(one.frames, again.frames)
    assert np.array_equal(one.sound, again.sound)  # type: ignore[arg-type]
