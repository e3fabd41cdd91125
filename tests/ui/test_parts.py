"""The parts' server functions and the files, as anybody can ask for them over plain HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from house import House, Program

from studio.ui import wording
from studio.ui.guard import an_upload
from studio.ui.lasting import FOR_A_YEAR


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()


@pytest.fixture
def program(house: House) -> Iterator[Program]:
    opened = Program(house.address)
    yield opened
    opened.close()


def test_all_of_them_are_known(house: House) -> None:
    assert set(house.server_functions()) == {
        "poll_jobs", "stop_job", "finish_job", "list_clips", "remove_clip", "favour_clip", "show_clip", "take_picture",
        "download_state", "look_up_model", "fetch_model", "stop_fetching", "advise", "estimate",
    }  # fmt: skip


def test_unknown_job_is_gone_and_not_an_error(house: House, program: Program) -> None:
    answer = program.part(house, "poll_jobs", jobs=["0" * 32], preview="")
    assert [view["state"] for view in answer["jobs"]] == ["gone"]


@pytest.mark.parametrize("data", [{"jobs": ["0" * 32] * 21}, {"jobs": ["x"]}, {"jobs": []}, {"preview": "x" * 65}])
def test_poll_takes_few_jobs_and_a_short_key(house: House, program: Program, data: dict[str, object]) -> None:
    answer = program.part(house, "poll_jobs", **{"jobs": [], "preview": 3, **data})
    assert answer == {"error": wording.BAD_CALL}


def test_a_page_of_the_gallery_ends_where_the_next_begins(house: House, program: Program) -> None:
    made = [house.make(house.studio.visit(), f"cat {number}") for number in range(26)]
    first = program.part(house, "list_clips")
    second = program.part(house, "list_clips", before=first["clips"][-1]["number"])
    assert (first["more"], second["more"]) == (True, False)
    assert "removals" not in second
    assert [view["id"] for view in (*first["clips"], *second["clips"])] == [clip.id for clip in reversed(made)]


def test_showcase_is_closed_where_there_is_none(house: House, program: Program) -> None:
    clip = house.make(house.studio.visit(), "a cat")
    assert "no showcase" in program.part(house, "list_clips", shelf="showcase")["error"]
    assert "no showcase" in program.part(house, "show_clip", clip=clip.id, yes=True)["error"]


def test_browsers_may_keep_what_is_in_the_gallery(house: House) -> None:
    clip = house.make(house.studio.visit(), "a cat")
    at = f"{house.address}/gradio_api/file={house.studio.clips_dir}/"
    for name in (clip.video, clip.poster):
        for asked, status in (({}, 200), ({"Range": "bytes=0-99"}, 206)):
            answer = httpx.get(at + name, headers=asked, timeout=60)
            assert (answer.status_code, answer.headers["cache-control"]) == (status, FOR_A_YEAR)
    assert "immutable" not in httpx.get(at + "none.mp4", timeout=60).headers.get("cache-control", "")
    assert "immutable" not in httpx.get(house.address, timeout=60).headers.get("cache-control", "")


def test_files_outside_the_gallery_are_not_served(house: House, program: Program) -> None:
    data = house.studio.settings.data_dir
    for path in (data / "flipbook.db", data / "clips" / ".." / "flipbook.db", "/etc/passwd", data / "pictures"):
        assert program.ask(f"/gradio_api/file={path}")[0] in (403, 404)


@pytest.mark.parametrize("path", ["/etc/passwd", "", "a\0b", "x" * 5000, "a \ud83d", None, 7, ["x"], {"path": "x"}])
def test_only_an_upload_is_read(path: object) -> None:
    with pytest.raises(Exception, match="send the picture along"):
        an_upload(path)


def test_an_upload_with_an_endless_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with pytest.raises(Exception, match="send the picture along"):
        an_upload(str(tmp_path / ("x" * 5000)))
