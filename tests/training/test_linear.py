import math

import torch

from training import linear, model


def drifting(count: int, frames: int = 9, side: int = 64) -> torch.Tensor:
    """Clips (count, 3, frames, side, side) of soft waves that drift, each its own way."""
    generator = torch.Generator().manual_seed(count)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    clips = []
    for _ in range(count):
        draw = torch.rand(7, generator=generator)
        across, down, speed = draw[0] * 0.3, draw[1] * 0.3, draw[2] * 0.4 - 0.2
        waves = [torch.sin(across * columns + down * rows + speed * frame + 6 * draw[3]) for frame in range(frames)]
        clips.append(torch.stack(waves)[None] * (draw[4:, None, None, None] - 0.5))
    return torch.stack(clips)


def psnr(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return -10 * math.log10((ours - theirs).square().mean().item() / 4)


def test_patches_are_cut_up_as_the_autoencoder_does() -> None:
    vae = model.video_autoencoder(patch_size=8)
    clips = drifting(1)
    seen = linear._inputs(vae.encoder.conv_in, lambda: vae.encoder(clips))
    assert torch.equal(linear.patches(clips, vae.config["patch_size"]).movedim(-1, 1), seen)


def test_components_of_a_whole_come_back() -> None:
    vectors = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) @ torch.randn(3, 8) + 5
    basis = linear.Basis.of(vectors, 3)
    assert torch.allclose(basis(vectors) @ basis.rows + basis.mean, vectors, atol=1e-3)
    assert torch.allclose(basis(vectors).std(0, correction=0), basis.spread, rtol=1e-3)


@torch.no_grad()
def test_an_autoencoder_starts_with_what_it_has_been_shown() -> None:
    torch.manual_seed(0)
    vae, unseen = model.video_autoencoder(patch_size=8), drifting(3)
    assert psnr(vae.decode(vae.encode(unseen).latent_dist.mode()).sample, unseen) < 20
    linear.start(vae, drifting(40))
    again = vae.decode(vae.encode(unseen).latent_dist.mode()).sample
    assert psnr(again, unseen) > 30
    for frame in range(unseen.shape[2]):  # the first one, which has a latent of its own, no less than the others
        assert psnr(again[:, :, frame], unseen[:, :, frame]) > 27


def test_least_squares_finds_a_plane() -> None:
    features = torch.randn(100, 4, generator=torch.Generator().manual_seed(1))
    kernel, bias = linear.least_squares(features, features @ torch.eye(4)[:, :2] * 3 + 7, ridge=0)
    assert torch.allclose(kernel, 3 * torch.eye(4)[:2], atol=1e-4)
    assert torch.allclose(bias, torch.full((2,), 7.0), atol=1e-4)
