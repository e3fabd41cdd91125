"""axe-core finds nothing serious or critical, in light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from running import App, Visitor

from studio.ui import wording

Visit = Callable[..., Visitor]
PHONE: dict[str, Any] = {"viewport": {"width": 412, "height": 915}, "is_mobile": True}


def serious(visitor: Visitor) -> list[str]:
    found = Axe().run(visitor.page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("options", [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE])
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
