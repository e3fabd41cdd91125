"""The queue with a small real executor: order, progress, stopping, errors. Frames are drawn, files are real."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from threading import Thread

import pytest

from studio.domain import (
    Done,
    Failed,
    Job,
    Made,
    Orders,
    Progress,
    Queued,
    Report,
    Running,
    StudioError,
    Task,
    VideoRequest,
    WasStopped,
)
from studio.executors.routing import RoutingExecutor
from studio.jobs import JobQueue
from studio.media.video import probe
from studio.store.library import Library
from tests.drawing import DrawingExecutor, ended, files, submit, wait_until

AT_MOST_S = 20.0  # of a drawn clip's life


@pytest.fixture
def executor() -> DrawingExecutor:
    return DrawingExecutor()


@pytest.fixture
def queue(library: Library, executor: DrawingExecutor) -> Iterator[JobQueue]:
    opened = JobQueue(library, executor, max_queued=20)
    opened.start()
    yield opened
    opened.close()


def test_a_job_becomes_a_clip(queue: JobQueue, library: Library) -> None:
    job_id = submit(queue, "a ghost", num_inference_steps=3)
    job = ended(queue, job_id)
    assert job.state == Done(job_id)
    clip = library.clips.get(job_id)
    assert clip is not None
    assert clip.request == job.request
    assert probe(library.files.clips / clip.video).num_frames == 5
    assert files(library) == [clip.poster, clip.video]
    (run,) = library.runs.newest("pocket", 5)
    assert {"denoising", "encoding"} <= set(run.spent_s)
    assert all(0 <= spent_s < AT_MOST_S for spent_s in run.spent_s.values())


def test_first_in_first_out_one_at_a_time(queue: JobQueue, executor: DrawingExecutor) -> None:
    first = submit(queue, "hold 0")
    jobs = [first, *(submit(queue, str(number)) for number in range(1, 8))]
    wait_until(lambda: executor.started == ["hold 0"])
    assert [job.id for job in queue.unfinished()] == jobs
    executor.go.set()
    for job_id in jobs:
        assert ended(queue, job_id).state == Done(job_id)
    assert executor.started == ["hold 0", "1", "2", "3", "4", "5", "6", "7"]
    assert executor.most_at_once == 1
    assert queue.unfinished() == []


def test_jobs_of_many_threads_are_all_made(queue: JobQueue, library: Library, executor: DrawingExecutor) -> None:
    made: list[str] = []
    threads = [Thread(target=lambda: made.append(submit(queue, "a ghost"))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(ended(queue, job_id).state) for job_id in made} == {Done}
    assert len(library.clips.newest(50)) == 10
    assert executor.most_at_once == 1


def test_as_many_run_at_once_as_there_are_workers(library: Library) -> None:
    """Workers may come and go; while there are none, jobs wait."""
    executor = DrawingExecutor(workers=0)
    queue = JobQueue(library, executor, max_queued=20)
    queue.start()
    held = [submit(queue, f"hold {number}") for number in range(4)]
    time.sleep(0.1)
    assert executor.started == []
    executor.workers = 3
    wait_until(lambda: len(executor.started) == 3)
    assert [isinstance(job.state, Running) for job in queue.unfinished()] == [True, True, True, False]
    assert queue.cancel(held[1])
    assert ended(queue, held[1]).state == WasStopped()
    wait_until(lambda: len(executor.started) == 4)
    executor.go.set()
    assert [ended(queue, job_id).state for job_id in (held[0], *held[2:])] == [
        Done(job_id) for job_id in (held[0], *held[2:])
    ]
    assert executor.most_at_once == 3
    queue.close()


def test_a_job_without_room_for_its_model_holds_up_no_other(library: Library) -> None:
    home, server = DrawingExecutor(), DrawingExecutor()
    queue = JobQueue(library, RoutingExecutor(home, {"large": server}), max_queued=20)
    first, second = submit(queue, "hold first"), submit(queue, "hold second")
    third = submit(queue, "hold third", model="large")
    queue.start()
    wait_until(lambda: len(home.started + server.started) == 2)
    assert (home.started, server.started) == (["hold first"], ["hold third"])
    assert [job.id for job in queue.unfinished()] == [first, third, second]
    waits = library.jobs.get(second)
    assert waits is not None
    assert waits.attempts == 0
    assert (queue.line("pocket"), queue.line("large")) == (home, server)
    home.go.set()
    assert [ended(queue, job_id).state for job_id in (first, second)] == [Done(first), Done(second)]
    server.go.set()
    assert ended(queue, third).state == Done(third)
    queue.close()


def test_a_job_runs_in_the_context_that_it_was_asked_for_in(library: Library) -> None:
    """There a web server keeps whose request it is."""
    asks: ContextVar[str] = ContextVar("asks", default="nobody")

    asked: list[str] = []

    class Asking(DrawingExecutor):
        def run(self, task: Task, report: Report, orders: Orders) -> Made:
            asked.append(asks.get())
            return super().run(task, report, orders)

    queue = JobQueue(library, Asking(), max_queued=20)
    queue.start()
    for name in ("ann", "bo"):
        visitor = copy_context()
        visitor.run(asks.set, name)
        job_id = visitor.run(submit, queue, "a ghost")
        assert ended(queue, job_id).state == Done(job_id)
    assert asked == ["ann", "bo"]
    queue.close()


def test_closing_puts_back_all_that_runs(library: Library) -> None:
    executor = DrawingExecutor(workers=2)
    queue = JobQueue(library, executor, max_queued=20)
    queue.start()
    jobs = [submit(queue, f"hold {number}") for number in range(3)]
    wait_until(lambda: len(executor.started) == 2)
    queue.close()
    assert [(job.id, job.state) for job in queue.unfinished()] == [(job_id, Queued()) for job_id in jobs]
    assert executor.at_once == 0


def test_progress_is_seen_while_it_runs(queue: JobQueue, executor: DrawingExecutor) -> None:
    running, waiting = submit(queue, "hold"), submit(queue, "next")

    def state() -> object:
        job = queue.job(running)
        return job.state if job else None

    def has_stepped() -> bool:
        pace = queue.pace(running)
        return pace is not None and pace.step == 1

    wait_until(has_stepped)
    seen = state()
    assert isinstance(seen, Running)
    assert seen.progress == Progress("denoising", 1, 3, b"jpeg", 4)
    assert queue.pace(waiting) is None
    waits = queue.watch(waiting, 0.05)
    assert waits is not None
    assert waits.state == Queued()
    executor.go.set()


def test_stop_while_it_waits(queue: JobQueue, executor: DrawingExecutor) -> None:
    running, waiting, last = submit(queue, "hold"), submit(queue, "waiting"), submit(queue, "last")
    assert queue.cancel(waiting)
    assert ended(queue, waiting).state == WasStopped()
    assert not queue.cancel(waiting)
    executor.go.set()
    assert ended(queue, last).state == Done(last)
    assert ended(queue, running).state == Done(running)
    assert executor.started == ["hold", "last"]


def test_stop_while_it_runs(queue: JobQueue, executor: DrawingExecutor, library: Library) -> None:
    running, after = submit(queue, "hold"), submit(queue, "after")
    wait_until(lambda: executor.started == ["hold"])
    assert queue.cancel(running)
    assert ended(queue, running).state == WasStopped()
    assert ended(queue, after).state == Done(after)
    assert not queue.cancel(running)
    assert not queue.cancel(after)
    (clip,) = library.clips.newest(10)
    assert clip.id == after
    assert files(library) == sorted([clip.poster, clip.video])


def test_stop_and_keep_makes_a_clip_of_what_there_is(
    queue: JobQueue, executor: DrawingExecutor, library: Library
) -> None:
    running, after = submit(queue, "hold", num_inference_steps=3), submit(queue, "after")
    wait_until(lambda: executor.started == ["hold"])
    assert queue.cancel(running, keep=True)
    assert ended(queue, running).state == Done(running)
    clip = library.clips.get(running)
    assert clip is not None
    assert clip.made.steps_done < clip.request.num_inference_steps
    assert library.runs.newest("pocket", 5) == [], "it says nothing of how long such a clip takes"
    assert ended(queue, after).state == Done(after)


def test_stop_outweighs_keep(queue: JobQueue, executor: DrawingExecutor) -> None:
    waiting = submit(queue, "hold"), submit(queue, "hold too")
    assert queue.cancel(waiting[1], keep=True), "of what has not begun nothing can be kept"
    assert ended(queue, waiting[1]).state == WasStopped()
    wait_until(lambda: executor.started == ["hold"])
    assert queue.cancel(waiting[0])
    queue.cancel(waiting[0], keep=True)
    assert ended(queue, waiting[0]).state == WasStopped()


def test_a_clip_is_finished_from_its_latents(queue: JobQueue, library: Library) -> None:
    job_id = submit(queue, "unfinished")
    state = ended(queue, job_id).state
    assert isinstance(state, Failed)
    assert state.can_finish
    assert library.files.latents(job_id).is_file()
    assert files(library) == []
    assert queue.finish(job_id)
    assert ended(queue, job_id).state == Done(job_id)
    assert not library.files.latents(job_id).exists()
    assert not queue.finish(job_id)


def test_what_hinders_the_finishing_does_not_cost_the_latents(
    queue: JobQueue, library: Library, executor: DrawingExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(queue, "unfinished")
    ended(queue, job_id)
    with monkeypatch.context() as patched:
        patched.setattr(executor, "run", lambda *_: (_ for _ in ()).throw(StudioError("It needs 8 GB; 3 are free.")))
        assert queue.finish(job_id)
        assert ended(queue, job_id).state == Failed("It needs 8 GB; 3 are free.", can_finish=True)
    assert library.files.latents(job_id).is_file()
    assert queue.finish(job_id)
    assert ended(queue, job_id).state == Done(job_id)


def test_what_went_on_from_a_deleted_clip_cannot_be_finished(queue: JobQueue, library: Library) -> None:
    first = submit(queue, "a ghost")
    ended(queue, first)
    job_id = submit(queue, "unfinished", extends=first)
    assert ended(queue, job_id).state.can_finish  # type: ignore[union-attr]
    clip = library.clips.get(first)
    assert clip
    library.delete(clip)
    assert queue.finish(job_id)
    assert ended(queue, job_id).state == Failed("The clip to extend was deleted before its turn came.")
    assert not library.files.latents(job_id).exists()


def test_latents_go_with_their_job(queue: JobQueue, library: Library) -> None:
    for prompt, has_failed, are_kept in (
        ("a ghost", False, False), ("rule", True, False), ("bug", True, False), ("faulty", True, False),
        ("unfinished", True, True),
    ):  # fmt: skip
        job_id = submit(queue, prompt)
        state = ended(queue, job_id).state
        assert isinstance(state, Failed) == has_failed, prompt
        assert (isinstance(state, Failed) and state.can_finish) == are_kept, prompt
        assert library.files.latents(job_id).exists() == are_kept, prompt


def test_stop_at_any_moment_never_harms_the_queue(queue: JobQueue) -> None:
    """Some are stopped waiting, some at their start, some at their end; the next job always runs."""
    for turn in range(25):
        job_id = submit(queue, "a ghost")
        time.sleep(0.002 * turn)
        queue.cancel(job_id)
        assert isinstance(ended(queue, job_id).state, Done | WasStopped)
    last = submit(queue, "last")
    assert ended(queue, last).state == Done(last)


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("rule", "The rule is this; the value was that."),
        ("bug", "Something went wrong while making this clip (ZeroDivisionError)."),
        ("mute", "Something went wrong while making this clip (KeyError)."),
        ("memory", "Something went wrong while making this clip (MemoryError)."),
        ("full", "There is no room left on the disk (No space left on device). Please delete some clips"),
    ],
)
def test_the_worker_survives_every_error(queue: JobQueue, library: Library, prompt: str, sentence: str) -> None:
    failing = [submit(queue, prompt) for _ in range(2)]
    good = submit(queue, "good")
    assert ended(queue, good).state == Done(good)
    for job_id in failing:
        state = ended(queue, job_id).state
        assert isinstance(state, Failed)
        assert state.sentence.startswith(sentence)
    (clip,) = library.clips.newest(10)
    assert clip.id == good
    assert files(library) == sorted([clip.poster, clip.video]), "nothing half made is left"


def test_the_traceback_goes_to_the_log_only(queue: JobQueue, caplog: pytest.LogCaptureFixture) -> None:
    state = ended(queue, submit(queue, "bug")).state
    assert isinstance(state, Failed)
    assert "Traceback" not in state.sentence
    assert "Traceback" in caplog.text


def test_what_is_done_between_jobs_does_not_keep_them_from_running(
    library: Library, executor: DrawingExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    def sweep() -> None:
        raise PermissionError("a file that cannot be removed")

    queue = JobQueue(library, executor, max_queued=2, between_jobs=sweep)
    queue.start()
    for prompt in ("one", "two"):
        job_id = submit(queue, prompt)
        assert ended(queue, job_id).state == Done(job_id)
    queue.close()
    assert "what is done between jobs failed" in caplog.text


def test_a_full_queue_says_so(library: Library, executor: DrawingExecutor) -> None:
    queue = JobQueue(library, executor, max_queued=2)
    submit(queue, "one")
    submit(queue, "two")
    with pytest.raises(StudioError, match="holds 2 waiting clips at most and has 2"):
        submit(queue, "three")
    assert len(queue.unfinished()) == 2


def test_what_is_to_be_finished_takes_its_place_among_those_that_wait(
    library: Library, executor: DrawingExecutor
) -> None:
    def ask(queue: JobQueue, prompt: str) -> str:
        job = Job(uuid.uuid4().hex, VideoRequest(prompt, seed=1), time.time(), Queued(), owner="ann")
        queue.submit(job)
        return job.id

    queue = JobQueue(library, executor, max_queued=1)
    queue.start()
    failed = ask(queue, "unfinished")
    state = ended(queue, failed).state
    queue.close()
    waiting = ask(JobQueue(library, executor, max_queued=1), "one")
    for limits, sentence in (
        ((1,), "holds 1 waiting clips at most and has 1"),
        ((9, 1), "You may have 1 waiting clips at most and have 1"),
    ):
        queue = JobQueue(library, executor, *limits)
        with pytest.raises(StudioError, match=sentence):
            queue.finish(failed)
    job = queue.job(failed)
    assert job is not None
    assert job.state == state, "it can be finished later"
    assert queue.cancel(waiting)
    assert queue.finish(failed)


def test_the_files_of_a_task_are_looked_up_at_its_turn(queue: JobQueue, library: Library) -> None:
    lost = submit(queue, "", picture="a" * 64 + ".png")
    gone = submit(queue, "", extends="b" * 32)
    for job_id, sentence in ((lost, "is no longer here"), (gone, "The clip to extend was deleted")):
        state = ended(queue, job_id).state
        assert isinstance(state, Failed)
        assert sentence in state.sentence


def test_unknown_jobs(queue: JobQueue) -> None:
    assert queue.job("0" * 32) is None
    assert queue.watch("0" * 32, 5) is None
    assert not queue.cancel("0" * 32)
