"""Which number format a processor gets, and whether that is the one its instructions are for."""

from __future__ import annotations

import torch

from studio.engine import device
from studio.engine.device import faster_format


def test_bfloat16_must_be_clearly_faster() -> None:
    assert faster_format({"bfloat16": 1.0, "float32": 4.5}) == "bfloat16"
    assert faster_format({"bfloat16": 1.0, "float32": 1.1}) == "float32"
    assert faster_format({"bfloat16": 80.0, "float32": 1.0}) == "float32"


def test_a_processor_without_bfloat16_is_not_asked_for_it() -> None:
    has = getattr(torch.cpu, "get_capabilities", dict)()  # older torch can't tell
    able, unable = has.get("avx512_bf16") or has.get("amx_bf16"), has.get("avx512_f") is False
    expected = {"bfloat16"} if able else {"float32"} if unable else {"bfloat16", "float32"}
    assert device.cpu_format() in expected


def test_the_plan_says_which_format_it_took() -> None:
    plan = device.plan("cpu")
    assert plan.dtype == device.cpu_format()
    assert plan.dtype in plan.reason
