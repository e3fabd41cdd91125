"""Keeps a training's weights, optimisers and elapsed time together on disk, so that any stretch can go on later."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path
from random import Random

import torch
from torch import nn

from training.optimiser import Trainer
from training.sources import CACHE


class Stretch:
    """A training of `minutes` in all, resumable: `while stretch.goes_on(): ... stretch.tick(...)`.

    The state lies in the cache as NAME.pt and is written every `every_s` seconds and at the end.
    """

    def __init__(
        self, name: str, modules: dict[str, nn.Module], trainer: Trainer, minutes: float, every_s: float = 120
    ):
        self.path = CACHE / f"{name}.pt"
        self.name, self.modules, self.trainer, self.every_s = name, modules, trainer, every_s
        self.budget_s, self.spent_s, self.means = minutes * 60, 0.0, {}
        if self.path.exists():
            self._load()
        self.started = self.saved = self.shown = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return self.spent_s + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        return min(1.0, self.elapsed_s / self.budget_s)

    def goes_on(self) -> bool:
        return self.elapsed_s < self.budget_s

    def chances(self, worker: int = 0) -> Random:
        """For what this stretch draws, and torch's own too: no other stretch and no other worker has the same.

        They come from the weights it goes on from; a count of steps begins anew with each stretch, and then the same
        clips would come with the same noise.
        """
        digest = sha256(f"{self.name} {worker}".encode())
        for module in self.modules.values():
            for parameter in module.parameters():
                digest.update(parameter.detach().flatten().view(torch.uint8).numpy())
        rng = Random(digest.digest())
        torch.manual_seed(rng.getrandbits(63))
        return rng

    def tick(self, **values: float) -> None:
        """Note this step's figures; prints running means and saves now and then."""
        for key, value in values.items():
            self.means[key] = value if key not in self.means else 0.98 * self.means[key] + 0.02 * value
        now = time.monotonic()
        if now - self.shown > 20:
            self.shown = now
            figures = " ".join(f"{key} {value:.4g}" for key, value in self.means.items())
            print(f"{self.name} step {self.trainer.steps} at {self.elapsed_s / 60:.1f} min: {figures}", flush=True)
        if now - self.saved > self.every_s:
            self.save()

    def save(self) -> None:
        self.saved = time.monotonic()
        weights = {name: module.state_dict() for name, module in self.modules.items()}
        state = {"weights": weights, "trainer": self.trainer.state_dict(), "spent_s": self.elapsed_s}
        new = self.path.with_suffix(".new")
        torch.save(state, new)
        new.replace(self.path)

    def _load(self) -> None:
        state = torch.load(self.path)
        for name, module in self.modules.items():
            module.load_state_dict(state["weights"][name])
        self.trainer.load_state_dict(state["trainer"])
        self.spent_s = state["spent_s"]

    def finish(self, path: Path) -> None:
        """Write the averaged weights alone to `path`."""
        self.save()
        self.trainer.use_average()
        torch.save({name: module.state_dict() for name, module in self.modules.items()}, path)
