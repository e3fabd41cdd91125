"""What diffusers' video pipelines do unasked, each trap with the guard that keeps a clip out of it."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from studio.domain import Order, Progress, Stopped, StudioError, VideoRequest
from studio.engine import preview, rows
from studio.engine.catalog import Catalog
from studio.engine.device import Plan, cpu_format
from studio.engine.families import Shot, diffusion, wan
from studio.engine.pipeline import FAMILIES, SOUNDING, VideoPipeline
from tests.tiny.checkpoints import CHECKPOINTS, SIDE_PX, save

ON_CPU = Plan("cpu", "bfloat16", "a test")
RED = np.full((SIDE_PX, SIDE_PX, 3), (200, 40, 30), np.uint8)


def go_on() -> Order:
    return "go on"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("tiny")
    return {name: save(name, parent) for name in CHECKPOINTS}


def opened(folders: dict[str, Path], name: str, **changes: Any) -> VideoPipeline:
    """A loaded pipeline whose catalog has this checkpoint alone, its card changed so."""
    card = replace(Catalog.with_own((str(folders[name]),)).card(name), **changes)
    pipeline = VideoPipeline(device="cpu", catalog=Catalog((card,)))
    pipeline.load(name)
    return pipeline


def request(pipeline: VideoPipeline, **changes: Any) -> VideoRequest:
    (card,) = pipeline.catalog.models()
    plain = VideoRequest(
        "a red ball", aspect_ratio="1:1", seconds=0.7, seed=5, num_inference_steps=2, sound=card.has_sound,
        guidance_scale=card.default_guidance, model=card.name,
    )  # fmt: skip
    return replace(plain, **changes)


def forwards(pipeline: VideoPipeline, asked: VideoRequest, **given: Any) -> int:
    """How many latents the transformer works through for this clip, those of one pass counted each."""
    count = 0

    def add(_: Any, __: Any, named: dict[str, Any]) -> None:
        nonlocal count
        count += len(named["hidden_states"])

    hook = pipeline._pipe.transformer.register_forward_pre_hook(add, with_kwargs=True)
    pipeline.generate(asked, lambda _: None, go_on, **given)
    hook.remove()
    return count


def in_bfloat16(folders: dict[str, Path], name: str) -> Any:
    """Its diffusers pipeline in that format, whatever this processor is fastest in."""
    card = Catalog.with_own((str(folders[name]),)).card(name)
    return FAMILIES[card.family].load(card, folders[name], ON_CPU)


@pytest.mark.parametrize("name", ["tiny-ltx-2", "tiny-wan-2.1", "tiny-wan-2.2-ti2v", "tiny-wan-vace"])
def test_a_clip_is_bit_by_bit_what_diffusers_makes(folders: dict[str, Path], name: str) -> None:
    pipeline = opened(folders, name)
    card, asked = pipeline.catalog.card(name), request(pipeline)
    made = pipeline.generate(asked, lambda _: None, go_on)
    formats = {"default": getattr(torch, cpu_format())} | ({"vae": torch.float32} if card.family == "wan" else {})
    plain = getattr(diffusers, card.pipeline).from_pretrained(folders[name], dtype=formats)
    plain.set_progress_bar_config(disable=True)
    rate = {"frame_rate": card.grid.frame_rate} if card.family == "ltx2" else {}
    direct = plain(
        prompt=asked.prompt, negative_prompt="", width=SIDE_PX, height=SIDE_PX, num_frames=len(made.frames),
        num_inference_steps=2, guidance_scale=asked.guidance_scale, output_type="np",
        generator=torch.Generator().manual_seed(asked.seed), **rate, **card.arguments,
    )  # fmt: skip
    assert np.array_equal(made.frames, (direct.frames[0] * 255).round().astype(np.uint8))


def test_another_class_over_the_same_parts_casts_nothing(folders: dict[str, Path]) -> None:
    pipe = in_bfloat16(folders, "tiny-wan-2.2-ti2v")
    before = {name: tensor.dtype for name, tensor in pipe.transformer.named_parameters()}
    twin = diffusion.as_class(pipe, "WanImageToVideoPipeline")
    assert twin.transformer is pipe.transformer
    assert twin.config.expand_timesteps
    assert before == {name: tensor.dtype for name, tensor in pipe.transformer.named_parameters()}
    assert torch.bfloat16 in before.values()
    assert pipe.vae.dtype == torch.float32


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_same_prompt_again_costs_no_pass_of_a_text_encoder(folders: dict[str, Path], name: str) -> None:
    pipeline = opened(folders, name)
    given = {"picture": RED} if CHECKPOINTS[name].abilities[0] != "words" else {}
    asked, read = request(pipeline, num_inference_steps=1), []
    for part, encoder in pipeline._pipe.components.items():
        if part.startswith("text_encoder"):
            encoder.register_forward_pre_hook(lambda *_: read.append(1))
    first = pipeline.denoise(asked, lambda _: None, go_on, **given)
    passes = len(read)
    again = pipeline.denoise(asked, lambda _: None, go_on, **given)
    assert passes == len(read) > 0
    assert torch.equal(first.picture, again.picture)


def test_words_that_were_loaded_as_zeros_are_noticed(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*given: Any, **formats: str) -> Any:
        pipe = load(*given, **formats)
        words = pipe.text_encoder.encoder
        words.embed_tokens.weight = torch.nn.Parameter(torch.zeros_like(words.embed_tokens.weight))
        return pipe

    load = diffusion.load
    monkeypatch.setattr(diffusion, "load", loaded)
    with pytest.raises(StudioError, match=r"words of tiny-wan-2\.1 were not loaded"):
        opened(folders, "tiny-wan-2.1")


def test_what_wans_prompts_are_cleaned_with_is_installed() -> None:
    assert find_spec("ftfy"), "Wan from pictures raises a NameError without it"


def test_a_last_picture_adds_tokens_but_no_frames(folders: dict[str, Path]) -> None:
    pipeline = opened(folders, "tiny-ltx-2")
    asked = request(pipeline)
    plain = pipeline.denoise(asked, lambda _: None, go_on)
    both = pipeline.denoise(asked, lambda _: None, go_on, picture=RED, last_picture=255 - RED)
    assert both.picture.shape[1] > plain.picture.shape[1]
    made = [pipeline.decode(latents, lambda _: None, go_on).frames for latents in (plain, both)]
    assert made[0].shape == made[1].shape


@pytest.mark.parametrize(("guidance", "passes"), [(1.0, 1), (3.0, 2)])
def test_ltx_costs_only_the_guidance_that_was_asked_for(folders: dict[str, Path], guidance: float, passes: int) -> None:
    pipeline = opened(folders, "tiny-ltx-2", arguments={"max_sequence_length": 32, **rows.PLAIN_GUIDANCE})
    assert forwards(pipeline, request(pipeline, guidance_scale=guidance)) == 2 * passes


def test_distilled_steps_are_taken_as_they_are(folders: dict[str, Path]) -> None:
    arguments: dict[str, Any] = rows.LTX_DISTILLED.arguments | {"max_sequence_length": 32}
    pipeline = opened(folders, "tiny-ltx-2", arguments=arguments)
    asked = request(pipeline, num_inference_steps=8, guidance_scale=1.0)
    assert forwards(pipeline, asked) == 8
    sigmas = pipeline._pipe.scheduler.sigmas
    assert sigmas.tolist() == pytest.approx([*arguments["sigmas"], 0.0])
    assert not pipeline._pipe.scheduler.config.use_dynamic_shifting


@pytest.mark.parametrize("name", ["tiny-ltx-2", "tiny-kandinsky-6"])
def test_sound_has_the_rate_of_its_own_model_and_two_sides(folders: dict[str, Path], name: str) -> None:
    pipeline = opened(folders, name)
    made = pipeline.generate(request(pipeline), lambda _: None, go_on)
    assert made.sampling_rate == 16_000
    assert made.sound is not None
    assert made.sound.shape == (2, round(len(made.frames) / made.frame_rate * 16_000))


@pytest.mark.parametrize(
    "name", ["tiny-ltx-2", "tiny-wan-2.1", "tiny-hunyuan-1.5", "tiny-kandinsky-6", "tiny-cogvideox"]
)
def test_a_large_model_decodes_in_tiles(folders: dict[str, Path], name: str) -> None:
    card = Catalog.with_own((str(folders[name]),)).card(name)
    pipe = FAMILIES[card.family].load(card, card.source, replace(ON_CPU, is_tiled=True))
    assert pipe.vae.use_tiling
    assert pipe.vae.use_framewise_decoding if name == "tiny-ltx-2" else True


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_stopped_while_denoising_nothing_is_decoded(
    folders: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "EVERY_S", 1e9)
    pipeline = opened(folders, name)
    given = {"picture": RED} if CHECKPOINTS[name].abilities[0] != "words" else {}
    calls: list[int] = []
    hook = pipeline._pipe.vae.decoder.register_forward_pre_hook(lambda *_: calls.append(1))
    seen: list[Progress] = []
    with pytest.raises(Stopped):
        pipeline.generate(
            request(pipeline), seen.append, lambda: "stop" if any(p.step for p in seen) else "go on", **given
        )
    hook.remove()
    assert calls == []
    assert [p.step for p in seen if p.phase == "denoising"][-1] == 1


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_what_is_kept_is_what_the_last_step_showed(
    folders: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "EVERY_S", 1e9)
    pipeline = opened(folders, name)
    given = {"picture": RED} if CHECKPOINTS[name].abilities[0] != "words" else {}
    seen: list[Progress] = []
    family = FAMILIES[pipeline.catalog.card(name).family]
    shown: list[Any] = []
    unpack = family.unpack
    asked = request(pipeline, num_inference_steps=4)
    monkeypatch.setattr(preview.Previewer, "is_due", lambda _: True)
    monkeypatch.setattr(preview.Previewer, "strip", lambda _, latents: shown.append(latents) or b"")
    kept = pipeline.denoise(asked, seen.append, lambda: "keep" if any(p.step == 2 for p in seen) else "go on", **given)
    assert kept.steps_done == 2
    shot = Shot(pipeline.catalog.card(name), asked, kept.num_frames)
    assert torch.allclose(unpack(pipeline._pipe, shot, kept.picture).float(), shown[-1].float(), atol=1e-2)
    assert pipeline.decode(kept, lambda _: None, go_on).frames.shape[0] == kept.num_frames


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_preview_is_four_small_pictures(
    folders: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large clip: projected, since to decode it would take seconds."""
    monkeypatch.setattr(preview, "EVERY_S", 0.0)
    monkeypatch.setattr(preview, "MAX_DECODED_PX", 0)
    pipeline = opened(folders, name)
    given = {"picture": RED} if CHECKPOINTS[name].abilities[0] != "words" else {}
    seen: list[Progress] = []
    pipeline.denoise(request(pipeline), seen.append, go_on, **given)
    strips = [p for p in seen if p.preview]
    assert [p.step for p in strips] == [1, 2]
    assert all(p.preview_frames == preview.FRAMES for p in strips)


