"""The durable queue: first in, first out, one job at a time, each a row from the moment it is accepted.

Knows nothing about video. The executor makes the clip, the library keeps it; between them the queue keeps the order,
the progress in memory and the stop flags. Its worker outlives every error of a job.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from threading import Condition, Event, Thread

from studio.domain import (
    Clip,
    Done,
    Failed,
    Job,
    JobState,
    Made,
    Phase,
    Progress,
    Queued,
    Report,
    Running,
    Stopped,
    StudioError,
    Task,
    WasStopped,
)
from studio.estimate import Pace
from studio.executors import Executor
from studio.store.files import NO_ROOM, no_room_sentence
from studio.store.jobs import JobRow
from studio.store.library import Library
from studio.store.runs import Run

log = logging.getLogger(__name__)

RETRY_S = 5.0


@dataclass
class _Current:
    """The job on the executor; written by the worker, read by everyone under the queue's lock."""

    job: JobRow
    stop: Event = field(default_factory=Event)
    is_put_back: bool = False
    started_s: float = field(default_factory=time.time)
    progress: Progress = field(default_factory=lambda: Progress("loading"))
    phase_since_s: float = field(default_factory=time.monotonic)
    stepped_s: float = 0.0
    spent_s: dict[Phase, float] = field(default_factory=dict)

    def move_to(self, progress: Progress) -> None:
        if progress.phase != self.progress.phase:
            self.end_phase()
        if progress.step:
            self.stepped_s = time.monotonic() - self.phase_since_s
        self.progress = progress

    def end_phase(self) -> None:
        now_s = time.monotonic()
        phase = self.progress.phase
        self.spent_s[phase] = self.spent_s.get(phase, 0.0) + now_s - self.phase_since_s
        self.phase_since_s, self.stepped_s = now_s, 0.0

    def pace(self) -> Pace:
        in_phase_s = time.monotonic() - self.phase_since_s
        return Pace(self.progress.phase, in_phase_s, self.progress.step, self.progress.total, self.stepped_s)


