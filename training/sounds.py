"""The soundtrack of a scenario: the subject's voice where it is seen, the scene around it, landings on their frame.

Also the mel spectrogram that the audio autoencoder works on. Knows no pictures.
"""

from __future__ import annotations

import math
from functools import lru_cache
from random import Random

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank

from training.model import MEL_BINS, MEL_HOP
from training.subjects import subject
from training.voices import (
    AMBIENCE,
    CALLS,
    SAMPLE_RATE,
    STEADY,
    Wave,
    clock,
    glide,
    noise,
    pulses,
    recording,
    thud,
    train_of,
)
from training.world import SHAKES_HZ, SWELL_HZ, Scenario

WINDOW = 4 * MEL_HOP
MEL_MEAN, MEL_SPREAD = -6.0, 3.0


def soundtrack(scenario: Scenario) -> np.ndarray:
    """Stereo float32 (2, N) in -1..1 at SAMPLE_RATE, as long as the clip."""
    rng, seconds = Random(scenario.seed + 1), scenario.seconds
    count = len(clock(seconds))
    times = clock(seconds)
    x, _, size, _ = scenario.track(times)
    pan = np.clip(x / (max(1.0, scenario.aspect) / 2), -1, 1) * 0.9
    near = 0.55 + 0.6 * np.clip(size - 0.2, 0, 0.6)
    voice = _voice(subject(scenario.subject).voice, seconds, count, rng) * near
    stereo = _place(voice * 0.5 + _effect(scenario, times, rng) * 0.3, pan)
    for moment in scenario.landings():
        at = int(moment * SAMPLE_RATE)
        hit = _placed_at(thud(rng) * 0.9, at, count)
        stereo += _place(hit, np.full(count, pan[min(at, count - 1)]))
    for moment in scenario.bites():
        at = int(moment * SAMPLE_RATE)
        stereo += _place(_placed_at(recording("app_bite")[: SAMPLE_RATE // 3] * 0.8, at, count), np.full(count, pan[0]))
    stereo += around(scenario.scene, seconds, rng)
    return np.tanh(stereo).astype(np.float32)


def around(scene: str, seconds: float, rng: Random) -> np.ndarray:
    """What is heard of a scene alone, stereo float32 (2, N)."""
    mono = AMBIENCE[scene](rng, seconds)[: len(clock(seconds))] * 0.22
    return np.stack([mono, np.roll(mono, 37)]).astype(np.float32)


def _place(mono: Wave, pan: Wave) -> np.ndarray:
    angle = (pan + 1) * np.pi / 4
    return np.stack([mono * np.cos(angle), mono * np.sin(angle)]) * np.sqrt(2)


def _placed_at(sound: Wave, at: int, count: int) -> Wave:
    out = np.zeros(count)
    part = sound[: max(0, count - at)]
    out[at : at + len(part)] = part
    return out


def _voice(kind: str, seconds: float, count: int, rng: Random) -> Wave:
    if kind in STEADY:
        return STEADY[kind](rng, seconds)[:count]
    call = CALLS[kind](rng)
    spare = max(1, count - len(call))
    first = rng.randrange(min(spare, SAMPLE_RATE // 2))
    sound = _placed_at(call, first, count)
    again = first + len(call) + int(rng.uniform(0.2, 0.5) * SAMPLE_RATE)
    return sound + (_placed_at(call, again, count) if again + len(call) // 2 < count else 0)


def _effect(scenario: Scenario, times: Wave, rng: Random) -> Wave:
    seconds, count = scenario.seconds, len(times)
    match scenario.action:
        case "grows":
            return glide((180, 800), seconds, (1, 0.3))[:count]
        case "shrinks":
            return glide((800, 180), seconds, (1, 0.3))[:count]
        case "falls":
            return _placed_at(glide((1500, 450), 0.7 * seconds), 0, count)
        case "rises":
            return glide((450, 1500), seconds)[:count]
        case "spins":
            return noise(400, 2200, seconds, rng)[:count] * pulses(1.0, seconds, 2)[:count] * 1.6
        case "surfs":
            return noise(500, 3500, seconds, rng)[:count] * (0.3 + 0.7 * pulses(SWELL_HZ, seconds, 1)[:count])
        case "dances":
            beat = _placed_at(thud(rng), 0, int(0.5 * SAMPLE_RATE)) * 1.5
            return np.tile(beat, math.ceil(count / len(beat)))[:count]
        case "rides":
            return noise(60, 500, seconds, rng)[:count] * (0.7 + 0.3 * pulses(12, seconds, 1)[:count])
        case "shakes":
            rattle = noise(900, 3000, 0.04, rng)
            return _placed_at(train_of(rattle, int(seconds * 2 * SHAKES_HZ), 0.5 / SHAKES_HZ - 0.04), 0, count)
    return np.zeros(count)


@lru_cache(maxsize=3)
def _filters(window: int, bins: int) -> torch.Tensor:
    bank = mel_filter_bank(window // 2 + 1, bins, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(np.asarray(bank, np.float32))


def mels(sound: torch.Tensor) -> list[torch.Tensor]:
    """Log-mels of sound (..., N) in nats, each (B, T, bins): few bins of short windows to many of long ones."""
    flat = sound.reshape(-1, sound.shape[-1])
    return [_log_mel(flat, *kind) for kind in ((320, 32), (WINDOW, MEL_BINS), (2048, 128))]


def _log_mel(flat: torch.Tensor, size: int, bins: int) -> torch.Tensor:
    spectrum = torch.stft(flat, size, size // 4, window=torch.hann_window(size), return_complex=True).abs()
    return (spectrum.transpose(1, 2) @ _filters(size, bins)).clamp(min=1e-5).log()


def mel(sound: torch.Tensor, frames: int | None = None) -> torch.Tensor:
    """Log-mel of sound (..., N), about -2..2: (..., T, MEL_BINS), 100 frames a second; padded or cut to `frames`."""
    logs = (_log_mel(sound.reshape(-1, sound.shape[-1]), WINDOW, MEL_BINS) - MEL_MEAN) / MEL_SPREAD
    logs = logs.reshape(*sound.shape[:-1], *logs.shape[1:])
    if frames is None:
        return logs
    missing = max(0, frames - logs.shape[-2])
    return torch.nn.functional.pad(logs, (0, 0, 0, missing), mode="constant", value=float(logs.min()))[..., :frames, :]
