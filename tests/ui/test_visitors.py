"""Private galleries: nothing of another visitor is listed, played, extended, deleted, stopped or polled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from house import House, Program, new_visitor
from PIL import Image
from playwright.sync_api import expect
from running import Visitor

from studio.domain import Clip, Job, VideoRequest
from studio.ui import wording

OpenHouse = Callable[..., House]
Visit = Callable[..., Visitor]


@pytest.fixture
def house(open_house: OpenHouse) -> House:
    return open_house(has_private_galleries=True, showcase=True)


@pytest.fixture
def owner(house: House) -> Iterator[Program]:
    yield from program(house)


@pytest.fixture
def stranger(house: House) -> Iterator[Program]:
    yield from program(house)


def program(house: House) -> Iterator[Program]:
    opened = Program(house.address, new_visitor())
    yield opened
    opened.close()


def clip_of(house: House, owner: Program, prompt: str = "a secret", **values: Any) -> Clip:
    return house.make(house.studio.visit(owner.visitor), prompt, **values)


def held_job(house: House, owner: Program) -> Job:
    """A job that runs until the executor may go on."""
    return house.studio.visit(owner.visitor).submit(VideoRequest("hold a secret"))


# The parts' functions


def test_lists_hold_only_ones_own(house: House, owner: Program, stranger: Program) -> None:
    clip = clip_of(house, owner)
    assert [view["id"] for view in owner.part(house, "list_clips")["clips"]] == [clip.id]
    assert stranger.part(house, "list_clips")["clips"] == []
    assert stranger.part(house, "list_clips", shelf="showcase")["clips"] == []


@pytest.mark.parametrize(
    ("name", "data"),
    [("remove_clip", {}), ("favour_clip", {"yes": True}), ("show_clip", {"yes": True})],
)
def test_nobody_changes_anothers_clip(
    house: House, owner: Program, stranger: Program, name: str, data: dict[str, Any]
) -> None:
    clip = clip_of(house, owner)
    for visitor in (stranger.visitor, "", None, owner.visitor.upper(), owner.visitor + "\n", [owner.visitor]):
        answer = stranger.part(house, name, clip=clip.id, **{**data, "visitor": visitor})
        assert set(answer) == {"error"}
        assert "secret" not in answer["error"]
    assert house.library.clips.get(clip.id) == clip
    assert "error" not in owner.part(house, name, clip=clip.id, **data)


def test_jobs_are_polled_and_stopped_by_their_owner_only(house: House, owner: Program, stranger: Program) -> None:
    job = held_job(house, owner)
    views = stranger.part(house, "poll_jobs", jobs=[job.id], preview="")["jobs"]
    assert [(view["state"], view["prompt"]) for view in views] == [("gone", "")]
    for keep in (False, True):
        assert "error" in stranger.part(house, "stop_job", job=job.id, keep=keep)
    assert not house.studio.visit(owner.visitor).job(job.id).is_over
    assert [view["id"] for view in owner.part(house, "poll_jobs", jobs=[], preview="")["jobs"]] == [job.id]
    assert owner.part(house, "stop_job", job=job.id) == {"stopped": True}


def test_a_failed_job_is_finished_by_its_owner_only(house: House, owner: Program, stranger: Program) -> None:
    visit = house.studio.visit(owner.visitor)
    job = visit.watch(visit.submit(VideoRequest("unfinished secret")).id, 20)
    assert "error" in stranger.part(house, "finish_job", job=job.id)
    (view,) = owner.part(house, "poll_jobs", jobs=[job.id], preview="")["jobs"]
    assert view["can_finish"]
    assert owner.part(house, "finish_job", job=job.id) == {"job": job.id}
    assert visit.clip(visit.watch(job.id, 20).id).request.prompt == "unfinished secret"


def test_without_saying_who_one_is_nothing_is_answered(house: House, owner: Program) -> None:
    clip_of(house, owner)
    for name in house.server_functions():
        for visitor in ("", None, 7, ["x"], "x" * 100_000, "g" * 32, owner.visitor[:-1]):
            answer = owner.part(house, name, visitor=visitor, jobs=[], preview="")
            assert set(answer) == {"error"}, (name, visitor)


# Events


def events(house: House, name: str) -> list[int]:
    """The numbers of the page's events whose function is defined under this name."""
    found = [index for index, fn in house.page.fns.items() if fn.fn and name in str(fn.targets)]
    assert found, name
    return found


@pytest.mark.parametrize("name", ["again", "frame", "reuse"])
def test_anothers_clip_is_not_used_again(house: House, owner: Program, stranger: Program, name: str) -> None:
    clip = clip_of(house, owner)
    for details in ({"clip": clip.id, "action": "same"}, {"clip": clip.id, "action": "extend", "seconds": 1.0}):
        index = events(house, name)[0]
        others = [None] * (len(house.page.fns[index].inputs) - 1)
        status, text = stranger.event(index, [stranger.visitor, *others], details)
        assert status == 200
        assert "There is no clip" in text
        assert "secret" not in text
    assert house.library.jobs.unfinished() == []


