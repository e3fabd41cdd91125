"""The page follows the chosen model: a real Chromium, and clips that are drawn as if this machine could run it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from house import House, Program
from huggingface_hub import constants
from PIL import Image
from playwright.sync_api import Locator, expect
from running import CLIP_MS, Visitor

from studio.domain import ModelCard
from studio.engine import rows
from studio.engine.catalog import Catalog
from studio.engine.loras import Lora
from studio.ui import wording
from tests.model_hub import ModelHub, serving

OpenHouse = Callable[..., House]
Visit = Callable[..., Visitor]


def here(card: ModelCard) -> ModelCard:
    """The row of a model that this machine has and can run."""
    return replace(card, source="", memory_bytes=0)


ABSENT = replace(rows.WAN_22, source="who/film", memory_bytes=0)
MODELS = Catalog((rows.POCKET, *map(here, (rows.LTX, rows.WAN_21, rows.COG_FROM_PICTURES)), ABSENT))


def choose(visitor: Visitor, card: ModelCard) -> None:
    picker(visitor).click()
    visitor.page.get_by_role("option", name=card.title).first.click()
    expect(note(visitor)).to_contain_text(card.licence)


def note(visitor: Visitor) -> Locator:
    return visitor.page.locator(".fb-model").locator("visible=true")


def number(visitor: Visitor, label: str) -> Locator:
    return visitor.page.get_by_label(f"number input for {label}").locator("visible=true")


def test_the_form_follows_the_model(open_house: OpenHouse, visit: Visit, tmp_path: Path) -> None:
    house = open_house(models=MODELS)
    for name, colour in (("first", (200, 40, 30)), ("last", (30, 160, 60))):
        Image.new("RGB", (600, 600), colour).save(tmp_path / f"{name}.png")
    visitor = visit(house.address)
    choose(visitor, rows.COG_FROM_PICTURES)
    expect(note(visitor)).to_contain_text(wording.pictures_only(rows.COG_FROM_PICTURES.title))
    expect(visitor.page.get_by_role("button", name=wording.MAKE).locator("visible=true")).to_be_disabled()
    expect(visitor.page.get_by_role("radio", name="3:2").locator("visible=true")).to_be_checked()
    expect(visitor.page.get_by_role("radio", name="Wide 16:9").locator("visible=true")).to_be_disabled()
    expect(visitor.page.locator(".fb-shape-note").locator("visible=true")).to_contain_text("CogVideoX 5B")
    expect(number(visitor, wording.SECONDS)).to_have_value("6")

    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    expect(visitor.last_picture).to_be_hidden()
    choose(visitor, rows.LTX)
    expect(number(visitor, wording.STEPS)).to_have_value(str(rows.LTX.default_steps))
    expect(visitor.last_picture).to_be_visible()
    for part, name in ((visitor.picture, "first"), (visitor.last_picture, "last")):
        part.locator("input[type=file]").set_input_files(tmp_path / f"{name}.png")
        expect(part.locator(".fb-facts")).to_have_text("600 × 600 → 768 × 768", timeout=CLIP_MS)
    visitor.page.get_by_label(wording.PICTURE["pad"]).check()
    expect(visitor.last_picture.locator(".fb-crop")).to_be_hidden()
    visitor.quick(steps=2, seconds=2)
    visitor.press(wording.MAKE)
    visitor.expect_ready(1)
    (clip,) = house.studio.visit().clips()
    assert clip.request.last_picture not in (None, clip.request.picture)
    assert (clip.request.model, clip.request.picture_fit) == (rows.LTX.name, "pad")

    choose(visitor, rows.POCKET)
    expect(visitor.last_picture).to_contain_text("Pocket can't end with a picture")
    expect(visitor.page.get_by_role("radio", name="Tall 9:16").locator("visible=true")).to_be_enabled()
    visitor.press(wording.PICTURE["remove"], visitor.last_picture)
    expect(visitor.last_picture).to_be_hidden()
    visitor.press(wording.ACTIONS["reuse"], visitor.stage)
    expect(visitor.last_picture.locator("img")).to_be_visible()
    expect(note(visitor)).to_contain_text(rows.LTX.licence)

    visitor.page.get_by_role("tab", name=wording.TEXT_TAB).click()
    choose(visitor, rows.WAN_21)
    visitor.make("a cat")
    expect(visitor.stage.get_by_role("button", name=wording.ACTIONS["extend"])).to_be_disabled()


def picker(visitor: Visitor) -> Locator:
    box = visitor.page.get_by_label(wording.MODEL, exact=True).locator("visible=true")
    if not box.count():
        visitor.page.get_by_role("button", name=wording.MORE).locator("visible=true").first.click()
    return box


def leave(visitor: Visitor) -> None:
    """Leave the model's box; Gradio tells the studio of that even where nothing was changed."""
    with visitor.page.expect_response(re.compile("/gradio_api/(run|queue/join)")):
        visitor.page.keyboard.press("Tab")


