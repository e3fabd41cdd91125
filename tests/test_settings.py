"""Each variable: its default, a good value, and a sentence that names the variable, the rule and the bad value."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.domain import StudioError
from studio.settings import VARIABLES, Settings

GOOD = {
    "HOST": ("0.0.0.0", "host", "0.0.0.0"),
    "PORT": ("8080", "port", 8080),
    "MODELS": ("films/mine, who/what ,", "models", ("films/mine", "who/what")),
    "LORAS": ("ink.safetensors, who/what ,", "loras", ("ink.safetensors", "who/what")),
    "DEVICE": ("cpu", "device", "cpu"),
    "MEMORY_PLAN": ("fp8", "memory_plan", "fp8"),
    "STEP_CACHE": ("0.15", "max_step_cache", 0.15),
    "ATTENTION": ("sage", "attention", "sage"),
    "COMPILE": ("1", "compiles", True),
    "ENGINE": ("ray", "engine", "ray"),
    "RAY_ADDRESS": ("head.example:6380", "ray_address", "head.example:6380"),
    "WORKER_CPUS": ("8", "worker_cpus", 8),
    "WORKER_GPUS": ("4", "worker_gpus", 4),
    "REMOTE_MODELS": (
        "a=http://10.0.0.7:8091, b=https://gpu.example/x",
        "remote_models",
        (("a", "http://10.0.0.7:8091"), ("b", "https://gpu.example/x")),
    ),
    "REMOTE_TOKEN": ("s3cret", "remote_token", "s3cret"),
    "GALLERY": ("private", "has_private_galleries", True),
    "AUTH": ("ann:s3:cret, bo:pw", "auth", (("ann", "s3:cret"), ("bo", "pw"))),
    "SHOWCASE": ("1", "showcase", True),
    "HOSTNAMES": ("studio.example, *", "hostnames", ("studio.example", "*")),
    "KEEPER_TOKEN": ("0123456789abcdef", "keeper_token", "0123456789abcdef"),
    "MAX_QUEUED": ("3", "max_queued", 3),
    "MAX_QUEUED_PER_VISITOR": ("2", "max_queued_per_visitor", 2),
    "MAX_PICTURES_PER_VISITOR": ("7", "max_pictures_per_visitor", 7),
    "MAX_MEGAPIXEL_FRAMES": ("9", "max_pixel_frames", 9_000_000),
    "MIN_FREE_DISK_MB": ("0", "min_free_disk_bytes", 0),
    "MAX_DISK_MB": ("900", "max_disk_bytes", 900_000_000),
    "MAX_DISK_PER_VISITOR_MB": ("90", "max_disk_per_visitor_bytes", 90_000_000),
    "KEEP_DAYS": ("30", "keep_days", 30),
    "KEEP_MB": ("800", "keep_bytes", 800_000_000),
    "MAX_UPLOAD_MB": ("5", "max_upload_bytes", 5_000_000),
    "MAX_PICTURE_MEGAPIXELS": ("2", "max_picture_pixels", 2_000_000),
    "DOWNLOADS": ("0", "has_downloads", False),
    "WARM_UP": ("0", "warm_up", False),
    "MCP": ("yes", "mcp", True),
    "LOG_PROMPTS": ("on", "log_prompts", True),
    "DATA_DIR": ("/srv/flipbook", "data_dir", Path("/srv/flipbook")),
    "POCKET_DIR": ("/srv/pocket", "pocket_dir", Path("/srv/pocket")),
}
BAD = [
    ("PORT", "0", "a whole number from 1 to 65535; it is '0'"),
    ("PORT", "65536", "a whole number from 1 to 65535; it is '65536'"),
    ("PORT", "http", "a whole number from 1 to 65535; it is 'http'"),
    ("PORT", "७८६०", "a whole number from 1 to 65535"),
    ("PORT", "9" * 100_000, "a whole number from 1 to 65535"),
    ("MAX_QUEUED", "-1", "a whole number from 1 to 10000; it is '-1'"),
    ("MIN_FREE_DISK_MB", "1.5", "a whole number from 0 to"),
    ("MAX_UPLOAD_MB", "0", "a whole number from 1 to 1000; it is '0'"),
    ("MAX_PICTURE_MEGAPIXELS", "9999", "a whole number from 1 to 170; it is '9999'"),
    ("WARM_UP", "maybe", "1 (yes) or 0 (no); it is 'maybe'"),
    ("MCP", "2", "1 (yes) or 0 (no); it is '2'"),
    ("DEVICE", "gpu", "auto, cpu or cuda; it is 'gpu'"),
    ("STEP_CACHE", "0.6", "a number from 0 to 0.5; it is '0.6'"),
    ("STEP_CACHE", "nan", "a number from 0 to 0.5; it is 'nan'"),
    ("ATTENTION", "quick", "_flash_3, sage, sage_varlen or xformers; it is 'quick'"),
    ("MEMORY_PLAN", "tiny", "auto, full, offload, group, fp8 or int8; it is 'tiny'"),
    ("DATA_DIR", __file__, "a folder; "),
    ("ENGINE", "cluster", "local, ray or zero; it is 'cluster'"),
    ("RAY_ADDRESS", "auto", "host:port; it is 'auto'"),
    ("RAY_ADDRESS", "ray://head:10001", "host:port; it is 'ray://head:10001'"),
    ("WORKER_CPUS", "0", "a whole number from 1 to 1024; it is '0'"),
    ("REMOTE_MODELS", "http://10.0.0.7:8091", "once for each model; not 'http://10.0.0.7:8091'"),
    ("REMOTE_MODELS", "a=ftp://host", "model=http://host:port, once for each model; not 'a=ftp://host'"),
    ("REMOTE_MODELS", "a=http://one,a=http://two", "once for each model; not 'a=http://two'"),
    ("GALLERY", "public", "shared or private; it is 'public'"),
    ("AUTH", "ann:pw, hunter2", "name:password pairs with commas between; entry 2 is none"),
    ("AUTH", ":hunter2", "name:password pairs with commas between; entry 1 is none"),
    ("KEEPER_TOKEN", "hunter2", "16 to 200 letters, digits and signs; it is no such text"),
    ("MAX_MEGAPIXEL_FRAMES", "0", "a whole number from 1 to 100000; it is '0'"),
    ("KEEP_DAYS", "-3", "a whole number from 0 to 36500; it is '-3'"),
]


def test_the_defaults_need_nothing() -> None:
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.device) == ("127.0.0.1", 7860, "auto")
    assert (settings.warm_up, settings.mcp, settings.max_queued) == (True, False, 50)
    assert settings.min_free_disk_bytes == 200_000_000
    assert settings.max_picture_pixels == 50_000_000
    assert settings.data_dir == Path("data").resolve()
    assert settings.pocket_dir == Path(__file__).resolve().parents[1] / "assets" / "pocket"
    assert Settings.from_env(dict.fromkeys(VARIABLES, " ")) == settings, "a blank value is no value"


def test_galleries_are_private_in_a_space_unless_it_says_otherwise() -> None:
    assert not Settings.from_env({}).has_private_galleries
    assert Settings.from_env({"SPACE_ID": "owner/name"}).has_private_galleries
    assert not Settings.from_env({"SPACE_ID": "owner/name", "GALLERY": "shared"}).has_private_galleries


def test_a_zero_gpu_space_is_known_by_its_own_variable() -> None:
    assert Settings.from_env({}).engine == "local"
    assert Settings.from_env({"SPACES_ZERO_GPU": "true"}).engine == "zero"
    assert Settings.from_env({"SPACES_ZERO_GPU": "true", "ENGINE": "local"}).engine == "local"


def test_passwords_are_not_printed() -> None:
    secrets = {"AUTH": "ann:s3cret", "REMOTE_TOKEN": "s3cret", "KEEPER_TOKEN": "s3cret" * 3}
    assert "s3cret" not in repr(Settings.from_env(secrets))


@pytest.mark.parametrize(
    ("host", "hostnames", "known"),
    [
        ("", "", ("localhost",)),
        ("localhost", "A.Example", ("localhost", "a.example")),
        ("127.0.0.1", "*", None),
        ("0.0.0.0", "", None),
        ("0.0.0.0", "a.example", ("localhost", "a.example")),
    ],
)
def test_what_listens_to_this_machine_goes_by_few_names(host: str, hostnames: str, known: tuple | None) -> None:
    assert Settings.from_env({"HOST": host, "HOSTNAMES": hostnames}).known_hostnames == known


def test_every_variable_is_tried_here() -> None:
    assert set(GOOD) == set(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_good_value(name: str) -> None:
    text, field, value = GOOD[name]
    assert getattr(Settings.from_env({name: text}), field) == value
    assert getattr(Settings.from_env({name: f" {text} "}), field) == value


@pytest.mark.parametrize(("name", "text", "rule"), BAD)
def test_a_bad_value_is_named(name: str, text: str, rule: str) -> None:
    with pytest.raises(StudioError) as caught:
        Settings.from_env({name: text})
    assert str(caught.value).startswith(f"{name} must be ")
    assert rule in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "hunter2" not in str(caught.value), "a password is not shown"
