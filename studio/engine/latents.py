"""A clip between denoising and decoding: its clean latents and what decoding needs, kept in one safetensors file."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from studio.domain import VideoRequest
from studio.engine.meter import Spent

if TYPE_CHECKING:
    from torch import Tensor


class Damaged(Exception):
    """A file of latents that cannot be used, with the reason."""


@dataclass(frozen=True)
class Latents:
    """`picture` and `sound` as the model's family has them; None where the model makes no sound.

    `request` is the one that they were really made of, `num_frames` counts a clip's given frames too, `note` is what
    the visitor should know of how they came about, `spent` what they took, and `weights` stands for what made them.
    """

    picture: Tensor
    sound: Tensor | None
    request: VideoRequest
    num_frames: int
    steps_done: int
    note: str = ""
    spent: Spent = field(default_factory=Spent)
    weights: str = ""

    @property
    def is_finite(self) -> bool:
        return all(bool(part.isfinite().all()) for part in self._tensors().values())

    def _tensors(self) -> dict[str, Tensor]:
        found = {"picture": self.picture} | ({} if self.sound is None else {"sound": self.sound})
        return {name: part.cpu().contiguous() for name, part in found.items()}

    def save(self, path: Path) -> None:
        """Write `path`, whole or not at all; OSError when there is no room."""
        from safetensors.torch import save  # brings torch along, which is slow to import

        tensors = self._tensors()
        facts = {
            "request": self.request.to_dict(),
            "num_frames": self.num_frames,
            "steps_done": self.steps_done,
            "note": self.note,
            "spent": asdict(self.spent),
            "weights": self.weights,
            "checksum": _checksum(tensors),
        }
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(save(tensors, {"latents": json.dumps(facts)}))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Latents:
        """Read what `save` wrote, on the processor. Damaged for anything else; nothing in it is ever executed."""
        from safetensors import SafetensorError, safe_open  # brings torch along, which is slow to import

        try:
            with safe_open(path, "pt") as file:
                facts = json.loads((file.metadata() or {})["latents"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dictionary
            # After a power cut a file may have its full length and yet not its content.
            if _checksum(tensors) != facts.pop("checksum"):
                raise Damaged("its checksum is another")
            request, spent = VideoRequest.from_dict(facts.pop("request")), Spent(**facts.pop("spent"))
            return cls(tensors.pop("picture"), tensors.pop("sound", None), request=request, spent=spent, **facts)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(str(error) or type(error).__name__) from error


def _checksum(tensors: dict[str, Tensor]) -> int:
    import torch  # slow to import, so only where a model is already loaded

    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return total
