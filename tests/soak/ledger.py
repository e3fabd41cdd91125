"""Reads a data folder from outside, as a stopped or killed studio left it, and says what is wrong in it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATES = {"queued", "running", "done", "failed", "stopped"}


@dataclass(frozen=True)
class Ledger:
    """The rows and the names of the files at one moment."""

    jobs: dict[str, dict[str, Any]]
    clips: dict[str, dict[str, Any]]
    files: frozenset[str]
    half_made: frozenset[str]
    latents: frozenset[str]
    integrity: str

    @property
    def listed(self) -> set[str]:
        return {name for clip in self.clips.values() for name in (clip["video"], clip["poster"])}

    @property
    def orphans(self) -> set[str]:
        """Files of the gallery's folder that no row knows; a start sweeps them."""
        return set(self.files) - self.listed

    def violations(self, accepted: set[str]) -> list[str]:
        """What must never be, not even right after a kill. `accepted` are the ids that must be there."""
        found = [] if self.integrity == "ok" else [f"the database is not sound: {self.integrity}"]
        found += [f"job {job_id} is lost" for job_id in accepted - self.jobs.keys()]
        for job_id, job in self.jobs.items():
            if job["state"] not in STATES:
                found.append(f"job {job_id} is {job['state']}")
            if job["state"] == "failed" and not job["sentence"].endswith("."):
                found.append(f"job {job_id} failed without a sentence: {job['sentence']!r}")
            if (job["state"] == "done") != (job_id in self.clips):
                found.append(
                    f"job {job_id} is {job['state']}, its clip {'is' if job_id in self.clips else 'is not'} there"
                )
        found += [f"the row of {name} has no file" for name in self.listed - self.files]
        seeds = Counter(json.loads(clip["request"])["seed"] for clip in self.clips.values())
        return found + [f"seed {seed} was made {count} times" for seed, count in seeds.items() if count > 1]


def read(data_dir: Path) -> Ledger:
    """The studio must not be running: it holds its database for itself. What lies there is copied, not touched."""
    with tempfile.TemporaryDirectory() as folder:
        for path in data_dir.glob("flipbook.db*"):
            shutil.copy(path, folder)
        connection = sqlite3.connect(Path(folder) / "flipbook.db")
        connection.row_factory = sqlite3.Row
        try:
            jobs = {row["id"]: dict(row) for row in connection.execute("SELECT * FROM jobs ORDER BY number")}
            clips = {row["id"]: dict(row) for row in connection.execute("SELECT rowid, * FROM clips ORDER BY rowid")}
            integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            connection.close()
    clip_files, half_made, latents = (_names(data_dir / folder) for folder in ("clips", "tmp", "latents"))
    return Ledger(jobs, clips, clip_files, half_made, latents, integrity)


def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()
