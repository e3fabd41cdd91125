"""What a run takes: seconds, energy and peak memory, each measured where the machine lets us, else estimated.

The processor's energy comes from RAPL's counters and the GPU's from NVML's; both count the whole chip, whoever uses it.
"""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

# codecarbon 3.3 takes 4 W a thread for a processor it does not know; the SPECpower results that Cloud Carbon Footprint
# uses give 3.8 (Cascade Lake) to 4.05 (Skylake) W a busy thread.
WATTS_PER_THREAD = 4.0
# What an A100 on PCI Express may draw at most, for a GPU without a counter that we may read.
GPU_WATTS = 300.0
SAMPLE_EVERY_S = 0.05
# RAPL's counters begin anew after some minutes at full power, and a large model takes longer than that.
COUNT_EVERY_S = 10.0
POWERCAP = Path("/sys/class/powercap")
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True)
class Spent:
    """`energy_wh` is measured only if each of its parts is; memory is 0 where the system does not tell."""

    seconds: float = 0.0
    energy_wh: float = 0.0
    is_energy_measured: bool = False
    peak_memory_bytes: int = 0


class Meter:
    """Runs while its `with` block does; `spent` may be asked at any time in between."""

    def __init__(self, device: str = "cpu", powercap: Path = POWERCAP, gpus: int = 1) -> None:
        self._counters = [package for package in sorted(powercap.glob("intel-rapl:*")) if _is_readable(package)]
        self._gpu = _Gpus(gpus) if device == "cuda" else None
        self._peak_bytes = 0
        self._handed_over_s: tuple[float, float] | None = None
        self._counting = Lock()
        self._over = Event()
        self._sampler = Thread(target=self._sample, name="meter", daemon=True)

    def __enter__(self) -> Meter:
        self._started_s, self._processor_s = time.monotonic(), time.process_time()
        self._joules_before = [_joules(package) for package in self._counters]
        self._used_joules = 0.0
        if self._gpu:
            self._gpu.start()
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampler.join()

    def hand_over(self) -> None:
        """The device works for another run from now on: of what follows, only the calling thread's work counts here.

        A counter of the processors' that can be read still counts all, whoever uses them.
        """
        self._over.set()
        if self._gpu:
            self._gpu.stop(time.monotonic() - self._started_s)
        self._peak_bytes = max(self._peak_bytes, _resident_bytes())
        self._handed_over_s = time.process_time(), time.thread_time()

    def spent(self, before: Spent | None = None) -> Spent:
        """From the start until now, added to what was spent `before` on the same thing."""
        seconds = time.monotonic() - self._started_s
        joules, is_measured = self._processor_joules()
        peak = self._peak_bytes if self._handed_over_s else max(self._peak_bytes, _resident_bytes())
        if self._gpu:
            gpu_joules, is_gpu_measured, gpu_bytes = self._gpu.spent(seconds)
            joules, is_measured, peak = joules + gpu_joules, is_measured and is_gpu_measured, peak + gpu_bytes
        if before:
            seconds, joules = seconds + before.seconds, joules + before.energy_wh * 3600
            is_measured, peak = is_measured and before.is_energy_measured, max(peak, before.peak_memory_bytes)
        return Spent(round(seconds, 3), round(joules / 3600, 6), is_measured, peak)

    def _processor_joules(self) -> tuple[float, bool]:
        if not self._counters:
            return (self._worked_until_s() - self._processor_s) * WATTS_PER_THREAD, False
        with self._counting:
            for at, package in enumerate(self._counters):
                now = _joules(package)
                passed = now - self._joules_before[at]
                self._used_joules += passed if passed >= 0 else passed + _joules(package, "max_energy_range_uj")
                self._joules_before[at] = now
            return self._used_joules, True

    def _worked_until_s(self) -> float:
        if self._handed_over_s is None:
            return time.process_time()
        process_s, thread_s = self._handed_over_s
        return process_s + time.thread_time() - thread_s

    def _sample(self) -> None:
        counted_s = self._started_s
        while not self._over.wait(SAMPLE_EVERY_S):
            self._peak_bytes = max(self._peak_bytes, _resident_bytes())
            if time.monotonic() - counted_s > COUNT_EVERY_S:
                counted_s = time.monotonic()
                self._processor_joules()


class _Gpus:
    """The GPU that torch uses, or the first so many. Counters are missing on old cards and on slices of a card.

    The memory is that of the one that torch uses.
    """

    def __init__(self, count: int) -> None:
        import torch  # slow to import, so only where a model is already loaded

        self._cuda, self._count = torch.cuda, count
        self._counter: Any = None
        self._final: tuple[float, bool, int] | None = None
        try:
            nvml = importlib.import_module("pynvml")  # optional: only a machine with such a GPU has a use for it
        except ImportError:
            return
        try:
            nvml.nvmlInit()
            used = range(count) if count > 1 else [torch.cuda.current_device()]
            names = [f"GPU-{torch.cuda.get_device_properties(device).uuid}" for device in used]
            handles = [nvml.nvmlDeviceGetHandleByUUID(name) for name in names]
            _ = [nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles]
        except nvml.NVMLError:
            return
        self._counter = lambda: sum(nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles) / 1000

    def start(self) -> None:
        self._before = self._counter() if self._counter else 0.0
        self._cuda.reset_peak_memory_stats()

    def stop(self, seconds: float) -> None:
        self._final = self.spent(seconds)

    def spent(self, seconds: float) -> tuple[float, bool, int]:
        """Joules, whether they were measured, and the memory's peak in bytes, up to now or to where it was stopped."""
        if self._final:
            return self._final
        joules = self._counter() - self._before if self._counter else GPU_WATTS * self._count * seconds
        return joules, self._counter is not None, self._cuda.max_memory_allocated()


def _is_readable(package: Path) -> bool:
    """Whether this is a whole processor, not a part of one, whose counter we may read: since Linux 5.10 only root."""
    return package.name.count(":") == 1 and os.access(package / "energy_uj", os.R_OK)


def _joules(package: Path, name: str = "energy_uj") -> float:
    return int((package / name).read_text()) / 1e6


def _resident_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
