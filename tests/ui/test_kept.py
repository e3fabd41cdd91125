"""What a browser keeps of a visitor's, what it does not, and what it is told of that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from house import House
from PIL import Image
from playwright.sync_api import expect
from running import Visitor

from studio.ui import wording

OpenHouse = Callable[..., House]
Visit = Callable[..., Visitor]
WORDS = wording.GALLERY_WORDS


def stored(visitor: Visitor) -> list[str]:
    return visitor.page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")


def test_what_is_typed_without_a_connection_is_kept(open_house: OpenHouse, visit: Visit) -> None:
    visitor = visit(open_house().address)
    visitor.quick()
    visitor.context.set_offline(True)
    for words in ("a quxblorp", "a quxblorp at sea"):
        with visitor.page.expect_event("requestfailed"):
            visitor.prompt.fill(words)
    visitor.page.wait_for_timeout(1000)
    assert visitor.page.get_by_text("Connection Lost").count() == 0
    visitor.context.set_offline(False)
    visitor.prompt.fill("a quxblorp in the snow")
    expect(visitor.page.locator(".fb-advice").first).to_contain_text("quxblorp")
    visitor.press(wording.MAKE)
    visitor.expect_ready(1)
    visitor.page.reload()
    visitor.expect_alive()
    expect(visitor.prompt).to_have_value("a quxblorp in the snow")
    visitor.errors.clear()  # the browser's own words of requests that failed


def test_a_negative_prompt_does_not_cost_the_form(open_house: OpenHouse, visit: Visit) -> None:
    visitor = visit(open_house().address)
    visitor.quick(steps=7, seconds=3)
    visitor.page.get_by_role("button", name=wording.MORE).locator("visible=true").click()
    unwanted = visitor.page.get_by_label(wording.NEGATIVE).locator("visible=true")
    unwanted.fill("rain")
    unwanted.press("Tab")
    visitor.page.wait_for_function("Object.values(sessionStorage).some((kept) => kept.includes('rain'))")
    visitor.page.reload()
    visitor.expect_alive()
    steps = visitor.page.get_by_label(f"number input for {wording.STEPS}").locator("visible=true")
    expect(steps).to_have_value("7")


def test_a_picture_and_its_tab_survive_a_reload(open_house: OpenHouse, visit: Visit, tmp_path: Path) -> None:
    Image.new("RGB", (320, 240), "teal").save(tmp_path / "sea.png")
    house = open_house()
    visitor = visit(house.address)
    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    visitor.picture.locator("input[type=file]").set_input_files(tmp_path / "sea.png")
    expect(visitor.picture.locator(".fb-facts")).to_have_text("320 × 240 → 192 × 144")
    visitor.page.reload()
    expect(visitor.page.get_by_role("tab", name=wording.IMAGE_TAB)).to_have_attribute("aria-selected", "true")
    expect(visitor.picture.locator(".fb-facts")).to_have_text("320 × 240 → 192 × 144")
    visitor.quick()
    visitor.press(wording.MAKE)
    visitor.expect_ready(1)
    (clip,) = house.studio.visit().clips()
    assert clip.request.picture
    visitor.picture.get_by_role("button", name=wording.PICTURE["remove"]).click()
    visitor.page.reload()
    expect(visitor.picture.locator(".fb-drop")).to_be_visible()
    assert not [key for key in stored(visitor) if key.startswith("flipbook-picture")]


def test_who_signs_in_next_does_not_find_the_words_of_before(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house(auth=(("ann", "correct horse"),))
    visitor = visit(house.address, is_open=False)
    visitor.page.goto(house.address)
    visitor.page.get_by_label("username").fill("ann")
    visitor.page.get_by_label("password").fill("correct horse")
    visitor.page.get_by_role("button", name="Login").click()
    visitor.expect_alive()
    visitor.prompt.fill("a secret of ann's")
    visitor.page.wait_for_function("Object.values(localStorage).some((kept) => kept.includes('secret'))")
    visitor.page.get_by_role("link", name=wording.FOOTER_LINKS["sign_out"]).click()
    expect(visitor.page.get_by_role("button", name="Login")).to_be_visible()
    assert {key for key in stored(visitor) if key.startswith("flipbook")} <= {"flipbook-tab"}


@pytest.mark.parametrize("blocked", [False, True])
def test_a_private_gallery_says_that_it_is_the_browsers(open_house: OpenHouse, visit: Visit, blocked: bool) -> None:
    house = open_house(has_private_galleries=True)
    visitor = visit(house.address, is_open=False)
    if blocked:
        visitor.page.add_init_script(
            "for (const name of ['localStorage', 'sessionStorage']) "
            "Object.defineProperty(window, name, { get() { throw new Error('blocked'); } })"
        )
    visitor.open(house.address)
    mine = visitor.page.locator(".fb-mine")
    expect(mine).to_be_hidden()
    visitor.prompt.fill("a cat")
    visitor.quick()
    visitor.press(wording.MAKE)
    visitor.expect_ready(1)
    expect(mine).to_have_text(WORDS["forgets" if blocked else "mine"])


def test_a_shared_gallery_says_nothing_of_browsers(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    house.make(house.studio.visit(), "a cat")
    visitor = visit(house.address)
    expect(visitor.cards).to_have_count(1)
    expect(visitor.page.locator(".fb-mine")).to_be_hidden()


def test_one_film_at_a_time_is_heard(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    for name in ("a cat", "a dog"):
        house.make(house.studio.visit(), name)
    visitor = visit(house.address)
    playing = "[...document.querySelectorAll('.fb-card video:not(.fb-peek)')].filter((film) => !film.paused).length"
    for number in range(2):
        visitor.cards.nth(number).get_by_role("button", name=WORDS["play"]).click()
        visitor.page.evaluate("for (const film of document.querySelectorAll('video')) film.loop = true")
        visitor.page.wait_for_function(f"{playing} === 1")
    expect(visitor.page.locator(".fb-card video:not(.fb-peek)")).to_have_count(2)
    visitor.page.wait_for_timeout(300)
    assert visitor.page.evaluate(playing) == 1


def test_what_does_not_reach_the_studio_is_said_in_the_card(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    house.make(house.studio.visit(), "a cat")
    visitor = visit(house.address)
    card = visitor.cards.first
    star = card.get_by_role("button", name=WORDS["favourite"])
    visitor.page.route("**/component_server/**", lambda route: route.fulfill(status=500, body="{}"))
    star.click()
    expect(card.get_by_role("alert")).to_have_text(WORDS["notChanged"])
    visitor.page.unroute_all()
    visitor.errors.clear()  # the browser's own words of that answer
    star.click()
    expect(card.get_by_role("alert")).to_have_count(0)
