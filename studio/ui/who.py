"""Who asks: the secret that a browser or program keeps, or the name that a person signed in with. Knows no feature."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.requests import Request

from studio.service import Studio, Visit


def visit_of(studio: Studio, visitor: object, request: gr.Request) -> Visit:
    """The studio as the sender of this message sees it; StudioError where it must say who it is and does not."""
    return studio.visit(visitor, person_of(request))


def person_of(request: gr.Request | Request) -> str | None:
    """Who signed in, where AUTH asks for that.

    Gradio looks it up for its events and endpoints, but hands a part's server function the plain HTTP request.
    """
    if isinstance(request, gr.Request):
        return request.username
    app: Any = request.app
    for cookie in ("access-token", "access-token-unsecure"):
        if token := request.cookies.get(f"{cookie}-{app.cookie_id}"):
            return app.tokens.get(token)
    return None
