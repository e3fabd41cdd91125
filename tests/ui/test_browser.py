"""The page as a visitor uses it, in a real Chromium against the running program with Pocket's own weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect
from running import CLIP_MS, App, Visitor

from studio.ui import wording

Visit = Callable[..., Visitor]
STEP = re.compile(r"Step \d+ of 50")
PHONE: dict[str, Any] = {"viewport": {"width": 412, "height": 915}, "is_mobile": True, "has_touch": True}
HOSTILE = """${Object.assign(window,{__pwn:1})} {{value}} <img src=x onerror="window.__pwn=2">\\ ` ' " </script>"""


def test_clip_survives_a_reload_is_extended_and_is_there_after_a_restart(own_app: App, visit: Visit) -> None:
    visitor = visit(own_app.address)
    visitor.quick(steps=50, seconds=3)  # time enough to see a preview on a fast machine too
    visitor.prompt.fill("a cat spins at sea")
    visitor.press(wording.MAKE)
    expect(visitor.stage).to_contain_text(STEP, timeout=CLIP_MS)
    expect(visitor.page.locator(".fb-strip")).to_be_visible(timeout=CLIP_MS)

    visitor.page.reload()
    visitor.expect_ready(1)
    expect(visitor.page.locator("video.fb-film")).to_be_visible()
    expect(visitor.prompt).to_have_value("a cat spins at sea")

    visitor.quick(steps=2)
    visitor.press(wording.ACTIONS["extend"], visitor.stage)
    dialog = visitor.page.get_by_role("dialog")
    dialog.get_by_label(wording.GALLERY_WORDS["extendPrompt"]).fill("the cat goes on")
    dialog.get_by_role("slider").fill("1")
    visitor.press(wording.GALLERY_WORDS["extendYes"], dialog)
    visitor.expect_ready(2)
    expect(visitor.cards.first).to_contain_text("the cat goes on")
    expect(visitor.cards.first.locator(".fb-length")).to_have_text("4.1 s")
    expect(visitor.cards.last.locator(".fb-length")).to_have_text("3.1 s")
    shown = visitor.cards.all_inner_texts()
    visitor.page.close()

    own_app.kill()
    own_app.start()
    visitor = visit(own_app.address)
    expect(visitor.cards).to_have_count(2)
    assert visitor.cards.all_inner_texts() == shown
    assert "Traceback" not in own_app.log


def test_clip_is_finished_although_the_studio_was_cut_off(own_app: App, visit: Visit) -> None:
    visitor = visit(own_app.address)
    visitor.quick(steps=50)
    visitor.prompt.fill("a cat")
    visitor.press(wording.MAKE)
    expect(visitor.stage).to_contain_text(STEP, timeout=CLIP_MS)
    own_app.kill()
    expect(visitor.headline).to_have_text(wording.STAGE["offline"], timeout=30_000)
    own_app.start()
    visitor.expect_ready(1)
    # The browser itself notes every request that found no server.
    visitor.errors[:] = [error for error in visitor.errors if "ERR_CONNECTION" not in error]


def test_running_clip_can_be_stopped_and_another_made(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    kept = visitor.cards.count()
    visitor.quick(steps=50, seconds=3)
    visitor.prompt.fill("a cat")
    visitor.press(wording.MAKE)
    expect(visitor.stage).to_contain_text(STEP, timeout=CLIP_MS)
    visitor.press(wording.STAGE["stop"])
    expect(visitor.headline).to_have_text(wording.STOPPED, timeout=CLIP_MS)
    visitor.quick()
    visitor.make("a cat after all")
    expect(visitor.cards).to_have_count(kept + 1)


def test_second_visitor_waits_in_line_and_may_leave_it(app: App, visit: Visit) -> None:
    first, second = visit(app.address), visit(app.address)
    first.quick(steps=50, seconds=3)
    first.prompt.fill("a cat")
    first.press(wording.MAKE)
    expect(first.stage).to_contain_text(STEP, timeout=CLIP_MS)
    for prompt in ("a dog", "a bird"):
        second.prompt.fill(prompt)
        second.press(wording.MAKE)
        expect(second.stage).to_contain_text(prompt if prompt == "a bird" else wording.NEXT_IN_LINE)
    expect(second.headline).to_have_text(wording.WAITING)
    bird = second.page.locator(".fb-waiting li", has_text="a bird")
    expect(bird).to_contain_text("1 clip before yours.")
    second.press(f"{wording.STAGE['stop']}: a bird", bird)
    expect(bird).to_have_count(0)
    second.press(wording.STAGE["stop"], second.page.locator(".fb-state"))
    expect(second.headline).to_have_text(wording.STOPPED)
    first.press(wording.STAGE["stop"])
    expect(first.headline).to_have_text(wording.STOPPED, timeout=CLIP_MS)


def test_clip_plays_with_its_seed_time_and_actions(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    visitor.quick()
    visitor.make("a cat spins")
    film = visitor.page.locator("video.fb-film")
    expect(film).to_have_js_property("ended", True, timeout=30_000)
    assert film.evaluate("film => film.webkitAudioDecodedByteCount") > 0
    seed = visitor.page.get_by_label(wording.SEED["label"], exact=True).locator("visible=true").input_value()
    expect(visitor.stage.locator(".fb-facts")).to_have_text(re.compile(rf"Seed {seed} · 1.1 s · 16:9 · made in \d+ s"))
    for action in ("same", "new", "extend", "frame", "reuse", "download", "delete"):
        expect(visitor.stage.locator(".fb-actions").get_by_text(wording.ACTIONS[action], exact=True)).to_be_visible()


def test_gallery_shows_posters_until_one_is_played(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    visitor.quick()
    visitor.make("a cat spins")
    visitor.page.evaluate("localStorage.clear()")
    films: list[str] = []
    visitor.page.on("request", lambda request: films.append(request.url) if ".mp4" in request.url else None)
    visitor.open(app.address)
    expect(visitor.cards.first.locator("img")).to_have_js_property("complete", True)
    assert films == []
    visitor.cards.first.get_by_role("button", name=re.compile(wording.GALLERY_WORDS["play"])).press("Enter")
    expect(visitor.cards.first.locator("video")).to_have_js_property("ended", True, timeout=30_000)
    assert len({url.split("?")[0] for url in films}) == 1


def test_same_again_keeps_the_seed_and_new_take_does_not(private_app: App, visit: Visit) -> None:
    visitor = visit(private_app.address)
    visitor.quick()
    visitor.make("a cat spins")
    visitor.press("Same again", visitor.stage)
    visitor.expect_ready(2)
    visitor.press("New take", visitor.cards.first)
    visitor.expect_ready(3)
    new, same, first = visitor.seeds()
    assert same == first != new


def test_last_frame_and_settings_go_back_into_the_form(private_app: App, visit: Visit) -> None:
    visitor = visit(private_app.address)
    visitor.quick()
    visitor.page.get_by_role("radio", name="Tall 9:16").locator("visible=true").check()
    visitor.make("a cat spins")
    (seed,) = visitor.seeds()
    visitor.prompt.fill("something else")
    more = visitor.cards.first.get_by_text(wording.GALLERY_WORDS["more"], exact=True)
    more.click()
    visitor.press(wording.ACTIONS["reuse"], visitor.cards.first)
    expect(visitor.prompt).to_have_value("a cat spins")
    expect(visitor.page.get_by_label("Seed", exact=True).locator("visible=true")).to_have_value(seed)
    more.click()
    visitor.press(wording.ACTIONS["frame"], visitor.cards.first)
    expect(visitor.page.get_by_role("tab", name=wording.IMAGE_TAB)).to_have_attribute("aria-selected", "true")
    expect(visitor.picture.locator("img")).to_be_visible()
    expect(visitor.page.get_by_role("radio", name="Tall 9:16").locator("visible=true")).to_be_checked()
    expect(visitor.picture.locator(".fb-facts")).to_have_text("128 × 224 → 128 × 224")


def test_a_clips_file_fills_the_form_that_it_was_made_with(private_app: App, visit: Visit) -> None:
    visitor = visit(private_app.address)
    visitor.quick()
    visitor.page.get_by_role("radio", name="Tall 9:16").locator("visible=true").check()
    visitor.make("a cat spins")
    (seed,) = visitor.seeds()
    with visitor.page.expect_download() as saved:
        visitor.stage.get_by_text(wording.ACTIONS["download"], exact=True).click()
    file = saved.value.path()
    visitor.page.evaluate("localStorage.clear(); sessionStorage.clear()")
    visitor.open(private_app.address)
    expect(visitor.prompt).to_have_value("")
    chooser = visitor.page.get_by_label(wording.GALLERY_WORDS["fromFile"])
    chooser.set_input_files({"name": "clip.mp4", "mimeType": "video/mp4", "buffer": file.read_bytes()})
    expect(visitor.prompt).to_have_value("a cat spins")
    expect(visitor.page.get_by_label("Seed", exact=True).locator("visible=true")).to_have_value(seed)
    expect(visitor.page.get_by_role("radio", name="Tall 9:16").locator("visible=true")).to_be_checked()
    expect(visitor.prompt).to_be_in_viewport()
    chooser.set_input_files({"name": "notes.mp4", "mimeType": "video/mp4", "buffer": b"hello"})
    expect(visitor.page.get_by_text("This file does not tell how it was made")).to_be_visible()
    expect(visitor.prompt).to_have_value("a cat spins")


def test_the_frame_at_which_a_film_is_halted_begins_a_clip(private_app: App, visit: Visit) -> None:
    visitor = visit(private_app.address)
    visitor.quick()
    visitor.make("a cat walks to the left")
    film = visitor.page.locator("video.fb-film")
    expect(film).to_have_js_property("ended", True, timeout=30_000)
    last = visitor.stage.get_by_text(wording.ACTIONS["frame"], exact=True)
    expect(last).to_be_visible()
    film.evaluate("film => { film.currentTime = 0.3; }")
    this = visitor.stage.get_by_text(wording.ACTIONS["frameNow"], exact=True)
    this.click()
    expect(visitor.picture.locator("img")).to_be_visible()
    halted = visitor.picture.locator("img").get_attribute("src")
    film.evaluate("film => film.play()")
    expect(film).to_have_js_property("ended", True, timeout=30_000)
    last.click()
    expect(visitor.picture.locator("img")).not_to_have_attribute("src", halted or "")


def test_clips_are_looked_for(private_app: App, visit: Visit) -> None:
    visitor = visit(private_app.address)
    looked_for = visitor.page.get_by_label(wording.GALLERY_WORDS["find"])
    expect(looked_for).to_be_hidden()
    visitor.quick()
    for prompt in ("a cat spins", "a dog spins"):
        visitor.make(prompt)
    looked_for.fill("cat")
    expect(visitor.cards).to_have_count(1)
    expect(visitor.cards.first).to_contain_text("a cat spins")
    looked_for.fill("zebra")
    expect(visitor.page.get_by_text(wording.GALLERY_WORDS["noneFound"])).to_be_visible()
    looked_for.fill("")
    expect(visitor.cards).to_have_count(2)
    visitor.cards.last.get_by_role("button", name=wording.GALLERY_WORDS["favourite"]).click()
    only = visitor.page.get_by_label(wording.GALLERY_WORDS["onlyFavourites"])
    only.check()
    expect(visitor.cards).to_have_count(1)
    expect(visitor.cards.first).to_contain_text("a cat spins")
    only.uncheck()
    expect(visitor.cards).to_have_count(2)


def test_delete_asks_once(private_app: App, visit: Visit) -> None:
    visitor = visit(private_app.address)
    visitor.quick()
    visitor.make("a cat spins")
    visitor.press(wording.ACTIONS["delete"], visitor.stage)
    visitor.press(wording.GALLERY_WORDS["deleteNo"], visitor.page.get_by_role("dialog"))
    expect(visitor.cards).to_have_count(1)
    visitor.press(wording.ACTIONS["delete"], visitor.stage)
    visitor.press(wording.GALLERY_WORDS["deleteYes"], visitor.page.get_by_role("dialog"))
    expect(visitor.cards).to_have_count(0)
    expect(visitor.stage).to_contain_text(wording.NOTHING_YET)
    visitor.open(private_app.address)
    expect(visitor.page.locator(".fb-gallery-note")).to_have_text(wording.GALLERY_WORDS["empty"])


def test_clip_starts_from_a_picture_with_its_crop_drawn(app: App, visit: Visit, tmp_path: Path) -> None:
    Image.new("RGB", (600, 600), (40, 90, 200)).save(tmp_path / "blue.png")
    visitor = visit(app.address)
    kept = visitor.cards.count()
    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    visitor.press(wording.MAKE)
    expect(visitor.page.get_by_test_id("toast-body")).to_contain_text(wording.PICTURE_FIRST)
    visitor.page.get_by_label(wording.PICTURE["choose"]).set_input_files(tmp_path / "blue.png")
    expect(visitor.picture.locator(".fb-facts")).to_have_text("600 × 600 → 128 × 128")
    visitor.page.get_by_role("radio", name="Wide 16:9").locator("visible=true").check()
    expect(visitor.picture.locator(".fb-facts")).to_have_text("600 × 600 → 224 × 128")
    frame, crop = (visitor.picture.locator(f".fb-{name}").bounding_box() for name in ("picture-frame", "crop"))
    assert frame is not None
    assert crop is not None
    assert crop["width"] == pytest.approx(frame["width"], abs=2)
    assert crop["width"] / crop["height"] == pytest.approx(224 / 128, rel=0.02)
    visitor.page.get_by_label(wording.PICTURE["pad"]).check()
    expect(visitor.picture.locator(".fb-crop")).to_be_hidden()
    visitor.quick()
    visitor.press(wording.MAKE)
    visitor.expect_ready(kept + 1)


def test_bad_picture_gets_one_sentence(app: App, visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("not a picture")
    visitor = visit(app.address)
    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    visitor.page.get_by_label(wording.PICTURE["choose"]).set_input_files(tmp_path / "no.png")
    expect(visitor.picture.locator(".fb-picture-note")).to_contain_text("no picture")
    assert "Traceback" not in app.log


def test_hostile_words_are_only_words(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    visitor.quick()
    visitor.make(HOSTILE)
    expect(visitor.cards.first.locator(".fb-prompt")).to_have_text(HOSTILE)
    expect(visitor.page.locator(".fb-result-prompt")).to_have_text(HOSTILE)
    visitor.press(wording.ACTIONS["delete"], visitor.stage)
    expect(visitor.page.get_by_role("dialog")).to_contain_text("onerror")
    visitor.page.keyboard.press("Escape")
    visitor.open(app.address)
    expect(visitor.cards.first.locator(".fb-prompt")).to_have_text(HOSTILE)
    assert visitor.page.evaluate("window.__pwn") is None
    assert visitor.page.locator("img[src=x]").count() == 0


def test_errors_say_one_sentence_and_lose_nothing(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    visitor.prompt.fill("  ")
    visitor.press(wording.MAKE)
    expect(visitor.page.get_by_test_id("toast-body")).to_contain_text("it is empty.")
    visitor.page.get_by_test_id("toast-close").click()
    visitor.prompt.fill("cat " * 300)
    visitor.press(wording.MAKE)
    expect(visitor.page.get_by_test_id("toast-body")).to_contain_text("1000 characters at most; this one has 1200")
    expect(visitor.prompt).to_have_value("cat " * 300)
    assert "Traceback" not in app.log


def test_unknown_words_are_said_kindly_before_making(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    advice = visitor.page.locator(".fb-advice").first
    visitor.prompt.fill("a quxblorp spins")
    expect(advice).to_contain_text("quxblorp")
    visitor.prompt.fill("")
    expect(advice).to_be_hidden()
    visitor.press(wording.EXAMPLES[0])
    expect(visitor.prompt).to_have_value(wording.EXAMPLES[0])


@pytest.mark.parametrize("keys", ["Control+Enter", "Meta+Enter", "Shift+Enter"])
def test_keyboard_makes_the_clip(app: App, visit: Visit, keys: str) -> None:
    visitor = visit(app.address)
    kept = visitor.cards.count()
    visitor.quick()
    visitor.prompt.fill("a cat")
    visitor.prompt.press(keys)
    visitor.expect_ready(kept + 1)
    expect(visitor.prompt).to_have_value("a cat")


def test_seed_is_new_until_it_is_kept(private_app: App, visit: Visit) -> None:
    visitor = visit(private_app.address)
    seed = visitor.page.get_by_label("Seed", exact=True).locator("visible=true")
    keep = visitor.page.get_by_label(wording.SEED["keep"]).locator("visible=true")
    visitor.quick()
    visitor.make("a cat")
    visitor.make("a cat")
    visitor.press(wording.SEED["dice"])
    expect(keep).to_be_checked()
    rolled = seed.input_value()
    visitor.make("a cat")
    visitor.make("a cat")
    third, second, *others = visitor.seeds()
    assert third == second == rolled
    assert len({rolled, *others}) == 3


def test_phone_has_no_sideways_scroll_and_big_targets(app: App, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(app.address, **PHONE)
    expect(visitor.page.get_by_role("button", name=wording.MAKE)).to_be_in_viewport()
    visitor.quick()
    visitor.make("a cat with a very " + "long" * 30 + " tail")
    for tab in (wording.IMAGE_TAB, wording.TEXT_TAB):
        visitor.page.get_by_role("tab", name=tab).click()
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 412
    boxes = visitor.page.locator(".fb-button:visible, .fb-make button:visible, .fb-form [role=tab]").evaluate_all(
        "nodes => nodes.map(node => [node.textContent.trim(), node.getBoundingClientRect().height])"
    )
    assert [name for name, height in boxes if height < 43.5] == []
    visitor.page.screenshot(path=tmp_path / "phone.png", full_page=True)
    with Image.open(tmp_path / "phone.png") as picture:
        assert picture.width == 412


def test_page_says_what_clips_are(app: App, visit: Visit) -> None:
    visitor = visit(app.address)
    expect(visitor.page.get_by_text(wording.HONEST)).to_be_visible()
