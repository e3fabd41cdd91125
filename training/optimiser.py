"""The optimiser of all of Pocket's training: Muon for matrices and kernels, AdamW for the rest, weights averaged.

Muon orthogonalises the momentum of every matrix (Keller Jordan, 2024, https://kellerjordan.github.io/posts/muon);
here it trained the autoencoder about three times faster than the best Adam. Knows nothing of models or data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from training.formats import FASTEST


def orthogonal(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrices (..., n, m), roughly; same shape, float32.

    By Newton-Schulz in the fastest number format.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.to(FASTEST)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised per kernel seen as a matrix (out, rest), scaled by sqrt(out / rest) if above one."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(p.shape, []).append(p)
            for params in alike.values():  # matrices of one shape together: fewer and larger products
                self._move(params, group)

    def _move(self, params: list[nn.Parameter], group: dict) -> None:
        buffers = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in params]
        grads = [p.grad for p in params]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        updates = torch.stack(torch._foreach_lerp(grads, buffers, group["momentum"])).flatten(2)
        scale = math.sqrt(max(1.0, updates.size(1) / updates.size(2)))
        for p, update in zip(params, orthogonal(updates), strict=True):
            p.add_(update.view_as(p), alpha=-group["lr"] * scale)


def is_matrix(name: str, parameter: torch.Tensor) -> bool:
    """True for what Muon should move: kernels and matrices, but no tables, registers, or first and last layers."""
    return parameter.ndim > 1 and not any(
        part in name for part in ("table", "registers", "proj_in", "proj_out", "embed")
    )


class Trainer:
    """Both optimisers of some modules, with one schedule: warm up, hold, then decay linearly over the last share.

    Works on float32 masters, so that the modules themselves may be bf16: four times faster on CPUs that have it.
    """

    def __init__(self, modules: list[nn.Module], lr: float, small_lr: float, average: float = 0.999):
        named = [(name, p) for m in modules for name, p in m.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in named]
        self.masters = [nn.Parameter(p.detach().float().clone()) for p in self.parameters]
        big = [is_matrix(name, p) for name, p in named]
        matrices = [m for m, is_big in zip(self.masters, big, strict=True) if is_big]
        others = [m for m, is_big in zip(self.masters, big, strict=True) if not is_big]
        self.optimisers = [
            (Muon(matrices, lr), lr),
            (torch.optim.AdamW(others, small_lr, betas=(0.9, 0.98), weight_decay=0.0), small_lr),
        ]
        self.average = average
        self.averaged = [m.detach().clone() for m in self.masters]
        self.steps = 0

    def step(self, loss: torch.Tensor, progress: float, decay_share: float = 0.4) -> None:
        """One update; `progress` runs from 0 to 1 over the whole training."""
        level = min(1, (self.steps + 1) / 50) * max(0.02, min(1, (1 - progress) / decay_share))
        loss.backward()
        for master, p in zip(self.masters, self.parameters, strict=True):
            master.grad = None if p.grad is None else p.grad.float()
            p.grad = None
        nn.utils.clip_grad_norm_(self.masters, 1.0)
        for optimiser, lr in self.optimisers:
            optimiser.param_groups[0]["lr"] = lr * level
            optimiser.step()
        self.steps += 1
        keep = min(self.average, (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, [m.detach() for m in self.masters], 1 - keep)
            torch._foreach_copy_(self.parameters, self.masters)

    @torch.no_grad()
    def use_average(self) -> None:
        """Put the averaged weights into the modules; for the end of a training."""
        torch._foreach_copy_(self.parameters, self.averaged)

    @torch.no_grad()
    def meet(self, others: list[torch.Tensor], share: float) -> None:
        """Move the weights towards those of another worker by `share` (local SGD, Stich 2018)."""
        torch._foreach_lerp_([m.detach() for m in self.masters], others, share)
        torch._foreach_copy_(self.parameters, self.masters)

    def state_dict(self) -> dict:
        return {
            "optimisers": [o.state_dict() for o, _ in self.optimisers], "masters": [m.detach() for m in self.masters],
            "averaged": self.averaged, "steps": self.steps,
        }  # fmt: skip

    def load_state_dict(self, state: dict) -> None:
        for (optimiser, _), values in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(values)
        with torch.no_grad():
            torch._foreach_copy_(self.masters, state["masters"])
            torch._foreach_copy_(self.parameters, self.masters)
        self.averaged, self.steps = state["averaged"], state["steps"]
