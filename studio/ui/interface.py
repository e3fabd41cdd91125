"""The page: its tabs and what leads to what. Widgets are built next door, sentences live in wording.py."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.service import Studio
from studio.ui import present, wording
from studio.ui.api import add_api
from studio.ui.gallery import clip_of, gallery, make_again
from studio.ui.guard import on_page
from studio.ui.make_tab import QUIET, MakeTab, TabPlan, make_tab
from studio.ui.parts import LOGO, logo, part, read, stylesheets
from studio.ui.picture_drop import view
from studio.ui.queue_panel import stage
from studio.ui.theme import theme

DELETE_UPLOADS_AFTER_S = 24 * 3600


def build_interface(studio: Studio, max_upload_bytes: int) -> gr.Blocks:
    """The whole page and the programs' endpoints on top of an open studio."""
    gr.set_static_paths([studio.clips_dir])
    card = studio.models()[0]
    sizes = {ratio: studio.frame_size(ratio) for ratio in card.limits.aspect_ratios}
    with gr.Blocks(title=wording.NAME, analytics_enabled=False, delete_cache=(3600, DELETE_UPLOADS_AFTER_S)) as page:
        part("header", None, words={"name": wording.NAME, "tagline": wording.TAGLINE})
        with gr.Row(elem_classes="fb-workbench"):
            with gr.Column(scale=5, min_width=320, elem_classes="fb-form"), gr.Tabs(selected="text") as tabs:
                with gr.Tab(wording.TEXT_TAB, id="text"):
                    text_tab = make_tab(TabPlan(studio, card, sizes, max_upload_bytes, needs_picture=False))
                with gr.Tab(wording.IMAGE_TAB, id="image"):
                    image_tab = make_tab(TabPlan(studio, card, sizes, max_upload_bytes, needs_picture=True))
            with gr.Column(scale=6, min_width=320, elem_classes="fb-stage-column"):
                screen = stage(studio)
        clips = gallery(studio, card)
        part("footer", None, words={"honest": wording.HONEST})
        for tab in (text_tab, image_tab):
            tab.follow_with(screen)
            _keep_draft(page, tab)
        _wire_gallery(studio, clips, screen, tabs, (text_tab, image_tab))
        add_api(studio)
    return page


def launch_options(max_upload_bytes: int) -> dict[str, Any]:
    """How the page wants to be launched, wherever it is."""
    return {
        "theme": theme(),
        "css_paths": stylesheets(),
        "css": f":root {{ --fb-logo: url('{logo()}'); }}",
        "js": read("page.js"),
        "favicon_path": LOGO,
        "max_file_size": max_upload_bytes,
        "footer_links": ["api", "settings"],
        "run_history": False,
        "show_error": False,
    }


def _wire_gallery(
    studio: Studio, clips: gr.HTML, screen: gr.HTML, tabs: gr.Tabs, forms: tuple[MakeTab, MakeTab]
) -> None:
    text_tab, image_tab = forms
    form_fields = [*text_tab.fields.values(), *image_tab.fields.values()]

    @on_page
    def again(event: gr.EventData) -> dict[str, str]:
        return {"job": make_again(studio, event).id}

    @on_page
    def use_last_frame(event: gr.EventData) -> list[Any]:
        clip = studio.clip(clip_of(event))
        ratio = clip.request.aspect_ratio
        picture = view(studio, studio.keep_last_frame(clip.id)) | {"ratio": ratio, "fit": "crop"}
        return [gr.Tabs(selected="image"), *image_tab.updates({"picture": picture, "aspect_ratio": ratio})]

    @on_page
    def reuse(event: gr.EventData) -> list[Any]:
        request = studio.clip(clip_of(event)).request
        values = present.form_from_request(request)
        if request.picture is None:
            return [gr.Tabs(selected="text"), *text_tab.updates(values), *image_tab.updates({})]
        fitted = {"ratio": request.aspect_ratio, "fit": request.picture_fit}
        values["picture"] = view(studio, request.picture) | fitted
        return [gr.Tabs(selected="image"), *text_tab.updates({}), *image_tab.updates(values)]

    clips.again(again, None, screen, concurrency_limit=None, **QUIET)
    clips.frame(use_last_frame, None, [tabs, *image_tab.fields.values()], concurrency_limit=None, **QUIET)
    clips.reuse(reuse, None, [tabs, *form_fields], concurrency_limit=None, **QUIET)


def _keep_draft(page: gr.Blocks, tab: MakeTab) -> None:
    """What was typed survives a reload; in the browser only, and never over what was typed since."""
    key = f"flipbook-draft-{tab.plan.key}-v1"
    prompt = tab.fields["prompt"]
    draft = gr.BrowserState("", storage_key=key, secret=key)
    prompt.change(None, prompt, draft, js="(prompt) => prompt", **QUIET)
    page.load(None, [draft, prompt], prompt, js="(draft, prompt) => prompt || draft || ''", **QUIET)
