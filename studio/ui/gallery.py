"""The gallery: every kept clip, newest first, and what can be done with one.

Its events are `again` (same, new, extend), `frame` and `reuse`; interface.py says what they change on the page.
"""

from __future__ import annotations

import math
from typing import Any

import gradio as gr

from studio.domain import NEW_SEED, Job, ModelCard, StudioError
from studio.service import Studio
from studio.ui import present, wording
from studio.ui.guard import an_id, for_part
from studio.ui.parts import part

PAGE = 24


def gallery(studio: Studio, card: ModelCard) -> gr.HTML:
    @for_part
    def list_clips(data: dict[str, Any]) -> dict[str, Any]:
        before = data.get("before")
        if before is not None and not (isinstance(before, int | float) and math.isfinite(before)):
            raise StudioError(wording.BAD_CALL)
        clips = studio.clips(limit=PAGE + 1, before=before)
        return {
            "clips": [present.clip_view(clip, studio.clips_dir) for clip in clips[:PAGE]],
            "more": len(clips) > PAGE,
        }

    @for_part
    def remove_clip(data: dict[str, Any]) -> dict[str, Any]:
        studio.delete(an_id(data.get("clip")))
        return {"removed": True}

    return part(
        "gallery",
        {},
        functions=(list_clips, remove_clip),
        words=wording.GALLERY_WORDS,
        actions=wording.ACTIONS,
        hints=wording.ACTION_HINTS,
        shortest=card.limits.min_seconds,
        longest=card.limits.max_seconds,
        usual=card.default_seconds,
        longestPrompt=card.limits.max_prompt_chars,
    )


def make_again(studio: Studio, event: gr.EventData) -> Job:
    """The job that an `again` event asks for."""
    clip_id = clip_of(event)
    match getattr(event, "action", None):
        case "same":
            return studio.regenerate(clip_id)
        case "new":
            return studio.regenerate(clip_id, NEW_SEED)
        case "extend":
            prompt = getattr(event, "prompt", "")
            return studio.extend(clip_id, getattr(event, "seconds", 0.0), prompt if isinstance(prompt, str) else "")
        case _:
            raise StudioError(wording.BAD_CALL)


def clip_of(event: gr.EventData) -> str:
    return an_id(getattr(event, "clip", None))
