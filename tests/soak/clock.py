"""The clock jumps back while jobs run: order, waiting and ages must not depend on it."""

from __future__ import annotations

import itertools
import time
from functools import partial
from pathlib import Path
from typing import Any

from tests.soak import ledger
from tests.soak.report import Row, row
from tests.soak.server import QUICK, Server

HOUR_S = 3600.0
YEAR_S = 365 * 24 * HOUR_S
SEEDS = itertools.count(1)


def run(folder: Path, jumps: tuple[float, ...] = (HOUR_S, YEAR_S)) -> list[Row]:
    shift = folder / "shift"
    shift.write_text("0")
    extra = {"PYTHONPATH": str(Path(__file__).parent / "shifted"), "SHIFT_FILE": str(shift), "KEEP_DAYS": "30"}
    server = Server(folder / "clock", extra)
    wrong: list[str] = []
    try:
        server.start()
        asked = _make(server, ["first"])
        for jump in jumps:
            asked += _make(server, [f"running {jump:g}", f"waiting {jump:g}"], partial(shift.write_text, str(-jump)))
            asked += _make(server, [f"later {jump:g}"])
        shown = [recipe["prompt"] for recipe in _clips(server)]
        if shown != asked[::-1]:
            wrong.append(f"the gallery shows {shown}, made were {asked}")
        wrong += _looks_back(server)
        server.stop()
        # A start while the clock is still wrong sweeps nothing that is in use.
        server.start()
        if len(_clips(server)) != len(asked):
            wrong.append(f"{len(_clips(server))} of {len(asked)} clips were there after a restart")
        server.stop()
        found = ledger.read(server.data_dir)
        wrong += found.violations(set()) + sorted(found.orphans | found.half_made | found.latents)
    finally:
        server.close()
    years = " and by ".join("a year" if jump == YEAR_S else f"{jump / HOUR_S:g} h" for jump in jumps)
    return [row("clock", f"back by {years} while jobs run, {len(asked)} clips", wrong, "order, waiting and clips hold")]


def _make(server: Server, prompts: list[str], meanwhile: Any = None) -> list[str]:
    """Make these clips one after the other, with `meanwhile` happening while the first is made."""
    events = []
    for prompt in prompts:
        events.append(server.begin("generate", prompt=prompt, seed=next(SEEDS), **QUICK | {"num_inference_steps": 4}))
        server.wait_until(lambda prompt=prompt: any(view["prompt"] == prompt for view in _jobs(server)))
    if meanwhile:
        meanwhile()
    for prompt, event in zip(prompts, events, strict=True):
        began_s = time.monotonic()
        kind, value = server.outcome("generate", event)
        if kind != "complete":
            raise RuntimeError(f"{prompt} ended with {value} after {time.monotonic() - began_s:.1f} s")
    return prompts


def _looks_back(server: Server) -> list[str]:
    """Nothing that the page is told is older than the present or takes less than no time."""
    health = server.health()
    listed = server.part("list_clips")
    wrong = [] if health["up_s"] >= 0 else [f"the studio is up for {health['up_s']} s"]
    return wrong + ([f"list_clips says {listed['error']}"] if "error" in listed else [])


def _jobs(server: Server) -> list[dict[str, Any]]:
    return server.part("poll_jobs", jobs=[], preview="")["jobs"] + [{"prompt": r["prompt"]} for r in _clips(server)]


def _clips(server: Server) -> list[dict[str, Any]]:
    _, values = server.call("clips")
    return values[0]
