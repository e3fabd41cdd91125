"""The stage in a real Chromium: stopping and keeping, finishing what failed, and the same jobs in every tab."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from house import House
from playwright.sync_api import Route, expect
from running import Visitor

from studio.domain import Phase, VideoRequest
from studio.engine import rows
from studio.store.runs import Run
from studio.ui import wording

OpenHouse = Callable[..., House]
Visit = Callable[..., Visitor]
STAGE = wording.STAGE


@pytest.fixture
def house(open_house: OpenHouse) -> House:
    return open_house(has_private_galleries=True)


def start(visitor: Visitor, prompt: str) -> None:
    visitor.prompt.fill(prompt)
    visitor.press(wording.MAKE)
    expect(visitor.headline).to_have_text(wording.PHASES["denoising"])


def test_what_is_drawn_can_be_kept(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    start(visitor, "hold a cat")
    visitor.press(STAGE["keep"], visitor.stage)
    visitor.expect_ready(1)
    expect(visitor.page.get_by_role("button", name=STAGE["keep"])).to_be_hidden()
    for facts in (visitor.stage.locator(".fb-facts"), visitor.cards.locator(".fb-facts")):
        expect(facts).to_contain_text(wording.stopped_at(1, rows.POCKET.default_steps))


def test_keeping_is_not_offered_while_waiting_and_stop_still_stops(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    start(visitor, "hold a cat")
    visitor.prompt.fill("a dog")
    visitor.press(wording.MAKE)
    row = visitor.page.locator(".fb-waiting li")
    expect(row).to_contain_text("a dog")
    expect(row.get_by_role("button")).to_have_text(STAGE["stop"])
    visitor.press(f"{STAGE['stop']}: a dog", row)
    expect(row).to_have_count(0)
    visitor.press(STAGE["stop"], visitor.page.locator(".fb-state"))
    expect(visitor.headline).to_have_text(wording.STOPPED)
    expect(visitor.cards).to_have_count(0)


def test_a_waiting_clips_button_keeps_the_focus_while_its_time_runs(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    start(visitor, "hold a cat")
    visitor.prompt.fill("a dog")
    visitor.press(wording.MAKE)
    row = visitor.page.locator(".fb-waiting li")
    expect(row).to_contain_text(wording.NEXT_IN_LINE)
    stop = row.get_by_role("button", name=f"{STAGE['stop']}: a dog")
    stop.focus()
    # The studio learns how long clips take, so that the row says more than before.
    spent_s: dict[Phase, float] = {"reading the prompt": 1.0, "denoising": 80.0, "decoding": 2.0, "encoding": 1.0}
    house.library.runs.add(Run.of(VideoRequest("a cat"), spent_s))
    expect(row).to_contain_text("left")
    expect(stop).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(row).to_have_count(0)


def test_the_browsers_tab_tells_of_the_clip(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    expect(visitor.page).to_have_title(wording.NAME)
    start(visitor, "hold a cat")
    expect(visitor.page).to_have_title(f"33 % · {wording.NAME}")
    look(visitor, away=True)
    house.executor.go.set()
    expect(visitor.page).to_have_title(f"{STAGE['done']} · {wording.NAME}")
    look(visitor, away=False)
    expect(visitor.page).to_have_title(wording.NAME)
    visitor.make("a dog")
    expect(visitor.page).to_have_title(wording.NAME)


def look(visitor: Visitor, away: bool) -> None:
    """To another tab, or back; a headless browser shows every page at once."""
    visitor.page.evaluate(
        """away => {
          Object.defineProperty(document, 'hidden', { value: away, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }""",
        away,
    )


def test_a_clip_that_was_deleted_elsewhere_is_not_promised(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    visitor.make("a cat")
    visitor.page.wait_for_function("document.querySelector('.fb-film').readyState > 3")  # else it would break off
    own = house.studio.visit(visitor.page.evaluate("localStorage.getItem('flipbook.visitor')"))
    own.delete(own.clips()[0].id)
    expect(visitor.headline).to_have_text(wording.GONE)
    expect(visitor.headline).to_contain_text("unless it was deleted")


def test_each_new_take_is_made_also_while_the_first_is_awaited(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    for prompt in ("a cat", "a dog"):
        visitor.make(prompt)
    held: list[Route] = []
    visitor.page.route("**/queue/join*", lambda route: route.continue_() if held else held.append(route))
    for card in (visitor.cards.first, visitor.cards.last):
        visitor.press(wording.ACTIONS["new"], card)
    expect(visitor.cards).to_have_count(3)
    held[0].continue_()
    expect(visitor.cards).to_have_count(4)


def test_a_clip_that_failed_at_its_end_can_be_finished(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    visitor.prompt.fill("unfinished cat")
    visitor.press(wording.MAKE)
    expect(visitor.headline).to_contain_text("can be finished later")
    visitor.page.reload()
    visitor.press(STAGE["finish"], visitor.stage)
    visitor.expect_ready(1)
    expect(visitor.page.get_by_role("button", name=STAGE["finish"])).to_be_hidden()


def test_a_second_tab_and_a_forgetful_reload_show_the_running_job(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    tab = Visitor(visitor.context, visitor.context.new_page())
    tab.open(house.address)
    start(visitor, "hold a cat")
    expect(tab.headline).to_have_text(wording.PHASES["denoising"])
    visitor.page.evaluate("localStorage.removeItem('flipbook-jobs-v1')")
    visitor.open(house.address)
    expect(visitor.headline).to_have_text(wording.PHASES["denoising"])
    house.executor.go.set()
    for page in (visitor, tab):
        page.expect_ready(1)


def test_another_device_of_the_same_visitor_shows_the_job_and_its_clip(house: House, visit: Visit) -> None:
    visitor, device = visit(house.address), visit(house.address)
    secret = visitor.page.evaluate("localStorage.getItem('flipbook.visitor')")
    device.page.evaluate("secret => localStorage.setItem('flipbook.visitor', secret)", secret)
    device.open(house.address)
    start(visitor, "hold a cat")
    expect(device.headline).to_have_text(wording.PHASES["denoising"])
    device.press(STAGE["keep"], device.stage)
    for page in (visitor, device):
        page.expect_ready(1)
    expect(device.page.locator("video.fb-film")).to_have_js_property("paused", True)


def test_in_a_shared_studio_ones_own_clip_stays_on_the_stage(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    visitor = visit(house.address)
    visitor.make("a cat of one's own")
    job = house.studio.visit().submit(VideoRequest("hold another's dog"))
    expect(visitor.page.locator(".fb-waiting")).to_contain_text("hold another's dog")
    expect(visitor.headline).to_have_text(STAGE["ready"])
    expect(visitor.page.locator(".fb-result-prompt")).to_have_text("a cat of one's own")
    newcomer = visit(house.address)
    expect(newcomer.headline).to_have_text(wording.PHASES["denoising"])
    house.executor.go.set()
    house.studio.visit().watch(job.id, 20)
    expect(visitor.cards).to_have_count(2)
    newcomer.expect_ready(2)


def test_a_tab_asks_seldom_while_nothing_happens(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.post_data or ""))
    visitor.page.wait_for_timeout(9_000)
    assert 1 <= len([body for body in asked if "poll_jobs" in body]) <= 4
    assert len(asked) <= 5


def test_the_line_under_the_button_says_what_a_clip_takes(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    line = visitor.page.locator(".fb-estimate").locator("visible=true")
    expect(line).to_have_text(wording.FIRST_RUN)
    drawn = visitor.page.evaluate("localStorage.getItem('flipbook.visitor')")
    spent_s: dict[Phase, float] = {"reading the prompt": 1.0, "denoising": 8.0, "decoding": 2.0, "encoding": 1.0}
    house.library.runs.add(Run.of(VideoRequest("a cat"), spent_s))
    house.make(house.studio.visit(drawn), "a cat")
    expect(line).to_have_text("About 12 s on this machine", timeout=20_000)
    steps = visitor.page.get_by_label(f"number input for {wording.STEPS}").locator("visible=true")
    steps.fill("50")
    steps.press("Tab")
    expect(line).not_to_have_text("About 12 s on this machine")
    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    expect(line).to_contain_text("About")
