"""Whatever a request holds: it is taken and keeps every limit, or one sentence says which rule it breaks."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from studio.domain import (
    ASPECT_RATIOS,
    EVERYONE,
    MAX_SEED,
    NEW_SEED,
    Clip,
    Made,
    ModelLimits,
    StudioError,
    VideoRequest,
)
from studio.engine import grid
from studio.engine.catalog import BUILT_IN
from studio.jobs import JobQueue
from studio.settings import Settings
from studio.store.library import Library
from studio.visits import Visit
from tests.drawing import DrawingExecutor

LIMITS = ModelLimits()
CLIP = uuid.uuid4().hex
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
FIELDS = [field.name for field in fields(VideoRequest)]
SOUND_ONES = st.builds(
    VideoRequest,
    prompt=st.text(min_size=1),
    negative_prompt=st.text(),
    aspect_ratio=st.sampled_from(ASPECT_RATIOS),
    seconds=st.floats(1, 3) | st.integers(1, 3),
    seed=st.integers(NEW_SEED, MAX_SEED),
    num_inference_steps=st.integers(1, 50),
    guidance_scale=st.floats(1, 12, exclude_min=True),
    sound=st.booleans(),
    picture_fit=st.sampled_from(("crop", "pad")),
    extends=st.none() | st.just(CLIP),
    parent=st.none() | st.just(CLIP),
)
REQUESTS = st.builds(
    lambda request, changes: replace(request, **changes),
    SOUND_ONES,
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=2),
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """With one clip, which may be extended, and one picture."""
    opened = Library(tmp_path_factory.mktemp("requests") / "data")
    made = Made(224, 128, 25, grid.POCKET.frame_rate, True, 1.0)
    opened.clips.add(Clip(CLIP, VideoRequest("a ghost", seed=1), time.time(), made, "video.mp4", "poster.jpg"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def picture(library: Library) -> str:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "PNG")
    return library.keep_picture(EVERYONE, file.getvalue())


@pytest.fixture(scope="module")
def visit(library: Library) -> Visit:
    return Visit(EVERYONE, Settings(), library, JobQueue(library, DrawingExecutor(), max_queued=5), BUILT_IN)


def is_refused(check: Any, *args: Any) -> bool:
    """Whether a StudioError came; any other error is let through, and a bad sentence fails."""
    try:
        check(*args)
    except StudioError as error:
        sentence = str(error)
        assert sentence.endswith(".")
        assert sentence[0].isupper() or sentence[0] == "`"
        assert sentence.isprintable()
        assert len(sentence) < 400
        return True
    return False


def assert_sound(request: VideoRequest) -> None:
    """What every part behind the check relies on."""
    assert len(request.prompt.strip()) > 0 or request.picture or request.extends
    assert max(len(request.prompt), len(request.negative_prompt)) <= LIMITS.max_prompt_chars
    assert request.aspect_ratio in LIMITS.aspect_ratios
    assert LIMITS.min_seconds <= request.seconds <= LIMITS.max_seconds
    assert type(request.num_inference_steps) is int
    assert LIMITS.min_steps <= request.num_inference_steps <= LIMITS.max_steps
    assert LIMITS.min_guidance <= request.guidance_scale <= LIMITS.max_guidance
    assert type(request.seed) is int
    assert NEW_SEED <= request.seed <= MAX_SEED
    assert type(request.sound) is bool
    assert grid.num_frames(grid.POCKET, request.seconds) % grid.POCKET.temporal_ratio == 1
    assert VideoRequest.from_dict(json.loads(request.to_json())) == request


@given(request=REQUESTS)
def test_a_request_keeps_its_models_limits_or_is_refused(request: VideoRequest) -> None:
    if not is_refused(request.check, BUILT_IN.card("pocket")):
        # The rest is no number of the model's; who is asked next checks it.
        assert_sound(replace(request, picture=None, extends=CLIP, parent=None, model="pocket"))


@given(request=REQUESTS, has_picture=st.booleans())
@example(request=VideoRequest("a ghost\ud800"), has_picture=False)
def test_a_visitor_s_request_is_sound_or_is_refused(
    visit: Visit, picture: str, request: VideoRequest, has_picture: bool
) -> None:
    if has_picture and request.extends is None:
        request = replace(request, picture=picture)
    if not is_refused(visit.check, request):
        assert_sound(request)
        assert (request.prompt.encode() and request.model == "pocket") or request.prompt == ""
        assert request.picture in (None, picture)
        assert request.extends in (None, CLIP)


@given(request=SOUND_ONES)
def test_what_is_within_the_limits_is_taken(visit: Visit, request: VideoRequest) -> None:
    request = replace(request, prompt=f"a ghost {request.prompt}"[:1000])
    if request.extends:
        request = replace(request, aspect_ratio="16:9", seconds=min(request.seconds, 2.0))
    assert not is_refused(visit.check, request) or any(0xD800 <= ord(c) < 0xE000 for c in request.prompt)


@given(value=ANYTHING, other=ANYTHING)
def test_whatever_a_visitor_names_is_found_or_refused(visit: Visit, value: Any, other: Any) -> None:
    for ask in (
        visit.job, visit.clip, visit.visible_clip, visit.picture_path, visit.video_path, visit.cancel,
        visit.finish, visit.keep_frame,
    ):  # fmt: skip
        assert is_refused(ask, value), f"{ask} took it"
    assert is_refused(visit.regenerate, value, other)
    assert is_refused(visit.extend, value, other)
    assert is_refused(visit.extend, CLIP, other, value) or isinstance(other, int | float)
    assert is_refused(visit.cancel, value, other)
    is_refused(visit.clips, value, other)
    is_refused(visit.clips, 5, other)
    is_refused(visit.favour, CLIP, value)
    is_refused(visit.show, CLIP, value)


@pytest.mark.parametrize("field", FIELDS)
def test_even_a_number_that_python_refuses_to_write_out_is_refused(visit: Visit, field: str) -> None:
    assert is_refused(visit.check, replace(VideoRequest("a ghost"), **{field: 10**5000}))
