"""The meter against known work: counters that go on, overflow or are missing, and memory that comes and goes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from studio.engine import meter
from studio.engine.meter import Meter, Spent


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """The files of a machine with two processors, the first of them with a part of its own."""
    for name, microjoules in (("intel-rapl:0", 900), ("intel-rapl:0:0", 5), ("intel-rapl:1", 10**9)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(str(microjoules))
        (tmp_path / name / "max_energy_range_uj").write_text(str(2 * 10**9))
    return tmp_path


def set_counter(powercap: Path, name: str, microjoules: int) -> None:
    # In one go, as the kernel does it: the meter may be reading.
    (powercap / "new").write_text(f"{microjoules}\n")
    (powercap / "new").replace(powercap / name / "energy_uj")


def test_counters_are_measured_and_whole_processors_only(powercap: Path) -> None:
    with Meter(powercap=powercap) as running:
        set_counter(powercap, "intel-rapl:0", 900 + 1_800_000_000)
        set_counter(powercap, "intel-rapl:0:0", 10**9)
        spent = running.spent()
    assert spent.energy_wh == 0.5
    assert spent.is_energy_measured


def test_a_counter_that_starts_again_loses_nothing(powercap: Path) -> None:
    with Meter(powercap=powercap) as running:
        set_counter(powercap, "intel-rapl:1", 800_000_000)
        assert running.spent().energy_wh == 0.5


def test_a_counter_that_starts_again_many_times_loses_nothing(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "COUNT_EVERY_S", 0.0)
    with Meter(powercap=powercap) as running:
        for microjoules in (1_900_000_000, 800_000_000, 1_700_000_000, 600_000_000):
            set_counter(powercap, "intel-rapl:1", microjoules)
            time.sleep(5 * meter.SAMPLE_EVERY_S)
        assert running.spent().energy_wh == pytest.approx((0.9 + 0.9 + 0.9 + 0.9) * 1e9 / 1e6 / 3600)


def test_without_counters_busy_seconds_are_counted_and_idle_ones_are_not(tmp_path: Path) -> None:
    with Meter(powercap=tmp_path) as running:
        time.sleep(0.2)
        idle = running.spent()
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        busy = running.spent()
    assert idle.energy_wh < 0.1 * meter.WATTS_PER_THREAD / 3600
    assert busy.energy_wh - idle.energy_wh == pytest.approx(0.3 * meter.WATTS_PER_THREAD / 3600, rel=0.3)
    assert not busy.is_energy_measured
    assert busy.seconds > idle.seconds >= 0.2


def test_the_peak_of_this_run_is_seen_and_forgotten_by_the_next(tmp_path: Path) -> None:
    size = 400_000_000
    with Meter(powercap=tmp_path) as running:
        before = running.spent().peak_memory_bytes
        held = np.ones(size, np.uint8)
        time.sleep(4 * meter.SAMPLE_EVERY_S)
        del held
        peak = running.spent().peak_memory_bytes
    assert before + 0.8 * size < peak < before + 1.5 * size
    with Meter(powercap=tmp_path) as following:
        assert following.spent().peak_memory_bytes < before + 0.5 * size


def test_what_others_do_after_the_hand_over_is_not_counted(tmp_path: Path) -> None:
    def work(seconds: float) -> None:
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass

    with Meter(powercap=tmp_path) as running:
        running.hand_over()
        before = running.spent()
        other = Thread(target=work, args=(0.5,))
        other.start()
        held = np.ones(400_000_000, np.uint8)
        other.join()
        assert running.spent().energy_wh - before.energy_wh < 0.4 * meter.WATTS_PER_THREAD / 3600
        assert running.spent().peak_memory_bytes == before.peak_memory_bytes
        del held
        beside = running.spent()
        work(0.3)
        own = running.spent()
    assert own.energy_wh - beside.energy_wh == pytest.approx(0.3 * meter.WATTS_PER_THREAD / 3600, rel=0.1)
    assert own.seconds > beside.seconds


def test_an_interrupted_run_is_added_up(powercap: Path) -> None:
    before = Spent(10.0, 1.5, True, 10**13)
    with Meter(powercap=powercap) as running:
        set_counter(powercap, "intel-rapl:0", 900 + 1_800_000_000)
        spent = running.spent(before)
        assert not running.spent(Spent(10.0, 1.5, False)).is_energy_measured
    assert (spent.energy_wh, spent.is_energy_measured, spent.peak_memory_bytes) == (2.0, True, 10**13)
    assert spent.seconds >= 10


def test_a_counter_that_only_root_may_read_is_not_measured(powercap: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1"):
        (powercap / name / "energy_uj").unlink() if os.geteuid() == 0 else (powercap / name / "energy_uj").chmod(0)
    with Meter(powercap=powercap) as running:
        assert not running.spent().is_energy_measured
