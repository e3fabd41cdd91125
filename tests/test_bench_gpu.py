"""The GPU's benchmark without a GPU: real sizes that take no memory, and the whole of it on models of a fly's size."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from studio import bench_gpu
from studio.bench_gpu import Measured, Report
from studio.bench_sizes import MODELS, Model
from studio.domain import VideoRequest
from studio.engine import rows
from studio.engine.catalog import Catalog
from studio.engine.checkpoint import card_of
from studio.engine.pipeline import VideoPipeline
from tests.conftest import ROOT
from tests.tiny import pipelines
from tests.tiny.checkpoints import save

TINY = {
    "LTX-2": "tiny-ltx-2",
    "Wan 2.1 1.3B": "tiny-wan-2.1",
    "Wan 2.2 5B": "tiny-wan-2.2-ti2v",
    "Wan VACE 1.3B": "tiny-wan-vace",
    "Kandinsky 6 Lite": "tiny-kandinsky-6",
    "HunyuanVideo 1.5": "tiny-hunyuan-1.5",
    "SkyReels V2 DF 1.3B": "tiny-skyreels-df",
    "CogVideoX 2B": "tiny-cogvideox",
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.title)
def test_a_model_of_real_size_has_the_weights_that_its_makers_say(model: Model) -> None:
    weights = bench_gpu.count(bench_gpu.build(model.transformer, model.sizes, "meta")) / 1e9
    assert 0.8 * model.params < weights < 1.25 * model.params


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.title)
def test_a_pass_is_given_what_the_pipeline_gives(model: Model, tmp_path: Any) -> None:
    """The same arguments of as many dimensions; batches, words and sound are as long as they are."""
    card = card_of(str(save(TINY[model.title], tmp_path)))
    pipeline = VideoPipeline(device="cpu", catalog=Catalog((card,)))
    pipeline.load(card.name)
    seen: list[dict[str, Any]] = []
    hook = pipeline._pipe.transformer.register_forward_pre_hook(
        lambda _, __, named: seen.append(named), with_kwargs=True
    )
    request = VideoRequest(
        "a cat", aspect_ratio="1:1", seconds=0.7, seed=1, num_inference_steps=1, sound=card.has_sound, model=card.name,
    )  # fmt: skip
    latents = pipeline.denoise(request, lambda _: None, lambda: "go on")
    hook.remove()
    small = replace(model, card=replace(card, default_seconds=0.7))
    assert small.num_frames == latents.num_frames
    given = bench_gpu.arguments(small, pipeline._pipe.transformer, "cpu")
    real = {name: value for name, value in seen[0].items() if name in given}
    assert given.keys() == real.keys()
    assert given["hidden_states"].shape[1:] == real["hidden_states"].shape[1:]
    for name, value in given.items():
        if isinstance(value, torch.Tensor):
            assert (value.ndim, value.shape[2:]) == (real[name].ndim, real[name].shape[2:]), name
    with torch.no_grad():
        pipeline._pipe.transformer.to(torch.bfloat16)(**given, return_dict=False)


def test_operations_are_counted_and_told_in_a_table() -> None:
    layer = torch.nn.Linear(8, 16)
    assert bench_gpu.flops_of(lambda: layer(torch.zeros(3, 8))) == 2 * 3 * 8 * 16
    wan = next(model for model in MODELS if model.card is rows.WAN_21)
    ways = (Measured("as it is", 2.0, 1e12, 5 * 10**9), Measured("weights in fp8", note="RuntimeError: no such kernel"))
    told = bench_gpu.table([Report(wan, 1_400_000_000, ways, Measured("decoding", 3.0, 0, 10**9))], rate=1e12)
    assert "| Wan 2.1 1.3B | 1.4 B | 832 x 480, 81 frames | as it is | 4 | 2 | 50% | 5.0 GB |" in told
    assert "| weights in fp8 | did not run: RuntimeError: no such kernel | | | |" in told
    assert "| decoding | 3 in all | | | 1.0 GB |" in told
    assert {line.count("|") for line in told.splitlines()} == {9}


def test_all_of_it_runs_on_a_model_of_a_flys_size() -> None:
    config = dict(pipelines.wan_21().transformer.config)
    sizes = {name: value for name, value in config.items() if not name.startswith("_")}
    vae = {"base_dim": 3, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1, "temperal_downsample": [False, True, True]}
    card = replace(rows.WAN_21, default_seconds=0.5, grid=replace(rows.WAN_21.grid, sizes={"1:1": (32, 32)}))
    tiny = next(model for model in MODELS if model.card is rows.WAN_21)
    tiny = replace(tiny, card=card, sizes=sizes, autoencoder_sizes=vae)
    ways = "as it is", "STEP_CACHE, a skipped step", "weights in fp8", "ATTENTION=sage"
    report = bench_gpu.report_of(tiny, "cpu", ways)
    *ran, sage = report.ways
    assert [one.note for one in (*ran, report.decoder)] == [""] * 4
    assert sage.note.startswith("StudioError: ATTENTION=sage does not work here: ")
    assert ran[0].flops > 0
    assert all(one.seconds > 0 for one in (*ran, report.decoder))
    assert "TFLOP a step" in bench_gpu.counted([tiny])


def test_of_a_skipped_step_only_the_first_block_works() -> None:
    transformer = pipelines.wan_21().transformer.eval()

    def run() -> int:
        latents, words = torch.randn(1, 16, 2, 4, 4), torch.randn(1, 5, transformer.config.text_dim)
        with transformer.cache_context("cond"):
            return bench_gpu.flops_of(lambda: transformer(latents, torch.tensor([500.0]), words, return_dict=False))

    whole = run()
    bench_gpu.skip_steps(transformer, "cpu")
    assert run() == whole
    assert run() < 0.7 * whole, "one block of three, and what is around them"


def test_without_a_gpu_it_says_so() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "studio.bench_gpu"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": "", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr.strip()) == (1, "", bench_gpu.NO_GPU)
