"""Real Pocket weights at few steps: files in, files out, Stop at every stage, and never two jobs at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from PIL import Image

from studio.domain import Order, Progress, Stopped, StudioError, Task, VideoRequest
from studio.engine import grid, rows
from studio.engine.catalog import Catalog
from studio.engine.pipeline import VideoPipeline
from studio.executors.local import STARTING, LocalExecutor
from studio.media.provenance import read_recipe
from studio.media.video import Movie, Tags, probe, read_video, write_video

REQUEST = VideoRequest("a ghost bounces in the snow 👻", seconds=1.0, num_inference_steps=2, seed=5)
HELD_S = 60.0


def ignore(progress: Progress) -> None: ...


def never() -> bool:
    return False


def go_on() -> Order:
    return "go on"


@pytest.fixture(scope="module")
def executor(pipeline: VideoPipeline) -> Iterator[LocalExecutor]:
    opened = LocalExecutor(pipeline)
    yield opened
    opened.close()


def task(folder: Path, request: VideoRequest = REQUEST, **files: Path) -> Task:
    folder.mkdir(exist_ok=True)
    return Task("a" * 32, request, folder / "clip.mp4", folder / "clip.jpg", folder / "clip.latents", **files)


def test_words_become_a_clip_with_sound_poster_and_recipe(executor: LocalExecutor, tmp_path: Path) -> None:
    seen: list[Progress] = []
    asked = task(tmp_path)
    made = executor.run(asked, seen.append, go_on)

    width, height = grid.size(grid.POCKET, "16:9")
    size = (made.width, made.height, made.num_frames, made.frame_rate, made.has_sound)
    assert size == (width, height, grid.num_frames(grid.POCKET, 1.0), 12.0, True)
    assert (made.steps_done, made.note, made.changed) == (2, "", {})
    assert made.elapsed_seconds > 0
    assert made.energy_wh > 0
    assert 2e8 < made.peak_memory_bytes < 2e10
    video = probe(asked.target)
    assert (video.width, video.height, video.num_frames, video.has_sound) == (width, height, made.num_frames, True)
    with Image.open(asked.poster) as poster:
        assert poster.size == (width, height)
    recipe = read_recipe(asked.target)
    assert recipe is not None
    assert VideoRequest.from_dict(recipe) == REQUEST
    assert (recipe["clip"], recipe["num_frames"]) == (asked.id, made.num_frames)
    took = ("steps_done", "elapsed_seconds", "energy_wh", "energy_is_measured")
    assert [recipe[name] for name in took] == [2, made.elapsed_seconds, made.energy_wh, made.is_energy_measured]
    assert "note" not in recipe
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases == ["loading", "reading the prompt", "denoising", "decoding", "encoding"]


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same clip; their recipes tell different times."""
    a, b = read_video(one), read_video(other)
    return np.array_equal(a.frames, b.frames) and np.array_equal(a.sound, b.sound)  # type: ignore[arg-type]


@pytest.mark.parametrize("aspect_ratio", ["9:16", "1:1", "4:3", "3:4", "21:9"])
def test_every_shape_can_be_encoded(executor: LocalExecutor, tmp_path: Path, aspect_ratio: str) -> None:
    asked = task(tmp_path, replace(REQUEST, aspect_ratio=aspect_ratio, num_inference_steps=1))
    executor.run(asked, ignore, go_on)
    video = probe(asked.target)
    assert (video.width, video.height) == grid.size(grid.POCKET, aspect_ratio)


def test_without_sound_the_file_is_silent(executor: LocalExecutor, tmp_path: Path) -> None:
    asked = task(tmp_path, replace(REQUEST, sound=False, num_inference_steps=1))
    assert not executor.run(asked, ignore, go_on).has_sound
    assert not probe(asked.target).has_sound


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_picture_of_any_shape_is_fitted(executor: LocalExecutor, tmp_path: Path, fit: str) -> None:
    Image.new("RGB", (300, 70), "orange").save(tmp_path / "picture.png")
    request = replace(REQUEST, picture="x", picture_fit=fit, num_inference_steps=1)
    asked = task(tmp_path, request, picture=tmp_path / "picture.png")
    assert executor.run(asked, ignore, go_on).num_frames == grid.num_frames(grid.POCKET, 1.0)


