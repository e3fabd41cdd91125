"""A clip is written while the next is denoised: real Pocket weights, real files, and a first clip that is held back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from studio.domain import Done, Made, Order, Orders, Progress, Report, Running, Task, VideoRequest, WasStopped
from studio.engine.pipeline import VideoPipeline
from studio.executors.local import LocalExecutor
from studio.jobs import JobQueue
from studio.media.video import probe
from studio.store.library import Library
from tests.drawing import ended, files, submit, wait_until

HELD_S = 120.0


class Holding(LocalExecutor):
    """Holds the encoding of a prompt that begins with "hold" until the next clip has made a step, or is told to go."""

    def __init__(self, pipeline: VideoPipeline, overlaps: bool | None) -> None:
        super().__init__(pipeline, overlaps)
        self.go = Event()
        self.told: list[str] = []
        self.seen_workers: set[int] = set()

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        prompt = task.request.prompt
        phase = ""

        def tell(progress: Progress) -> None:
            nonlocal phase
            phase = progress.phase
            self.told.append(f"{prompt}: {phase}")
            self.seen_workers.add(self.workers)
            report(progress)

        def hold() -> Order:
            until_s = time.monotonic() + HELD_S
            while phase == "encoding" and prompt.startswith("hold") and orders() == "go on" and not self.go.is_set():
                assert time.monotonic() < until_s, "nothing came to go on with"
                time.sleep(0.01)
            return orders()

        made = super().run(task, tell, hold)
        self.told.append(f"{prompt}: done")
        return made


@pytest.fixture
def executor(pipeline: VideoPipeline) -> Iterator[Holding]:
    opened = Holding(pipeline, overlaps=True)
    yield opened
    opened.close()


@pytest.fixture
def queue(library: Library, executor: Holding) -> Iterator[JobQueue]:
    opened = JobQueue(library, executor, max_queued=20)
    opened.start()
    yield opened
    executor.go.set()
    opened.close()


def phase_of(queue: JobQueue, job_id: str) -> str:
    job = queue.job(job_id)
    return job.state.progress.phase if job and isinstance(job.state, Running) else ""


def test_the_next_is_denoised_while_one_is_written(queue: JobQueue, executor: Holding, library: Library) -> None:
    first, second, third = (
        submit(queue, prompt, seconds=1.0, num_inference_steps=steps, guidance_scale=3.0)
        for prompt, steps in (("hold it", 1), ("a cat", 24), ("a dog", 1))
    )
    wait_until(lambda: "a cat: decoding" in executor.told)
    assert phase_of(queue, first) == "encoding"
    wait_until(lambda: "a cat: done" in executor.told)
    executor.go.set()
    assert [ended(queue, job_id).state for job_id in (first, second, third)] == [Done(first), Done(second), Done(third)]
    order = [executor.told.index(f"{prompt}: denoising") for prompt in ("hold it", "a cat", "a dog")]
    assert order == sorted(order)
    assert executor.told.index("a dog: loading") > executor.told.index("a cat: done"), "three at once"
    one, other = (library.clips.get(job_id) for job_id in (first, second))
    assert one
    assert other
    assert one.made.elapsed_seconds > other.made.elapsed_seconds, "it was held"
    assert one.made.energy_wh < 0.6 * other.made.energy_wh, "the second's work was put on the first's account"
    assert executor.workers == 1


def test_stopping_one_of_the_two_leaves_the_other(queue: JobQueue, executor: Holding, library: Library) -> None:
    first, second = (submit(queue, prompt, seconds=1.0, num_inference_steps=1) for prompt in ("hold it", "hold on"))
    wait_until(lambda: "hold on: encoding" in executor.told)
    assert queue.cancel(first)
    assert ended(queue, first).state == WasStopped()
    assert phase_of(queue, second) == "encoding"
    executor.go.set()
    assert ended(queue, second).state == Done(second)
    clip = library.clips.get(second)
    assert clip
    assert probe(library.files.clips / clip.video).num_frames == clip.made.num_frames
    assert files(library) == [clip.poster, clip.video]


def test_on_processors_alone_nothing_overlaps(pipeline: VideoPipeline, tmp_path: Path) -> None:
    executor = Holding(pipeline, overlaps=None)
    request = VideoRequest("a cat", seed=5, seconds=1.0, num_inference_steps=1)
    made = executor.run(
        Task("a" * 32, request, tmp_path / "a.mp4", tmp_path / "a.jpg", tmp_path / "a.latents"), lambda _: None, go_on
    )
    assert made.num_frames == probe(tmp_path / "a.mp4").num_frames
    assert executor.seen_workers == {1}
    executor.close()


def go_on() -> Order:
    return "go on"
