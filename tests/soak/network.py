"""The network between page and studio is slow, silent or broken for a while; the page must find its job again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Error, Page, expect, sync_playwright

from studio.ui import wording
from tests.soak.browser import FLAGS, chromium
from tests.soak.proxy import Proxy, Weather
from tests.soak.report import Row, row
from tests.soak.server import START_S, Server
from tests.ui.running import Visitor

SLOW_BYTES_PER_S = 20_000
FAULTS: dict[Weather, str] = {"slow": "20 kB/s", "silent": "nothing passes", "broken": "cut, and nobody is let in"}


def run(folder: Path, hold_s: float, weathers: Sequence[Weather] = tuple(FAULTS)) -> list[Row]:
    server = Server(folder / "network")
    rows: list[Row] = []
    try:
        server.start()
        server.wait_until(lambda: server.health()["state"] == "ready")
        proxy = Proxy(server.port)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            context = browser.new_context()
            context.set_default_timeout(START_S * 1000)
            visitor = Visitor(context, context.new_page())
            visitor.page.goto(proxy.address)
            expect(visitor.prompt).to_be_visible(timeout=START_S * 1000)
            for number, weather in enumerate(weathers):
                rows.append(_through(server, proxy, visitor, weather, hold_s, number))
            browser.close()
        proxy.close()
        server.stop()
    finally:
        server.close()
    return rows


def _through(server: Server, proxy: Proxy, visitor: Visitor, weather: Weather, hold_s: float, number: int) -> Row:
    """Submit, let the weather turn while the job runs, and see the clip come when it is fine again."""
    prompt, wrong = f"a ghost at sea {number}", []
    visitor.quick(steps=4)
    visitor.prompt.fill(prompt)
    before = visitor.cards.count()
    visitor.press(wording.MAKE)
    # The studio has the job before the weather turns, whether or not the page was told so.
    server.wait_until(lambda: any(view["prompt"] == prompt for view in _jobs(server)) or _done(server) > before)
    proxy.be(weather, SLOW_BYTES_PER_S)
    slowest_s, until_s = 0.0, time.monotonic() + hold_s
    while time.monotonic() < until_s:
        asked_s = time.monotonic()
        server.health()
        slowest_s = max(slowest_s, time.monotonic() - asked_s)
        visitor.page.wait_for_timeout(200)
    if visitor.prompt.input_value() != prompt:
        wrong.append("the text of the prompt is gone")
    proxy.be("fine")
    healed_s = time.monotonic()
    try:
        expect(visitor.cards).to_have_count(before + 1, timeout=START_S * 1000)
        expect(visitor.headline).to_have_text(wording.STAGE["ready"], timeout=START_S * 1000)
    except (AssertionError, Error) as error:
        wrong.append(f"the page did not find its clip again: {str(error).splitlines()[0]}")
    took_s = time.monotonic() - healed_s
    if visitor.prompt.input_value() != prompt:
        wrong.append("the text of the prompt is gone after the fault")
    wrong += _ends_of(visitor.page)
    fine = f"the clip and the text were there {took_s:.1f} s after; others were answered in {slowest_s:.1f} s at most"
    return row(f"network {weather}", f"{FAULTS[weather]} for {hold_s:g} s while a job runs", wrong, fine)


def _ends_of(page: Page) -> list[str]:
    """Gradio's own notice of a lost connection would be the end of the page."""
    return ["the page says that it lost its connection"] if page.get_by_text("Connection errored out").count() else []


def _jobs(server: Server) -> list[dict]:
    return server.part("poll_jobs", jobs=[], preview="")["jobs"]


def _done(server: Server) -> int:
    return server.health()["jobs"].get("done", 0)
