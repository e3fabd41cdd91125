"""Old clips go only where a limit asks for it: the oldest first, favourites never, and their owners are told."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from studio.domain import VideoRequest
from studio.store.jobs import JobRow
from studio.store.library import Library
from studio.store.runs import KEPT, Run
from tests.store.test_library import add_clip, clip_id, request


def test_what_was_sent_goes_after_a_day_and_at_each_start(library: Library) -> None:
    sent = {name: library.files.uploads / name / "photo.png" for name in ("old", "new")}
    for path in sent.values():
        path.parent.mkdir()
        path.write_bytes(b"photo")
    os.utime(sent["old"], (0, 0))
    library.sweep_leftovers()
    assert [name for name, path in sent.items() if path.exists()] == ["new"]
    data_dir = library.files.data_dir
    library.close()
    again = Library(data_dir)
    assert not list(again.files.uploads.iterdir())
    again.close()


def test_nothing_is_swept_without_a_limit(library: Library) -> None:
    clip = add_clip(library, 1, created_s=0.0)
    assert library.sweep_clips(0, 0) == 0
    assert library.clips.newest(10) == [clip]


def test_old_clips_are_swept_but_favourites_never(library: Library) -> None:
    now = time.time()
    old, loved, fresh = (
        add_clip(library, number, created_s=now - days * 86_400) for number, days in ((1, 9), (2, 9), (3, 1))
    )
    library.clips.favour(loved.id, True)
    assert library.sweep_clips(keep_days=7, keep_bytes=0) == 1
    assert [clip.id for clip in library.clips.newest(10)] == [fresh.id, loved.id]
    assert not (library.files.clips / old.video).exists()
    (told,) = library.removals.newest("", 5)
    assert (told.clips, told.reason) == (1, "age")


@pytest.mark.parametrize("wrong_days", [-365, 365])
def test_a_clip_is_no_older_than_those_before_it(library: Library, wrong_days: int) -> None:
    now = time.time()
    add_clip(library, 1, created_s=now - 9 * 86_400)
    kept = [
        add_clip(library, 2, created_s=now - 60.0),
        add_clip(library, 3, created_s=now + wrong_days * 86_400),
        add_clip(library, 4, created_s=now - 30.0),
    ]
    assert library.sweep_clips(keep_days=7, keep_bytes=0) == 1
    assert library.clips.newest(10) == kept[::-1]


def test_what_becomes_a_favourite_while_others_are_swept_stays(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, loved, gone = (add_clip(library, number, created_s=0.0) for number in range(3))
    remove = library.files.remove

    def meanwhile(*names: str) -> None:
        remove(*names)
        if first.video in names:
            library.clips.favour(loved.id, True)
            library.delete(gone)

    monkeypatch.setattr(library.files, "remove", meanwhile)
    assert library.sweep_clips(keep_days=7, keep_bytes=0) == 1
    assert library.clips.newest(10) == [replace(loved, is_favourite=True)]
    assert (library.files.clips / loved.video).exists()
    (told,) = library.removals.newest("", 5)
    assert told.clips == 1


def test_the_oldest_go_until_the_rest_fits(library: Library) -> None:
    one = len(b"video" + b"poster")
    made = [add_clip(library, number, owner="ab"[number % 2]) for number in range(6)]
    library.clips.favour(made[0].id, True)
    assert library.sweep_clips(keep_days=0, keep_bytes=3 * one) == 3
    assert library.clips.newest(10) == [made[5], made[4], replace(made[0], is_favourite=True)]
    assert [(told.clips, told.reason) for told in library.removals.newest("b", 5)] == [(2, "size")]
    assert [(told.clips, told.reason) for told in library.removals.newest("a", 5)] == [(1, "size")]
    assert library.sweep_clips(keep_days=0, keep_bytes=3 * one) == 0


def test_what_went_before_something_failed_is_told(library: Library) -> None:
    first, stuck, last = (add_clip(library, number) for number in range(3))
    video = library.files.clips / stuck.video
    video.unlink()
    (video / "full").mkdir(parents=True)
    with pytest.raises(OSError, match=r"directory|permitted"):
        library.sweep_clips(keep_days=1, keep_bytes=0)
    assert library.clips.newest(10) == [last]
    assert [told.clips for told in library.removals.newest("", 5)] == [2]
    assert not (library.files.clips / first.video).exists()


def test_a_new_clip_is_not_swept_for_room_that_favourites_take(library: Library) -> None:
    now = time.time()
    loved, old, new = (
        add_clip(library, number, created_s=now - age_s) for number, age_s in ((1, 5000), (2, 4000), (3, 1))
    )
    library.clips.favour(loved.id, True)
    assert library.sweep_clips(keep_days=0, keep_bytes=1) == 1
    assert [clip.id for clip in library.clips.newest(10)] == [new.id, loved.id]
    assert library.clips.get(old.id) is None


def test_a_clip_that_is_about_to_be_extended_is_not_swept(library: Library) -> None:
    first, other = add_clip(library, 1), add_clip(library, 2)
    library.jobs.add(JobRow("f" * 32, VideoRequest("", extends=first.id), 5.0, "queued"))
    assert library.sweep_clips(keep_days=1, keep_bytes=0) == 1
    assert [clip.id for clip in library.clips.newest(10)] == [first.id]
    library.jobs.finish("f" * 32, "failed", "The disk was full.", can_finish=True)
    assert library.sweep_clips(keep_days=1, keep_bytes=0) == 0, "it may yet be finished"
    library.jobs.cannot_finish({"f" * 32})
    assert library.sweep_clips(keep_days=1, keep_bytes=0) == 1
    assert library.clips.get(other.id) is None


def test_jobs_that_came_to_nothing_are_forgotten_in_time(library: Library) -> None:
    for number in range(4):
        library.jobs.add(JobRow(clip_id(number), request(), 5.0, "queued"))
    library.jobs.stop_queued(clip_id(0))
    library.jobs.finish(clip_id(1), "failed", "It was too hard.")
    library.jobs.finish(clip_id(2), "failed", "The disk was full.", can_finish=True)
    latents = library.files.latents(clip_id(2))
    latents.write_bytes(b"latents")
    made = add_clip(library, 9)
    library.sweep_leftovers()
    assert all(library.jobs.get(clip_id(number)) for number in range(4))
    assert latents.exists()
    with library._database.transaction() as connection:
        connection.execute("UPDATE jobs SET ended_s = ended_s - 700000")
    library.sweep_leftovers()
    assert [number for number in range(4) if library.jobs.get(clip_id(number))] == [3]
    assert not latents.exists()
    assert library.jobs.get(made.id) is not None


def test_notes_of_what_was_swept_are_forgotten_in_time(library: Library) -> None:
    now = time.time()
    for days in (100, 1):
        library.removals.add("a", "size", now - days * 86_400)
    library.sweep_leftovers()
    assert [told.removed_s for told in library.removals.newest("a", 5)] == [now - 86_400]


def test_only_the_newest_runs_are_kept(library: Library) -> None:
    asked = request()
    library.runs.add(Run.of(replace(asked, model="another"), {"denoising": 1.0}))
    for number in range(KEPT + 5):
        library.runs.add(Run.of(asked, {"denoising": float(number)}))
    rows = library.runs.newest(asked.model, 10 * KEPT)
    assert [row.spent_s["denoising"] for row in rows] == [float(number) for number in range(KEPT + 4, 4, -1)]
    assert len(library.runs.newest("another", 10)) == 1
