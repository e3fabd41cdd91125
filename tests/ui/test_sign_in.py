"""With AUTH, whoever has not signed in gets nothing: no page, no file, no function, no endpoint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from house import House, Program
from playwright.sync_api import expect
from running import ROOT, App, Visitor, free_port

from studio.domain import Clip
from studio.ui import wording

OpenHouse = Callable[..., House]
ANN, BEN = ("ann", "correct horse"), ("ben", "battery:staple")
# What a browser needs to show the form for signing in, and what tells nothing of anybody.
OPEN = {
    "/", "/login", "/login/", "/logout", "/health", "/favicon.ico", "/manifest.json", "/robots.txt", "/theme.css",
    "/gradio_api/theme.css", "/gradio_api/login_check", "/gradio_api/login_check/", "/gradio_api/user",
    "/gradio_api/user/", "/gradio_api/token", "/gradio_api/token/", "/gradio_api/app_id", "/gradio_api/app_id/",
    "/gradio_api/startup-events", "/gradio_api/reset", "/gradio_api/reset/", "/pwa_icon",
}  # fmt: skip


@pytest.fixture
def house(open_house: OpenHouse) -> House:
    return open_house(auth=(ANN, BEN), has_private_galleries=True)


@pytest.fixture
def clip(house: House) -> Clip:
    return house.make(house.studio.visit(person="ann"), "a secret of ann's")


@pytest.fixture
def program(house: House) -> Iterator[Program]:
    opened = Program(house.address)
    yield opened
    opened.close()


@pytest.fixture
def locked_app(tmp_path: Path) -> Iterator[App]:
    """`app.py` with AUTH. A test names it before `visit`, so that its pages are closed before it ends."""
    app = App(tmp_path / "data", free_port(), {"AUTH": ":".join(ANN), "WARM_UP": "0"})
    app.start()
    yield app
    app.kill()


def test_nothing_is_reached_without_signing_in(house: House, clip: Clip, program: Program) -> None:
    tried = 0
    for route in house.page.app.routes:
        for path, methods in flat(route):
            if "heartbeat" in path:
                continue  # a stream without an end, which says that it is alive
            full = re.sub(r"\{[^}]*\}", "0", path)
            for method in methods & {"GET", "POST"}:
                try:
                    status, text = program.ask(full, {"data": []} if method == "POST" else None, method)
                except httpx.HTTPError:
                    continue  # an icon that Gradio can't draw
                assert "secret" not in text, (method, path)
                assert clip.id not in text, (method, path)
                is_open = path in OPEN or path.startswith(("/assets", "/static", "/svelte"))
                assert is_open or status >= 300, (method, path, status, text[:200])
                tried += 1
    assert tried > 60


def flat(route: object) -> list[tuple[str, set[str]]]:
    """Paths and methods of a route, or of those of a router that was taken in."""
    inner = getattr(route, "original_router", None)
    if inner is not None:
        return [each for one in inner.routes for each in flat(one)]
    return [(getattr(route, "path", ""), getattr(route, "methods", None) or set())]


def test_files_functions_and_endpoints_want_a_name(house: House, clip: Clip, program: Program) -> None:
    for name in (clip.video, clip.poster):
        assert program.ask(f"/gradio_api/file={house.studio.clips_dir / name}")[0] == 401
    for name, component in house.server_functions().items():
        assert program.call_part(component, name, {"visitor": "0" * 32})[0] == 401
    for index in house.page.fns:
        assert program.event(index, [])[0] == 401
    assert program.endpoint("clips")[0] == 401


def test_a_wrong_password_does_not_sign_in(house: House, program: Program) -> None:
    for name, password in ((ANN[0], BEN[1]), (ANN[0], ""), ("nobody", "x"), ("ann'--", "x"), ("", "")):
        assert program.sign_in(name, password) >= 400
    assert program.endpoint("clips")[0] == 401


def test_each_person_has_a_gallery_of_their_own(house: House, clip: Clip, program: Program) -> None:
    assert program.sign_in(*BEN) == 200
    assert program.answer("clips") == []
    assert program.part(house, "list_clips")["clips"] == []
    _, recipe = program.answer("generate", prompt="a dog of ben's")
    assert "visitor" not in recipe
    _, text = program.endpoint("regenerate", clip=clip.id)
    assert "There is no clip" in text
    assert program.sign_in(*ANN) == 200
    assert [each["clip"] for each in program.answer("clips", visitor="0" * 32)] == [clip.id]
    assert [view["id"] for view in program.part(house, "list_clips", visitor="")["clips"]] == [clip.id]


def test_another_website_does_nothing_in_a_persons_name(house: House, clip: Clip, program: Program) -> None:
    assert program.sign_in(*ANN) == 200
    name = "remove_clip"
    body = {"session_hash": "x", "component_id": house.server_functions()[name], "fn_name": name}
    for site, status in (("cross-site", 403), ("same-site", 200), ("same-origin", 200), ("none", 200)):
        # Under this type a browser asks nobody before it sends.
        told = program.ask(
            "/gradio_api/component_server/",
            body | {"data": {"clip": clip.id if status == 403 else "0" * 32}},
            content_type="text/plain",
            sec_fetch_site=site,
        )
        assert told[0] == status, (site, told)
    assert [each.id for each in house.studio.visit(person="ann").clips()] == [clip.id]


def sign_in(visitor: Visitor, name: str, password: str) -> None:
    visitor.page.get_by_label("username").fill(name)
    visitor.page.get_by_label("password").fill(password)
    visitor.page.get_by_role("button", name="Login").click()


def test_after_a_restart_an_open_page_asks_to_sign_in_again(locked_app: App, visit: Callable[..., Visitor]) -> None:
    visitor = visit(locked_app.address, is_open=False)
    visitor.page.goto(locked_app.address)
    sign_in(visitor, *ANN)
    visitor.expect_alive()
    visitor.prompt.fill("half a thought")
    locked_app.kill()
    locked_app.start()
    expect(visitor.page.get_by_text(wording.SIGN_IN)).to_be_visible(timeout=60_000)
    sign_in(visitor, *ANN)
    expect(visitor.prompt).to_have_value("half a thought", timeout=60_000)
    # The browser itself notes every request that found no server, and every answer that refuses.
    visitor.errors[:] = [error for error in visitor.errors if "Failed to load resource" not in error]


def test_tools_and_signing_in_do_not_go_together(tmp_path: Path) -> None:
    environ = {**os.environ, "AUTH": ":".join(ANN), "MCP": "1", "DATA_DIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith(wording.NO_MCP_WITH_AUTH)


def test_a_person_signs_in_makes_a_clip_and_signs_out(house: House, visit: Callable[..., Visitor]) -> None:
    visitor = visit(house.address, is_open=False)
    visitor.page.goto(house.address)
    expect(visitor.page.get_by_text(wording.SIGN_IN)).to_be_visible(timeout=60_000)
    for password in ("wrong", ANN[1]):
        sign_in(visitor, ANN[0], password)
        if password == "wrong":
            expect(visitor.page.get_by_text("Incorrect")).to_be_visible()
    expect(visitor.prompt).to_be_visible(timeout=60_000)
    visitor.make("a cat of ann's")
    assert len(house.studio.visit(person="ann").clips()) == 1
    visitor.page.get_by_role("link", name=wording.FOOTER_LINKS["sign_out"]).click()
    expect(visitor.page.get_by_text(wording.SIGN_IN)).to_be_visible(timeout=60_000)
    # The browser itself notes each answer that refuses.
    visitor.errors[:] = [error for error in visitor.errors if "Failed to load resource" not in error]
