"""Trains the joint transformer and its text connectors by flow matching on latents.

    python -m training.transformer --minutes 80 [--worker 0 --workers 2] [--spent 0] [--warm [--mean third]]
        [--teacher sixth | --guided]

Thinned clips teach looks: a few latent frames at their true times, and of each the subject's tokens with some others at
their true places, in a third of the tokens (dropping tokens in training: MaskDiT, Zheng et al. 2023), where noise lets
them be seen. Clips with all tokens of each frame teach where things are, which is told by the edges of the picture.
With several workers, each is a process with its own data; they average
their weights every minute, by the steps each has made. The share of clean first frames and clean openings is that
of the page: text most, a picture often, an extension now and then. With a teacher, other weights in the cache, it
learns that one's flows with guidance instead, and then does without the second pass that guidance takes. Guided, it
goes on from such weights in the world itself, and keeps what they know of guidance.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from random import Random

import torch

from studio.engine import attention, grid
from training import latents, model
from training.checkpoint import Stretch
from training.flows import Flows, Itself, Noised, Teacher
from training.formats import FASTEST
from training.latents import Batch, Shape
from training.meeting import Meeting, named
from training.optimiser import Trainer
from training.sources import CACHE

THINNED = 0.35  # of all batches
FEW_FRAMES = 0.5  # of the others have few frames too, but all of their tokens
SHAPES = {"1:1": 0.43, "16:9": 0.27, "9:16": 0.12, "4:3": 0.05, "3:4": 0.05, "21:9": 0.08}
LENGTHS = {9: 0.08, 13: 0.22, 25: 0.6, 37: 0.1}
KEPT_FRAMES = {7: 4, 10: 5}  # of so many latent frames
KEPT_TOKENS = 36  # of each latent frame, in a thinned clip
OPENING = 1 + (grid.POCKET.overlap_frames - 1) // grid.POCKET.temporal_ratio  # latent frames that an extension is given
PLAIN_TO_SEE = 0.85  # at noise below this there is no doubt where the subject is
TOKENS_A_BATCH = 3_600
AUDIO_WEIGHT = 0.4
SUBJECT_WEIGHT = 4.0
GUIDANCE = 3.0  # of what a guide aims at
FRESH, WARM = (0.006, 8e-4), (0.004, 6e-4)  # rates of matrices and of the rest; a higher one has to be undone first


def pick(rng: Random) -> tuple[Shape, list[int], bool]:
    """The kind of the next batch, which of its latent frames are trained on, and whether on some of their tokens."""
    ratio = rng.choices(list(SHAPES), list(SHAPES.values()))[0]
    shape = Shape(ratio, rng.choices(list(LENGTHS), list(LENGTHS.values()))[0])
    frames = shape.latents[0]
    is_thinned = rng.random() < THINNED
    if frames not in KEPT_FRAMES or not (is_thinned or rng.random() < FEW_FRAMES):
        return shape, list(range(frames)), is_thinned
    return shape, [0, *sorted(rng.sample(range(1, frames), KEPT_FRAMES[frames] - 1))], is_thinned


def batch_size(shape: Shape, frames: list[int], is_thinned: bool) -> int:
    _frames, height, width = shape.latents
    each = min(KEPT_TOKENS, height * width) if is_thinned else height * width
    return max(2, min(56, TOKENS_A_BATCH // (len(frames) * each)))


def kept_tokens(batch: Batch, frames: list[int], is_thinned: bool, sigma: torch.Tensor) -> torch.Tensor:
    """Numbers of the tokens (B, N) to train on, N the same for all.

    The subject's go first where the noise `sigma` (B,) lets it be seen; elsewhere that would betray its place.
    """
    _, height, width = batch.shape.latents
    count, each = len(batch.video), height * width
    starts = torch.tensor(frames) * each
    if not is_thinned or each <= KEPT_TOKENS:
        return (starts[:, None] + torch.arange(each)).flatten().expand(count, -1)
    is_subject = batch.subject.unflatten(1, (-1, each))[:, frames] & (sigma < PLAIN_TO_SEE)[:, None, None]
    best = (torch.rand(is_subject.shape) + is_subject.float()).topk(KEPT_TOKENS).indices.sort().values
    return (starts[:, None] + best).flatten(1)


def only(kept: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The kept ones (B, N, ...) of all tokens (B, frames * h * w, ...)."""
    return tokens[torch.arange(len(tokens))[:, None], kept]


def clean_tokens(shape: Shape, kept: torch.Tensor, begins: torch.Tensor, rng: Random) -> torch.Tensor:
    """Which kept tokens are given clean, (B, N) bool: none, the first frame, or an opening as an extension has it."""
    frames, height, width = shape.latents
    if frames <= 3:
        return torch.zeros_like(kept, dtype=torch.bool)
    most = OPENING if frames > OPENING else 1  # a shorter clip has no room for an opening
    shares = [(0, 0.6, 0.4) if is_begun else (0.6, 0.25, 0.15) for is_begun in begins]
    openings = torch.tensor([rng.choices((0, 1, most), each)[0] for each in shares])
    return kept // (height * width) < openings[:, None]


def noise_in_doubt(count: int) -> torch.Tensor:
    """Levels of noise (count,): mostly heavy ones, since where things are shows through all but the heaviest."""
    sigma = torch.sigmoid(1.4 * torch.randn(count) + 1.2)
    return torch.where(torch.rand(count) < 0.1, torch.rand(count), sigma)


def noise_in_use(count: int) -> torch.Tensor:
    """Levels of noise (count,) as often as the shifted schedule comes by them."""
    part, shift = torch.rand(count), model.scheduler().config["shift"]
    return shift * part / (1 + (shift - 1) * part)


