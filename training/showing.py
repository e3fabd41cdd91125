"""Makes the pictures of card and README by rule: the first held-out prompts, and what people type first, seed 0.

    python -m training.showing

Nothing is chosen by hand, so what fails is seen too.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from studio.engine import grid
from studio.engine.rows import POCKET
from studio.media.poster import animated_webp
from studio.media.provenance import xmp
from studio.media.video import Movie
from training import model
from training.evaluate import RATIOS, TYPED_FIRST, Evaluation, held_out, plain_caption

EXAMPLE = model.POCKET.parent / "examples" / "clip.webp"
PROMPTS = 24
MOMENTS = 4  # of each clip, on the sheet
TILE = 168, 128


def sheet(clips: list[np.ndarray]) -> Image.Image:
    """Moments of clips, uint8 (T, H, W, 3) each; two clips a row."""
    rows = []
    for clip in clips:
        moments = [Image.fromarray(clip[k]) for k in np.linspace(0, len(clip) - 1, MOMENTS).astype(int)]
        rows.append(np.concatenate([np.asarray(ImageOps.pad(each, TILE)) for each in moments], 1))
    pairs = [np.concatenate(rows[k : k + 2], 1) for k in range(0, len(rows) - 1, 2)]
    return Image.fromarray(np.concatenate(pairs))


def main() -> None:
    asked = Evaluation(model.POCKET, POCKET.default_steps, POCKET.default_guidance)
    scenarios = enumerate(held_out(PROMPTS))
    clips = [asked.make(plain_caption(scenario), RATIOS[k % len(RATIOS)], k).frames for k, scenario in scenarios]
    mark = xmp(POCKET.name)
    sheet(clips).save(model.POCKET / "held-out.webp", quality=80, xmp=mark)
    typed = [asked.make(prompt, RATIOS[0], 0).frames for prompt in TYPED_FIRST]
    for frames, target in ((np.concatenate(typed, 2), model.POCKET / "typed-first.webp"), (typed[-1], EXAMPLE)):
        animated_webp(Movie(frames, grid.POCKET.frame_rate), target, mark)


if __name__ == "__main__":
    main()
