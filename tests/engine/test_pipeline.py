"""The real Pocket at few steps: the same seed, the first frame, extension, preview, Stop, and stop and keep."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.domain import ASPECT_RATIOS, Order, Orders, Progress, Stopped, StudioError, VideoRequest
from studio.engine import attention, device, grid, preview, rows
from studio.engine.pipeline import Generated, VideoPipeline

REQUEST = VideoRequest("a cat walks to the right in the snow", seconds=1.0, seed=3, num_inference_steps=3)


def go_on() -> Order:
    return "go on"


def make(pipeline: VideoPipeline, request: VideoRequest = REQUEST, **given: np.ndarray) -> Generated:
    return pipeline.generate(request, lambda _: None, go_on, **given)


def after(seen: list[Progress], phase: str, step: int, order: Order) -> Orders:
    """Gives `order` once the run has reported this step of this phase."""
    return lambda: order if any(p.phase == phase and p.step >= step for p in seen) else "go on"


def kept(pipeline: VideoPipeline, phase: str, step: int, request: VideoRequest = REQUEST, **given: np.ndarray):
    seen: list[Progress] = []
    made = pipeline.generate(request, seen.append, after(seen, phase, step, "keep"), **given)
    return made, seen


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_one_model_makes_every_shape(pipeline: VideoPipeline, ratio: str) -> None:
    made = make(pipeline, replace(REQUEST, aspect_ratio=ratio, num_inference_steps=1))
    width, height = grid.size(grid.POCKET, ratio)
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
    guided = make(pipeline, replace(REQUEST, guidance_scale=3.0)).frames.astype(int)
    assert np.abs(first - guided).mean() > 0.5
    away = make(pipeline, replace(REQUEST, guidance_scale=3.0, negative_prompt="snow")).frames
    assert np.abs(guided - away).mean() > 0.5


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
    made = make(pipeline, history=old[-grid.POCKET.overlap_frames :])
    assert len(made.frames) == grid.POCKET.overlap_frames + grid.num_frames(grid.POCKET, 1.0) - 1
    assert psnr(made.frames[: grid.POCKET.overlap_frames], old[-grid.POCKET.overlap_frames :]) > 20


def test_progress_tells_every_step_and_shows_pictures(pipeline: VideoPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "EVERY_S", 0.0)
    seen: list[Progress] = []
    pipeline.generate(REQUEST, seen.append, go_on)
    assert [p.step for p in seen if p.phase == "denoising"] == [0, 1, 2, 3]
    order = list(dict.fromkeys(p.phase for p in seen))
    assert order == ["loading", "reading the prompt", "denoising", "decoding"]
    strips = [p for p in seen if p.preview]
    assert len(strips) == 3
    width, height = grid.canvas(grid.POCKET, "16:9")
    with Image.open(io.BytesIO(strips[-1].preview or b"")) as strip:
        assert strip.size == (width * strips[-1].preview_frames, height)


@pytest.mark.parametrize("phase", ["reading the prompt", "denoising", "decoding"])
def test_stop_works_in_every_phase_and_leaves_the_pipeline_well(pipeline: VideoPipeline, phase: str) -> None:
    before = make(pipeline).frames
    seen: list[Progress] = []
    with pytest.raises(Stopped):
        pipeline.generate(REQUEST, seen.append, after(seen, phase, 0, "stop"))
    assert seen[-1].phase == phase
    assert np.array_equal(make(pipeline).frames, before)


def test_it_makes_what_diffusers_makes(pipeline: VideoPipeline, pocket_dir: Path) -> None:
    import torch  # slow to import, so only in the tests that need it
    from diffusers import LTX2ConditionPipeline
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    with warnings.catch_warnings():  # older and newer versions name the number format differently
        warnings.simplefilter("ignore")
        wanted = getattr(torch, device.cpu_format())
        plain = LTX2ConditionPipeline.from_pretrained(pocket_dir, torch_dtype=wanted, local_files_only=True)
    plain.set_progress_bar_config(disable=True)
    attention.use_on_cpu(plain.transformer, plain.connectors)
    # What the last step leaves is reckoned from the flow in one go here and by a difference there: bfloat16 rounds
    # that away, in float32 one pixel in 50,000 is a level of 255 off.
    levels = 0 if wanted == torch.bfloat16 else 1
    picture = make(pipeline, replace(REQUEST, seed=8, num_inference_steps=1)).frames[5]
    for given in ({}, {"picture": picture}):
        opening = [LTX2VideoCondition(frames=picture[None], index=0, strength=1.0, crf=0)] if given else None
        direct = plain(
            conditions=opening, prompt=REQUEST.prompt, negative_prompt="", width=224, height=128, num_frames=13,
            frame_rate=12.0, num_inference_steps=3, guidance_scale=REQUEST.guidance_scale,
            generator=torch.Generator("cpu").manual_seed(REQUEST.seed), output_type="np",
            max_sequence_length=rows.POCKET.arguments["max_sequence_length"], **rows.PLAIN_GUIDANCE,
        )  # fmt: skip
        made = make(pipeline, **given)
        assert made.sound is not None
        frames = (direct.frames[0] * 255).round().astype(int)
        assert np.abs(made.frames - frames).max() <= levels
        assert (made.frames != frames).mean() <= levels * 1e-3
        sound = direct.audio[0].float().numpy()
        assert np.abs(made.sound[:, : sound.shape[1]] - sound[:, : made.sound.shape[1]]).max() <= levels * 1e-4


@pytest.mark.parametrize("phase", ["reading the prompt", "denoising"])
def test_keep_before_the_first_step_keeps_the_first_step(pipeline: VideoPipeline, phase: str) -> None:
    made, seen = kept(pipeline, phase, 0)
    assert made.steps_done == 1
    assert made.frames.shape == (13, 128, 224, 3)
    assert [p.step for p in seen if p.phase == "denoising"] == [0, 1]
    assert seen[-1] == Progress("decoding", 1, 3)


def test_what_the_preview_shows_is_what_is_kept(pipeline: VideoPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The strip decodes each still alone, so it is no more than alike; the latents before and after are not."""
    monkeypatch.setattr(preview, "EVERY_S", 0.0)
    calm = make(pipeline)
    made, seen = kept(pipeline, "denoising", 2)
    assert made.steps_done == 2
    with Image.open(io.BytesIO(seen[-2].preview or b"")) as strip:
        shown = np.asarray(strip).reshape(128, preview.FRAMES, 224, 3)[:, 0]
    assert psnr(made.frames[0], shown) > 25
    assert psnr(made.frames[0], shown) > psnr(calm.frames[0], shown)
    assert 15 < psnr(made.frames, calm.frames) < 60
    assert np.array_equal(make(pipeline).frames, calm.frames), "the pipeline is well afterwards"


