"""One short module per model family, behind one protocol: how its pipeline in diffusers is loaded and called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from studio.domain import ModelCard, VideoRequest
from studio.engine import grid
from studio.engine.device import Plan

if TYPE_CHECKING:
    from torch import Tensor

# Gets the steps done and the clean latents so far, as the scheduler has them; whether to go on.
OnStep = Callable[[int, "Tensor"], bool]


@dataclass(frozen=True)
class Shot:
    """What is to be denoised: a request on its model's grid, and the frames that are given.

    `opening` uint8 (T, H, W, 3) are the clip's first frames, one of them being a picture; `closing` uint8 (H, W, 3) is
    its last. Both fill the canvas.
    """

    card: ModelCard
    request: VideoRequest
    num_frames: int
    opening: np.ndarray | None = None
    closing: np.ndarray | None = None

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height in pixels of what is denoised."""
        return grid.canvas(self.card.grid, self.request.aspect_ratio)

    @property
    def latents(self) -> tuple[int, int, int]:
        """Frames, height and width of the latents."""
        return grid.latent_shape(self.card.grid, self.request.aspect_ratio, self.num_frames)


class Family(Protocol):
    """A module of this package. What it calls latents is its own affair, as long as its functions agree."""

    def load(self, card: ModelCard, source: str | Path, plan: Plan) -> Any:
        """diffusers' own pipeline from a folder or a hub's cache, ready to run as planned."""
        ...

    def denoise(self, pipe: Any, shot: Shot, generator: Any, on_step: OnStep) -> tuple[Tensor, Tensor | None]:
        """Clean latents of the picture and of the sound, float32. `generator` is a fresh one on the processor.

        When `on_step` returns False the run ends there, and what it showed last is returned.
        """
        ...

    def unpack(self, pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
        """The picture's latents as the autoencoder takes them: (1, C, T, h, w)."""
        ...


class Sounding(Family, Protocol):
    """A family whose clips have sound."""

    def hear(self, pipe: Any, sound: Tensor) -> tuple[np.ndarray, int]:
        """The sound's latents as float32 (2, N) in -1..1, and how many samples make a second.

        What is not a number in them stays so.
        """
        ...
