"""What the form says of the chosen model, and the way to its files where they may be fetched from here."""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.domain import ModelCard
from studio.service import Studio, Visit
from studio.ui import present, wording
from studio.ui.guard import for_part
from studio.ui.parts import part


def model_note(studio: Studio, form: str) -> gr.HTML:
    """The part of `form` whose value is a `present.model_view`; its event `fetched` tells that files have come."""

    @for_part(studio)
    def download_state(_: Visit, data: dict[str, Any]) -> dict[str, Any]:
        return state_of(studio.card(data.get("model", "")))

    @for_part(studio)
    def look_up_model(_: Visit, data: dict[str, Any]) -> dict[str, Any]:
        return state_of(studio.look_up(data.get("model", "")))

    @for_part(studio)
    def fetch_model(_: Visit, data: dict[str, Any]) -> dict[str, Any]:
        return state_of(studio.fetch(data.get("model", "")))

    @for_part(studio)
    def stop_fetching(_: Visit, data: dict[str, Any]) -> dict[str, Any]:
        return state_of(studio.stop_fetching(data.get("model", "")))

    def state_of(card: ModelCard) -> dict[str, Any]:
        return present.download_view(studio.download(card), card)

    functions = (download_state, look_up_model, fetch_model, stop_fetching)
    return part("model", {}, functions=functions, words=wording.MODEL_NOTE, form=form)
