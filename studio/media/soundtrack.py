"""A film's sound as AAC packets; what an older film has of it is taken over as it is, so that no part is lossy twice.

Packet k fades in over the samples from (k - 1) * 1024 on and out again from k * 1024 on.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.container import InputContainer

AAC_FRAME = 1024
AAC_BITS_PER_SECOND = 128_000
# The first packet is of what came before, and the encoder settles in the next ones.
RUN_UP = 3
CUTS = 8  # so many places more are tried for the best one


def fit_sound(sound: np.ndarray, num_frames: int, frame_rate: float, sampling_rate: int) -> np.ndarray:
    """Cut `sound` (2, N), or fill it with silence, to the length of so many frames."""
    wanted = round(num_frames / frame_rate * sampling_rate)
    return np.pad(sound[:, :wanted], ((0, 0), (0, max(0, wanted - sound.shape[1]))))


def read_sound(container: InputContainer) -> tuple[np.ndarray, int]:
    """All of a film's sound, float32 (2, N), and its sampling rate; the film has some."""
    stream = container.streams.audio[0]
    resampler = AudioResampler(format="fltp", layout="stereo", rate=stream.rate)
    decoded = [part for frame in container.decode(stream) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray() for frame in decoded], axis=1), stream.rate


def soundtrack(sound: np.ndarray, sampling_rate: int, begins_as: Path | None = None) -> tuple[bytes, list[av.Packet]]:
    """`sound` float32 (2, N) as AAC packets, and a file with the stream that they are of.

    Those of the film `begins_as` are taken over as far as it has the same sound.
    """
    same = _same(sound, sampling_rate, begins_as) // AAC_FRAME if begins_as else 0
    if begins_as and same > RUN_UP + CUTS:
        first = same - CUTS - RUN_UP
        new = _encoded(sound[:, first * AAC_FRAME :], sampling_rate)
        (old_parameters, old), (parameters, fresh) = _packets(begins_as.read_bytes()), _packets(new, first * AAC_FRAME)
        if old_parameters == parameters:
            joined = {cut: (old[:cut], fresh[cut - first :]) for cut in range(same - CUTS, same + 1)}
            before, after = min(joined.values(), key=lambda both: _click(*both, parameters, sound))
            return new, before + after
    new = _encoded(sound, sampling_rate)
    return new, _packets(new)[1]


def _click(before: list[av.Packet], after: list[av.Packet], parameters: bytes | None, sound: np.ndarray) -> float:
    """How far what is heard where two encoders' packets meet is from the `sound`: their fades may not go together."""
    decoder = AudioCodecContext.create("aac", "r")
    decoder.extradata = parameters
    heard = [frame.to_ndarray() for packet in (*before[-1:], *after[:2]) for frame in decoder.decode(packet)]
    begin = (len(before) - 1) * AAC_FRAME
    wanted = sound[:, begin : begin + 2 * AAC_FRAME]
    return float(np.square(np.concatenate(heard[1:], axis=1)[:, : wanted.shape[1]] - wanted).sum())


def _same(sound: np.ndarray, sampling_rate: int, film: Path) -> int:
    """How many samples `sound` begins with that are the film's."""
    with av.open(str(film)) as container:
        if not container.streams.audio:
            return 0
        old, rate = read_sound(container)
    both = min(old.shape[1], sound.shape[1]) if rate == sampling_rate else 0
    others = np.flatnonzero((old[:, :both] != sound[:, :both]).any(0))
    return int(others[0]) if len(others) else both


def _encoded(sound: np.ndarray, sampling_rate: int) -> bytes:
    samples = np.ascontiguousarray(np.clip(sound, -1, 1), dtype=np.float32)
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=sampling_rate, layout="stereo")
        stream.bit_rate = AAC_BITS_PER_SECOND
        whole = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        whole.sample_rate, whole.pts, whole.time_base = sampling_rate, 0, Fraction(1, sampling_rate)
        container.mux([*stream.encode(whole), *stream.encode()])
    return target.getvalue()


def _packets(film: bytes, begin: int = 0) -> tuple[bytes | None, list[av.Packet]]:
    """The decoder's parameters and the packets, `begin` samples later than in the film."""
    with av.open(io.BytesIO(film), "r") as container:
        stream = container.streams.audio[0]
        packets = []
        for packet in container.demux(stream):
            if packet.pts is not None:  # the empty packet that ends a stream has none
                packet.pts = packet.dts = packet.pts + begin
                packets.append(packet)
        return stream.codec_context.extradata, packets
