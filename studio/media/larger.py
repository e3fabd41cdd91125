"""A film scaled up, for programs and places that refuse small ones. It keeps its sound and what it says of itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from studio.media.video import MP4, append_xmp, frames_of, opened, picture_stream, read_xmp, to_frame

SHORT_SIDE_PX = 720


def larger_size(width: int, height: int) -> tuple[int, int] | None:
    """Width and height, even, of which the shorter is 720 pixels; None for what is more than half as large."""
    scale = SHORT_SIDE_PX / min(width, height)
    return (2 * round(width * scale / 2), 2 * round(height * scale / 2)) if scale >= 2 else None


def write_larger(source: Path, target: Path) -> None:
    """Write the film in that size, picture by picture: all of them together would want gigabytes.

    StudioError when there is no film at `source`; one that is large stays as large as it is.
    """
    with opened(source) as film, av.open(str(target), "w", format="mp4", options=MP4) as container:
        container.metadata.update(film.metadata)
        video = film.streams.video[0]
        size = larger_size(video.width, video.height) or (video.width, video.height)
        rate = video.average_rate or Fraction(25)
        stream = picture_stream(container, rate, *size)
        sound = container.add_stream_from_template(film.streams.audio[0]) if film.streams.audio else None
        for number, pixels in enumerate(frames_of(source)):
            scaled = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
            container.mux(stream.encode(to_frame(np.asarray(scaled), number, rate)))
        container.mux(stream.encode())
        for packet in film.demux(film.streams.audio):
            if sound and packet.dts is not None:  # not the empty packet that ends a stream
                packet.stream = sound
                container.mux(packet)
    append_xmp(target, read_xmp(source))
