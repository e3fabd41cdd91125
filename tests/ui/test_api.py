"""The endpoints as programs use them: through gradio_client and plain HTTP, against the running program."""

from __future__ import annotations

import base64
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from running import App

from studio.domain import ASPECT_RATIOS

QUICK: dict[str, Any] = {"seconds": 1.0, "num_inference_steps": 2}
PUBLIC = {"/generate", "/regenerate", "/extend", "/clips", "/delete", "/models"}


@pytest.fixture(scope="module")
def client(app: App) -> Client:
    return Client(app.address, verbose=False)


@pytest.fixture(scope="module")
def first(client: Client) -> tuple[str, dict[str, Any]]:
    """One clip that several tests look at: its file and its recipe."""
    video, recipe = client.predict(prompt="a cat spins at sea", seed=11, **QUICK, api_name="/generate")
    return video, recipe


def frames_of(path: str) -> np.ndarray:
    with av.open(path) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def error_of(client: Client, endpoint: str, **arguments: Any) -> str:
    with pytest.raises(AppError) as caught:
        client.predict(**arguments, api_name=endpoint)
    return str(caught.value)


def test_only_these_endpoints_are_public(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)
    assert isinstance(described, dict)
    assert set(described["named_endpoints"]) == PUBLIC
    assert described["unnamed_endpoints"] == {}


def test_endpoints_are_typed_and_described(app: App) -> None:
    with urllib.request.urlopen(f"{app.address}/gradio_api/openapi.json") as answer:
        assert "/generate" in answer.read().decode()
    with urllib.request.urlopen(f"{app.address}/gradio_api/info") as answer:
        generate = json.load(answer)["named_endpoints"]["/generate"]
    names = " ".join(parameter["parameter_name"] for parameter in generate["parameters"])
    assert names == (
        "prompt image aspect_ratio seconds seed num_inference_steps guidance_scale negative_prompt sound model visitor"
        " last_image loras step_cache"
    )
    assert len(generate["returns"]) == 2


def test_generate_returns_a_playable_clip_and_its_recipe(first: tuple[str, dict[str, Any]]) -> None:
    video, recipe = first
    with av.open(video) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.audio[0].codec_context.name == "aac"
    assert frames_of(video).shape == (recipe["num_frames"], recipe["height"], recipe["width"], 3)
    assert recipe["seed"] == 11
    assert recipe["prompt"] == "a cat spins at sea"
    assert recipe["frame_rate"] == 12.0
    assert recipe["elapsed_seconds"] > 0
    assert len(recipe["clip"]) == 32


def test_seed_is_drawn_and_told(client: Client) -> None:
    _, recipe = client.predict(prompt="a cat", **QUICK, api_name="/generate")
    assert 0 <= recipe["seed"] < 2**31


def test_same_seed_same_frames_other_seed_other_frames(client: Client, first: tuple[str, dict[str, Any]]) -> None:
    video, recipe = first
    again, same = client.predict(clip=recipe["clip"], api_name="/regenerate")
    other, new = client.predict(clip=recipe["clip"], seed=-1, api_name="/regenerate")
    assert same["seed"] == recipe["seed"] != new["seed"]
    assert same["parent"] == recipe["clip"]
    assert np.array_equal(frames_of(video), frames_of(again))
    assert not np.array_equal(frames_of(video), frames_of(other))


def test_extend_begins_with_the_old_clip(client: Client, first: tuple[str, dict[str, Any]]) -> None:
    video, recipe = first
    longer, extended = client.predict(clip=recipe["clip"], seconds=1.0, prompt="it goes on", api_name="/extend")
    assert extended["num_frames"] > recipe["num_frames"]
    assert extended["prompt"] == "it goes on"
    old, new = frames_of(video), frames_of(longer)
    # Not equal to the byte: the film is encoded once more.
    assert np.corrcoef(new[: len(old)].ravel(), old.ravel())[0, 1] > 0.95


def test_a_deleted_clip_is_gone(client: Client) -> None:
    _, recipe = client.predict(prompt="a dog", seconds=1.0, num_inference_steps=1, api_name="/generate")
    assert client.predict(clip=recipe["clip"], api_name="/delete") == {"deleted": recipe["clip"]}
    assert recipe["clip"] not in [clip["clip"] for clip in client.predict(api_name="/clips")]
    assert "no clip" in error_of(client, "/delete", clip=recipe["clip"])


def test_picture_is_the_start(client: Client, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (200, 40, 40)).save(tmp_path / "red.png")
    _, recipe = client.predict(
        prompt="", image=handle_file(tmp_path / "red.png"), aspect_ratio="1:1", **QUICK, api_name="/generate"
    )
    assert recipe["picture"]
    assert (recipe["width"], recipe["height"]) == (128, 128)


def test_a_tools_picture_is_an_upload_or_lies_in_its_address(app: App, client: Client, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "orange").save(tmp_path / "orange.png")
    data = (tmp_path / "orange.png").read_bytes()
    (uploaded,) = httpx.post(f"{app.address}/gradio_api/upload", files={"files": data}, timeout=60).json()
    for image in (
        f"{app.address}/gradio_api/file={uploaded}",
        "data:image/png;base64," + base64.b64encode(data).decode(),
    ):
        _, recipe = client.predict(prompt="", image=image, seconds=1.0, num_inference_steps=1, api_name="/generate")
        assert recipe["picture"]
    for image in ("data:image/png;base64,", "data:image/png;base64,&&", "https://example.org/orange.png", "/etc/hosts"):
        with pytest.raises(AppError, match="on its own is not read"):
            client.predict(prompt="", image=image, api_name="/generate")


