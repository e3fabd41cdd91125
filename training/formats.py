"""In which number format training multiplies: the one that this processor is fastest in, as in use."""

from __future__ import annotations

import torch

from studio.engine.device import cpu_format

FASTEST: torch.dtype = getattr(torch, cpu_format())


def autocast() -> torch.autocast:
    """A context in which what float32 modules multiply is in that format."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.bfloat16 == FASTEST)
