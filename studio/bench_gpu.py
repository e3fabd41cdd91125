"""`make bench-gpu`: what the big models cost on this machine's GPU, at their real size and with weights by chance.

Speed and memory need no trained weights. Each model's transformer is built without memory, filled on the card and
timed, as it is, with each of the studio's settings that promise speed, and with what its plans for little memory do. So
is its autoencoder. Writes the table to BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio import bench_sizes
from studio.bench_sizes import Model
from studio.domain import StudioError
from studio.engine import tuning

BENCHMARKS = Path(__file__).resolve().parent.parent / "BENCHMARKS.md"
NO_GPU = "make bench-gpu needs an NVIDIA GPU that torch can use; this machine has none, and nothing was measured."
MARK = "<!-- below: written by make bench-gpu -->"
RUNS = 3
GB = 10**9


@dataclass(frozen=True)
class Measured:
    """One pass of a transformer: seconds, floating point operations, bytes at most; `note` where it did not run."""

    way: str
    seconds: float = 0.0
    flops: float = 0.0
    memory_bytes: int = 0
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What was measured of one model. `params` are its weights' count; the decoder's numbers are of a whole clip."""

    model: Model
    params: int
    ways: tuple[Measured, ...]
    decoder: Measured


def attend(backend: str) -> Callable[[Any, str], None]:
    return lambda transformer, _: tuning.use_backend(transformer, backend)


def compile_blocks(transformer: Any, device: str) -> None:
    said = tuning.compile_blocks(transformer, device)
    if "not compiled" in said:
        raise StudioError(said)


def skip_steps(transformer: Any, _: str) -> None:
    """After the first pass every step is alike: what is timed is one that is skipped, how many are is up to weights."""
    if not hasattr(transformer, "enable_cache"):
        raise StudioError("diffusers has no step cache for it")
    tuning.enable_cache(transformer, threshold=1e9)


def keep_in_fp8(transformer: Any, _: str) -> None:
    import torch  # slow to import, so it waits until a model is built

    transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)


def offload_groups(transformer: Any, device: str) -> None:
    import torch  # slow to import, so it waits until a model is built

    transformer.enable_group_offload(
        onload_device=torch.device(device), offload_type="block_level", num_blocks_per_group=1, use_stream=True
    )


PLAIN = "as it is"
BACKENDS = "_native_cudnn", "flex", "flash", "_flash_3", "sage"
ACCELERATORS: dict[str, Callable[[Any, str], None]] = {
    PLAIN: lambda *_: None,
    **{f"ATTENTION={name}": attend(name) for name in BACKENDS},
    "COMPILE=1": compile_blocks,
    "STEP_CACHE, a skipped step": skip_steps,
    "weights in fp8": keep_in_fp8,
    "blocks come by turns": offload_groups,
}


def build(kind: str, sizes: dict[str, Any], device: str, dtype: str = "bfloat16") -> Any:
    """The class `kind` of diffusers with weights by chance, in torch's `dtype`; on the device `meta` it has none."""
    import diffusers  # slow to import, so it waits until a model is built
    import torch

    with torch.device("meta"):
        made = getattr(diffusers, kind)(**sizes).to(getattr(torch, dtype)).eval()
    if device == "meta":
        return made
    made.to_empty(device=device)
    for tensor in (*made.parameters(), *made.buffers()):
        if tensor.is_floating_point():
            tensor.data.normal_(0, 0.02)
        else:
            tensor.data.zero_()
    return made


def count(module: Any) -> int:
    return sum(tensor.numel() for tensor in module.parameters())


def arguments(model: Model, transformer: Any, device: str) -> dict[str, Any]:
    """What one pass of the transformer is given for a clip of the row's default length."""
    import torch  # slow to import, so it waits until a model is built

    def filled(name: str, shape: Any) -> Any:
        if not isinstance(shape, tuple):
            return shape
        if "mask" in name:
            return torch.ones(shape, dtype=torch.bool, device=device)
        if "timestep" in name:
            return torch.full(shape, 500.0, dtype=torch.bfloat16, device=device)
        return torch.randn(shape, dtype=torch.bfloat16, device=device)

    shapes = model.inputs(dict(transformer.config), model.latents, model.card.default_seconds)
    return {name: filled(name, shape) for name, shape in shapes.items()}


def flops_of(run: Callable[[], Any]) -> int:
    """Floating point operations of the matrix products and convolutions in it, also where nothing is computed."""
    import torch  # slow to import, so it waits until a model is built
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def measure(way: str, run: Callable[[], Any], device: str) -> Measured:
    """Once to warm up, then RUNS times: the median counts."""
    import torch  # slow to import, so it waits until a model is built

    is_cuda = device != "cpu"
    with torch.no_grad():
        run()
        if is_cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        taken = [_timed(run, is_cuda) for _ in range(RUNS)]
        memory = torch.cuda.max_memory_allocated() if is_cuda else 0
        flops = flops_of(run) if way == PLAIN else 0
    return Measured(way, statistics.median(taken), flops, memory)


def tried(way: str, work: Callable[[], Measured]) -> Measured:
    """What `work` measures. That a card lacks a kernel, a package or the memory for it is a finding, and is said."""
    try:
        return work()
    except (StudioError, RuntimeError, ValueError, ImportError) as error:
        return Measured(way, note=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:80]}")


