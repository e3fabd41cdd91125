"""The real Pocket at few steps: the same seed, the first frame, extension, preview and Stop."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.domain import ASPECT_RATIOS, Progress, Stopped, StudioError, VideoRequest
from studio.engine import grid, preview
from studio.engine.pipeline import Generated, VideoPipeline

REQUEST = VideoRequest("a cat walks to the right in the snow", seconds=1.0, seed=3, num_inference_steps=3)


def never() -> bool:
    return False


def make(pipeline: VideoPipeline, request: VideoRequest = REQUEST, **given: np.ndarray) -> Generated:
    return pipeline.generate(request, lambda _: None, never, **given)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_one_model_makes_every_shape(pipeline: VideoPipeline, ratio: str) -> None:
    made = make(pipeline, replace(REQUEST, aspect_ratio=ratio, num_inference_steps=1))
    width, height = grid.size(ratio)
    assert made.frames.shape == (13, height, width, 3)
    assert made.frames.dtype == np.uint8
    assert made.sound is not None
    assert made.sound.shape == (2, round(13 / 12 * made.sampling_rate))
    assert np.abs(made.sound).max() <= 1


def test_same_seed_same_frames_other_seed_others(pipeline: VideoPipeline) -> None:
    first, again, other = make(pipeline), make(pipeline), make(pipeline, replace(REQUEST, seed=4))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.sound, again.sound)  # type: ignore[arg-type]
    assert np.abs(first.frames.astype(int) - other.frames).mean() > 2


def test_prompt_and_guidance_matter(pipeline: VideoPipeline) -> None:
    first = make(pipeline).frames.astype(int)
    assert np.abs(first - make(pipeline, replace(REQUEST, prompt="a rocket in space")).frames).mean() > 2
    assert np.abs(first - make(pipeline, replace(REQUEST, guidance_scale=1.0)).frames).mean() > 0.5
    assert np.abs(first - make(pipeline, replace(REQUEST, negative_prompt="snow")).frames).mean() > 0.5


def test_without_sound_there_is_none(pipeline: VideoPipeline) -> None:
    assert make(pipeline, replace(REQUEST, sound=False)).sound is None


def test_the_first_frame_follows_the_picture(pipeline: VideoPipeline) -> None:
    scene = make(pipeline, replace(REQUEST, prompt="a fire truck in the desert", seed=8, num_inference_steps=8)).frames[
        5
    ]
    made = make(pipeline, picture=scene)
    assert psnr(made.frames[0], scene) > 20
    assert psnr(made.frames[0], scene) > psnr(make(pipeline).frames[0], scene) + 5


def test_a_picture_of_another_size_is_refused(pipeline: VideoPipeline) -> None:
    with pytest.raises(StudioError, match="224 x 128 pixels; not 64 x 64"):
        make(pipeline, picture=np.zeros((64, 64, 3), np.uint8))


def test_history_is_continued(pipeline: VideoPipeline) -> None:
    old = make(pipeline).frames
    made = make(pipeline, history=old[-grid.OVERLAP_FRAMES :])
    assert len(made.frames) == grid.OVERLAP_FRAMES + grid.num_frames(1.0) - 1
    assert psnr(made.frames[: grid.OVERLAP_FRAMES], old[-grid.OVERLAP_FRAMES :]) > 20


def test_progress_tells_every_step_and_shows_pictures(pipeline: VideoPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "EVERY_S", 0.0)
    seen: list[Progress] = []
    pipeline.generate(REQUEST, seen.append, never)
    assert [p.step for p in seen if p.phase == "denoising"] == [0, 1, 2, 3]
    order = list(dict.fromkeys(p.phase for p in seen))
    assert order == ["loading", "reading the prompt", "denoising", "decoding"]
    strips = [p for p in seen if p.preview]
    assert len(strips) == 3
    width, height = grid.canvas("16:9")
    with Image.open(io.BytesIO(strips[-1].preview or b"")) as strip:
        assert strip.size == (width * strips[-1].preview_frames, height)


@pytest.mark.parametrize("phase", ["reading the prompt", "denoising", "decoding"])
def test_stop_works_in_every_phase_and_leaves_the_pipeline_well(pipeline: VideoPipeline, phase: str) -> None:
    reached: list[str] = []
    with pytest.raises(Stopped):
        pipeline.generate(REQUEST, lambda p: reached.append(p.phase), lambda: phase in reached)
    assert reached[-1] == phase
    assert np.array_equal(make(pipeline).frames, make(pipeline).frames)


def test_pocket_runs_in_plain_diffusers(pocket_dir: Path) -> None:
    """Nothing of the studio is imported: the class that loads the original loads Pocket."""
    program = """
import sys, torch
from diffusers import LTX2ConditionPipeline
pipe = LTX2ConditionPipeline.from_pretrained(sys.argv[1], torch_dtype=torch.bfloat16, local_files_only=True)
made = pipe(prompt="a cat at sea", negative_prompt="", width=128, height=128, num_frames=9, frame_rate=12.0,
            num_inference_steps=2, guidance_scale=3.0, stg_scale=0.0, modality_scale=1.0, guidance_rescale=0.0,
            max_sequence_length=32, output_type="np")
assert made.frames.shape == (1, 9, 128, 128, 3), made.frames.shape
assert made.audio.shape[:2] == (1, 2), made.audio.shape
assert not any(name.split(".")[0] in ("studio", "training") for name in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, pocket_dir], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