class JobQueue:
    def __init__(self, library: Library, executor: Executor, max_queued: int) -> None:
        self._library = library
        self._executor = executor
        self._max_queued = max_queued
        self._changed = Condition()
        self._current: _Current | None = None
        self._unwritten: dict[str, JobState] = {}
        self._is_closing = False
        self._worker = Thread(target=self._work, name="jobs", daemon=True)

    def start(self) -> None:
        self._worker.start()

    def close(self) -> None:
        """Stop the running job and put it back into the queue for the next start; wait for the worker."""
        with self._changed:
            self._is_closing = True
            if self._current:
                self._current.is_put_back = not self._current.stop.is_set()
                self._current.stop.set()
            self._changed.notify_all()
        if self._worker.is_alive():
            self._worker.join()

    def submit(self, job: Job) -> None:
        """Accept a job, or raise StudioError when the queue is full."""
        with self._changed:
            queued = self._library.jobs.count_queued()
            if queued >= self._max_queued:
                raise StudioError(
                    f"The queue holds {self._max_queued} waiting clips at most and has {queued}; "
                    "please try again when one is done."
                )
            self._library.jobs.add(JobRow(job.id, job.request, job.created_s, "queued"))
            self._changed.notify_all()

    def cancel(self, job_id: str) -> bool:
        """Ask the job to stop; False when it is over already or unknown."""
        with self._changed:
            if self._library.jobs.stop_queued(job_id):
                self._changed.notify_all()
                return True
            if self._current and self._current.job.id == job_id:
                self._current.stop.set()
                return True
            return False

    def job(self, job_id: str) -> Job | None:
        with self._changed:
            row = self._library.jobs.get(job_id)
            return self._job(row) if row else None

    def unfinished(self) -> list[Job]:
        """The running job and then those that wait, in order."""
        with self._changed:
            return [self._job(row) for row in self._library.jobs.unfinished() if row.id not in self._unwritten]

    def pace(self, job_id: str) -> Pace | None:
        """Where the job is if it runs, otherwise None."""
        with self._changed:
            return self._current.pace() if self._current and self._current.job.id == job_id else None

    def watch(self, job_id: str, timeout_s: float) -> Job | None:
        """Wait until the job is over or the time is; returns the job as it is then."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                job = self.job(job_id)
                left_s = until_s - time.monotonic()
                if job is None or job.is_over or left_s <= 0:
                    return job
                self._changed.wait(left_s)

    def _job(self, row: JobRow) -> Job:
        return Job(row.id, row.request, row.created_s, self._state(row))

    def _state(self, row: JobRow) -> JobState:
        if row.id in self._unwritten:
            return self._unwritten[row.id]
        match row.state:
            case "queued":
                return Queued()
            case "running":
                current = self._current
                if current and current.job.id == row.id:
                    return Running(current.progress, current.started_s)
                return Running(Progress("loading"), row.created_s)
            case "done":
                return Done(row.clip or "")
            case "failed":
                return Failed(row.sentence)
            case "stopped":
                return WasStopped()

    def _work(self) -> None:
        while not self._is_closing:
            try:
                current = self._next()
                if current:
                    self._carry_out(current)
            except Exception:
                # Only the database can fail here (a full disk, say): try again later instead of spinning or dying.
                log.exception("The queue could not be read or written")
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closing, RETRY_S)

    def _next(self) -> _Current | None:
        """Wait for a job and take it; None when the studio closes."""
        with self._changed:
            while not self._is_closing:
                row = self._library.jobs.start_next()
                if row:
                    self._current = _Current(row)
                    return self._current
                self._changed.wait()
            return None

    def _carry_out(self, current: _Current) -> None:
        job_id = current.job.id
        outcome = self._run(current)
        # One step for all who look: a job that is written down as over does not run any more.
        with self._changed:
            state = self._publish(current, outcome) if isinstance(outcome, Made) else outcome
            try:
                self._library.files.discard(job_id)
                self._write(job_id, state)
            except Exception:
                log.exception("How job %s ended could not be written down", job_id)
                self._unwritten[job_id] = state
            self._current = None
            self._changed.notify_all()

    def _run(self, current: _Current) -> Made | JobState:
        try:
            return self._executor.run(self._task(current.job), self._reporter(current), current.stop.is_set)
        except Stopped:
            return Queued() if current.is_put_back else WasStopped()
        except Exception as error:  # noqa: BLE001 - the worker outlives every error of a job
            return _failed(current.job, error)

    def _publish(self, current: _Current, made: Made) -> JobState:
        job = current.job
        current.end_phase()
        video, poster = self._library.files.published(job.id)
        clip = Clip(job.id, job.request, time.time(), made, video.name, poster.name)
        try:
            self._library.publish(clip, Run.of(job.request, current.spent_s))
        except Exception as error:  # noqa: BLE001 - the worker outlives every error of a job
            return _failed(job, error)
        return Done(clip.id)

    def _write(self, job_id: str, state: JobState) -> None:
        match state:
            case Queued():
                self._library.jobs.put_back(job_id)
            case WasStopped():
                self._library.jobs.finish(job_id, "stopped")
            case Failed(sentence):
                self._library.jobs.finish(job_id, "failed", sentence)
            case _:
                pass  # Done was written together with its clip.

    def _reporter(self, current: _Current) -> Report:
        def report(progress: Progress) -> None:
            with self._changed:
                current.move_to(progress)

        return report

    def _task(self, row: JobRow) -> Task:
        files, request = self._library.files, row.request
        target, poster = files.half_made(row.id)
        source = None
        if request.extends:
            source, _poster = files.published(request.extends)
            if not source.is_file():
                raise StudioError("The clip to extend was deleted before its turn came.")
        picture = files.picture(request.picture) if request.picture else None
        return Task(row.id, request, target, poster, picture, source)


def _failed(job: JobRow, error: Exception) -> Failed:
    """What the visitor is told of an error; the traceback of an unforeseen one goes to the log."""
    if isinstance(error, StudioError):
        return Failed(str(error))
    log.error("Job %s failed", job.id, exc_info=error)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return Failed(no_room_sentence(error.strerror or type(error).__name__))
    lines = str(error).strip().splitlines()
    message = lines[0][:200] if lines else "no message"
    return Failed(f"Something went wrong while making this clip ({type(error).__name__}: {message}).")
