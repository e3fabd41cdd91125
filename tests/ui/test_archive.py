"""All of one's clips in one file, and nobody else's."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from zipfile import ZipFile

import httpx
import pytest
from house import House, Program, new_visitor
from running import Visitor

from studio.domain import Clip
from studio.ui import archive, wording

OpenHouse = Callable[..., House]


def asked(house: House, visitor: str) -> httpx.Response:
    return httpx.post(f"{house.address}/clips.zip", data={"visitor": visitor}, timeout=60)


def files(packed: bytes) -> list[bytes]:
    with ZipFile(io.BytesIO(packed)) as opened:
        assert opened.testzip() is None
        assert all(entry.date_time[0] >= 1980 for entry in opened.infolist())
        return [opened.read(name) for name in opened.namelist()]


def bytes_of(house: House, clips: list[Clip]) -> list[bytes]:
    return [(house.studio.clips_dir / clip.video).read_bytes() for clip in clips]


def test_each_gets_all_of_their_own(open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PAGE", 2)
    house = open_house(has_private_galleries=True)
    one, other = new_visitor(), new_visitor()
    made = [house.make(house.studio.visit(one), f"cat {number}", seed=7) for number in range(5)]
    os.utime(house.studio.clips_dir / made[2].video, (0, 0))  # as a clock that was wrong dates it
    house.make(house.studio.visit(other), "a dog")
    house.studio.visit(one).delete(made.pop(1).id)
    assert files(asked(house, one).content) == bytes_of(house, made[::-1])
    assert len(files(asked(house, other).content)) == 1
    assert files(asked(house, new_visitor()).content) == []


@pytest.mark.parametrize(("visitor", "status"), [("", 403), ("x" * 32, 403), ("a" * 500, 413)])
def test_who_says_no_name_gets_a_sentence(open_house: OpenHouse, visitor: str, status: int) -> None:
    answer = asked(open_house(has_private_galleries=True), visitor)
    assert answer.status_code == status
    assert answer.json()["detail"].endswith(".")


def test_who_must_sign_in_must_do_so_here_too(open_house: OpenHouse) -> None:
    house = open_house(auth=(("anna", "secret"),), has_private_galleries=True)
    clip = house.make(house.studio.visit(person="anna"), "a cat")
    assert asked(house, new_visitor()).status_code == 401
    program = Program(house.address)
    program.sign_in("anna", "secret")
    assert files(program._client.post("/clips.zip").content) == bytes_of(house, [clip])
    assert program.ask("/clips.zip", "", "POST", sec_fetch_site="cross-site")[0] == 403
    program.close()


def test_a_visitor_saves_them_with_one_press(open_house: OpenHouse, visit: Callable[..., Visitor]) -> None:
    house = open_house(has_private_galleries=True)
    visitor = visit(house.address)
    for prompt in ("a cat", "a dog"):
        visitor.make(prompt)
    with visitor.page.expect_download() as saved:
        visitor.press(wording.GALLERY_WORDS["allClips"])
    assert saved.value.suggested_filename == "flipbook.zip"
    owner = house.studio.visit(visitor.page.evaluate("localStorage['flipbook.visitor']"))
    assert files(saved.value.path().read_bytes()) == bytes_of(house, owner.clips())
    assert len(owner.clips()) == 2
