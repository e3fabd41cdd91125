"""Lets several processes on one machine train the same weights: each with its own data, meeting every minute."""

from __future__ import annotations

import time

import torch

from training.optimiser import Trainer
from training.sources import CACHE

MEET_EVERY_S = 60.0


def named(training: str, worker: int) -> str:
    """What a worker's checkpoint is called: the first one's has the training's own name."""
    return training if worker == 0 else f"{training}-{worker}"


class Meeting:
    """Workers on one machine leave their weights in the cache and move towards each other's newest.

    By the steps each has made since they last met: a slow worker must not hold a fast one back.
    """

    def __init__(self, trainer: Trainer, worker: int, workers: int):
        self.trainer, self.worker, self.workers, self.last = trainer, worker, workers, time.monotonic()
        self.met_at = dict.fromkeys(range(workers), 0)
        self.met_at[worker] = trainer.steps
        for other in self.met_at:
            path = CACHE / f"meeting-{other}.pt"
            if other != worker and path.exists():
                state = torch.load(path)
                self.met_at[other] = state["steps"]
                if other == 0 and trainer.steps == 0:
                    trainer.meet(state["weights"], 1.0)

    def now_and_then(self) -> None:
        if self.workers == 1 or time.monotonic() - self.last < MEET_EVERY_S:
            return
        self.last = time.monotonic()
        mine, made = CACHE / f"meeting-{self.worker}.pt", self.trainer.steps - self.met_at[self.worker]
        weights = [m.detach() for m in self.trainer.masters]
        torch.save({"weights": weights, "steps": self.trainer.steps}, mine.with_suffix(".new"))
        mine.with_suffix(".new").replace(mine)
        self.met_at[self.worker] = self.trainer.steps
        for other in range(self.workers):
            path = CACHE / f"meeting-{other}.pt"
            if other == self.worker or not path.exists():
                continue
            state = torch.load(path)
            theirs = state["steps"] - self.met_at[other]
            self.met_at[other] = state["steps"]
            if theirs > 0:
                self.trainer.meet(state["weights"], theirs / (theirs + made))
