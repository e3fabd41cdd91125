"""Encoding and reading back: what the file is, that nothing is lost, and that a failure leaves no file."""

from __future__ import annotations

import json
import math
import shutil
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np
import pytest

from studio.domain import Stopped, StudioError
from studio.media.soundtrack import AAC_FRAME, fit_sound
from studio.media.video import Movie, Tags, frame_at, probe, read_video, write_video

TAGS = Tags("A ghost 👻", "AI-generated", json.dumps({"prompt": 'Ünïcode "quotes" 雪 🎬\n'}, ensure_ascii=False))


def never() -> bool:
    return False


def moving_bars(num_frames: int = 25, width: int = 64, height: int = 48) -> np.ndarray:
    y, x, t = np.mgrid[0:height, 0:width, 0:num_frames]
    frames = np.stack([128 + 90 * np.sin((x + 2 * t) / 9), 128 + 90 * np.cos((y - t) / 7), 60 + 2 * t + 0 * x], -1)
    return np.moveaxis(frames, 2, 0).clip(0, 255).astype(np.uint8)


def sine(seconds: float, rate: int, hertz: float = 440) -> np.ndarray:
    left = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([left, 0.5 * left]).astype(np.float32)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def boxes(path: Path) -> list[str]:
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        names.append(name.decode())
        at += size
    return names


@pytest.fixture
def movie() -> Movie:
    return Movie(moving_bars(), 12.0, sine(25 / 12, 16000), 16000)


def test_the_file_is_what_every_browser_plays(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, movie, TAGS, never)

    seen = probe(path)
    assert (seen.width, seen.height, seen.num_frames, seen.frame_rate) == (64, 48, 25, 12.0)
    assert (seen.video_codec, seen.pixel_format, seen.has_sound) == ("h264", "yuv420p", True)
    assert seen.seconds == pytest.approx(25 / 12)
    assert boxes(path).index("moov") < boxes(path).index("mdat"), (
        "the index comes first, so that playing starts at once"
    )
    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        assert (sound.codec_context.name, sound.layout.name, sound.rate) == ("aac", "stereo", 16000)
        assert container.metadata["title"] == TAGS.title
        assert container.metadata["description"] == TAGS.description


def test_ffprobe_agrees(tmp_path: Path, movie: Movie) -> None:
    """A second opinion from outside PyAV, where the machine has one."""
    path = tmp_path / "clip.mp4"
    write_video(path, movie, TAGS, never)
    if shutil.which("ffprobe"):
        asked = ["ffprobe", "-v", "error", "-print_format", "json", "-show_streams", "-show_format", str(path)]
        seen = json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout)
        picture, sound = seen["streams"]
        assert (picture["codec_name"], picture["pix_fmt"], picture["color_space"]) == ("h264", "yuv420p", "bt709")
        assert (sound["codec_name"], sound["channels"]) == ("aac", 2)
        assert float(picture["duration"]) == pytest.approx(float(sound["duration"]), abs=AAC_FRAME / 16000)
        assert seen["format"]["tags"]["comment"] == TAGS.comment


def test_the_comment_keeps_every_character(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, movie, TAGS, never)
    assert json.loads(probe(path).comment) == {"prompt": 'Ünïcode "quotes" 雪 🎬\n'}


def test_tags_may_be_written_when_the_pictures_are_encoded(tmp_path: Path, movie: Movie) -> None:
    asked, told = [0], []

    def should_stop() -> bool:
        asked[0] += 1
        return False

    def tags() -> Tags:
        told.append(asked[0])
        return Tags("", "", "last words")

    write_video(tmp_path / "clip.mp4", movie, tags, should_stop)
    assert told == [len(movie.frames)], "once, and after every frame"
    assert probe(tmp_path / "clip.mp4").comment == "last words"


def test_tags_that_fail_leave_no_file(tmp_path: Path, movie: Movie) -> None:
    def tags() -> Tags:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_video(tmp_path / "clip.mp4", movie, tags, never)
    assert list(tmp_path.iterdir()) == []


def test_frames_and_sound_come_back(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, movie, TAGS, never)
    back = read_video(path)
    assert back.frames.shape == movie.frames.shape
    assert psnr(back.frames, movie.frames) > 33
    assert back.sound is not None
    assert movie.sound is not None
    assert back.sound.shape == movie.sound.shape
    # Where encoder delay is not taken off, the sound comes back late and this difference is large.
    assert np.abs(back.sound - movie.sound)[:, AAC_FRAME:-AAC_FRAME].mean() < 0.005


def test_colours_come_back(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 200, 0), (128, 128, 128), (255, 255, 255), (0, 0, 0)]
    frames = np.stack([np.full((32, 32, 3), colour, np.uint8) for colour in colours])
    path = tmp_path / "clip.mp4"
    write_video(path, Movie(frames, 12.0), TAGS, never)
    assert np.abs(read_video(path).frames.astype(int) - frames).max() <= 6


