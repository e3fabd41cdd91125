"""A small picture of the clip so far: the predicted clean latents, decoded a few at a time, as one JPEG strip."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

FRAMES = 4
EVERY_S = 0.5
QUALITY = 75


class Previewer:
    """Makes at most one strip every half second; the strip is FRAMES equal pictures side by side."""

    def __init__(self, pipe, latent_frames: int, latent_height: int, latent_width: int):
        self.pipe = pipe
        self.shape = (latent_frames, latent_height, latent_width)
        self.last = time.monotonic()

    def strip(self, clean: Tensor) -> bytes | None:
        """A JPEG of the predicted clean latents (1, tokens, C), or None when the last one is too fresh."""
        if time.monotonic() - self.last < EVERY_S:
            return None
        jpeg = self._draw(clean)
        self.last = time.monotonic()
        return jpeg

    def _draw(self, tokens: Tensor) -> bytes:
        import torch  # slow to import, so only where a model is already loaded

        count, height, width = self.shape
        grid = tokens[0, : count * height * width].T.reshape(1, -1, count, height, width)
        picked = torch.linspace(0, count - 1, FRAMES).round().long()
        vae = self.pipe.vae
        latents = self.pipe._denormalize_latents(grid, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)
        stills = latents[0, :, picked].transpose(0, 1).unsqueeze(2).to(vae.dtype)  # (FRAMES, C, 1, h, w)
        with torch.no_grad():
            pixels = vae.decode(stills, None, return_dict=False)[0][:, :, 0]
        strip = torch.cat(list(((pixels.float() + 1) * 127.5).clamp(0, 255).byte().cpu()), dim=2)
        out = io.BytesIO()
        Image.fromarray(strip.permute(1, 2, 0).numpy()).save(out, "JPEG", quality=QUALITY)
        return out.getvalue()
