"""The command that makes a Space, in a process of its own, against a server here that speaks the hub's API."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from studio.deploy import Plan, read_spacefile
from studio.domain import StudioError
from tests.hub import TOKEN, Hub, serving

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub()) as opened:
        yield opened


def run(hub: Hub, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Xet, the hub's own storage protocol, is left out: the server speaks the older git-LFS one."""
    own = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(ROOT / "no" / "such" / "login")}
    without = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "HF_HUB_OFFLINE", "AUTH")}
    return subprocess.run(
        [sys.executable, "-m", "studio.deploy", *arguments],
        cwd=ROOT,
        env={**without, **own, "HF_TOKEN": TOKEN, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_space_is_made_with_all_that_it_needs(hub: Hub) -> None:
    ran = run(hub, "me/flipbook", AUTH="ann:s3cret")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == f"{hub.address}/spaces/me/flipbook"
    assert [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("stage")][-1] == "RUNNING"
    assert hub.variables == {"HOST": "0.0.0.0", "PORT": "7860", "DATA_DIR": "/data"}
    assert hub.secrets == {"AUTH": "ann:s3cret"}
    assert "s3cret" not in ran.stdout + ran.stderr
    assert hub.buckets == ["me/flipbook-data"]
    assert [(v["type"], v["source"], v["mountPath"]) for v in hub.volumes] == [("bucket", "me/flipbook-data", "/data")]
    for name in ("app.py", "README.md", "studio/service.py", "assets/screenshot.png"):
        assert hub.files[name] == (ROOT / name).read_bytes(), name
    weights = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "assets/pocket").rglob("*.safetensors"))
    assert weights
    assert [name for name in sorted(hub.files) if name.endswith(".safetensors")] == weights
    assert not [name for name in hub.files if name.startswith(("tests/", "training/", ".")) or "__pycache__" in name]
    assert hub.files["requirements.txt"] == (ROOT / "requirements.txt").read_bytes()
    assert hub.commits == 1, "nothing is built from half of it"
    assert "POST /api/spaces/me/flipbook/restart" not in hub.asked


def test_a_space_that_is_there_is_updated(hub: Hub) -> None:
    hub.files = {"old.py": b"", "app.py": b"old", ".gitattributes": b"kept"}
    hub.repo, hub.variables, hub.secrets = "me/flipbook", {"PORT": "7860", "MINE": "stays"}, {"AUTH": "stays"}
    hub.stages = ["RUNNING_BUILDING", "RUNNING"]
    ran = run(hub, "me/flipbook", "--hardware", "zero-a10g")
    assert ran.returncode == 0, ran.stderr
    assert "old.py" not in hub.files
    assert hub.files[".gitattributes"] == b"kept"
    assert hub.files["app.py"] == (ROOT / "app.py").read_bytes()
    assert hub.hardware == "zero-a10g"
    assert b"torch>=2.8,<=2.11.0\n" in hub.files["requirements.txt"]
    assert b"2.13" not in hub.files["requirements.txt"]
    assert hub.variables["MINE"] == "stays"
    assert hub.secrets == {"AUTH": "stays"}
    assert hub.asked.count("POST /api/spaces/me/flipbook/variables") == 2, "PORT was right already"


@pytest.mark.parametrize("stage", ["PAUSED", "SLEEPING", "STOPPED"])
def test_a_space_that_rests_is_restarted(hub: Hub, stage: str) -> None:
    hub.repo, hub.rests = "me/flipbook", stage
    ran = run(hub, "me/flipbook")
    assert ran.returncode == 0, ran.stderr
    assert f"restarts  it was {stage}" in ran.stdout.splitlines()
    assert hub.asked.count("POST /api/spaces/me/flipbook/restart") == 1


def test_models_are_on_the_space_from_its_build_on() -> None:
    space = replace(read_spacefile(ROOT / "Spacefile"), models=("who/film", "who/other"))
    plan = Plan.make("me/flipbook", space, ROOT, {})
    assert {"model     who/film", "model     who/other"} <= set(plan.lines())
    readme = plan.files["README.md"]
    assert isinstance(readme, bytes)
    own, ours = (
        readme.decode().split("\n---\n", 1),
        (ROOT / "README.md").read_text(encoding="utf-8").split("\n---\n", 1),
    )
    assert own[1] == ours[1]
    told, usual = (yaml.safe_load(front.removeprefix("---\n")) for front, _ in (own, ours))
    assert told == usual | {"preload_from_hub": ["who/film", "who/other"], "startup_duration_timeout": "1h"}


