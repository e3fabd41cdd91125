"""What a container lets this process have of the machine's memory and processors, which other libraries do not see.

Read from the kernel's control groups as they stand inside a container, of version 2 or 1.
"""

from __future__ import annotations

from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def memory() -> tuple[int, int] | None:
    """The limit and what is used of it, in bytes; None where there is no limit."""
    limit = _number("memory.max", "memory/memory.limit_in_bytes")
    used = _number("memory.current", "memory/memory.usage_in_bytes")
    if limit is None or used is None:
        return None
    # Copies of files give way to whatever needs the room.
    stat = _text("memory.stat", "memory/memory.stat").split()
    named = dict(zip(stat[::2], stat[1::2], strict=False))
    return limit, max(0, used - int(named.get("total_inactive_file", named.get("inactive_file", 0))))


def processors() -> int | None:
    """How many processors' time there is, at least 1; None where there is no limit."""
    quota, period = (*_text("cpu.max").split(), "", "")[:2]
    quota = quota or _text("cpu/cpu.cfs_quota_us").strip()
    period = period or _text("cpu/cpu.cfs_period_us").strip()
    return max(1, int(quota) // int(period)) if quota.isdigit() and period.isdigit() else None


def _number(*names: str) -> int | None:
    text = _text(*names).strip()
    return int(text) if text.isdigit() else None


def _text(*names: str) -> str:
    for name in names:
        try:
            return (GROUPS / name).read_text(encoding="ascii")
        except (OSError, ValueError):
            continue
    return ""
