"""What a person may set from outside, read once from the environment.

Knows the names, the rules and the defaults; does not know who uses them. Read by `app`, `service` and `visits` only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from studio.domain import StudioError

VARIABLES = (
    "HOST",
    "PORT",
    "HOSTNAMES",
    "DATA_DIR",
    "POCKET_DIR",
    "MODELS",
    "LORAS",
    "DEVICE",
    "MEMORY_PLAN",
    "STEP_CACHE",
    "ATTENTION",
    "COMPILE",
    "ENGINE",
    "RAY_ADDRESS",
    "WORKER_CPUS",
    "WORKER_GPUS",
    "REMOTE_MODELS",
    "REMOTE_TOKEN",
    "GALLERY",
    "AUTH",
    "SHOWCASE",
    "KEEPER_TOKEN",
    "MAX_QUEUED",
    "MAX_QUEUED_PER_VISITOR",
    "MAX_PICTURES_PER_VISITOR",
    "MAX_MEGAPIXEL_FRAMES",
    "MIN_FREE_DISK_MB",
    "MAX_DISK_MB",
    "MAX_DISK_PER_VISITOR_MB",
    "KEEP_DAYS",
    "KEEP_MB",
    "MAX_UPLOAD_MB",
    "MAX_PICTURE_MEGAPIXELS",
    "DOWNLOADS",
    "WARM_UP",
    "MCP",
    "LOG_PROMPTS",
)
MEGABYTE = 1_000_000
MEGAPIXEL = 1_000_000
_POCKET_DIR = Path(__file__).resolve().parent.parent / "assets" / "pocket"
DEVICES = ("auto", "cpu", "cuda")
ATTENTIONS = (
    "auto", "native", "flex", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math", "flash",
    "flash_varlen", "_flash_3", "sage", "sage_varlen", "xformers",
)  # fmt: skip
MEMORY_PLANS = ("auto", "full", "offload", "group", "fp8", "int8")
ENGINES = ("local", "ray", "zero")
_ADDRESS = re.compile(r"[\w.-]+:\d{1,5}", re.ASCII)
_SERVER = re.compile(r"https?://[\w.-]+(:\d{1,5})?(/[\w.~-]+)*", re.ASCII)
GALLERIES = ("shared", "private")
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_YES_OR_NO = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Settings:
    """Where the studio lives and what it allows. Sizes in bytes and pixels; 0 stands for no limit where it may be 0.

    `auth` holds names and passwords; nobody else may open the page when there are any. `keeper_token` is the secret of
    who may take any clip down, if anybody may.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    hostnames: tuple[str, ...] = ()
    data_dir: Path = Path("data")
    pocket_dir: Path = _POCKET_DIR
    models: tuple[str, ...] = ()
    loras: tuple[str, ...] = ()
    device: str = "auto"
    memory_plan: str = "auto"
    max_step_cache: float = 0.0
    attention: str = "auto"
    compiles: bool = False
    engine: str = "local"
    ray_address: str = "127.0.0.1:6379"
    worker_cpus: int = 2
    worker_gpus: int = 1
    remote_models: tuple[tuple[str, str], ...] = ()
    remote_token: str = field(default="", repr=False)
    has_private_galleries: bool = False
    auth: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    showcase: bool = False
    keeper_token: str = field(default="", repr=False)
    max_queued: int = 50
    max_queued_per_visitor: int = 10
    max_pictures_per_visitor: int = 100
    max_pixel_frames: int = 200 * MEGAPIXEL
    min_free_disk_bytes: int = 200 * MEGABYTE
    max_disk_bytes: int = 0
    max_disk_per_visitor_bytes: int = 0
    keep_days: int = 0
    keep_bytes: int = 0
    max_upload_bytes: int = 30 * MEGABYTE
    max_picture_pixels: int = 50 * MEGAPIXEL
    has_downloads: bool = False
    warm_up: bool = True
    mcp: bool = False
    log_prompts: bool = False

    @property
    def known_hostnames(self) -> tuple[str, ...] | None:
        """The names that the page may be opened by, in small letters, beside addresses in digits; None for any."""
        is_any = "*" in self.hostnames or (self.host not in _THIS_MACHINE and not self.hostnames)
        return None if is_any else ("localhost", *(name.lower() for name in self.hostnames))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read VARIABLES; one that is missing or blank keeps its default. StudioError names a bad one."""
        read = _Reader(environ)
        # Hugging Face names each Space's container so, and nobody reaches a Space at 127.0.0.1.
        is_space = bool(environ.get("SPACE_ID"))
        usual_host = "0.0.0.0" if is_space else cls.host
        usual_engine = "zero" if environ.get("SPACES_ZERO_GPU") else cls.engine
        return cls(
            host=read.text("HOST", usual_host),
            port=read.whole("PORT", cls.port, 1, 65535),
            hostnames=read.names("HOSTNAMES"),
            data_dir=read.folder("DATA_DIR", cls.data_dir),
            pocket_dir=read.folder("POCKET_DIR", cls.pocket_dir),
            models=read.names("MODELS"),
            loras=read.names("LORAS"),
            device=read.one_of("DEVICE", cls.device, DEVICES),
            memory_plan=read.one_of("MEMORY_PLAN", cls.memory_plan, MEMORY_PLANS),
            max_step_cache=read.share("STEP_CACHE", cls.max_step_cache, 0.5),
            attention=read.one_of("ATTENTION", cls.attention, ATTENTIONS),
            compiles=read.yes_or_no("COMPILE", cls.compiles),
            engine=read.one_of("ENGINE", usual_engine, ENGINES),
            ray_address=read.address("RAY_ADDRESS", cls.ray_address),
            worker_cpus=read.whole("WORKER_CPUS", cls.worker_cpus, 1, 1024),
            worker_gpus=read.whole("WORKER_GPUS", cls.worker_gpus, 1, 64),
            remote_models=read.names_and_servers("REMOTE_MODELS"),
            remote_token=read.text("REMOTE_TOKEN", ""),
            has_private_galleries=read.one_of("GALLERY", "private" if is_space else "shared", GALLERIES) == "private",
            auth=read.names_and_passwords("AUTH"),
            showcase=read.yes_or_no("SHOWCASE", cls.showcase),
            keeper_token=read.secret("KEEPER_TOKEN"),
            max_queued=read.whole("MAX_QUEUED", cls.max_queued, 1, 10_000),
            max_queued_per_visitor=read.whole("MAX_QUEUED_PER_VISITOR", cls.max_queued_per_visitor, 1, 10_000),
            max_pictures_per_visitor=read.whole("MAX_PICTURES_PER_VISITOR", cls.max_pictures_per_visitor, 1, 100_000),
            max_pixel_frames=read.millions("MAX_MEGAPIXEL_FRAMES", cls.max_pixel_frames, 1, 100_000),
            min_free_disk_bytes=read.millions("MIN_FREE_DISK_MB", cls.min_free_disk_bytes, 0, 10_000_000),
            max_disk_bytes=read.millions("MAX_DISK_MB", cls.max_disk_bytes, 0, 100_000_000),
            max_disk_per_visitor_bytes=read.millions(
                "MAX_DISK_PER_VISITOR_MB", cls.max_disk_per_visitor_bytes, 0, 100_000_000
            ),
            keep_days=read.whole("KEEP_DAYS", cls.keep_days, 0, 36_500),
            keep_bytes=read.millions("KEEP_MB", cls.keep_bytes, 0, 100_000_000),
            max_upload_bytes=read.millions("MAX_UPLOAD_MB", cls.max_upload_bytes, 1, 1000),
            max_picture_pixels=read.millions("MAX_PICTURE_MEGAPIXELS", cls.max_picture_pixels, 1, 170),
            has_downloads=read.yes_or_no("DOWNLOADS", read.text("HOST", usual_host) in _THIS_MACHINE),
            warm_up=read.yes_or_no("WARM_UP", cls.warm_up),
            mcp=read.yes_or_no("MCP", cls.mcp),
            log_prompts=read.yes_or_no("LOG_PROMPTS", cls.log_prompts),
        )


class _Reader:
    """One variable at a time out of the environment, or its default."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def secret(self, name: str) -> str:
        """A text that nobody guesses, or none; the sentence about a bad one does not quote it."""
        text = self.text(name, "")
        if text and not re.fullmatch(r"[!-~]{16,200}", text):
            raise StudioError(f"{name} must be 16 to 200 letters, digits and signs; it is no such text.")
        return text

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name, str(default))
        # The length bound keeps int() away from a text of a million digits.
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
            raise StudioError(f"{name} must be a whole number from {low} to {high}; it is {_shown(text)}.")
        return int(text)

    def share(self, name: str, default: float, high: float) -> float:
        text = self.text(name, f"{default:g}")
        if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", text, re.ASCII) or float(text) > high:
            raise StudioError(f"{name} must be a number from 0 to {high:g}; it is {_shown(text)}.")
        return float(text)

    def yes_or_no(self, name: str, default: bool) -> bool:
        text = self.text(name, "1" if default else "0")
        if text.lower() not in _YES_OR_NO:
            raise StudioError(f"{name} must be 1 (yes) or 0 (no); it is {_shown(text)}.")
        return _YES_OR_NO[text.lower()]

    def folder(self, name: str, default: Path) -> Path:
        folder = Path(self.text(name, str(default))).expanduser().resolve()
        if folder.exists() and not folder.is_dir():
            raise StudioError(f"{name} must be a folder; {_shown(str(folder))} is a file.")
        return folder

    def names(self, name: str) -> tuple[str, ...]:
        """Texts with commas between."""
        return tuple(filter(None, (part.strip() for part in self.text(name, "").split(","))))

    def one_of(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        text = self.text(name, default)
        if text not in allowed:
            *others, last = allowed
            raise StudioError(f"{name} must be {', '.join(others)} or {last}; it is {_shown(text)}.")
        return text

    def address(self, name: str, default: str) -> str:
        text = self.text(name, default)
        if not _ADDRESS.fullmatch(text):
            raise StudioError(f"{name} must be host:port; it is {_shown(text)}.")
        return text

    def names_and_servers(self, name: str) -> tuple[tuple[str, str], ...]:
        """`model=http://host:port` pairs with commas between."""
        pairs: dict[str, str] = {}
        for text in self.names(name):
            model, _, server = text.partition("=")
            if not model or model in pairs or not _SERVER.fullmatch(server):
                raise StudioError(f"{name} must be model=http://host:port, once for each model; not {_shown(text)}.")
            pairs[model] = server
        return tuple(pairs.items())

    def millions(self, name: str, default: int, low: int, high: int) -> int:
        """A number of megabytes or megapixels, as bytes or pixels."""
        return MEGABYTE * self.whole(name, default // MEGABYTE, low, high)

    def names_and_passwords(self, name: str) -> tuple[tuple[str, str], ...]:
        """`name:password` pairs with commas between; a sentence about a bad one quotes no password."""
        pairs = []
        for number, text in enumerate(self.names(name), 1):
            person, colon, password = text.partition(":")
            if not (person and colon and password):
                raise StudioError(f"{name} must be name:password pairs with commas between; entry {number} is none.")
            pairs.append((person, password))
        return tuple(pairs)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
