"""Clips as the denoiser guesses them in its last step: for a decoder that shall forgive what a denoiser gets wrong.

A decoder that has only seen the latents of real clips shows every token's error as an edge between two patches.
"""

from __future__ import annotations

from random import Random

import torch

from training.flows import Noised
from training.formats import FASTEST
from training.latents import Shape, Studio
from training.transformer import begun

SHAPES = (Shape("1:1", 13), Shape("16:9", 9), Shape("9:16", 9))
NOISE = 0.45, 0.75  # what the last of four steps begins with is 0.75


class Guesser:
    """The denoiser of these weights in the cache, and a studio that shows it clips through noise."""

    def __init__(self, weights: str, rng: Random):
        self.rng, self.studio = rng, Studio(rng)
        self.denoiser, self.connectors = (module.eval().requires_grad_(False) for module in begun(weights))

    @torch.no_grad()
    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents as guessed (count, 64, t, h, w), as the decoder takes them, and the clips (count, 3, T, H, W)."""
        shape, pipe = self.rng.choice(SHAPES), self.studio.pipe
        shots = [self.studio.shot(shape) for _ in range(count)]
        video, _places, audio, text, mask, _begins = self.studio.told(shots, shape)
        sigma = torch.empty(count).uniform_(*NOISE)
        level = sigma[:, None].expand(video.shape[:2])
        seen = torch.lerp(video.float(), torch.randn(video.shape), level[..., None])
        heard = torch.lerp(audio.float(), torch.randn(audio.shape), sigma[:, None, None]).to(FASTEST)
        numbers = torch.arange(video.shape[1]).expand(video.shape[:2])
        noised = Noised(shape, numbers, seen.to(FASTEST), heard, sigma, level)
        flow, _ = noised.flows(self.denoiser, self.connectors, text, mask)
        guess = pipe._unpack_latents(seen - level[..., None] * flow, *shape.latents, 1, 1)
        latents = pipe._denormalize_latents(guess, pipe.vae.latents_mean, pipe.vae.latents_std, 1.0)
        return latents.float(), torch.stack([shot.pixels for shot in shots])
