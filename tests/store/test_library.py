"""Rows and files stay in step: through publishing, deleting and every kind of crash."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from studio.domain import Clip, Made, StudioError, VideoRequest
from studio.store.files import LATENTS_KEPT_S
from studio.store.jobs import JobRow
from studio.store.library import GIVEN_UP, Library
from studio.store.runs import Run

MADE = Made(224, 128, 25, 12.0, True, 3.5)


def request(prompt: str = "a ghost in the snow") -> VideoRequest:
    return VideoRequest(prompt, seed=7)


def clip_id(number: int) -> str:
    return f"{number:032x}"


def half_make(library: Library, name: str) -> None:
    for path in library.files.half_made(name):
        path.write_bytes(b"video" if path.suffix == ".mp4" else b"poster")


def add_clip(library: Library, number: int, created_s: float | None = None, owner: str = "", **values: str) -> Clip:
    """A job accepted, made and published, as the queue does it."""
    name = clip_id(number)
    asked = VideoRequest("a ghost in the snow", seed=7, **values)  # type: ignore[arg-type]
    library.jobs.add(JobRow(name, asked, 1000.0 + number, "queued"))
    library.jobs.start_next()
    half_make(library, name)
    clip = Clip(name, asked, 1000.0 + number if created_s is None else created_s, MADE, "", "", owner)
    library.publish(clip, Run.of(asked, {"denoising": 2.0}))
    listed = library.clips.get(name)
    assert listed is not None
    return listed


def reopened(library: Library) -> Library:
    library.close()
    return Library(library.files.data_dir)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Clips


def test_a_published_clip_comes_back_equal(library: Library) -> None:
    clip = add_clip(library, 1)
    assert not {clip.video, clip.poster} & {f"{clip.id}.mp4", f"{clip.id}.jpg"}, "a file's name tells no id"
    again = reopened(library)
    assert again.clips.get(clip.id) == clip
    assert again.clips.newest(10) == [clip]
    assert names(again.files.clips) == [clip.poster, clip.video]
    assert names(again.files.tmp) == []
    job = again.jobs.get(clip.id)
    assert job is not None
    assert (job.state, job.clip) == ("done", clip.id)
    assert again.runs.newest("pocket", 5) == [Run.of(clip.request, {"denoising": 2.0})]
    again.close()


def test_every_text_survives_the_row(library: Library) -> None:
    for number, prompt in enumerate(
        ['"; DROP TABLE clips; --', "雪 🎬👩‍🚀", "half \ud83d", "zero\x00inside", "x" * 1000]
    ):
        name = clip_id(number)
        half_make(library, name)
        clip = library.publish(Clip(name, request(prompt), float(number), MADE, "", ""))
        assert library.clips.get(name) == replace(clip, number=number + 1)


def test_newest_first_in_pages_whatever_the_clock_says(library: Library) -> None:
    made = [add_clip(library, number, created_s=5000.0 - number) for number in range(7)]
    first = library.clips.newest(3)
    assert first == made[:3:-1]
    second = library.clips.newest(3, first[-1].number)
    assert second == [made[3], made[2], made[1]]
    assert library.clips.newest(3, second[-1].number) == [made[0]]
    assert library.clips.newest(3, made[0].number) == []


def test_each_owner_has_a_gallery(library: Library) -> None:
    made = [add_clip(library, number, owner="ab"[number % 2]) for number in range(4)]
    assert library.clips.newest(10, owner="a") == [made[2], made[0]]
    assert library.clips.newest(10, owner="b") == [made[3], made[1]]
    assert library.clips.newest(10, owner="c") == []
    assert library.clips.bytes("a") == library.clips.bytes() / 2 == len(b"video" + b"poster") * 2


def test_delete_takes_row_job_and_files(library: Library) -> None:
    clip, other = add_clip(library, 1), add_clip(library, 2)
    assert library.delete(clip)
    assert library.clips.newest(10) == [other]
    assert library.jobs.get(clip.id) is None
    assert names(library.files.clips) == [other.poster, other.video]
    assert names(library.files.tmp) == []
    assert not library.delete(clip)
    assert len(library.runs.newest("pocket", 5)) == 2, "how long it took is kept"


def test_a_request_of_another_version_is_read(library: Library) -> None:
    clip = add_clip(library, 1)
    with library._database.transaction() as connection:
        connection.execute("""UPDATE clips SET request = '{"prompt": "old", "unheard_of": ["new"], "seed": 3}'""")
    read = library.clips.get(clip.id)
    assert read is not None
    assert read.request == VideoRequest("old", seed=3)


# Crashes


def test_a_file_without_its_row_is_swept(library: Library) -> None:
    clip = add_clip(library, 1)
    orphan = clip_id(2)
    half_make(library, orphan)
    library.files.publish(orphan)
    again = reopened(library)
    assert names(again.files.clips) == [clip.poster, clip.video]
    again.close()


def test_a_row_without_its_file_is_no_longer_listed(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    kept, lost = add_clip(library, 1), add_clip(library, 2)
    (library.files.clips / lost.video).unlink()
    again = reopened(library)
    assert again.clips.newest(10) == [kept]
    assert names(again.files.clips) == [kept.poster, kept.video]
    assert "clip without file" in caplog.text
    again.close()


def test_a_lost_poster_does_not_cost_the_clip(library: Library) -> None:
    clip = add_clip(library, 1)
    (library.files.clips / clip.poster).unlink()
    again = reopened(library)
    assert again.clips.newest(10) == [clip]
    assert (again.files.clips / clip.video).is_file()
    again.close()


def test_half_made_files_are_swept(library: Library) -> None:
    half_make(library, clip_id(1))
    again = reopened(library)
    assert names(again.files.tmp) == []
    again.close()


def test_files_that_are_not_ours_are_left_alone(library: Library) -> None:
    for folder in (library.files.clips, library.files.pictures):
        (folder / "holiday.mp4").write_bytes(b"mine")
        (folder / "folder").mkdir()
    again = reopened(library)
    assert names(again.files.clips) == names(again.files.pictures) == ["folder", "holiday.mp4"]
    again.close()


def test_a_lost_database_does_not_cost_the_clips(library: Library) -> None:
    clip = add_clip(library, 1)
    library.close()
    data_dir = library.files.data_dir
    (data_dir / "flipbook.db").unlink()
    for _ in range(2):
        again = Library(data_dir)
        assert again.clips.newest(10) == []
        again.close()
    (aside,) = data_dir.glob("clips-without-database-*")
    assert names(aside) == [clip.poster, clip.video]


def test_clips_without_a_database_stay_until_they_can_be_moved_aside(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = add_clip(library, 1)
    library.close()
    data_dir = library.files.data_dir
    (data_dir / "flipbook.db").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(errno.EBUSY, "Device busy")))
        for _ in range(2):
            with pytest.raises(StudioError, match=r"cannot be moved out of the way \(Device busy\)"):
                Library(data_dir)
    assert names(data_dir / "clips") == sorted([clip.poster, clip.video])
    Library(data_dir).close()
    (aside,) = data_dir.glob("clips-without-database-*")
    assert names(aside) == sorted([clip.poster, clip.video])


def test_without_its_disk_a_gallery_is_not_forgotten(library: Library) -> None:
    clips = [add_clip(library, number) for number in range(3)]
    library.close()
    folder = library.files.clips
    folder.rename(folder.with_name("elsewhere"))
    for _ in range(2):
        with pytest.raises(StudioError, match="lists 3 clips, but none of their files"):
            Library(library.files.data_dir)
    folder.rmdir()
    folder.with_name("elsewhere").rename(folder)
    again = Library(library.files.data_dir)
    assert again.clips.newest(10) == clips[::-1]
    again.close()


def test_with_an_older_database_newer_clips_are_set_aside(library: Library) -> None:
    old = add_clip(library, 0)
    library.close()
    data_dir = library.files.data_dir
    (data_dir / "flipbook.db").rename(data_dir / "copy")
    later = Library(data_dir)
    (data_dir / next(data_dir.glob("clips-without-database-*")) / old.video).rename(later.files.clips / old.video)
    newer = [add_clip(later, number) for number in range(1, 4)]
    later.close()
    for leftover in data_dir.glob("flipbook.db*"):
        leftover.unlink()
    (data_dir / "copy").rename(data_dir / "flipbook.db")
    again = Library(data_dir)
    assert again.clips.newest(20) == [old]
    assert names(again.files.clips) == [old.video]
    aside = max(data_dir.glob("clips-without-database-*"))
    assert names(aside) == sorted(name for clip in newer for name in (clip.video, clip.poster))
    again.close()


def test_when_publishing_fails_nothing_of_the_clip_remains(library: Library) -> None:
    clip = add_clip(library, 1)
    library.delete(clip)
    half_make(library, clip.id)
    with library._database.transaction() as connection:
        connection.execute("DROP TABLE runs")  # so that the last write of the transaction fails
    with pytest.raises(Exception, match="no such table: runs"):
        library.publish(clip, Run.of(clip.request, {}))
    assert library.clips.newest(10) == []
    assert names(library.files.clips) == names(library.files.tmp) == []


def test_a_clip_that_is_published_by_half_leaves_nothing(library: Library) -> None:
    clip = add_clip(library, 1)
    library.delete(clip)
    half_make(library, clip.id)
    library.files.half_made(clip.id)[1].unlink()
    with pytest.raises(FileNotFoundError):
        library.publish(clip)
    assert library.clips.newest(10) == []
    assert names(library.files.clips) == names(library.files.tmp) == []


@pytest.mark.parametrize("moment", ["half made", "files", "one file", "row gone"])
def test_a_kill_at_any_moment_leaves_rows_and_files_in_step(data_dir: Path, moment: str) -> None:
    """A real process is killed between two writes, and the folder is opened again."""
    program = """
        import os, sys, signal
        from pathlib import Path
        from tests.store.test_library import add_clip, clip_id, half_make, request
        from studio.store.jobs import JobRow
        from studio.store.library import Library
        library, moment = Library(Path(sys.argv[1])), sys.argv[2]
        add_clip(library, 1)
        library.jobs.add(JobRow(clip_id(2), request(), 1.0, "queued"))
        library.jobs.start_next()
        half_make(library, clip_id(2))
        if moment == "files":
            library.files.publish(clip_id(2))
        if moment == "one file":
            library.files.half_made(clip_id(2))[0].replace(library.files.clips / f"{clip_id(7)}.mp4")
        if moment == "row gone":
            library.clips.remove(clip_id(1))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    root = Path(__file__).parents[2]
    asked = [sys.executable, "-c", textwrap.dedent(program), str(data_dir), moment]
    subprocess.run(asked, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    library = Library(data_dir)
    listed = library.clips.newest(10)
    assert [clip.id for clip in listed] == ([] if moment == "row gone" else [clip_id(1)])
    assert names(library.files.clips) == [name for clip in listed for name in (clip.poster, clip.video)]
    assert names(library.files.tmp) == []
    job = library.jobs.get(clip_id(2))
    assert job is not None
    assert job.state == "queued", "it is taken up again"
    library.close()


# Jobs


def test_jobs_come_out_as_they_went_in(library: Library) -> None:
    for number in (3, 1, 2):
        library.jobs.add(JobRow(clip_id(number), request(str(number)), 5.0, "queued"))
    taken = [library.jobs.start_next() for _ in range(4)]
    assert [row.request.prompt if row else None for row in taken] == ["3", "1", "2", None]


def test_stop_and_start_of_a_queued_job_exclude_each_other(library: Library) -> None:
    library.jobs.add(JobRow(clip_id(1), request(), 5.0, "queued"))
    library.jobs.add(JobRow(clip_id(2), request(), 5.0, "queued"))
    assert library.jobs.stop_queued(clip_id(1))
    assert not library.jobs.stop_queued(clip_id(1))
    row = library.jobs.start_next()
    assert row is not None
    assert row.id == clip_id(2)
    assert not library.jobs.stop_queued(clip_id(2))


def test_a_job_put_back_keeps_its_place_and_its_attempts(library: Library) -> None:
    for number in (1, 2):
        library.jobs.add(JobRow(clip_id(number), request(), 5.0, "queued"))
    library.jobs.start_next()
    library.jobs.put_back(clip_id(1))
    row = library.jobs.start_next()
    assert row is not None
    assert (row.id, row.attempts) == (clip_id(1), 1)


def test_after_a_crash_running_jobs_are_tried_twice_more_and_then_given_up(library: Library) -> None:
    for number in (1, 2):
        library.jobs.add(JobRow(clip_id(number), request(), 5.0, "queued"))
    states = []
    for _ in range(4):
        library.jobs.start_next()
        library = reopened(library)
        row = library.jobs.get(clip_id(1))
        assert row is not None
        states.append((row.state, row.attempts, row.sentence))
    assert states == [("queued", 1, ""), ("queued", 2, ""), ("failed", 3, GIVEN_UP), ("failed", 3, GIVEN_UP)]
    row = library.jobs.get(clip_id(2))
    assert row is not None
    assert (row.state, row.attempts) == ("queued", 1)
    library.close()


def test_latents_are_kept_for_jobs_that_may_go_on_from_them(library: Library) -> None:
    for number in range(1, 6):
        library.jobs.add(JobRow(clip_id(number), request(), 5.0, "queued"))
        library.files.latents(clip_id(number)).write_bytes(b"latents")
    for number in (1, 2, 3):
        library.jobs.finish(clip_id(number), "failed", "The disk is full.", can_finish=number < 3)
    long_ago = time.time() - LATENTS_KEPT_S - 60
    os.utime(library.files.latents(clip_id(2)), (long_ago, long_ago))
    library.files.latents(clip_id(9)).write_bytes(b"nobody's")
    again = reopened(library)
    kept = [number for number in range(1, 10) if again.files.latents(clip_id(number)).exists()]
    assert kept == [1, 4, 5]
    assert not again.jobs.queue_again(clip_id(2))
    assert not again.jobs.queue_again(clip_id(3))
    assert again.jobs.queue_again(clip_id(1))
    assert not again.jobs.queue_again(clip_id(1))
    again.close()


def test_threads_take_each_job_once(library: Library) -> None:
    for number in range(60):
        library.jobs.add(JobRow(clip_id(number), request(), 5.0, "queued"))
    taken: list[str] = []

    def take() -> None:
        while row := library.jobs.start_next():
            taken.append(row.id)

    threads = [Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [clip_id(number) for number in range(60)]
