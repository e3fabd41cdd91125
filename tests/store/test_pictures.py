"""Pictures are kept by content and as long as something refers to them; hostile names never become paths."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Barrier, Thread

import pytest

from studio.domain import StudioError, VideoRequest
from studio.store.files import Files, is_id
from studio.store.jobs import JobRow
from studio.store.library import Library
from tests.store.test_library import add_clip, clip_id, names, reopened


def test_pictures_are_kept_by_content(library: Library) -> None:
    name = library.files.keep_picture(b"png")
    assert library.files.keep_picture(b"png") == name
    assert library.files.keep_picture(b"another") != name
    assert library.files.picture(name).read_bytes() == b"png"
    assert names(library.files.tmp) == []


@pytest.mark.parametrize("is_open", [False, True])
def test_only_old_pictures_that_nobody_names_are_swept(library: Library, is_open: bool) -> None:
    unused, used, waiting, fresh, stopped = (library.keep_picture("a", data) for data in (b"1", b"2", b"3", b"4", b"5"))
    add_clip(library, 1, picture=used)
    library.jobs.add(JobRow(clip_id(2), VideoRequest("", picture=waiting), 5.0, "queued"))
    library.jobs.add(JobRow(clip_id(3), VideoRequest("", picture=stopped), 5.0, "queued"))
    assert library.jobs.stop_queued(clip_id(3))
    with library._database.transaction() as connection:
        connection.execute("UPDATE pictures SET kept_s = kept_s - 90000 WHERE name != ?", (fresh,))
    if is_open:
        for name in (unused, used, waiting, stopped):
            os.utime(library.files.picture(name), (0, 0))
        library.sweep_leftovers()
    again = library if is_open else reopened(library)
    assert names(again.files.pictures) == sorted([used, waiting, fresh])
    assert [again.pictures.is_of("a", name) for name in (unused, used, waiting, fresh)] == [False, True, True, True]
    assert not again.pictures.is_of("b", used)
    assert again.pictures.count_today("a") == 1
    again.close()


def test_a_picture_may_be_sent_by_two_at_once(library: Library) -> None:
    png, kept = bytes(2_000_000), []
    together = Barrier(4)

    def send() -> None:
        for _ in range(10):
            together.wait()
            kept.append(library.files.keep_picture(png))

    threads = [Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 40
    assert len(set(kept)) == 1
    assert library.files.picture(kept[0]).read_bytes() == png
    assert names(library.files.tmp) == []


HOSTILE = [
    "",
    "../x",
    "../../etc/passwd",
    "a" * 100_000,
    None,
    7,
    ["x"],
    "雪",
    "\x00",
    "a" * 31,
    "A" * 32,
    "a" * 32 + "\n",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_never_become_paths(library: Library, value: object) -> None:
    assert not is_id(value)
    with pytest.raises(StudioError, match="64 hexadecimal") as caught:
        library.files.picture(value)
    assert len(str(caught.value)) < 200


def test_a_picture_that_is_gone_is_said(library: Library) -> None:
    with pytest.raises(StudioError, match=r"The picture aaaaaaaa\.\.\. is no longer here"):
        library.files.picture("a" * 64 + ".png")


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudioError, match="Flipbook cannot keep its data in"):
        Files(tmp_path / "file")
