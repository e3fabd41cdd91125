"""Starts the video autoencoder as nearly the best linear one, from principal components of patches of clips.

64 components of 16 x 16 pixels by 4 frames keep more of a clip than an hour of training from random weights did; so
training begins with them. Three steps, each of them principal components of the one before: 8 x 8 pixels of a frame,
16 x 16 of two, 16 x 16 of four. In the decoder they are exact; in the encoder, whose first layers are shared by all
places, and in both last layers, behind a norm, least squares finds the nearest. One channel at each level is constant,
so that the norms, which have no gains, keep a patch's contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLLTX2Video
from torch import nn

ROWS = 30_000  # of features, for least squares
NOW = 2  # in a causal kernel of three frames
MIRRORED = 12  # of the strongest components there is a negative too: silu(x) - silu(-x) is x
CONSTANT = 2.0  # a constant channel's strength by that of all others together, to keep those where silu is straight


@dataclass(frozen=True)
class Basis:
    """Principal components as rows (k, n) of vectors with this mean (n,), and each component's spread (k,)."""

    rows: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor

    @classmethod
    def of(cls, vectors: torch.Tensor, count: int) -> Basis:
        mean = vectors.mean(0)
        covariance = (vectors - mean).T @ (vectors - mean) / len(vectors)
        values, columns = torch.linalg.eigh(covariance.double())
        best = values.argsort(descending=True)[:count]
        return cls(columns.T[best].float().contiguous(), mean, values[best].clamp(min=1e-12).sqrt().float())

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        return (vectors - self.mean) @ self.rows.T


def patches(clips: torch.Tensor, size: int) -> torch.Tensor:
    """Clips (B, 3, T, H, W) as the autoencoder cuts them up: (B, T, H / size, W / size, 3 * size * size)."""
    cut = clips.unflatten(4, (-1, size)).unflatten(3, (-1, size))  # B, 3, T, h, p, w, q
    return cut.permute(0, 2, 3, 5, 1, 6, 4).flatten(4)


def grouped(values: torch.Tensor, frames: int, size: int) -> torch.Tensor:
    """(B, T, h, w, n) to (B, T / frames, h / size, w / size, n * frames * size * size), channels first in each."""
    cut = values.unflatten(3, (-1, size)).unflatten(2, (-1, size)).unflatten(1, (-1, frames))
    return cut.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(4)


def led(clips: torch.Tensor) -> torch.Tensor:
    """Clips (B, 3, 4k + 1, H, W) as the causal layers see them: the first frame four times."""
    return torch.cat([clips[:, :, :1].expand(-1, -1, 3, -1, -1), clips], 2)


@dataclass(frozen=True)
class Levels:
    frame: Basis  # 8 x 8 pixels of one frame
    pair: Basis  # 16 x 16 pixels of two frames, of the frames' components
    latent: Basis  # 16 x 16 pixels of four frames, of the pairs' components

    @classmethod
    def of(cls, clips: torch.Tensor, vae: AutoencoderKLLTX2Video) -> Levels:
        middle, last = (block.resnets[-1].conv1.in_channels for block in vae.decoder.up_blocks)
        cut = patches(led(clips), vae.config["patch_size"])
        frame = Basis.of(cut.flatten(0, 3), last - 1 - MIRRORED)
        pairs = grouped(frame(cut), 2, 2)
        pair = Basis.of(pairs.flatten(0, 3), middle - 1)
        latent = Basis.of(grouped(pair(pairs), 2, 1).flatten(0, 3), vae.config["latent_channels"])
        return cls(frame, pair, latent)

    def latents(self, clips: torch.Tensor, patch_size: int) -> torch.Tensor:
        """What the encoder should say of clips, each channel with a spread of one: (B, 64, t, h, w)."""
        pairs = self.pair(grouped(self.frame(patches(led(clips), patch_size)), 2, 2))
        return (self.latent(grouped(pairs, 2, 1)) / self.latent.spread).movedim(-1, 1)


def scale(basis: Basis) -> torch.Tensor:
    """What its components are divided by between layers, so that strong ones do not drown weak ones: (k,)."""
    return basis.spread.sqrt()


def constant(basis: Basis) -> float:
    """How strong the constant channel is."""
    return CONSTANT * float((basis.spread / scale(basis)).square().sum().sqrt())


def put(conv: nn.Module, kernel: torch.Tensor, bias: torch.Tensor) -> None:
    """Make a causal convolution look at this place and frame alone; `kernel` (out, in), `bias` (out,)."""
    conv.conv.weight.zero_()
    middle = conv.conv.weight.shape[-1] // 2
    conv.conv.weight[:, :, NOW, middle, middle] = kernel
    conv.conv.bias.copy_(bias)


