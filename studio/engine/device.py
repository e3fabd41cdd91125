"""Where and in which number format a model runs, each decision with its reason in words for the page."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import psutil

from studio.domain import StudioError
from studio.engine import allowance

Mode = Literal["full", "offload", "group", "fp8", "int8"]
# A processor with bfloat16 instructions multiplies matrices in it several times as fast as in float32. One without them
# takes its time, 80 times as much on an AMD EPYC with AVX2: a clip of Pocket took 88 seconds there instead of 1.6.
CLEARLY_FASTER = 1.3
TRIALS, SIDE = 5, 256


@dataclass(frozen=True)
class Plan:
    """`device` and `dtype` by torch's names, `place` in words; `mode` is one of memory.py's, and `why` tells of it.

    Where it is tiled, frames are decoded piece by piece.
    """

    device: str
    dtype: str
    place: str
    mode: Mode = "full"
    is_tiled: bool = False
    why: str = ""

    @property
    def reason(self) -> str:
        """One sentence for the visitor."""
        return f"{self.place}: {self.why}." if self.why else f"{self.place}."


@dataclass(frozen=True)
class Memory:
    """Bytes of the device's memory and of the machine's own, which are one where the device is the processor."""

    device_bytes: int
    host_bytes: int


def plan(wanted: str = "auto") -> Plan:
    """Choose the device. `wanted` is auto, cpu or cuda; StudioError when cuda is wanted and there is none."""
    import torch  # slow to import, so it waits until a model is wanted

    if wanted not in ("auto", "cpu", "cuda"):
        raise StudioError(f"The device is auto, cpu or cuda; not {wanted!r}.")
    share_processors()
    has_cuda = torch.cuda.is_available()
    if wanted == "cuda" and not has_cuda:
        raise StudioError(f"The device cuda was asked for, but torch finds none on this machine: {why_no_cuda()}.")
    if wanted == "cpu" or not has_cuda:
        best = cpu_format()
        return Plan("cpu", best, f"Runs on the processor, in {best}, which is its fastest number format")
    return Plan("cuda", "bfloat16", f"Runs on {torch.cuda.get_device_name()}")


def why_no_cuda() -> str:
    """Why torch, which finds no graphics card, may find none where there is one."""
    import torch  # slow to import, so it waits until a model is wanted

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is one for processors alone"
    return (
        f"torch {torch.__version__} is for CUDA {torch.version.cuda}, and if there is a card, its driver is probably "
        "too old for that"
    )


def share_processors() -> None:
    """Let torch begin no more threads than a container has processors' time for: they would wait for each other."""
    import torch  # slow to import, so it waits until a model is wanted

    most = allowance.processors()
    if most and most < torch.get_num_threads() and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(most)


@lru_cache(maxsize=1)
def cpu_format() -> str:
    """The number format in which this processor multiplies matrices fastest, bfloat16 or float32, by trying both."""
    import torch  # slow to import, so it waits until a model is wanted

    took = {}
    for name in ("bfloat16", "float32"):
        matrix = torch.ones(SIDE, SIDE, dtype=getattr(torch, name))
        took[name] = quickest(lambda matrix=matrix: matrix @ matrix)
    return faster_format(took)


def quickest(work: Callable[[], object]) -> float:
    """Seconds of the quickest of some trials; others may have been held up, and the first one also sets things up."""
    spent = []
    for _ in range(TRIALS):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return min(spent)


def faster_format(took: dict[str, float]) -> str:
    """bfloat16 where it `took` clearly fewer seconds than float32, so that a machine does not change its mind."""
    return "bfloat16" if took["bfloat16"] * CLEARLY_FASTER < took["float32"] else "float32"


def free_memory(device: str) -> Memory:
    """What is free now."""
    import torch  # slow to import, so it waits until a model is wanted

    seen, own = psutil.virtual_memory().available, allowance.memory()
    host_bytes = seen if own is None else min(seen, max(0, own[0] - own[1]))
    return Memory(torch.cuda.mem_get_info()[0] if device == "cuda" else host_bytes, host_bytes)


def whole_memory(wanted: str) -> Memory:
    """What a model could have here at most; no graphics card's where the processor is wanted."""
    seen, own = psutil.virtual_memory().total, allowance.memory()
    return Memory(0 if wanted == "cpu" else gpu_memory_bytes(), seen if own is None else min(seen, own[0]))


@lru_cache(maxsize=1)
def gpu_memory_bytes() -> int:
    """The memory of this machine's largest NVIDIA card, 0 where there is none. Asks the driver, so torch can wait."""
    try:
        told = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    sizes = [line.strip() for line in told.stdout.splitlines()]
    # Where a card and its machine share one memory, the driver names no size.
    shared = psutil.virtual_memory().total if "[N/A]" in sizes else 0
    return max([shared, *(int(size) * 2**20 for size in sizes if size.isdigit())])


def release() -> None:
    """Hand memory that nothing uses any more back to the device and to the system."""
    import torch  # slow to import, so it waits until a model is wanted

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    # glibc keeps what was freed in small pieces; other systems have no such call and need none.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
