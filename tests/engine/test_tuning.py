"""Step caches, attention backends and compiled blocks: they run where they claim to, and leave nothing behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config

from studio.domain import Order, Progress, Stopped, StudioError, VideoRequest
from studio.engine import rows
from studio.engine.catalog import Catalog
from studio.engine.families.hunyuan15 import mask_of_keys
from studio.engine.memory import experts
from studio.engine.pipeline import VideoPipeline
from studio.engine.tuning import NO_COMPILER, Tuning, step_cache
from studio.service import Studio
from studio.settings import ATTENTIONS, Settings
from tests.tiny.checkpoints import save

ONE_OF_EACH = (
    "tiny-ltx-2", "tiny-wan-2.2-ti2v", "tiny-wan-2.2-t2v-a14b", "tiny-hunyuan-1.5", "tiny-skyreels-df",
    "tiny-cogvideox",
)  # fmt: skip


def go_on() -> Order:
    return "go on"


def opened(folder: Path, name: str, **given: Any) -> tuple[VideoPipeline, VideoRequest]:
    catalog = Catalog.with_own((str(save(name, folder)),))
    card = catalog.card(name)
    pipeline = VideoPipeline(device="cpu", catalog=catalog, **given)
    pipeline.load(name)
    return pipeline, VideoRequest(
        "a red ball", aspect_ratio="1:1", seconds=0.7, seed=5, num_inference_steps=5, sound=card.has_sound,
        guidance_scale=card.default_guidance, model=name,
    )  # fmt: skip


def is_alike(clip: torch.Tensor, other: torch.Tensor) -> bool:
    """Up to what sums in another order come to in bfloat16, with chance's weights and much guidance."""
    return bool((clip - other).abs().mean() < 0.03 * other.abs().mean())


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_step_cache_skips_steps_and_is_gone_afterwards(tmp_path: Path, name: str) -> None:
    pipeline, plain = opened(tmp_path, name)
    transformer = pipeline._pipe.transformer
    worked: list[int] = []
    # What is inside of the last block works only where the block itself is not skipped. Of two, the second works more.
    transformer = getattr(pipeline._pipe, "transformer_2", None) or transformer
    last = getattr(transformer, "blocks", None) or transformer.transformer_blocks
    inside = next(module for module in last[-1].modules() if isinstance(module, torch.nn.Linear))
    inside.register_forward_hook(lambda *_: worked.append(1))

    def made(request: VideoRequest) -> tuple[torch.Tensor, int]:
        worked.clear()
        return pipeline.denoise(request, lambda _: None, go_on).picture, len(worked)

    whole, all_of_them = made(plain)
    # So wide that even few steps are alike; a visitor's request is refused that.
    cached = replace(plain, step_cache=0.9)
    quick, fewer = made(cached)
    assert fewer < all_of_them
    assert not torch.equal(quick, whole)
    seen: list[Progress] = []
    with pytest.raises(Stopped):
        pipeline.denoise(
            replace(cached, seconds=1.0), seen.append, lambda: "stop" if any(p.step == 2 for p in seen) else "go on"
        )
    assert torch.equal(made(plain)[0], whole)


def test_under_twenty_steps_and_where_it_can_t_be_it_is_refused() -> None:
    def refused(card: rows.ModelCard, **changes: Any) -> str:
        asked = VideoRequest("a cat", step_cache=0.1, sound=card.has_sound, guidance_scale=2.0, seconds=2.0, **changes)
        with pytest.raises(StudioError) as raised:
            replace(asked, aspect_ratio=card.limits.aspect_ratios[0]).check(card)
        return str(raised.value)

    assert refused(rows.POCKET, num_inference_steps=19) == (
        "The number of steps with a step cache must be a whole number from 20 to 50; 19 is outside."
    )
    assert "can't skip steps" in refused(rows.KANDINSKY, num_inference_steps=30)
    assert "can't skip steps" in refused(rows.WAN_VACE, num_inference_steps=30)
    with pytest.raises(StudioError, match=r"step cache must be a number from 0 to 0\.5; 0\.6 is outside"):
        VideoRequest("a cat", step_cache=0.6, num_inference_steps=20).check(rows.POCKET)
    VideoRequest("a cat", step_cache=0.1, num_inference_steps=20).check(rows.POCKET)


def test_every_backend_is_one_of_diffusers_and_gives_alike_clips(tmp_path: Path) -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName  # slow to import

    assert set(ATTENTIONS) - {"auto"} <= {backend.value for backend in AttentionBackendName}
    pipeline, asked = opened(tmp_path, "tiny-wan-2.2-ti2v")
    plain = pipeline.denoise(replace(asked, num_inference_steps=2), lambda _: None, go_on).picture
    other, _ = opened(tmp_path, "tiny-wan-2.2-ti2v", tuning=Tuning("_native_math"))
    clip = other.denoise(replace(asked, num_inference_steps=2), lambda _: None, go_on).picture
    assert is_alike(clip, plain)
    with pytest.raises(StudioError, match=r"^ATTENTION=sage does not work here: .+\.$"):
        opened(tmp_path, "tiny-wan-2.2-ti2v", tuning=Tuning("sage"))


@pytest.mark.parametrize("name", ["tiny-ltx-2", "tiny-hunyuan-1.5"])
def test_whose_attention_has_a_mask_is_spared_a_backend_that_takes_none(tmp_path: Path, name: str) -> None:
    flash = Tuning("_native_flash")
    opened(tmp_path, "tiny-wan-2.2-ti2v", tuning=flash)  # whose backend becomes everybody's
    pipeline, asked = opened(tmp_path, name, tuning=flash)
    assert pipeline.plan
    assert "by torch's own backend, since _native_flash takes no mask" in pipeline.plan.reason
    assert torch.isfinite(pipeline.denoise(asked, lambda _: None, go_on).picture).all()


