"""Asks a running studio for every kind of clip that one model makes, checks what a program can, keeps them to look at.

`python -m tests.manual.verify wan-2.2-5b`; README.md beside this says how, and each family's recipe what to look at.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from studio.media.video import Movie, read_video

PROMPT = "A red ball rolls slowly across a wooden table, soft morning light, close-up"
NEXT = "The red ball falls off the edge of the table"
SEED = 7


@dataclass
class Verification:
    """One model of one studio; its clips go to `folder`."""

    studio: Client
    card: dict[str, Any]
    folder: Path

    def make(self, name: str, endpoint: str = "/generate", **arguments: Any) -> tuple[Movie, dict[str, Any]]:
        """A clip, kept under this name; says what it took."""
        began_s = time.monotonic()
        video, recipe = self.studio.predict(api_name=endpoint, **arguments)
        kept = self.folder / f"{name}.mp4"
        shutil.copy(video, kept)
        movie = read_video(kept)
        steps_s = recipe["elapsed_seconds"] / max(1, recipe["steps_done"])
        print(
            f"{name}: {recipe['width']} x {recipe['height']}, {recipe['num_frames']} frames, "
            f"{time.monotonic() - began_s:.0f} s, {steps_s:.2f} s a step with all else, "
            f"{recipe['peak_memory_bytes'] / 1e9:.1f} GB at most. {recipe['note']}",
            flush=True,
        )
        assert len(movie.frames) == recipe["num_frames"]
        assert movie.frames.std() > 3, "one flat colour"
        return movie, recipe

    def generate(self, name: str, **changes: Any) -> tuple[Movie, dict[str, Any]]:
        asked = {
            "prompt": PROMPT,
            "seed": SEED,
            "model": self.card["name"],
            "aspect_ratio": next(iter(self.card["grid"]["sizes"])),
            "seconds": self.card["default_seconds"],
        }
        if self.card["must_begin_with_picture"]:
            asked["image"] = handle_file(self.picture("first", (200, 40, 30)))
        return self.make(name, **{**asked, **changes})

    def picture(self, name: str, colour: tuple[int, int, int]) -> Path:
        """A ball of this colour on a table, left in the first picture and right in the last."""
        width, height = next(iter(self.card["grid"]["sizes"].values()))
        across, down = np.meshgrid(np.arange(width), np.arange(height))
        centre = width * (0.25 if name == "first" else 0.75)
        pixels = np.where(down[..., None] > height * 0.6, (120, 80, 50), (200, 210, 220)).astype(np.uint8)
        pixels[(across - centre) ** 2 + (down - height * 0.55) ** 2 < (height * 0.12) ** 2] = colour
        path = self.folder / f"{name}.png"
        Image.fromarray(pixels).save(path)
        return path

    # What may be asked of a model

    def words(self) -> None:
        movie, recipe = self.generate("words")
        again, _ = self.generate("same-seed")
        # Bit by bit only on a processor: kernels of a GPU may add up in another order.
        assert np.abs(movie.frames.astype(int) - again.frames).mean() < 1, "the same seed made other frames"
        assert recipe["has_sound"] == self.card["has_sound"]
        assert (movie.sound is not None) == self.card["has_sound"]

    def first_picture(self) -> None:
        path = self.picture("first", (200, 40, 30))
        movie, _ = self.generate("first-picture", image=handle_file(path))
        self.check_like(movie.frames[0], path)

    def last_picture(self) -> None:
        first, last = self.picture("first", (200, 40, 30)), self.picture("last", (200, 40, 30))
        movie, _ = self.generate("last-picture", image=handle_file(first), last_image=handle_file(last))
        self.check_like(movie.frames[0], first)
        self.check_like(movie.frames[-1], last)

    def extension(self) -> None:
        before, recipe = self.generate("before")
        seconds = self.card["limits"]["min_seconds"]
        after, _ = self.make("extended", "/extend", clip=recipe["clip"], seconds=seconds, prompt=NEXT)
        assert len(after.frames) > len(before.frames)
        drift = np.abs(after.frames[: len(before.frames)].astype(int) - before.frames).mean()
        assert drift < 4, f"the old frames changed by {drift:.1f} of 255"

    def check_like(self, frame: np.ndarray, path: Path) -> None:
        wanted = np.asarray(Image.open(path).convert("RGB").resize(frame.shape[1::-1]))
        off = np.abs(frame.astype(int) - wanted).mean()
        print(f"  differs from {path.name} by {off:.1f} of 255")
        assert off < 40, f"that frame is not {path.name}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.manual.verify", description=__doc__)
    parser.add_argument("model", help="a name that /models lists")
    parser.add_argument("--studio", default="http://127.0.0.1:7860", help="where the studio is")
    parser.add_argument("--folder", type=Path, help="where the clips go; by default a folder of the model's name")
    asked = parser.parse_args()
    studio = Client(asked.studio, verbose=False)
    cards = {card["name"]: card for card in studio.predict(api_name="/models")}
    if asked.model not in cards or cards[asked.model]["obstacle"]:
        print(cards[asked.model]["obstacle"] if asked.model in cards else f"The studio has {', '.join(cards)}.")
        return 1
    card, folder = cards[asked.model], asked.folder or Path(asked.model)
    folder.mkdir(parents=True, exist_ok=True)
    verification = Verification(studio, card, folder)
    kinds: dict[str, tuple[bool, Callable[[], None]]] = {
        "clip and seed": (True, verification.words),
        "first picture": (card["can_begin_with_picture"], verification.first_picture),
        "last picture": (card["can_end_with_picture"], verification.last_picture),
        "extension": (card["can_extend"], verification.extension),
    }
    failed = 0
    for kind, (is_offered, verify) in kinds.items():
        if not is_offered:
            print(f"{kind}: not offered")
            continue
        try:
            verify()
        except Exception as error:  # noqa: BLE001 what fails is a finding, and the others go on
            failed += 1
            print(f"{kind} FAILED: {type(error).__name__}: {error}")
    print(f"Now look at {folder}, as the family's recipe says.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
