"""Measures what weights in the cache make of held-out clips that they see through noise, and prints it by noise.

    python -m training.through_noise NAME [NAME ...] [--clips 36]

It tells within minutes, and long before clips look any different, whether a training of the transformer gets
anywhere: how much of the subject is guessed wrong in one step.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from random import Random

import torch

from training import latents, photos, sounds, transformer, world
from training.evaluate import RATIOS, held_out, plain_caption
from training.flows import Noised
from training.formats import FASTEST

LEVELS = (0.97, 0.92, 0.85, 0.75, 0.63, 0.5)


@dataclass(frozen=True)
class Seen:
    """Of one level of noise: mean square of the wrong on the subject's tokens, by the channels' weights, and elsewhere.

    `guided` is the first as use has it, with the exaggeration that was learned; the others are without.
    """

    subject: float
    elsewhere: float
    guided: float


@dataclass(frozen=True)
class Weighed:
    """The text states (1, 32, 1152) and mask (1, 32) of no words, and how much each latent channel counts (64,)."""

    empty: tuple[torch.Tensor, torch.Tensor]
    importance: torch.Tensor


def clips(samples: latents.Studio, count: int) -> list[latents.Batch]:
    """The first held-out scenarios, one a batch, as `make evaluate` asks for them."""
    batches = []
    for number, scenario in enumerate(held_out(count)):
        shape = latents.Shape(RATIOS[number % len(RATIOS)], 25)
        pixels = world.render(scenario, shape.num_frames, *shape.pixels)
        shot = photos.Shot(plain_caption(scenario), pixels, sounds.soundtrack(scenario), scenario, begins=False)
        video, subject, audio, text, mask, begins = samples.told([shot], shape)
        batches.append(latents.Batch(shape, video, subject, audio, text, mask, begins))
    return batches


def through(
    sigma: float, batches: list[latents.Batch], learned: tuple[torch.nn.Module, torch.nn.Module],
    weighed: Weighed,
) -> Seen:  # fmt: skip
    """What denoiser and connectors see of the clips at one level of noise, the same noise each time."""
    wrong = []
    for number, batch in enumerate(batches):
        generator = torch.Generator().manual_seed(number)
        noise, audio_noise = (torch.randn(x.shape, generator=generator) for x in (batch.video, batch.audio))
        noisy, level = torch.lerp(batch.video.float(), noise, sigma), torch.tensor([sigma])
        kept = torch.arange(noisy.shape[1])[None]
        audio = torch.lerp(batch.audio.float(), audio_noise, sigma).to(FASTEST)
        noised = Noised(batch.shape, kept, noisy.to(FASTEST), audio, level, level[:, None].expand(kept.shape))
        told, _ = noised.flows(*learned, batch.text, batch.mask)
        without_words, _ = noised.flows(*learned, *weighed.empty)
        plain = torch.lerp(without_words, told, 1 / transformer.GUIDANCE)
        error, guided = (
            ((noisy - sigma * flow - batch.video).square() * weighed.importance).mean(-1) for flow in (plain, told)
        )
        wrong.append([x.mean().item() for x in (error[batch.subject], error[~batch.subject], guided[batch.subject])])
    subject, elsewhere, guided = (sum(values) / len(batches) for values in zip(*wrong, strict=True))
    return Seen(subject, elsewhere, guided)


def table(names: list[str], count: int) -> None:
    samples = latents.Studio(Random(1))
    batches, weighed = clips(samples, count), Weighed(samples.empty, samples.importance())
    for name in names:
        learned = transformer.begun(name)
        for part in learned:
            part.eval().requires_grad_(False)
        for sigma in LEVELS:
            seen = through(sigma, batches, learned, weighed)
            wrong = f"subject {seen.subject:.3f} (guided {seen.guided:.3f}), elsewhere {seen.elsewhere:.3f}"
            print(f"{name} at {sigma}: {wrong}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help="of weights in the cache, as in eighth.weights.pt")
    parser.add_argument("--clips", type=int, default=36)
    chosen = parser.parse_args()
    table(chosen.names, chosen.clips)
