"""One side's vocoder and the doubled one that is shipped, and how far apart two sounds are heard to be."""

from __future__ import annotations

import torch

from training import autoencoders, model


def test_a_doubled_vocoder_treats_each_side_as_the_single_one_does() -> None:
    torch.manual_seed(0)
    single = model.vocoder(sides=1).eval()
    double = model.stereo(single).eval()
    heard = torch.randn(1, 2, 20, model.MEL_BINS)
    with torch.no_grad():
        apart = torch.cat([single(heard[:, side][:, None]) for side in (0, 1)], 1)
        torch.testing.assert_close(double(heard), apart, rtol=1e-4, atol=1e-5)


def test_the_single_vocoder_comes_out_of_the_doubled_one() -> None:
    torch.manual_seed(0)
    single = model.vocoder(sides=1)
    again = model.mono(model.stereo(single)).state_dict()
    assert all(torch.equal(again[name], weights) for name, weights in single.state_dict().items())


def test_sounds_are_as_far_apart_as_their_pitch() -> None:
    times = torch.arange(8_000) / model.SAMPLE_RATE
    tone, same, near, far = (torch.sin(2 * torch.pi * hz * times)[None, None] for hz in (440, 440, 460, 1_600))
    distances = [float(autoencoders.heard_distance(tone, other)) for other in (same, near, far)]
    assert distances[0] == 0
    assert distances == sorted(distances)
