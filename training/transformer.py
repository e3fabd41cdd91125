"""Trains the joint transformer and its text connectors by flow matching on latents.

    python -m training.transformer --minutes 80 [--worker 0 --workers 2] [--spent 0] [--warm [--mean third]]

Thinned clips first, then whole ones: a few latent frames at their true times, and of each the subject's tokens with
some others at their true places, show motion and looks as well as all do, in a third of the tokens (dropping tokens
in training: MaskDiT, Zheng et al. 2023). With several workers, each is a process with its own data; they average
their weights every minute, by the steps each has made. The share of clean first frames and clean openings is that
of the page: text most, a picture often, an extension now and then.
"""

from __future__ import annotations

import argparse
import time
from random import Random

import torch

from studio.engine import attention
from training import latents, model
from training.checkpoint import Stretch
from training.latents import Batch, Shape
from training.optimiser import Trainer
from training.sources import CACHE

THINNED_UNTIL = 0.4  # of the time; some clips are thinned after that too
THINNED_LATER = 0.3
STILLS = 0.03
SHAPES = {"1:1": 0.43, "16:9": 0.27, "9:16": 0.12, "4:3": 0.05, "3:4": 0.05, "21:9": 0.08}
LENGTHS = {9: 0.08, 13: 0.22, 25: 0.6, 37: 0.1}
KEPT_FRAMES = {7: 4, 10: 5}  # of so many latent frames, in a thinned clip
KEPT_TOKENS = 36  # of each latent frame, in a thinned clip
PLAIN_TO_SEE = 0.85  # at noise below this there is no doubt where the subject is
TOKENS_A_BATCH = 3_600
AUDIO_WEIGHT = 0.4
SUBJECT_WEIGHT = 4.0
MEET_EVERY_S = 60.0


def pick(rng: Random, progress: float) -> tuple[Shape, list[int], bool]:
    """The kind of the next batch, which of its latent frames are trained on, and whether on some of their tokens."""
    ratio = rng.choices(list(SHAPES), list(SHAPES.values()))[0]
    shape = Shape(ratio, 1 if rng.random() < STILLS else rng.choices(list(LENGTHS), list(LENGTHS.values()))[0])
    frames = shape.latents[0]
    is_thinned = progress < THINNED_UNTIL or rng.random() < THINNED_LATER
    if not is_thinned or frames not in KEPT_FRAMES:
        return shape, list(range(frames)), is_thinned
    return shape, [0, *sorted(rng.sample(range(1, frames), KEPT_FRAMES[frames] - 1))], True


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


def clean_tokens(shape: Shape, kept: torch.Tensor, rng: Random) -> torch.Tensor:
    """Which kept tokens are given clean, (B, N) bool: none, the first frame, or an opening of 3 latent frames."""
    frames, height, width = shape.latents
    if frames <= 3:  # a shorter clip has no room for an opening
        return torch.zeros_like(kept, dtype=torch.bool)
    openings = torch.tensor(rng.choices((0, 1, 3), (0.6, 0.25, 0.15), k=len(kept)))
    return kept // (height * width) < openings[:, None]


