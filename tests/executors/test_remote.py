"""Clips that another server makes, over real HTTP: what it is asked, what it sends, and all that may go wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from studio.domain import Done, Failed, Grid, Order, Progress, Stopped, StudioError, Task, VideoRequest, WasStopped
from studio.engine.rows import LTX
from studio.executors import remote
from studio.executors.remote import RemoteExecutor, card_of_remote
from studio.media.provenance import read_recipe
from studio.media.video import probe
from studio.service import Studio
from studio.settings import Settings
from tests.videos_api import FRAMES, TOKEN, Videos, serving

NAME = "my-film"
CARD = card_of_remote(replace(LTX, grid=Grid({"4:3": (64, 48)}, 12.0, 16, 4), title="My Film"))


@pytest.fixture
def videos() -> Iterator[Videos]:
    with serving(Videos()) as opened:
        yield opened


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ASK_S": 0.02, "OBEY_S": 0.01, "PATIENCE_S": 0.3, "LONGEST_S": 0.5}.items():
        monkeypatch.setattr(remote, name, value)


@pytest.fixture
def house(videos: Videos, tmp_path: Path) -> Iterator[Studio]:
    """A studio with Pocket and with one model that the server makes, of which it has the index alone."""
    folder = tmp_path / "My Film"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "LTX2Pipeline"}))
    shapes = {"sizes": {"4:3": [64, 48]}, "frame_rate": 12.0, "spatial_ratio": 16, "temporal_ratio": 4}
    ours = {"limits": {"min_seconds": 0.5}, "grid": shapes, "default_steps": 8}
    (folder / "flipbook.json").write_text(json.dumps(ours))
    own = {"MODELS": str(folder), "REMOTE_MODELS": f"{NAME}={videos.address}", "REMOTE_TOKEN": TOKEN, "WARM_UP": "0"}
    opened = Studio.open(Settings.from_env({**own, "DATA_DIR": str(tmp_path / "data"), "MIN_FREE_DISK_MB": "0"}))
    yield opened
    opened.close()


def asked(prompt: str, **values: object) -> VideoRequest:
    plain = {"aspect_ratio": "4:3", "seconds": 1.0, "seed": 7, "num_inference_steps": 8, "model": NAME}
    return VideoRequest(prompt, **{**plain, **values})  # type: ignore[arg-type]


def test_a_clip_of_a_server_is_a_clip_like_others(house: Studio, videos: Videos, tmp_path: Path) -> None:
    card, visit = house.card(NAME), house.visit()
    assert house.obstacle(card) == ""
    assert "sent the prompt and the picture" in card.description
    Image.new("RGB", (200, 100), "red").save(tmp_path / "red.png")
    request = asked(
        "fine weather", guidance_scale=3.0, negative_prompt="rain", picture=visit.keep_picture(tmp_path / "red.png")
    )
    job = visit.watch(visit.submit(request).id, 60)
    assert isinstance(job.state, Done), job.state
    clip = visit.clip(job.state.clip)
    path = visit.video_path(clip.id)
    assert (clip.made.width, clip.made.height, clip.made.num_frames) == (64, 48, FRAMES)
    assert (probe(path).has_sound, clip.made.note) == (True, "")
    recipe = read_recipe(path)
    assert recipe is not None
    assert (recipe["prompt"], recipe["clip"], recipe["seed"]) == ("fine weather", clip.id, 7)
    assert "energy_wh" not in recipe, "nobody measured it"
    (form,) = videos.forms
    assert Image.open(io.BytesIO(form.pop("input_reference"))).size == (64, 48)
    assert {name: value.decode() for name, value in form.items()} == {
        "prompt": "fine weather", "negative_prompt": "rain", "size": "64x48", "seconds": "1", "num_frames": str(FRAMES),
        "fps": "12", "seed": "7", "num_inference_steps": "8", "guidance_scale": "3.0", "generate_sound": "true",
    }  # fmt: skip
    assert videos.deleted == ["video-1"], "it does not lie about there"
    with pytest.raises(StudioError, match="can't extend a clip"):
        visit.extend(clip.id, 1.0)


def test_stop_ends_the_job_there_and_keeping_is_refused(house: Studio, videos: Videos) -> None:
    visit = house.visit()
    for keep in (False, True):
        job = visit.submit(asked("endless rain"))
        while not any(name.startswith("GET") for name in videos.asked):
            assert not visit.watch(job.id, 0.02).is_over
        visit.cancel(job.id, keep)
        state = visit.watch(job.id, 60).state
        videos.asked.clear()
        assert isinstance(state, Failed if keep else WasStopped)
        assert not keep or "nothing to keep" in state.sentence  # type: ignore[union-attr]
    assert videos.deleted == ["video-1", "video-2"]


def test_after_one_clip_of_a_server_there_is_an_estimate(house: Studio) -> None:
    visit = house.visit()
    assert house.estimate(asked("fine weather")) is None
    job = visit.watch(visit.submit(asked("fine weather")).id, 60)
    assert isinstance(job.state, Done), job.state
    longer = house.estimate(asked("rain", seconds=2.0))
    assert longer is not None
    assert longer.seconds > 0


def make(videos: Videos, folder: Path, prompt: str, token: str = TOKEN, **values: object) -> list[Progress]:
    """One clip, straight from the executor, stopped while it is fetched if the prompt says so.

    Returns what was told on the way.
    """
    executor, seen = RemoteExecutor(CARD, videos.address, token), list[Progress]()
    task = Task("a" * 32, asked(prompt, **values), *(folder / name for name in ("clip.mp4", "clip.jpg", "clip.lat")))

    def orders() -> Order:
        return "stop" if prompt.startswith("unwanted") and videos.asked[-1].endswith("/content") else "go on"

    try:
        made = executor.run(task, seen.append, orders)
        assert probe(task.target).width == made.width
        return seen
    finally:
        executor.close()


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("refused words", "refused this clip (HTTP 400)."),
        ("broken words", "failed at this clip (HTTP 500)."),
        ("failed words", "failed at this clip; its own log says why."),
        ("forgotten words", "does not know this clip, or has no /v1/videos (HTTP 404)."),
        ("endless words", "did not finish within 0.5 s, so the clip was given up."),
        ("dropped words", "has been silent for 0.3 s, so the clip was given up."),
        ("cut words", "broke off in the middle; please try again later."),
        ("garbage words", "sent something that is no video."),
        ("long words", "sent 65 frames of 64x48 pixels, which is more than 2 times what was asked for."),
        ("mute words", "sent a clip without sound; please switch sound off."),
        ("listed words", "gave an answer that is no JSON object."),
        ("nameless words", "gave an answer that names no video."),
    ],
)
def test_what_goes_wrong_is_one_sentence(videos: Videos, tmp_path: Path, prompt: str, sentence: str) -> None:
    with pytest.raises(StudioError) as caught:
        make(videos, tmp_path, prompt)
    assert str(caught.value) == f"The server that makes My Film {sentence}"
    has_begun = prompt.split()[0] not in ("refused", "broken", "listed", "nameless")
    assert videos.deleted == (["video-1"] if has_begun else [])


def test_a_black_clip_is_refused_and_another_size_is_said(videos: Videos, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="The clip came out black"):
        make(videos, tmp_path, "black words")
    seen = make(videos, tmp_path, "wide words", sound=False)
    assert not probe(tmp_path / "clip.mp4").has_sound
    assert (read_recipe(tmp_path / "clip.mp4") or {})["note"] == "Asked for 64x48 pixels, the server made 128x48."
    assert [(p.phase, p.step, p.total, p.can_keep) for p in seen[1:-1]] == [
        ("denoising", 0, 8, False),
        ("denoising", 4, 8, False),
        ("decoding", 8, 8, False),
    ]


def test_who_is_not_let_in_and_who_is_not_there_is_said(videos: Videos, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"does not accept this studio's REMOTE_TOKEN \(HTTP 401\)"):
        make(videos, tmp_path, "fine words", token="wrong")
    videos.address = "http://127.0.0.1:9"
    with pytest.raises(StudioError, match="My Film cannot be reached; please try again later"):
        make(videos, tmp_path, "fine words")


def test_a_name_of_no_model_is_refused(tmp_path: Path) -> None:
    for name in ("pocket", "nobody"):
        settings = Settings(data_dir=tmp_path, remote_models=((name, "http://127.0.0.1:9"),), warm_up=False)
        with pytest.raises(StudioError, match=f"REMOTE_MODELS names {name}; it may name ltx"):
            Studio.open(settings)


def test_it_can_be_stopped_while_it_is_fetched(videos: Videos, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        make(videos, tmp_path, "unwanted words")
    assert videos.deleted == ["video-1"]
