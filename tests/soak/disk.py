"""The disk is full at each write in turn: so much room is left that one write more succeeds each time, then none fails.

A small file system of its own where this may be mounted; elsewhere no file of the process may grow past a limit.
"""

from __future__ import annotations

import io
import os
import random
import resource
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from studio.ui import wording
from tests.soak import ledger
from tests.soak.report import Row, row
from tests.soak.server import QUICK, Server

SIZE_MB = 48
PAGE_BYTES = 4096
PLENTY = 1 << 40
PATIENCE_S = 30.0
DONE, WAITS = "", "waits"


def run(folder: Path, step_bytes: int, most_bytes: int) -> list[Row]:
    with _small_disk(folder / "disk") as (room, kind):
        server = Server(room / "data", {"MIN_FREE_DISK_MB": "0"}, log_path=folder / "disk.log")
        try:
            server.start()
            return _fill(server, kind, step_bytes, most_bytes)
        finally:
            server.close()


def _fill(server: Server, kind: str, step_bytes: int, most_bytes: int) -> list[Row]:
    leave = _ballast(server.data_dir.parent) if kind == "tmpfs" else _limit(server)
    tries, wrong, ends = 0, [], Counter[str]()
    for free_bytes in range(0, most_bytes + 1, step_bytes):
        _ok(server.call("generate", prompt="a ghost to delete", seed=tries, **QUICK))
        leave(free_bytes)
        for what, told in _while_full(server, tries):
            tries += 1
            ends[told if told in (DONE, WAITS) else "refused"] += 1
            # Whoever deletes makes room, so that must always be possible.
            if (told not in (DONE, WAITS) and not _is_sentence(told)) or (what == "deleting" and told != DONE):
                wrong.append(f"{what} with {free_bytes} bytes free: {told}")
        leave(PLENTY)
        server.wait_until(server.is_idle)
        if left := list((server.data_dir / "tmp").iterdir()):
            wrong.append(f"with {free_bytes} bytes free {len(left)} half files stayed, {left[0].name} among them")
    after, _ = server.call("generate", prompt="a ghost afterwards", seed=10**6, **QUICK)
    server.stop()
    found = ledger.read(server.data_dir)
    wrong += [] if after == "complete" else ["no clip could be made afterwards"]
    # What was asked for again while the row could not be written was given the same seed; that is no double.
    wrong += [text for text in found.violations(set()) if "was made" not in text]
    wrong += sorted(found.orphans | found.half_made)
    said = f"{ends[DONE]} done, {ends['refused']} refused in a sentence"
    said += f", {ends[WAITS]} kept waiting until there was room and then made; all is sound afterwards"
    return [row(f"full disk ({kind})", f"{tries} writes with 0 to {most_bytes // 1024} kB left", wrong, said)]


def _while_full(server: Server, number: int) -> Iterator[tuple[str, str]]:
    """Make from words, make from a picture, delete; what each was told: DONE, WAITS or why not."""
    yield "making", _told(lambda: server.call("generate", prompt="a ghost", seed=1000 + number, **QUICK))
    yield "sending a picture", _told(lambda: _from_picture(server, number))
    yield "deleting", _told(lambda: _delete_newest(server))


def _from_picture(server: Server, number: int) -> tuple[str, Any]:
    dice = random.Random(number)
    file = io.BytesIO()
    Image.frombytes("RGB", (160, 120), dice.randbytes(160 * 120 * 3)).save(file, "PNG")
    image = {"path": server.upload("picture.png", file.getvalue()), "meta": {"_type": "gradio.FileData"}}
    return server.call("generate", prompt="a ghost", image=image, seed=2000 + number, **QUICK)


def _delete_newest(server: Server) -> tuple[str, Any]:
    _, (recipes,) = server.call("clips", limit=1)
    if not recipes:
        return "complete", None
    answer = server.part("remove_clip", clip=recipes[0]["clip"])
    return ("error", answer) if isinstance(answer, dict) and "error" in answer else ("complete", answer)


def _told(ask: Callable[[], tuple[str, Any]]) -> str:
    """What was accepted and could not be begun is asked for no longer than a while: it begins when there is room."""
    answer = ThreadPoolExecutor(max_workers=1).submit(ask)
    try:
        kind, value = answer.result(PATIENCE_S)
    except TimeoutError:
        return WAITS
    except httpx.HTTPStatusError as error:
        return error.response.text.strip('{"}')  # JSON around a sentence
    return DONE if kind == "complete" else str(value.get("error") if isinstance(value, dict) else value)


def _is_sentence(told: str) -> bool:
    return told.endswith(".") and "\n" not in told and told != wording.UNEXPECTED


def _ok(answer: tuple[str, Any]) -> None:
    if answer[0] != "complete":
        raise RuntimeError(f"with all the room there is: {answer}")


@contextmanager
def _small_disk(folder: Path) -> Iterator[tuple[Path, str]]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", str(folder)], capture_output=True, check=False
    )
    try:
        yield folder, "tmpfs" if mounted.returncode == 0 else "RLIMIT_FSIZE"
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _ballast(folder: Path) -> Callable[[int], None]:
    """Leave so many bytes free on the small disk by filling the rest."""
    path = folder / "ballast"

    def leave(free_bytes: int) -> None:
        path.unlink(missing_ok=True)
        stat = os.statvfs(folder)
        room = stat.f_bavail * stat.f_frsize - free_bytes
        if room > 0 and free_bytes != PLENTY:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, room // PAGE_BYTES * PAGE_BYTES)

    return leave


def _limit(server: Server) -> Callable[[int], None]:
    """Let no file of the process grow past so many bytes."""

    def leave(free_bytes: int) -> None:
        assert server.process is not None
        most = resource.RLIM_INFINITY if free_bytes == PLENTY else free_bytes
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    return leave