def test_a_dry_run_asks_nobody(hub: Hub) -> None:
    ran = run(hub, "me/flipbook", "--dry-run", AUTH="ann:s3cret", HF_TOKEN="")
    assert ran.returncode == 0, ran.stderr
    assert hub.asked == []
    for line in ("hardware  cpu-basic", "variable  DATA_DIR=/data", "volume    me/flipbook-data at /data"):
        assert line in ran.stdout
    assert "secret    AUTH (from the environment)" in ran.stdout
    assert "s3cret" not in ran.stdout
    assert re.search(r"^files     \d+ with \d+\.\d MB$", ran.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("repo", "environ", "sentence"),
    [
        ("me/flipbook", {"HF_TOKEN": ""}, "There is no token: set HF_TOKEN to one that may write"),
        ("me/flipbook", {"HF_TOKEN": "hf_wrong"}, "The hub does not accept this token"),
        ("them/flipbook", {}, "This token may not write to them/flipbook (You don't have the rights"),
        ("flipbook", {}, "A Space is named owner/name; not 'flipbook'."),
        ("me/flipbook", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "http://127.0.0.1:9 cannot be reached (ConnectError)"),
        ("me/flipbook", {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set, and a Space cannot be made"),
    ],
)
def test_each_failure_is_one_sentence(hub: Hub, repo: str, environ: dict[str, str], sentence: str) -> None:
    ran = run(hub, repo, **environ)
    assert ran.returncode == 1
    assert ran.stderr.startswith(sentence)
    assert len(ran.stderr.strip().splitlines()) == 1
    assert hub.commits == 0


def test_hardware_that_is_not_paid_for_is_said(hub: Hub) -> None:
    hub.paid = ("t4-small",)
    ran = run(hub, "me/flipbook", "--hardware", "t4-small")
    assert ran.stderr.strip() == "The hardware t4-small has to be paid for (Please add a payment method)."
    assert hub.commits == 0


def test_an_account_that_can_begin_on_lent_gpus_only_begins_there(hub: Hub) -> None:
    hub.is_free = True
    assert "The hardware cpu-basic has to be paid for" in run(hub, "me/flipbook", "--hardware", "cpu-basic").stderr
    ran = run(hub, "me/flipbook", "--hardware", "zero-a10g")
    assert ran.returncode == 0, ran.stderr
    assert hub.hardware == "zero-a10g"


def test_a_space_that_does_not_start_is_said(hub: Hub) -> None:
    hub.stages = ["BUILDING", "BUILD_ERROR"]
    ran = run(hub, "me/flipbook")
    said = f"The Space does not run, it is BUILD_ERROR: Exit code 1. See {hub.address}/spaces/me/flipbook?logs=build"
    assert (ran.returncode, ran.stderr.strip().splitlines()[-1]) == (1, said), "after the bars of the upload"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "The Spacefile is no YAML: "),
        ("- a", "The Spacefile holds names and values; it is list."),
        ("sdk: docker", "The Spacefile's sdk must be gradio; it is 'docker'."),
        ("sdk: gradio\nhardware: h200", "The hardware must be one of cpu-basic, "),
        ("sdk: gradio\nvariables: {PORT: 7860}", "The Spacefile's variables must be names with texts, numbers in"),
        ("sdk: gradio\nhardware: cpu-basic\nsecrets: {A: b}", "The Spacefile's secrets must be names like AUTH"),
        (
            "sdk: gradio\nhardware: cpu-basic\nmodels: wan",
            "The Spacefile's models must be ids on the hub like owner/name",
        ),
        ("sdk: gradio\nhardware: cpu-basic\nvolumes: [{type: disk}]", "A volume in the Spacefile has type, source"),
        (
            "sdk: gradio\nhardware: cpu-basic\nvolumes: [{type: model, source: a, mount_path: /a}]",
            "A volume in the Spacefile is a bucket at an absolute path",
        ),
    ],
)
def test_a_bad_spacefile_is_said(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "Spacefile"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StudioError) as caught:
        read_spacefile(path)
    assert str(caught.value).startswith(sentence)


def test_no_spacefile_is_said(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"^The Spacefile cannot be read: .* \(No such file or directory\)\.$"):
        read_spacefile(tmp_path / "Spacefile")


def test_what_is_uploaded_can_start(tmp_path: Path) -> None:
    """The page is built from the uploaded files alone, so nothing that it needs was left out."""
    plan = Plan.make("me/flipbook", replace(read_spacefile(ROOT / "Spacefile"), secrets=()), ROOT, {})
    for name, of in plan.files.items():
        target = tmp_path / "space" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(of) if isinstance(of, bytes) else target.symlink_to(of)
    code = (
        "import app; from studio.settings import Settings; from studio.service import Studio\n"
        "settings = Settings.from_env()\n"
        "studio = Studio.open(settings, start=False)\n"
        "app.build_interface(studio); print('built', app.__file__)"
    )
    environ = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "SPACE_ID": "me/flipbook", "PYTHONPATH": "."}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "space",
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.stdout.startswith("built"), ran.stderr