def test_the_same_seed_is_the_same_noise_in_every_number_format(folders: dict[str, Path]) -> None:
    pipe = in_bfloat16(folders, "tiny-cogvideox")
    drawn = diffusion.noise(pipe, torch.Generator().manual_seed(1), 1, 4, 3, 8, 8)
    assert drawn.dtype == torch.bfloat16
    assert torch.equal(drawn, torch.randn(1, 4, 3, 8, 8, generator=torch.Generator().manual_seed(1)).bfloat16())


def test_given_pictures_stand_in_the_preview_of_wan(folders: dict[str, Path]) -> None:
    pipeline = opened(folders, "tiny-wan-2.2-ti2v")
    shot = Shot(pipeline.catalog.card("tiny-wan-2.2-ti2v"), request(pipeline), 9, RED[None])
    pipe = pipeline._pipe
    noise = torch.randn(1, 48, *shot.latents)
    shown = wan.unpack(pipe, shot, wan._given(pipe, shot)(noise))
    assert torch.allclose(shown[:, :, :1], diffusion.encode(pipe, RED[None]), atol=1e-4)
    assert torch.equal(shown[:, :, 1:], wan.unpack(pipe, shot, noise)[:, :, 1:])


def said(pipeline: VideoPipeline, **changes: Any) -> list[str]:
    """What the pipeline reads for this clip, with a picture where it can't do without."""
    read: list[str] = []
    pipe, (card,) = pipeline._pipe, pipeline.catalog.models()
    encode = pipe.encode_prompt
    pipe.encode_prompt = lambda *given, **named: (read.append(named["negative_prompt"]), encode(*given, **named))[1]
    pipeline.denoise(request(pipeline, guidance_scale=3.0, **changes), lambda _: None, go_on)
    assert card.has_negative_prompt
    return read


