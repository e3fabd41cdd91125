"""Settings that do not go together are refused with a sentence before anything is opened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.domain import StudioError
from studio.service import Studio
from studio.settings import Settings


@pytest.mark.parametrize("plan", ["full", "group", "fp8"])
def test_gpus_that_share_a_clip_take_no_memory_plan(settings: Settings, plan: str) -> None:
    shared = replace(settings, engine="ray", worker_gpus=2, memory_plan=plan)
    with pytest.raises(StudioError) as raised:
        Studio.open(shared)
    assert str(raised.value) == (
        f"MEMORY_PLAN must be auto with WORKER_GPUS above 1, where GPUs share one clip; it is {plan}."
    )
    assert not settings.data_dir.exists(), "nothing was opened"
