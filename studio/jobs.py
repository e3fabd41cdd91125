"""The durable queue: first in, first out, as many at once as the executor has workers, each a row once accepted.

Knows nothing about video. The executor makes the clip, the library keeps it; between them the queue keeps the order,
the progress in memory and the stop flags. It outlives every error of a job, and one that finds no room for its model
does not hold up the others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Condition, Thread

from studio.domain import (
    EVERYONE,
    Clip,
    Done,
    Failed,
    Job,
    JobState,
    Made,
    ModelCard,
    Order,
    Phase,
    Progress,
    Queued,
    Report,
    Running,
    Stopped,
    StudioError,
    Task,
    Unfinished,
    WasStopped,
    sentence_of,
)
from studio.estimate import Pace
from studio.executors import Executor, Faulty
from studio.store.jobs import JobRow
from studio.store.library import Library
from studio.store.runs import Run

log = logging.getLogger(__name__)

RETRY_S = 5.0
IDLE_S = 600.0
# How often it is looked whether a worker has come, while a job waits for one, and whether an end can be written now.
ROOM_S = 1.0


@dataclass
class _Current:
    """A job on the executor; written by its own thread, read by everyone under the queue's lock."""

    job: JobRow
    order: Order = "go on"
    is_put_back: bool = False
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
    def __init__(
        self,
        library: Library,
        executor: Executor,
        max_queued: int,
        max_queued_of_one: int | None = None,
        between_jobs: Callable[[], object] = int,
    ) -> None:
        """`max_queued_of_one` is for each owner by itself, where there are several.

        `between_jobs` is called after each job, before another is taken, and now and then while nothing happens.
        """
        self._library = library
        self._executor = executor
        self._max_queued = max_queued
        self._max_queued_of_one = max_queued_of_one
        self._between_jobs = between_jobs
        self._changed = Condition()
        self._running: dict[str, _Current] = {}
        self._unwritten: dict[str, JobState] = {}
        # Whose request a job was, as the web server knows it; after a restart nobody does.
        self._contexts: dict[str, Context] = {}
        self._trouble = ""
        self._is_closing = False
        self._has_ended = False  # a job, since `between_jobs` was called
        self._dispatcher = Thread(target=self._dispatch, name="jobs", daemon=True)

    def start(self) -> None:
        self._dispatcher.start()

    def close(self) -> None:
        """Stop what runs and put it back into the queue for the next start; wait until all of it has ended."""
        with self._changed:
            self._is_closing = True
            for current in self._running.values():
                current.is_put_back = current.order != "stop"
                current.order = "stop"
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running)
            self._write_again()
        if self._dispatcher.is_alive():
            self._dispatcher.join()

    def line(self, model: str) -> Executor:
        """Who carries out that model's jobs; those of others do not make it wait."""
        return self._executor.line(model)

    @property
    def trouble(self) -> str:
        """Why no job can be started at present, although there is room for one; empty when nothing is wrong."""
        return self._trouble

    def obstacle(self, card: ModelCard) -> str:
        """Why that model can't be used here, in one sentence; empty where it can."""
        return self._executor.obstacle(card)

    def submit(self, job: Job) -> bool:
        """Accept a job, or raise StudioError when too many wait; False for an id that was accepted before."""
        with self._changed:
            if self._library.jobs.get(job.id):
                return False
            self._check_queued(job.owner)
            self._library.jobs.add(JobRow(job.id, job.request, job.created_s, "queued", owner=job.owner))
            self._contexts[job.id] = copy_context()
            self._changed.notify_all()
            return True

    def _check_queued(self, owner: str) -> None:
        queued, most = self._library.jobs.count_queued(), self._max_queued
        if queued >= most:
            raise StudioError(
                f"The queue holds {most} waiting clips at most and has {queued}; please try again when one is done."
            )
        yours, most = self._library.jobs.count_queued(owner), self._max_queued_of_one
        if owner != EVERYONE and most is not None and yours >= most:
            raise StudioError(
                f"You may have {most} waiting clips at most and have {yours}; please try again when one is done."
            )

    def cancel(self, job_id: str, keep: bool = False) -> bool:
        """Ask the job to stop, or to `keep` what there is of it; False when it is over already or unknown.

        Of a job that waits there is nothing to keep.
        """
        with self._changed:
            if self._library.jobs.stop_queued(job_id):
                self._library.files.discard_latents(job_id)
                self._contexts.pop(job_id, None)
                self._changed.notify_all()
                return True
            current = self._running.get(job_id)
            if current:
                current.order = "keep" if keep and current.order != "stop" else "stop"
            return current is not None

    def finish(self, job_id: str) -> bool:
        """Queue a failed job again whose latents are kept; whether there was such a job. StudioError as in `submit`."""
        with self._changed:
            row = self._library.jobs.get(job_id)
            if row is None or not row.can_finish:
                return False
            self._check_queued(row.owner)
            self._library.jobs.queue_again(job_id)
            self._contexts[job_id] = copy_context()
            self._changed.notify_all()
            return True

    def job(self, job_id: str) -> Job | None:
        with self._changed:
            row = self._library.jobs.get(job_id)
            return self._job(row) if row else None

    def unfinished(self) -> list[Job]:
        """Everybody's: the running jobs and then those that wait, in order."""
        with self._changed:
            return [self._job(row) for row in self._library.jobs.unfinished() if row.id not in self._unwritten]

    def pace(self, job_id: str) -> Pace | None:
        """Where the job is if it runs, otherwise None."""
        with self._changed:
            return self._running[job_id].pace() if job_id in self._running else None

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
        return Job(row.id, row.request, row.created_s, self._state(row), row.owner)

    def _state(self, row: JobRow) -> JobState:
        if row.id in self._unwritten:
            return self._unwritten[row.id]
        match row.state:
            case "queued":
                return Queued()
            case "running":
                if current := self._running.get(row.id):
                    return Running(current.progress)
                return Running(Progress("loading"))
            case "done":
                return Done(row.clip or "")
            case "failed":
                return Failed(row.sentence, row.can_finish)
            case "stopped":
                return WasStopped()

    def _dispatch(self) -> None:
        while not self._is_closing:
            try:
                current = self._next()
                if current:
                    self._start(current)
                    continue
            except Exception as error:
                # The database (a full disk, say) or a new thread: try again later instead of spinning or dying.
                log.exception("no job could be started")
                with self._changed:
                    self._trouble = sentence_of(error, "while the next clip was to begin")
                    self._changed.wait_for(lambda: self._is_closing, RETRY_S)
            try:
                self._between_jobs()
            except Exception:
                # What is done beside the jobs must not keep them from running.
                log.exception("what is done between jobs failed")

    def _start(self, current: _Current) -> None:
        job_id = current.job.id
        context = self._contexts.pop(job_id, None) or copy_context()
        try:
            Thread(target=context.run, args=(self._carry_out, current), name="job", daemon=True).start()
        except BaseException:
            with self._changed:
                del self._running[job_id]
                self._contexts[job_id] = context
                self._unwritten[job_id] = Queued()
            raise

    def _next(self) -> _Current | None:
        """Wait for a job and room for it, and take it; None when one has ended, or nothing happened for a while."""
        with self._changed:
            until_s = time.monotonic() + IDLE_S
            while not (self._is_closing or self._has_ended) and time.monotonic() < until_s:
                self._write_again()
                running = [current.job.request.model for current in self._running.values()]
                row = self._library.jobs.start_next(partial(self._executor.has_room, running=running))
                self._trouble = ""
                if row:
                    self._running[row.id] = current = _Current(row)
                    log.info("job started", extra={"job": row.id, "attempt": row.attempts})
                    return current
                is_idle = not self._unwritten and not self._library.jobs.count_queued()
                self._changed.wait(IDLE_S if is_idle else ROOM_S)
            self._has_ended = False
            return None

    def _carry_out(self, current: _Current) -> None:
        job_id = current.job.id
        outcome = self._run(current)
        # One step for all who look: a job that is written down as over does not run any more.
        with self._changed:
            state = self._publish(current, outcome) if isinstance(outcome, Made) else outcome
            try:
                self._end(job_id, state)
            except Exception:
                log.exception("job end unwritten", extra={"job": job_id})
                self._unwritten[job_id] = state
            del self._running[job_id]
            self._has_ended = True
            self._changed.notify_all()
        log.info("job ended", extra={"job": job_id, "state": type(state).__name__.lower(), "spent_s": current.spent_s})

    def _write_again(self) -> None:
        """The ends that could not be written before; why not is in the log already."""
        for job_id, state in list(self._unwritten.items()):
            with suppress(Exception):
                self._end(job_id, state)
                del self._unwritten[job_id]

    def _end(self, job_id: str, state: JobState) -> None:
        """Remove half-made files, and the latents unless the job may go on from them; then write how it ended."""
        self._library.files.discard(job_id)
        if not isinstance(state, Queued) and not (isinstance(state, Failed) and state.can_finish):
            self._library.files.discard_latents(job_id)
        self._write(job_id, state)

    def _run(self, current: _Current) -> Made | JobState:
        try:
            return self._executor.run(self._task(current.job), self._reporter(current), lambda: current.order)
        except Stopped:
            return Queued() if current.is_put_back else WasStopped()
        except Exception as error:  # noqa: BLE001 - the queue outlives every error of a job
            return self._failed(current.job, error)

    def _publish(self, current: _Current, made: Made) -> JobState:
        job = current.job
        current.end_phase()
        request = replace(job.request, **made.changed)
        clip = Clip(job.id, request, time.time(), made, video="", poster="", owner=job.owner)
        try:
            # What was stopped early says nothing of how long such a clip takes.
            was_whole = made.steps_done == request.num_inference_steps and not made.changed and not request.step_cache
            self._library.publish(clip, Run.of(request, current.spent_s, made) if was_whole else None)
        except Exception as error:  # noqa: BLE001 - the queue outlives every error of a job
            return self._failed(job, error)
        return Done(clip.id)

    def _write(self, job_id: str, state: JobState) -> None:
        match state:
            case Queued():
                self._library.jobs.put_back(job_id)
            case WasStopped():
                self._library.jobs.finish(job_id, "stopped")
            case Failed(sentence, can_finish):
                self._library.jobs.finish(job_id, "failed", sentence, can_finish=can_finish)
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
            clip = self._library.clips.get(request.extends)
            if clip is None:
                raise Faulty("The clip to extend was deleted before its turn came.")
            source = files.clips / clip.video
        first, last = (files.picture(name) if name else None for name in (request.picture, request.last_picture))
        return Task(row.id, request, target, poster, files.latents(row.id), first, source, last)

    def _failed(self, job: JobRow, error: Exception) -> Failed:
        """What the visitor is told of an error; the traceback of an unforeseen one goes to the log."""
        if not isinstance(error, StudioError) or isinstance(error, Unfinished):
            log.error("job failed", extra={"job": job.id}, exc_info=error)
        can_finish = self._library.files.latents(job.id).is_file() and not isinstance(error, Faulty)
        return Failed(sentence_of(error, "while making this clip"), can_finish)
