"""The soak's faults, a few of each: kills, hostile requests, a full disk, a broken network, a clock that jumps back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "asked",
    [
        "kills --kills 3",
        "requests --requests 60",
        "disk --step-kb 48 --most-kb 96",
        "network --weathers broken --hold 3",
        "clock",
    ],
)
def test_nothing_is_lost_or_left_half_made(asked: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--write", str(tmp_path / "table.md"), "--only", *asked.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "table.md").read_text(encoding="utf-8").strip() == ran.stdout.strip()
