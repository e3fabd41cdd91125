"""Real Pocket weights: stop and keep, latents that outlive a failure, a second try, and what the file says it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.domain import MAX_SEED, Made, Order, Progress, StudioError, Task, Unfinished, VideoRequest
from studio.engine import preview, rows
from studio.engine.catalog import Catalog
from studio.engine.pipeline import VideoPipeline
from studio.executors import making
from studio.executors.local import LocalExecutor
from studio.media.provenance import read_recipe
from studio.media.video import Movie, Tags, probe, read_video, write_video

REQUEST = VideoRequest("a ghost in the snow", seconds=1.0, num_inference_steps=2, seed=5, aspect_ratio="1:1")
# Guidance so far outside of the limits that no number stays finite: a fault that really happens.
WILD = replace(REQUEST, num_inference_steps=1, guidance_scale=1e38, seed=MAX_SEED)
PARTS: dict[str, Callable] = {
    "vocoder": lambda pipe: pipe.vocoder.conv_out,
    "pixels": lambda pipe: pipe.vae.decoder.conv_out,
}


@pytest.fixture(scope="module")
def executor(pipeline: VideoPipeline) -> Iterator[LocalExecutor]:
    opened = LocalExecutor(pipeline)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def few_steps(pipeline: VideoPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second try with 16 steps would take these tests minutes. Previews decode too, which is spoiled below."""
    monkeypatch.setattr(preview, "EVERY_S", 1e9)
    monkeypatch.setattr(pipeline, "catalog", Catalog((replace(rows.POCKET, default_steps=2),)))


def task(folder: Path, request: VideoRequest = REQUEST, **files: Path) -> Task:
    folder.mkdir(exist_ok=True)
    paths = {"target": folder / "clip.mp4", "poster": folder / "clip.jpg", "latents": folder / "clip.latents", **files}
    return Task("a" * 32, request, **paths)


def go_on() -> Order:
    return "go on"


def run(executor: LocalExecutor, asked: Task, seen: list[Progress] | None = None) -> Made:
    return executor.run(asked, (seen if seen is not None else []).append, go_on)


@contextmanager
def spoiled(pipeline: VideoPipeline, part: str, spoil: Callable) -> Iterator[None]:
    """What a part of the model gives out goes through `spoil` for a while."""
    hook = PARTS[part](pipeline._pipe).register_forward_hook(lambda _, __, out: spoil(out))
    try:
        yield
    finally:
        hook.remove()


def same(one: Path, other: Path) -> bool:
    a, b = read_video(one), read_video(other)
    return np.array_equal(a.frames, b.frames) and np.array_equal(a.sound, b.sound)  # type: ignore[arg-type]


def out_of_memory(_: object) -> None:
    raise RuntimeError("CUDA out of memory\nand many more lines")


def test_stop_and_keep_makes_a_clip_of_what_stands(executor: LocalExecutor, tmp_path: Path) -> None:
    asked, seen = task(tmp_path, replace(REQUEST, num_inference_steps=16)), []
    made = executor.run(asked, seen.append, lambda: "keep" if seen and seen[-1].step else "go on")
    assert made.steps_done == 1
    assert made.changed == {}
    assert probe(asked.target).num_frames == made.num_frames == 13
    recipe = read_recipe(asked.target)
    assert recipe is not None
    assert (recipe["steps_done"], recipe["num_inference_steps"]) == (1, 16)


@pytest.mark.parametrize("request_", [REQUEST, replace(REQUEST, sound=False)], ids=["sound", "silent"])
def test_a_clip_that_failed_while_decoding_is_finished_from_its_latents(
    executor: LocalExecutor, pipeline: VideoPipeline, tmp_path: Path, request_: VideoRequest
) -> None:
    calm, asked, seen = task(tmp_path / "calm", request_), task(tmp_path / "asked", request_), []
    if request_.sound:
        run(executor, calm)
    with spoiled(pipeline, "pixels", out_of_memory), pytest.raises(Unfinished) as raised:
        run(executor, asked)
    assert str(raised.value) == (
        "Something went wrong after denoising (RuntimeError). "
        "What was denoised is kept, so the clip can be finished later."
    )
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert asked.latents.exists()
    assert not asked.target.exists()
    made = run(executor, asked, seen)
    assert [p.phase for p in seen] == ["loading", "decoding", "encoding"]
    assert (made.steps_done, made.has_sound) == (2, request_.sound)
    assert asked.latents.exists(), "removing it is the caller's business"
    assert not request_.sound or same(asked.target, calm.target)


@pytest.mark.parametrize("name", ["target", "poster"])
def test_a_full_disk_is_said_and_the_latents_stay(executor: LocalExecutor, tmp_path: Path, name: str) -> None:
    asked = task(tmp_path, replace(REQUEST, num_inference_steps=1))
    getattr(asked, name).symlink_to("/dev/full")
    with pytest.raises(Unfinished, match=r"^There is no room left on the disk \(No space left on device\)\. .* kept"):
        run(executor, asked)
    getattr(asked, name).unlink(missing_ok=True)
    seen: list[Progress] = []
    made = run(executor, asked, seen)
    assert "denoising" not in [p.phase for p in seen]
    assert made.elapsed_seconds > 0