def test_a_picture_in_which_nothing_moves_stays_sharp(
    executor: LocalExecutor, pipeline: VideoPipeline, tmp_path: Path
) -> None:
    width, height = grid.size(grid.POCKET, "16:9")
    y, x = np.mgrid[0:height, 0:width]
    sea = np.stack([60 + y / 2, 120 + y / 4, 200 - y / 3], -1) + 25 * np.sin((x + 3 * y) / 2)[..., None]
    true = sea.clip(0, 255).astype(np.uint8)
    Image.fromarray(true).save(tmp_path / "picture.png")
    request = replace(REQUEST, prompt="", picture="x", num_inference_steps=4)
    asked = task(tmp_path, request, picture=tmp_path / "picture.png")
    executor.run(asked, ignore, go_on)
    plain = pipeline.generate(request, ignore, go_on, picture=true).frames
    given = read_video(asked.target).frames
    for k in (0, 6, 12):
        off, plainly_off = (np.abs(clip[k].astype(float) - true).mean() for clip in (given, plain))
        assert off < 0.5 * plainly_off, (k, off, plainly_off)


@pytest.mark.parametrize("old_frames", [3, 13, 25])
def test_an_extension_keeps_the_old_frames_and_goes_on_sounding(
    executor: LocalExecutor, tmp_path: Path, old_frames: int
) -> None:
    width, height = grid.size(grid.POCKET, "16:9")
    y, x, t = np.mgrid[0:height, 0:width, 0:old_frames]
    bars = np.stack([128 + 90 * np.sin((x + 2 * t) / 19), 128 + 90 * np.cos((y - t) / 17), 60 + t + 0 * x], -1)
    frames = np.moveaxis(bars, 2, 0).clip(0, 255).astype(np.uint8)
    rate = pipeline_rate(executor)
    hum = 0.3 * np.sin(np.arange(round(old_frames / 12 * rate)) / 9).astype(np.float32)
    old = tmp_path / "old.mp4"
    write_video(old, Movie(frames, 12.0, np.stack([hum, hum]), rate), Tags("", "", ""), never)
    source = read_video(old)

    asked = task(tmp_path, replace(REQUEST, extends="b" * 32), source=old)
    made = executor.run(asked, ignore, go_on)
    longer = read_video(asked.target)
    assert made.num_frames == len(longer.frames) == old_frames + grid.num_frames(grid.POCKET, 1.0) - 1
    assert np.array_equal(longer.frames[:old_frames], source.frames), "not a bit is lost"
    assert longer.sound is not None
    assert longer.sound.shape[1] == round(made.num_frames / 12 * rate)
    kept = round(max(0.0, old_frames / 12 - 0.3) * rate)
    assert np.abs(longer.sound[0, :kept] - hum[:kept]).sum() <= 0.01 * kept, "the old sound stays too"


def test_a_clip_of_another_size_cannot_be_extended(executor: LocalExecutor, tmp_path: Path) -> None:
    write_video(tmp_path / "old.mp4", Movie(np.zeros((9, 64, 96, 3), np.uint8), 12.0), Tags("", "", ""), never)
    asked = task(tmp_path, replace(REQUEST, extends="b" * 32), source=tmp_path / "old.mp4")
    with pytest.raises(StudioError, match="this one is 96x64 px, the model makes 224x128 px"):
        executor.run(asked, ignore, go_on)


@pytest.mark.parametrize("phase", ["reading the prompt", "denoising", "decoding", "encoding"])
def test_stop_in_any_phase_leaves_no_file_and_the_next_clip_is_fine(
    executor: LocalExecutor, tmp_path: Path, phase: str
) -> None:
    seen: list[str] = []
    asked = task(tmp_path / "stopped")
    with pytest.raises(Stopped):
        executor.run(asked, lambda p: seen.append(p.phase), lambda: "stop" if phase in seen else "go on")
    assert seen[-1] == phase
    assert not asked.target.exists()
    assert asked.latents.exists() == (phase in ("decoding", "encoding"))

    after, calm = task(tmp_path / "after"), task(tmp_path / "calm")
    executor.run(after, ignore, go_on)
    executor.run(calm, ignore, go_on)
    assert same(after.target, calm.target)


