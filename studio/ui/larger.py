"""`GET /larger/{film}`: a clip's film scaled up, for programs and places that refuse small ones. Knows no page."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio.domain import StudioError
from studio.service import Studio
from studio.ui import wording
from studio.ui.who import person_of

MAX_WAITING = 8


def larger_route(studio: Studio, has_sign_in: bool) -> Route:
    """The route for Gradio's app. Who asks waits for those before: many at once would take all processors."""
    turn, waiting = asyncio.Lock(), 0

    async def answer(request: Request) -> Response:
        if has_sign_in and person_of(request) is None:
            return JSONResponse({"detail": wording.SIGN_IN}, 401)
        nonlocal waiting
        if waiting >= MAX_WAITING:
            return JSONResponse({"detail": wording.MANY_LARGER}, 429)
        waiting += 1
        try:
            async with turn:
                if await request.is_disconnected():
                    return Response(status_code=499)
                film = await run_in_threadpool(studio.larger, request.path_params["film"])
        except StudioError as error:
            return JSONResponse({"detail": str(error)}, 404)
        finally:
            waiting -= 1
        headers = {"Content-Disposition": "attachment", "Cache-Control": "private, max-age=3600"}
        return Response(film, media_type="video/mp4", headers=headers)

    return Route("/larger/{film}", answer)
