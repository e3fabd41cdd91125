"""What README, ARCHITECTURE and Spacefile say is what the code does: names, numbers, files, commands, endpoints."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.deploy import hardware
from studio.domain import Clip, Made, ModelLimits, StudioError, VideoRequest
from studio.engine import catalog, grid
from studio.engine.advice import knowledge
from studio.settings import VARIABLES, Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
MEGABYTE = 1_000_000
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def front_matter() -> dict[str, Any]:
    _, matter, _ = README.split("---\n", 2)
    return yaml.safe_load(matter)


def spacefile() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "Spacefile").read_text(encoding="utf-8"))


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"no section {title!r}"
    return found[1]


def test_readme_says_of_pocket_what_was_measured() -> None:
    said = README.split("<!-- pocket: begin")[1].split("<!-- pocket: end")[0]
    measured = {row[0]: row[1] for row in table((ROOT / "assets/pocket/evaluation.md").read_text(encoding="utf-8"))}
    for what in ("scene", "subject", "action", "the subject's voice heard"):
        assert measured[what] in said, what
    assert f" {len(knowledge().subjects)} subjects" in said


def table(text: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def code(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [re.match(r"([\w.-]+)(?:\[\w+\])?([=<>!~].*)", line) for line in lines]
    return {match[1].lower(): match[2] for match in found if match}


def shared_files() -> list[Path]:
    """What a clone has: tracked files and new ones that git does not ignore, as far as they are there."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


# The Space


def test_front_matter_is_a_valid_space() -> None:
    matter = front_matter()
    assert matter["sdk"] == "gradio"
    assert isinstance(matter["sdk_version"], str)
    assert matter["python_version"] == "3.12"
    assert (ROOT / matter["app_file"]).is_file()
    assert {matter["colorFrom"], matter["colorTo"]} <= COLOURS
    assert 0 < len(matter["short_description"]) <= 60
    assert matter["license"] == "apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_spacefile_and_front_matter_say_the_same() -> None:
    matter, space = front_matter(), spacefile()
    same = {key: (matter[key], space[key]) for key in matter.keys() & space.keys() if matter[key] != space[key]}
    assert same == {}
    assert space["hardware"] == matter["suggested_hardware"]
    shared = {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license"}
    assert shared <= matter.keys() & space.keys()


def test_space_runs_the_pinned_gradio() -> None:
    assert pins("requirements.txt")["gradio"] == f"=={front_matter()['sdk_version']}"
    assert pins("requirements-mcp.txt")["gradio"] == pins("requirements.txt")["gradio"]


def test_space_variables_are_settings() -> None:
    space = spacefile()
    assert all(isinstance(value, str) for value in space["variables"].values())
    settings = Settings.from_env(space["variables"])
    assert settings.host == "0.0.0.0"
    assert str(settings.data_dir) == space["volumes"][0]["mount_path"]
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in space["secrets"])
    assert not set(space["secrets"]) & space["variables"].keys()


def test_space_is_reached_without_the_spacefile_too() -> None:
    assert Settings.from_env({"SPACE_ID": "someone/flipbook"}).host == "0.0.0.0"
    assert Settings.from_env({"SPACE_ID": "someone/flipbook", "HOST": "127.0.0.1"}).host == "127.0.0.1"


def test_every_requirement_is_pinned() -> None:
    for name in (
        "requirements.txt",
        "requirements-test.txt",
        "requirements-mcp.txt",
        "requirements-train.txt",
        "requirements-ray.txt",
        "requirements-int8.txt",
    ):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            is_other = not line or line.startswith(("#", "-r requirements"))
            assert is_other or "==" in line or "<=" in line, f"{name}: {line}"
    assert pins("requirements.txt")["torch"] == ">=2.8,<=2.13.0"


@pytest.mark.parametrize(
    ("folder", "requirements"), [("studio", "requirements.txt"), ("training", "requirements-train.txt")]
)
def test_imports_are_required(folder: str, requirements: str) -> None:
    known_as = {"pil": "pillow", "yaml": "pyyaml"}
    # Only with MEMORY_PLAN=int8, only with ENGINE=ray, and only with ENGINE=zero: `spaces` is there in every Space.
    extra = {*pins("requirements-int8.txt"), *pins("requirements-ray.txt"), "spaces"} if folder == "studio" else set()
    required = {*pins("requirements.txt"), *pins(requirements), *extra, "studio", folder, *sys.stdlib_module_names}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                top = name.split(".")[0].lower()
                assert known_as.get(top, top) in required, f"{path.name} imports {name}, which is in no {requirements}"


# Settings


