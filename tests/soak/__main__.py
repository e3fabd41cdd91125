"""`make soak`: hours of bad luck in minutes, against the real app on this machine only; one table of what was tried.

Ends with 1 when anything was lost, doubled, left half made, or answered without a sentence.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.soak import clock, disk, hostile, kills, network, tabs, workers
from tests.soak.report import Row, table

Part = Callable[[Path, argparse.Namespace], list[Row]]
PARTS: dict[str, Part] = {
    "kills": lambda folder, asked: kills.run(folder, asked.kills, asked.seed),
    "tabs": lambda folder, asked: tabs.run(folder, asked.tabs, asked.minutes, asked.seed),
    "requests": lambda folder, asked: hostile.run(folder, asked.requests, asked.at_once, asked.seed),
    "network": lambda folder, asked: network.run(folder, asked.hold, asked.weathers),
    "disk": lambda folder, asked: disk.run(folder, asked.step_kb * 1024, asked.most_kb * 1024),
    "clock": lambda folder, asked: clock.run(folder),
    "workers": lambda folder, asked: workers.run(folder, asked.jobs, asked.worker_kills, asked.seed),
}


def main() -> int:
    asked = _arguments()
    rows: list[Row] = []
    for name in asked.only or PARTS:
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"flipbook-{name}-") as folder:
            try:
                rows += PARTS[name](Path(folder), asked)
            except Exception as error:  # noqa: BLE001 - a part that breaks off is a finding, and the others go on
                rows.append(Row(name, "", f"broke off: {type(error).__name__}: {error}", False))
        print(f"{name}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
    for row in rows:
        for text in row.violations:
            print(f"{row.what}: {text}", file=sys.stderr)
    found = table(rows)
    print(found)
    if asked.write:
        asked.write.write_text(found + "\n", encoding="utf-8")
    return 0 if all(row.is_ok for row in rows) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Tries to break a running studio.")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="only these parts")
    parser.add_argument("--kills", type=int, default=100, help="how often the process is killed")
    parser.add_argument("--tabs", type=int, default=50, help="how many tabs are open at once")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the tabs live")
    parser.add_argument("--requests", type=int, default=1000, help="how many requests are sent")
    parser.add_argument("--at-once", type=int, default=24, help="how many of them wait for an answer at a time")
    parser.add_argument("--hold", type=float, default=15.0, help="seconds for which the network is bad")
    parser.add_argument("--weathers", nargs="+", choices=network.FAULTS, default=list(network.FAULTS))
    parser.add_argument("--step-kb", type=int, default=4, help="how much more room the full disk has each time")
    parser.add_argument("--most-kb", type=int, default=160, help="the most room that the full disk has")
    parser.add_argument("--jobs", type=int, default=100, help="how many clips the cluster makes")
    parser.add_argument("--worker-kills", type=int, default=30, help="how often one of its workers is killed meanwhile")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument("--write", type=Path, help="a file for the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
