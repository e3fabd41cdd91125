"""The gallery: the visitor's clips and, where there is one, the showcase; and what can be done with a clip.

Its events are `again` (same, new, extend), `frame` and `reuse` (a clip's settings or a file's); interface.py says
what they change on the page.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.domain import NEW_SEED, Job, StudioError, VideoRequest
from studio.service import Studio, Visit
from studio.ui import present, wording
from studio.ui.guard import a_drawn_id, a_truth, an_id, an_upload, for_part
from studio.ui.parts import part

PAGE = 24


def gallery(studio: Studio, is_private: bool, has_showcase: bool) -> gr.HTML:
    @for_part(studio)
    def list_clips(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        before = data.get("before")
        match data.get("shelf", "own"):
            case "own":
                clips = visit.clips(PAGE + 1, before, data.get("words", ""), data.get("favourites", False))
            case "showcase":
                clips = visit.showcase(PAGE + 1, before)
            case _:
                raise StudioError(wording.BAD_CALL)
        answer: dict[str, Any] = {
            "clips": [present.clip_view(clip, studio.clips_dir, studio.has_changed(clip)) for clip in clips[:PAGE]],
            "more": len(clips) > PAGE,
        }
        if before is None:
            answer["removals"] = [
                {"number": row.number, "removed": row.removed_s, "text": wording.removed(row.clips, row.reason)}
                for row in visit.removals()
            ]
        return answer

    @for_part(studio)
    def remove_clip(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        visit.delete(clip_of(data))
        return {"removed": True}

    @for_part(studio)
    def favour_clip(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        visit.favour(clip_of(data), a_truth(data.get("yes")))
        return {"favourite": data["yes"]}

    @for_part(studio)
    def show_clip(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        visit.show(clip_of(data), a_truth(data.get("yes")))
        return {"shown": data["yes"]}

    return part(
        "gallery",
        {},
        functions=(list_clips, remove_clip, favour_clip, show_clip),
        words=wording.GALLERY_WORDS | {"own": wording.GALLERY_WORDS["own" if is_private else "all"]},
        actions=wording.ACTIONS,
        hints=wording.ACTION_HINTS,
        isPrivate=is_private,
        isBrowsers=is_private and not studio.settings.auth,
        hasShowcase=has_showcase,
        limit=studio.settings.max_upload_bytes // 1_000_000,
        extensions=present.extensions(studio.models()),
    )


def make_again(visit: Visit, details: dict[str, Any]) -> Job:
    """The job that an `again` event asks for."""
    clip_id, job_id = clip_of(details), a_drawn_id(details)
    match details.get("action"):
        case "same":
            return visit.regenerate(clip_id, job_id=job_id)
        case "new":
            return visit.regenerate(clip_id, NEW_SEED, job_id)
        case "extend":
            return visit.extend(clip_id, details.get("seconds", 0.0), details.get("prompt", ""), job_id=job_id)
        case _:
            raise StudioError(wording.BAD_CALL)


def settings_of(visit: Visit, details: dict[str, Any]) -> VideoRequest:
    """What a `reuse` event asks to put into the form."""
    if "file" not in details:
        return visit.visible_clip(clip_of(details)).request
    return visit.recipe(an_upload(details["file"]))


def clip_of(details: dict[str, Any]) -> str:
    return an_id(details.get("clip"))
