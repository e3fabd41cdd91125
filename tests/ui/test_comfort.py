"""What spares visitors trouble: on a phone, by keyboard, in a Space's frame, in their own language, without motion."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from house import House
from PIL import Image
from playwright.sync_api import expect
from running import Visitor

from studio.media.picture import MAX_KEPT_SIDE_PX
from studio.ui import wording
from studio.ui.parts import stylesheets

Visit = Callable[..., Visitor]
PHONE: dict[str, Any] = {"viewport": {"width": 412, "height": 915}, "is_mobile": True, "has_touch": True}
CAN_SEND = """
navigator.canShare = () => true;
navigator.share = async ({ files }) => { window.sent = [files[0].name, files[0].type, files[0].size]; };
"""


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()


def more(visitor: Visitor, number: int, action: str) -> None:
    card = visitor.cards.nth(number)
    card.get_by_text(wording.GALLERY_WORDS["more"], exact=True).click()
    visitor.press(wording.ACTIONS[action], card)


def test_who_asked_for_calm_gets_it(house: House, visit: Visit) -> None:
    visitor = visit(house.address, reduced_motion="reduce")
    expect(visitor.page.locator(".fb-from-file")).to_have_css("transition-duration", "0s")


def test_gradio_leaves_the_rules_for_some_screens_whole() -> None:
    """It puts its container before each selector within @media, and parts them at every comma."""
    for sheet in stylesheets():
        css = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
        for rules in re.findall(r"@media[^{]*\{(.*?\})\s*\}", css, re.DOTALL):
            for selector in re.findall(r"([^{}]+)\{", rules):
                assert ".gradio-container" not in selector, f"{sheet.name}: {selector}"
                parts = selector.split(",")
                assert all(part.count("(") == part.count(")") for part in parts), f"{sheet.name}: {selector}"


def test_a_phone_does_not_zoom_into_fields(house: House, visit: Visit) -> None:
    house.make(house.studio.visit(), "a cat")
    visitor = visit(house.address, **PHONE)
    visitor.page.get_by_role("button", name=wording.MORE).locator("visible=true").first.click()
    more(visitor, 0, "delete")
    visitor.press(wording.GALLERY_WORDS["deleteNo"], visitor.page.get_by_role("dialog"))
    small = visitor.page.locator("textarea, input").evaluate_all(
        """fields => fields.filter((field) => !['checkbox', 'radio', 'range', 'file'].includes(field.type))
          .filter((field) => parseFloat(getComputedStyle(field).fontSize) < 16).map((field) => field.outerHTML)"""
    )
    assert small == []


def test_a_tick_is_seen(house: House, visit: Visit) -> None:
    house.make(house.studio.visit(), "a cat")
    visitor = visit(house.address)
    expect(visitor.page.get_by_label(wording.GALLERY_WORDS["onlyFavourites"])).to_have_css("appearance", "auto")


def test_after_a_clip_is_deleted_the_page_stays_where_it_was(house: House, visit: Visit) -> None:
    for number in range(12):
        house.make(house.studio.visit(), f"cat {number}")
    visitor = visit(house.address, **PHONE)
    more(visitor, 6, "delete")
    before = visitor.page.evaluate("scrollY")
    visitor.press(wording.GALLERY_WORDS["deleteYes"], visitor.page.get_by_role("dialog"))
    expect(visitor.cards).to_have_count(11)
    expect(visitor.cards.nth(6).locator(".fb-play")).to_be_focused()
    assert abs(visitor.page.evaluate("scrollY") - before) < 400


def test_who_keeps_a_clip_after_all_goes_on_from_its_menu(house: House, visit: Visit) -> None:
    house.make(house.studio.visit(), "a cat")
    visitor = visit(house.address)
    more(visitor, 0, "delete")
    visitor.press(wording.GALLERY_WORDS["deleteNo"], visitor.page.get_by_role("dialog"))
    expect(visitor.cards.first.locator("summary")).to_be_focused()


def test_the_field_that_has_the_focus_is_seen(house: House, visit: Visit) -> None:
    visitor = visit(house.address, viewport={"width": 1280, "height": 720})
    visitor.page.get_by_role("button", name=wording.MORE).locator("visible=true").first.click()
    visitor.prompt.focus()
    hidden = """() => {
      const at = document.activeElement, box = at.getBoundingClientRect(), row = at.closest('.fb-make-row');
      const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      return !row && top && top.closest('.fb-make-row') ? at.outerHTML.slice(0, 200) : '';
    }"""
    for _ in range(40):
        visitor.page.keyboard.press("Tab")
        assert visitor.page.evaluate(hidden) == ""


def test_a_phone_sends_a_clip_on(house: House, visit: Visit) -> None:
    clip = house.make(house.studio.visit(), "a cat")
    visitor = visit(house.address, is_open=False, **PHONE)
    visitor.page.add_init_script(CAN_SEND)
    visitor.open(house.address)
    more(visitor, 0, "send")
    visitor.page.wait_for_function("window.sent")
    name, kind, size = visitor.page.evaluate("window.sent")
    assert name.endswith(".mp4")
    assert (kind, size) == ("video/mp4", house.studio.visit().video_path(clip.id).stat().st_size)


def test_a_computer_has_downloads_instead(house: House, visit: Visit) -> None:
    house.make(house.studio.visit(), "a cat")
    visitor = visit(house.address, is_open=False)
    visitor.page.add_init_script(CAN_SEND)
    visitor.open(house.address)
    expect(visitor.cards.first.get_by_text(wording.ACTIONS["download"], exact=True)).to_have_count(1)
    expect(visitor.cards.first.get_by_text(wording.ACTIONS["send"])).to_have_count(0)


def test_a_question_is_asked_beside_the_clip_in_a_frame_as_tall_as_the_page(house: House, visit: Visit) -> None:
    for number in range(12):
        house.make(house.studio.visit(), f"cat {number}")
    visitor = visit(house.address, viewport={"width": 900, "height": 700})
    visitor.page.set_content(f'<iframe style="width: 880px; height: 6000px; border: 0" src="{house.address}"></iframe>')
    cards = visitor.page.frame_locator("iframe").locator(".fb-shelf-own .fb-card")
    expect(cards).to_have_count(12)
    cards.last.scroll_into_view_if_needed()
    cards.last.get_by_role("button", name=wording.ACTIONS["extend"]).click()
    dialog = visitor.page.frame_locator("iframe").get_by_role("dialog")
    expect(dialog).to_be_in_viewport()


def test_a_translated_headline_stays_translated(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    visitor.make("a cat")
    visitor.headline.evaluate("node => { node.textContent = 'Ihr Clip ist fertig'; }")
    for _ in range(2):
        with visitor.page.expect_response("**/component_server/**"):
            pass
    expect(visitor.headline).to_have_text("Ihr Clip ist fertig")
    visitor.prompt.fill("hold a dog")  # one that is there at once would leave the headline as it is
    visitor.press(wording.MAKE)
    expect(visitor.headline).not_to_have_text("Ihr Clip ist fertig")
    house.executor.go.set()
    visitor.expect_ready(2)


def test_a_photograph_is_sent_no_larger_than_it_is_kept(
    open_house: Callable[..., House], visit: Visit, tmp_path: Path
) -> None:
    grain = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), np.uint8)
    Image.fromarray(grain).save(tmp_path / "photo.jpg", quality=80)
    house = open_house(max_picture_pixels=5_000_000)
    visitor = visit(house.address)
    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    visitor.picture.locator("input[type=file]").set_input_files(tmp_path / "photo.jpg")
    expect(visitor.picture.locator(".fb-facts")).to_contain_text(f"{MAX_KEPT_SIDE_PX} × 1536")
