"""Frames and sound to an MP4 that every browser plays, and back. Knows no request: tags come as plain text."""

from __future__ import annotations

import io
import logging
import math
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image

from studio.domain import ShouldStop, Stopped, StudioError
from studio.media.soundtrack import fit_sound, read_sound, soundtrack

log = logging.getLogger(__name__)

# What AAC in an MP4 can carry; another rate would be refused by the encoder with a number only.
AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
# The index comes first; without a limit on waiting, sound lies beside its picture however long the clip is.
MP4 = {"movflags": "faststart", "max_interleave_delta": "0"}
# veryfast has medium's quality class at 2.6 times less work. One thread makes the same bytes again, but only without
# x264's fast rate control, which reads memory that nobody wrote: it made 100 different files in 300 tries.
X264 = {"preset": "veryfast", "crf": "18", "threads": "1", "x264-params": "cpu-independent=1"}
# Fewer frames are written without reordering, and their decoding times would run into those of what follows.
MIN_KEPT_FRAMES = 3
_BT709 = 1  # H.273: primaries, transfer and matrix of high definition, what browsers expect


@dataclass(frozen=True)
class Movie:
    """Frames uint8 (T, H, W, 3) and stereo sound float32 (2, N) in [-1, 1], or None when it is silent."""

    frames: np.ndarray
    frame_rate: float
    sound: np.ndarray | None = None
    sampling_rate: int = 0


@dataclass(frozen=True)
class Tags:
    """The texts that travel inside the file; `xmp` is a whole packet, or empty."""

    title: str
    description: str
    comment: str
    xmp: bytes = b""


@dataclass(frozen=True)
class Probe:
    """What a file says of itself, read without decoding. Sizes in pixels."""

    width: int
    height: int
    num_frames: int
    frame_rate: float
    seconds: float
    has_sound: bool
    video_codec: str
    pixel_format: str
    comment: str


def write_video(
    path: Path,
    movie: Movie,
    tags: Tags | Callable[[], Tags],
    should_stop: ShouldStop,
    begins_as: Path | None = None,
) -> None:
    """Write H.264 yuv420p and AAC stereo, index first; the sound is cut or filled to the picture's length.

    `tags` may be a function, called when the pictures are encoded: what it says can cover nearly the whole work.
    `begins_as` is a video that the movie goes on from, with the same first frames: its pictures are taken over as
    they are, and its sound as far as that is the same, so that a clip may be extended again and again without a loss.
    Where it is gone, all is encoded anew.
    Raises StudioError for odd sizes, Stopped when asked to. Whatever it raises, no file is left.
    """
    _check(movie)
    if begins_as and not begins_as.is_file():  # it may have been deleted meanwhile
        begins_as = None
    parts = _picture_parts(movie, should_stop, begins_as)
    texts = tags() if callable(tags) else tags
    try:
        with av.open(str(path), "w", format="mp4", options=MP4) as container:
            container.metadata.update(title=texts.title, description=texts.description, comment=texts.comment)
            _mux(container, parts, movie, begins_as)
        append_xmp(path, texts.xmp)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def probe(path: Path) -> Probe:
    """Read a video's header. StudioError when the file is no video."""
    with opened(path) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 0)
        return Probe(
            width=stream.width,
            height=stream.height,
            num_frames=stream.frames,
            frame_rate=rate,
            seconds=stream.frames / rate if rate else 0.0,
            has_sound=bool(container.streams.audio),
            video_codec=stream.codec_context.name,
            pixel_format=stream.codec_context.pix_fmt or "",
            comment=container.metadata.get("comment", ""),
        )


def append_xmp(path: Path, packet: bytes) -> None:
    """Add the box that holds an XMP packet; behind all others, so that no place in the file moves (XMP part 3, MP4)."""
    if packet:
        with path.open("ab") as file:
            file.write(struct.pack(">I4s", 8 + len(XMP_BOX) + len(packet), b"uuid") + XMP_BOX + packet)


def read_xmp(path: Path) -> bytes:
    """The XMP packet of a film as `append_xmp` added it; empty when there is none."""
    _, box, packet = path.read_bytes().rpartition(XMP_BOX)
    return packet if box else b""


def read_video(path: Path) -> Movie:
    """Decode all frames and all sound; the sound is as long as the picture."""
    with opened(path) as container:
        video = container.streams.video[0]
        rate = float(video.average_rate or 0)
        # One array that grows: a list of frames and then their stack would want the memory twice.
        frames = np.fromiter(frames_of(path), np.dtype((np.uint8, (video.height, video.width, 3))))
        if not container.streams.audio:
            return Movie(frames, rate)
        sound, sampling_rate = read_sound(container)
        return Movie(frames, rate, fit_sound(sound, len(frames), rate, sampling_rate), sampling_rate)


