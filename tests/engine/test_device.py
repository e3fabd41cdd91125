"""Which number format a processor gets, and whether that is the one its instructions are for."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from studio.domain import StudioError
from studio.engine import device
from studio.engine.device import faster_format
from studio.engine.pipeline import VideoPipeline


def install_driver(folder: Path, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver's `nvidia-smi`, as on a machine with cards of these sizes."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{says}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    device.gpu_memory_bytes.cache_clear()


@pytest.fixture(autouse=True)
def forgotten():
    yield
    device.gpu_memory_bytes.cache_clear()


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("24576\\n", 24576 * 2**20),
        ("8192\\n24576\\n", 24576 * 2**20),
        ("[N/A]\\n", psutil.virtual_memory().total),
        ("No devices were found\\n", 0),
    ],
)
def test_a_card_has_the_memory_that_its_driver_names_or_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, expected: int
) -> None:
    install_driver(tmp_path, says, monkeypatch)
    assert device.gpu_memory_bytes() == expected


def test_a_card_that_torch_cant_use_is_said_and_not_left_to_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_driver(tmp_path, "24576\\n", monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    pipeline = VideoPipeline()
    with pytest.raises(StudioError, match=r"^Wan 2\.1 1\.3B needs .* card, which torch can't use: torch .+\.$"):
        pipeline.load("wan-2.1-1.3b")
    with pytest.raises(StudioError, match=r"^The device cuda was asked for, .*: torch .+\.$"):
        device.plan("cuda")


def test_bfloat16_must_be_clearly_faster() -> None:
    assert faster_format({"bfloat16": 1.0, "float32": 4.5}) == "bfloat16"
    assert faster_format({"bfloat16": 1.0, "float32": 1.1}) == "float32"
    assert faster_format({"bfloat16": 80.0, "float32": 1.0}) == "float32"


def test_a_processor_without_bfloat16_is_not_asked_for_it() -> None:
    has = getattr(torch.cpu, "get_capabilities", dict)()  # older torch can't tell
    able, unable = has.get("avx512_bf16") or has.get("amx_bf16"), has.get("avx512_f") is False
    expected = {"bfloat16"} if able else {"float32"} if unable else {"bfloat16", "float32"}
    assert device.cpu_format() in expected


def test_the_plan_says_which_format_it_took() -> None:
    plan = device.plan("cpu")
    assert plan.dtype == device.cpu_format()
    assert plan.dtype in plan.reason