def test_a_preview_that_fails_costs_no_clip(
    pipeline: VideoPipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("no memory for a picture")

    monkeypatch.setattr(preview, "EVERY_S", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(preview.Previewer, "strip", fail)
        seen: list[Progress] = []
        made = pipeline.generate(REQUEST, seen.append, go_on)
    assert not any(p.preview for p in seen)
    assert [record.message for record in caplog.records].count("no preview") == 1
    assert np.array_equal(made.frames, make(pipeline).frames)


def test_a_kept_clip_begins_with_its_picture(pipeline: VideoPipeline) -> None:
    scene = make(pipeline, replace(REQUEST, prompt="a fire truck in the desert", seed=8)).frames[5]
    whole, (made, _) = make(pipeline, picture=scene), kept(pipeline, "denoising", 1, picture=scene)
    assert made.steps_done == 1
    assert psnr(made.frames[0], scene) > psnr(whole.frames[0], scene) - 3


def test_keep_while_decoding_lets_it_finish(pipeline: VideoPipeline) -> None:
    made, _ = kept(pipeline, "decoding", 0)
    assert made.steps_done == 3
    assert np.array_equal(made.frames, make(pipeline).frames)


def test_values_that_are_no_numbers_are_told(pipeline: VideoPipeline) -> None:
    assert make(pipeline, replace(REQUEST, num_inference_steps=1)).is_finite
    wild = make(pipeline, replace(REQUEST, num_inference_steps=1, guidance_scale=1e38))
    assert not wild.is_finite
    assert wild.sound is not None
    assert np.isfinite(wild.sound).all()


def test_pocket_runs_in_plain_diffusers(pocket_dir: Path) -> None:
    """As the model card tells it. Nothing of the studio is imported: the class that loads the original loads Pocket."""
    card = (pocket_dir / "README.md").read_text(encoding="utf-8")
    told = card.split("```python\n")[1].split("```")[0].replace("assets/pocket", str(pocket_dir))
    watched = """
import sys
passes = []
pipe.transformer.register_forward_hook(lambda *_: passes.append(1))
"""
    looked_at = """
assert len(passes) == 4, passes
assert (len(clip.frames[0]), clip.frames[0][0].size) == (25, (224, 128))
assert clip.audio.shape[:2] == (1, 2), clip.audio.shape
assert not any(name.split(".")[0] in ("studio", "training") for name in sys.modules)
"""
    told = told.replace("dtype=torch.bfloat16", f"dtype=torch.{device.cpu_format()}").replace(
        "clip =", watched + "clip ="
    )
    done = subprocess.run(
        [sys.executable, "-c", told + looked_at], cwd="/", capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
