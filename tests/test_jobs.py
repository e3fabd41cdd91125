"""The queue with a small real executor: order, stopping, errors, restarts. Frames are drawn, files are real."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from studio.domain import (
    Done,
    Failed,
    Job,
    Made,
    Progress,
    Queued,
    Report,
    Running,
    ShouldStop,
    Stopped,
    StudioError,
    Task,
    VideoRequest,
    WasStopped,
)
from studio.executors import Readiness
from studio.jobs import JobQueue
from studio.media.poster import poster_jpeg
from studio.media.video import Movie, Tags, probe, write_video
from studio.store.library import GIVEN_UP, Library

SOON_S = 20.0
RAISES: dict[str, Callable[[], Exception]] = {
    "rule": lambda: StudioError("The rule is this; the value was that."),
    "bug": lambda: ZeroDivisionError("float division by zero\nand more lines"),
    "mute": lambda: KeyError(),
    "full": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "memory": lambda: MemoryError("could not allocate"),
}


class DrawingExecutor:
    """Draws grey frames and encodes them. Prompts steer it: "hold" waits for `go` or Stop, RAISES raise."""

    def __init__(self) -> None:
        self.go = Event()
        self.started: list[str] = []
        self.at_once = self.most_at_once = 0

    def run(self, task: Task, report: Report, should_stop: ShouldStop) -> Made:
        self.started.append(task.request.prompt)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._make(task, report, should_stop)
        finally:
            self.at_once -= 1

    def _make(self, task: Task, report: Report, should_stop: ShouldStop) -> Made:
        words = task.request.prompt.split()
        frames = np.stack([np.full((48, 64, 3), 10 * number, np.uint8) for number in range(5)])
        for step in range(3):
            report(Progress("denoising", step + 1, 3, preview=b"jpeg", preview_frames=4))
            while "hold" in words and not self.go.wait(0.01):
                if should_stop():
                    raise Stopped
        task.poster.write_bytes(poster_jpeg(frames))
        if words and words[0] in RAISES:
            task.target.write_bytes(b"half a file")
            raise RAISES[words[0]]()
        report(Progress("encoding"))
        write_video(task.target, Movie(frames, 12.0), Tags("", "", ""), should_stop)
        return Made(64, 48, 5, 12.0, False, 0.1)

    def warm_up(self) -> None: ...

    def readiness(self) -> Readiness:
        return Readiness("ready", "")

    def close(self) -> None: ...


@pytest.fixture
def executor() -> DrawingExecutor:
    return DrawingExecutor()


@pytest.fixture
def library(data_dir: Path) -> Iterator[Library]:
    opened = Library(data_dir)
    yield opened
    opened.close()


@pytest.fixture
def queue(library: Library, executor: DrawingExecutor) -> Iterator[JobQueue]:
    opened = JobQueue(library, executor, max_queued=20)
    opened.start()
    yield opened
    opened.close()


def submit(queue: JobQueue, prompt: str, **values: str) -> str:
    job = Job(uuid.uuid4().hex, VideoRequest(prompt, seed=1, **values), time.time(), Queued())  # type: ignore[arg-type]
    queue.submit(job)
    return job.id


def ended(queue: JobQueue, job_id: str) -> Job:
    job = queue.watch(job_id, SOON_S)
    assert job is not None
    assert job.is_over, f"still {job.state}"
    return job


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < until_s, "it did not come to pass"
        time.sleep(0.005)


def files(library: Library) -> list[str]:
    return sorted(path.name for folder in (library.files.clips, library.files.tmp) for path in folder.iterdir())


def test_a_job_becomes_a_clip(queue: JobQueue, library: Library) -> None:
    job_id = submit(queue, "a ghost")
    job = ended(queue, job_id)
    assert job.state == Done(job_id)
    clip = library.clips.get(job_id)
    assert clip is not None
    assert clip.request == job.request
    assert probe(library.files.clips / clip.video).num_frames == 5
    assert files(library) == [clip.poster, clip.video]
    (run,) = library.runs.newest("pocket", 5)
    assert {"denoising", "encoding"} <= set(run.spent_s)
    assert all(0 <= spent_s < SOON_S for spent_s in run.spent_s.values())


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
    assert abs(time.time() - seen.started_s) < SOON_S
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
    assert files(library) == [f"{after}.jpg", f"{after}.mp4"]


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
        ("bug", "Something went wrong while making this clip (ZeroDivisionError: float division by zero)."),
        ("mute", "Something went wrong while making this clip (KeyError: no message)."),
        ("memory", "Something went wrong while making this clip (MemoryError: could not allocate)."),
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
    assert files(library) == [f"{good}.jpg", f"{good}.mp4"], "nothing half made is left"
    assert [clip.id for clip in library.clips.newest(10)] == [good]


def test_the_traceback_goes_to_the_log_only(queue: JobQueue, caplog: pytest.LogCaptureFixture) -> None:
    state = ended(queue, submit(queue, "bug")).state
    assert isinstance(state, Failed)
    assert "Traceback" not in state.sentence
    assert "Traceback" in caplog.text


def test_a_full_queue_says_so(library: Library, executor: DrawingExecutor) -> None:
    queue = JobQueue(library, executor, max_queued=2)
    submit(queue, "one")
    submit(queue, "two")
    with pytest.raises(StudioError, match="holds 2 waiting clips at most and has 2"):
        submit(queue, "three")
    assert len(queue.unfinished()) == 2


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


def test_closing_puts_the_running_job_back(library: Library, executor: DrawingExecutor) -> None:
    """However often the studio is closed in the middle of it: that is no failed attempt."""
    queue = JobQueue(library, executor, max_queued=5)
    running, waiting = submit(queue, "hold"), submit(queue, "waiting")
    for turn in range(3):
        queue.start()
        wait_until(lambda turn=turn: len(executor.started) == turn + 1)
        queue.close()
        row = library.jobs.get(running)
        assert row is not None
        assert (row.state, row.attempts) == ("queued", 0)
        queue = JobQueue(library, executor, max_queued=5)
    executor.go.set()
    queue.start()
    assert ended(queue, waiting).state == Done(waiting)
    assert ended(queue, running).state == Done(running)
    assert executor.started[-2:] == ["hold", "waiting"]
    queue.close()


def test_what_was_stopped_stays_stopped_when_the_studio_closes(library: Library, executor: DrawingExecutor) -> None:
    queue = JobQueue(library, executor, max_queued=5)
    queue.start()
    running = submit(queue, "hold")
    wait_until(lambda: executor.started == ["hold"])
    queue.cancel(running)
    queue.close()
    job = queue.job(running)
    assert job is not None
    assert job.state == WasStopped()


def crash(data_dir: Path) -> None:
    """A process of its own takes up the queue and is killed while its first job runs."""
    program = """
        import sys, time
        from pathlib import Path
        from tests.test_jobs import DrawingExecutor, submit
        from studio.jobs import JobQueue
        from studio.store.library import Library
        library, executor = Library(Path(sys.argv[1])), DrawingExecutor()
        queue = JobQueue(library, executor, max_queued=5)
        if not queue.unfinished():
            for prompt in ("hold first", "second", "third"):
                submit(queue, prompt)
        queue.start()
        while not executor.started:
            time.sleep(0.005)
        print("running", flush=True)
        time.sleep(60)
    """
    root = Path(__file__).parents[1]
    asked = [sys.executable, "-c", textwrap.dedent(program), str(data_dir)]
    with subprocess.Popen(asked, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.kill()


def test_after_a_kill_running_and_queued_jobs_go_on(data_dir: Path, executor: DrawingExecutor) -> None:
    crash(data_dir)
    library = Library(data_dir)
    queue = JobQueue(library, executor, max_queued=5)
    jobs = queue.unfinished()
    assert [job.state for job in jobs] == [Queued()] * 3
    executor.go.set()
    queue.start()
    assert [ended(queue, job.id).state for job in jobs] == [Done(job.id) for job in jobs]
    assert executor.started == ["hold first", "second", "third"]
    queue.close()
    library.close()


def test_a_job_that_kills_the_studio_twice_does_not_block_the_others(data_dir: Path, executor: DrawingExecutor) -> None:
    crash(data_dir)
    crash(data_dir)
    library = Library(data_dir)
    queue = JobQueue(library, executor, max_queued=5)
    queue.start()
    wait_until(lambda: not queue.unfinished())
    assert executor.started == ["second", "third"]
    (failed,) = library._database.rows("SELECT id FROM jobs WHERE state = 'failed'")
    assert ended(queue, failed["id"]).state == Failed(GIVEN_UP)
    queue.close()
    library.close()


def test_a_really_full_disk_fails_the_job_and_leaves_no_half_clip(data_dir: Path) -> None:
    """In a process of its own, whose files may not grow past a limit: the writes really fail."""
    program = """
        import resource, sys
        from pathlib import Path
        import numpy as np
        from tests.test_jobs import DrawingExecutor, ended, files, submit
        from studio.domain import Made
        from studio.jobs import JobQueue
        from studio.media.video import Movie, Tags, write_video
        from studio.store.library import Library

        class LargeExecutor(DrawingExecutor):
            def _make(self, task, report, should_stop):
                size = 512 if "large" in task.request.prompt else 64
                frames = np.random.default_rng(0).integers(0, 255, (9, size, size, 3), dtype=np.uint8)
                write_video(task.target, Movie(frames, 12.0), Tags("", "", ""), should_stop)
                task.poster.write_bytes(b"poster")
                return Made(size, size, 9, 12.0, False, 0.1)

        library = Library(Path(sys.argv[1]))
        queue = JobQueue(library, LargeExecutor(), max_queued=5)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        queue.start()
        print(ended(queue, submit(queue, "large")).state.sentence)
        print(len(files(library)), len(library.clips.newest(5)))
        print(type(ended(queue, submit(queue, "small")).state).__name__, len(files(library)))
        queue.close()
        library.close()
    """
    root = Path(__file__).parents[1]
    asked = [sys.executable, "-c", textwrap.dedent(program), str(data_dir)]
    said = subprocess.run(asked, cwd=root, capture_output=True, check=True, text=True).stdout.splitlines()
    assert said[0].startswith("There is no room left on the disk (File too large). Please delete some clips")
    assert said[1:] == ["0 0", "Done 2"]


def test_when_not_even_the_failure_can_be_written_down(data_dir: Path) -> None:
    """The disk takes no byte more, not the database's either: the job is over all the same, and the next one runs."""
    program = """
        import resource, sys
        from pathlib import Path
        from tests.test_jobs import DrawingExecutor, ended, submit
        from studio.jobs import JobQueue
        from studio.store.library import Library

        def let_files_grow_to(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        class FillingExecutor(DrawingExecutor):
            def _make(self, task, report, should_stop):
                if task.request.prompt == "fills":
                    let_files_grow_to(1)
                    task.target.write_bytes(b"more than one byte")
                return super()._make(task, report, should_stop)

        library = Library(Path(sys.argv[1]))
        queue = JobQueue(library, FillingExecutor(), max_queued=5)
        queue.start()
        fills = submit(queue, "fills")
        print(ended(queue, fills).state.sentence)
        let_files_grow_to(resource.RLIM_INFINITY)
        print(len(queue.unfinished()), library.jobs.get(fills).state)
        print(type(ended(queue, submit(queue, "next")).state).__name__)
        queue.close()
        library.close()
        library = Library(Path(sys.argv[1]))
        print(library.jobs.get(fills).state)
        library.close()
    """
    root = Path(__file__).parents[1]
    asked = [sys.executable, "-c", textwrap.dedent(program), str(data_dir)]
    said = subprocess.run(asked, cwd=root, capture_output=True, check=True, text=True).stdout.splitlines()
    assert said[0].startswith("There is no room left on the disk")
    assert said[1:] == ["0 running", "Done", "queued"]
