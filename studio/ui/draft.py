"""What was filled in survives a reload of the page: the browser keeps it, the words for good, the rest with its tab.

Not with gr.BrowserState: where a browser's storage is blocked, that takes the whole page down.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import gradio as gr

from studio.domain import StudioError
from studio.ui import present
from studio.ui.guard import on_page
from studio.ui.make_tab import QUIET, MakeTab

MAX_CHARS = 20_000
NOT_KEPT = ("prompt", "picture", "last_picture")
# Each window has words of its own; a new one begins with the last that were typed in any.
READ = """(words) => {{
    try {{ return words || (sessionStorage.getItem({key}) ?? localStorage.getItem({key}) ?? ''); }}
    catch {{ return words; }}
}}"""
KEEP = """(words) => {{
    try {{ for (const store of [sessionStorage, localStorage]) store.setItem({key}, words); }}
    catch {{ return; }}
}}"""
# A new form says of each of its widgets what it has; that must not be kept before what was kept is read.
READ_FORM = """() => {{
    window.flipbookRead = [...window.flipbookRead ?? [], {key}];
    try {{ return sessionStorage.getItem({key}) || ''; }} catch {{ return ''; }}
}}"""
KEEP_FORM = """(...form) => {{
    try {{ if (window.flipbookRead?.includes({key})) sessionStorage.setItem({key}, JSON.stringify(form)); }}
    catch {{ return; }}
}}"""


def keep_draft(page: gr.Blocks, tab: MakeTab) -> None:
    """Wire one tab's form; nothing comes over what was typed since the page was opened."""
    words, key = tab.fields["prompt"], json.dumps(f"flipbook-draft-{tab.plan.key}-v2")
    words.change(None, words, None, js=KEEP.format(key=key), **QUIET)
    page.load(None, words, words, js=READ.format(key=key), **QUIET)

    names = [name for name in tab.fields if name not in NOT_KEPT]
    others, key = [tab.fields[name] for name in names], json.dumps(f"flipbook-form-{tab.plan.key}-v1")

    @on_page
    def restore(kept: Any) -> list[Any]:
        return tab.updates(_understood(tab, names, kept))

    gr.on([field.change for field in others], None, others, None, js=KEEP_FORM.format(key=key), **QUIET)
    # gr.on does not take a part's own events.
    for name in ("aspect_ratio", "seed"):
        tab.fields[name].picked(None, others, None, js=KEEP_FORM.format(key=key), **QUIET)
    page.load(restore, words, list(tab.fields.values()), js=READ_FORM.format(key=key), queue=False, **QUIET)


def _understood(tab: MakeTab, names: list[str], kept: Any) -> present.View:
    """The values by their names, if this form, whose model may have changed meanwhile, would have them all."""
    try:
        values = json.loads(kept) if isinstance(kept, str) and 0 < len(kept) <= MAX_CHARS else None
        if not isinstance(values, list) or len(values) != len(names):
            return {}
        form = dict(zip(names, values, strict=True))
        request = present.request_from_form({"prompt": tab.plan.card.title, **form}, needs_picture=False)
        card = tab.plan.studio.card(request.model)
        # Which picture it will be makes no difference, but a model may need one. What goes with certain values only is
        # kept before those are chosen too.
        picture = tab.plan.key if tab.plan.needs_picture else None
        replace(request, picture=picture, negative_prompt="", step_cache=0.0).check(card)
    except (StudioError, ValueError, RecursionError):
        return {}
    return form
