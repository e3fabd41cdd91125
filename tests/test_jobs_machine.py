"""The queue and the library under any order of events, kills among them, beside a model of what must be so."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NoReturn

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

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
    Stopped,
    StudioError,
    Task,
    Unfinished,
    VideoRequest,
    WasStopped,
)
from studio.jobs import JobQueue
from studio.store.library import MAX_ATTEMPTS, Library
from tests.drawing import OnPaper

STEPS, MAX_QUEUED, SOON_S = 3, 4, 30.0


class Obedient(OnPaper):
    """An executor that does one thing at a time, when told; a stop it obeys by itself, as the real one does."""

    def __init__(self) -> None:
        self.task: Task | None = None
        self._words: Queue[str] = Queue()
        self._answers: Queue[str] = Queue()

    def tell(self, word: str) -> None:
        """step, latents, end, rule, bug or unfinished; returns when that is done."""
        self._words.put(word)
        assert self._answers.get(timeout=SOON_S) == word

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        self.task, step = task, 0
        try:
            while True:
                if orders() == "stop" or (orders() == "keep" and not step):
                    raise Stopped
                if orders() == "keep":
                    return self._made(task, step)
                try:
                    word = self._words.get(timeout=0.001)
                except Empty:
                    continue
                if word == "step":
                    step = min(step + 1, STEPS)
                    report(Progress("denoising", step, STEPS))
                elif word in ("latents", "unfinished"):
                    task.latents.write_bytes(b"latents")
                self._answers.put(word)
                if word == "end":
                    return self._made(task, STEPS)
                if word not in ("step", "latents"):
                    self._fail(task, word)
        finally:
            self.task = None

    def _made(self, task: Task, steps: int) -> Made:
        task.target.write_bytes(b"video")
        task.poster.write_bytes(b"poster")
        return Made(64, 48, 5, 12.0, False, 0.1, steps_done=steps)

    def _fail(self, task: Task, word: str) -> NoReturn:
        task.target.write_bytes(b"half a video")
        if word == "unfinished":
            raise Unfinished("The frames could not be decoded; their latents are kept.")
        if word == "rule":
            raise StudioError("The rule is this; the value was that.")
        raise ZeroDivisionError("float division by zero")


class QueueMachine(RuleBasedStateMachine):
    """`states` is the model: every accepted job in the order of acceptance; a deleted one is gone."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="flipbook-machine-"))
        self._lives = 0
        self.states: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.steps = 0
        self.latents: set[str] = set()

    @initialize()
    def open(self) -> None:
        self._open(self._folder / "0")

    def _open(self, data_dir: Path) -> None:
        self.library, self.executor = Library(data_dir), Obedient()
        self.queue = JobQueue(self.library, self.executor, MAX_QUEUED)
        self.queue.start()
        self._settle()

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.queue.close()
            self.library.close()
        shutil.rmtree(self._folder)

    # The model

    @property
    def running(self) -> str | None:
        return next((job for job, state in self.states.items() if state == "running"), None)

    def _in(self, *states: str) -> list[str]:
        return [job for job, state in self.states.items() if state in states]

    def _settle(self) -> None:
        """The worker takes the oldest waiting job by itself; wait until it has."""
        waiting = self._in("queued")
        if self.running is None and waiting:
            self.states[waiting[0]], self.steps = "running", 0
            self.attempts[waiting[0]] += 1
        until_s = time.monotonic() + SOON_S
        while (self.executor.task.id if self.executor.task else None) != self.running:
            assert time.monotonic() < until_s, f"{self.running} does not run, but {self.executor.task}"
            time.sleep(0.001)

    def _over(self, job_id: str, state: str) -> None:
        self.states[job_id] = state
        if state != "latents kept":
            self.latents.discard(job_id)
        job = self.queue.watch(job_id, SOON_S)
        assert job is not None
        assert job.is_over
        self._settle()

    # What visitors do

    @rule()
    def submit(self) -> None:
        job = Job(uuid.uuid4().hex, VideoRequest("a ghost", seed=1, num_inference_steps=STEPS), time.time(), Queued())
        try:
            self.queue.submit(job)
        except StudioError:
            assert len(self._in("queued")) == MAX_QUEUED
            return
        self.states[job.id], self.attempts[job.id] = "queued", 0
        self._settle()

    @precondition(lambda self: self.states)
    @rule(data=st.data(), keep=st.booleans())
    def cancel(self, data: Any, keep: bool) -> None:
        job_id = data.draw(st.sampled_from(list(self.states)))
        state = self.states[job_id]
        assert self.queue.cancel(job_id, keep) == (state in ("queued", "running"))
        if state == "queued":
            self._over(job_id, "stopped")
        elif state == "running":
            self._over(job_id, "done" if keep and self.steps else "stopped")

    @precondition(lambda self: self._in("latents kept"))
    @rule(data=st.data())
    def finish(self, data: Any) -> None:
        job_id = data.draw(st.sampled_from(self._in("latents kept")))
        try:
            assert self.queue.finish(job_id)
        except StudioError:
            assert len(self._in("queued")) == MAX_QUEUED
            return
        self.states[job_id], self.attempts[job_id] = "queued", 0
        self._settle()

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def finish_what_has_no_latents(self, data: Any) -> None:
        job_id = data.draw(st.sampled_from(list(self.states)))
        if self.states[job_id] != "latents kept":
            assert not self.queue.finish(job_id)

    @precondition(lambda self: self._in("done"))
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        job_id = data.draw(st.sampled_from(self._in("done")))
        clip = self.library.clips.get(job_id)
        assert clip is not None
        assert self.library.delete(clip)
        del self.states[job_id]

    # What the executor does

    @precondition(lambda self: self.running)
    @rule(word=st.sampled_from(("step", "latents")))
    def go_on(self, word: str) -> None:
        self.executor.tell(word)
        if word == "step":
            self.steps += 1
        else:
            self.latents.add(self.running or "")

    @precondition(lambda self: self.running)
    @rule(word=st.sampled_from(("end", "end", "rule", "bug", "unfinished")))
    def come_to_an_end(self, word: str) -> None:
        job_id = self.running or ""
        self.executor.tell(word)
        if word == "unfinished":
            self.latents.add(job_id)
        failed = "latents kept" if job_id in self.latents else "failed"
        self._over(job_id, "done" if word == "end" else failed)

    # What happens to the process

    @rule()
    def close_and_reopen(self) -> None:
        job_id = self.running
        self.queue.close()
        self.library.close()
        if job_id:
            self.states[job_id] = "queued"
            self.attempts[job_id] -= 1
        self._open(self._folder / str(self._lives))

    @rule()
    def kill_and_reopen(self) -> None:
        """What a killed process leaves is what lies in its folder now: go on with a copy of that."""
        self._live_on(self._copied())

    @precondition(lambda self: self.running)
    @rule()
    def kill_between_files_and_row(self) -> None:
        job_id, files, copies = self.running or "", self.library.files, []
        publish = files.publish

        def published(clip_id: str) -> tuple[Path, Path]:
            done = publish(clip_id)
            copies.append(self._copied())
            return done

        files.publish = published  # type: ignore[method-assign]
        self.executor.tell("end")
        assert self.queue.watch(job_id, SOON_S) is not None
        (copy,) = copies
        self._live_on(copy)

    def _copied(self) -> Path:
        self._lives += 1
        copy = self._folder / str(self._lives)
        shutil.copytree(self.library.files.data_dir, copy)
        return copy

    def _live_on(self, copy: Path) -> None:
        job_id = self.running
        self.queue.close()
        self.library.close()
        shutil.rmtree(self.library.files.data_dir)
        if job_id and self.attempts[job_id] >= MAX_ATTEMPTS:
            self.states[job_id] = "latents kept" if job_id in self.latents else "failed"
        elif job_id:
            self.states[job_id] = "queued"
        self._open(copy)

    # What must be so

    @invariant()
    def every_job_is_in_its_one_state(self) -> None:
        kinds = {"queued": Queued, "running": Running, "done": Done, "failed": Failed, "stopped": WasStopped}
        for job_id, state in self.states.items():
            job = self.queue.job(job_id)
            assert job is not None, "an accepted job is lost"
            assert isinstance(job.state, kinds.get(state, Failed)), f"{state}, but {job.state}"
            if isinstance(job.state, Failed):
                assert job.state.can_finish == (state == "latents kept")
                assert job.state.sentence.endswith(".")
        counted = self.library.jobs.count_by_state()
        assert sum(counted.values()) == len(self.states)

    @invariant()
    def the_order_is_that_of_acceptance(self) -> None:
        order = [*([self.running] if self.running else []), *self._in("queued")]
        assert [job.id for job in self.queue.unfinished()] == order

    @invariant()
    def done_is_a_clip_with_both_its_files(self) -> None:
        clips = self.library.clips.all()
        assert {clip.id for clip in clips} == set(self._in("done"))
        files = {path.name for path in self.library.files.clips.iterdir()}
        assert files == {name for clip in clips for name in (clip.video, clip.poster)}
        assert len(files) == 2 * len(clips)

    @invariant()
    def nothing_half_made_lies_about(self) -> None:
        assert list(self.library.files.tmp.iterdir()) == []
        kept = {path.stem for path in (self.library.files.data_dir / "latents").iterdir()}
        assert kept == self.latents


QueueMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestQueue = QueueMachine.TestCase
