"""Gives processes a share of a core, as if each ran on a slow machine of its own: Linux with cgroups, only as root."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.cluster import descendants

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000


class Shares:
    """Each process that is added, with all that it starts, gets at most `share` of one core until the end of this."""

    def __init__(self, share: float):
        self.share = share
        self._groups: list[Path] = []

    @staticmethod
    def are_possible() -> bool:
        """Whether this process may make groups of either kind."""
        return os.access(_controller(), os.W_OK) and (_is_old() or "cpu" in _read(ROOT / "cgroup.subtree_control"))

    def add(self, pid: int) -> None:
        group = _controller() / f"flipbook-{os.getpid()}-{pid}"
        group.mkdir()
        self._groups.append(group)
        self._limit(group, int(PERIOD_US * self.share))
        moved: set[int] = set()
        # Whoever is not in the group yet may start others meanwhile, and those would escape.
        while others := {pid, *descendants(pid)} - moved:
            for each in others:
                with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                    (group / "cgroup.procs").write_text(str(each))
            moved |= others

    def end(self) -> None:
        """Whole cores from now on."""
        for group in self._groups:
            self._limit(group, None)

    def close(self) -> None:
        """For when the processes have ended; a group with a process in it stays."""
        for group in self._groups:
            with contextlib.suppress(OSError):
                group.rmdir()

    @staticmethod
    def _limit(group: Path, quota_us: int | None) -> None:
        if _is_old():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(-1 if quota_us is None else quota_us))
        else:
            (group / "cpu.max").write_text(f"{'max' if quota_us is None else quota_us} {PERIOD_US}")


def _is_old() -> bool:
    return (ROOT / "cpu" / "cpu.cfs_quota_us").exists() or (ROOT / "cpu").is_mount()


def _controller() -> Path:
    return ROOT / "cpu" if _is_old() else ROOT


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
