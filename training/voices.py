"""The voices of the toy world: short calls and steady noises, from a few recordings and otherwise from formulas.

Each voice is a function (rng, seconds) -> float32 (N,) at SAMPLE_RATE, mono, about one in peak. Knows no stereo.
"""

from __future__ import annotations

import wave
from functools import lru_cache
from random import Random

import numpy as np

from training import sources

SAMPLE_RATE = 16_000
Wave = np.ndarray


def clock(seconds: float) -> Wave:
    return np.arange(max(1, int(seconds * SAMPLE_RATE))) / SAMPLE_RATE


def fade(length: int, attack_s: float = 0.01, release_s: float = 0.05) -> Wave:
    """A rise and a fall, 1 between; never longer than the sound."""
    up, down = min(int(attack_s * SAMPLE_RATE), length // 2), min(int(release_s * SAMPLE_RATE), length // 2)
    shape = np.ones(length)
    if up:
        shape[:up] = np.linspace(0, 1, up)
    if down:
        shape[-down:] *= np.linspace(1, 0, down)
    return shape


def glide(pitches: tuple[float, ...], seconds: float, partials: tuple[float, ...] = (1,), wobble: float = 0.0) -> Wave:
    """A tone whose pitch (Hz) runs through `pitches`; `partials` are the strengths of its harmonics."""
    t = clock(seconds)
    pitch = np.interp(t / seconds, np.linspace(0, 1, len(pitches)), pitches) * (1 + wobble * np.sin(2 * np.pi * 6 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    tone = sum(strength * np.sin(k * phase) for k, strength in enumerate(partials, 1))
    return tone / sum(partials) * fade(len(t))


def noise(low: float, high: float, seconds: float, rng: Random) -> Wave:
    """Noise between two frequencies in Hz, scaled to a spread of 0.3."""
    count = len(clock(seconds))
    spectrum = np.fft.rfft(np.random.default_rng(rng.randrange(2**32)).standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    spectrum *= 1 / (1 + np.exp(np.clip((low - frequency) / (low * 0.1 + 5), -50, 50)))
    spectrum *= 1 / (1 + np.exp(np.clip((frequency - high) / (high * 0.1), -50, 50)))
    sound = np.fft.irfft(spectrum, count)
    return 0.3 * sound / (sound.std() + 1e-9)


def pulses(rate: float, seconds: float, sharp: float = 4.0) -> Wave:
    """A swell from 0 to 1 that repeats `rate` times a second."""
    return (0.5 + 0.5 * np.cos(2 * np.pi * rate * clock(seconds))) ** sharp


def ping(pitch: float, seconds: float, fall: float = 8.0) -> Wave:
    t = clock(seconds)
    return np.exp(-fall * t) * (np.sin(2 * np.pi * pitch * t) + 0.4 * np.sin(2 * np.pi * 2.76 * pitch * t))


def thud(rng: Random) -> Wave:
    """A landing: a falling low tone and a burst of noise."""
    t = clock(0.22)
    tone = np.sin(2 * np.pi * np.cumsum(60 + 90 * np.exp(-18 * t)) / SAMPLE_RATE) * np.exp(-14 * t)
    return tone + 2 * noise(250, 1500, 0.22, rng) * np.exp(-40 * t)


def train_of(call: Wave, times: int, gap_s: float) -> Wave:
    return np.concatenate([np.concatenate([call, np.zeros(int(gap_s * SAMPLE_RATE))]) for _ in range(times)])


@lru_cache(maxsize=32)
def recording(name: str) -> Wave:
    """A recorded voice as mono at SAMPLE_RATE, its peak at one."""
    with wave.open(str(sources.voices()[name])) as file:
        width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
        raw = file.readframes(file.getnframes())
    data = (
        np.frombuffer(raw, np.uint8).astype(np.float64) - 128
        if width == 1
        else np.frombuffer(raw, "<i2").astype(np.float64)
    )
    mono = data.reshape(-1, channels).mean(1)
    wanted = int(len(mono) * SAMPLE_RATE / rate)
    sound = np.interp(np.linspace(0, len(mono) - 1, wanted), np.arange(len(mono)), mono)
    return (sound / (np.abs(sound).max() + 1e-9))[: 2 * SAMPLE_RATE]


SAW = tuple(1 / k for k in range(1, 12))
NASAL = (0.3, 0.5, 1.0, 0.8, 0.5, 0.3)
SOFT = (1.0, 0.3, 0.1)

# Called once or a few times in a clip.
CALLS = {
    "meow": lambda r: glide((650, 950, 800, 480), 0.55, (1, 0.7, 0.5, 0.25), 0.01),
    "bark": lambda r: train_of(glide((520, 330, 180), 0.13, SAW) + 0.4 * noise(300, 2500, 0.13, r), 2, 0.1),
    "neigh": lambda r: glide((700, 1050, 850, 500, 380), 0.8, (1, 0.8, 0.6, 0.4), 0.06) * (0.6 + 0.4 * pulses(11, 0.8)),
    "moo": lambda r: recording("moo"),
    "oink": lambda r: recording(r.choice(("pig", "pig2"))),
    "trumpet": lambda r: glide((330, 480, 520, 420), 0.75, (0.5, 1, 0.9, 0.8, 0.6, 0.4), 0.02),
    "growl": lambda r: (
        glide((85, 110, 80), 0.8, SAW) * (0.4 + 0.6 * pulses(24, 0.8, 1)) + 0.3 * noise(100, 900, 0.8, r)
    ),
    "squeak": lambda r: train_of(glide((1700, 2500), 0.1, (1, 0.2)), 2, 0.08),
    "chatter": lambda r: train_of(glide((950, 1200, 700), 0.08, (1, 0.6, 0.4)), 5, 0.05),
    "honk": lambda r: glide((280, 310, 260), 0.3, NASAL),
    "quack": lambda r: train_of(glide((430, 340), 0.16, NASAL), 3, 0.07),
    "crow": lambda r: recording("hen"),
    "hoot": lambda r: train_of(glide((390, 410, 370), 0.32, SOFT), 2, 0.15),
    "croak": lambda r: recording("frog_att"),
    "hiss": lambda r: noise(3000, 7200, 0.9, r) * fade(len(clock(0.9)), 0.15, 0.4),
    "bubbles": lambda r: train_of(glide((r.uniform(250, 400), r.uniform(700, 1100)), 0.07), 6, 0.08),
    "click": lambda r: train_of(ping(2600, 0.03, 120), 9, 0.04),
    "whalesong": lambda r: glide((180, 340, 260, 150), 1.3, (1, 0.4, 0.2), 0.02),
    "clack": lambda r: train_of(noise(1500, 4000, 0.025, r), 5, 0.09),
    "roar": lambda r: noise(70, 800, 1.0, r) * fade(len(clock(1.0)), 0.1, 0.5) * 1.5 + glide((75, 95, 60), 1.0, SAW),
    "hum": lambda r: glide((250, 290, 240), 0.8, SOFT),
    "creak": lambda r: train_of(glide((230, 290, 250), 0.35, SAW) * (0.5 + 0.5 * pulses(30, 0.35, 1)), 2, 0.4),
    "beeps": lambda r: np.concatenate(
        [glide((r.choice((500, 750, 1000, 1500)),) * 2, 0.1, (1, 0, 0.3)) for _ in range(6)]
    ),
    "wooo": lambda r: glide((280, 520, 430, 260), 1.1, SOFT, 0.04),
    "bell": lambda r: train_of(ping(1250, 0.4, 7), 2, 0.0),
    "twinkle": lambda r: np.concatenate([ping(r.choice((2093, 2637, 3136, 3951)), 0.14, 14) for _ in range(6)]),
    "cackle": lambda r: train_of(glide((560, 380), 0.09, (1, 0.7, 0.5)), 6, 0.05),
    "kick": lambda r: thud(r),
    "rubber": lambda r: glide((350, 900, 500), 0.3, (1, 0.5)),
    "crunch": lambda r: recording("app_bite"),
    "yip": lambda r: train_of(glide((900, 1300, 700), 0.09, NASAL), 3, 0.09),
    "howl": lambda r: glide((320, 620, 640, 600, 380), 1.2, (1, 0.5, 0.3), 0.01),
    "baa": lambda r: glide((420, 460, 430, 400), 0.6, NASAL) * (0.5 + 0.5 * pulses(15, 0.6, 1)),
    "snuffle": lambda r: train_of(noise(600, 2600, 0.07, r) * fade(len(clock(0.07)), 0.02, 0.04), 6, 0.06),
    "squawk": lambda r: train_of(glide((1100, 800, 1000), 0.16, SAW) + 0.3 * noise(1500, 4000, 0.16, r), 2, 0.15),
    "tweet": lambda r: train_of(glide((3200, 4300, 3000), 0.11), 4, 0.08),
    "cheep": lambda r: recording("chick"),
    "splash": lambda r: recording("splash"),
    "rattle": lambda r: train_of(noise(3000, 6000, 0.03, r), 12, 0.03),
    "knock": lambda r: train_of(
        ping(330, 0.12, 30) + 0.5 * noise(100, 900, 0.12, r) * np.exp(-40 * clock(0.12)), 3, 0.12
    ),
    "fanfare": lambda r: np.concatenate([glide((f, f), d, SAW) for f, d in ((392, 0.12), (392, 0.12), (523, 0.4))]),
    "foghorn": lambda r: glide((147, 150, 144), 1.1, SAW),
    "slurp": lambda r: glide((300, 500, 1100), 0.5) * 0.5 + noise(800, 2400, 0.5, r) * (0.3 + 0.7 * pulses(20, 0.5, 1)),
    "lullaby": lambda r: np.concatenate([ping(f, 0.3, 6) for f in (784, 659, 523, 659)]),
    "radio": lambda r: (
        0.5 * noise(900, 2600, 0.7, r) * pulses(5, 0.7, 1) + glide((1400, 1400), 0.7) * (clock(0.7) > 0.6)
    ),
    "song": lambda r: glide((440, 523, 587, 523, 440), 1.1, (1, 0.5, 0.35, 0.1), 0.015),
    "spell": lambda r: np.concatenate([ping(f, 0.07, 20) for f in (1047, 1319, 1568, 2093, 2637, 3136, 4186)]),
    "jingle": lambda r: train_of(ping(3520, 0.09, 25) + ping(4400, 0.09, 25), 6, 0.04),
    "ah": lambda r: glide((125, 140, 120), 0.6, (0.8, 0.7, 0.6, 0.7, 0.9, 1.0, 0.6, 0.3)),
    "cry": lambda r: train_of(glide((420, 620, 560, 430), 0.5, (1, 0.9, 0.7, 0.4)), 2, 0.15),
    "drum": lambda r: train_of(thud(r), 5, 0.04),
    "piano": lambda r: np.concatenate([ping(f, 0.28, 7) for f in (262, 330, 392, 523, 392)]),
    "bray": lambda r: train_of(np.concatenate([glide((820, 900), 0.22, NASAL), glide((430, 380), 0.3, SAW)]), 2, 0.05),
    "thunder": lambda r: 2 * noise(250, 3000, 1.3, r) * np.exp(-6 * clock(1.3)) + noise(80, 500, 1.3, r),
    "fiddle": lambda r: np.concatenate([glide((f, f), 0.3, SAW, 0.012) for f in (440, 659, 587, 659)]),
    "ring": lambda r: train_of((ping(1400, 0.5, 1) + ping(1750, 0.5, 1)) * (0.3 + 0.7 * pulses(20, 0.5, 1)), 2, 0.3),
    "bellow": lambda r: glide((170, 260, 240, 150), 1.0, NASAL, 0.01),
    "kettle": lambda r: glide((1500, 2300, 2350, 2300), 1.2, SOFT, 0.01) + 0.4 * noise(2500, 6000, 1.2, r),
    "whistle": lambda r: train_of(glide((2700, 2750), 0.35) * (0.4 + 0.6 * pulses(28, 0.35, 1)), 2, 0.12),
    "strum": lambda r: (
        sum(_placed(ping(f, 1.0, 4), k * 0.03, 1.2) for k, f in enumerate((110, 147, 196, 247, 330))) / 2
    ),
    "tune": lambda r: np.concatenate([glide((f, f), 0.22, (1, 0.4, 0.2)) for f in (392, 392, 440, 392, 523, 494)]),
}

# Heard all the time, for `s` seconds.
STEADY = {
    "buzz": lambda r, s: glide((185, 200, 180, 195), s, SAW) * (0.7 + 0.3 * pulses(9, s, 1)),
    "flutter": lambda r, s: noise(250, 1100, s, r) * pulses(11, s, 2),
    "motor": lambda r, s: glide((80, 95, 85), s, SAW) + 0.35 * noise(250, 900, s, r),
    "diesel": lambda r, s: glide((52, 58, 54), s, SAW) * (0.5 + 0.5 * pulses(13, s, 1)) + 0.35 * noise(200, 700, s, r),
    "siren": lambda r, s: _siren(s),
    "steam": lambda r, s: noise(300, 3500, s, r) * pulses(4, s, 3) + 0.4 * glide((60, 60), s, SAW),
    "jet": lambda r, s: noise(300, 3200, s, r) + 0.15 * glide((1150, 1250, 1150), s),
    "rotor": lambda r, s: noise(50, 650, s, r) * pulses(9, s, 2) * 2.0,
    "rocket": lambda r, s: noise(40, 1300, s, r) * 1.6,
    "motorbike": lambda r, s: glide((120, 150, 130), s, SAW) * (0.5 + 0.5 * pulses(31, s, 1)),
    "theremin": lambda r, s: glide((480, 720, 480, 720, 480), s, SOFT, 0.05),
    "heartbeat": lambda r, s: _heartbeat(s),
    "rustle": lambda r, s: noise(1800, 6000, s, r) * (0.3 + 0.7 * pulses(1.5, s, 1)),
    "breeze": lambda r, s: noise(200, 900, s, r) * (0.4 + 0.6 * pulses(0.8, s, 1)),
    "chord": lambda r, s: sum(glide((f, f), s, SOFT, 0.003) for f in (262, 330, 392, 523)) / 2,
    "crackle": lambda r, s: _crackle(r, s),
    "sizzle": lambda r, s: noise(3500, 7800, s, r) * (0.5 + 0.5 * pulses(17, s, 1)),
}


def _placed(sound: Wave, at_s: float, seconds: float) -> Wave:
    out, at = np.zeros(len(clock(seconds))), int(at_s * SAMPLE_RATE)
    out[at : at + len(sound)] = sound[: len(out) - at]
    return out


def _crackle(rng: Random, seconds: float) -> Wave:
    sound = 0.25 * noise(80, 500, seconds, rng)
    for _ in range(int(18 * seconds)):
        at = rng.randrange(max(1, len(sound) - 200))
        sound[at : at + 160] += rng.uniform(0.4, 1.0) * noise(800, 6000, 0.01, rng)
    return sound


def _siren(seconds: float) -> Wave:
    t = clock(seconds)
    pitch = 850 + 300 * np.sin(2 * np.pi * 0.9 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return np.sin(phase) + 0.3 * np.sin(2 * phase)


def _heartbeat(seconds: float) -> Wave:
    sound, t = np.zeros(len(clock(seconds))), clock(0.14)
    beat = (np.sin(2 * np.pi * 90 * t) + 0.8 * np.sin(2 * np.pi * 250 * t)) * np.exp(-22 * t)
    for start in np.arange(0.05, seconds, 0.8):
        for offset in (0.0, 0.24):
            at = int((start + offset) * SAMPLE_RATE)
            part = beat[: max(0, len(sound) - at)]
            sound[at : at + len(part)] += part
    return sound


def _birds(rng: Random, seconds: float) -> Wave:
    sound = np.zeros(len(clock(seconds)))
    for _ in range(3):
        top = rng.uniform(2600, 4200)
        call = train_of(glide((top, top * 0.75, top * 0.95), 0.09), rng.choice((2, 3)), 0.05) * 0.5
        at = rng.randrange(max(1, len(sound) - len(call)))
        sound[at : at + len(call)] += call[: len(sound) - at]
    return sound


def _bubbles(rng: Random, seconds: float) -> Wave:
    sound = np.zeros(len(clock(seconds)))
    for _ in range(int(5 * seconds)):
        low = rng.uniform(300, 800)
        pop = glide((low, low * 2.2), 0.06)
        at = rng.randrange(max(1, len(sound) - len(pop)))
        sound[at : at + len(pop)] += pop[: len(sound) - at]
    return sound


def _cuckoo(rng: Random, seconds: float) -> Wave:
    call = np.concatenate([glide((f, f), 0.22, SOFT) for f in (659, 523)])
    return np.concatenate([np.zeros(int(rng.uniform(0, 0.3) * SAMPLE_RATE)), *[call, np.zeros(SAMPLE_RATE // 2)] * 9])[
        : len(clock(seconds))
    ]


def _beeps(rng: Random, seconds: float) -> Wave:
    """As between sentences that were spoken on the moon."""
    beep = np.concatenate([glide((1150, 1150), 0.2), np.zeros(int(0.5 * SAMPLE_RATE))])
    return np.concatenate([np.zeros(int(rng.uniform(0, 0.5) * SAMPLE_RATE)), *[beep] * 12])[: len(clock(seconds))]


def _ticks(rng: Random, seconds: float) -> Wave:
    sound, tick = 0.1 * noise(60, 250, seconds, rng), ping(2300, 0.02, 200)
    for at in (np.arange(rng.uniform(0, 0.5), seconds - 0.03, 0.5) * SAMPLE_RATE).astype(int):
        sound[at : at + len(tick)] += tick
    return sound


# What a scene sounds like, softly.
AMBIENCE = {
    "sky": lambda r, s: 0.6 * noise(150, 700, s, r),
    "sea": lambda r, s: noise(150, 2500, s, r) * (0.35 + 0.65 * pulses(0.55, s, 1)) * 1.3,
    "desert": lambda r, s: noise(500, 1000, s, r) * (0.5 + 0.5 * pulses(0.7, s, 1)),
    "meadow": lambda r, s: _birds(r, s) + 0.15 * noise(200, 900, s, r),
    "snow": lambda r, s: 0.5 * noise(700, 2200, s, r) * (0.6 + 0.4 * pulses(0.4, s, 1)),
    "sunset": lambda r, s: 0.4 * sum(glide((f, f), s, SOFT) for f in (196, 247, 294)),
    "space": lambda r, s: 0.35 * sum(glide((f, 1.12 * f, f), s, SOFT, 0.01) for f in (165, 233, 349)),
    "night": lambda r, s: noise(2600, 4200, s, r) * pulses(6, s, 2) * (0.3 + 0.7 * pulses(1, s, 1)),
    "forest": lambda r, s: 0.9 * _cuckoo(r, s) + 0.4 * noise(900, 4000, s, r) * (0.6 + 0.4 * pulses(0.5, s, 1)),
    "beach": lambda r, s: noise(200, 3500, s, r) * (0.25 + 0.75 * pulses(0.4, s, 1)) + 0.2 * _birds(r, s),
    "mountains": lambda r, s: (
        0.7 * noise(120, 500, s, r) * (0.5 + 0.5 * pulses(0.3, s, 1)) + 0.2 * glide((880, 660), s)
    ),
    "underwater": lambda r, s: 0.6 * noise(40, 220, s, r) + 0.5 * _bubbles(r, s),
    "rainbow": lambda r, s: 0.35 * sum(glide((f, f), s, SOFT) for f in (392, 494, 587)) + 0.3 * _birds(r, s),
    "volcano": lambda r, s: 0.7 * noise(120, 500, s, r) + 0.6 * _crackle(r, s),
    "garden": lambda r, s: 0.7 * _birds(r, s) + 0.3 * glide((215, 225, 210), s, SAW),
    "room": lambda r, s: 0.8 * _ticks(r, s),
    "rain": lambda r, s: 0.9 * noise(1200, 7000, s, r),
    "fog": lambda r, s: 0.4 * noise(100, 400, s, r) + 0.5 * glide((196, 196), s, SAW) * pulses(0.5, s, 3),
    "moon": lambda r, s: _beeps(r, s) + 0.2 * noise(1000, 3000, s, r),
    "city": lambda r, s: 0.7 * noise(50, 350, s, r) + 0.5 * glide((415, 415), s, NASAL) * pulses(0.9, s, 8),
}
