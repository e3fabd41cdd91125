"""The form in a real Chromium: filled in from the gallery, and given pictures that come late, beside it or in a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from house import House
from PIL import Image
from playwright.sync_api import Locator, Route, expect
from running import Visitor

from studio.ui import wording

Visit = Callable[..., Visitor]
PHONE: dict[str, Any] = {"viewport": {"width": 412, "height": 915}, "is_mobile": True, "has_touch": True}


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """A square, a tall and a wide one."""
    sizes = {"square": (500, 500), "tall": (300, 600), "wide": (640, 300)}
    for name, size in sizes.items():
        Image.new("RGB", size, (40, 90, 200)).save(tmp_path / f"{name}.png")
    return {name: tmp_path / f"{name}.png" for name in sizes}


@pytest.fixture
def visitor(house: House, visit: Visit) -> Visitor:
    """With the tab for pictures open."""
    opened = visit(house.address)
    opened.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    expect(opened.picture).to_be_visible()
    return opened


def chooser(visitor: Visitor) -> Locator:
    return visitor.picture.locator("input[type=file]")


def shape(visitor: Visitor, name: str) -> Locator:
    return visitor.page.get_by_role("radio", name=name).locator("visible=true")


def hold_the_first(visitor: Visitor) -> list[Route]:
    """The studio's answer to the first picture waits, here, until it may go on."""
    held: list[Route] = []

    def carry(route: Route) -> None:
        if not held and "take_picture" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    visitor.page.route("**/component_server/**", carry)
    return held


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_filled_in_form_comes_into_view(house: House, visit: Visit, motion: str) -> None:
    for number in range(4):
        house.make(house.studio.visit(), f"cat {number}")
    visitor = visit(house.address, reduced_motion=motion, **PHONE)
    card, in_picture_tab = visitor.cards.last, visitor.page.get_by_placeholder(wording.PICTURE_PROMPT_HINT)
    for action, prompt in (("reuse", visitor.prompt), ("frame", in_picture_tab)):
        card.get_by_text(wording.GALLERY_WORDS["more"], exact=True).click()
        expect(visitor.page.locator(".fb-form")).not_to_be_in_viewport()
        visitor.press(wording.ACTIONS[action], card)
        expect(prompt).to_be_focused()
        expect(visitor.page.locator(".fb-form [role=tab]").first).to_be_in_viewport()
        expect(visitor.prompt if action == "reuse" else visitor.picture.locator("img")).to_be_in_viewport()
    expect(visitor.prompt).to_have_value("cat 0")


def test_no_clip_starts_while_its_picture_is_read(house: House, visitor: Visitor, pictures: dict[str, Path]) -> None:
    chooser(visitor).set_input_files(pictures["square"])
    expect(visitor.picture.locator(".fb-facts")).to_contain_text("500 × 500")
    held = hold_the_first(visitor)
    chooser(visitor).set_input_files(pictures["tall"])
    expect(visitor.picture.locator(".fb-picture-note")).to_have_text(wording.PICTURE["reading"])
    visitor.press(wording.MAKE)
    expect(visitor.page.get_by_test_id("toast-body")).to_contain_text(wording.PICTURE_COMING)
    held[0].continue_()
    expect(visitor.picture.locator(".fb-facts")).to_contain_text("300 × 600")
    visitor.press(wording.MAKE)
    visitor.expect_ready(1)
    assert len(house.studio.visit().clips()) == 1


def test_a_picture_that_cannot_be_read_leaves_the_one_before(
    house: House, visitor: Visitor, pictures: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "no.png").write_text("not a picture")
    chooser(visitor).set_input_files(pictures["square"])
    expect(visitor.picture.locator(".fb-facts")).to_contain_text("500 × 500")
    chooser(visitor).set_input_files(tmp_path / "no.png")
    expect(visitor.picture.locator(".fb-picture-note")).to_contain_text("no picture")
    visitor.press(wording.MAKE)
    visitor.expect_ready(1)
    assert len(house.studio.visit().clips()) == 1


def test_of_two_pictures_the_one_chosen_last_stays(visitor: Visitor, pictures: dict[str, Path]) -> None:
    held = hold_the_first(visitor)
    facts = visitor.picture.locator(".fb-facts")
    chooser(visitor).set_input_files(pictures["square"])
    expect(visitor.picture.locator(".fb-picture-note")).to_have_text(wording.PICTURE["reading"])
    while not held:
        visitor.page.wait_for_timeout(20)
    chooser(visitor).set_input_files(pictures["tall"])
    expect(facts).to_contain_text("300 × 600")
    with visitor.page.expect_response("**/component_server/**") as answer:
        held[0].continue_()
    answer.value.finished()
    visitor.page.wait_for_timeout(300)
    expect(facts).to_contain_text("300 × 600")