@dataclass(frozen=True)
class Lesson:
    """What learns, and what of: denoiser and connectors, how much each latent channel counts (64,), a guide."""

    denoiser: torch.nn.Module
    connectors: torch.nn.Module
    importance: torch.Tensor
    guide: Teacher | Itself | None = None

    def losses(self, batch: Batch, frames: list[int], is_thinned: bool, rng: Random) -> Flows:
        """Flow-matching loss of picture and sound, at one noise level as in use; with a guide, against its aims."""
        count = len(batch.video)
        sigma = noise_in_use(count)
        if not isinstance(self.guide, Teacher):
            sigma = torch.where(torch.rand(count) < 0.5, sigma, noise_in_doubt(count))
        if is_thinned:
            sigma = sigma * PLAIN_TO_SEE
        kept = kept_tokens(batch, frames, is_thinned, sigma)
        given = clean_tokens(batch.shape, kept, batch.begins, rng)
        video, audio = only(kept, batch.video).float(), batch.audio.float()
        noise, audio_noise = torch.randn_like(video), torch.randn_like(audio)
        level = sigma[:, None] * ~given
        noised = Noised(
            batch.shape, kept, torch.lerp(video, noise, level[..., None]).to(FASTEST),
            torch.lerp(audio, audio_noise, sigma[:, None, None]).to(FASTEST), sigma, level,
        )  # fmt: skip
        told = noised.flows(self.denoiser, self.connectors, batch.text, batch.mask)
        true = noise - video, audio_noise - audio
        if self.guide:
            true = self.guide.aims(noised, batch.text, batch.mask, told, true)
        # The scenes are learned soon; where little noise leaves no doubt where the subject is, its looks count more.
        weight = (1 + SUBJECT_WEIGHT * (only(kept, batch.subject) & (sigma[:, None] < PLAIN_TO_SEE))) * ~given
        seen = ((told[0] - true[0]).square() * self.importance).mean(-1)
        return (seen * weight).sum() / weight.sum().clamp(min=1), (told[1] - true[1]).square().mean()


def begun(start: str, mean_with: str = "") -> tuple[torch.nn.Module, torch.nn.Module]:
    """Denoiser and connectors with the weights `start` of the cache; without a name, from nothing.

    Nothing has last layers of zero, for a first guess of zero. `mean_with` names other weights in the cache, and the
    mean of both is better than either (model soups, Wortsman et al. 2022).
    """
    denoiser, connectors = model.transformer(), model.connectors()
    if start:
        files = [torch.load(CACHE / f"{name}.weights.pt") for name in (start, mean_with) if name]
        for part, module in (("transformer", denoiser), ("connectors", connectors)):
            both = [file[part] for file in files]
            module.load_state_dict({name: sum(one[name].float() for one in both) / len(both) for name in both[0]})
    else:
        for last in (denoiser.proj_out, denoiser.audio_proj_out):
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.zeros_(last.bias)
    attention.use_on_cpu(denoiser, connectors)
    for module in (denoiser, connectors):
        module.to(dtype=FASTEST)
    return denoiser, connectors


def compiled(denoiser: torch.nn.Module) -> torch.nn.Module:
    """Its blocks compiled one by one with open sizes: a step takes three quarters of the time, after two minutes."""
    for block in denoiser.get_submodule("transformer_blocks").children():
        block.compile(dynamic=True)
    return denoiser


def teacher(name: str, samples: latents.Studio) -> Teacher:
    denoiser, connectors = begun(name)
    compiled(denoiser).eval().requires_grad_(False)
    return Teacher(denoiser, connectors.eval().requires_grad_(False), samples.empty, GUIDANCE)


def train(chosen: argparse.Namespace) -> None:
    worker = chosen.worker
    torch.manual_seed(worker)
    denoiser, connectors = (m.train() for m in begun("transformer" if chosen.warm else "", chosen.mean))
    compiled(denoiser)
    lr, small_lr = WARM if chosen.warm else FRESH
    trainer = Trainer([denoiser, connectors], lr=lr, small_lr=small_lr, average=0.995)
    name = named("transformer", worker)
    learning = {"transformer": denoiser, "connectors": connectors}
    stretch = Stretch(name, learning, trainer, chosen.minutes)
    stretch.spent_s = stretch.spent_s or chosen.spent * 60
    rng = stretch.chances(worker)
    samples, meeting = latents.Studio(rng), Meeting(trainer, worker, chosen.workers)
    guide = teacher(chosen.teacher, samples) if chosen.teacher else None
    if chosen.guided:
        guide = Itself(denoiser, connectors, samples.empty, GUIDANCE)
    lesson = Lesson(denoiser, connectors, samples.importance(), guide)
    while stretch.goes_on():
        shape, frames, is_thinned = pick(rng)
        batch = samples.batch(shape, batch_size(shape, frames, is_thinned))
        seen, heard = lesson.losses(batch, frames, is_thinned, rng)
        trainer.step(seen + AUDIO_WEIGHT * heard, stretch.progress, decay_share=0.85)
        meeting.now_and_then()
        stretch.tick(clip=seen.item(), sound=heard.item())
    stretch.finish(CACHE / f"{name}.weights.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--spent", type=float, default=0.0, help="minutes the other workers have trained already")
    parser.add_argument("--warm", action="store_true", help="begin with the weights of an earlier training")
    parser.add_argument("--mean", default="", help="begin with the mean of those and of these other weights")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--teacher", default="", help="learn from the flows, with guidance, of these weights")
    way.add_argument("--guided", action="store_true", help="keep what the weights have learned of guidance")
    train(parser.parse_args())