def test_what_the_first_run_took_is_counted(executor: LocalExecutor, pipeline: VideoPipeline, tmp_path: Path) -> None:
    asked = task(tmp_path)
    with spoiled(pipeline, "pixels", out_of_memory), pytest.raises(Unfinished):
        run(executor, asked)
    first = making.Latents.load(asked.latents).spent
    made = run(executor, asked)
    assert made.elapsed_seconds > first.seconds > 0
    assert made.energy_wh > first.energy_wh > 0


def test_where_latents_cannot_be_kept_the_clip_is_made_all_the_same(
    executor: LocalExecutor, pipeline: VideoPipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = task(tmp_path, replace(REQUEST, num_inference_steps=1), latents=tmp_path / "missing" / "clip.latents")
    with spoiled(pipeline, "pixels", out_of_memory), pytest.raises(RuntimeError):
        run(executor, asked)
    assert run(executor, asked).num_frames == 13
    assert "latents not kept" in caplog.text


def test_latents_of_other_weights_are_made_again(executor: LocalExecutor, tmp_path: Path) -> None:
    calm, asked, seen = task(tmp_path / "calm"), task(tmp_path / "asked"), []
    run(executor, calm)
    kept = making.Latents.load(calm.latents)
    assert len(kept.weights) == 16
    replace(kept, weights="f" * 16).save(asked.latents)
    run(executor, asked, seen)
    assert "denoising" in [p.phase for p in seen]


@pytest.mark.parametrize("damage", ["cut short", "of another request"])
def test_latents_that_cannot_be_used_are_made_again(
    executor: LocalExecutor, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    request = replace(REQUEST, num_inference_steps=1)
    calm = task(tmp_path / "calm", request if damage == "cut short" else replace(request, prompt="a cat"))
    run(executor, calm)
    kept = calm.latents.read_bytes()
    asked, seen = task(tmp_path / "asked", request), []
    asked.latents.write_bytes(kept[:-9] if damage == "cut short" else kept)
    run(executor, asked, seen)
    assert "denoising" in [p.phase for p in seen]
    assert "latents unusable" in caplog.text
    assert same(asked.target, calm.target) == (damage == "cut short")


def test_a_bad_clip_is_made_again_with_safer_settings(executor: LocalExecutor, tmp_path: Path) -> None:
    asked, plain = task(tmp_path / "asked", WILD), task(tmp_path / "plain", replace(REQUEST, seed=0))
    made = run(executor, asked)
    assert made.changed == {"guidance_scale": 1.0, "num_inference_steps": 2, "seed": 0}
    assert made.steps_done == 2
    assert made.note == (
        "The first try came out broken, with values that are no numbers, "
        "so it was made again with guidance 1, 2 steps and seed 0."
    )
    recipe = read_recipe(asked.target)
    assert recipe is not None
    assert VideoRequest.from_dict(recipe) == replace(WILD, **made.changed)
    assert recipe["note"] == made.note
    run(executor, plain)
    assert same(asked.target, plain.target)


def test_a_second_try_without_guidance_has_no_negative_prompt(executor: LocalExecutor, tmp_path: Path) -> None:
    """It would do nothing, and who asks for the same clip again would be refused."""
    asked, seen = task(tmp_path, replace(WILD, negative_prompt="rain")), []
    with pytest.raises(StudioError, match="A negative prompt works through guidance above 1"):
        replace(asked.request, guidance_scale=1.0).check(rows.POCKET)
    made = run(executor, asked)
    replace(asked.request, **made.changed).check(rows.POCKET)
    assert made.changed["negative_prompt"] == ""
    assert made.note.endswith("made again with guidance 1, 2 steps and seed 0, without the negative prompt.")
    assert run(executor, asked, seen).changed == made.changed
    assert "denoising" not in [p.phase for p in seen], "its latents are known as its own"


def test_a_second_try_that_is_finished_later_still_says_so(
    executor: LocalExecutor, pipeline: VideoPipeline, tmp_path: Path
) -> None:
    asked = task(tmp_path / "asked", WILD)
    asked.poster.symlink_to("/dev/full")
    with pytest.raises(Unfinished):
        run(executor, asked)
    asked.poster.unlink()
    made = run(executor, asked)
    assert made.changed["seed"] == 0
    assert made.note.startswith("The first try came out broken")
    with spoiled(pipeline, "pixels", lambda out: out * 0 - 1), pytest.raises(StudioError, match="although it was made"):
        run(executor, asked)
    assert not asked.latents.exists()


@pytest.mark.parametrize(
    ("part", "spoil", "reason"),
    [
        ("pixels", lambda out: out * 0 - 1, "came out black"),
        ("pixels", lambda out: out * float("nan"), "came out broken, with values that are no numbers"),
        ("vocoder", lambda out: out * 0, "came out without a sound"),
        ("vocoder", lambda out: out * 1e6, "came out with a sound that is nothing but distortion"),
    ],
)
def test_what_comes_out_bad_twice_is_not_kept(
    executor: LocalExecutor, pipeline: VideoPipeline, tmp_path: Path, part: str, spoil: Callable, reason: str
) -> None:
    asked = task(tmp_path, replace(REQUEST, num_inference_steps=1, seconds=1.0))
    with spoiled(pipeline, part, spoil), pytest.raises(StudioError) as raised:
        run(executor, asked)
    assert not isinstance(raised.value, Unfinished)
    assert str(raised.value) == (
        f"The clip {reason}; made again with guidance 1, 2 steps and seed 6 it {reason}. "
        "Please try another prompt or seed."
    )
    assert list(tmp_path.iterdir()) == []


def test_what_was_to_be_kept_and_is_bad_is_not_made_again(executor: LocalExecutor, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"What stood after 1 of 4 steps came out broken.* nothing to keep"):
        executor.run(task(tmp_path, replace(WILD, num_inference_steps=4)), lambda _: None, lambda: "keep")
    assert list(tmp_path.iterdir()) == []


def test_a_black_picture_may_begin_a_black_clip(
    executor: LocalExecutor, pipeline: VideoPipeline, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    request = replace(REQUEST, num_inference_steps=1, picture="x")
    with spoiled(pipeline, "pixels", lambda out: out * 0 - 1):
        assert run(executor, task(tmp_path, request, picture=tmp_path / "black.png")).note == ""


def test_an_extension_is_finished_from_its_latents_too(
    executor: LocalExecutor, pipeline: VideoPipeline, tmp_path: Path
) -> None:
    old = tmp_path / "old.mp4"
    made = pipeline.generate(replace(REQUEST, num_inference_steps=1), lambda _: None, go_on)
    write_video(old, Movie(made.frames, 12.0, made.sound, made.sampling_rate), Tags("", "", ""), lambda: False)
    asked = task(tmp_path / "asked", replace(REQUEST, num_inference_steps=1, extends="b" * 32), source=old)
    with spoiled(pipeline, "pixels", out_of_memory), pytest.raises(Unfinished):
        run(executor, asked)
    seen: list[Progress] = []
    assert run(executor, asked, seen).num_frames == 25
    assert "denoising" not in [p.phase for p in seen]


def test_an_extended_clip_tells_of_all_its_parts(executor: LocalExecutor, tmp_path: Path) -> None:
    first = task(tmp_path / "first", replace(REQUEST, num_inference_steps=1))
    made = [run(executor, first)]
    last = first
    for number, prompt in enumerate(("a cat dances", "a dog dances")):
        request = replace(REQUEST, prompt=prompt, num_inference_steps=1, extends="b" * 32)
        last = task(tmp_path / str(number), request, source=last.target)
        made.append(run(executor, last))
    assert made[2].earlier_seconds == pytest.approx(made[0].elapsed_seconds + made[1].elapsed_seconds)
    assert made[2].earlier_energy_wh == pytest.approx(made[0].energy_wh + made[1].energy_wh, abs=1e-6)
    assert made[2].earlier_prompts == "a ghost in the snow\na cat dances"
    assert made[0].earlier_prompts == ""
    for first_is, expected in ((True, True), (False, False)):
        begins_with = {"energy_is_measured": True, "begins_with": {"energy_is_measured": first_is}}
        assert making._is_measured(begins_with) is expected
    recipe = read_recipe(last.target)
    assert recipe is not None
    assert (recipe["prompt"], recipe["earlier_energy_wh"]) == ("a dog dances", made[2].earlier_energy_wh)
    assert recipe["begins_with"]["prompt"] == "a cat dances"
    assert recipe["begins_with"]["begins_with"] == read_recipe(first.target)


@pytest.mark.parametrize(
    ("prompt", "guidance", "steps"),
    [("a rocket in space at night", 12.0, 4), ("a ghost in the snow", 1.0, 1), ("qwertz", 12.0, 1)],
)
def test_honest_clips_pass_however_short_they_were_denoised(
    pipeline: VideoPipeline, prompt: str, guidance: float, steps: int
) -> None:
    request = replace(REQUEST, prompt=prompt, guidance_scale=guidance, num_inference_steps=steps, seed=103)
    seen: list[Progress] = []

    def orders() -> Order:
        return "keep" if seen and seen[-1].step >= 2 else "go on"

    for made in (pipeline.generate(request, lambda _: None, go_on), pipeline.generate(request, seen.append, orders)):
        assert making.fault.find(made.frames, made.sound) is None
