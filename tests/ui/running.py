"""The running program and a visitor in a browser, with the words for what a visitor does. Knows no test."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

from studio.ui import wording

ROOT = Path(__file__).resolve().parents[2]
START_S, CLIP_MS = 180, 180_000


@dataclass
class App:
    """`app.py` in a process of its own, on a port that stays the same when it is started again."""

    data_dir: Path
    port: int
    extra: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def _log_path(self) -> Path:
        return self.data_dir.with_suffix(".log")

    def start(self) -> None:
        own = {"DATA_DIR": str(self.data_dir), "PORT": str(self.port), "HOST": "127.0.0.1"}
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **own, **self.extra}, stdout=log, stderr=log
            )
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.address, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"app.py did not answer:\n{self.log}")

    def kill(self) -> None:
        """As a power cut does it: nothing is tidied up."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Visitor:
    """A browser with what went wrong in it, and the words for what a visitor does."""

    context: BrowserContext
    page: Page
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    streams: set[Request] = field(default_factory=set)

    def open(self, address: str) -> None:
        """Go to the page and wait until it can be used."""
        # Left while an answer is still streamed to it, a page complains in its console.
        until_s = time.monotonic() + 10
        while self.streams and time.monotonic() < until_s:
            self.page.wait_for_timeout(50)
        self.page.goto(address)
        self.expect_alive()

    def watch_streams(self) -> None:
        """Keep in mind which answers of the queue are still on their way."""
        self.page.on("request", lambda asked: self.streams.add(asked) if "/queue/data" in asked.url else None)
        for ended in ("requestfinished", "requestfailed"):
            self.page.on(ended, lambda asked: self.streams.discard(asked))

    def expect_alive(self) -> None:
        """The page has all its parts: before, a server that goes away leaves it with half of its own program."""
        expect(self.prompt).to_be_visible(timeout=60_000)
        # The gallery fills from js_on_load, so after this the parts are alive.
        expect(self.page.locator(".fb-card, .fb-gallery-note:not(:empty)").first).to_be_visible(timeout=60_000)

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_label(wording.PROMPT)

    @property
    def headline(self) -> Locator:
        return self.page.locator(".fb-headline")

    @property
    def cards(self) -> Locator:
        return self.page.locator(".fb-shelf-own .fb-card")

    @property
    def picture(self) -> Locator:
        """The one that a clip starts from; the one that it ends with comes after it."""
        return self.page.locator(".fb-picture").first

    @property
    def last_picture(self) -> Locator:
        return self.page.locator(".fb-picture").last

    @property
    def stage(self) -> Locator:
        return self.page.locator(".fb-stage")

    def press(self, name: str, within: Locator | None = None) -> None:
        (within or self.page).get_by_role("button", name=name, exact=True).locator("visible=true").first.click()

    def quick(self, steps: int = 2, seconds: float = 1) -> None:
        """Set the numbers so that a clip is there at once."""
        for label, value in ((wording.STEPS, steps), (wording.SECONDS, seconds)):
            box = self.page.get_by_label(f"number input for {label}").locator("visible=true")
            box.fill(str(value))
            box.press("Tab")
            expect(box).to_have_value(str(value))

    def make(self, prompt: str) -> None:
        """Make a clip and wait until it is there and in the gallery."""
        before = self.cards.count()
        self.prompt.fill(prompt)
        self.press(wording.MAKE)
        self.expect_ready(before + 1)

    def expect_ready(self, number_of_cards: int) -> None:
        expect(self.cards).to_have_count(number_of_cards, timeout=CLIP_MS)
        expect(self.headline).to_have_text(wording.STAGE["ready"], timeout=CLIP_MS)

    def seeds(self) -> list[str]:
        return [re.findall(r"Seed (\d+)", text)[0] for text in self.cards.locator(".fb-facts").all_inner_texts()]