def test_a_file_without_a_word_on_its_colours_is_read_by_custom(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (0, 200, 0), (0, 0, 200)]
    frames = np.stack([np.full((32, 32, 3), colour, np.uint8) for colour in colours])
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    assert np.abs(read_video(path).frames.astype(int) - frames).max() <= 6


def test_the_same_movie_makes_the_same_bytes(tmp_path: Path) -> None:
    """Noisy frames in a shaken memory: x264's default rate control makes another file every other time."""
    random = np.random.default_rng(0)
    noisy = (moving_bars(13, 224, 128) + random.normal(0, 20, (13, 128, 224, 3))).clip(0, 255).astype(np.uint8)
    seen = set()
    for _ in range(12):
        shaken = [random.random(size) for size in random.integers(1, 300_000, 5)]
        write_video(tmp_path / "clip.mp4", Movie(noisy, 12.0, sine(13 / 12, 16000), 16000), TAGS, never)
        seen.add((tmp_path / "clip.mp4").read_bytes())
        del shaken
    assert len(seen) == 1


@pytest.mark.parametrize("rate", [16000, 24000, 48000])
@pytest.mark.parametrize("num_frames", [1, 13, 37])
@pytest.mark.parametrize("share", [0.5, 1.0, 1.5])
def test_sound_is_as_long_as_the_picture(tmp_path: Path, rate: int, num_frames: int, share: float) -> None:
    path = tmp_path / "clip.mp4"
    seconds = num_frames / 12
    write_video(path, Movie(moving_bars(num_frames), 12.0, sine(seconds * share, rate), rate), TAGS, never)
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert 0 <= samples - seconds * rate < AAC_FRAME + 1


def test_a_movie_may_be_silent(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, Movie(moving_bars(), 12.0), TAGS, never)
    assert not probe(path).has_sound
    assert read_video(path).sound is None


def test_sound_lies_beside_its_picture_in_a_long_clip(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, Movie(moving_bars(240), 12.0, sine(20, 16000), 16000), TAGS, never)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.pts is not None]
        placed = sorted((packet.pos, packet.stream.type, float(packet.pts * packet.time_base)) for packet in packets)
    now, apart = {"video": 0.0, "audio": 0.0}, []
    for _, kind, seconds in placed:
        now[kind] = seconds
        apart.append(abs(now["video"] - now["audio"]))
    assert max(apart) < 1.0


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (1, 1)])
def test_odd_sizes_are_refused_by_name(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "clip.mp4"
    with pytest.raises(StudioError, match=f"even numbers of pixels; not {width}x{height}"):
        write_video(path, Movie(np.zeros((5, height, width, 3), np.uint8), 12.0), TAGS, never)
    assert not path.exists()


def test_a_sampling_rate_that_aac_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="not 17000"):
        write_video(tmp_path / "clip.mp4", Movie(moving_bars(), 12.0, sine(2, 17000), 17000), TAGS, never)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [0, 1, 20])
def test_stop_leaves_no_file(tmp_path: Path, movie: Movie, after: int) -> None:
    asked = iter(range(1000))
    with pytest.raises(Stopped):
        write_video(tmp_path / "clip.mp4", movie, TAGS, lambda: next(asked) >= after)
    assert list(tmp_path.iterdir()) == []


def test_the_frame_at_a_time_and_the_last(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, movie, TAGS, never)
    frames = read_video(path).frames
    assert frame_at(path).size == (64, 48)
    each = 1 / movie.frame_rate
    for at_s, number in ((0.0, 0), (1.5 * each, 1), (3.01 * each, 3), (1e9, -1), (math.inf, -1)):
        assert np.array_equal(np.asarray(frame_at(path, at_s)), frames[number]), at_s
    assert np.array_equal(np.asarray(frame_at(path)), frames[-1])


def go_on(path: Path, target: Path, more: int) -> np.ndarray:
    """Write `path` with `more` frames behind it to `target`; returns the frames it had."""
    old = read_video(path)
    frames = np.concatenate([old.frames, moving_bars(more)])
    sound = sine(len(frames) / 12, 16000)
    write_video(target, Movie(frames, 12.0, sound, 16000), TAGS, never, begins_as=path)
    return old.frames


@pytest.mark.parametrize("kept", [3, 4, 5, 13, 25, 37])
@pytest.mark.parametrize("more", [1, 2, 12, 24])
def test_going_on_from_a_video_keeps_its_pictures_bit_by_bit(tmp_path: Path, kept: int, more: int) -> None:
    old, longer = tmp_path / "old.mp4", tmp_path / "long.mp4"
    write_video(old, Movie(moving_bars(kept), 12.0, sine(kept / 12, 16000), 16000), TAGS, never)
    before = go_on(old, longer, more)
    after = read_video(longer).frames
    assert np.array_equal(after[:kept], before)
    assert psnr(after[kept:], moving_bars(more)) > 33
    assert probe(longer).num_frames == kept + more
    assert boxes(longer).index("moov") < boxes(longer).index("mdat")
    with av.open(str(longer)) as container:
        shown = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert shown == pytest.approx([number / 12 for number in range(kept + more)], abs=1e-3)


