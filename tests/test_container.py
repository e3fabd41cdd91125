"""What can be known of the container without an engine: its files are there, its commands and settings work."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.settings import VARIABLES, Settings
from tests.ui.running import App, free_port

ROOT = Path(__file__).resolve().parents[1]


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def all_of(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(all_of("ENV")[0]))


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_what_is_copied_is_there_and_not_ignored() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    sources = [source for line in all_of("COPY") for source in line.split()[:-1]]
    assert {"app.py", "studio", "assets", "requirements.txt"} <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(sources)


def test_the_studio_does_not_run_as_root_and_keeps_its_data() -> None:
    order = [name for name, _ in instructions()]
    (user,) = all_of("USER")
    assert user != "root"
    assert order.index("USER") < order.index("CMD")
    assert any(f" {user}" in line for line in all_of("RUN"))
    settings = Settings.from_env({name: value for name, value in environment().items() if name in VARIABLES})
    assert settings.host == "0.0.0.0"
    assert all_of("VOLUME") == [str(settings.data_dir)]
    assert Path(environment()["HF_HOME"]).is_relative_to(settings.data_dir)  # its user has no home for models
    assert all_of("EXPOSE") == [str(settings.port)]


def test_the_image_has_the_python_of_the_space() -> None:
    assert all_of("FROM") == ["python:3.12-slim"]


def test_its_start_and_its_health_check_work(tmp_path: Path) -> None:
    """CMD is what the tests' App runs; the check must pass while it is up, and fail when it is not."""
    assert json.loads(all_of("CMD")[0]) == ["python", "app.py"]
    options, _, command = all_of("HEALTHCHECK")[0].partition(" CMD ")
    assert "--start-period" in options
    name, *arguments = json.loads(command)
    assert name == "python"
    app = App(tmp_path / "data", free_port(), {"WARM_UP": "0"})

    def is_healthy() -> bool:
        # Container engines hand on the proxy of their machine, which finds no way back into the container.
        environ = {**os.environ, "PORT": str(app.port), "http_proxy": "http://127.0.0.1:1", "no_proxy": ""}
        return subprocess.run([sys.executable, *arguments], env=environ, stderr=subprocess.DEVNULL).returncode == 0

    assert not is_healthy()
    app.start()
    try:
        until_s = time.monotonic() + 30
        while not is_healthy():
            assert time.monotonic() < until_s
    finally:
        app.kill()


@pytest.mark.parametrize("name", ["studio", "gpu"])
def test_compose_gives_the_image_what_it_expects(name: str) -> None:
    service = compose()["services"][name]
    assert service["build"] == "."
    assert service["ports"] == [f"127.0.0.1:{environment()['PORT']}:{all_of('EXPOSE')[0]}"]
    (volume,) = service["volumes"]
    assert volume == f"clips:{all_of('VOLUME')[0]}"
    assert "clips" in compose()["volumes"]
    assert service["environment"].keys() <= set(VARIABLES)
    Settings.from_env(service["environment"])


def test_the_gpu_is_only_asked_for_in_its_profile() -> None:
    plain, gpu = compose()["services"]["studio"], compose()["services"]["gpu"]
    assert "deploy" not in plain
    assert "profiles" not in plain
    assert gpu["profiles"] == ["gpu"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
