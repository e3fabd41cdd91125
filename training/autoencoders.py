"""Trains the video autoencoder, the audio autoencoder and the vocoder, each by itself.

    python -m training.autoencoders video --minutes 25
    python -m training.autoencoders start
    python -m training.autoencoders whole --minutes 9 [--lr 0.0006] [--worker 0 --workers 2]
    python -m training.autoencoders decoder --minutes 60 [--lr 0.0006] [--guesses transformer] [--worker 0 --workers 2]
    python -m training.autoencoders audio --minutes 8
    python -m training.autoencoders vocoder --minutes 12 [--warm] [--worker 0 --workers 2]

`video` learns from small crops; `start` sets the weights from the principal components of clips instead, in another
layout. `whole` goes on with whole pictures, without which the middle of a large picture, far from the padding that
crops are full of, comes out grey; `decoder` then polishes the decoder alone, which leaves the latents as they are, so
that the transformer may train meanwhile. Weights go to the cache as video.weights.pt and so on; the latents' mean and
spread per channel are measured whenever the encoder has changed.
"""

from __future__ import annotations

import argparse
import math
from random import Random

import torch
from diffusers import AutoencoderKLLTX2Video

from studio.engine.grid import POCKET
from training import linear, lpips, model, photos, sounds, world
from training.checkpoint import Stretch
from training.formats import FASTEST, autocast
from training.guesses import Guesser
from training.meeting import Meeting, named
from training.optimiser import Trainer
from training.sources import CACHE

CROP_PX, CROP_FRAMES, CROPS = 64, 17, 8
LATENT_NOISE = 0.05  # as a share of the latents' spread: makes the decoder forgive small errors; more kills detail
PHOTO_SHARE = 0.25
WHOLE = ((128, 128, 9), (128, 224, 5), (224, 128, 5), (160, 192, 5))  # height, width, frames
LPIPS_WEIGHT, LPIPS_PX = 0.2, 96  # on a crop of so many pixels of one frame of each clip: a third of a step's time
STARTING_CLIPS = (160, 9, 128, 128)  # how many, frames, height, width


def video_crops(rng: Random) -> torch.Tensor:
    """A batch of crops (8, 3, 17, 64, 64) in -1..1: three quarters toys, centred near the subject, the rest photos."""
    crops: list[torch.Tensor] = []
    while len(crops) < CROPS:
        if rng.random() < 0.25:
            crops.append(photos.clip(rng, CROP_FRAMES, CROP_PX, CROP_PX))
            continue
        height, width = rng.choice(((128, 128), (128, 224), (224, 128)))
        scenario = world.imagine(rng, CROP_FRAMES / POCKET.frame_rate, width / height, anywhere=True)
        clip = world.render(scenario, CROP_FRAMES, height, width)
        middle = torch.tensor([scenario.seconds / 2]).numpy()
        x, y, _, _ = scenario.track(middle)
        for near in (True, rng.random() < 0.5):
            top, left = rng.randrange(height - CROP_PX + 1), rng.randrange(width - CROP_PX + 1)
            if near:
                top = _clamped(height / 2 + float(y[0]) * 128 - CROP_PX / 2 + rng.uniform(-24, 24), height - CROP_PX)
                left = _clamped(width / 2 + float(x[0]) * 128 - CROP_PX / 2 + rng.uniform(-24, 24), width - CROP_PX)
            crops.append(clip[:, :, top : top + CROP_PX, left : left + CROP_PX])
    return torch.stack(crops[:CROPS])


def _clamped(value: float, top: int) -> int:
    return int(min(max(value, 0), top))


