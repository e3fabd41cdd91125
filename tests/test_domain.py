"""Requests check themselves with one sentence that names the rule and the value, and survive JSON unchanged."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.domain import (
    ASPECT_RATIOS,
    MAX_SEED,
    NEW_SEED,
    Clip,
    Done,
    Failed,
    Job,
    Made,
    ModelCard,
    ModelLimits,
    Progress,
    Queued,
    Running,
    StudioError,
    VideoRequest,
    WasStopped,
)
from studio.engine import catalog

CARD = catalog.BUILT_IN.card("pocket")
LIMITS = CARD.limits
GOOD = VideoRequest(prompt="a red fox runs through the snow")


def sentence_of(request: VideoRequest, card: ModelCard = CARD) -> str:
    with pytest.raises(StudioError) as caught:
        request.check(card)
    return str(caught.value)


def assert_one_sentence(text: str) -> None:
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 300
    assert text[0].isupper()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prompt": "x" * LIMITS.max_prompt_chars},
        {"negative_prompt": "blurry", "guidance_scale": 3.0},
        {"seconds": LIMITS.min_seconds},
        {"seconds": LIMITS.max_seconds},
        {"seconds": 2},
        {"num_inference_steps": LIMITS.min_steps},
        {"num_inference_steps": LIMITS.max_steps},
        {"guidance_scale": 1},
        {"guidance_scale": LIMITS.max_guidance},
        {"seed": NEW_SEED},
        {"seed": 0},
        {"seed": MAX_SEED},
        {"sound": False},
        {"picture": "0" * 64, "picture_fit": "pad"},
        {"prompt": "", "picture": "0" * 64},
        {"prompt": "  ", "extends": "0" * 32},
        {"prompt": "ein Fuchs läuft 🦊 ${x} <b>"},
        *({"aspect_ratio": ratio} for ratio in ASPECT_RATIOS),
    ],
)
def test_good_request_passes(changes: dict[str, Any]) -> None:
    replace(GOOD, **changes).check(CARD)


@pytest.mark.parametrize(
    ("changes", "rule", "value"),
    [
        ({"prompt": ""}, "prompt", "empty"),
        ({"prompt": " \n\t "}, "prompt", "empty"),
        ({"prompt": None}, "prompt", "NoneType"),
        ({"prompt": 7}, "prompt", "int"),
        ({"prompt": "x" * 1001}, "1000 characters", "1001"),
        ({"negative_prompt": "x" * 5000}, "negative prompt", "5000"),
        ({"negative_prompt": None}, "prompt", "NoneType"),
        ({"aspect_ratio": "2:1"}, "16:9, 9:16, 1:1, 4:3, 3:4, 21:9", "'2:1'"),
        ({"aspect_ratio": ""}, "aspect ratio", "''"),
        ({"aspect_ratio": None}, "aspect ratio", "None"),
        ({"aspect_ratio": ["16:9"]}, "aspect ratio", "['16:9']"),
        ({"aspect_ratio": "9" * 500}, "aspect ratio", "..."),
        ({"picture_fit": "stretch"}, "crop or by pad", "'stretch'"),
        ({"sound": "yes"}, "true or false", "'yes'"),
        ({"sound": 1}, "true or false", "1"),
        ({"seconds": 0.99}, "from 1 to 3", "0.99"),
        ({"seconds": 3.01}, "from 1 to 3", "3.01"),
        ({"seconds": -2}, "length in seconds", "-2"),
        ({"seconds": math.nan}, "length in seconds", "nan"),
        ({"seconds": math.inf}, "length in seconds", "inf"),
        ({"seconds": True}, "length in seconds", "True"),
        ({"seconds": "2"}, "length in seconds", "'2'"),
        ({"seconds": None}, "length in seconds", "None"),
        ({"num_inference_steps": 0}, "from 1 to 50", "0"),
        ({"num_inference_steps": 51}, "from 1 to 50", "51"),
        ({"num_inference_steps": 8.0}, "a whole number", "8.0"),
        ({"num_inference_steps": True}, "a whole number", "True"),
        ({"num_inference_steps": 10**400}, "number of steps", "60 digits"),
        ({"num_inference_steps": 10**5000}, "number of steps", "outside"),
        ({"guidance_scale": 0.5}, "from 1 to 12", "0.5"),
        ({"guidance_scale": 100.0}, "from 1 to 12", "100.0"),
        ({"guidance_scale": -math.inf}, "guidance scale", "-inf"),
        ({"guidance_scale": [3]}, "guidance scale", "[3]"),
        ({"negative_prompt": "blurry", "guidance_scale": 1}, "works through guidance above 1", "at 1 it"),
        ({"seconds": -(10**400)}, "length in seconds", "60 digits"),
        ({"seed": -2}, f"from -1 to {MAX_SEED}", "-2"),
        ({"seed": MAX_SEED + 1}, f"from -1 to {MAX_SEED}", str(MAX_SEED + 1)),
        ({"seed": 1.0}, "a whole number", "1.0"),
        ({"seed": math.nan}, "a whole number", "nan"),
        ({"seed": False}, "a whole number", "False"),
        ({"seed": "42"}, "a whole number", "'42'"),
    ],
)
def test_broken_rule_is_named_with_its_value(changes: dict[str, Any], rule: str, value: str) -> None:
    text = sentence_of(replace(GOOD, **changes))
    assert_one_sentence(text)
    assert rule in text
    assert value in text


def test_a_models_own_limits_decide() -> None:
    limits = ModelLimits(aspect_ratios=("1:1",), max_seconds=10.0, max_steps=4, max_prompt_chars=5)
    card = replace(CARD, limits=limits)
    replace(GOOD, prompt="a cat", aspect_ratio="1:1", seconds=9.5, num_inference_steps=4).check(card)
    assert "1:1; not '16:9'" in sentence_of(replace(GOOD, prompt="a cat"), card)
    assert "5 characters" in sentence_of(GOOD, card)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**320),
    st.floats(),
    st.text(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.binary(max_size=8),
)
valid_requests = st.builds(
    VideoRequest,
    prompt=st.text(min_size=1, max_size=1000).filter(str.strip),
    negative_prompt=st.text(max_size=1000),
    aspect_ratio=st.sampled_from(ASPECT_RATIOS),
    seconds=st.floats(LIMITS.min_seconds, LIMITS.max_seconds),
    seed=st.integers(NEW_SEED, MAX_SEED),
    num_inference_steps=st.integers(LIMITS.min_steps, LIMITS.max_steps),
    guidance_scale=st.floats(LIMITS.min_guidance, LIMITS.max_guidance, exclude_min=True),
    sound=st.booleans(),
    picture=st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
    picture_fit=st.sampled_from(["crop", "pad"]),
    extends=st.none() | st.text("0123456789abcdef", min_size=32, max_size=32),
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "prompt",
                "negative_prompt",
                "aspect_ratio",
                "seconds",
                "seed",
                "num_inference_steps",
                "guidance_scale",
                "sound",
                "picture_fit",
            ]
        ),
        anything,
        min_size=1,
    )
)
def test_check_passes_or_says_one_sentence(changes: dict[str, Any]) -> None:
    request = replace(GOOD, **changes)
    try:
        request.check(CARD)
    except StudioError as error:
        assert_one_sentence(str(error))
        return
    assert request.prompt.strip()
    assert LIMITS.min_seconds <= request.seconds <= LIMITS.max_seconds
    assert NEW_SEED <= request.seed <= MAX_SEED
    assert VideoRequest.from_dict(json.loads(request.to_json())) == request


@given(valid_requests)
def test_valid_request_survives_json(request: VideoRequest) -> None:
    request.check(CARD)
    text = request.to_json()
    assert text.isascii()
    assert VideoRequest.from_dict(json.loads(text)) == request
    assert VideoRequest.from_dict(request.to_dict()) == request


def test_from_dict_passes_over_what_it_does_not_know() -> None:
    values = {**GOOD.to_dict(), "upscale": 4, "from_the_future": {"a": 1}}
    assert VideoRequest.from_dict(values) == GOOD
    assert VideoRequest.from_dict({"prompt": GOOD.prompt}) == GOOD


@pytest.mark.parametrize(
    ("state", "is_over"),
    [
        (Queued(), False),
        (Running(Progress("denoising", 3, 16)), False),
        (Done("0" * 32), True),
        (Failed("The disk is full."), True),
        (WasStopped(), True),
    ],
)
def test_job_knows_whether_it_is_over(state: Any, is_over: bool) -> None:
    assert Job("0" * 32, GOOD, 1.0, state).is_over is is_over


def test_what_another_version_made_is_read() -> None:
    values = {"width": 64, "height": 48, "num_frames": 5, "frame_rate": 12.0, "has_sound": False}
    made = Made.from_dict({**values, "elapsed_seconds": 1.0, "smell": "of roses"})
    assert made == Made(**values, elapsed_seconds=1.0)


def test_recipe_is_json_with_request_result_and_id() -> None:
    made = Made(width=224, height=128, num_frames=25, frame_rate=12.0, has_sound=True, elapsed_seconds=9.5)
    clip = Clip("a" * 32, replace(GOOD, seed=5), 1.0, made, video="a.mp4", poster="a.jpg")
    recipe = json.loads(json.dumps(clip.recipe()))
    assert recipe["clip"] == "a" * 32
    assert recipe["seed"] == 5
    assert {**GOOD.to_dict(), **asdict(made)}.keys() <= recipe.keys()
