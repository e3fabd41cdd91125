"""The programs that README shows are run as they stand, against a studio that really makes the clips."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = "http://127.0.0.1:7860"


def example(language: str) -> str:
    """The one block of that language in README's section for programs, at two steps so that it is quick."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## For programs")[1].split("\n## ")[0]
    (block,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert ADDRESS in block
    return block.replace("seconds=2.0", "seconds=2.0, num_inference_steps=2").replace(
        '"seconds": 2.0', '"seconds": 2.0, "num_inference_steps": 2'
    )


@pytest.fixture
def address(studio: Any) -> Iterator[str]:
    from studio.ui.interface import build_interface, launch_options  # late: importing gradio takes seconds

    page = build_interface(studio)
    options = launch_options(studio)
    _, address, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **options)
    yield address.rstrip("/")
    page.close()


def test_python_example_makes_and_extends_a_clip(address: str, tmp_path: Path) -> None:
    program = example("python").replace(ADDRESS, address)
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    made, longer = ran.stdout.strip().splitlines()[-2:]
    assert re.search(r"\.mp4 \d+$", made)
    assert Path(made.rpartition(" ")[0]).read_bytes()[4:8] == b"ftyp"
    assert int(longer.rpartition(" ")[2]) > 25


def test_shell_example_answers_with_a_video_and_its_recipe(address: str, tmp_path: Path) -> None:
    program = example("bash").replace(ADDRESS, address)
    ran = subprocess.run(["bash", "-euc", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "event: complete" in ran.stdout
    video, recipe = json.loads(ran.stdout.split("event: complete\ndata: ")[1].splitlines()[0])
    assert video["url"].endswith(".mp4")
    assert recipe["prompt"] == "a cat bounces in the snow"
    assert recipe["num_inference_steps"] == 2
