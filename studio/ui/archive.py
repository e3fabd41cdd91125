"""`POST /clips.zip`: all clips of whoever asks in one file, packed while it is sent. Knows no page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs
from zipfile import ZipFile, ZipInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from studio.domain import Clip, StudioError
from studio.service import Studio, Visit
from studio.ui import wording
from studio.ui.who import person_of

CHUNK, MAX_BODY, PAGE = 1 << 20, 200, 100


def archive_route(studio: Studio, has_sign_in: bool) -> Route:
    """The route for Gradio's app. Who asks says so in the form's field `visitor`, which no address and no log shows."""

    async def answer(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return _refused(wording.BAD_CALL, 413)
        person = person_of(request)
        if has_sign_in and person is None:
            return _refused(wording.SIGN_IN, 401)
        try:
            visit = studio.visit(parse_qs(body.decode("latin-1")).get("visitor", [""])[0], person)
        except StudioError as error:
            return _refused(str(error), 403)
        headers = {"Content-Disposition": 'attachment; filename="flipbook.zip"', "Cache-Control": "no-store"}
        return StreamingResponse(packed(visit), media_type="application/zip", headers=headers)

    return Route("/clips.zip", answer, methods=["POST"])


def packed(visit: Visit) -> Iterator[bytes]:
    """The bytes of a ZIP file with the visitor's clips as they are, the newest first."""
    pipe = _Pipe()
    with ZipFile(pipe, "w") as archive:
        for clip in _all(visit):
            name = f"flipbook-{clip.number}-{clip.request.seed}.mp4"
            with suppress(StudioError, FileNotFoundError):  # it was deleted meanwhile
                path = visit.video_path(clip.id)
                with path.open("rb") as film, archive.open(entry_of(path, name), "w") as entry:
                    while piece := film.read(CHUNK):
                        entry.write(piece)
                        yield pipe.taken()
    yield pipe.taken()


def entry_of(path: Path, name: str) -> ZipInfo:
    """A clock that was wrong must not end the archive: ZIP has no times before 1980."""
    return ZipInfo.from_file(path, name, strict_timestamps=False)


def _all(visit: Visit) -> Iterator[Clip]:
    before = None
    while clips := visit.clips(PAGE, before):
        yield from clips
        before = clips[-1].number


def _refused(sentence: str, status: int) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status)


class _Pipe(io.RawIOBase):
    """What is written into it can be taken out again; it goes forward only."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self._held += data
        return len(data)

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held
