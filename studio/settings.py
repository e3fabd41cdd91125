"""What a person may set from outside, read once from the environment.

Knows the names, the rules and the defaults; does not know who uses them. Read by `app` and `service` only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.domain import StudioError

VARIABLES = (
    "HOST",
    "PORT",
    "DATA_DIR",
    "POCKET_DIR",
    "DEVICE",
    "MAX_QUEUED",
    "MIN_FREE_DISK_MB",
    "MAX_UPLOAD_MB",
    "MAX_PICTURE_MEGAPIXELS",
    "WARM_UP",
    "MCP",
)
MEGABYTE = 1_000_000
MEGAPIXEL = 1_000_000
_POCKET_DIR = Path(__file__).resolve().parent.parent / "assets" / "pocket"
DEVICES = ("auto", "cpu", "cuda")
_YES_OR_NO = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Settings:
    """Where the studio lives and what it allows. Sizes in bytes and pixels."""

    host: str = "127.0.0.1"
    port: int = 7860
    data_dir: Path = Path("data")
    pocket_dir: Path = _POCKET_DIR
    device: str = "auto"
    max_queued: int = 50
    min_free_disk_bytes: int = 200 * MEGABYTE
    max_upload_bytes: int = 30 * MEGABYTE
    max_picture_pixels: int = 50 * MEGAPIXEL
    warm_up: bool = True
    mcp: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read VARIABLES; one that is missing or blank keeps its default. StudioError names a bad one."""
        read = _Reader(environ)
        # Hugging Face names each Space's container so, and nobody reaches a Space at 127.0.0.1.
        usual_host = "0.0.0.0" if environ.get("SPACE_ID") else cls.host
        return cls(
            host=read.text("HOST", usual_host),
            port=read.whole("PORT", cls.port, 1, 65535),
            data_dir=read.folder("DATA_DIR", cls.data_dir),
            pocket_dir=read.folder("POCKET_DIR", cls.pocket_dir),
            device=read.device("DEVICE", cls.device),
            max_queued=read.whole("MAX_QUEUED", cls.max_queued, 1, 10_000),
            min_free_disk_bytes=MEGABYTE
            * read.whole("MIN_FREE_DISK_MB", cls.min_free_disk_bytes // MEGABYTE, 0, 10_000_000),
            max_upload_bytes=MEGABYTE * read.whole("MAX_UPLOAD_MB", cls.max_upload_bytes // MEGABYTE, 1, 1000),
            max_picture_pixels=MEGAPIXEL
            * read.whole("MAX_PICTURE_MEGAPIXELS", cls.max_picture_pixels // MEGAPIXEL, 1, 170),
            warm_up=read.yes_or_no("WARM_UP", cls.warm_up),
            mcp=read.yes_or_no("MCP", cls.mcp),
        )


class _Reader:
    """One variable at a time out of the environment, or its default."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name, str(default))
        # The length bound keeps int() away from a text of a million digits.
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
            raise StudioError(f"{name} must be a whole number from {low} to {high}; it is {_shown(text)}.")
        return int(text)

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

    def device(self, name: str, default: str) -> str:
        text = self.text(name, default)
        if text not in DEVICES:
            raise StudioError(f"{name} must be auto, cpu or cuda; it is {_shown(text)}.")
        return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
