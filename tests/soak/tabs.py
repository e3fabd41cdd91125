"""Many tabs of a real browser at once, each of which now and then submits, reloads, stops, closes and comes again."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import BrowserContext, Error, Page, Response, async_playwright

from studio.ui import wording
from tests.soak import ledger
from tests.soak.browser import FLAGS, chromium
from tests.soak.report import Row, percentile, row
from tests.soak.server import Server

TABS_PER_CONTEXT = 10
# More reloads, or shorter rests, would fill two processors with the browser's own work: to load the page costs it three
# seconds, and fifty visitors in life have fifty machines.
ACTS = {"rest": 80, "submit": 10, "stop": 6, "reload": 2, "close": 2}
REST_S = (4.0, 16.0)
# What a browser says of a request that it gave up itself, because its page went away, and Gradio of its stream then.
GIVEN_UP = "net::ERR_ABORTED"
STREAM_GIVEN_UP = re.compile(r"AbortError|Connection errored out|Failed to fetch|BodyStreamBuffer was aborted")
CLICK_S, PATIENCE_S = 20.0, 120.0
MEGABYTE = 1e6


@dataclass
class Seen:
    """What all tabs together saw."""

    errors: list[str] = field(default_factory=list)
    polls_s: list[float] = field(default_factory=list)
    clicks_s: list[float] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    refusals: int = 0


def run(folder: Path, tabs: int, minutes: float, seed: int) -> list[Row]:
    server = Server(folder / "tabs")
    try:
        server.start()
        server.wait_until(lambda: server.health()["state"] == "ready")
        seen, memory = Seen(), []
        asyncio.run(_browse(server, seen, memory, tabs, minutes, seed))
        server.wait_until(server.is_idle)
        memory.append(server.memory_bytes())
        jobs = server.health()["jobs"]
        server.stop()
        found = ledger.read(server.data_dir)
    finally:
        server.close()
    wrong = found.violations(set()) + sorted(found.orphans | found.half_made)
    wrong += [f"{count} jobs are {state}" for state, count in jobs.items() if state not in ("done", "stopped")]
    acts = ", ".join(f"{count} {act}" for act, count in seen.acts.most_common() if act != "rest")
    p50, p95 = (1000 * percentile(seen.polls_s, part) for part in (0.5, 0.95))
    click, longest = percentile(seen.clicks_s, 0.5), percentile(seen.clicks_s, 1.0)
    # The first clips and pages fill caches; what matters is growth after the first third of the time.
    settled, end = memory[len(memory) // 3], memory[-1]
    return [
        row("tabs", f"{tabs} at once for {minutes:g} min: {acts}", seen.errors, f"no error; {seen.refusals} refusals"),
        Row("polls", f"{len(seen.polls_s)} answered", f"p50 {p50:.0f} ms, p95 {p95:.0f} ms"),
        Row("clicks on Stop", f"{len(seen.clicks_s)} made", f"p50 {click:.1f} s, longest {longest:.1f} s"),
        row(
            "jobs of the tabs", f"{sum(jobs.values())} accepted", wrong, ", ".join(f"{n} {s}" for s, n in jobs.items())
        ),
        Row(
            "memory of the server",
            f"{memory[0] / MEGABYTE:.0f} MB at the start",
            f"{settled / MEGABYTE:.0f} MB after a third, {end / MEGABYTE:.0f} MB at the end",
            end < 1.5 * settled,
        ),
    ]


async def _browse(server: Server, seen: Seen, memory: list[int], tabs: int, minutes: float, seed: int) -> None:
    until_s = time.monotonic() + 60 * minutes
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        contexts = [await browser.new_context(reduced_motion="reduce") for _ in range(-(-tabs // TABS_PER_CONTEXT))]
        watcher = asyncio.create_task(_weigh(server, memory))
        visitors = [
            _Tab(server, contexts[number % len(contexts)], seen, random.Random(seed + number)).live(until_s)
            for number in range(tabs)
        ]
        await asyncio.gather(*visitors)
        watcher.cancel()
        await browser.close()


async def _weigh(server: Server, memory: list[int]) -> None:
    while True:
        memory.append(server.memory_bytes())
        await asyncio.sleep(1)


class _Tab:
    """One visitor in one tab, who rests most of the time."""

    def __init__(self, server: Server, context: BrowserContext, seen: Seen, dice: random.Random) -> None:
        self._server, self._context, self._seen, self._dice = server, context, seen, dice
        self._is_leaving = False

    async def live(self, until_s: float) -> None:
        page = await self._open()
        while time.monotonic() < until_s:
            act = self._dice.choices(list(ACTS), list(ACTS.values()))[0]
            try:
                page = await self._act(page, act)
                self._seen.acts[act] += 1
            except (Error, AssertionError) as error:
                self._seen.errors.append(f"{act}: {str(error).splitlines()[0]}")
            await asyncio.sleep(self._dice.uniform(*REST_S))
        await page.close()

    async def _open(self) -> Page:
        page = await self._context.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", lambda error: self._seen.errors.append(f"page: {error}"))
        page.on("console", lambda said: self._hear(said.text) if said.type == "error" else None)
        page.on("requestfailed", lambda request: self._note(request.failure or "", request.url))
        page.on("response", self._time)
        await page.goto(self._server.address)
        await page.get_by_label(wording.PROMPT).wait_for()
        return page

    def _hear(self, said: str) -> None:
        if self._is_leaving and STREAM_GIVEN_UP.search(said):
            self._seen.acts["streams given up with their page"] += 1
        else:
            self._seen.errors.append(f"console: {said}")

    def _note(self, failure: str, url: str) -> None:
        if failure != GIVEN_UP:
            self._seen.errors.append(f"{url[-60:]} failed: {failure}")

    def _time(self, response: Response) -> None:
        timing = response.request.timing
        if "component_server" in response.url and timing["responseStart"] > 0:
            self._seen.polls_s.append((timing["responseStart"] - timing["requestStart"]) / 1000)
        if response.status >= 500:
            self._seen.errors.append(f"{response.url[-60:]} answered {response.status}")

    async def _act(self, page: Page, act: str) -> Page:
        if act == "submit":
            await self._submit(page)
        elif act == "reload":
            self._is_leaving = True
            await page.reload()
            await page.get_by_label(wording.PROMPT).wait_for()
            self._is_leaving = False
        elif act == "stop":
            await self._stop(page)
        elif act == "close":
            self._is_leaving = True
            await page.close()
            self._is_leaving = False
            await asyncio.sleep(self._dice.uniform(*REST_S))
            page = await self._open()
        return page

    async def _stop(self, page: Page) -> None:
        """Stop the first job that can be stopped; it may be over before the click comes."""
        button = page.locator(".fb-stop:visible:enabled").first
        if not await button.count():
            return
        clicked_s = time.monotonic()
        try:
            await button.click(timeout=CLICK_S * 1000)
        except Error:
            if await button.count():
                raise
        self._seen.clicks_s.append(time.monotonic() - clicked_s)

    async def _submit(self, page: Page) -> None:
        for label, value in ((wording.STEPS, 2), (wording.SECONDS, 1)):
            box = page.get_by_label(f"number input for {label}").locator("visible=true")
            await box.fill(str(value))
            await box.press("Tab")
        await page.get_by_label(wording.PROMPT).fill(f"a ghost {self._dice.randrange(1000)}")
        await page.get_by_role("button", name=wording.MAKE, exact=True).locator("visible=true").first.click()
        await asyncio.sleep(1)
        self._seen.refusals += await page.get_by_text("at most and").count()
