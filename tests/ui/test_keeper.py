"""Who keeps the studio takes clips down; nobody else does, and no website by a name that leads here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from house import House, Program, new_visitor
from playwright.sync_api import expect
from running import Visitor

from studio.ui import wording

OpenHouse = Callable[..., House]
TOKEN = "a secret of its keeper".replace(" ", "-")


def test_a_clip_is_taken_down_and_its_maker_told(open_house: OpenHouse, visit: Callable[..., Visitor]) -> None:
    house = open_house(has_private_galleries=True, showcase=True, keeper_token=TOKEN)
    maker, keeper = visit(house.address), Program(house.address)
    for prompt in ("a good one", "a bad one"):
        maker.make(prompt)
    owner = house.studio.visit(maker.page.evaluate("localStorage['flipbook.visitor']"))
    bad, good = owner.clips()
    owner.show(bad.id, True)
    assert keeper.ask(f"/clips/{bad.video}", method="DELETE", keeper_token=TOKEN) == (204, "")
    assert owner.clips() == [good]
    assert owner.showcase() == []
    assert not (house.studio.clips_dir / bad.video).exists()
    assert keeper.ask(f"/clips/{bad.video}", method="DELETE", keeper_token=TOKEN)[0] == 404
    maker.page.reload()
    maker.expect_alive()
    expect(maker.page.locator(".fb-removed")).to_contain_text("by whoever keeps this studio")
    expect(maker.cards).to_have_count(1)
    keeper.close()


@pytest.mark.parametrize("token", ["", TOKEN])
def test_nobody_else_takes_one_down(open_house: OpenHouse, token: str) -> None:
    house = open_house(has_private_galleries=True, showcase=True, keeper_token=token)
    clip = house.make(house.studio.visit(new_visitor()), "a cat")
    stranger = Program(house.address)
    for said in ("", "Bearer", TOKEN[:-1], TOKEN + "x", "*"):
        if said != token:
            answer = stranger.ask(f"/clips/{clip.video}", method="DELETE", keeper_token=said)
            assert answer == (403, f'{{"detail":"{wording.NO_KEEPER}"}}'), said
    for path in (clip.id, "%2e%2e", "..%2fflipbook.db", "x" * 300):
        assert stranger.ask(f"/clips/{path}", method="DELETE", keeper_token=TOKEN)[0] in (403, 404)
    assert house.library.clips.get(clip.id) == clip
    stranger.close()


def test_a_name_that_another_website_leads_here_is_refused(open_house: OpenHouse) -> None:
    house = open_house(hostnames=("studio.example",))
    port, program = house.address.rpartition(":")[2], Program(house.address)
    for name in (
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "127.0.0.1",
        "[::1]",
        "10.0.0.7",
        "studio.example",
        "localhost.",
    ):
        for host in (name, f"{name}:{port}"):
            assert program.ask("/health", host=host)[0] == 200, host
    for name in ("evil.example", "studio.example.evil", "127.0.0.1.evil.example", "localhost.evil", "[x]", "1.2.3.4.5"):
        for path in ("/", "/health", "/gradio_api/info", "/clips.zip"):
            status, text = program.ask(path, host=f"{name}:{port}")
            assert (status, text) == (421, f'{{"detail":"{wording.no_hostname(name)}"}}'), (name, path)
    program.close()


def test_a_studio_for_the_network_goes_by_any_name(open_house: OpenHouse) -> None:
    program = Program(open_house(host="0.0.0.0").address)
    assert program.ask("/health", host="colleague.example")[0] == 200
    program.close()