def test_two_jobs_never_run_at_once(executor: LocalExecutor, tmp_path: Path) -> None:
    spans: list[tuple[float, float]] = []

    def run(number: int) -> None:
        reported: list[float] = []
        asked = task(tmp_path / str(number), replace(REQUEST, num_inference_steps=1))
        executor.run(asked, lambda _: reported.append(time.monotonic()), go_on)
        spans.append((reported[0], reported[-1]))

    threads = [Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans.sort()
    assert len(spans) == 3
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_what_waits_for_its_turn_is_stopped_at_once(executor: LocalExecutor, tmp_path: Path) -> None:
    begun, go, seen = Event(), Event(), list[Progress]()
    first = task(tmp_path / "first", replace(REQUEST, num_inference_steps=1))

    def hold(_: Progress) -> None:
        begun.set()
        go.wait(HELD_S)

    running = Thread(target=executor.run, args=(first, hold, go_on))
    running.start()
    assert begun.wait(HELD_S)
    try:
        with pytest.raises(Stopped):
            executor.run(task(tmp_path / "second"), seen.append, lambda: "stop")
        assert seen == [], "its turn never came"
    finally:
        go.set()
        running.join()
    assert probe(first.target).num_frames == grid.num_frames(grid.POCKET, 1.0), "the other goes on"


def test_what_was_stopped_before_its_turn_loads_no_model(tmp_path: Path) -> None:
    executor = LocalExecutor(VideoPipeline(tmp_path / "nothing"))
    with pytest.raises(Stopped):
        executor.run(task(tmp_path / "clip"), ignore, lambda: "stop")
    assert executor.readiness() == STARTING
    executor.close()


def test_warming_up_returns_at_once_and_ends_ready(pocket_dir: Path) -> None:
    executor = LocalExecutor(VideoPipeline(pocket_dir))
    assert executor.readiness().state == "starting"
    executor.warm_up()
    assert executor.readiness().state == "loading", "which takes seconds"
    executor.close()  # waits for the owner thread
    assert executor.readiness().state == "ready"


def test_weights_that_cannot_be_loaded_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    executor = LocalExecutor(VideoPipeline(tmp_path / "nothing"))
    executor.warm_up()
    with pytest.raises(Exception, match=r".+"):
        executor.run(task(tmp_path / "clip"), ignore, go_on)
    seen = executor.readiness()
    assert seen.state == "failed"
    assert seen.sentence.startswith("The model pocket could not be loaded: ")
    assert "model not loaded" in caplog.text
    executor.close()


def test_another_model_that_cannot_be_loaded_leaves_the_studio_well(pocket_dir: Path, tmp_path: Path) -> None:
    lost = replace(rows.POCKET, name="lost", source=str(tmp_path / "nothing"))
    executor = LocalExecutor(VideoPipeline(pocket_dir, catalog=Catalog((rows.POCKET, lost))))
    with pytest.raises(Exception, match=r".+"):
        executor.run(task(tmp_path / "lost", replace(REQUEST, model="lost")), ignore, go_on)
    assert executor.readiness() == STARTING
    quick = replace(REQUEST, num_inference_steps=1)
    executor.run(task(tmp_path / "clip", quick), ignore, go_on)
    with pytest.raises(StudioError, match="There is no model 'nobody'"):
        executor.run(task(tmp_path / "nobody", replace(quick, model="nobody")), ignore, go_on)
    assert executor.readiness().state == "ready", "Pocket is there still"
    executor.close()


def pipeline_rate(executor: LocalExecutor) -> int:
    """The sampling rate of what the loaded model makes."""
    return executor._pipeline.generate(replace(REQUEST, num_inference_steps=1), ignore, go_on).sampling_rate