def test_hunyuan_makes_the_same_with_a_mask_of_keys_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.models import attention_dispatch  # slow to import
    from diffusers.models.transformers import transformer_hunyuan_video15 as theirs  # the same

    pipeline, asked = opened(tmp_path, "tiny-hunyuan-1.5")
    blocks = pipeline._pipe.transformer.transformer_blocks
    masks: list[tuple[int, ...]] = []
    dispatch = attention_dispatch.dispatch_attention_fn

    def watched(*given: Any, attn_mask: torch.Tensor, **named: Any) -> torch.Tensor:
        masks.append(tuple(attn_mask.shape))
        return dispatch(*given, attn_mask=attn_mask, **named)

    for module in (attention_dispatch, theirs):
        monkeypatch.setattr(module, "dispatch_attention_fn", watched)

    def made(processor: Callable[[], Any]) -> tuple[torch.Tensor, set[int]]:
        for block in blocks:
            block.attn.set_processor(processor())
        masks.clear()
        picture = pipeline.denoise(asked, lambda _: None, go_on).picture
        longest = max(mask[3] for mask in masks)
        return picture, {mask[2] for mask in masks if mask[3] == longest}

    (clip, queries), (their_clip, their_queries) = made(mask_of_keys), made(theirs.HunyuanVideo15AttnProcessor2_0)
    assert torch.equal(clip, their_clip)
    assert queries == {1}
    assert min(their_queries) > 1


def test_a_step_cache_is_of_both_of_wans_experts(tmp_path: Path) -> None:
    pipeline, _ = opened(tmp_path, "tiny-wan-2.2-t2v-a14b")
    both = experts(pipeline._pipe)
    assert len(both) == 2
    with step_cache(pipeline._pipe, 0.2):
        assert [one.is_cache_enabled for one in both] == [True, True]
    assert [one.is_cache_enabled for one in both] == [False, False]


def test_compiled_blocks_make_the_same_film_of_any_size_and_stop(tmp_path: Path) -> None:
    """With the smallest family: torch takes minutes for Pocket's blocks, and `make families` has all the others."""
    if shutil.which("g++") is None:
        with pytest.raises(StudioError, match=re.escape(NO_COMPILER)):
            opened(tmp_path, "tiny-wan-2.1", tuning=Tuning(compiles=True))
        return
    plain, asked = opened(tmp_path, "tiny-wan-2.1")
    compiled, _ = opened(tmp_path, "tiny-wan-2.1", tuning=Tuning(compiles=True))
    # Long enough that no two of its sizes are the same by chance, which torch would rely on.
    asked = replace(asked, num_inference_steps=3, seconds=1.4)
    assert compiled.plan
    assert "blocks are compiled" in compiled.plan.reason

    def made(by: VideoPipeline, **changes: Any) -> torch.Tensor:
        return by.denoise(replace(asked, **changes), lambda _: None, go_on).picture

    first = made(compiled)
    assert is_alike(first, made(plain))
    assert not torch.equal(first, made(plain)), "they add up in another order, so they can't be the very same"
    graphs = counters["stats"]["unique_graphs"]
    longer = {"seconds": 2.1}
    assert is_alike(made(compiled, **longer), made(plain, **longer))
    assert counters["stats"]["unique_graphs"] == graphs, "another size was compiled anew"
    assert not counters["graph_break"]

    blocks = compiled._pipe.transformer.blocks
    begun = dict.fromkeys(range(len(blocks)), 0)
    for at in begun:
        blocks[at].register_forward_pre_hook(lambda *_, at=at: begun.update({at: begun[at] + 1}))
    with pytest.raises(Stopped):
        compiled.denoise(asked, lambda _: None, lambda: "stop" if begun[0] == 2 else "go on")
    assert begun[1] < begun[0] == 2, "Stop waits for no step to end"
    assert torch.equal(made(compiled), first)


def test_where_blocks_can_t_be_compiled_it_is_said(tmp_path: Path) -> None:
    pipeline, asked = opened(tmp_path, "tiny-cogvideox", tuning=Tuning(compiles=True))
    assert pipeline.plan
    assert pipeline.plan.reason.endswith(
        "its blocks are not compiled, since diffusers names none of CogVideoXTransformer3DModel that could be."
    )
    pipeline.denoise(replace(asked, num_inference_steps=1), lambda _: None, go_on)
    with config.patch({"cpp.cxx": ("no-such-compiler",)}), pytest.raises(StudioError, match=re.escape(NO_COMPILER)):
        opened(tmp_path, "tiny-wan-2.1", tuning=Tuning(compiles=True))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engine": "zero"}, "COMPILE can't be used with ENGINE=zero: a ZeroGPU Space does not run torch.compile"),
        ({"memory_plan": "fp8"}, "COMPILE can't be used with a MEMORY_PLAN that works inside of the blocks"),
        ({"loras": ("ink.safetensors",)}, "COMPILE can't be used with LORAS"),
        ({"engine": "ray", "worker_gpus": 2}, "can't be used with WORKER_GPUS above 1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_at_the_start(given: dict[str, Any], said: str) -> None:
    with pytest.raises(StudioError, match=said):
        Studio.open(Settings(compiles=True, **given))
