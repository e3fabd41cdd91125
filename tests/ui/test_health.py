"""`/health`: JSON for programs, a page for people, and nothing private in either."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from house import House, Program, new_visitor
from playwright.sync_api import expect
from running import App, Visitor, free_port

from studio.domain import VideoRequest
from studio.executors import Readiness
from studio.service import Health
from studio.ui import wording
from studio.ui.health import page_of
from tests.drawing import wait_until

OpenHouse = Callable[..., House]
HTML = "text/html,application/xhtml+xml"
FAILURES = ((0.0, "<b>bad</b>"),)
HEALTH = Health("1", "Pocket", "ready", "Ready.", "CPU", 3700.0, 1, 2, {"done": 3}, 10**6, 10**10, 7, FAILURES)


def test_health_is_json_for_programs_and_a_page_for_people(open_house: OpenHouse) -> None:
    house = open_house(has_private_galleries=True)
    program = Program(house.address, new_visitor())
    visit = house.studio.visit(program.visitor)
    house.make(visit, "a secret cat")
    failed = visit.watch(visit.submit(VideoRequest("rule")).id, 20)
    status, text = program.ask("/health")
    health = json.loads(text)
    assert status == 200
    assert health["state"] == "ready"
    assert health["jobs"]["done"] == health["jobs"]["failed"] == 1
    assert health["errors"][0][1] == "The rule is this; the value was that."
    page_status, page = program.ask("/health", accept=HTML)
    assert page_status == 200
    assert "The rule is this" in page
    for private in ("secret", program.visitor, visit.owner, failed.id, str(house.studio.settings.data_dir)):
        assert private not in text + page
    program.close()


def test_a_failed_model_is_said_with_the_status(open_house: OpenHouse) -> None:
    house = open_house()
    house.executor.readiness = lambda: Readiness("failed", "No weights.")  # type: ignore[method-assign]
    program = Program(house.address)
    assert program.ask("/health")[0] == 503
    status, page = program.ask("/health", accept=HTML)
    assert status == 503
    assert "No weights." in page
    program.close()


def test_why_no_clip_is_made_is_said(open_house: OpenHouse) -> None:
    house = open_house(auth=(("ann", "secret"),))
    full = "There is no room left on the disk. Clips that wait will be made then."
    house.executor.readiness = lambda: Readiness("failed", full)  # type: ignore[method-assign]
    program = Program(house.address)
    stranger_sees = program.ask("/health")[1] + program.ask("/health", accept=HTML)[1]
    assert "no room" not in stranger_sees
    assert wording.HEALTH_STATES["failed"] in stranger_sees
    assert program.sign_in("ann", "secret") == 200
    assert json.loads(program.ask("/health")[1])["sentence"] == full
    assert full in program.ask("/health", accept=HTML)[1]
    program.close()


def test_errors_are_for_those_who_signed_in(open_house: OpenHouse) -> None:
    house = open_house(auth=(("ann", "secret"),))
    visit = house.studio.visit(person="ann")
    visit.watch(visit.submit(VideoRequest("rule")).id, 20)
    program = Program(house.address)
    status, text = program.ask("/health")
    assert status == 200
    assert "errors" not in json.loads(text)
    assert "The rule" not in program.ask("/health", accept=HTML)[1]
    assert wording.HEALTH["errors_hidden"] in program.ask("/health", accept=HTML)[1]
    assert program.sign_in("ann", "secret") == 200
    assert json.loads(program.ask("/health")[1])["errors"][0][1].startswith("The rule")
    assert "The rule" in program.ask("/health", accept=HTML)[1]
    program.close()


def test_the_studio_starts_behind_a_proxy(tmp_path: Path) -> None:
    """One that can't reach this very machine, as a company's."""
    nowhere = "http://127.0.0.1:1"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere)
    app = App(tmp_path / "data", free_port(), {**proxies, "WARM_UP": "0", "NO_PROXY": "intranet.example"})
    app.start()
    try:
        wait_until(lambda: "is open at" in app.log)
        assert "Traceback" not in app.log
    finally:
        app.kill()


def test_every_value_is_escaped() -> None:
    page = page_of(replace(HEALTH, model="<script>", device="a & b", state="'<i>"), knows_errors=True)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
    assert "<b>bad" not in page
    assert "[[" not in page


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (3700, "1 h 1 min"), (90_000, "1 d 1 h")])
def test_uptime_is_short(seconds: float, text: str) -> None:
    assert wording.up_for(seconds) == text


def test_the_page_links_to_it_and_it_fits_a_phone(open_house: OpenHouse, visit: Callable[..., Visitor]) -> None:
    house = open_house()
    visitor = visit(house.address, viewport={"width": 412, "height": 915}, is_mobile=True)
    visitor.page.get_by_role("link", name=wording.FOOTER_LINKS["health"]).click()
    expect(visitor.page.get_by_role("heading", name=wording.HEALTH["title"])).to_be_visible()
    expect(visitor.page.get_by_text(wording.HEALTH_STATES["ready"])).to_be_visible()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 412
    visitor.page.get_by_role("link", name=wording.HEALTH["back"]).click()
    expect(visitor.prompt).to_be_visible(timeout=60_000)
