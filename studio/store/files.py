"""The folders under DATA_DIR and the names in them: clips, pictures, uploads, finished latents, half-made files.

Knows nothing of rows. A name that comes from outside is checked here before it becomes a path.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from studio.domain import NO_ROOM, StudioError, no_room_sentence, shown

log = logging.getLogger(__name__)

# Two files for the clip that was being published, and two for one that was being deleted.
MOST_LEFT = 4
LATENTS_KEPT_S = 7 * 24 * 3600
# Enough for the pages that one row's removal writes.
SPARE_BYTES = 256 * 1024
_ID = re.compile(r"[0-9a-f]{32}")
_PICTURE = re.compile(r"[0-9a-f]{64}\.png")
_CLIP_FILE = re.compile(r"[0-9a-f]{32}\.(mp4|jpg)")
_LATENTS = re.compile(r"([0-9a-f]{32})\.safetensors")


def is_id(value: object) -> bool:
    """Whether this can be the id of a clip or a job: 32 hexadecimal characters."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


class Files:
    """Paths in one data folder. `clips` may be served to a browser; the other folders are not."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.clips = data_dir / "clips"
        self.pictures = data_dir / "pictures"
        self._latents = data_dir / "latents"
        self.tmp = data_dir / "tmp"
        self.uploads = data_dir / "uploads"
        self._spare = data_dir / "spare"
        try:
            for folder in (self.clips, self.pictures, self._latents, self.tmp, self.uploads):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudioError(f"Flipbook cannot keep its data in {data_dir}: {error.strerror}.") from error

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.data_dir).free

    def half_made(self, clip_id: str) -> tuple[Path, Path]:
        """Where a clip's video and poster are written before they are published."""
        return self.tmp / f"{clip_id}.mp4", self.tmp / f"{clip_id}.jpg"

    def latents(self, job_id: str) -> Path:
        """Where a job's finished latents lie until its clip is made."""
        return self._latents / f"{job_id}.safetensors"

    def publish(self, clip_id: str) -> tuple[Path, Path]:
        """Move both files into the gallery's folder, under a name that nobody can guess; returns their new places."""
        name = secrets.token_hex(16)
        targets = self.clips / f"{name}.mp4", self.clips / f"{name}.jpg"
        try:
            for source, target in zip(self.half_made(clip_id), targets, strict=True):
                source.replace(target)
        except BaseException:
            self.remove(*(target.name for target in targets))
            raise
        return targets

    def remove(self, *names: str) -> None:
        """Remove published files by name."""
        for name in names:
            (self.clips / name).unlink(missing_ok=True)

    def keep_spare(self) -> None:
        """Hold some room, where there is any, for what must be written before anything can be removed."""
        if self._spare.exists():
            return
        try:
            self._spare.write_bytes(secrets.token_bytes(SPARE_BYTES))
        except OSError:
            self.give_spare()

    def give_spare(self) -> None:
        self._spare.unlink(missing_ok=True)

    def discard(self, clip_id: str) -> None:
        for path in self.half_made(clip_id):
            path.unlink(missing_ok=True)

    def discard_latents(self, job_id: str) -> None:
        self.latents(job_id).unlink(missing_ok=True)

    def keep_picture(self, png: bytes) -> str:
        """Store these PNG bytes under the hash of their content; returns the name."""
        name = f"{hashlib.sha256(png).hexdigest()}.png"
        # The half of its own: two visitors may send one picture at once.
        target, half = self.pictures / name, self.tmp / f"{secrets.token_hex(16)}.png"
        try:
            half.write_bytes(png)
            half.replace(target)
        except OSError as error:
            half.unlink(missing_ok=True)
            if error.errno in NO_ROOM:
                raise StudioError(no_room_sentence(error.strerror or type(error).__name__)) from error
            raise
        return name

    def picture(self, name: object) -> Path:
        """The stored picture of this name; StudioError when there is none."""
        if not isinstance(name, str) or not _PICTURE.fullmatch(name):
            raise StudioError(f"A stored picture is named by 64 hexadecimal characters and .png; not {shown(name)}.")
        path = self.pictures / name
        if not path.is_file():
            raise StudioError(f"The picture {name[:8]}... is no longer here; please choose it again.")
        return path

    def set_clips_aside(self) -> None:
        """Before a new database is used: clips that only a lost one knew must not be swept."""
        self._set_aside(self._unlisted(set()))

    def _unlisted(self, listed: set[str]) -> list[Path]:
        return [path for path in self.clips.iterdir() if _CLIP_FILE.fullmatch(path.name) and path.name not in listed]

    def _set_aside(self, paths: list[Path]) -> None:
        if not paths:
            return
        aside = self.data_dir / f"clips-without-database-{time.time_ns()}"
        try:
            aside.mkdir()
            for path in paths:
                path.rename(aside / path.name)
        except OSError as error:
            with suppress(OSError):
                aside.rmdir()  # stays where some could be moved
            raise StudioError(
                f"{len(paths)} files in {self.clips} are of clips that the database does not know, and cannot be moved "
                f"out of the way ({error.strerror}); please move them, or bring their flipbook.db back."
            ) from error
        log.warning("The database does not know %d files of clips; they were moved to %s", len(paths), aside)

    def sweep_pictures(self, used: set[str], before_s: float = math.inf) -> None:
        """Remove the stored pictures but the `used` ones and those that were stored after that time."""
        for path in self.pictures.iterdir():
            if _PICTURE.fullmatch(path.name) and path.name not in used and path.stat().st_mtime < before_s:
                _remove(path)

    def make_room(self) -> None:
        """Remove what a studio that ended left half-made, and what was sent to it: a full disk may have ended it."""
        for path in self.tmp.iterdir():
            _remove(path)
        self.sweep_uploads()

    def sweep_uploads(self, before_s: float = math.inf) -> None:
        """Remove what was sent before that time: what broke off, and what a studio that was killed left."""
        for path in sorted(self.uploads.rglob("*"), reverse=True):
            with suppress(OSError):  # it went meanwhile, or a folder is not empty
                if path.stat().st_mtime < before_s:
                    path.rmdir() if path.is_dir() else path.unlink()

    def sweep(self, listed: set[str], picture_names: set[str], with_latents: set[str]) -> set[str]:
        """Remove what nothing refers to: unlisted clip files, unused pictures, old latents.

        More clip files than a crash can leave are of another database, an older copy's say: they are set aside.
        Returns the ids of the jobs whose latents are there.
        """
        unlisted = self._unlisted(listed)
        if len(unlisted) > MOST_LEFT:
            self._set_aside(unlisted)
        else:
            for path in unlisted:
                _remove(path)
        self.sweep_pictures(picture_names)
        kept = set()
        for path in self._latents.iterdir():
            named = _LATENTS.fullmatch(path.name)
            is_fresh = named is not None and time.time() - path.stat().st_mtime < LATENTS_KEPT_S
            if named and is_fresh and named[1] in with_latents:
                kept.add(named[1])
            elif named or path.suffix == ".part":
                _remove(path)
        return kept


def _remove(path: Path) -> None:
    if path.is_file():
        path.unlink(missing_ok=True)
        log.info("Swept %s", path.name)