def test_after_choosing_the_keyboard_goes_on_from_the_picture(visitor: Visitor, pictures: dict[str, Path]) -> None:
    chooser(visitor).focus()
    chooser(visitor).set_input_files(pictures["square"])
    expect(visitor.picture.get_by_role("button", name=wording.PICTURE["replace"])).to_be_focused()


@pytest.mark.parametrize("place", ["body", ".fb-stage", ".fb-picture h3", ".fb-drop"])
def test_a_file_that_is_dropped_anywhere_does_not_take_the_page_away(visitor: Visitor, place: str) -> None:
    taken_away = visitor.page.locator(place).first.evaluate(
        """node => ['dragover', 'drop'].filter((kind) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(['no picture'], 'a.png', { type: 'image/png' }));
          return node.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
        })"""
    )
    assert taken_away == []
    dropped = "new DragEvent('drop', { dataTransfer: new DataTransfer(), bubbles: true, cancelable: true })"
    assert visitor.page.evaluate(f"document.body.dispatchEvent({dropped})"), "words that are dragged go on"


def test_the_shape_follows_the_picture_until_one_is_chosen(visitor: Visitor, pictures: dict[str, Path]) -> None:
    for name, chosen in (("tall", "Tall 9:16"), ("wide", "Cinema 21:9"), ("square", "Square 1:1")):
        chooser(visitor).set_input_files(pictures[name])
        expect(shape(visitor, chosen)).to_be_checked()
    shape(visitor, "Wide 16:9").check()
    chooser(visitor).set_input_files(pictures["tall"])
    expect(visitor.picture.locator(".fb-facts")).to_contain_text("300 × 600 → 224 × 128")
    expect(shape(visitor, "Wide 16:9")).to_be_checked()


def test_enter_in_the_extending_dialog_keeps_the_words(house: House, visit: Visit) -> None:
    house.make(house.studio.visit(), "a cat")
    visitor = visit(house.address)
    dialog = visitor.page.get_by_role("dialog")
    for prompt, cards in (("never mind", 1), ("the cat goes on", 2)):
        visitor.press(wording.ACTIONS["extend"], visitor.cards.last)
        dialog.get_by_label(wording.GALLERY_WORDS["extendPrompt"]).fill(prompt)
        if cards == 1:
            visitor.press(wording.GALLERY_WORDS["cancel"], dialog)
        else:
            dialog.get_by_role("slider").press("Enter")
        expect(dialog).to_be_hidden()
        expect(visitor.cards).to_have_count(cards)
    expect(visitor.cards.first).to_contain_text("the cat goes on")


def test_what_was_set_survives_a_reload(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    visitor.prompt.fill("a cat in the snow")
    visitor.quick(steps=7, seconds=3)
    shape(visitor, "Tall 9:16").check(force=True)
    visitor.page.get_by_role("spinbutton", name=wording.SEED["label"]).locator("visible=true").fill("42")
    visitor.page.reload()
    visitor.expect_alive()
    expect(visitor.prompt).to_have_value("a cat in the snow")
    expect(shape(visitor, "Tall 9:16")).to_be_checked()
    for label, value in ((wording.STEPS, "7"), (wording.SECONDS, "3")):
        expect(visitor.page.get_by_label(f"number input for {label}").locator("visible=true")).to_have_value(value)
    visitor.press(wording.MAKE)
    visitor.expect_ready(1)
    (clip,) = house.studio.visit().clips()
    asked = clip.request
    assert (asked.aspect_ratio, asked.seconds, asked.num_inference_steps, asked.seed) == ("9:16", 3, 7, 42)


def test_settings_that_no_longer_fit_are_forgotten(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    usual = visitor.page.get_by_label(f"number input for {wording.STEPS}").locator("visible=true").input_value()
    for kept in ("nonsense", "[]", '{"a": 1}', '["9:16", 3, 9999, {}, "no model", 1, "", true]', "[" * 9000):
        visitor.page.evaluate("kept => sessionStorage.setItem('flipbook-form-text-v1', kept)", kept)
        visitor.page.reload()
        visitor.expect_alive()
        expect(visitor.page.get_by_label(f"number input for {wording.STEPS}").locator("visible=true")).to_have_value(
            usual
        )
        assert visitor.page.get_by_role("alert").count() == 0
