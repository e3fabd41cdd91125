"""A small picture of the clip so far: the predicted clean latents, a few of them, as one JPEG strip."""

from __future__ import annotations

import io
import math
import time
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

FRAMES = 4
EVERY_S = 0.5
QUALITY = 75
# To decode the stills of Pocket's canvas takes 30 ms, of a film's canvas seconds.
MAX_DECODED_PX = 256 * 256
# How many plain colours an autoencoder is shown to learn what its latents stand for, and how large.
COLOURS, COLOUR_PX = 24, 64


class Previewer:
    """Makes at most one strip every half second; the strip is FRAMES equal pictures side by side.

    Small stills are decoded. Large ones are shown by the nearest linear map from a latent to its colour, learnt from
    the loaded autoencoder itself.
    """

    def __init__(self, pipe: Any):
        self.pipe = pipe
        self.weights: Tensor | None = None
        self.begin((0, 0))

    def begin(self, canvas: tuple[int, int]) -> None:
        """A new run on a canvas of width and height in pixels: no strip before its first half second."""
        self.is_small = canvas[0] * canvas[1] <= MAX_DECODED_PX
        if not self.is_small and self.weights is None:
            # Now, since where parts come one after the other the autoencoder would later push the transformer out.
            self.weights = self._learnt()
        self.last = time.monotonic()

    def pause(self) -> None:
        """No strip for the rest of this run."""
        self.last = math.inf

    def is_due(self) -> bool:
        return time.monotonic() - self.last >= EVERY_S

    def strip(self, latents: Tensor) -> bytes:
        """A JPEG of predicted clean latents (1, C, T, h, w), as the autoencoder takes them."""
        import torch  # slow to import, so only where a model is already loaded

        at = torch.linspace(0, latents.shape[2] - 1, FRAMES).round().long()
        stills = latents[0, :, at.to(latents.device)].transpose(0, 1)  # (FRAMES, C, h, w)
        with torch.no_grad():
            pixels = self._decoded(stills) if self.is_small else self._projected(stills)
        self.last = time.monotonic()
        row = torch.cat(list(((pixels.float() + 1) * 127.5).nan_to_num().clamp(0, 255).byte().cpu()), dim=2)
        out = io.BytesIO()
        Image.fromarray(row.permute(1, 2, 0).numpy()).save(out, "JPEG", quality=QUALITY)
        return out.getvalue()

    def _decoded(self, stills: Tensor) -> Tensor:
        import torch  # slow to import, so only where a model is already loaded

        # One by one: not every autoencoder takes a batch.
        singles = stills[:, None, :, None].to(self.pipe._execution_device, self.pipe.vae.dtype)
        return torch.cat([self.pipe.vae.decode(one, return_dict=False)[0][:, :, 0] for one in singles])

    def _projected(self, stills: Tensor) -> Tensor:
        weights = self.weights
        assert weights is not None
        return (stills.movedim(1, -1).float().cpu() @ weights[:-1] + weights[-1]).movedim(-1, 1)

    def _learnt(self) -> Tensor:
        """Weights (C + 1, 3) by least squares on random plain colours: a tenth of a second, and no table to copy."""
        import torch  # slow to import, so only where a model is already loaded

        drawn = torch.rand(COLOURS, 3, 1, 4, 4, generator=torch.Generator("cpu").manual_seed(0)) * 2 - 1
        pixels = torch.nn.functional.interpolate(drawn, size=(1, COLOUR_PX, COLOUR_PX), mode="trilinear")
        vae = self.pipe.vae
        shown = pixels.to(self.pipe._execution_device, vae.dtype)
        with torch.no_grad():
            latents = torch.cat([vae.encode(one[None]).latent_dist.mode() for one in shown])[:, :, 0].float().cpu()
        seen = torch.nn.functional.interpolate(pixels[:, :, 0], size=latents.shape[-2:], mode="area")
        known = latents.movedim(1, -1).flatten(0, 2)
        known = torch.cat([known, torch.ones(len(known), 1)], dim=1)
        return torch.linalg.lstsq(known, seen.movedim(1, -1).flatten(0, 2), driver="gelsd").solution