def _edges(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def train_video(minutes: float) -> None:
    torch.manual_seed(0)
    vae = model.video_autoencoder().train()
    trainer = Trainer([vae], lr=0.008, small_lr=1e-3, average=0.995)
    stretch = Stretch("video", {"vae": vae}, trainer, minutes)
    rng = Random(1 + trainer.steps)
    while stretch.goes_on():
        x = video_crops(rng)
        with autocast():
            z = vae.encode(x).latent_dist.mean
            y = vae.decode(z + LATENT_NOISE * z.detach().std() * torch.randn_like(z)).sample
        y, z = y.float(), z.float()
        square = ((y - x) ** 2).mean()
        edges = sum((a - b).abs().mean() for a, b in zip(_edges(y), _edges(x), strict=True))
        loss = (y - x).abs().mean() + square + 0.5 * edges + 1e-3 * (z**2).mean()
        trainer.step(loss, stretch.progress)
        stretch.tick(psnr=-10 * math.log10(square.item() / 4), spread=z.std().item())
    stretch.save()
    trainer.use_average()
    _save(vae, rng)


def start_video() -> None:
    rng, (count, *size) = Random(1), STARTING_CLIPS
    torch.manual_seed(0)
    vae = model.video_autoencoder(patch_size=8)
    linear.start(vae, torch.stack([_clip(rng, *size) for _ in range(count)]))
    _save(vae, rng)


def _save(vae: AutoencoderKLLTX2Video, rng: Random) -> None:
    measure_video_latents(vae.eval(), rng)
    torch.save({"vae": vae.state_dict()}, CACHE / "video.weights.pt")


def whole_clips(rng: Random, count: int = 3) -> torch.Tensor:
    """A batch of whole pictures (count, 3, T, H, W) in -1..1, of one shape."""
    height, width, frames = rng.choice(WHOLE)
    return torch.stack([_clip(rng, frames, height, width) for _ in range(count)])


def _clip(rng: Random, frames: int, height: int, width: int) -> torch.Tensor:
    """A photograph or some frames of a toy (3, T, H, W)."""
    if rng.random() < PHOTO_SHARE:
        return photos.clip(rng, frames, height, width)
    skip = rng.randrange(24 - frames)
    return world.render(world.imagine(rng, 2.0, width / height, anywhere=True), skip + frames, height, width)[:, skip:]


def looks_unlike(judge: lpips.Lpips, ours: torch.Tensor, theirs: torch.Tensor, rng: Random) -> torch.Tensor:
    """LPIPS of a crop of one frame of clips (B, 3, T, H, W), mean over B."""
    frame, top, left = (rng.randrange(size) for size in (ours.shape[2], *(n - LPIPS_PX + 1 for n in ours.shape[3:])))
    rows, columns = slice(top, top + LPIPS_PX), slice(left, left + LPIPS_PX)
    with autocast():
        return judge(ours[:, :, frame, rows, columns], theirs[:, :, frame, rows, columns]).mean()


def train_whole(chosen: argparse.Namespace, is_encoder_frozen: bool) -> None:
    """Go on with whole pictures, with both halves or with the decoder alone; the first worker keeps the result.

    The decoder alone may learn, half of the time, from the guesses of the denoiser whose weights `--guesses` names.
    """
    worker = chosen.worker
    name = named("decoder" if is_encoder_frozen else "whole", worker)
    torch.manual_seed(worker)
    vae = model.with_weights(torch.load(CACHE / "video.weights.pt")["vae"])
    vae.train()
    vae.encoder.requires_grad_(not is_encoder_frozen)
    judge = lpips.load().to(FASTEST)
    trainer = Trainer([vae], lr=chosen.lr, small_lr=chosen.lr / 10, average=0.99)
    stretch = Stretch(name, {"vae": vae}, trainer, chosen.minutes)
    rng = stretch.chances(worker)
    meeting = Meeting(trainer, worker, chosen.workers)
    guesser = Guesser(chosen.guesses, rng) if is_encoder_frozen and chosen.guesses else None
    while stretch.goes_on():
        if guesser and rng.random() < 0.5:
            z, x = guesser.draw(2)
        else:
            x = whole_clips(rng)
            with torch.set_grad_enabled(not is_encoder_frozen), autocast():
                z = vae.encode(x).latent_dist.mean
        with autocast():
            y = vae.decode(z + LATENT_NOISE * z.detach().std() * torch.randn_like(z)).sample
        y = y.float()
        square = ((y - x) ** 2).mean()
        edges = sum((a - b).abs().mean() for a, b in zip(_edges(y), _edges(x), strict=True))
        unlike = looks_unlike(judge, y, x, rng)
        loss = (y - x).abs().mean() + square + 0.5 * edges + 1e-3 * (z.float() ** 2).mean()
        trainer.step(loss + LPIPS_WEIGHT * unlike, stretch.progress, decay_share=0.6)
        meeting.now_and_then()
        stretch.tick(psnr=-10 * math.log10(square.item() / 4), lpips=unlike.item())
    stretch.save()
    trainer.use_average()
    if worker > 0:
        return
    if is_encoder_frozen:
        torch.save({"vae": vae.state_dict()}, CACHE / "video.weights.pt")
    else:
        _save(vae, rng)


@torch.no_grad()
def measure_video_latents(vae, rng: Random, clips: int = 60) -> None:
    """Set the autoencoder's per-channel mean and spread (64,) from fresh clips."""
    found = []
    for _ in range(clips):
        height, width = rng.choice(((128, 128), (128, 224), (224, 128)))
        scenario = world.imagine(rng, 25 / POCKET.frame_rate, width / height, anywhere=True)
        with autocast():
            latents = vae.encode(world.render(scenario, 25, height, width)[None]).latent_dist.mean
        found.append(latents.float()[0].flatten(1))
    values = torch.cat(found, 1)
    vae.latents_mean.copy_(values.mean(1))
    vae.latents_std.copy_(values.std(1))


MEL_CROP = 69  # 4k + 1 frames: 18 latents, 0.7 seconds
SOUND_POOL = 256


class SoundPool:
    """Soundtracks made once and drawn from several times: synthesis is slower than a training step."""

    def __init__(self, rng: Random):
        self.rng = rng
        self.kept = [self._new() for _ in range(24)]

    def _new(self) -> torch.Tensor:
        return torch.from_numpy(
            sounds.soundtrack(
                world.imagine(self.rng, 25 / POCKET.frame_rate, self.rng.choice((0.6, 1, 1.8)), anywhere=True)
            )
        )

    def draw(self, count: int, samples: int) -> torch.Tensor:
        """Crops (count, 2, samples); two new soundtracks replace the oldest each time."""
        self.kept = [*self.kept[-SOUND_POOL:], self._new(), self._new()]
        crops = []
        for track in (self.rng.choice(self.kept) for _ in range(count)):
            start = self.rng.randrange(track.shape[1] - samples)
            crop = track[:, start : start + samples] * self.rng.uniform(0.5, 1.1)
            crops.append(crop.flip(0) if self.rng.random() < 0.5 else crop)
        return torch.stack(crops)


def train_audio(minutes: float) -> None:
    torch.manual_seed(0)
    vae = model.audio_autoencoder().train()
    trainer = Trainer([vae], lr=0.008, small_lr=1e-3, average=0.99)
    stretch = Stretch("audio", {"audio_vae": vae}, trainer, minutes)
    pool = SoundPool(Random(2 + trainer.steps))
    while stretch.goes_on():
        x = sounds.mel(pool.draw(16, (MEL_CROP - 1) * model.MEL_HOP))
        with autocast():
            z = vae.encode(x).latent_dist.mean
            y = vae.decode(z + LATENT_NOISE * z.detach().std() * torch.randn_like(z)).sample
        y, z = y.float(), z.float()
        distance = (y - x[:, :, : y.shape[2]]).abs().mean()
        square = ((y - x[:, :, : y.shape[2]]) ** 2).mean()
        trainer.step(distance + square + 1e-3 * (z**2).mean(), stretch.progress)
        stretch.tick(l1=distance.item(), spread=z.std().item())
    stretch.save()
    trainer.use_average()
    measure_audio_latents(vae.eval(), pool)
    torch.save({"audio_vae": vae.state_dict()}, CACHE / "audio.weights.pt")


@torch.no_grad()
def measure_audio_latents(vae, pool: SoundPool) -> None:
    """Set the mean and spread (64,) of the packed latents: channel-major, then mel row, as the pipeline packs them."""
    x = sounds.mel(pool.draw(200, (MEL_CROP - 1) * model.MEL_HOP))
    packed = vae.encode(x).latent_dist.mean.transpose(1, 2).flatten(2, 3)
    vae.latents_mean.copy_(packed.mean((0, 1)))
    vae.latents_std.copy_(packed.std((0, 1)))


def spectral_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Log-magnitude and convergence at four resolutions (Parallel WaveGAN, Yamamoto 2019); a, b are (B, 2, N)."""
    total = torch.zeros(())
    for size in (256, 512, 1024, 2048):
        window = torch.hann_window(size)
        ours, theirs = (
            torch.stft(x.flatten(0, 1), size, size // 4, window=window, return_complex=True).abs().clamp(min=1e-5)
            for x in (a, b)
        )
        total = total + (ours.log() - theirs.log()).abs().mean() + (ours - theirs).norm() / theirs.norm()
    return total / 4


def heard_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Log-mel at three resolutions, in nats; a, b are (B, 2, N).

    Ears hear pitch by its logarithm, while most bins of a plain spectrum lie above what a voice is known by (the loss
    of Descript's codec, Kumar et al. 2023, arXiv 2306.06546).
    """
    ours, theirs = (torch.cat([mel.flatten() for mel in sounds.mels(x)]) for x in (a, b))
    return (ours - theirs).abs().mean()


def train_vocoder(chosen: argparse.Namespace) -> None:
    """One side at a time, then doubled: trained on both at once, left and right came out alike.

    Warm, it goes on from the one in the cache.
    """
    worker = chosen.worker
    torch.manual_seed(worker)
    vae = model.audio_autoencoder()
    vae.load_state_dict(torch.load(CACHE / "audio.weights.pt")["audio_vae"])
    vae.eval().requires_grad_(False)
    vocoder = model.vocoder(sides=1)
    if chosen.warm:
        both = model.vocoder()
        both.load_state_dict(torch.load(CACHE / "vocoder.weights.pt")["vocoder"])
        vocoder = model.mono(both)
    trainer = Trainer([vocoder.train()], lr=0.008, small_lr=1e-3, average=0.99)
    stretch = Stretch(named("vocoder", worker), {"vocoder": vocoder}, trainer, chosen.minutes)
    rng = stretch.chances(worker)
    pool, meeting = SoundPool(rng), Meeting(trainer, worker, chosen.workers)
    samples = (MEL_CROP - 1) * model.MEL_HOP
    while stretch.goes_on():
        wave = pool.draw(6, samples)
        heard = sounds.mel(wave)
        if rng.random() < 0.5:  # half of the time what it will get in use: the autoencoder's own spectrograms
            with torch.no_grad():
                again = vae.decode(vae.encode(heard).latent_dist.mean).sample
            heard = torch.cat([again, heard[:, :, again.shape[2] :]], 2)
        with autocast():
            made = vocoder(heard[:, :, :-1].flatten(0, 1)[:, None])
        made = made.float()[..., :samples]
        wave = wave.flatten(0, 1)[:, None, : made.shape[-1]]
        spectral, heard_apart = spectral_distance(made, wave), heard_distance(made, wave)
        trainer.step(spectral + heard_apart, stretch.progress)
        meeting.now_and_then()
        stretch.tick(spectral=spectral.item(), mel=heard_apart.item())
    stretch.save()
    if worker:
        return
    trainer.use_average()
    torch.save({"vocoder": model.stereo(vocoder).state_dict()}, CACHE / "vocoder.weights.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("video", "start", "whole", "decoder", "audio", "vocoder"))
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lr", type=float, default=0.005, help="of whole pictures; what began as linear wants 0.0006")
    parser.add_argument("--warm", action="store_true", help="of the vocoder: go on from the one in the cache")
    parser.add_argument("--guesses", default="", help="weights of a denoiser whose guesses the decoder learns from too")
    chosen = parser.parse_args()
    trainings = {
        "video": lambda: train_video(chosen.minutes),
        "start": start_video,
        "whole": lambda: train_whole(chosen, is_encoder_frozen=False),
        "decoder": lambda: train_whole(chosen, is_encoder_frozen=True),
        "audio": lambda: train_audio(chosen.minutes),
        "vocoder": lambda: train_vocoder(chosen),
    }
    trainings[chosen.part]()