def test_looking_at_the_models_changes_nothing(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house(models=MODELS)
    visitor = visit(house.address)
    for card in (rows.POCKET, rows.LTX):
        if card is rows.LTX:
            choose(visitor, card)
            expect(number(visitor, wording.STEPS)).to_have_value(str(card.default_steps))
        visitor.quick(steps=7, seconds=2)
        picker(visitor).click()
        visitor.page.keyboard.press("Escape")
        leave(visitor)
        visitor.make(f"a cat by {card.title}")
        assert house.studio.visit().clips()[0].request.num_inference_steps == 7


def test_words_that_name_no_model_are_told_of(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house(models=MODELS)
    visitor = visit(house.address)
    visitor.quick(steps=7, seconds=2)
    make = visitor.page.get_by_role("button", name=wording.MAKE).locator("visible=true")
    for words in ("pockett", ""):
        picker(visitor).fill(words)
        leave(visitor)
        expect(note(visitor)).to_have_text(wording.NO_MODEL)
        expect(make).to_be_disabled()
    visitor.prompt.fill("a quxblorp")
    choose(visitor, rows.POCKET)
    expect(make).to_be_enabled()
    expect(number(visitor, wording.STEPS)).to_have_value(str(rows.POCKET.default_steps))
    expect(visitor.page.get_by_test_id("toast-body")).to_have_count(0)


def test_a_studio_that_was_started_again_takes_a_bigger_models_numbers(open_house: OpenHouse) -> None:
    house = open_house(models=MODELS)
    ((index, fn),) = [each for each in house.page.fns.items() if len(each[1].inputs) == 11 and each[1].fn]
    usual = {"model": rows.LTX.name, "seconds": 5, "steps": 30, "prompt": "a cat"}
    places = {wording.MODEL: "model", wording.SECONDS: "seconds", wording.STEPS: "steps", wording.PROMPT: "prompt"}
    program = Program(house.address)

    def told(**values: object) -> str:
        form = {**usual, **values}
        inputs = [form.get(places.get(block.label or "", ""), getattr(block, "value", None)) for block in fn.inputs[2:]]
        return program.event(index, ["", {}, *inputs])[1]

    assert '"success":true' in told()
    for name, value in (("seconds", "5"), ("seconds", None), ("seconds", 500), ("steps", 4.5), ("steps", True)):
        assert "must be a" in told(**{name: value}), (name, value)
    assert len(house.library.jobs.unfinished()) + len(house.studio.visit().clips()) == 1
    program.close()


def test_a_shape_that_the_model_lacks_is_not_chosen(open_house: OpenHouse, visit: Visit) -> None:
    house = open_house(models=MODELS)
    house.make(house.studio.visit(), "a tall cat", aspect_ratio="9:16")
    visitor = visit(house.address)
    visitor.page.get_by_role("tab", name=wording.IMAGE_TAB).click()
    choose(visitor, rows.COG_FROM_PICTURES)
    expect(visitor.page.get_by_role("radio", name="3:2").locator("visible=true")).to_be_checked()
    visitor.cards.first.get_by_text(wording.GALLERY_WORDS["more"], exact=True).click()
    visitor.press(wording.ACTIONS["frame"], visitor.cards.first)
    expect(visitor.picture.locator("img")).to_be_visible()
    expect(visitor.page.get_by_role("radio", name="3:2").locator("visible=true")).to_be_checked()


def test_settings_of_a_model_that_wears_loras_free_their_fields(open_house: OpenHouse, visit: Visit) -> None:
    cards = (rows.POCKET, here(rows.HUNYUAN_15))
    house = open_house(models=Catalog(cards, (Lora("ink", Path("ink.safetensors")),)))
    house.make(house.studio.visit(), "a cat in ink", loras={"ink": 0.5})
    visitor = visit(house.address)
    ink = number(visitor, wording.lora("ink"))
    choose(visitor, rows.HUNYUAN_15)
    expect(ink).to_be_disabled()
    visitor.cards.first.get_by_text(wording.GALLERY_WORDS["more"], exact=True).click()
    visitor.press(wording.ACTIONS["reuse"], visitor.cards.first)
    expect(ink).to_have_value("0.5")
    expect(ink).to_be_enabled()


def test_a_model_is_fetched_from_the_page(
    open_house: OpenHouse, visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    size = 11 * 2**20
    files = {"transformer/config.json": b"{}", "transformer/diffusion_pytorch_model.safetensors": b"0" * size}
    files["model_index.json"] = json.dumps({"transformer": ["diffusers", "WanTransformer3DModel"]}).encode()
    with serving(ModelHub("who/film", files, hold_at=size - 1)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        house = open_house(models=MODELS, has_downloads=True)
        visitor = visit(house.address)
        choose(visitor, ABSENT)
        box, make = visitor.page.locator(".fb-fetch").locator("visible=true"), wording.MAKE
        visitor.press(wording.MODEL_NOTE["look"], box)
        expect(box).to_contain_text("12 MB come from the hub;", timeout=CLIP_MS)
        expect(box).to_contain_text(wording.licence(ABSENT.licence), timeout=CLIP_MS)
        visitor.press("Fetch 12 MB", box)
        expect(box).to_contain_text("10 MB of 12 MB", timeout=CLIP_MS)
        visitor.open(house.address)
        choose(visitor, ABSENT)
        expect(box).to_contain_text("10 MB of 12 MB", timeout=CLIP_MS)
        visitor.press(wording.MODEL_NOTE["stop"], box)
        expect(box).to_contain_text(wording.DOWNLOADS["stopped"], timeout=CLIP_MS)
        hub.go.set()
        visitor.press(wording.DOWNLOADS["go on"], box)
        expect(box).to_be_hidden(timeout=CLIP_MS)
        expect(visitor.page.get_by_role("button", name=make).locator("visible=true")).to_be_enabled()
        visitor.make("a cat")
    assert [clip.request.model for clip in house.studio.visit().clips()] == [ABSENT.name]


def test_a_model_with_one_number_of_steps_stands_still_there(open_house: OpenHouse, visit: Visit) -> None:
    visitor = visit(open_house(models=Catalog((rows.POCKET, here(rows.LTX_DISTILLED)))).address)
    choose(visitor, rows.LTX_DISTILLED)
    expect(number(visitor, wording.STEPS)).to_have_value("8")
    expect(number(visitor, wording.STEPS)).to_be_disabled()
    choose(visitor, rows.POCKET)
    expect(number(visitor, wording.STEPS)).to_have_value("4")
    expect(number(visitor, wording.STEPS)).to_be_enabled()
