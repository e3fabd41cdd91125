"""A real cluster of two nodes on this machine, with Pocket: clips, Stop, and what if a part of it is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from studio.domain import Made, Order, Progress, Stopped, StudioError, Task, VideoRequest
from studio.executors.parcel import Cluster
from studio.executors.ray_cluster import RayExecutor
from studio.media.video import probe
from tests.cluster import Machines

REQUEST = VideoRequest("a ghost bounces in the snow", aspect_ratio="1:1", seconds=1.0, num_inference_steps=2, seed=5)
LONG = replace(REQUEST, num_inference_steps=40)
SOON_S = 600.0


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    opened = Machines()
    before = {name: os.environ.get(name) for name in opened.environ}
    os.environ.update(opened.environ)
    try:
        opened.start_head()
        opened.add_node()
        opened.add_node()
        yield opened
    finally:
        opened.close()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@pytest.fixture(scope="module")
def executor(machines: Machines) -> Iterator[RayExecutor]:
    opened = RayExecutor(Cluster(machines.address, worker_cpus=1, device="cpu", pocket_dir=None))
    wait_until(lambda: opened.workers == 2)
    yield opened
    opened.close()


def wait_until(is_so: Callable[[], bool], timeout_s: float = SOON_S) -> None:
    until_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < until_s, "it did not come to pass"
        time.sleep(0.05)


def task(folder: Path, request: VideoRequest = REQUEST) -> Task:
    folder.mkdir(exist_ok=True)
    return Task("a" * 32, request, folder / "clip.mp4", folder / "clip.jpg", folder / "clip.safetensors")


class Run:
    """A task on its way, what was told of it, and what is wanted of it."""

    def __init__(self, executor: RayExecutor, asked: Task) -> None:
        self.asked, self.seen = asked, list[Progress]()
        self.order: Order = "go on"
        with_one = ThreadPoolExecutor(max_workers=1)
        self.future: Future[Made] = with_one.submit(executor.run, asked, self.seen.append, lambda: self.order)
        with_one.shutdown(wait=False)

    def reach(self, phase: str, step: int = 0) -> None:
        wait_until(lambda: any(p.phase == phase and p.step >= step for p in self.seen) or self.future.done())

    def made(self) -> Made:
        return self.future.result(SOON_S)


def test_a_cluster_makes_clips_on_both_nodes_at_once(executor: RayExecutor, tmp_path: Path) -> None:
    """Together with the others below one start of a cluster, which is what takes time here."""
    runs = [Run(executor, task(tmp_path / str(number), replace(REQUEST, seed=number))) for number in range(2)]
    wait_until(lambda: all(run.seen for run in runs))
    for run in runs:
        made = run.made()
        assert probe(run.asked.target).num_frames == made.num_frames
        assert run.asked.poster.read_bytes()[:2] == b"\xff\xd8"
        assert run.asked.latents.is_file(), "they came before the clip, for the case that it does not"
        assert list(dict.fromkeys(progress.phase for progress in run.seen))[-3:] == [
            "denoising",
            "decoding",
            "encoding",
        ]
    assert executor.readiness().state == "ready"
    assert executor.device() == "2 workers on 2 of 3 machines of the cluster."


def test_stop_and_stop_and_keep_reach_a_worker(executor: RayExecutor, tmp_path: Path) -> None:
    stopped, kept = (Run(executor, task(tmp_path / name, LONG)) for name in ("stopped", "kept"))
    stopped.reach("denoising", 1)
    stopped.order = "stop"
    with pytest.raises(Stopped):
        stopped.made()
    assert not stopped.asked.target.exists()
    wait_until(lambda: any(progress.preview for progress in kept.seen))
    kept.order = "keep"
    assert 1 <= kept.made().steps_done < LONG.num_inference_steps
    assert kept.asked.target.is_file()


def test_what_the_worker_refuses_is_the_same_sentence(executor: RayExecutor, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="There is no model 'nobody'"):
        Run(executor, task(tmp_path, replace(REQUEST, model="nobody"))).made()


def test_a_killed_worker_s_clip_is_made_elsewhere(machines: Machines, executor: RayExecutor, tmp_path: Path) -> None:
    run = Run(executor, task(tmp_path, replace(REQUEST, num_inference_steps=10)))
    run.reach("denoising", 2)
    for pid in machines.workers():
        os.kill(pid, signal.SIGKILL)
    assert run.made().steps_done == 10
    phases = [progress.phase for progress in run.seen]
    assert phases.count("reading the prompt") == 2, "it was begun again"
    wait_until(lambda: executor.workers == 2)


def test_finished_latents_are_decoded_elsewhere(machines: Machines, executor: RayExecutor, tmp_path: Path) -> None:
    run = Run(executor, task(tmp_path, replace(REQUEST, seconds=3.0)))
    wait_until(lambda: run.asked.latents.exists())
    for pid in machines.workers():
        os.kill(pid, signal.SIGKILL)
    run.made()
    assert [progress.phase for progress in run.seen].count("reading the prompt") == 1, "no step was done twice"


def test_a_lost_node_loses_nothing_and_another_may_come(
    machines: Machines, executor: RayExecutor, tmp_path: Path
) -> None:
    runs = [
        Run(executor, task(tmp_path / str(number), replace(REQUEST, num_inference_steps=10))) for number in range(2)
    ]
    for run in runs:
        run.reach("denoising", 1)
    machines.kill_node(machines.nodes[0])
    for run in runs:
        assert run.made().steps_done == 10
    machines.add_node()
    wait_until(lambda: executor.workers == 2)


def test_a_lost_head_loses_nothing(machines: Machines, executor: RayExecutor, tmp_path: Path) -> None:
    """Its nodes end with it; whoever runs a cluster starts all of them again."""
    run = Run(executor, task(tmp_path, replace(REQUEST, num_inference_steps=50)))
    run.reach("denoising", 1)
    for node in list(machines.nodes):
        machines.kill_node(node)
    machines.kill_head()
    wait_until(lambda: executor.workers == 0)
    assert executor.readiness().state == "loading"
    assert "127.0.0.1" not in executor.readiness().sentence, "the page need not say where"
    machines.start_head()
    machines.add_node()
    assert run.made().steps_done == 50


def test_who_has_no_token_is_not_let_in(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 32)
    stranger = RayExecutor(Cluster(machines.address, worker_cpus=1, device="cpu", pocket_dir=None))
    try:
        wait_until(lambda: "cannot be reached" in stranger.device())
        assert stranger.workers == 0
        assert stranger.readiness().state == "loading"
    finally:
        stranger.close()
