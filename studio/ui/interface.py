"""The page: its tabs and what leads to what. Widgets are built next door, sentences live in wording.py."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from studio.domain import StudioError
from studio.service import Studio, Visit
from studio.ui import present, wording
from studio.ui.api import add_api
from studio.ui.archive import archive_route
from studio.ui.doorkeeper import Doorkeeper
from studio.ui.draft import keep_draft
from studio.ui.gallery import clip_of, gallery, make_again, settings_of
from studio.ui.guard import on_act, refusal, stay_home
from studio.ui.health import health_route
from studio.ui.keeper import keeper_route
from studio.ui.larger import larger_route
from studio.ui.lasting import Lasting
from studio.ui.make_tab import QUIET, MakeTab, TabPlan, choices, make_tab
from studio.ui.parts import LOGO, logo, part, read, stylesheets
from studio.ui.picture_drop import view
from studio.ui.queue_panel import stage
from studio.ui.theme import theme

DELETE_UPLOADS_AFTER_S = 24 * 3600
# A picture may come as text, which takes a third more; other requests are small.
AS_TEXT, OTHERWISE_BYTES = 1.4, 2**20
# Of Gradio's places for what is done at once, beside those of programs whose clips wait.
FOR_VISITORS = 100
# Of events that wait for such a place. In a ZeroGPU Space Gradio would turn away all but one.
MAX_EVENTS = 1000


def build_interface(studio: Studio) -> gr.Blocks:
    """The whole page and the programs' endpoints on top of an open studio."""
    stay_home()
    gr.set_static_paths([studio.clips_dir])
    is_private, has_sign_in = studio.settings.has_private_galleries, bool(studio.settings.auth)
    with gr.Blocks(title=wording.NAME, analytics_enabled=False, delete_cache=(3600, DELETE_UPLOADS_AFTER_S)) as page:
        visitor = part("visitor", "")
        part("header", None, words={"name": wording.NAME, "tagline": wording.TAGLINE})
        with gr.Row(elem_classes="fb-workbench"):
            with gr.Column(scale=5, min_width=320, elem_classes="fb-form"), gr.Tabs(selected="text") as tabs:
                with gr.Tab(wording.TEXT_TAB, id="text"):
                    text_tab = make_tab(TabPlan(studio, studio.models()[0], needs_picture=False))
                with gr.Tab(wording.IMAGE_TAB, id="image"):
                    image_tab = make_tab(TabPlan(studio, studio.models()[0], needs_picture=True))
            with gr.Column(scale=6, min_width=320, elem_classes="fb-stage-column"):
                screen = stage(studio, is_private)
        clips = gallery(studio, is_private, studio.settings.showcase)
        part("footer", None, words={"honest": wording.HONEST}, links=_links(has_sign_in))
        for tab in (text_tab, image_tab):
            tab.follow_with(screen, visitor)
            keep_draft(page, tab)
        # What was fetched since the page was built can be chosen.
        pickers = [tab.fields["model"] for tab in (text_tab, image_tab)]
        page.load(lambda: [gr.update(choices=choices(studio))] * 2, None, pickers, queue=False, **QUIET)
        again, use_frame, reuse = _gallery_acts(studio, text_tab, image_tab)
        into_form = [tabs, *text_tab.fields.values(), *image_tab.fields.values()]
        # Each press is a clip, also while the answer to the one before is awaited.
        clips.again(again, visitor, screen, concurrency_limit=None, trigger_mode="multiple", **QUIET)
        in_image_tab = [visitor, image_tab.fields["model"]]
        for filled in (
            clips.frame(use_frame, in_image_tab, into_form, concurrency_limit=None, **QUIET),
            clips.reuse(reuse, visitor, into_form, concurrency_limit=None, **QUIET),
        ):
            filled.success(None, None, None, js="() => window.flipbookShowForm()", **QUIET)
        add_api(studio, is_private)
    return page.queue(max_size=MAX_EVENTS)


def launch_options(studio: Studio) -> dict[str, Any]:
    """How the page wants to be launched, wherever it is.

    A program that waits for its clip holds one of Gradio's places, and as many wait as the queue takes and workers
    there are: there are so many places more, so that the page's visitors find some.
    """
    return {
        "theme": theme(),
        "css_paths": stylesheets(),
        "css": f":root {{ --fb-logo: url('{logo()}'); }}",
        "js": read("page.js"),
        "favicon_path": LOGO,
        "max_file_size": studio.settings.max_upload_bytes,
        "max_threads": FOR_VISITORS + studio.settings.max_queued,
        "footer_links": ["api", "settings"],
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
    }


def access_options(studio: Studio) -> dict[str, Any]:
    """Who may open the page, and the addresses beside it."""
    auth = list(studio.settings.auth)
    # FastAPI's own list of every route would be open to all.
    routes = [
        health_route(studio, bool(auth)),
        archive_route(studio, bool(auth)),
        larger_route(studio, bool(auth)),
        keeper_route(studio),
    ]
    app: dict[str, Any] = {"routes": routes, "openapi_url": None}
    app["middleware"] = [
        Middleware(
            Doorkeeper,
            hostnames=studio.settings.known_hostnames,
            max_bytes=round(AS_TEXT * studio.settings.max_upload_bytes) + OTHERWISE_BYTES,
            has_room=studio.has_room,
        ),
        Middleware(Lasting, folder=studio.clips_dir),
    ]
    app["exception_handlers"] = {Exception: refusal}
    return {"auth": auth or None, "auth_message": wording.SIGN_IN, "app_kwargs": app}


def _links(has_sign_in: bool) -> list[tuple[str, str]]:
    """Addresses, relative to the page, and their words."""
    links = [("health", wording.FOOTER_LINKS["health"])]
    return [*links, ("logout", wording.FOOTER_LINKS["sign_out"])] if has_sign_in else links


def _gallery_acts(studio: Studio, text_tab: MakeTab, image_tab: MakeTab) -> tuple[Callable[..., Any], ...]:
    """What the gallery's events do: make a clip again, use a frame of it, use its or a file's settings."""

    @on_act(studio)
    def again(visit: Visit, details: dict[str, Any]) -> dict[str, str]:
        return {"job": make_again(visit, details).id}

    @on_act(studio)
    def use_frame(visit: Visit, details: dict[str, Any], model: Any) -> list[Any]:
        clip = visit.clip(clip_of(details))
        picture = view(visit, visit.keep_frame(clip.id, details.get("at"))) | {"fit": "crop"}
        values = {"picture": picture, "aspect_ratio": clip.request.aspect_ratio}
        return [gr.Tabs(selected="image"), *text_tab.updates({}), *image_tab.updates(values, model)]

    @on_act(studio)
    def reuse(visit: Visit, details: dict[str, Any]) -> list[Any]:
        request = settings_of(visit, details)
        values = present.form_from_request(request)
        for sentence in present.left_out(request, text_tab.fields):
            gr.Info(html.escape(sentence, quote=False), title=wording.NAME)
        if request.picture is None:
            return [gr.Tabs(selected="text"), *text_tab.updates(values), *image_tab.updates({})]
        for field, name in (("picture", request.picture), ("last_picture", request.last_picture)):
            picture: present.View = {"name": None, "src": None}
            try:
                picture = view(visit, name) if name else picture
            except StudioError:
                gr.Info(wording.PICTURE_STAYS, title=wording.NAME)
            values[field] = picture | {"fit": request.picture_fit}
        return [gr.Tabs(selected="image"), *text_tab.updates({}), *image_tab.updates(values)]

    return again, use_frame, reuse
