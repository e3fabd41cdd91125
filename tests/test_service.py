"""The studio as an interface uses it, with real Pocket weights at few steps, and with all that comes from outside."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.domain import Clip, Done, Failed, Job, StudioError, VideoRequest, WasStopped
from studio.media.provenance import read_recipe
from studio.media.video import read_video
from studio.service import Studio
from studio.settings import Settings
from studio.visits import OVER, Visit

SOON_S = 120.0
ASKED = VideoRequest("a ghost bounces in the snow", seconds=1.0, num_inference_steps=2)
UNKNOWN = "0" * 32
HOSTILE: list[Any] = [
    "",
    "../x",
    "..%2fx",
    "a" * 100_000,
    None,
    7,
    1.5,
    True,
    b"x",
    ["x"],
    {},
    "雪",
    "\x00",
    "' OR 1=1 --",
]


def made(visit: Visit, job: Job) -> Clip:
    state = visit.watch(job.id, SOON_S).state
    assert isinstance(state, Done), state
    return visit.clip(state.clip)


def place(visit: Visit, job: Job) -> int:
    return visit.outlook().get(job.id, OVER).position


def frames(visit: Visit, clip: Clip) -> np.ndarray:
    return read_video(visit.video_path(clip.id)).frames


# Making clips


def test_a_request_becomes_a_clip(studio: Studio, visit: Visit) -> None:
    job = visit.submit(replace(ASKED, seed=41))
    clip = made(visit, job)
    assert clip.request == replace(ASKED, seed=41)
    assert visit.clips() == [clip]
    assert visit.video_path(clip.id).parent == studio.clips_dir
    assert visit.video_path(clip.id).is_file()
    assert (studio.clips_dir / clip.poster).read_bytes().startswith(b"\xff\xd8")
    recipe = read_recipe(visit.video_path(clip.id))
    assert recipe is not None
    assert VideoRequest.from_dict(recipe) == clip.request
    assert clip.recipe()["seed"] == 41
    assert recipe["weights"] == clip.recipe()["weights"] == clip.made.weights != ""
    assert studio.readiness().state == "ready"


def test_seeds_are_drawn_kept_and_used_again(visit: Visit) -> None:
    first, second = visit.submit(ASKED), visit.submit(ASKED)
    assert first.request.seed >= 0
    assert first.request.seed != second.request.seed
    one, two = made(visit, first), made(visit, second)
    assert (one.request.seed, two.request.seed) == (first.request.seed, second.request.seed)
    again = made(visit, visit.regenerate(one.id))
    assert again.request == replace(one.request, parent=one.id)
    assert np.array_equal(frames(visit, one), frames(visit, again))
    assert not np.array_equal(frames(visit, one), frames(visit, two))


def test_regenerate_with_another_seed(visit: Visit) -> None:
    clip = made(visit, visit.submit(replace(ASKED, seed=5)))
    new = visit.regenerate(clip.id, -1)
    assert new.request.seed not in (-1, 5)
    assert replace(new.request, seed=5, parent=None) == clip.request
    chosen = visit.regenerate(clip.id, 99)
    assert (chosen.request.seed, chosen.request.parent) == (99, clip.id)
    with pytest.raises(StudioError, match="The seed must be a whole number from -1"):
        visit.regenerate(clip.id, -2)


def test_extend_keeps_the_old_frames_and_grows(visit: Visit) -> None:
    clip = made(visit, visit.submit(replace(ASKED, aspect_ratio="1:1")))
    longer = made(visit, visit.extend(clip.id, 1.0))
    assert longer.request == replace(
        clip.request, seed=longer.request.seed, extends=clip.id, parent=clip.id, seconds=1.0
    )
    assert longer.made.num_frames == clip.made.num_frames + 12
    assert longer.made.has_sound
    old, new = frames(visit, clip), frames(visit, longer)
    assert np.array_equal(new[: len(old)], old), "not a bit is lost"

    longest = made(visit, visit.extend(longer.id, 1.0, "a cat jumps", seed=3))
    assert longest.made.num_frames == longer.made.num_frames + 12
    assert np.array_equal(frames(visit, longest)[: len(new)], new)
    assert (longest.request.prompt, longest.request.seed) == ("a cat jumps", 3)

    visit.delete(clip.id)
    assert frames(visit, longer).shape[0] == longer.made.num_frames, "what grew from a clip stays"
    with pytest.raises(StudioError, match="This clip goes on from another one that was deleted"):
        visit.regenerate(longer.id)


def test_extending_has_a_limit(studio: Studio, visit: Visit) -> None:
    clip = made(visit, visit.submit(replace(ASKED, sound=False)))
    limit = studio.models()[0].limits.max_clip_seconds
    for seconds in (0.5, 9.0, float("nan"), None, "2"):
        with pytest.raises(StudioError, match="The length in seconds must be a number from"):
            visit.extend(clip.id, seconds)  # type: ignore[arg-type]
    with pytest.raises(StudioError, match="A prompt is text; this is list"):
        visit.extend(clip.id, 1.0, ["x"])  # type: ignore[arg-type]
    # A row as after many extensions; making them would take minutes.
    grown = replace(clip, id="f" * 32, made=replace(clip.made, num_frames=round(12 * limit) - 6))
    studio._library.clips.add(grown)
    with pytest.raises(StudioError, match=r"may become 20 s long at most; this one has 19\.5 s and would get 1 s more"):
        visit.extend(grown.id, 1.0)


def test_the_last_frame_is_kept_without_loss_and_starts_a_clip(visit: Visit) -> None:
    clip = made(visit, visit.submit(ASKED))
    name = visit.keep_frame(clip.id)
    with Image.open(visit.picture_path(name)) as picture:
        assert np.array_equal(np.asarray(picture), frames(visit, clip)[-1])
    assert visit.keep_frame(clip.id) == name != visit.keep_frame(clip.id, 0.3)
    with pytest.raises(StudioError, match="The time of a frame is a number of seconds from 0; not -1"):
        visit.keep_frame(clip.id, -1)
    assert made(visit, visit.submit(replace(ASKED, prompt="", picture=name))).request.picture == name


def test_a_picture_is_kept_by_content_and_used(studio: Studio, visit: Visit, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "orange").save(tmp_path / "upload.jpg")
    name = visit.keep_picture(tmp_path / "upload.jpg")
    assert visit.keep_picture(str(tmp_path / "upload.jpg")) == name
    assert visit.picture_path(name).parent != studio.clips_dir, "uploads are not served"
    (tmp_path / "upload.jpg").unlink()
    for fit in ("crop", "pad"):
        assert made(visit, visit.submit(replace(ASKED, picture=name, picture_fit=fit))).made.num_frames == 13  # type: ignore[arg-type]


def test_bad_pictures_are_refused_by_the_settings_limits(settings: Settings, tmp_path: Path) -> None:
    studio = Studio.open(replace(settings, max_picture_pixels=1_000_000, max_upload_bytes=10_000))
    Image.new("RGB", (1001, 1000)).save(tmp_path / "large.png")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "heavy.png").write_bytes(bytes(10_001))
    for name, sentence in (("large", "1 megapixels at most"), ("text", "is no picture"), ("heavy", "0.0 MB")):
        with pytest.raises(StudioError, match=sentence):
            studio.visit().keep_picture(tmp_path / f"{name}.png")
    assert list((settings.data_dir / "pictures").iterdir()) == []
    studio.close()


# Following jobs


def test_position_and_remaining_time(studio: Studio, visit: Visit) -> None:
    first = visit.submit(replace(ASKED, num_inference_steps=12))
    second, third = visit.submit(ASKED), visit.submit(ASKED)
    assert visit.outlook()[third.id].remaining_s is None, "before any clip was made nothing is known"
    until_s = time.monotonic() + SOON_S
    while place(visit, first) and time.monotonic() < until_s:
        time.sleep(0.01)
    assert [place(visit, job) for job in (first, second, third)] == [0, 1, 2]
    assert list(visit.outlook()) == [first.id, second.id, third.id]
    visit.cancel(second.id)
    assert place(visit, third) == 1
    made(visit, third)
    assert place(visit, third) == 0
    assert visit.outlook() == {}

    busy, waiting = visit.submit(replace(ASKED, num_inference_steps=40)), visit.submit(ASKED)
    seen, until_s = {}, time.monotonic() + SOON_S
    while not seen.get("waiting") and time.monotonic() < until_s:  # nothing is known while the model is looked for
        outlook = visit.outlook()
        seen = {name: outlook[job.id].remaining_s for name, job in (("busy", busy), ("waiting", waiting))}
    assert 0 < (seen["busy"] or 0) < (seen["waiting"] or 0) < SOON_S
    made(visit, waiting)
    assert visit.outlook() == {}


def test_stop(visit: Visit) -> None:
    running = visit.submit(replace(ASKED, num_inference_steps=25))
    while place(visit, running):
        time.sleep(0.01)
    assert visit.cancel(running.id)
    assert visit.watch(running.id, SOON_S).state == WasStopped()
    assert not visit.cancel(running.id)
    assert visit.clips() == []
    assert made(visit, visit.submit(ASKED)).made.num_frames == 13


def test_watch_returns_when_the_time_is_over(visit: Visit) -> None:
    job = visit.submit(replace(ASKED, num_inference_steps=25))
    before_s = time.monotonic()
    assert not visit.watch(job.id, 0.05).is_over
    assert time.monotonic() - before_s < 5
    visit.cancel(job.id)


def test_a_restart_finds_everything_again(settings: Settings, studio: Studio, visit: Visit) -> None:
    clip = made(visit, visit.submit(ASKED))
    waiting = [visit.submit(replace(ASKED, num_inference_steps=12)), visit.submit(ASKED)]
    studio.close()
    again = Studio.open(settings)
    visit = again.visit()
    assert visit.clips() == [clip]
    assert list(visit.outlook()) == [job.id for job in waiting]
    for job in waiting:
        assert made(visit, job).request == job.request
    again.close()


# The gallery


def test_clips_newest_first_in_pages_and_deleting(studio: Studio, visit: Visit) -> None:
    made_clips = [made(visit, visit.submit(replace(ASKED, num_inference_steps=1))) for _ in range(3)]
    newest = visit.clips(2)
    assert newest == made_clips[:0:-1]
    assert visit.clips(2, newest[-1].number) == made_clips[:1]
    video, poster = visit.video_path(made_clips[1].id), studio.clips_dir / made_clips[1].poster
    visit.delete(made_clips[1].id)
    assert not video.exists()
    assert not poster.exists()
    assert visit.clips() == [made_clips[2], made_clips[0]]
    with pytest.raises(StudioError, match="There is no clip"):
        visit.delete(made_clips[1].id)
    with pytest.raises(StudioError, match="There is no job"):
        visit.job(made_clips[1].id)


@pytest.mark.parametrize("limit", [0, -1, 1001, 1.5, True, "5", None])
def test_limits_of_listing(visit: Visit, limit: Any) -> None:
    with pytest.raises(StudioError, match="The limit is a whole number from 1 to 1000; not "):
        visit.clips(limit)


@pytest.mark.parametrize("before", ["now", True, [1], 1.5, 2**70])
def test_before_is_a_number(visit: Visit, before: Any) -> None:
    with pytest.raises(StudioError, match="is the number of a clip"):
        visit.clips(5, before)


# What comes from outside

CALLS: list[Callable[[Visit, Any], object]] = [
    lambda visit, value: visit.job(value),
    lambda visit, value: visit.cancel(value),
    lambda visit, value: visit.watch(value, 1),
    lambda visit, value: visit.clip(value),
    lambda visit, value: visit.video_path(value),
    lambda visit, value: visit.delete(value),
    lambda visit, value: visit.regenerate(value),
    lambda visit, value: visit.extend(value, 1.0),
    lambda visit, value: visit.keep_frame(value),
    lambda visit, value: visit.picture_path(value),
]


@pytest.mark.parametrize("value", [UNKNOWN, *HOSTILE], ids=lambda value: repr(value)[:20])
def test_hostile_ids_get_a_sentence(visit: Visit, value: Any) -> None:
    for call in CALLS:
        with pytest.raises(StudioError) as caught:
            call(visit, value)
        assert len(str(caught.value)) < 250
    assert visit.outlook() == {}


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_hostile_requests_get_a_sentence(studio: Studio, visit: Visit, value: Any) -> None:
    for name in ("picture", "extends", "parent"):
        if value is not None:
            with pytest.raises(StudioError):
                visit.submit(replace(ASKED, **{name: value}))
    with pytest.raises(StudioError, match="There is no model"):
        visit.submit(replace(ASKED, model=value))
    assert visit.outlook() == {}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"prompt": " "}, "it is empty"),
        ({"prompt": "half \ud83d"}, "Character 6 of the prompt is broken: half of a pair"),
        ({"negative_prompt": "\udc4d", "guidance_scale": 3.0}, "Character 1 of the negative prompt is broken"),
        ({"prompt": "x" * 1001}, "1000 characters at most; this one has 1001"),
        ({"num_inference_steps": 0}, "number of steps must be a whole number from 1 to 50; 0 is outside"),
        ({"seconds": 99}, "length in seconds must be a number from 1 to 3; 99 is outside"),
        ({"seed": 2**31}, "seed must be a whole number from -1"),
        ({"aspect_ratio": "2:1"}, "aspect ratio is one of 16:9"),
        ({"guidance_scale": float("inf")}, "guidance scale must be a number"),
        ({"model": "sora"}, "There is no model 'sora'; there is pocket"),
        ({"extends": UNKNOWN}, f"There is no clip '{UNKNOWN}'"),
        ({"picture": "a" * 64 + ".png"}, "is no longer here"),
        ({"parent": "../x"}, r"A parent is the id of a clip; not '\.\./x'"),
    ],
)
def test_rules_are_told_with_the_value(studio: Studio, visit: Visit, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StudioError, match=sentence):
        visit.submit(replace(ASKED, **values))
    assert visit.outlook() == {}


def test_rules_of_extensions(visit: Visit, tmp_path: Path) -> None:
    clip = made(visit, visit.submit(ASKED))
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    picture = visit.keep_picture(tmp_path / "a.png")
    with pytest.raises(StudioError, match="asks for both"):
        visit.submit(replace(ASKED, extends=clip.id, picture=picture))
    with pytest.raises(StudioError, match="keeps the clip's aspect ratio, 16:9; not 1:1"):
        visit.submit(replace(ASKED, extends=clip.id, aspect_ratio="1:1"))


@pytest.mark.parametrize("prompt", ["zero\x00inside", "<img src=x onerror=alert(1)>", "雪👩‍🚀" * 200])
def test_every_text_goes_through_to_the_file(visit: Visit, prompt: str) -> None:
    clip = made(visit, visit.submit(replace(ASKED, prompt=prompt, num_inference_steps=1)))
    assert clip.request.prompt == prompt
    recipe = read_recipe(visit.video_path(clip.id))
    assert recipe is not None
    assert recipe["prompt"] == prompt


def test_a_full_queue_and_a_full_disk_are_said_before_any_work(settings: Settings) -> None:
    studio = Studio.open(replace(settings, max_queued=1, min_free_disk_bytes=0))
    visit = studio.visit()
    slow = visit.submit(replace(ASKED, num_inference_steps=25))
    while place(visit, slow):
        time.sleep(0.01)
    visit.submit(ASKED)
    with pytest.raises(StudioError, match="holds 1 waiting clips at most and has 1"):
        visit.submit(ASKED)
    studio.close()
    greedy = Studio.open(replace(settings, min_free_disk_bytes=10**18))
    with pytest.raises(StudioError, match=r"wants 1000000000000 MB of free disk .*; there are \d+ MB"):
        greedy.visit().submit(ASKED)
    greedy.close()


def test_a_disk_that_fills_up_fails_the_clip_and_keeps_the_gallery_whole(settings: Settings) -> None:
    """In a process of its own, whose files may not grow past a limit: the writes really fail."""
    program = """
        import resource, sys, time
        from dataclasses import replace
        from studio.domain import VideoRequest
        from studio.service import Studio
        from studio.settings import Settings

        def let_files_grow_to(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        studio = Studio.open(Settings.from_env({"DATA_DIR": sys.argv[1], "WARM_UP": "0"}))
        visit = studio.visit()
        asked = VideoRequest("a ghost", seconds=1.0, num_inference_steps=1)
        good = visit.watch(visit.submit(asked).id, 120).state.clip
        filling = visit.submit(replace(asked, num_inference_steps=12))
        while visit.outlook()[filling.id].position:
            time.sleep(0.01)
        let_files_grow_to(1)
        print(visit.watch(filling.id, 120).state.sentence)
        let_files_grow_to(resource.RLIM_INFINITY)
        print([clip.id == good for clip in visit.clips()], len(list(studio.clips_dir.iterdir())))
        print(type(visit.watch(visit.submit(asked).id, 120).state).__name__)
        studio.close()
    """
    asked = [sys.executable, "-c", textwrap.dedent(program), str(settings.data_dir)]
    root = Path(__file__).parents[1]
    said = subprocess.run(asked, cwd=root, capture_output=True, check=True, text=True).stdout.splitlines()
    assert said[0].startswith("There is no room left on the disk (")
    assert said[1:] == ["[True] 2", "Done"]


def test_weights_that_are_missing_are_a_sentence_not_a_traceback(settings: Settings, tmp_path: Path) -> None:
    studio = Studio.open(replace(settings, pocket_dir=tmp_path / "nothing"))
    visit = studio.visit()
    state = visit.watch(visit.submit(ASKED).id, SOON_S).state
    assert isinstance(state, Failed)
    assert "Traceback" not in state.sentence
    assert studio.readiness().state == "failed"
    studio.close()
