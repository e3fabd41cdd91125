"""axe-core finds nothing serious or critical, in light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from house import House
from playwright.sync_api import expect
from running import App, Visitor

from studio.ui import wording

Visit = Callable[..., Visitor]
PHONE: dict[str, Any] = {"viewport": {"width": 412, "height": 915}, "is_mobile": True}


# High enough that the Make button, which sticks to the lower edge, covers no words: axe takes it for their background.
SCREEN: dict[str, Any] = {"viewport": {"width": 1280, "height": 1200}}
LOOKS = [SCREEN, PHONE]
IS_DARK = "(is) => !document.querySelector('.gradio-container') || document.body.classList.contains('dark') === is"


def serious(visitor: Visitor) -> list[str]:
    """What axe finds in light and in dark."""
    found: list[str] = []
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # Gradio's page sees the change by an event, and its buttons turn in a moment.
        visitor.page.wait_for_function(IS_DARK, arg=scheme == "dark")
        visitor.page.wait_for_timeout(300)
        found += [
            f"{scheme} {violation['id']}: {node['html'][:160]} {node['failureSummary']}"
            for violation in Axe().run(visitor.page).response["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
    return found


@pytest.mark.parametrize("options", LOOKS)
def test_page_with_a_clip_is_accessible(app: App, visit: Visit, options: dict[str, Any]) -> None:
    visitor = visit(app.address, reduced_motion="reduce", **options)
    visitor.quick()
    visitor.make("a zebra plays the piano")
    visitor.page.get_by_role("button", name=wording.MORE).locator("visible=true").first.click()
    assert serious(visitor) == []
    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    assert serious(visitor) == []
    visitor.press(wording.ACTIONS["extend"], visitor.stage)
    expect(visitor.page.get_by_role("dialog")).to_be_visible()
    assert serious(visitor) == []


@pytest.mark.parametrize("options", LOOKS)
def test_showcase_notes_and_health_are_accessible(
    open_house: Callable[..., House], visit: Visit, options: dict[str, Any]
) -> None:
    house = open_house(showcase=True)
    everyone = house.studio.visit()
    clip = house.make(everyone, "a cat")
    everyone.show(clip.id, True)
    everyone.favour(clip.id, True)
    for _ in range(3):
        house.library.removals.add(everyone.owner, "size", 1e9)
    visitor = visit(house.address, reduced_motion="reduce", **options)
    visitor.prompt.fill("hold a dog")
    visitor.press(wording.MAKE)
    expect(visitor.page.get_by_role("button", name=wording.STAGE["keep"])).to_be_visible()
    assert serious(visitor) == []
    visitor.page.get_by_role("tab", name=wording.GALLERY_WORDS["showcase"]).click()
    expect(visitor.page.locator(".fb-shelf-showcase .fb-card")).to_have_count(1)
    assert serious(visitor) == []
    visitor.page.get_by_role("tab", name=wording.GALLERY_WORDS["all"]).click()
    visitor.cards.first.get_by_text(wording.GALLERY_WORDS["more"], exact=True).click()
    assert serious(visitor) == []
    visitor.page.goto(f"{house.address}/health")
    assert serious(visitor) == []


def test_places_of_spoken_sentences_are_there_before_them(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    for tab in (wording.TEXT_TAB, wording.IMAGE_TAB):
        visitor.page.get_by_role("tab", name=tab).click()
        expect(visitor.page.locator(".fb-prompt-box").locator("visible=true")).to_be_visible()
        missing = visitor.page.evaluate(
            """[...document.querySelectorAll('[aria-live]')]
              .filter((node) => !node.closest('[hidden]') && node.closest('.fb-make, body').checkVisibility())
              .filter((node) => !node.checkVisibility())
              .map((node) => node.className)"""
        )
        assert missing == []


def test_everything_is_reached_by_keyboard(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    visitor.prompt.focus()
    reached = set()
    for _ in range(60):
        visitor.page.keyboard.press("Tab")
        reached.add(
            visitor.page.evaluate(
                "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).trim()"
            )
        )
    assert {wording.EXAMPLES[0], wording.SEED["dice"], wording.MAKE} <= reached
    assert any("16:9" in name for name in reached)