def test_clips_and_models_are_listed(client: Client, first: tuple[str, dict[str, Any]]) -> None:
    clips = client.predict(api_name="/clips")
    assert first[1] in clips
    assert [clip["created"] for clip in clips] == sorted((clip["created"] for clip in clips), reverse=True)
    assert len(client.predict(limit=1, api_name="/clips")) == 1
    pocket, *others = client.predict(api_name="/models")
    assert (pocket["name"], pocket["obstacle"]) == ("pocket", "")
    assert all(other["title"] in other["obstacle"] for other in others), "none of them can run where tests do"
    assert pocket["limits"]["aspect_ratios"] == list(ASPECT_RATIOS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": "   "}, "empty"),
        ({"prompt": "a" * 1001}, "1000 characters at most; this one has 1001"),
        ({"prompt": 5}, "text"),
        ({"prompt": "a", "num_inference_steps": 0}, "from 1 to 50"),
        ({"prompt": "a", "num_inference_steps": 51}, "51"),
        ({"prompt": "a", "seconds": 99}, "99"),
        ({"prompt": "a", "seconds": "long"}, "'long'"),
        ({"prompt": "a", "seed": 2**31}, "2147483648"),
        ({"prompt": "a", "seed": None}, "seed"),
        ({"prompt": "a", "aspect_ratio": "2:1"}, "'2:1'"),
        ({"prompt": "a", "guidance_scale": 100}, "100"),
        ({"prompt": "a", "sound": "yes"}, "'yes'"),
        ({"prompt": "a", "model": "nobody"}, "'nobody'"),
        ({"prompt": "a", "model": 3}, "of type int"),
        ({"prompt": "a", "image": {"path": "/etc/hostname"}}, "send the picture along"),
        ({"prompt": "a", "image": {"url": "http://127.0.0.1:1/a.png"}}, "send the picture along"),
        ({"prompt": "a", "image": 3}, "send the picture along"),
    ],
)
def test_bad_request_gets_one_sentence(client: Client, arguments: dict[str, Any], told: str) -> None:
    sentence = error_of(client, "/generate", **arguments)
    assert told in sentence
    assert "Traceback" not in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("clip", ["0" * 32, "../../etc/passwd", "", None, 7, "x" * 10_000, "' or 1=1 --"])
def test_unknown_clip_gets_one_sentence(client: Client, clip: object) -> None:
    for endpoint in ("/regenerate", "/extend", "/delete"):
        assert "no clip" in error_of(client, endpoint, clip=clip)


@pytest.mark.parametrize("limit", [0, -1, 10**9, "many", None, 1.5])
def test_bad_limit_gets_one_sentence(client: Client, limit: object) -> None:
    assert "limit" in error_of(client, "/clips", limit=limit)


def test_file_that_is_no_picture_gets_one_sentence(client: Client, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("not a picture")
    assert "picture" in error_of(client, "/generate", prompt="a", image=handle_file(tmp_path / "no.png"))


def test_strange_words_are_kept_as_they_are(client: Client) -> None:
    for prompt in ("a \x1b[31mcat\x1b[0m", "\u202ea cat\u202c", "\u200b", "<b>{{7*7}} ${x}</b>\n\ttwo"):
        video, recipe = client.predict(prompt=prompt, **QUICK, api_name="/generate")
        assert recipe["prompt"] == prompt
        assert len(frames_of(video)) == recipe["num_frames"]


def test_two_programs_at_once_both_get_their_own(app: App) -> None:
    def ask(seed: int) -> dict[str, Any]:
        own = Client(app.address, verbose=False)
        return own.predict(prompt="a cat", seed=seed, **QUICK, api_name="/generate")[1]

    with ThreadPoolExecutor(3) as pool:
        recipes = list(pool.map(ask, (1, 2, 3)))
    assert [recipe["seed"] for recipe in recipes] == [1, 2, 3]


def test_plain_http_works_too(app: App) -> None:
    body = json.dumps({"prompt": "a cat", **QUICK}).encode()
    call = f"{app.address}/gradio_api/call/v2/generate"
    request = urllib.request.Request(call, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{app.address}/gradio_api/call/generate/{event}", timeout=180) as answer:
        text = answer.read().decode()
    file, recipe = json.loads(text.rpartition("data: ")[2])
    with urllib.request.urlopen(file["url"]) as answer:
        assert answer.read(12)[4:8] == b"ftyp"
    assert recipe["prompt"] == "a cat"


def test_leaving_does_not_stop_the_clip(app: App, client: Client) -> None:
    before = len(client.predict(api_name="/clips"))
    left = Client(app.address, verbose=False)
    left.submit(prompt="left alone", seconds=1.0, num_inference_steps=20, api_name="/generate").cancel()
    _, recipe = client.predict(prompt="the next", **QUICK, api_name="/generate")
    clips = client.predict(api_name="/clips")
    assert clips[0]["clip"] == recipe["clip"]
    assert len(clips) in (before + 1, before + 2)  # it may have been cancelled before it was a job


def test_log_has_no_traceback(app: App) -> None:
    assert "Traceback" not in app.log
