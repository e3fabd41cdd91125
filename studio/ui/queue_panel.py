"""The stage: the visitor's jobs while they wait and run, and the clip when it is done.

The browser says which jobs it follows; the visitor's unfinished ones are told of in any case, so that each of its
tabs and devices shows them.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.domain import Done, Job, StudioError
from studio.service import OVER, Outlook, Studio, Visit
from studio.ui import present, wording
from studio.ui.guard import a_truth, an_id, for_part
from studio.ui.parts import part

MAX_FOLLOWED = 20
MAX_KEY_CHARS = 64


def stage(studio: Studio, is_private: bool) -> gr.HTML:
    """The part whose value {"job": id} makes the page follow one more job.

    At a press it says {"drawn": id}: the id that the page drew for the job, which it follows from then on.
    """

    @for_part(studio)
    def poll_jobs(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        ids, shown = data.get("jobs"), data.get("preview")
        if not isinstance(ids, list) or len(ids) > MAX_FOLLOWED:
            raise StudioError(wording.BAD_CALL)
        if not isinstance(shown, str) or len(shown) > MAX_KEY_CHARS:
            raise StudioError(wording.BAD_CALL)
        asked = [an_id(job_id) for job_id in ids]
        outlook = visit.outlook()
        others = [job_id for job_id in outlook if job_id not in asked]
        views = [_view(studio, visit, job_id, outlook, shown) for job_id in [*asked, *others][:MAX_FOLLOWED]]
        readiness = studio.readiness()
        newest = visit.clips(1)
        return {
            "jobs": views,
            "newest": newest[0].number if newest else 0,
            "readiness": {"state": readiness.state, "sentence": readiness.sentence},
            "busy": readiness.state == "loading" or any(view["live"] for view in views),
        }

    @for_part(studio)
    def stop_job(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        return {"stopped": visit.cancel(an_id(data.get("job")), a_truth(data.get("keep", False)))}

    @for_part(studio)
    def finish_job(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        return {"job": visit.finish(an_id(data.get("job"))).id}

    return part(
        "stage",
        {},
        functions=(poll_jobs, stop_job, finish_job),
        words=wording.STAGE | {"name": wording.NAME},
        actions=wording.ACTIONS,
        hints=wording.ACTION_HINTS,
        extensions=present.extensions(studio.models()),
        isPrivate=is_private,
    )


def _view(studio: Studio, visit: Visit, job_id: str, outlook: dict[str, Outlook], shown_preview: str) -> present.View:
    try:
        job = visit.job(job_id)
        if isinstance(job.state, Done):
            return present.job_view(job) | _clip(studio, visit, job, job.state)
        if job.is_over:
            return present.job_view(job)
        ahead = outlook.get(job_id, OVER)
        return present.job_view(job, ahead.position, ahead.remaining_s, shown_preview)
    except StudioError:
        return present.gone_view(job_id)


def _clip(studio: Studio, visit: Visit, job: Job, done: Done) -> present.View:
    try:
        return {"clip": present.clip_view(visit.clip(done.clip), studio.clips_dir)}
    except StudioError:
        return present.gone_view(job.id)  # made, and deleted since
