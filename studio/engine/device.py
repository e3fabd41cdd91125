"""Where and in which number format a model runs, each decision with its reason in words for the page."""

from __future__ import annotations

from dataclasses import dataclass

from studio.domain import StudioError


@dataclass(frozen=True)
class Plan:
    """`device` and `dtype` by torch's names; `reason` is one sentence for the visitor."""

    device: str
    dtype: str
    reason: str


def plan(wanted: str = "auto") -> Plan:
    """Choose the device. `wanted` is auto, cpu or cuda; StudioError when cuda is wanted and there is none."""
    import torch  # slow to import, so it waits until a model is wanted

    if wanted not in ("auto", "cpu", "cuda"):
        raise StudioError(f"The device is auto, cpu or cuda; not {wanted!r}.")
    has_cuda = torch.cuda.is_available()
    if wanted == "cuda" and not has_cuda:
        raise StudioError("The device cuda was asked for, but torch finds no such device on this machine.")
    if wanted == "cpu" or not has_cuda:
        return Plan(
            "cpu", "bfloat16", "Runs on the processor, in bfloat16, which is its fastest format for this model."
        )
    return Plan("cuda", "bfloat16", f"Runs on {torch.cuda.get_device_name()}.")
