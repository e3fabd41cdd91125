"""Feeds the transformer's training: scenarios rendered, heard and read, as latents; each used a few times.

One pool per shape. Rendering and encoding a clip costs about as much as half a training step on it, so a sample
stays in its pool until newer ones push it out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
import torch

from studio.engine import grid
from training import model, photos, sounds, world
from training.formats import FASTEST
from training.sources import CACHE
from training.subjects import ACTIONS, SUBJECTS

REUSE = 20
FIRST = 8  # samples are enough to begin a pool with
POOL = 800
# So many times as often as others come the subjects and actions of what people type first: a cat that surfs on a
# rainbow, a dragon that soars over a city, a unicorn that eats spaghetti.
NEW, RECENT = SUBJECTS[-50:], SUBJECTS[-75:-50]  # those of this stretch, and of the one before, have to catch up
FAVOURITES = {"cat": 6, "dragon": 6, "unicorn": 6} | {one.name: 2.5 for one in NEW} | {one.name: 1.5 for one in RECENT}
FAVOURITE_ACTIONS = {"surfs": 2, "eats": 2, "rides": 2}
STORIES = (
    {"subject": "cat", "action": "surfs", "scene": "rainbow"},
    {"subject": "dragon", "action": "surfs", "scene": "city"},
    {"subject": "unicorn", "action": "eats", "thing": "spaghetti"},
    {"action": "eats", "thing": "spaghetti"},
)
STORY_SHARE = 0.1  # of all samples tell one of these
PHOTO_SHARE = 0.12  # of all samples begin with a photograph, as a visitor's may
GIVEN_SHARE = 0.14  # of all samples have their beginning given, as a visitor's picture or a clip that is extended:
ELSEWHERE_SHARE = 0.5  # of these happen anywhere, and they begin
LATER = (0, 4, 12, 16, 24, 28)  # so many frames after a scenario does
SEEN_SHARE = 0.75  # of a channel's weight goes by what is seen of it; the rest keeps even the faintest in check


@dataclass(frozen=True)
class Shape:
    """One kind of batch: aspect ratio and frames."""

    aspect_ratio: str
    num_frames: int

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width of what is denoised."""
        width, height = grid.canvas(grid.POCKET, self.aspect_ratio)
        return height, width

    @property
    def latents(self) -> tuple[int, int, int]:
        return grid.latent_shape(grid.POCKET, self.aspect_ratio, self.num_frames)

    @property
    def times(self) -> np.ndarray:
        """The middle of each latent frame in seconds: the first holds one frame, the others four."""
        return np.maximum(0, np.arange(self.latents[0]) * grid.POCKET.temporal_ratio - 1.5) / grid.POCKET.frame_rate

    @property
    def audio_latents(self) -> int:
        """As the pipeline counts them: 25 a second."""
        return round(self.num_frames / grid.POCKET.frame_rate * 25)


@dataclass(frozen=True)
class Batch:
    """`video` (B, tokens, 64) and `audio` (B, tokens, 64) normalised latents, `text` (B, 32, 1152), `mask` (B, 32).

    `subject` (B, tokens) is true where the subject is. `begins` (B,): it makes sense only with its beginning given.
    """

    shape: Shape
    video: torch.Tensor
    subject: torch.Tensor
    audio: torch.Tensor
    text: torch.Tensor
    mask: torch.Tensor
    begins: torch.Tensor


def where(scenario: world.Scenario, shape: Shape, times: np.ndarray) -> torch.Tensor:
    """Which tokens (frames * h * w,) subject and thing cover at `times`, one for each latent frame, as squares."""
    _, height, width = shape.latents
    unit = world.UNIT_PX / grid.POCKET.spatial_ratio
    rows, columns = (np.arange(height) + 0.5 - height / 2) / unit, (np.arange(width) + 0.5 - width / 2) / unit
    covered = np.zeros(shape.latents, bool)
    for track in (scenario.track, scenario.thing_track)[: 2 if scenario.thing else 1]:
        x, y, size, _ = (values[:, None, None] for values in track(times))
        reach = size / 2 + 0.5 / unit
        covered |= (np.abs(rows[None, :, None] - y) < reach) & (np.abs(columns[None, None] - x) < reach)
    return torch.from_numpy(covered).flatten()