def frame_at(path: Path, at_s: float = math.inf) -> Image.Image:
    """The frame that is shown at that time, or the last."""
    with opened(path) as container:
        rate = container.streams.video[0].average_rate
    number = at_s * float(rate) if rate else math.inf
    ((_, frame),) = deque(takewhile(lambda numbered: numbered[0] <= number, enumerate(frames_of(path))), maxlen=1)
    return Image.fromarray(frame)


def _check(movie: Movie) -> None:
    height, width = movie.frames.shape[1:3]
    if width % 2 or height % 2:
        raise StudioError(f"A video's width and height must be even numbers of pixels; not {width}x{height}.")
    if movie.sound is not None and movie.sampling_rate not in AAC_RATES:
        rates = ", ".join(str(rate) for rate in AAC_RATES)
        raise StudioError(f"The sampling rate of the sound must be one of {rates}; not {movie.sampling_rate}.")


def _picture_parts(movie: Movie, should_stop: ShouldStop, begins_as: Path | None) -> list[bytes]:
    """MP4 files in memory whose pictures, one after another, are the movie's."""
    if begins_as and (kept := probe(begins_as).num_frames) >= MIN_KEPT_FRAMES:
        old = begins_as.read_bytes()
        new = _encoded(movie.frames[kept:], movie.frame_rate, should_stop)
        # One file has one set of decoder parameters; another version of the encoder may have written others.
        if _parameters(old) == _parameters(new):
            return [old, new]
    return [_encoded(movie.frames, movie.frame_rate, should_stop)]


def _encoded(frames: np.ndarray, frame_rate: float, should_stop: ShouldStop) -> bytes:
    """The pictures as a silent MP4."""
    target = io.BytesIO()
    rate = Fraction(frame_rate).limit_denominator(1001)
    with av.open(target, "w", format="mp4") as container:
        stream = picture_stream(container, rate, frames.shape[2], frames.shape[1])
        for number, pixels in enumerate(frames):
            if should_stop():
                raise Stopped
            container.mux(stream.encode(to_frame(pixels, number, rate)))
        container.mux(stream.encode())
    return target.getvalue()


def picture_stream(container: OutputContainer, rate: Fraction, width: int, height: int) -> VideoStream:
    """The stream that takes a film's pictures."""
    stream = container.add_stream("libx264", rate=rate, options=X264)
    stream.height, stream.width = height, width
    stream.pix_fmt = "yuv420p"
    stream.codec_context.colorspace = stream.codec_context.color_primaries = _BT709
    stream.codec_context.color_trc, stream.codec_context.color_range = _BT709, ColorRange.MPEG
    return stream


def to_frame(pixels: np.ndarray, number: int, rate: Fraction) -> av.VideoFrame:
    """One picture, uint8 (H, W, 3), as that stream wants it."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    frame.pts, frame.time_base = number, 1 / rate
    return frame


def _parameters(video: bytes) -> bytes | None:
    with av.open(io.BytesIO(video)) as container:
        return container.streams.video[0].codec_context.extradata


def _mux(container: OutputContainer, parts: list[bytes], movie: Movie, begins_as: Path | None) -> None:
    with ExitStack() as opened:
        sources = [opened.enter_context(av.open(io.BytesIO(part), "r")) for part in parts]
        picture = container.add_stream_from_template(sources[0].streams.video[0])
        heard: list[av.Packet] = []
        if movie.sound is not None:
            samples = fit_sound(movie.sound, len(movie.frames), movie.frame_rate, movie.sampling_rate)
            encoded, heard = soundtrack(samples, movie.sampling_rate, begins_as)
            template = opened.enter_context(av.open(io.BytesIO(encoded), "r"))
            sound = container.add_stream_from_template(template.streams.audio[0])
            for packet in heard:
                packet.stream = sound
        begin = 0
        for source in sources:
            stream = source.streams.video[0]
            for packet in source.demux(stream):
                if packet.pts is None or packet.dts is None:
                    continue  # the empty packet that ends a stream
                packet.pts, packet.dts, packet.stream = packet.pts + begin, packet.dts + begin, picture
                container.mux(packet)
            begin += round(stream.frames / movie.frame_rate / (stream.time_base or 1))
        container.mux(heard)


def frames_of(path: Path) -> Iterator[np.ndarray]:
    """Picture by picture, uint8 (H, W, 3)."""
    with opened(path) as container:
        for frame in container.decode(video=0):
            # From the colours that the file names; what names none, as other servers' may, is BT.601 by custom.
            yield frame.reformat(format="rgb24", dst_color_range=ColorRange.JPEG).to_ndarray()


def opened(path: Path) -> InputContainer:
    """The film, to be read. Its failures may be read by anybody, and who knows a clip's file name may fetch it."""
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        log.warning("%s cannot be read", path.name)
        raise StudioError(f"This file cannot be read as a video ({error.strerror}).") from error
    if not container.streams.video:
        container.close()
        raise StudioError("This file holds no picture, so it is no video.")
    return container
