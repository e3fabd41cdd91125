"""Fits a trained transformer to a new video autoencoder, by least squares, before it trains on in the new latents.

    python -m training.refit --old assets/pocket/vae

Only its first and last layer know the picture's latents. The first is turned so that new tokens come in as the old
ones nearest to them; the last so that what the blocks have to say of noised new tokens comes out as their flows, with
the guidance that the weights have learned. Reads and writes transformer.weights.pt in the cache, where the new
autoencoder lies as video.weights.pt; `--old` is the folder of the one that the weights were trained with.
"""

from __future__ import annotations

import argparse
from random import Random

import torch
from diffusers import AutoencoderKLLTX2Video

from training.flows import Noised
from training.formats import FASTEST
from training.latents import Shape, Studio
from training.linear import least_squares
from training.sources import CACHE
from training.transformer import GUIDANCE, begun, noise_in_doubt, noise_in_use

CLIPS, BATCHES, BATCH = 240, 60, 6
SHAPES = (Shape("1:1", 13), Shape("16:9", 13), Shape("1:1", 25))


@torch.no_grad()
def both(studio: Studio, old: AutoencoderKLLTX2Video) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised tokens (N, 64) of the same clips, by the new autoencoder and by the old one."""
    new, tokens = studio.pipe.vae, ([], [])
    for number in range(CLIPS):
        pixels = studio.shot(SHAPES[number % 2]).pixels[None]
        for vae, kept in zip((new, old), tokens, strict=True):
            studio.pipe.vae = vae
            kept.append(studio.encode_video(pixels)[0].float())
    studio.pipe.vae = new
    return torch.cat(tokens[0]), torch.cat(tokens[1])


@torch.no_grad()
def said(studio: Studio, denoiser, connectors, rng: Random) -> tuple[torch.Tensor, torch.Tensor]:
    """What the last layer is given (N, 256), with as much of the words as guidance takes, and true flows (N, 64)."""
    given, kept, flows = [], [], []
    hook = denoiser.proj_out.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0].float()))
    for _ in range(BATCHES):
        batch = studio.batch(rng.choice(SHAPES), BATCH)
        sigma = torch.where(torch.rand(BATCH) < 0.5, noise_in_use(BATCH), noise_in_doubt(BATCH))
        noise, audio_noise = torch.randn_like(batch.video.float()), torch.randn_like(batch.audio.float())
        level = sigma[:, None].expand(noise.shape[:2])
        noised = Noised(
            batch.shape, torch.arange(noise.shape[1]).expand(noise.shape[:2]),
            torch.lerp(batch.video.float(), noise, level[..., None]).to(FASTEST),
            torch.lerp(batch.audio.float(), audio_noise, sigma[:, None, None]).to(FASTEST), sigma, level,
        )  # fmt: skip
        noised.flows(denoiser, connectors, batch.text, batch.mask)
        noised.flows(denoiser, connectors, *(one.expand(BATCH, *one.shape[1:]) for one in studio.empty))
        with_words, empty = given[-2:]
        kept.append(torch.lerp(empty, with_words, 1 / GUIDANCE).flatten(0, 1))
        flows.append((noise - batch.video.float()).flatten(0, 1))
        given.clear()
    hook.remove()
    return torch.cat(kept), torch.cat(flows)


@torch.no_grad()
def refit(old: AutoencoderKLLTX2Video) -> None:
    torch.manual_seed(0)
    rng = Random(5)
    denoiser, connectors = begun("transformer")
    studio = Studio(rng)
    new_tokens, old_tokens = both(studio, old.to(FASTEST).eval())
    turn, shift = least_squares(new_tokens, old_tokens)
    left = (new_tokens @ turn.T + shift - old_tokens).square().mean() / old_tokens.square().mean()
    first, last = denoiser.proj_in, denoiser.proj_out
    first.bias += first.weight @ shift.to(first.weight.dtype)
    first.weight.copy_(first.weight.float() @ turn)
    features, flows = said(studio, denoiser, connectors, rng)
    kernel, bias = least_squares(features, flows, 1e-5)
    error = (features @ kernel.T + bias - flows).square().mean()
    last.weight.copy_(kernel)
    last.bias.copy_(bias)
    print(f"of the old tokens {left:.2f} of their square is not in the new ones; error of the flows {error:.3f}")
    torch.save(
        {"transformer": denoiser.state_dict(), "connectors": connectors.state_dict()}, CACHE / "transformer.weights.pt"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", required=True, help="folder of the autoencoder that the weights were trained with")
    refit(AutoencoderKLLTX2Video.from_pretrained(parser.parse_args().old))
