"""`DELETE /clips/{film}`: who keeps the studio takes down what should not be there, whoever made it. Knows no page."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from studio.domain import StudioError
from studio.service import Studio
from studio.ui import wording


def keeper_route(studio: Studio) -> Route:
    """The route for Gradio's app. KEEPER_TOKEN comes in a header of its own: a private Space wants the usual one."""

    def answer(request: Request) -> Response:
        token, said = studio.settings.keeper_token, request.headers.get("keeper-token", "")
        if not token or not hmac.compare_digest(said.encode(), token.encode()):
            return JSONResponse({"detail": wording.NO_KEEPER}, 403)
        try:
            studio.take_down(request.path_params["film"])
        except StudioError as error:
            return JSONResponse({"detail": str(error)}, 404)
        return Response(status_code=204)

    return Route("/clips/{film}", answer, methods=["DELETE"])
