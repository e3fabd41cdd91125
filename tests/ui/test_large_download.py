"""A clip scaled up, with one press; nobody who must sign in and has not gets it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from house import House, Program
from playwright.sync_api import expect
from running import Visitor

from studio.media.video import probe
from studio.ui import wording


def test_a_visitor_saves_a_clip_large(open_house: Callable[..., House], visit: Callable[..., Visitor]) -> None:
    house = open_house()
    visitor = visit(house.address)
    visitor.make("a cat in the snow")
    card = visitor.cards.first

    def ask() -> None:
        card.get_by_text(wording.GALLERY_WORDS["more"], exact=True).click()
        card.get_by_text(wording.ACTIONS["larger"], exact=True).click()

    visitor.page.route("**/larger/*", lambda route: route.fulfill(status=503))
    ask()
    expect(card.get_by_role("status")).to_have_text(wording.GALLERY_WORDS["notEnlarged"])
    visitor.errors.clear()
    visitor.page.unroute("**/larger/*")
    with visitor.page.expect_download() as saved:
        ask()
    expect(card.get_by_role("status")).to_have_count(0)
    assert saved.value.suggested_filename == f"flipbook-{house.studio.visit().clips()[0].request.seed}.mp4"
    path = saved.value.path()
    found = probe(path)
    (clip,) = house.studio.visit().clips()
    assert (found.height, found.num_frames) == (720, clip.made.num_frames)
    assert found.width / 720 == pytest.approx(clip.made.width / clip.made.height, rel=0.01)
    expect(visitor.stage.get_by_text(wording.ACTIONS["larger"])).to_have_count(0)


def test_what_is_asked_for_wrongly_gets_a_sentence(open_house: Callable[..., House]) -> None:
    house = open_house(auth=(("anna", "secret"),))
    clip = house.make(house.studio.visit(person="anna"), "a cat")
    program = Program(house.address)
    assert program.ask(f"/larger/{clip.video}")[0] == 401
    program.sign_in("anna", "secret")
    for film in ("x.mp4", clip.id, "..%2f..%2fflipbook.db", "x" * 300):
        status, text = program.ask(f"/larger/{film}")
        assert status == 404, film
        assert "flipbook.db" not in text.replace("../../flipbook.db", "")
    assert program._client.get(f"/larger/{clip.video}").headers["content-type"] == "video/mp4"
    program.close()
