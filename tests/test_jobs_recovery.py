"""The queue over the end of its process: closed, killed, with no room left on the disk, and without a new thread."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from threading import Thread

import pytest

from studio.domain import Done, Failed, Queued, WasStopped
from studio.jobs import JobQueue
from studio.store.library import GIVEN_UP, MAX_ATTEMPTS, Library
from tests.drawing import DrawingExecutor, ended, submit, wait_until


@pytest.fixture
def executor() -> DrawingExecutor:
    return DrawingExecutor()


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
        from tests.drawing import DrawingExecutor, submit
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


def test_a_job_that_kills_the_studio_each_time_does_not_block_the_others(
    data_dir: Path, executor: DrawingExecutor
) -> None:
    for _ in range(MAX_ATTEMPTS):
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
        from tests.drawing import DrawingExecutor, ended, files, submit
        from studio.domain import Made
        from studio.jobs import JobQueue
        from studio.media.video import Movie, Tags, write_video
        from studio.store.library import Library

        class LargeExecutor(DrawingExecutor):
            def _make(self, task, report, orders):
                size = 512 if "large" in task.request.prompt else 64
                frames = np.random.default_rng(0).integers(0, 255, (9, size, size, 3), dtype=np.uint8)
                write_video(task.target, Movie(frames, 12.0), Tags("", "", ""), lambda: False)
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
    """The disk takes no byte more, not the database's either: the job is over all the same, and the next one runs.

    It is written down as soon as there is room.
    """
    program = """
        import resource, sys
        from pathlib import Path
        from tests.drawing import DrawingExecutor, ended, submit, wait_until
        from studio import jobs
        from studio.jobs import JobQueue
        from studio.store.library import Library

        def let_files_grow_to(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        class FillingExecutor(DrawingExecutor):
            def _make(self, task, report, orders):
                if task.request.prompt == "fills":
                    let_files_grow_to(1)
                    task.target.write_bytes(b"more than one byte")
                return super()._make(task, report, orders)

        jobs.ROOM_S = 0.05
        library = Library(Path(sys.argv[1]))
        queue = JobQueue(library, FillingExecutor(), max_queued=5)
        queue.start()
        fills = submit(queue, "fills")
        print(ended(queue, fills).state.sentence)
        print(len(queue.unfinished()), library.jobs.get(fills).state)
        let_files_grow_to(resource.RLIM_INFINITY)
        wait_until(lambda: library.jobs.get(fills).state == "failed")
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
    assert said[1:] == ["0 running", "Done", "failed"]


def test_an_end_that_is_written_late_still_counts(data_dir: Path) -> None:
    """What was stopped does not come back, and what can be finished can be."""
    program = """
        import resource, sys
        from pathlib import Path
        from studio import jobs
        from studio.domain import Unfinished
        from studio.jobs import JobQueue
        from studio.store.library import Library
        from tests.drawing import DrawingExecutor, ended, submit, wait_until

        def let_files_grow_to(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        class FillingExecutor(DrawingExecutor):
            def _make(self, task, report, orders):
                try:
                    return super()._make(task, report, orders)
                except Unfinished:
                    let_files_grow_to(1)
                    raise

        jobs.ROOM_S = 0.05
        library, executor = Library(Path(sys.argv[1])), FillingExecutor()
        queue = JobQueue(library, executor, max_queued=5)
        queue.start()
        unfinished = submit(queue, "unfinished")
        print(ended(queue, unfinished).state.can_finish, queue.finish(unfinished))
        let_files_grow_to(resource.RLIM_INFINITY)
        wait_until(lambda: queue.finish(unfinished))
        print(type(ended(queue, unfinished).state).__name__)
        jobs.ROOM_S = 600.0
        stopped = submit(queue, "hold")
        wait_until(lambda: "hold" in executor.started)
        let_files_grow_to(1)
        queue.cancel(stopped)
        print(type(ended(queue, stopped).state).__name__, library.jobs.get(stopped).state)
        let_files_grow_to(resource.RLIM_INFINITY)
        queue.close()
        library.close()
        library = Library(Path(sys.argv[1]))
        print(library.jobs.get(stopped).state)
        library.close()
    """
    root = Path(__file__).parents[1]
    asked = [sys.executable, "-c", textwrap.dedent(program), str(data_dir)]
    said = subprocess.run(asked, cwd=root, capture_output=True, check=True, text=True).stdout.splitlines()
    assert said == ["True False", "Done", "WasStopped running", "stopped"]


def test_a_job_that_cannot_begin_on_a_full_disk_waits_and_it_is_said_why(data_dir: Path) -> None:
    program = """
        import resource, sys
        from pathlib import Path
        from tests.drawing import DrawingExecutor, ended, submit, wait_until
        from studio import jobs
        from studio.jobs import JobQueue
        from studio.store.library import Library

        def let_files_grow_to(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        jobs.RETRY_S = jobs.ROOM_S = 0.05
        library = Library(Path(sys.argv[1]))
        executor = DrawingExecutor(workers=0)
        queue = JobQueue(library, executor, max_queued=5)
        queue.start()
        waits = submit(queue, "waits")
        print(repr(queue.trouble))
        let_files_grow_to(1)
        executor.workers = 1
        wait_until(lambda: queue.trouble)
        trouble, state = queue.trouble, queue.job(waits).state
        let_files_grow_to(resource.RLIM_INFINITY)
        print(trouble)
        print(type(state).__name__, type(ended(queue, waits).state).__name__, repr(queue.trouble))
        queue.close()
        library.close()
    """
    root = Path(__file__).parents[1]
    asked = [sys.executable, "-c", textwrap.dedent(program), str(data_dir)]
    said = subprocess.run(asked, cwd=root, capture_output=True, check=True, text=True).stdout.splitlines()
    assert said[0] == "''"
    assert said[1].startswith("There is no room left on the disk")
    assert said[2] == "Queued Done ''"


def test_a_thread_that_cannot_be_started_is_started_later(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = JobQueue(library, DrawingExecutor(), max_queued=20)
    queue.start()
    monkeypatch.setattr("studio.jobs.RETRY_S", 0.2)
    start, failed = Thread.start, []

    def start_or_fail(thread: Thread) -> None:
        if thread.name == "job" and len(failed) < 2:
            failed.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", start_or_fail)
    first, second = submit(queue, "a ghost"), submit(queue, "a cat")
    wait_until(lambda: bool(failed))
    assert ended(queue, first).state == Done(first)
    assert ended(queue, second).state == Done(second)
    assert len(failed) == 2
    row = library.jobs.get(first)
    assert row is not None
    assert row.attempts == 1, "what never began is not one of the tries"
    assert queue.trouble == ""
    queue.close()
