"""Favourites, the showcase and the note of what was removed, in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from house import House
from PIL import Image
from playwright.sync_api import Locator, expect
from running import Visitor

from studio.domain import Clip
from studio.service import Visit as StudioVisit
from studio.ui import wording

OpenHouse = Callable[..., House]
Visit = Callable[..., Visitor]
WORDS = wording.GALLERY_WORDS


@pytest.fixture
def house(open_house: OpenHouse) -> House:
    return open_house(has_private_galleries=True, showcase=True)


def studio_visit(house: House, visitor: Visitor) -> StudioVisit:
    return house.studio.visit(visitor.page.evaluate("localStorage.getItem('flipbook.visitor')"))


def with_clip(house: House, visitor: Visitor, prompt: str = "a cat", **values: Any) -> Clip:
    before = visitor.cards.count()
    clip = house.make(studio_visit(house, visitor), prompt, **values)
    expect(visitor.cards).to_have_count(before + 1)
    return clip


def shelf(visitor: Visitor, name: str) -> Locator:
    visitor.page.get_by_role("tab", name=WORDS[name]).click()
    return visitor.page.locator(f".fb-shelf-{name}")


def act(visitor: Visitor, card: Locator, action: str) -> None:
    card.get_by_text(WORDS["more"], exact=True).click()
    visitor.press(wording.ACTIONS[action], card)


def test_a_star_is_kept_and_reached_by_keyboard(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    clip = with_clip(house, visitor)
    star = visitor.cards.first.get_by_role("button", name=WORDS["favourite"])
    expect(star).to_have_attribute("aria-pressed", "false")
    star.press("Space")
    expect(star).to_have_attribute("aria-pressed", "true")
    visitor.open(house.address)
    expect(star).to_have_attribute("aria-pressed", "true")
    assert studio_visit(house, visitor).clip(clip.id).is_favourite
    box = star.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")


def test_what_one_shows_everyone_sees_until_it_is_taken_back(house: House, visit: Visit) -> None:
    first, second = visit(house.address), visit(house.address)
    with_clip(house, first, "a cat for everyone")
    act(first, first.cards.first, "show")
    dialog = first.page.get_by_role("dialog")
    expect(dialog).to_contain_text(WORDS["showText"])
    expect(dialog).to_contain_text("a cat for everyone")
    first.press(WORDS["showYes"], dialog)
    expect(first.page.locator(".fb-gallery-note")).to_have_text(WORDS["isShown"])

    cards = shelf(second, "showcase").locator(".fb-card")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("a cat for everyone")
    shown = [wording.ACTIONS[name] for name in ("reuse", "download", "larger")]
    assert cards.locator(".fb-button").all_inner_texts() == shown
    expect(cards.get_by_role("button", name=WORDS["favourite"])).to_have_count(0)
    second.press(wording.ACTIONS["reuse"], cards.first)
    expect(second.prompt).to_have_value("a cat for everyone")

    act(first, first.cards.first, "unshow")
    expect(first.page.locator(".fb-gallery-note")).to_have_text(WORDS["isTakenBack"])
    shelf(second, "own")
    shelf(second, "showcase")
    expect(cards).to_have_count(0)
    expect(second.page.locator(".fb-gallery-note")).to_have_text(WORDS["emptyShowcase"])


def test_not_showing_after_all_shows_nothing(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    with_clip(house, visitor)
    act(visitor, visitor.cards.first, "show")
    visitor.page.keyboard.press("Escape")
    assert studio_visit(house, visitor).showcase() == []


def test_anothers_picture_stays_theirs(house: House, visit: Visit, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (200, 40, 40)).save(tmp_path / "red.png")
    first, second = visit(house.address), visit(house.address)
    picture = studio_visit(house, first).keep_picture(tmp_path / "red.png")
    clip = with_clip(house, first, "a red cat", picture=picture, aspect_ratio="1:1")
    studio_visit(house, first).show(clip.id, True)
    cards = shelf(second, "showcase").locator(".fb-card")
    second.press(wording.ACTIONS["reuse"], cards.first)
    expect(second.page.get_by_test_id("toast-body")).to_contain_text(wording.PICTURE_STAYS)
    expect(second.page.get_by_placeholder(wording.PICTURE_PROMPT_HINT)).to_have_value("a red cat")
    expect(second.page.get_by_label(wording.PICTURE["choose"])).to_be_attached()
    expect(second.picture.locator(".fb-picture-view")).to_be_hidden()
    first.press(wording.ACTIONS["reuse"], shelf(first, "showcase").locator(".fb-card").first)
    expect(first.picture.locator(".fb-picture-view")).to_be_visible()


def test_without_a_showcase_there_are_no_tabs(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    visitor = visit(house.address)
    with_clip(house, visitor)
    expect(visitor.page.get_by_role("tab", name=WORDS["showcase"])).to_be_hidden()
    visitor.cards.first.get_by_text(WORDS["more"], exact=True).click()
    expect(visitor.cards.first.get_by_text(wording.ACTIONS["show"], exact=True)).to_have_count(0)


def test_tabs_turn_with_the_arrows(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    own, showcase = (visitor.page.get_by_role("tab", name=WORDS[name]) for name in ("own", "showcase"))
    own.press("ArrowRight")
    expect(showcase).to_be_focused()
    expect(showcase).to_have_attribute("aria-selected", "true")
    expect(visitor.page.locator(".fb-gallery-note")).to_have_text(WORDS["emptyShowcase"])


def test_what_was_removed_is_told_until_it_is_noted(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    owner = studio_visit(house, visitor).owner
    for _ in range(3):
        house.library.removals.add(owner, "size", 1e9)
    visitor.open(house.address)
    told = visitor.page.locator(".fb-removed")
    expect(told).to_contain_text("3 clips were removed on")
    expect(told).to_contain_text("Favourites always stay.")
    visitor.press(WORDS["dismiss"], told)
    expect(told).to_be_hidden()
    visitor.open(house.address)
    expect(told).to_be_hidden()
    house.library.removals.add(owner, "age", 2e9)
    visitor.open(house.address)
    expect(told).to_contain_text("1 clip was removed on")
    expect(told.locator("p")).to_have_count(1)