class Studio:
    """Makes samples with the frozen autoencoders and text encoder."""

    def __init__(self, rng: Random):
        self.rng = rng
        vae, audio = model.with_weights(torch.load(CACHE / "video.weights.pt")["vae"]), model.audio_autoencoder()
        audio.load_state_dict(torch.load(CACHE / "audio.weights.pt")["audio_vae"])
        self.pipe = model.assemble({"vae": vae, "audio_vae": audio})
        for part in (vae, audio, self.pipe.text_encoder):
            part.to(FASTEST).eval().requires_grad_(False)
        self.pools: dict[Shape, list[tuple[torch.Tensor, ...]]] = {}
        self.empty = self._read([""])

    @torch.no_grad()
    def _read(self, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.pipe._get_gemma_prompt_embeds(captions, max_sequence_length=model.TEXT_TOKENS)

    @torch.no_grad()
    def make(self, shape: Shape, count: int) -> list[tuple[torch.Tensor, ...]]:
        """New samples: as a `Batch` has them, but for its shape."""
        return list(zip(*self.told([self.shot(shape) for _ in range(count)], shape), strict=True))

    @torch.no_grad()
    def told(self, shots: list[photos.Shot], shape: Shape) -> tuple[torch.Tensor, ...]:
        """What `make` makes of each, for all of these of one shape together."""
        video = self.encode_video(torch.stack([shot.pixels for shot in shots]))
        audio = self.encode_audio(torch.stack([torch.from_numpy(shot.sound) for shot in shots]), shape)
        text, mask = self._read([shot.caption for shot in shots])
        nowhere = torch.zeros(math.prod(shape.latents), dtype=torch.bool)
        places = torch.stack(
            [where(shot.toy, shape, shape.times + shot.late_s) if shot.toy else nowhere for shot in shots]
        )
        return video, places, audio, text, mask, torch.tensor([shot.begins for shot in shots])

    def shot(self, shape: Shape) -> photos.Shot:
        """One out of the world, or now and then one that begins with a photograph, where the clip has room for that."""
        height, width = shape.pixels
        out_width, out_height = grid.size(grid.POCKET, shape.aspect_ratio)
        aspect = out_width / out_height
        if shape.latents[0] > 3 and self.rng.random() < PHOTO_SHARE:
            return photos.shoot(self.rng, shape.num_frames, height, width, aspect)
        is_given = shape.latents[0] > 3 and self.rng.random() < GIVEN_SHARE
        is_anywhere = is_given and self.rng.random() < ELSEWHERE_SHARE
        late = self.rng.choice(LATER) if is_given else 0
        late_s, seconds = late / grid.POCKET.frame_rate, (late + shape.num_frames) / grid.POCKET.frame_rate
        scenario = world.imagine(self.rng, seconds, aspect, anywhere=is_anywhere, **self._asked())
        pixels = world.render(scenario, shape.num_frames, height, width, late=late)
        sound = sounds.soundtrack(scenario)[:, round(late_s * sounds.SAMPLE_RATE) :]
        return photos.Shot(scenario.caption, pixels, sound, scenario, begins=is_given, late_s=late_s)

    def _asked(self) -> dict[str, str]:
        if self.rng.random() < STORY_SHARE:
            return self.rng.choice(STORIES)
        return {
            "subject": self._one_of([one.name for one in SUBJECTS], FAVOURITES),
            "action": self._one_of(list(ACTIONS), FAVOURITE_ACTIONS),
        }

    def _one_of(self, names: list[str], favourites: Mapping[str, float]) -> str:
        return self.rng.choices(names, [favourites.get(name, 1) for name in names])[0]

    def encode_video(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, T, H, W) in -1..1 to normalised tokens (B, frames * h * w, 64)."""
        vae = self.pipe.vae
        latents = vae.encode(pixels.to(vae.dtype)).latent_dist.mode()
        latents = self.pipe._normalize_latents(latents, vae.latents_mean, vae.latents_std)
        return self.pipe._pack_latents(latents, 1, 1)

    @torch.no_grad()
    def importance(self) -> torch.Tensor:
        """How much each channel of the video latents counts, (64,), one on average: how far noise in it shows.

        All channels are scaled to the same spread, yet a few carry most of what is seen.
        """
        rng, shape = Random(3), Shape("1:1", 13)
        height, width = shape.pixels
        clips = [world.render(world.imagine(rng, 1.0, 1.0), shape.num_frames, height, width) for _ in range(2)]
        tokens = self.encode_video(torch.stack(clips))
        noise = 0.5 * torch.randn(tokens.shape[:2], generator=torch.Generator().manual_seed(3))
        plain, shows = self._decode(tokens, shape), torch.zeros(model.VIDEO_CHANNELS)
        for channel in range(model.VIDEO_CHANNELS):
            noisy = tokens.clone()
            noisy[..., channel] += noise
            shows[channel] = (self._decode(noisy, shape) - plain).square().mean().sqrt()
        return (1 - SEEN_SHARE) + SEEN_SHARE * shows / shows.mean()

    def _decode(self, tokens: torch.Tensor, shape: Shape) -> torch.Tensor:
        """Normalised tokens back to pixels, float32."""
        vae = self.pipe.vae
        latents = self.pipe._unpack_latents(tokens, *shape.latents, 1, 1).to(vae.dtype)
        latents = self.pipe._denormalize_latents(latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)
        return vae.decode(latents, None, return_dict=False)[0].float()

    def encode_audio(self, waves: torch.Tensor, shape: Shape) -> torch.Tensor:
        """(B, 2, N) to normalised tokens (B, audio latents, 64)."""
        vae = self.pipe.audio_vae
        spectrogram = sounds.mel(waves, 4 * shape.audio_latents - 3)
        packed = self.pipe._pack_audio_latents(vae.encode(spectrogram.to(vae.dtype)).latent_dist.mode())
        return self.pipe._normalize_audio_latents(packed, vae.latents_mean, vae.latents_std)

    def batch(self, shape: Shape, count: int, drop_text: float = 0.1) -> Batch:
        """Draw `count` samples of one shape; a share of the captions is replaced by the empty one, for guidance.

        Where the beginning is given, no words are words of their own: the picture stays.
        """
        pool = self.pools.setdefault(shape, [])
        pool += self.make(shape, max(1, count // REUSE) if pool else min(count, FIRST))
        del pool[:-POOL]
        video, places, audio, text, mask, begins = (
            torch.stack(part) for part in zip(*self.rng.choices(pool, k=count), strict=True)
        )
        empty = torch.tensor([self.rng.random() < drop_text for _ in range(count)]) & ~begins
        text = torch.where(empty[:, None, None], self.empty[0], text)
        mask = torch.where(empty[:, None], self.empty[1], mask)
        return Batch(shape, video, places, audio, text, mask, begins)