def test_who_has_no_negative_prompt_gets_the_makers(folders: dict[str, Path]) -> None:
    unwanted = {"negative_prompt": "ugly, says who made it"}
    pipeline = opened(folders, "tiny-wan-2.1", arguments=CHECKPOINTS["tiny-wan-2.1"].arguments | unwanted)
    assert said(pipeline) == ["ugly, says who made it"]
    assert said(pipeline, negative_prompt="blue") == ["blue"]
    for card in (rows.LTX, rows.WAN_21, rows.WAN_22, rows.WAN_VACE):
        assert card.arguments["negative_prompt"]


@pytest.mark.parametrize(("given", "shift"), [({}, 8.0), ({"picture": RED}, 5.0)])
def test_skyreels_noise_goes_by_its_makers_shift(folders: dict[str, Path], given: dict[str, Any], shift: float) -> None:
    pipeline = opened(folders, "tiny-skyreels-df")
    pipeline._pipe.scheduler.register_to_config(flow_shift=1.0)  # as the real checkpoint has it
    pipeline.denoise(request(pipeline), lambda _: None, go_on, **given)
    assert {copy.config["flow_shift"] for copy in pipeline._pipe.scheduler.copies} == {shift}


def test_families_with_sound_can_be_heard() -> None:
    for card in rows.ROWS:
        assert card.has_sound == (card.family in SOUNDING)
