"""`app.py` as a visitor starts it, and a browser that watches for trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from house import House, served
from playwright.sync_api import Browser, expect, sync_playwright
from running import App, Visitor, free_port

# A busy machine is slow, not wrong.
expect.set_options(timeout=60_000)

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One running studio for all tests that don't need one of their own."""
    running = App(tmp_path_factory.mktemp("shared") / "data", free_port())
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def private_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A running studio in which each visit begins with an empty gallery."""
    running = App(tmp_path_factory.mktemp("private") / "data", free_port(), {"GALLERY": "private"})
    running.start()
    yield running
    running.kill()


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[App]:
    """A running studio with an empty gallery, which the test may stop and start."""
    running = App(tmp_path / "data", free_port())
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """visit(address, **context): opens the page; afterwards nothing may have gone wrong or to another host.

    With `is_open=False` the browser is there and the page not yet.
    """
    visitors: list[tuple[Visitor, str]] = []

    def opened(address: str, is_open: bool = True, **options: object) -> Visitor:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        visitor = Visitor(context, context.new_page())
        visitor.page.on("request", lambda request: visitor.hosts.add(request.url.split("/")[2]))
        visitor.watch_streams()
        visitor.page.on("pageerror", lambda error: visitor.errors.append(str(error)))
        visitor.page.on(
            "console",
            lambda said: visitor.errors.append(f"{said.text} {said.location['url']}") if said.type == "error" else None,
        )
        visitors.append((visitor, address))
        if is_open:
            visitor.open(address)
        return visitor

    yield opened
    for visitor, address in visitors:
        visitor.context.close()
        assert {host for host in visitor.hosts if host} <= {address.split("/")[2]}
        assert visitor.errors == []


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """open_house(**settings): a studio in this process with drawn clips, its page served as app.py serves it."""
    with ExitStack() as houses:
        yield lambda **values: houses.enter_context(served(tmp_path, **values))
