"""A cluster's workers are killed at random while it makes clips; nothing accepted may be lost or made twice.

Two nodes on this machine; before the kills it is measured what the second worker brings.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.cluster import Machines
from tests.soak import ledger
from tests.soak.report import Row, row
from tests.soak.server import QUICK, Server
from tests.soak.shares import Shares

ROUNDS, MEASURED_CLIPS = 3, 12
SHARE = 0.6
# Of a clip of few steps, the studio's own share would be the most.
LONG = {"seconds": 2.0, "num_inference_steps": 16, "guidance_scale": 3.0, "aspect_ratio": "16:9"}


def run(folder: Path, jobs: int, kills: int, seed: int) -> list[Row]:
    dice, machines, cores = random.Random(seed), Machines(), sorted(os.sched_getaffinity(0))
    own = {"ENGINE": "ray", "RAY_ADDRESS": machines.address, "WORKER_CPUS": "1", "DEVICE": "cpu", "MAX_QUEUED": "10000"}
    server, shares = Server(folder / "workers", {**machines.environ, **own}), Shares(SHARE)
    try:
        machines.start_head()
        server.start()
        rates, used = _one_and_two(server, machines, shares)
        shares.end()
        before = sum(server.health()["jobs"].values())
        done = _kill_while_making(server, machines, jobs, kills, dice)
        server.stop()
    finally:
        server.close()
        machines.close()
        shares.close()
    found = ledger.read(server.data_dir)
    wrong = found.violations(set())
    if len(found.jobs) != before + jobs:
        wrong.append(f"of {before + jobs} jobs {len(found.jobs)} are there")
    ends = Counter(job["state"] for job in found.jobs.values())
    # That one clip loses three workers by chance is unlikely enough to be looked at.
    wrong += [f"a job is {job['state']}: {job['sentence']}" for job in found.jobs.values() if job["state"] != "done"]
    said = ", ".join(f"{count} {state}" for state, count in ends.most_common())
    held = "each on a core of its own" if len(cores) > 1 else "both on one core"
    if Shares.are_possible():
        held += f", {SHARE:.0%} of it"
    return [
        Row(
            "a second worker",
            f"{MEASURED_CLIPS} clips by one worker and by two, in {ROUNDS} rounds, {held}, with the studio on the same "
            f"{len(cores)}",
            f"{_said(rates[1])} clips a minute against {_said(rates[0])}: {sum(rates[1]) / sum(rates[0]):.2f} times as "
            f"many; the one used {np.mean(used[0]):.2f} cores, the two {np.mean(used[1]):.2f}",
        ),
        row(
            "workers killed (SIGKILL)", f"{done} kills during {jobs} jobs", wrong, f"0 lost, 0 twice; in the end {said}"
        ),
    ]


def _one_and_two(
    server: Server, machines: Machines, shares: Shares
) -> tuple[tuple[list[float], list[float]], tuple[list[float], list[float]]]:
    """Clips a minute by one worker and by two, and the cores they used, in turns: the machine itself grows and slows.

    One worker alone shall not use what the other would, nor both what the studio would on its own machine. Who came
    first leaves first, so that each core is that of the one alone in its turn. There are two workers at the end.
    """
    cores = sorted(os.sched_getaffinity(0))
    rates, used = ([], []), ([], [])
    for turn in range(2 * ROUNDS):
        if turn > 0 and turn % 2 == 0:
            machines.kill_node(machines.nodes[0])
            _wait_for(server, 1)
        else:
            node = machines.add_node(cores[((turn + 1) // 2) % len(cores)])
            if Shares.are_possible():
                shares.add(node.pid)
        workers = 1 + turn % 2
        _wait_for(server, workers)
        rate, cores_used = _rate(server, machines, turn)
        rates[workers - 1].append(rate)
        used[workers - 1].append(cores_used)
    return rates, used


def _said(rates: list[float]) -> str:
    return f"{np.mean(rates):.1f} ({', '.join(f'{rate:.1f}' for rate in rates)})"


def _wait_for(server: Server, workers: int) -> None:
    server.wait_until(lambda: server.health()["device"].startswith(f"{workers} workers"))


def _rate(server: Server, machines: Machines, turn: int) -> tuple[float, float]:
    """Clips a minute while there is always one waiting, and how many cores the workers used meanwhile.

    From the end of one clip to that of another: the first of a worker pays for loading the model, and at a queue's end
    one works alone.
    """
    before = server.health()["jobs"].get("done", 0)
    workers = 1 + turn % 2
    warm_up, spare = 2 * workers, workers

    def are_done(clips: int) -> bool:
        return server.health()["jobs"].get("done", 0) >= before + clips

    for number in range(warm_up + MEASURED_CLIPS + spare):
        server.begin("generate", prompt="a ghost at sea", seed=10_000 * (turn + 1) + number, **LONG)
    server.wait_until(lambda: are_done(warm_up), timeout_s=7200)
    used_s, ends_s = machines.used_s(), [time.monotonic()]
    for number in range(1, MEASURED_CLIPS + 1):
        server.wait_until(lambda number=number: are_done(warm_up + number), timeout_s=7200)
        ends_s.append(time.monotonic())
    used_s = machines.used_s() - used_s
    server.wait_until(server.is_idle, timeout_s=7200)
    # The slope of a line through all ends: two workers may end together or in turns, and the first and last say little.
    seconds_a_clip = np.polyfit(range(len(ends_s)), ends_s, 1)[0]
    return 60 / float(seconds_a_clip), used_s / (ends_s[-1] - ends_s[0])


def _kill_while_making(server: Server, machines: Machines, jobs: int, kills: int, dice: random.Random) -> int:
    """Returns how many workers were killed; they come at random places of the whole work."""
    for number in range(jobs):
        server.begin("generate", prompt="a ghost at sea", seed=number, **QUICK)
    health = server.health()
    already = jobs - health["running"] - health["waiting"]
    due = sorted(dice.sample(range(already, jobs), min(kills, jobs - already)))
    done = 0
    while not server.is_idle():
        health = server.health()
        over = jobs - health["running"] - health["waiting"]
        if done < len(due) and over >= due[done] and (workers := machines.workers()):
            time.sleep(dice.random())
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile, with the kill before
                os.kill(dice.choice(workers), signal.SIGKILL)
                done += 1
        time.sleep(0.1)
    return done
