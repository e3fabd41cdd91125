"""The stage: the visitor's jobs while they wait and run, and the clip when it is done.

Knows which jobs the browser asks about, because it says so; nobody else's job can be guessed.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.domain import Done, Job, StudioError
from studio.service import Studio
from studio.ui import present, wording
from studio.ui.guard import an_id, for_part
from studio.ui.parts import part

MAX_FOLLOWED = 20


def stage(studio: Studio) -> gr.HTML:
    """The part whose value {"job": id} makes the page follow one more job."""

    @for_part
    def poll_jobs(data: dict[str, Any]) -> dict[str, Any]:
        ids, shown = data.get("jobs"), data.get("preview")
        if not isinstance(ids, list) or len(ids) > MAX_FOLLOWED or not isinstance(shown, str):
            raise StudioError(wording.BAD_CALL)
        views = [_view(studio, an_id(job_id), shown) for job_id in ids]
        readiness = studio.readiness()
        return {
            "jobs": views,
            "readiness": {"state": readiness.state, "sentence": readiness.sentence},
            "busy": readiness.state == "loading" or any(view["live"] for view in views),
        }

    @for_part
    def stop_job(data: dict[str, Any]) -> dict[str, Any]:
        return {"stopped": studio.cancel(an_id(data.get("job")))}

    return part(
        "stage",
        {},
        functions=(poll_jobs, stop_job),
        words=wording.STAGE,
        actions=wording.ACTIONS,
        hints=wording.ACTION_HINTS,
    )


def _view(studio: Studio, job_id: str, shown_preview: str) -> present.View:
    try:
        job = studio.job(job_id)
    except StudioError:
        return present.gone_view(job_id)
    if isinstance(job.state, Done):
        return present.job_view(job) | _clip(studio, job, job.state)
    if job.is_over:
        return present.job_view(job)
    return present.job_view(job, studio.position(job_id), studio.remaining_s(job_id), shown_preview)


def _clip(studio: Studio, job: Job, done: Done) -> present.View:
    try:
        return {"clip": present.clip_view(studio.clip(done.clip), studio.clips_dir)}
    except StudioError:
        return present.gone_view(job.id)  # made, and deleted since
