"""`GET /health`: how the studio is, as JSON for programs and as a small page for people. Knows no visitor.

Where people sign in, what failed is for them only; the rest says nothing of anybody and is open to a watching program.
"""

from __future__ import annotations

import html
from dataclasses import asdict
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from studio.service import Health, Studio
from studio.ui import wording
from studio.ui.parts import read
from studio.ui.who import person_of

WORDS = wording.HEALTH


def health_route(studio: Studio, has_sign_in: bool) -> Route:
    """The route for Gradio's app, which takes it before its own: `launch(app_kwargs={"routes": [...]})`."""

    def answer(request: Request) -> Response:
        health = studio.health()
        knows_errors = not has_sign_in or person_of(request) is not None
        status = 503 if health.state == "failed" else 200
        headers = {"Cache-Control": "no-store"}
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(page_of(health, knows_errors), status, headers)
        values = asdict(health)
        if not knows_errors:
            del values["errors"], values["sentence"]
        return JSONResponse(values, status, headers)

    return Route("/health", answer)


def page_of(health: Health, knows_errors: bool) -> str:
    """The page for people; every value is escaped."""
    jobs = [f"{count} {wording.JOB_STATES.get(state, state)}" for state, count in health.jobs.items()]
    rows = {
        "model": health.model,
        "device": health.device,
        "now": wording.now(health.running, health.waiting),
        "jobs": ", ".join(jobs) or "0",
        "room": wording.room(health.clips_bytes, health.free_bytes),
        "up": wording.up_for(health.up_s),
        "version": health.version,
        "process": str(health.process),
    }
    values = {
        "name": wording.NAME,
        "title": WORDS["title"],
        "back": WORDS["back"],
        "state": health.state,
        "sentence": _sentence(health, knows_errors),
        "errors_title": WORDS["errors"],
    }
    text = read("health-page.html")
    for name, value in values.items():
        text = text.replace(f"[[{name}]]", html.escape(value))
    table = "".join(f"<dt>{html.escape(WORDS[name])}</dt><dd>{html.escape(value)}</dd>" for name, value in rows.items())
    return text.replace("[[rows]]", table).replace("[[errors]]", _errors(health, knows_errors))


def _sentence(health: Health, knows_errors: bool) -> str:
    """Why no clip can be made may name what failed."""
    is_told = knows_errors and health.state != "ready"
    return health.sentence if is_told else wording.HEALTH_STATES.get(health.state, health.state)


def _errors(health: Health, knows_errors: bool) -> str:
    if not knows_errors or not health.errors:
        return f"<p>{html.escape(WORDS['no_errors'] if knows_errors else WORDS['errors_hidden'])}</p>"
    rows = [
        f"<li><time>{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC</time> {html.escape(sentence)}</li>"
        for at_s, sentence in health.errors
    ]
    return f"<ul>{''.join(rows)}</ul>"
