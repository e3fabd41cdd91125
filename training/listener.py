"""A judge of soundtracks that learns from the sounds alone, never from Pocket's output: whose voice, in which scene.

    python -m training.listener --minutes 4

A small convolutional net over the mel spectrogram of a whole clip.
"""

from __future__ import annotations

import argparse
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from training import sounds, world
from training.checkpoint import Stretch
from training.formats import autocast
from training.optimiser import Trainer
from training.sources import CACHE
from training.subjects import SCENES, SUBJECTS, subject

VOICES, PLACES = sorted({s.voice for s in SUBJECTS}), list(SCENES)
SECONDS = 25 / 12
POOL, BATCH = 4_000, 48


class Listener(nn.Module):
    """Log-mel of both sides' mean (B, T, 64) to logits of voice and scene."""

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 48, 96, 128)
        layers: list[nn.Module] = []
        for before, after in zip((1, *widths), widths, strict=False):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
            layers += [nn.Conv2d(after, after, 3, 1, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        # Which pitch matters and when does not, so time alone is taken together.
        self.voice = nn.Linear(2 * widths[-1] * 4, len(VOICES))
        self.scene = nn.Linear(2 * widths[-1] * 4, len(PLACES))

    def forward(self, mels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.body(mels[:, None])
        taken = torch.cat([features.mean(2), features.amax(2)], 1).flatten(1)
        return self.voice(taken), self.scene(taken)


def heard(sound: np.ndarray) -> torch.Tensor:
    """What the listener takes of a soundtrack (2, N): (T, 64)."""
    return sounds.mel(torch.from_numpy(sound)).mean(0)


def example(rng: Random) -> tuple[torch.Tensor, int, int]:
    scenario = world.imagine(rng, SECONDS, 1.0, anywhere=True)
    voice = VOICES.index(subject(scenario.subject).voice)
    return heard(sounds.soundtrack(scenario)), voice, PLACES.index(scenario.scene)


def roughened(mels: torch.Tensor, rng: Random) -> torch.Tensor:
    """Softer, noisier and louder or quieter by chance, so that what an autoencoder made is judged fairly."""
    size = mels.shape[1:]
    if rng.random() < 0.5:
        mels = F.avg_pool2d(mels[:, None], rng.choice((3, 5)), 1)[:, 0]
        mels = F.interpolate(mels[:, None], tuple(size), mode="bilinear")[:, 0]
    return mels + rng.uniform(0, 0.2) * torch.randn_like(mels) + 0.15 * torch.randn(len(mels), 1, 1)


def train(minutes: float) -> None:
    torch.manual_seed(0)
    listener = Listener().train()
    trainer = Trainer([listener], lr=0.02, small_lr=2e-3, average=0.99)
    stretch = Stretch("listener", {"listener": listener}, trainer, minutes)
    rng, pool = Random(9 + trainer.steps), []
    while stretch.goes_on():
        pool += [example(rng) for _ in range(BATCH if len(pool) < 10 * BATCH else BATCH // 4)]
        del pool[:-POOL]
        mels, voices, scenes = zip(*rng.choices(pool, k=BATCH), strict=True)
        truth = torch.tensor(voices)
        with autocast():
            voice, scene = listener(roughened(torch.stack(mels), rng))
        loss = F.cross_entropy(voice.float(), truth) + 0.5 * F.cross_entropy(scene.float(), torch.tensor(scenes))
        trainer.step(loss, stretch.progress)
        stretch.tick(voice=(voice.argmax(1) == truth).float().mean().item())
    stretch.finish(CACHE / "listener.weights.pt")


def load() -> Listener:
    listener = Listener()
    listener.load_state_dict(torch.load(CACHE / "listener.weights.pt")["listener"])
    return listener.eval()


@torch.no_grad()
def listen(listener: Listener, sound: np.ndarray) -> tuple[str, str]:
    """Voice and scene of a soundtrack (2, N)."""
    voice, scene = listener(heard(sound)[None])
    return VOICES[int(voice.argmax())], PLACES[int(scene.argmax())]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    train(parser.parse_args().minutes)
