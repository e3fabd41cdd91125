"""A real cluster of two nodes on this machine: clips, Stop, a model of one node alone, and what if a part is killed."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import pytest
from ray.exceptions import ActorDiedError, ActorUnschedulableError, NodeDiedError, ObjectLostError, RayTaskError

from studio.domain import Made, ModelCard, Order, Progress, Stopped, StudioError, Task, Unfinished, VideoRequest
from studio.engine.checkpoint import card_of
from studio.engine.rows import LTX
from studio.executors import ray_cluster, ray_driver
from studio.executors.parcel import Cluster, Parcel
from studio.executors.ray_cluster import RayExecutor
from studio.media.video import probe
from tests.cluster import Machines
from tests.tiny.checkpoints import save

REQUEST = VideoRequest("a ghost bounces in the snow", aspect_ratio="1:1", seconds=1.0, num_inference_steps=2, seed=5)
LONG = replace(REQUEST, num_inference_steps=40)
TINY = "tiny-wan-2.1"
SOON_S = 600.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelCard, Path]:
    """A small model's card and the hub's cache that has it, which one of the machines uses."""
    cache = tmp_path_factory.mktemp("hub")
    folder = save(TINY, cache / "models--who--tiny" / "snapshots")
    (cache / "models--who--tiny" / "refs").mkdir()
    (cache / "models--who--tiny" / "refs" / "main").write_text(TINY)
    return replace(card_of(str(folder)), source="who/tiny"), cache


@pytest.fixture(scope="module")
def machines(tiny: tuple[ModelCard, Path]) -> Iterator[Machines]:
    opened = Machines()
    before = {name: os.environ.get(name) for name in opened.environ}
    os.environ.update(opened.environ)
    try:
        opened.start_head()
        opened.add_node()
        opened.add_node(HF_HUB_CACHE=str(tiny[1]))
        yield opened
    finally:
        opened.close()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@pytest.fixture(scope="module")
def executor(machines: Machines, tiny: tuple[ModelCard, Path]) -> Iterator[RayExecutor]:
    opened = RayExecutor(cluster(machines, tiny[0]))
    assert "is known when one is there" in opened.obstacle(LTX)
    wait_until(lambda: opened.workers == 2)
    yield opened
    opened.close()


def cluster(machines: Machines, *models: ModelCard) -> Cluster:
    return Cluster(machines.address, 1, 1, device="cpu", pocket_dir=None, models=(LTX, *models))


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

    def count(self, phase: str) -> int:
        return [progress.phase for progress in self.seen].count(phase)

    def reach(self, phase: str, step: int = 0) -> None:
        wait_until(lambda: any(p.phase == phase and p.step >= step for p in self.seen) or self.future.done())

    def begin_again(self) -> None:
        """Wait until it does, and let it keep what it has soon."""
        wait_until(lambda: self.count("reading the prompt") == 2 or self.future.done())
        self.order = "keep"
        assert self.made().steps_done >= 1
        assert self.count("reading the prompt") == 2, "it was begun again"

    def made(self) -> Made:
        return self.future.result(SOON_S)


def test_a_task_travels_with_all_its_files(tmp_path: Path) -> None:
    names = ("picture", "last_picture", "source", "latents")
    sent = replace(task(tmp_path / "here"), **{name: tmp_path / name for name in names})
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / "there").mkdir()
    came = Parcel.pack(sent).unpack(tmp_path / "there")
    assert came.request == sent.request
    assert [getattr(came, name).read_text() for name in names] == list(names)


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


def test_a_model_is_made_where_it_lies_and_holds_up_no_other(
    executor: RayExecutor, tiny: tuple[ModelCard, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tiny[0]
    assert executor.obstacle(card) == ""
    said = executor.obstacle(LTX)
    assert said.startswith("No worker of the cluster can take it: LTX-2.3 needs a graphics card with 78 GB")
    asked = replace(REQUEST, model=card.name, sound=False, guidance_scale=card.default_guidance)
    runs = [Run(executor, task(tmp_path / str(number), asked)) for number in range(3)]
    wait_until(lambda: executor.workers > 2 or runs[2].future.done())
    Run(executor, task(tmp_path / "pocket")).made()
    for run in runs:
        assert run.made().width == card.grid.sizes["1:1"][0]
    monkeypatch.setattr(ray_cluster, "LACKING_S", 0.1)
    with pytest.raises(StudioError, match=r"No worker of the cluster came that can take this clip: LTX-2\.3 needs"):
        Run(executor, task(tmp_path / "ltx", replace(REQUEST, model=LTX.name))).made()


def test_stop_and_stop_and_keep_reach_a_worker(executor: RayExecutor, tmp_path: Path) -> None:
    stopped, kept = (Run(executor, task(tmp_path / name, LONG)) for name in ("stopped", "kept"))
    stopped.reach("denoising", 1)
    stopped.order = "stop"
    with pytest.raises(Stopped):
        stopped.made()
    assert not stopped.asked.target.exists()
    kept.reach("denoising", 1)
    wait_until(lambda: any(progress.preview for progress in kept.seen) or kept.future.done())
    kept.order = "keep"
    assert 1 <= kept.made().steps_done < LONG.num_inference_steps
    assert any(progress.preview for progress in kept.seen)
    assert kept.asked.target.is_file()


def test_a_clip_for_which_there_is_no_room_can_be_finished(executor: RayExecutor, tmp_path: Path) -> None:
    asked = task(tmp_path)
    asked.poster.symlink_to("/dev/full")
    with pytest.raises(Unfinished, match=r"^There is no room left on the disk .* can be finished later"):
        Run(executor, asked).made()
    asked.poster.unlink()
    run = Run(executor, asked)
    run.made()
    assert run.count("reading the prompt") == 0, "the worker went on from its latents"


def test_what_the_worker_refuses_is_the_same_sentence(executor: RayExecutor, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="There is no model 'nobody'"):
        Run(executor, task(tmp_path, replace(REQUEST, model="nobody"))).made()


def test_a_killed_worker_s_clip_is_made_elsewhere(machines: Machines, executor: RayExecutor, tmp_path: Path) -> None:
    begun = Run(executor, task(tmp_path / "begun", LONG))
    finished = Run(executor, task(tmp_path / "finished", replace(REQUEST, seconds=3.0)))
    wait_until(lambda: finished.asked.latents.exists())
    for pid in machines.workers():
        os.kill(pid, signal.SIGKILL)
    finished.made()
    assert finished.count("reading the prompt") == 1, "no step was done twice: its latents were finished"
    begun.begin_again()
    wait_until(lambda: executor.workers == 2)


@pytest.mark.parametrize(
    ("error", "is_loss"),
    [
        (ActorDiedError(), True),
        (ActorUnschedulableError("Its node is not there."), True),
        (NodeDiedError("It ended."), True),
        (ObjectLostError("0" * 56, None, "make"), True),
        (RayTaskError("make", "Traceback", ValueError("odd")).as_instanceof_cause(), False),
        (ValueError("odd"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_whatever_ray_says_of_a_lost_worker_is_understood(error: Exception, is_loss: bool) -> None:
    assert ray_driver.is_loss(error) == is_loss


def test_a_lost_node_loses_nothing_and_another_may_come(
    machines: Machines, executor: RayExecutor, tmp_path: Path
) -> None:
    runs = [Run(executor, task(tmp_path / str(number), LONG)) for number in range(2)]
    for run in runs:
        run.reach("denoising", 1)
    machines.kill_node(machines.nodes[0])
    machines.add_node()

    def begun() -> int:
        return sum(run.count("reading the prompt") for run in runs)

    wait_until(lambda: begun() == 3 or all(run.future.done() for run in runs))
    for run in runs:
        run.order = "keep"
        assert run.made().steps_done >= 1
    assert begun() == 3, "the lost one was begun again"
    wait_until(lambda: executor.workers == 2)


def test_a_lost_head_loses_nothing(machines: Machines, executor: RayExecutor, tmp_path: Path) -> None:
    """Its nodes end with it; whoever runs a cluster starts all of them again."""
    run = Run(executor, task(tmp_path, LONG))
    run.reach("denoising", 1)
    for node in list(machines.nodes):
        machines.kill_node(node)
    machines.kill_head()
    wait_until(lambda: executor.workers == 0)
    assert executor.readiness().state == "loading"
    assert "127.0.0.1" not in executor.readiness().sentence, "the page need not say where"
    machines.start_head()
    machines.add_node()
    run.begin_again()


def test_who_has_no_token_is_not_let_in(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 32)
    stranger = RayExecutor(cluster(machines))
    try:
        wait_until(lambda: "cannot be reached" in stranger.device())
        assert stranger.workers == 0
        assert stranger.readiness().state == "loading"
    finally:
        stranger.close()


def test_a_lost_driver_s_tries_may_end_while_the_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(SimpleQueue):
        """Whoever reads it is done with it before its writer is."""

        def put(self, *given: object) -> None:
            super().put(*given)
            time.sleep(0.2)

    class Mute(RayExecutor):
        """Its driver takes all that it is sent, and ends when told."""

        def _listen(self) -> None:
            ours, theirs = socket.socketpair()
            with theirs:
                with self._lock:
                    self._link, self._socket = Connection(os.dup(ours.fileno())), ours
                assert end.wait(SOON_S)

    end = Event()
    for name, value in {"SimpleQueue": Slow, "AGAIN_S": 0.01, "OBEY_S": 0.01}.items():
        monkeypatch.setattr(ray_cluster, name, value)
    executor = Mute(Cluster("nowhere", 1, 1, device="cpu", pocket_dir=None))
    runs = [Run(executor, task(tmp_path / str(number))) for number in range(2)]
    wait_until(lambda: len(executor._mail) == 2)
    end.set()
    wait_until(lambda: all(run.count("loading") for run in runs) or any(run.future.done() for run in runs))
    for run in runs:
        run.order = "stop"
        with pytest.raises(Stopped):
            run.made()
    assert executor._keeper.is_alive(), "there is a next driver"
    executor.close()