def _timed(run: Callable[[], Any], is_cuda: bool) -> float:
    import torch  # slow to import, so it waits until a model is built

    began_s = time.perf_counter()
    run()
    if is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began_s


def bf16_rate(device: str, side: int = 8192) -> float:
    """Floating point operations a second of this device's own matrix product, the measure of all others."""
    import torch  # slow to import, so it waits until a model is built

    left, right = (torch.randn(side, side, dtype=torch.bfloat16, device=device) for _ in range(2))
    return 2 * side**3 / measure("matrices", lambda: left @ right, device).seconds


def report_of(model: Model, device: str, ways: Iterable[str] = ACCELERATORS) -> Report:
    """Build one model's parts, one after the other, and measure each way to run them."""
    measured, params = [], 0
    for way in ways:
        _release()
        transformer = build(model.transformer, model.sizes, device)
        params = count(transformer)
        given = arguments(model, transformer, device)
        measured.append(tried(way, lambda t=transformer, g=given, w=way: _step(t, g, w, device)))
        del transformer, given
    _release()
    return Report(model, params, tuple(measured), tried("decoding", lambda: _decoder(model, device)))


def _step(transformer: Any, given: dict[str, Any], way: str, device: str) -> Measured:
    ACCELERATORS[way](transformer, device)
    with transformer.cache_context("cond") if hasattr(transformer, "cache_context") else nullcontext():
        return measure(way, lambda: transformer(**given, return_dict=False), device)


def _decoder(model: Model, device: str) -> Measured:
    import torch  # slow to import, so it waits until a model is built

    autoencoder = build(model.autoencoder, model.autoencoder_sizes, device, model.decodes_in)
    autoencoder.enable_tiling()
    channels = autoencoder.config.get("latent_channels") or autoencoder.config["z_dim"]
    latents = torch.randn(1, channels, *model.latents, dtype=autoencoder.dtype, device=device)
    return measure("decoding", lambda: autoencoder.decode(latents, return_dict=False), device)


def _release() -> None:
    import torch  # slow to import, so it waits until a model is built

    gc.collect()
    torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def table(reports: Iterable[Report], rate: float) -> str:
    """The reports as Markdown; `rate` is what the card's own matrix product reaches."""
    lines = [
        "| model | weights | clip | way | s a step | TFLOP a step | share of the card's bf16 rate | peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for report in reports:
        model, flops = report.model, max(one.flops for one in report.ways)
        width, height = next(iter(model.card.grid.sizes.values()))
        start = f"| {model.title} | {report.params / GB:.1f} B | {width} x {height}, {model.num_frames} frames |"
        for one in report.ways:
            if one.note:
                lines.append(f"{start} {one.way} | did not run: {one.note} | | | |")
                continue
            share = f"{flops / one.seconds / rate:.0%}" if flops else "not counted"
            lines.append(
                f"{start} {one.way} | {one.seconds * model.passes:.3g} | {flops * model.passes / 1e12:.4g} | "
                f"{share} | {one.memory_bytes / GB:.1f} GB |"
            )
        told = report.decoder
        cells = f"did not run: {told.note} | | | |" if told.note else f"{told.seconds:.3g} in all | | | "
        lines.append(f"{start} decoding | {cells}" + ("" if told.note else f"{told.memory_bytes / GB:.1f} GB |"))
    return "\n".join(lines)


def counted(models: Iterable[Model]) -> str:
    """What each model's step amounts to, as Markdown, without memory or a GPU: nothing is computed."""
    lines = ["| model | weights | clip | TFLOP a step |", "|---|---|---|---|"]
    for model in models:
        transformer = build(model.transformer, model.sizes, "meta")
        given = arguments(model, transformer, "meta")
        try:
            flops = flops_of(lambda t=transformer, g=given: t(**g, return_dict=False))
            told = f"{model.passes * flops / 1e12:.4g}"
        except RuntimeError:  # what a pass does may depend on the numbers in it, and here are none
            told = "only known on a GPU"
        width, height = next(iter(model.card.grid.sizes.values()))
        clip = f"{width} x {height}, {model.num_frames} frames"
        lines.append(f"| {model.title} | {count(transformer) / GB:.1f} B | {clip} | {told} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m studio.bench_gpu", description=__doc__)
    titles = [model.title for model in bench_sizes.MODELS]
    parser.add_argument("--only", nargs="+", choices=titles, default=titles, help="only these models")
    parser.add_argument("--count", action="store_true", help="count a step's operations instead, without a GPU")
    asked = parser.parse_args()
    models = [model for model in bench_sizes.MODELS if model.title in asked.only]
    if asked.count:
        print(counted(models))
        return 0
    import torch  # slow to import, so it waits until the arguments are understood

    if not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 1
    rate = bf16_rate("cuda")
    reports = []
    for model in models:
        print(f"{model.title} ...", flush=True)
        reports.append(report_of(model, "cuda"))
    card, day = torch.cuda.get_device_name(), datetime.now(UTC).date()
    head = f"## {card}, {day}\n\ntorch {torch.__version__}; its own bf16 matrix product: {rate / 1e12:.0f} TFLOP/s."
    text = BENCHMARKS.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
    BENCHMARKS.write_text(f"{text}\n\n{MARK}\n\n{head}\n\n{table(reports, rate)}\n", encoding="utf-8")
    print(f"Written to {BENCHMARKS.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