def loss_of(
    denoiser, connectors, batch: Batch, frames: list[int], is_thinned: bool, rng: Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flow-matching loss of picture and sound, both at one noise level as in use."""
    count, is_still = len(batch.video), batch.shape.num_frames == 1
    # Where things are in a clip is decided in heavy noise: its many like tokens show through all but the heaviest.
    sigma = torch.sigmoid(torch.randn(count) + 0.4 if is_still else 1.4 * torch.randn(count) + 1.2)
    sigma = torch.where(torch.rand(count) < 0.1, torch.rand(count), sigma)
    kept = kept_tokens(batch, frames, is_thinned, sigma)
    given = clean_tokens(batch.shape, kept, rng)
    video, audio = only(kept, batch.video).float(), batch.audio.float()
    noise, audio_noise = torch.randn_like(video), torch.randn_like(audio)
    level = sigma[:, None] * ~given
    noisy = torch.lerp(video, noise, level[..., None])
    noisy_audio = torch.lerp(audio, audio_noise, sigma[:, None, None])
    states, audio_states, _mask = connectors(batch.text, batch.mask, padding_side="left")
    # One time per clip where nothing is given saves a time embedding per token.
    times = level if given.any() else sigma[:, None]
    flow, audio_flow = denoiser(
        hidden_states=noisy.to(torch.bfloat16),
        audio_hidden_states=noisy_audio.to(torch.bfloat16),
        encoder_hidden_states=states,
        audio_encoder_hidden_states=audio_states,
        timestep=times * 1000,
        audio_timestep=sigma * 1000,
        sigma=sigma * 1000,
        audio_sigma=sigma * 1000,
        video_coords=coordinates(denoiser, batch.shape, kept),
        audio_num_frames=audio.shape[1],
        isolate_modalities=is_still,
        use_cross_timestep=True,
        return_dict=False,
    )
    # The scenes are learned soon; where little noise leaves no doubt where the subject is, its looks count more.
    weight = (1 + SUBJECT_WEIGHT * (only(kept, batch.subject) & (sigma[:, None] < PLAIN_TO_SEE))) * ~given
    square = (flow.float() - (noise - video)).square().mean(-1)
    seen = (square * weight).sum() / weight.sum()
    heard = (audio_flow.float() - (audio_noise - audio)).square().mean()
    return seen, torch.zeros(()) if is_still else heard


def coordinates(denoiser, shape: Shape, kept: torch.Tensor) -> torch.Tensor:
    """Where and when the kept tokens are, as the denoiser's rotary embedding counts it, (B, 3, N, 2)."""
    whole = denoiser.rope.prepare_video_coords(1, *shape.latents, torch.device("cpu"), fps=12.0)[0]
    return whole[:, kept].transpose(0, 1)


class Meeting:
    """Workers on one machine leave their weights in the cache and move towards each other's newest.

    By the steps each has made since they last met: a slow worker must not hold a fast one back.
    """

    def __init__(self, trainer: Trainer, worker: int, workers: int):
        self.trainer, self.worker, self.workers, self.last = trainer, worker, workers, time.monotonic()
        self.met_at = dict.fromkeys(range(workers), 0)
        self.met_at[worker] = trainer.steps
        for other in self.met_at:
            path = CACHE / f"meeting-{other}.pt"
            if other != worker and path.exists():
                state = torch.load(path)
                self.met_at[other] = state["steps"]
                if other == 0 and trainer.steps == 0:
                    trainer.meet(state["weights"], 1.0)

    def now_and_then(self) -> None:
        if self.workers == 1 or time.monotonic() - self.last < MEET_EVERY_S:
            return
        self.last = time.monotonic()
        mine, made = CACHE / f"meeting-{self.worker}.pt", self.trainer.steps - self.met_at[self.worker]
        weights = [m.detach() for m in self.trainer.masters]
        torch.save({"weights": weights, "steps": self.trainer.steps}, mine.with_suffix(".new"))
        mine.with_suffix(".new").replace(mine)
        self.met_at[self.worker] = self.trainer.steps
        for other in range(self.workers):
            path = CACHE / f"meeting-{other}.pt"
            if other == self.worker or not path.exists():
                continue
            state = torch.load(path)
            theirs = state["steps"] - self.met_at[other]
            self.met_at[other] = state["steps"]
            if theirs > 0:
                self.trainer.meet(state["weights"], theirs / (theirs + made))


def begin(denoiser, connectors, is_warm: bool, mean_with: str = "") -> None:
    """Start from the weights in the cache; or from nothing, with last layers of zero for a first guess of zero.

    `mean_with` names other weights in the cache, and the mean of both is better than either (model soups, Wortsman et
    al. 2022).
    """
    if is_warm:
        files = [torch.load(CACHE / f"{name}.weights.pt") for name in ("transformer", mean_with) if name]
        for part, module in (("transformer", denoiser), ("connectors", connectors)):
            both = [file[part] for file in files]
            module.load_state_dict({name: sum(one[name].float() for one in both) / len(both) for name in both[0]})
        return
    for last in (denoiser.proj_out, denoiser.audio_proj_out):
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)


def train(minutes: float, worker: int, workers: int, spent_minutes: float, is_warm: bool, mean_with: str) -> None:
    torch.manual_seed(worker)
    denoiser, connectors = model.transformer(), model.connectors()
    begin(denoiser, connectors, is_warm, mean_with)
    attention.use_on_cpu(denoiser, connectors)
    for module in (denoiser, connectors):
        module.to(torch.bfloat16).train()
    trainer = Trainer([denoiser, connectors], lr=0.006, small_lr=8e-4, average=0.995)
    name = "transformer" if worker == 0 else f"transformer-{worker}"
    stretch = Stretch(name, {"transformer": denoiser, "connectors": connectors}, trainer, minutes)
    stretch.spent_s = stretch.spent_s or spent_minutes * 60
    rng = Random(1000 * worker + trainer.steps)
    torch.manual_seed(1000 * worker + trainer.steps)
    samples, meeting = latents.Studio(rng), Meeting(trainer, worker, workers)
    while stretch.goes_on():
        shape, frames, is_thinned = pick(rng, stretch.progress)
        batch = samples.batch(shape, batch_size(shape, frames, is_thinned))
        seen, heard = loss_of(denoiser, connectors, batch, frames, is_thinned, rng)
        trainer.step(seen + AUDIO_WEIGHT * heard, stretch.progress, decay_share=0.85)
        meeting.now_and_then()
        kind = "still" if shape.num_frames == 1 else "clip"
        stretch.tick(**{kind: seen.item()}, **({"sound": heard.item()} if kind == "clip" else {}))
    stretch.finish(CACHE / f"{name}.weights.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--spent", type=float, default=0.0, help="minutes the other workers have trained already")
    parser.add_argument("--warm", action="store_true", help="begin with the weights of an earlier training")
    parser.add_argument("--mean", default="", help="begin with the mean of those and of these other weights")
    chosen = parser.parse_args()
    train(chosen.minutes, chosen.worker, chosen.workers, chosen.spent, chosen.warm, chosen.mean)
