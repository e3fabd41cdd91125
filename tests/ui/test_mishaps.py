"""What goes wrong by the way costs a visitor neither words nor place nor film."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from house import House, served
from playwright.sync_api import Page, Route, expect
from running import Visitor, free_port

from studio.ui import wording

OpenHouse = Callable[..., House]
Visit = Callable[..., Visitor]
OWN = "my own long careful words"


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.className || document.activeElement.tagName")


def test_an_example_gives_back_what_was_typed(open_house: OpenHouse, visit: Visit) -> None:
    visitor = visit(open_house().address)
    own = visitor.page.get_by_role("button", name=wording.YOUR_WORDS).first
    visitor.press(wording.EXAMPLES[0])
    expect(visitor.prompt).to_have_value(wording.EXAMPLES[0])
    expect(own).to_be_hidden()
    visitor.prompt.fill(OWN)
    for example in wording.EXAMPLES[:2]:
        visitor.press(example)
        expect(visitor.prompt).to_have_value(example)
    own.click()
    expect(visitor.prompt).to_have_value(OWN)
    own.click()
    expect(visitor.prompt).to_have_value(OWN)


def test_settings_of_a_clip_give_back_what_was_typed(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    house.make(house.studio.visit(), "a dog")
    visitor = visit(house.address)
    visitor.prompt.fill(OWN)
    visitor.cards.first.locator("summary").click()
    visitor.press(wording.ACTIONS["reuse"])
    expect(visitor.prompt).to_have_value("a dog")
    visitor.press(wording.YOUR_WORDS)
    expect(visitor.prompt).to_have_value(OWN)


def test_two_windows_have_words_of_their_own(open_house: OpenHouse, visit: Visit) -> None:
    one = visit(open_house().address)
    other = one.context.new_page()
    other.goto(one.page.url)
    prompt = other.get_by_label(wording.PROMPT)
    one.prompt.fill("of window one")
    prompt.fill("of window two")
    one.page.wait_for_timeout(300)
    third = one.context.new_page()
    third.goto(one.page.url)
    expect(third.get_by_label(wording.PROMPT)).to_have_value("of window two")
    one.page.reload()
    one.expect_alive()
    expect(one.prompt).to_have_value("of window one")


def test_a_page_whose_form_is_another_by_now_is_loaded_anew(tmp_path: Path, visit: Visit) -> None:
    port = free_port()
    with served(tmp_path, port=port) as house:
        visitor = visit(house.address)
        visitor.prompt.fill(OWN)
        visitor.page.evaluate("window.isOld = true")
    with served(tmp_path, port=port, max_step_cache=0.3):
        visitor.page.wait_for_function("!window.isOld", timeout=60_000)
        visitor.expect_alive()
        expect(visitor.prompt).to_have_value(OWN)
        visitor.make("a cat")
        visitor.errors.clear()  # the browser's own words of requests that failed
        visitor.page.close()


def test_a_film_that_broke_off_can_be_played_again(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    house.make(house.studio.visit(), "a dog")
    visitor = visit(house.address)
    broken: list[str] = []

    def break_off(route: Route) -> None:
        broken.append(route.request.url)
        route.abort()

    visitor.page.route("**/*.mp4", break_off)
    card = visitor.cards.first
    card.locator(".fb-play").click()
    expect(card.get_by_role("alert")).to_have_text(wording.GALLERY_WORDS["notPlayed"])
    assert broken
    visitor.page.unroute("**/*.mp4")
    card.locator(".fb-play").click()
    visitor.page.wait_for_function("document.querySelector('.fb-card video')?.currentTime > 0")
    visitor.errors.clear()


def test_the_stage_tries_a_film_again_that_broke_off(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    visitor = visit(house.address)
    visitor.page.route("**/*.mp4", lambda route: route.abort(), times=1)
    visitor.quick()
    visitor.make("a cat")
    visitor.page.wait_for_function("document.querySelector('.fb-film').readyState > 1")
    visitor.errors.clear()


def test_the_keyboards_place_is_not_lost(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    visitor = visit(house.address)
    visitor.prompt.fill("hold a cat")
    visitor.press(wording.MAKE)
    visitor.stage.get_by_role("button", name=wording.STAGE["stop"], exact=True).first.press("Enter")
    expect(visitor.headline).to_have_text(wording.STOPPED)
    assert focused(visitor.page) == "fb-headline"
    visitor.make("a dog")
    visitor.stage.get_by_role("button", name=wording.ACTIONS["delete"]).press("Enter")
    visitor.page.get_by_role("button", name=wording.GALLERY_WORDS["deleteYes"]).press("Enter")
    expect(visitor.headline).to_have_text(wording.DELETED)
    visitor.page.wait_for_timeout(1500)  # the stage and the gallery have asked the studio again
    expect(visitor.headline).to_have_text(wording.DELETED)
    assert focused(visitor.page) == "fb-headline"


def test_after_older_clips_came_the_first_of_them_has_the_focus(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house(max_queued=99, max_queued_per_visitor=99)
    for number in range(27):
        house.make(house.studio.visit(), f"clip {number}", seconds=1.0)
    visitor = visit(house.address)
    shown = visitor.cards.count()
    visitor.page.get_by_role("button", name=wording.GALLERY_WORDS["showMore"]).press("Enter")
    expect(visitor.cards).to_have_count(27)
    expect(visitor.cards.nth(shown).locator(".fb-play")).to_be_focused()


def test_what_was_typed_for_an_extension_stays(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    for prompt in ("a dog", "a cat"):
        house.make(house.studio.visit(), prompt)
    visitor = visit(house.address)
    words = visitor.page.locator(".fb-ask-extend textarea")

    def extend(number: int) -> None:
        visitor.cards.nth(number).get_by_role("button", name=wording.ACTIONS["extend"]).click()

    extend(0)
    expect(words).to_have_value("a cat")
    words.fill(OWN)
    words.press("Escape")
    extend(1)
    expect(words).to_have_value("a dog")
    words.press("Escape")
    extend(0)
    expect(words).to_have_value(OWN)


@pytest.mark.parametrize("has_words", [True, False])
def test_words_that_are_pasted_with_their_picture_are_words(
    open_house: OpenHouse, visit: Visit, has_words: bool
) -> None:
    visitor = visit(open_house().address)
    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    expect(visitor.picture.locator(".fb-drop")).to_be_visible()
    visitor.page.evaluate(
        """async (hasWords) => {
            const canvas = Object.assign(document.createElement('canvas'), { width: 120, height: 40 });
            const png = await new Promise((done) => canvas.toBlob(done));
            const data = new DataTransfer();
            data.items.add(new File([png], 'words.png', { type: 'image/png' }));
            if (hasWords) data.setData('text/plain', 'words');
            document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
        }""",
        has_words,
    )
    if has_words:
        visitor.page.wait_for_timeout(1000)
        expect(visitor.picture.locator(".fb-drop")).to_be_visible()
    else:
        expect(visitor.picture.locator(".fb-facts")).to_contain_text("120 × 40")


def test_the_same_advice_is_said_once(open_house: OpenHouse, visit: Visit) -> None:
    visitor = visit(open_house().address)
    advice = visitor.page.locator(".fb-advice").first
    visitor.prompt.fill("a quxblorp")
    expect(advice).to_contain_text("quxblorp")
    visitor.page.evaluate(
        """() => {
            window.writes = 0;
            new MutationObserver(() => window.writes++).observe(document.querySelector('.fb-advice'), {
                childList: true, characterData: true, subtree: true });
        }"""
    )
    with visitor.page.expect_response(
        lambda answer: "component_server" in answer.url and "advise" in (answer.request.post_data or "")
    ):
        visitor.prompt.fill("a quxblorp dances")
    visitor.page.wait_for_timeout(300)
    assert visitor.page.evaluate("window.writes") == 0