def test_settings_table_lists_every_variable() -> None:
    asked: set[str] = set()

    class Recorder(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.add(key)
            return super().get(key, default)

        def __contains__(self, key: object) -> bool:
            asked.add(str(key))
            return super().__contains__(key)

    Settings.from_env(Recorder())
    listed = [row[0].strip("`") for row in table(section(README, "Settings"))]
    assert set(listed) == asked - {"SPACE_ID", "SPACES_ZERO_GPU"}
    assert len(listed) == len(set(listed)) == len(fields(Settings))


def test_settings_table_gives_the_real_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    default = Settings.from_env({})
    for name, value, _ in table(section(README, "Settings")):
        read = Settings.from_env({name.strip("`"): value.strip("`")})
        assert read == default, f"{name} is not {value} by default"


# Numbers


def test_limits_section_gives_the_real_numbers() -> None:
    text, limits = section(README, "Limits"), ModelLimits()
    pocket = catalog.BUILT_IN.card("pocket").limits
    assert pocket == limits
    assert f"{limits.min_seconds:g} to {limits.max_seconds:g} seconds" in text
    assert f"at most {limits.max_clip_seconds:g} seconds when extended" in text
    assert f"Shapes: {', '.join(limits.aspect_ratios)}." in text
    assert f"{limits.max_prompt_chars} characters" in text
    assert f"steps go from {limits.min_steps} to {limits.max_steps}" in text
    assert f"guidance from {limits.min_guidance:g} to {limits.max_guidance:g}" in text
    assert f"{Settings().max_picture_pixels // 1_000_000} megapixels" in text
    short_side = min(min(grid.size(grid.POCKET, ratio)) for ratio in limits.aspect_ratios)
    assert f"The short side is at least {short_side} pixels" in text


def test_card_and_request_share_their_defaults() -> None:
    card, request = catalog.BUILT_IN.card("pocket"), VideoRequest(prompt="a cat")
    assert (card.default_seconds, card.default_steps, card.default_guidance) == (
        request.seconds,
        request.num_inference_steps,
        request.guidance_scale,
    )
    request.check(card)
    with pytest.raises(StudioError):
        replace(request, seconds=card.limits.max_seconds + 1).check(card)


# Commands and files


def test_documented_commands_are_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", " ".join(re.findall(r"`[^`\n]+`|^make [^\n]*", README, re.MULTILINE))))
    assert named <= targets
    assert {"run", "test", "check", "bench", "train", "evaluate", "clean"} <= named
    for module in re.findall(r"-m (studio[.\w]*|training[.\w]*)", makefile):
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), f"no module {module}"


def test_each_place_to_run_it_has_a_command_that_is_there() -> None:
    """What a command then does is tested where that is: test_deploy, test_container, test_ray_cluster."""
    rows = table(section(README, "Where to run it"))
    commands = re.findall(r"`([^`]+)`", " ".join(row[1] for row in rows))
    assert len(commands) >= len(rows)
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for command in commands:
        settings = [word.split("=", 1) for word in command.split() if re.match(r"[A-Z_]+=", word)]
        Settings.from_env({name: value for name, value in settings if name != "HEAD"})
        assert {name for name, _ in settings} <= {"HEAD", *VARIABLES}
        words = [word for word in command.split() if not re.match(r"[A-Z_]+=", word)]
        if words[0] == "make":
            said = subprocess.run(
                ["make", "-n", words[1], "HEAD=10.0.0.5:6379"], cwd=ROOT, capture_output=True, text=True
            )
            assert said.returncode == 0, said.stderr
        elif words[0] == "docker":
            profile, started = re.findall(r"--profile (\w+)", command), words[words.index("up") + 1 :]
            assert all(services[name]["profiles"] == profile for name in started)
        else:
            assert words[:4] == ["python", "-m", "studio.deploy", "owner/name"]
            assert all(hardware(kind) for kind in words[5:])


def test_ray_is_started_with_a_token_and_without_reports() -> None:
    for target in ("head", "worker"):
        said = subprocess.run(["make", "-n", target, "HEAD=10.0.0.5:6379"], cwd=ROOT, capture_output=True, text=True)
        (started,) = [line for line in said.stdout.splitlines() if "ray start" in line]
        assert started.startswith("RAY_AUTH_MODE=token ")
        assert "--disable-usage-stats" in started
        assert ("--num-cpus=0" in started) == (target == "head"), "the studio's machine is not taken for clips"


def test_the_ports_of_a_cluster_are_those_that_the_readme_names() -> None:
    said = subprocess.run(
        ["make", "-n", "head", "worker", "HEAD=10.0.0.5:6379"], cwd=ROOT, capture_output=True, text=True
    )
    ports = {int(port) for port in re.findall(r"-port=(\d+)", said.stdout)}
    assert "TCP\n6379 to 6383 and 10002 to 10999 between" in section(README, "From one machine to twenty")
    assert ports == {6379, 6380, 6381, 6382, 6383, 10002, 10999}


def test_readme_map_names_what_is_there() -> None:
    named = {row[0].strip("`") for row in table(section(README, "File map"))}
    top = {path.relative_to(ROOT).parts[0] for path in shared_files()}
    entries = {name + "/" if (ROOT / name).is_dir() else name for name in top if not name.startswith(".")}
    inside = {path.relative_to(ROOT).parts[1] for path in shared_files() if path.is_relative_to(ROOT / "studio")}
    parts = {f"studio/{name}" + ("/" if (ROOT / "studio" / name).is_dir() else "") for name in inside}
    assert named == (entries | parts) - {"README.md", "studio/", "studio/__init__.py"}


def test_architecture_map_names_every_module() -> None:
    named = {row[0].strip("`") for row in table(section(ARCHITECTURE, "File map"))}
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in shared_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests" and path.name != "__init__.py"
    }
    assert named == modules


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "assets/pocket/README.md"])
def test_links_and_named_files_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    here = (ROOT / name).parent
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    paths = re.findall(r"`((?:studio|training|tests|assets)/[\w./-]+)`", text)
    assert [link for link in links if not (here / link).exists()] == []
    assert [path for path in paths if not (ROOT / path).exists() and not (here / path).exists()] == []


