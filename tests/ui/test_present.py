"""From the form to a request and back, and from jobs and clips to what the page shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from studio.domain import (
    NEW_SEED,
    Clip,
    Done,
    Estimate,
    Failed,
    Job,
    JobState,
    Made,
    Phase,
    Progress,
    Queued,
    Running,
    StudioError,
    VideoRequest,
    WasStopped,
)
from studio.engine import catalog
from studio.engine.advice import advise
from studio.service import Download
from studio.ui import present, wording

FORM = {
    "prompt": "a cat spins",
    "aspect_ratio": "1:1",
    "seconds": 1.5,
    "num_inference_steps": 8.0,
    "seed": {"seed": 7, "keep": True},
    "guidance_scale": 3,
    "negative_prompt": "",
    "sound": True,
    "model": "pocket",
}
ID = "0" * 32


def job(state: JobState) -> Job:
    return Job(ID, VideoRequest("a cat spins", seed=7), 1000.0, state)


def running(progress: Progress) -> Job:
    return job(Running(progress))


def test_form_becomes_a_request_that_passes_its_check() -> None:
    request = present.request_from_form(FORM, needs_picture=False)
    request.check(catalog.BUILT_IN.card("pocket"))
    assert request == VideoRequest("a cat spins", "", "1:1", 1.5, 7, 8, 3)


@pytest.mark.parametrize(
    "seed", [{"seed": 7, "keep": False}, {"seed": None, "keep": True}, {}, None, 7, "7", {"keep": True}]
)
def test_seed_that_is_not_kept_is_a_new_one(seed: object) -> None:
    assert present.request_from_form({**FORM, "seed": seed}, needs_picture=False).seed == NEW_SEED


def test_picture_and_its_fit_go_into_the_request() -> None:
    form = {**FORM, "picture": {"name": "abc.png", "fit": "pad", "ratio": "1:1"}}
    request = present.request_from_form(form, needs_picture=True)
    assert (request.picture, request.picture_fit) == ("abc.png", "pad")


@pytest.mark.parametrize("picture", [None, {}, {"name": None}, {"name": ""}, "abc.png", 3])
def test_missing_picture_is_asked_for(picture: object) -> None:
    with pytest.raises(StudioError, match="choose a picture"):
        present.request_from_form({**FORM, "picture": picture}, needs_picture=True)


@pytest.mark.parametrize("field", ["picture", "last_picture"])
def test_no_clip_is_asked_for_while_a_picture_is_read(field: str) -> None:
    pictures = {"picture": {"name": "abc.png"}, field: {"name": "abc.png", "reading": True}}
    with pytest.raises(StudioError, match="still being read"):
        present.request_from_form({**FORM, **pictures}, needs_picture=True)


def test_request_goes_back_into_the_form_and_out_again() -> None:
    request = VideoRequest("a cat", "dogs", "9:16", 3.0, 12, 5, 4.5, False)
    assert present.request_from_form(present.form_from_request(request), needs_picture=False) == request


def test_queued_job_says_its_place_and_time() -> None:
    view = present.job_view(job(Queued()), position=3, remaining_s=75)
    assert view["state"] == "queued"
    assert view["detail"] == "2 clips before yours. · about 1 min 15 s left"
    assert wording.position(1) == wording.NEXT_IN_LINE
    assert wording.position(2) == "1 clip before yours."


def test_running_job_says_phase_step_and_time() -> None:
    view = present.job_view(running(Progress("denoising", 3, 12)), remaining_s=8.2)
    assert view["headline"] == wording.PHASES["denoising"]
    assert view["detail"] == "Step 3 of 12 · about 8 s left"
    assert view["fraction"] == pytest.approx(0.25)


def test_unknown_time_is_not_made_up() -> None:
    assert present.job_view(running(Progress("denoising", 3, 12)))["detail"] == "Step 3 of 12"
    assert present.job_view(running(Progress("decoding")))["fraction"] is None


def test_preview_travels_once() -> None:
    shown = present.job_view(running(Progress("denoising", 1, 2, b"jpeg", 4)))
    assert shown["preview"].startswith("data:image/jpeg;base64,")
    assert shown["preview_frames"] == 4
    again = present.job_view(running(Progress("denoising", 1, 2, b"jpeg", 4)), shown_preview=shown["preview_key"])
    assert "preview" not in again
    assert again["preview_key"] == shown["preview_key"]


@pytest.mark.parametrize(
    ("state", "name", "headline"),
    [
        (Done(ID), "done", wording.STAGE["ready"]),
        (Failed("The disk is full."), "failed", "The disk is full."),
        (WasStopped(), "stopped", wording.STOPPED),
    ],
)
def test_job_that_is_over(state: JobState, name: str, headline: str) -> None:
    view = present.job_view(job(state))
    assert (view["state"], view["headline"], view["live"]) == (name, headline, False)


def test_clip_shows_its_facts_and_addresses(tmp_path: Path) -> None:
    made = Made(224, 128, 25, 12.0, True, 3.4)
    clip = Clip(ID, VideoRequest("a cat", seed=7), 1000.0, made, "a b#1.mp4", "a.jpg")
    view = present.clip_view(clip, tmp_path)
    assert view["facts"] == "Seed 7 · 2.1 s · 16:9 · made in 3 s"
    assert view["video"].startswith("gradio_api/file=/")
    assert view["video"].endswith("/a%20b%231.mp4")
    assert json.loads(json.dumps(view)) == view


def test_clip_shows_what_it_took_and_what_became_of_it(tmp_path: Path) -> None:
    made = Made(224, 128, 25, 12.0, True, 3.4, steps_done=6, energy_wh=0.0213, note="It was made smaller.")
    asked = VideoRequest("a cat", seed=7, num_inference_steps=16)
    view = present.clip_view(Clip(ID, asked, 1000.0, made, "a.mp4", "a.jpg"), tmp_path)
    assert view["facts"].endswith("made in 3 s · 0.021 Wh (estimated) · stopped at step 6 of 16")
    assert view["note"] == "It was made smaller."
    changed = present.clip_view(Clip(ID, asked, 1000.0, made, "a.mp4", "a.jpg"), tmp_path, has_changed=True)
    assert changed["note"] == f"It was made smaller. {wording.CHANGED}"
    whole = replace(made, steps_done=16, is_energy_measured=True)
    view = present.clip_view(Clip(ID, asked, 1000.0, whole, "a.mp4", "a.jpg"), tmp_path)
    assert view["facts"].endswith("made in 3 s · 0.021 Wh (measured)")
    longer = replace(whole, earlier_seconds=5.0, earlier_energy_wh=0.03)
    view = present.clip_view(Clip(ID, asked, 1000.0, longer, "a.mp4", "a.jpg"), tmp_path)
    assert view["facts"].endswith("made in 8 s · 0.051 Wh (measured)")


def test_estimate_says_what_is_known() -> None:
    said = present.estimate_view(Estimate(3.2, 1_200_000_000, 0.02, False))
    assert said == {"sentence": "About 3 s on this machine · 1.2 GB of memory · 0.02 Wh (estimated)"}
    assert present.estimate_view(Estimate(75.0, None, None, False))["sentence"] == "About 1 min 15 s on this machine"
    assert present.estimate_view(None) == {"sentence": wording.FIRST_RUN}


@pytest.mark.parametrize(
    ("watt_hours", "said"),
    [(0.00001, "less than 0.001 Wh"), (0.0213, "0.021 Wh"), (1.26, "1.3 Wh"), (9.96, "10 Wh"), (123.4, "123 Wh")],
)
def test_energy_is_short(watt_hours: float, said: str) -> None:
    assert wording.energy(watt_hours, False) == f"{said} (estimated)"


@pytest.mark.parametrize(
    ("phase", "step", "can_keep"), [("denoising", 1, True), ("denoising", 0, False), ("decoding", 0, False)]
)
def test_what_is_drawn_may_be_kept_while_it_is_drawn(phase: Phase, step: int, can_keep: bool) -> None:
    assert present.job_view(running(Progress(phase, step, 4)))["can_keep"] is can_keep


def test_removals_say_how_many_and_why() -> None:
    assert wording.removed(3, "size") == (
        "3 clips were removed on {date} to keep the studio within its size. Favourites always stay."
    )
    assert wording.removed(1, "age").startswith("1 clip was removed on {date} because")


def test_every_phase_has_its_words() -> None:
    assert tuple(wording.PHASES) == get_args(Phase)


def test_pocket_knows_every_example_prompt() -> None:
    assert {advise("pocket", example).sentence for example in wording.EXAMPLES} == {""}
    assert {advise("pocket", one, has_picture=True).sentence for one in wording.PICTURE_EXAMPLES} == {""}


def test_a_model_says_what_it_lacks_and_whether_it_can_be_used_here() -> None:
    cards = {card.name: card for card in catalog.BUILT_IN.models()}
    pocket = present.model_view(cards["pocket"], "", needs_picture=True)
    assert pocket["can_make"]
    assert wording.MODEL_LACKS["sound"] not in pocket["sentence"]
    wan = cards["wan-2.1-1.3b"]
    assert present.model_view(wan, "", needs_picture=False)["can_make"]
    of_pictures = present.model_view(wan, "", needs_picture=True)
    assert not of_pictures["can_make"]
    assert of_pictures["sentence"].startswith(wording.words_only(wan.title))
    assert wording.MODEL_LACKS["sound"] in of_pictures["sentence"]
    assert not present.model_view(cards["cogvideox-5b-i2v"], "", needs_picture=False)["can_make"]
    absent = present.model_view(wan, "It needs more.", needs_picture=False)
    assert not absent["can_make"]
    assert absent["sentence"].startswith("It needs more. ")
    assert wan.licence in absent["sentence"]


def test_the_last_picture_goes_into_the_request_fitted_as_the_first() -> None:
    pictures = {"picture": {"name": "abc.png", "fit": "pad"}, "last_picture": {"name": "def.png", "fit": "crop"}}
    request = present.request_from_form({**FORM, **pictures}, needs_picture=True)
    assert (request.picture, request.last_picture, request.picture_fit) == ("abc.png", "def.png", "pad")


def test_each_model_says_how_far_it_extends_or_that_it_cannot() -> None:
    told = present.extensions(catalog.BUILT_IN.models())
    assert told["pocket"] == {"shortest": 1.0, "longest": 2.0, "usual": 2.0, "longestPrompt": 1000}
    assert told["wan-2.1-1.3b"] == {"cannot": "Wan 2.1 1.3B can't extend a clip."}


@pytest.mark.parametrize(
    ("download", "said"),
    [
        (Download(), ("", "", "")),
        (Download("asking"), (wording.DOWNLOADS["asking"], "", "")),
        (
            Download("known", 30_000_000_000, 5_000_000_000, 99_000_000_000),
            ("", "25.0 GB come from the hub; 99.0 GB are free here. Licence: Apache-2.0.", "Fetch 25.0 GB"),
        ),
        (
            Download("fetching", 30_000_000_000, 5_000_000_000, 0, 50_000_000.0),
            (wording.DOWNLOADS["fetching"], "5.0 GB of 30.0 GB · 50 MB/s · about 8 min 20 s left", ""),
        ),
        (Download("stopped", 30_000_000, 6_000_000), (wording.DOWNLOADS["stopped"], "6.0 MB of 30 MB", "Go on")),
        (Download("failed", sentence="No room."), ("No room.", "", "")),
        (Download("failed", 30_000_000, 6_000_000, sentence="It broke off."), ("It broke off.", "", "Go on")),
    ],
)
def test_a_download_says_how_it_stands(download: Download, said: tuple[str, str, str]) -> None:
    view = present.download_view(download, catalog.BUILT_IN.card("wan-2.2-5b"))
    assert (view["sentence"], view["counted"], view["go"]) == said
    assert view["busy"] == (download.state in ("asking", "fetching"))
    assert 0 <= view["fraction"] <= 1


def test_the_form_follows_the_model() -> None:
    for card in catalog.BUILT_IN.models():
        bounds, values = present.bounds(card), present.defaults(card)
        for name in ("seconds", "num_inference_steps", "guidance_scale"):
            assert bounds[name]["minimum"] <= values[name]["value"] <= bounds[name]["maximum"]
            assert bounds[name]["minimum"] < bounds[name]["maximum"], "Gradio breaks off at a slider with one place"
        assert values["sound"]["value"] == bounds["sound"]["interactive"] == card.has_sound
        assert ("negative_prompt" in values) != card.has_negative_prompt


def test_what_the_form_has_no_place_for_is_said() -> None:
    plain = VideoRequest("a ghost")
    assert present.left_out(plain, ("prompt",)) == []
    rich = replace(plain, loras={"felt": 0.5, "ink": 1.0}, step_cache=0.1, extends="a" * 32)
    fields = ("prompt", present.LORA + "ink")
    missing, own_part = present.left_out(rich, fields)
    assert "LoRA: felt" in missing
    assert wording.STEP_CACHE in missing
    assert "ink" not in missing
    assert own_part == wording.OWN_PART
    assert present.left_out(rich, (*fields, "step_cache", present.LORA + "felt")) == [wording.OWN_PART]