def mirrored(kernel: torch.Tensor, bias: torch.Tensor, value: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel (k, in) and bias (k,), then the first ones' negatives, then a channel of this constant value."""
    kernel = torch.cat([kernel, -kernel[:MIRRORED], torch.zeros_like(kernel[:1])])
    return kernel, torch.cat([bias, -bias[:MIRRORED], bias.new_full((1,), value)])


def quiet(module: nn.Module) -> None:
    """Residual blocks that change nothing yet."""
    for name, part in module.named_modules():
        if name.endswith("conv2"):
            part.conv.weight.zero_()
            part.conv.bias.zero_()


@torch.no_grad()
def start(vae: AutoencoderKLLTX2Video, clips: torch.Tensor) -> None:
    """Set the weights of `vae` by clips (B, 3, 4k + 1, H, W) in -1..1."""
    levels = Levels.of(clips, vae)
    quiet(vae)
    start_encoder(vae, levels, clips)
    start_decoder(vae, levels, clips)


def start_encoder(vae: AutoencoderKLLTX2Video, levels: Levels, clips: torch.Tensor) -> None:
    encoder, basis = vae.encoder, levels.frame
    kernel = basis.rows / scale(basis)[:, None]
    put(encoder.conv_in, *mirrored(kernel, -kernel @ basis.mean, constant(basis)))
    first, second = (block.downsamplers[0].conv for block in encoder.down_blocks)
    width = first.conv.out_channels
    picked = 2 * torch.eye(width, first.conv.in_channels)
    picked[-1] = 0
    put(first, picked, F.pad(torch.zeros(width - 1), (0, 1), value=2 * constant(basis)))
    put(second, torch.zeros(second.conv.out_channels, second.conv.in_channels), torch.zeros(second.conv.out_channels))
    cut = grouped(basis(patches(led(clips), vae.config["patch_size"])), 2, 2)
    count = second.conv.out_channels - 1 - MIRRORED
    wanted = levels.pair(cut)[..., :count] / scale(levels.pair)[:count]
    seen = _inputs(second, lambda: encoder(clips))
    kernel, bias = least_squares(seen.movedim(1, -1).flatten(0, 3), wanted.flatten(0, 3))
    put(second, *mirrored(3 * kernel, 3 * bias, 3 * constant(levels.pair)))
    fit(encoder.conv_out, lambda: encoder(clips), levels.latents(clips, vae.config["patch_size"]), "constant")


def start_decoder(vae: AutoencoderKLLTX2Video, levels: Levels, clips: torch.Tensor) -> None:
    decoder = vae.decoder
    latents, width = vae.config["latent_channels"], decoder.conv_in.conv.out_channels
    own = decoder.conv_in.conv.weight[latents + 1 :].clone()
    kernel, bias = torch.zeros(width, latents), torch.zeros(width)
    kernel[:latents] = torch.eye(latents)
    bias[latents] = latents**0.5
    put(decoder.conv_in, kernel, bias)
    decoder.conv_in.conv.weight[latents + 1 :] = own  # for the blocks to work with
    first, second = (block.upsamplers[0].conv for block in decoder.up_blocks)
    _spread(first, levels.latent, levels.pair, levels.latent.spread, 2)
    _spread(second, levels.pair, levels.frame, scale(levels.pair), 8)
    z = vae.encode(clips).latent_dist.mean
    wanted = patches(clips, vae.config["patch_size"]).movedim(-1, 1)
    fit(decoder.conv_out, lambda: decoder(z), wanted, "reflect")


def _spread(conv: nn.Module, inner: Basis, outer: Basis, unit: torch.Tensor, places: int) -> None:
    """An upsampler's kernel: from components of a whole to those of each of its parts, its residual taken away."""
    outs, ins = conv.conv.weight.shape[:2]
    known, unit_of = len(inner.rows), scale(outer).repeat_interleave(places)[:, None]
    kernel, bias = torch.zeros(outs, ins), torch.zeros(outs)
    # Of the whole's components (k, n * places), rows in the order in which an upsampler takes them apart.
    parts, shift = (inner.rows * unit[:, None]).T / unit_of, inner.mean / unit_of[:, 0]
    kernel[: len(parts), :known], bias[: len(parts)] = parts, shift
    if mirrors := outs // places - len(outer.rows) - 1:
        end = len(parts) + mirrors * places
        kernel[len(parts) : end, :known] = -parts[: mirrors * places]
        bias[len(parts) : end] = -shift[: mirrors * places]
    bias[-places:] = constant(outer)
    for out in range(outs):
        kernel[out, out % ins] -= 1
    put(conv, kernel, bias)


def _inputs(module: nn.Module, run) -> torch.Tensor:
    """What `module` is given while `run()` runs."""
    caught: list[torch.Tensor] = []
    hook = module.register_forward_pre_hook(lambda _module, given: caught.append(given[0]))
    run()
    hook.remove()
    return caught[0]


def least_squares(
    features: torch.Tensor, wanted: torch.Tensor, ridge: float = 1e-3
) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel (out, n) and bias (out,) from features (N, n) to wanted (N, out); the ridge is a share of the spread."""
    centre, aim = features.mean(0), wanted.mean(0)
    x, y = (features - centre).double(), (wanted - aim).double()
    square = x.T @ x
    square += ridge * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    kernel = torch.linalg.solve(square, x.T @ y).T.float()
    return kernel, aim - kernel @ centre


def fit(conv: nn.Module, run, wanted: torch.Tensor, padding: str) -> None:
    """Set the last layer by least squares: from all it sees in this frame and the eight places around each."""
    seen = _inputs(conv, run)
    padded = F.pad(seen.flatten(1, 2), (1, 1, 1, 1), mode=padding).unflatten(1, seen.shape[1:3])
    around = padded.unfold(3, 3, 1).unfold(4, 3, 1).movedim(1, 4).flatten(0, 3)  # N, channels, 3, 3
    aim = wanted.movedim(1, -1).flatten(0, 3)
    some = torch.randperm(len(aim), generator=torch.Generator().manual_seed(0))[:ROWS]
    kernel, bias = least_squares(around[some].flatten(1), aim[some], 1e-4)
    conv.conv.weight[: len(kernel)] = 0
    conv.conv.weight[: len(kernel), :, NOW] = kernel.unflatten(1, around.shape[1:])
    conv.conv.bias[: len(kernel)] = bias