def test_pictures_of_the_readme_are_real() -> None:
    screenshot = (ROOT / "assets" / "screenshot.png").read_bytes()
    clip = (ROOT / "assets" / "examples" / "clip.webp").read_bytes()
    assert screenshot.startswith(b"\x89PNG")
    assert clip[:4] == b"RIFF"
    assert b"ANIM" in clip[:64], "an animated WebP"
    assert max(len(screenshot), len(clip)) < 2 * MEGABYTE


def test_weights_are_small() -> None:
    sizes = {path: path.stat().st_size for path in (ROOT / "assets" / "pocket").rglob("*") if path.is_file()}
    assert any(path.suffix == ".safetensors" for path in sizes)
    assert max(sizes.values()) < 10 * MEGABYTE
    assert sum(sizes.values()) < 64 * MEGABYTE


# Programs


def signatures() -> dict[str, dict[str, Any]]:
    """The endpoints as README writes them: name -> parameter -> default (or `inspect.Parameter.empty`)."""
    found: dict[str, dict[str, Any]] = {}
    for line in code(section(README, "For programs"), "text")[0].strip().splitlines():
        function = ast.parse(f"def {line.removeprefix('/')}: ...").body[0]
        assert isinstance(function, ast.FunctionDef)
        names = [arg.arg for arg in function.args.args]
        values = [ast.literal_eval(value) for value in function.args.defaults]
        required = [inspect.Parameter.empty] * (len(names) - len(values))
        found[f"/{function.name}"] = dict(zip(names, [*required, *values], strict=True))
    return found


def test_documented_endpoints_are_the_public_ones(studio: Any, settings: Settings) -> None:
    from studio.ui.interface import build_interface  # late: importing gradio takes seconds

    described = build_interface(studio).get_api_info()["named_endpoints"]
    real = {
        name: {
            parameter["parameter_name"]: parameter.get("parameter_default")
            if parameter["parameter_has_default"]
            else inspect.Parameter.empty
            for parameter in endpoint["parameters"]
        }
        for name, endpoint in described.items()
    }
    assert real == signatures()
    returned = {name: [value["python_type"]["type"] for value in described[name]["returns"]] for name in described}
    video_and_recipe = ["filepath", "dict(str, Any)"]
    assert [returned[name] for name in ("/generate", "/regenerate", "/extend")] == [video_and_recipe] * 3


def test_what_recipes_promise_is_there() -> None:
    text = section(README, "For programs")
    named = set(re.findall(r"`(clip|seed|width|height|num_frames|frame_rate|elapsed_seconds)`", text))
    assert named == {"clip", "seed", "width", "height", "num_frames", "frame_rate", "elapsed_seconds"}
    made = Made(64, 48, 5, 12.0, False, 0.1)
    assert named < Clip("a" * 32, VideoRequest("a cat"), 0.0, made, "a.mp4", "a.jpg").recipe().keys()


# Everything that is shared


# Written in two halves, so that this file is not the first to break its own rule.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me/\w+|opt/py" + r"pi|opt/wh" + r"eels)\b",
    "a registry's host": r"pyp" + r"i\.org|python" + r"hosted\.org|npm" + r"js\.(?:org|com)|deb" + r"ian\.org",
    "an index's address": r"--(?:extra-)?index" + r"-url|--find" + r"-links",
    "an issue's number": r"\bissues?\s+#?\d+\b|\(#\d+\)",
    "who typed it": r"\b(?:Clau" + r"de|Anthro" + r"pic|Chat" + r"GPT|Open" + r"AI)\b",
    "something put off": r"\bTO" + r"DO\b|\bFIX" + r"ME\b|\bX" + r"XX\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_shared_text_is_free_of(what: str) -> None:
    hits = []
    for path in shared_files():
        if path.suffix in (".py", ".md", ".txt", ".toml", ".css", ".js", ".svg", ".json", ".yaml", ".sh", ""):
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except UnicodeDecodeError:
                continue
            hits += [
                f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
                for number, line in enumerate(lines, 1)
                if re.search(FORBIDDEN[what], line)
            ]
    assert hits == []


def test_shared_files_are_not_large() -> None:
    assert [p.relative_to(ROOT) for p in shared_files() if p.stat().st_size >= 10 * MEGABYTE] == []
