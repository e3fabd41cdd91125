"""The recipe travels inside the file and comes back whole."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from studio.domain import VERSION, VideoRequest
from studio.media.provenance import DESCRIPTION, SOURCE_TYPE, read_recipe, recipe_json, tags
from studio.media.video import Movie, Tags, write_video

FACTS = {"clip": "a" * 32, "width": 64, "height": 48, "num_frames": 5}
PROMPTS = [
    "a ghost in the snow",
    'Ünï "quotes" <b>雪</b> 🎬👩‍🚀',
    "line\nbreak\ttab",
    "zero\x00inside",
    "half \ud83d",
    "x" * 1000,
]


def write(path: Path, made_tags: Tags) -> None:
    write_video(path, Movie(np.zeros((5, 48, 64, 3), np.uint8), 12.0), made_tags, lambda: False)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_whole_request_comes_back_from_the_file(tmp_path: Path, prompt: str) -> None:
    request = VideoRequest(prompt, negative_prompt="blurry 🎬", seed=2**31 - 1, picture_fit="pad")
    write(tmp_path / "clip.mp4", tags(request, FACTS))
    recipe = read_recipe(tmp_path / "clip.mp4")
    assert recipe is not None
    assert VideoRequest.from_dict(recipe) == request
    assert (recipe["clip"], recipe["num_frames"], recipe["generated_by"]) == ("a" * 32, 5, "Flipbook")
    assert recipe["version"] == VERSION
    assert abs(datetime.now(UTC) - datetime.fromisoformat(recipe["made_at"])) < timedelta(minutes=5)


def test_what_a_clip_took_comes_back_and_an_old_file_says_nothing_of_it(tmp_path: Path) -> None:
    request = VideoRequest("a ghost", seed=1)
    took = {
        "elapsed_seconds": 3.25,
        "energy_wh": 0.0041,
        "energy_is_measured": False,
        "steps_done": 4,
        "note": "Two 雪.",
    }
    write(tmp_path / "new.mp4", tags(request, FACTS | took))
    write(tmp_path / "old.mp4", tags(request, FACTS))
    new, old = read_recipe(tmp_path / "new.mp4"), read_recipe(tmp_path / "old.mp4")
    assert new is not None
    assert old is not None
    assert took.items() <= new.items()
    assert took.keys().isdisjoint(old)
    assert VideoRequest.from_dict(new) == VideoRequest.from_dict(old) == request


def test_the_texts_say_what_made_the_clip() -> None:
    made_tags = tags(VideoRequest("a\x00ghost " + "x" * 200), FACTS)
    assert made_tags.title.startswith("aghost xxx")
    assert len(made_tags.title) == 100
    assert made_tags.description == DESCRIPTION
    assert "AI-generated" in DESCRIPTION
    assert tags(VideoRequest("\n", picture="p"), FACTS).title == "Flipbook"
    assert tags(VideoRequest("a cat\nbounces"), FACTS).title == "a cat bounces"


def test_programs_read_that_it_is_generated_and_the_film_still_plays(tmp_path: Path) -> None:
    hostile = replace(VideoRequest("a ghost"), model='wan"><&2')
    write(tmp_path / "clip.mp4", tags(hostile, FACTS))
    with av.open(str(tmp_path / "clip.mp4"), container_options={"export_xmp": "1"}) as container:
        packet = container.metadata["xmp"]
        assert len([*container.decode(video=0)]) == 5
    described = ElementTree.fromstring(packet).find(".//{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert described is not None
    iptc = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    assert described.get(iptc + "DigitalSourceType") == SOURCE_TYPE
    assert datetime.fromisoformat(described.get("{http://ns.adobe.com/xap/1.0/}CreateDate", "")).tzinfo is not None
    assert described.get(iptc + "AISystemUsed") == hostile.model


def test_the_recipe_is_compact_ascii() -> None:
    text = recipe_json(VideoRequest("雪 🎬"), {"clip": "1"})
    assert text.isascii()
    assert ": " not in text
    assert json.loads(text)["prompt"] == "雪 🎬"


@pytest.mark.parametrize("comment", ["", "hello", "[1, 2]", "null", '{"prompt": "by another tool"}', "{" * 5000])
def test_a_foreign_comment_is_no_recipe(tmp_path: Path, comment: str) -> None:
    write(tmp_path / "clip.mp4", Tags("", "", comment))
    assert read_recipe(tmp_path / "clip.mp4") is None


def test_what_is_no_video_has_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    assert read_recipe(tmp_path / "text.mp4") is None
    assert read_recipe(tmp_path / "missing.mp4") is None
