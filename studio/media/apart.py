"""Reads a file from outside in a process of its own, with bounds on time and memory: none breaks the studio.

Knows nothing of pictures and of clips but that picture.py and provenance.py read them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from studio.domain import StudioError
from studio.media.picture import MAX_BYTES, MAX_PIXELS, png_bytes, read_picture
from studio.media.provenance import read_recipe

ROOT = Path(__file__).resolve().parents[2]
REFUSED = 3
# Each reader may take its share of memory, so a crowd of them must not run at once.
AT_ONCE, WAIT_S = 2, 20.0
# numpy's library would start a thread for each of the machine's processors, of 41 MB of addresses each: on 48 of them
# nothing of the bound on memory would be left.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
_turns = BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Bounds:
    """What reading one file may take: 49 megapixels of 16-bit grey, the hungriest tried, took 1.3 GB."""

    seconds: float = 30.0
    memory_bytes: int = 2_000_000_000


def picture_apart(
    path: str | Path, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES, bounds: Bounds | None = None
) -> bytes:
    """`read_picture` behind a wall: the picture as PNG. StudioError as there, and when it takes too much or crashes."""
    return _apart("picture", path, bounds or Bounds(), max_pixels, max_bytes)


def recipe_apart(path: str | Path, bounds: Bounds | None = None) -> dict[str, Any] | None:
    """`read_recipe` behind a wall. StudioError when it takes too much or crashes."""
    return json.loads(_apart("clip", path, bounds or Bounds()))


def _apart(what: str, path: str | Path, bounds: Bounds, *values: int) -> bytes:
    asked = [sys.executable, "-m", __name__, what, str(Path(path).resolve()), *map(str, (bounds.memory_bytes, *values))]
    if not _turns.acquire(timeout=WAIT_S):
        raise StudioError("Many files are being read here just now; please try again in a moment.")
    try:
        done = subprocess.run(
            asked, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, timeout=bounds.seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StudioError(
            f"Reading a {what} may take {bounds.seconds:g} s at most; this one took longer. A smaller one may work."
        ) from error
    finally:
        _turns.release()
    if done.returncode == REFUSED:
        raise StudioError(done.stdout.decode("utf-8", "replace"))
    if done.returncode != 0:
        anew = "; saved anew by another program, as PNG or JPEG, it may work" if what == "picture" else ""
        raise StudioError(f"This {what} broke the program that reads it, so it is not used{anew}.")
    return done.stdout


def _hold(memory_bytes: int) -> None:
    """Set the limit on memory where the system knows one; called when all that is needed is imported."""
    try:
        import resource  # not on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _main(what: str, path: str, memory_bytes: str, *values: str) -> int:
    """Write the answer, or the sentence that refuses it: not where decoders write what they think of the file."""
    _hold(int(memory_bytes))
    code = REFUSED
    try:
        if what == "picture":
            answer = png_bytes(read_picture(path, *map(int, values)))
        else:
            answer = json.dumps(read_recipe(Path(path))).encode()
        code = 0
    except MemoryError:
        bound = int(memory_bytes) // 10**6
        answer = f"Reading a {what} may take {bound} MB of memory; this one takes more.".encode()
    except StudioError as error:
        answer = str(error).encode("utf-8", "backslashreplace")
    sys.stdout.buffer.write(answer)
    return code


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
