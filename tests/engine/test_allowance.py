"""A container's limits hold, whichever version of the kernel's groups it has; without any the machine's own do."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from studio.engine import allowance, device

MB = 10**6
NEWER = {
    "memory.max": f"{900 * MB}", "memory.current": f"{700 * MB}", "memory.stat": f"anon 5\ninactive_file {200 * MB}",
    "cpu.max": "250000 100000",
}  # fmt: skip
OLDER = {
    "memory/memory.limit_in_bytes": f"{900 * MB}", "memory/memory.usage_in_bytes": f"{700 * MB}",
    "memory/memory.stat": f"cache 7\ninactive_file 3\ntotal_inactive_file {200 * MB}",
    "cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000",
}  # fmt: skip
FREE = {"memory.max": "max", "memory.current": f"{MB}", "cpu.max": "max 100000"}
FREE_OLDER = {"memory/memory.limit_in_bytes": f"{2**63 - 4096}", "cpu/cpu.cfs_quota_us": "-1"}


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(allowance, "GROUPS", tmp_path)
    return tmp_path


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text + "\n")


@pytest.mark.parametrize("files", [NEWER, OLDER])
def test_a_container_counts_as_the_machine(
    groups: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(groups, files)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(8)
        device.plan("cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert device.whole_memory("cpu").host_bytes == 900 * MB
    assert device.free_memory("cpu").host_bytes == 400 * MB


@pytest.mark.parametrize("files", [{}, FREE, FREE_OLDER])
def test_without_a_limit_the_machine_is_what_it_is(groups: Path, files: dict[str, str]) -> None:
    fill(groups, files)
    before = torch.get_num_threads()
    device.plan("cpu")
    assert torch.get_num_threads() == before
    assert device.whole_memory("cpu").host_bytes == psutil.virtual_memory().total
    assert device.free_memory("cpu").host_bytes > 0