def test_going_on_many_times_loses_nothing(tmp_path: Path) -> None:
    write_video(tmp_path / "0.mp4", Movie(moving_bars(13), 12.0), TAGS, never)
    first = read_video(tmp_path / "0.mp4").frames
    for turn in range(8):
        go_on(tmp_path / f"{turn}.mp4", tmp_path / f"{turn + 1}.mp4", 12)
    last = read_video(tmp_path / "8.mp4").frames
    assert len(last) == 13 + 8 * 12
    assert np.array_equal(last[:13], first)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_going_on_many_times_leaves_the_sound_as_it_was(tmp_path: Path, rate: int) -> None:
    noisy = 0.1 * np.random.default_rng(1).standard_normal((2, 10 * rate)).astype(np.float32)
    old, wanted = tmp_path / "0.mp4", noisy[:, : 2 * rate]
    write_video(old, Movie(moving_bars(24), 12.0, wanted, rate), TAGS, never)
    first = read_video(old).sound
    for turn in range(1, 6):
        before, old = read_video(old), tmp_path / f"{turn}.mp4"
        assert before.sound is not None
        assert first is not None
        # As in a film that goes on, the last quarter of a second is mixed with what follows.
        kept = before.sound.shape[1] - rate // 4
        wanted = np.concatenate([before.sound[:, :kept], noisy[:, kept : kept + rate + rate // 4]], axis=1)
        frames = np.concatenate([before.frames, moving_bars(12)])
        write_video(old, Movie(frames, 12.0, wanted, rate), TAGS, never, begins_as=tmp_path / f"{turn - 1}.mp4")
        after = read_video(old).sound
        assert after is not None
        assert after.shape == wanted.shape
        assert np.array_equal(after[:, :rate], first[:, :rate])
        lost = np.square(after - wanted).reshape(2, -1)[:, : kept + 4 * AAC_FRAME]
        noise = np.square(first - noisy[:, : 2 * rate]).mean()
        around = lost[:, kept - 12 * AAC_FRAME : kept + 4 * AAC_FRAME]
        assert around.reshape(2, 16, -1).mean((0, 2)).max() < 4 * noise
        with av.open(str(old)) as container:
            times = [packet.pts for packet in container.demux(audio=0) if packet.pts is not None]
        assert times == [(number - 1) * AAC_FRAME for number in range(len(times))]


def test_going_on_from_a_video_that_was_deleted_meanwhile(tmp_path: Path, movie: Movie) -> None:
    path = tmp_path / "long.mp4"
    write_video(path, movie, TAGS, never, begins_as=tmp_path / "gone.mp4")
    assert psnr(read_video(path).frames, movie.frames) > 33


@pytest.mark.parametrize("kind", ["too short", "another encoder"])
def test_what_cannot_be_taken_over_is_encoded_again(tmp_path: Path, kind: str) -> None:
    old, longer = tmp_path / "old.mp4", tmp_path / "long.mp4"
    if kind == "too short":
        write_video(old, Movie(moving_bars(2), 12.0), TAGS, never)
    else:
        with av.open(str(old), "w") as container:
            stream = container.add_stream("libx264", rate=12, options={"profile": "baseline"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for pixels in moving_bars(13):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    before = go_on(old, longer, 12)
    after = read_video(longer).frames
    assert len(after) == len(before) + 12
    assert psnr(after[: len(before)], before) > 33


@pytest.mark.parametrize("data", [b"", b"no video at all", bytes(1000)])
def test_what_is_no_video_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with pytest.raises(StudioError, match="This file cannot be read as a video"):
        probe(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(sine(1, 16000), format="fltp", layout="stereo")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode()])
    with pytest.raises(StudioError, match="holds no picture"):
        probe(path)


def test_fit_sound_cuts_and_fills() -> None:
    sound = sine(1, 16000)
    assert np.array_equal(fit_sound(sound, 6, 12, 16000), sound[:, :8000])
    filled = fit_sound(sound, 24, 12, 16000)
    assert filled.shape == (2, 32000)
    assert not filled[:, 16000:].any()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_full_disk_is_an_error_and_leaves_no_file(tmp_path: Path, share: float) -> None:
    """In a process of its own, whose files may not grow past a limit: the encoder's writes really fail."""
    program = """
        import resource, sys
        from pathlib import Path
        from studio.media.video import Movie, Tags, write_video
        import numpy as np
        frames = np.random.default_rng(0).integers(0, 255, (24, 64, 64, 3), dtype=np.uint8)
        movie, tags = Movie(frames, 12.0), Tags("", "", "")
        path = Path(sys.argv[1])
        write_video(path, movie, tags, lambda: False)
        limit = int(path.stat().st_size * float(sys.argv[2]))
        path.unlink()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            write_video(path, movie, tags, lambda: False)
        except OSError as error:
            print(error.strerror, path.exists())
    """
    asked = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "clip.mp4"), str(share)]
    said = subprocess.run(asked, capture_output=True, check=True, text=True).stdout
    assert said == "File too large False\n"