# Endpoints


def test_generate_draws_a_visitor_and_tells_it(house: House, stranger: Program) -> None:
    _, recipe = stranger.answer("generate", prompt="a cat", visitor="")
    stranger.visitor = recipe["visitor"]
    assert len(recipe["visitor"]) == 32
    assert [clip["clip"] for clip in stranger.answer("clips")] == [recipe["clip"]]
    _, again = stranger.answer("generate", prompt="a dog")
    assert again["visitor"] == recipe["visitor"]
    assert len(stranger.answer("clips")) == 2
    _, same = stranger.answer("regenerate", clip=recipe["clip"])
    assert same["parent"] == recipe["clip"]


def test_endpoints_know_only_ones_own(house: House, owner: Program, stranger: Program) -> None:
    clip = clip_of(house, owner)
    assert stranger.answer("clips") == []
    for visitor in (stranger.visitor, "", "0" * 32, 7, None, ["x"], "x" * 100_000):
        for name in ("regenerate", "extend"):
            _, text = stranger.endpoint(name, clip=clip.id, visitor=visitor)
            assert "event: error" in text
            assert "secret" not in text
    _, text = stranger.endpoint("clips")
    assert "Galleries are private" in text
    assert len(owner.answer("clips")) == 1


def test_shared_gallery_asks_nobody_who_they_are(open_house: OpenHouse) -> None:
    house = open_house()
    one = Program(house.address)
    _, recipe = one.answer("generate", prompt="a cat")
    assert "visitor" not in recipe
    for visitor in ("", new_visitor(), 7):
        assert [clip["clip"] for clip in one.answer("clips", visitor=visitor)] == [recipe["clip"]]
        assert len(one.part(house, "list_clips", visitor=visitor)["clips"]) == 1
    one.close()


# The page


def test_two_visitors_see_only_their_own(house: House, visit: Visit) -> None:
    first, second = visit(house.address), visit(house.address)
    first.make("a cat of the first")
    second.make("a dog of the second")
    expect(first.cards).to_have_count(1)
    expect(first.cards).to_contain_text("a cat of the first")
    second.open(house.address)
    expect(second.cards).to_have_count(1)
    expect(second.cards).to_contain_text("a dog of the second")
    first.open(house.address)
    expect(first.cards).to_contain_text("a cat of the first")
    second.press(wording.ACTIONS["new"], second.cards.first)
    second.expect_ready(2)
    expect(first.cards).to_have_count(1)


def test_a_visitor_is_known_again_and_alike_in_all_tabs(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    visitor.make("a cat")
    drawn = visitor.page.evaluate("localStorage.getItem('flipbook.visitor')")
    assert len(house.studio.visit(drawn).clips()) == 1
    tab = Visitor(visitor.context, visitor.context.new_page())
    tab.open(house.address)
    expect(tab.cards).to_have_count(1)
    tab.make("a dog")
    expect(visitor.cards).to_have_count(2)
    cat = house.studio.visit(drawn).clips()[1]
    house.studio.visit(drawn).delete(cat.id)
    house.make(house.studio.visit(drawn), "a bird")
    for page in (visitor, tab):
        expect(page.cards).to_have_count(2)
        expect(page.cards.first).to_contain_text("a bird")
        expect(page.cards.last).to_contain_text("a dog")


def test_where_storage_is_blocked_a_visit_lasts_as_long_as_the_page(house: House, visit: Visit) -> None:
    blocked = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('blocked'); }})"
    visitor = visit(house.address, is_open=False)
    visitor.context.add_init_script(blocked)
    visitor.open(house.address)
    visitor.make("a cat")
    expect(visitor.cards).to_have_count(1)
    visitor.open(house.address)
    expect(visitor.page.locator(".fb-gallery-note")).to_have_text(wording.GALLERY_WORDS["empty"])


def test_pictures_are_ones_own(house: House, owner: Program, stranger: Program, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (200, 40, 40)).save(tmp_path / "red.png")
    name = house.studio.visit(owner.visitor).keep_picture(tmp_path / "red.png")
    picture = {"name": name, "fit": "crop", "ratio": "1:1"}
    ((index, fn),) = [each for each in house.page.fns.items() if len(each[1].inputs) == 13 and each[1].fn]
    usual = [getattr(block, "value", None) for block in fn.inputs[3:]]
    _, text = stranger.event(index, [stranger.visitor, {}, picture, *usual])
    assert "no longer here" in text
    assert house.library.jobs.unfinished() == []
