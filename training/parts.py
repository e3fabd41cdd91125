"""Teaches the denoiser's middle which part of the subject lies where, which the finished picture tells it but slowly.

A head on the middle block names for each token the part of the subject that is there, or that none is. It is thrown
away after training: what it leaves behind are blocks that look for the subject before the later ones draw it. As an
aligned middle does (REPA, Yu et al. 2024, arXiv 2410.06940), but in a drawn world the truth itself is known.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from studio.engine import grid
from training import world

SIDE = 5  # parts a side: as many as a subject has tokens
NOTHING, THING = 0, 1
COUNT = 2 + SIDE * SIDE
MIDDLE = 2  # the block, of six
OF_SUBJECT = 4.0  # so much more than the rest, which is most, counts what is a part of it


def parts_of(scenario: world.Scenario | None, latents: tuple[int, int, int], times: np.ndarray) -> torch.Tensor:
    """What lies at the middle of each token of frames * h * w, int64: nothing, the thing, or a part of the subject.

    `times` (frames,) in seconds.
    """
    found = np.zeros(latents, np.int64)
    if scenario is None:
        return torch.from_numpy(found).flatten()
    _, height, width = latents
    unit = world.UNIT_PX / grid.POCKET.spatial_ratio
    rows, columns = (np.arange(height) + 0.5 - height / 2) / unit, (np.arange(width) + 0.5 - width / 2) / unit
    tracks = [scenario.track, *([scenario.thing_track] if scenario.thing else [])]
    for number, track in enumerate(tracks):  # what is drawn later lies before the other
        x, y, size, turn = (values[:, None, None] for values in track(times))
        right, down = columns[None, None] - x, rows[None, :, None] - y
        across = (np.cos(turn) * right + np.sin(turn) * down) / size * (-1 if scenario.flip else 1) + 0.5
        along = (np.cos(turn) * down - np.sin(turn) * right) / size + 0.5
        is_there = (across >= 0) & (across < 1) & (along >= 0) & (along < 1)
        row, column = (np.clip(place * SIDE, 0, SIDE - 1).astype(int) for place in (along, across))
        part = 2 + SIDE * row + column
        found = np.where(is_there, THING if number else part, found)
    return torch.from_numpy(found).flatten()


class Finder(nn.Module):
    """Names the part from the states after a denoiser's middle block, as it last ran with gradients."""

    def __init__(self, denoiser: nn.Module):
        super().__init__()
        blocks = list(denoiser.get_submodule("transformer_blocks").children())
        width = denoiser.config["num_attention_heads"] * denoiser.config["attention_head_dim"]
        self.proj_out = nn.Linear(width, COUNT)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)
        self.register_buffer("counts", torch.ones(COUNT).index_fill(0, torch.arange(2, COUNT), OF_SUBJECT), False)
        self._states: list[torch.Tensor] = []
        blocks[min(MIDDLE, len(blocks) - 1)].register_forward_hook(self._keep)

    def _keep(self, _block: nn.Module, _given: object, made: tuple[torch.Tensor, ...]) -> None:
        if torch.is_grad_enabled():
            self._states[:] = [made[0]]

    def named(self) -> torch.Tensor:
        """How likely each part is at each token, as logits (B, N, COUNT), float32."""
        (states,) = self._states
        return self.proj_out(states.to(self.proj_out.weight.dtype)).float()

    def loss(self, parts: torch.Tensor) -> torch.Tensor:
        """Cross-entropy, in nats a token by weight, against `parts` (B, N) of the tokens that the denoiser last saw."""
        return nn.functional.cross_entropy(self.named().flatten(0, 1), parts.flatten(), self.counts)
