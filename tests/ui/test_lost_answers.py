"""The studio takes a job, and the line breaks before the page hears of it: the page finds what it asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from house import House
from playwright.sync_api import Route, expect
from running import Visitor

from studio.domain import VideoRequest
from studio.ui import wording

OpenHouse = Callable[..., House]
Visit = Callable[..., Visitor]
STAGE = wording.STAGE
# What the browser, and Gradio's own page, note of a line that is cut.
NOISE = ("ERR_CONNECTION_FAILED", "Connection errored out", "Unexpected error", "Failed to fetch")


@dataclass
class Line:
    """Between a page and its studio; it breaks at the first answer from `last_heard` on, which the studio has sent.

    Mended, it still carries each request: whoever takes a route away takes it from the request in hand too.
    """

    visitor: Visitor
    last_heard: str
    is_cut: bool = field(default=False, init=False)
    is_mended: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.visitor.page.route("**/*", self._carry)

    def _carry(self, route: Route) -> None:
        if self.is_mended:
            route.continue_()
        elif self.is_cut:
            route.abort("connectionfailed")
        elif self.last_heard in route.request.url:
            self.is_cut = True
            if route.request.method == "POST":
                route.fetch()
            route.abort("connectionfailed")
        else:
            route.continue_()

    def mend(self) -> None:
        self.is_mended = True


def done(house: House) -> int:
    return house.library.jobs.count_by_state().get("done", 0)


def wait_until(visitor: Visitor, is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        visitor.page.wait_for_timeout(50)
    raise AssertionError("it did not come to pass")


def heal(visitor: Visitor) -> None:
    assert visitor.errors
    visitor.errors[:] = [error for error in visitor.errors if not any(noise in error for noise in NOISE)]


@pytest.fixture
def house(open_house: OpenHouse) -> House:
    return open_house(has_private_galleries=True)


@pytest.mark.parametrize("last_heard", ["queue/join", "queue/data"])
def test_a_clip_that_was_finished_meanwhile_comes_to_the_stage(house: House, visit: Visit, last_heard: str) -> None:
    visitor = visit(house.address)
    visitor.make("an older cat")
    line = Line(visitor, last_heard)
    visitor.prompt.fill("a lost cat")
    visitor.press(wording.MAKE)
    wait_until(visitor, lambda: line.is_cut and done(house) == 2)
    expect(visitor.page.locator(".fb-result-prompt")).to_have_text("an older cat")
    line.mend()
    visitor.expect_ready(2)
    expect(visitor.page.locator(".fb-result-prompt")).to_have_text("a lost cat")
    visitor.page.wait_for_timeout(1_000)
    expect(visitor.page.locator("video.fb-film")).to_have_js_property("currentTime", 0)
    heal(visitor)


def test_a_new_take_is_found_too(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    visitor.make("a cat")
    visitor.make("a dog")
    line = Line(visitor, "queue/join")
    visitor.press(wording.ACTIONS["new"], visitor.cards.last)
    wait_until(visitor, lambda: line.is_cut and done(house) == 3)
    line.mend()
    visitor.expect_ready(3)
    expect(visitor.page.locator(".fb-result-prompt")).to_have_text("a cat")
    heal(visitor)


def test_in_a_shared_studio_others_do_not_push_it_aside(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house()
    visitor = visit(house.address)
    line = Line(visitor, "queue/join")
    visitor.prompt.fill("a lost cat")
    visitor.press(wording.MAKE)
    wait_until(visitor, lambda: line.is_cut and done(house) == 1)
    house.make(house.studio.visit(), "another's bird")
    house.studio.visit().submit(VideoRequest("hold another's dog"))
    line.mend()
    expect(visitor.page.locator(".fb-waiting")).to_contain_text("hold another's dog")
    visitor.expect_ready(2)
    expect(visitor.page.locator(".fb-result-prompt")).to_have_text("a lost cat")
    heal(visitor)


def test_who_presses_once_more_sees_both(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    line = Line(visitor, "queue/join")
    visitor.prompt.fill("hold a cat")
    visitor.press(wording.MAKE)
    wait_until(visitor, lambda: line.is_cut and len(house.library.jobs.unfinished()) == 1)
    line.mend()
    expect(visitor.headline).to_have_text(wording.PHASES["denoising"])
    expect(visitor.prompt).to_have_value("hold a cat")
    visitor.press(wording.MAKE)
    expect(visitor.page.locator(".fb-waiting li")).to_contain_text("hold a cat")
    house.executor.go.set()
    visitor.expect_ready(2)
    heal(visitor)


def test_a_press_that_was_refused_leaves_the_stage_alone(house: House, visit: Visit) -> None:
    visitor = visit(house.address)
    visitor.make("a cat")
    visitor.prompt.fill(" ")
    for _ in range(2):
        visitor.press(wording.MAKE)
        expect(visitor.page.get_by_test_id("toast-body").first).to_contain_text("it is empty.")
        visitor.page.get_by_test_id("toast-close").first.click()
    visitor.open(house.address)
    visitor.expect_ready(1)
    expect(visitor.page.locator(".fb-result-prompt")).to_have_text("a cat")
