"""Pure: from the form's values to a request and back, from a job or clip to what the page shows. Knows no widgets.

What comes out are plain dictionaries that travel to the browser as JSON; the browser shows their texts as text only.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from studio.domain import (
    NEW_SEED,
    Clip,
    Done,
    Estimate,
    Failed,
    Job,
    ModelCard,
    Progress,
    Queued,
    Running,
    StudioError,
    VideoRequest,
    WasStopped,
)
from studio.service import Download, larger_size, longest_extension_s
from studio.ui import wording

View = dict[str, Any]
LORA = "lora:"  # and its name: the name of its field


def request_from_form(values: Mapping[str, Any], needs_picture: bool) -> VideoRequest:
    """One request from the widgets' values by name; an unkept or empty seed asks for a new one.

    Raises StudioError when a picture is needed and none was chosen, or one is still being read.
    """
    picture, fit = _picture(values.get("picture"))
    last_picture, _ = _picture(values.get("last_picture"))
    if needs_picture and picture is None:
        raise StudioError(wording.PICTURE_FIRST)
    return VideoRequest(
        prompt=values["prompt"] or "",
        negative_prompt=values["negative_prompt"] or "",
        aspect_ratio=values["aspect_ratio"],
        seconds=values["seconds"],
        seed=_seed(values["seed"]),
        num_inference_steps=_whole(values["num_inference_steps"]),
        guidance_scale=values["guidance_scale"],
        sound=values["sound"],
        model=values["model"],
        picture=picture,
        picture_fit=fit,
        last_picture=last_picture,
        step_cache=values.get("step_cache") or 0.0,
        loras={name.removeprefix(LORA): weight for name, weight in values.items() if name.startswith(LORA) and weight},
    )


def form_from_request(request: VideoRequest) -> View:
    """The widgets' values by name that would ask for `request` once more, seed kept. Pictures are left out."""
    return {
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio,
        "seconds": request.seconds,
        "num_inference_steps": request.num_inference_steps,
        "seed": {"seed": request.seed, "keep": True},
        "guidance_scale": request.guidance_scale,
        "negative_prompt": request.negative_prompt,
        "sound": request.sound,
        "model": request.model,
        "step_cache": request.step_cache,
        **{LORA + name: weight for name, weight in request.loras.items()},
    }


def left_out(request: VideoRequest, fields: Collection[str]) -> list[str]:
    """What made the clip, but has no place among the form's `fields`; one sentence each."""
    missing = [wording.lora(name) for name in request.loras if LORA + name not in fields]
    if request.step_cache and "step_cache" not in fields:
        missing.append(wording.STEP_CACHE)
    told = [wording.no_place(missing)] if missing else []
    return [*told, wording.OWN_PART] if request.extends else told


def bounds(card: ModelCard) -> dict[str, View]:
    """What each field of the form may hold with this model, by the names of its widgets."""
    limits = card.limits
    return {
        "seconds": _span(limits.min_seconds, limits.max_seconds),
        "num_inference_steps": _span(limits.min_steps, limits.max_steps),
        "guidance_scale": _span(limits.min_guidance, limits.max_guidance),
        "negative_prompt": {"interactive": card.has_negative_prompt},
        "sound": {"interactive": card.has_sound},
        "step_cache": {"interactive": card.can_skip_steps},
    }


def _span(low: float, high: float) -> View:
    """Of a slider; Gradio has none with one place only, so that one is longer and stands still."""
    return {"minimum": low, "maximum": high if high > low else low + 1, "interactive": high > low}


def defaults(card: ModelCard) -> dict[str, View]:
    """The model's own values of the form's fields. A negative prompt stays where the model takes one."""
    values: dict[str, View] = {
        "seconds": {"value": card.default_seconds},
        "num_inference_steps": {"value": card.default_steps},
        "guidance_scale": {"value": card.default_guidance},
        "sound": {"value": card.has_sound},
    }
    return values if card.has_negative_prompt else values | {"negative_prompt": {"value": ""}}


def model_view(card: ModelCard, obstacle: str, needs_picture: bool, can_fetch: bool = False) -> View:
    """What the form says of the chosen model, and whether a clip can be asked of it: in this tab, on this machine."""
    if not obstacle and needs_picture and not card.can_begin_with_picture:
        obstacle = wording.words_only(card.title)
    if not obstacle and not needs_picture and card.must_begin_with_picture:
        obstacle = wording.pictures_only(card.title)
    lacks = [
        word
        for word, can in (
            ("sound", card.has_sound),
            ("extending", card.can_extend),
            ("ending", card.can_end_with_picture or not needs_picture or not card.can_begin_with_picture),
            ("negative", card.has_negative_prompt),
        )
        if not can
    ]
    said = [obstacle, card.description, *(wording.MODEL_LACKS[word] for word in lacks), wording.licence(card.licence)]
    return {
        "name": card.name,
        "title": card.title,
        "sentence": " ".join(filter(None, said)),
        "can_make": not obstacle,
        "sizes": card.grid.sizes,
        "canEnd": card.can_end_with_picture,
        "canFetch": can_fetch,
    }


def no_model_view(usual: ModelCard) -> View:
    """What the form says when its box names no model; its shapes are those of the `usual` one."""
    return {**model_view(usual, "", needs_picture=False), "name": "", "sentence": wording.NO_MODEL, "can_make": False}


def download_view(download: Download, card: ModelCard) -> View:
    """What the page shows of the fetching of a model's files; `go` is the button's label, empty where there is none."""
    left = download.total_bytes - download.have_bytes
    view: View = {
        "state": download.state,
        "busy": download.is_busy,
        "sentence": download.sentence or wording.DOWNLOADS[download.state],
        "counted": "",
        "fraction": download.have_bytes / download.total_bytes if download.total_bytes else 0,
        "go": "",
    }
    if download.state == "known":
        sizes = (wording.takes(left, download.free_bytes), wording.licence(card.licence))
        return view | {"counted": " ".join(sizes), "go": wording.fetch(left)}
    if download.state in ("fetching", "stopped") and download.total_bytes:
        view["counted"] = wording.come(download.have_bytes, download.total_bytes, download.bytes_per_s)
    if download.state == "stopped" or (download.state == "failed" and download.have_bytes):
        view["go"] = wording.DOWNLOADS["go on"]
    return view


def extensions(cards: tuple[ModelCard, ...]) -> dict[str, View]:
    """By model, how much longer it makes a clip at once, or why it can't."""
    return {
        card.name: {
            "shortest": card.limits.min_seconds,
            "longest": longest_extension_s(card),
            "usual": min(card.default_seconds, longest_extension_s(card)),
            "longestPrompt": card.limits.max_prompt_chars,
        }
        if card.can_extend
        else {"cannot": wording.no_extension(card.title)}
        for card in cards
    }


def keeps_seed(value: object) -> bool:
    """Whether the seed part's value asks to keep its seed for the next clip."""
    return isinstance(value, dict) and bool(value.get("keep")) and "seed" in value


def job_view(job: Job, position: int = 0, remaining_s: float | None = None, shown_preview: str = "") -> View:
    """What the stage shows of one job. The preview's bytes go along only when `shown_preview` is another one."""
    view: View = {
        "id": job.id,
        "prompt": job.request.prompt,
        "ratio": job.request.aspect_ratio,
        "live": not job.is_over,
        "headline": "",
        "detail": "",
        "fraction": None,
        "can_keep": False,
        "can_finish": False,
    }
    match job.state:
        case Queued():
            left = [wording.remaining(remaining_s)] if remaining_s else []
            return view | {
                "state": "queued",
                "headline": wording.WAITING,
                "detail": _joined(wording.position(position), *left),
            }
        case Running(progress=progress):
            return view | {"state": "running"} | _progress_view(progress, remaining_s, shown_preview)
        case Done(clip=clip):
            return view | {"state": "done", "headline": wording.STAGE["ready"], "clip_id": clip}
        case Failed(sentence=sentence, can_finish=can_finish):
            return view | {"state": "failed", "headline": sentence, "can_finish": can_finish}
        case WasStopped():
            return view | {"state": "stopped", "headline": wording.STOPPED}


def gone_view(job_id: str) -> View:
    """What the stage shows of a job that the studio does not know."""
    return {"id": job_id, "live": False, "state": "gone", "headline": wording.GONE, "prompt": "", "ratio": "16:9"}


def _progress_view(progress: Progress, remaining_s: float | None, shown_preview: str) -> View:
    details = [wording.step(progress.step, progress.total)] if progress.total else []
    if remaining_s is not None:
        details.append(wording.remaining(remaining_s))
    view: View = {
        "headline": wording.PHASES[progress.phase],
        "detail": _joined(*details),
        "fraction": progress.step / progress.total if progress.total else None,
        "can_keep": progress.can_keep and progress.phase == "denoising" and progress.step > 0,
    }
    if progress.preview:
        view["preview_key"] = f"{zlib.crc32(progress.preview):08x}"
        if view["preview_key"] != shown_preview:
            view["preview"] = "data:image/jpeg;base64," + base64.b64encode(progress.preview).decode()
            view["preview_frames"] = max(1, progress.preview_frames)
    return view


def clip_view(clip: Clip, clips_dir: Path, has_changed: bool = False) -> View:
    """What a card shows of one clip; `video` and `poster` are addresses relative to the page.

    `has_changed`: its model has other weights by now.
    """
    made = clip.made
    seconds = made.num_frames / made.frame_rate
    steps = clip.request.num_inference_steps
    energy_wh = made.energy_wh + made.earlier_energy_wh
    facts = [
        wording.seed(clip.request.seed),
        f"{seconds:.1f} s",
        clip.request.aspect_ratio,
        wording.made_in(made.elapsed_seconds + made.earlier_seconds),
        wording.energy(energy_wh, made.is_energy_measured) if energy_wh > 0 else "",
        wording.stopped_at(made.steps_done, steps) if 0 < made.steps_done < steps else "",
    ]
    return {
        "id": clip.id,
        "number": clip.number,
        "model": clip.request.model,
        "prompt": clip.request.prompt,
        "video": file_address(clips_dir / clip.video),
        "poster": file_address(clips_dir / clip.poster),
        "larger": f"larger/{clip.video}" if larger_size(made.width, made.height) else None,
        "file_name": f"flipbook-{clip.request.seed}.mp4",
        "width": made.width,
        "height": made.height,
        "length": f"{seconds:.1f} s",
        "facts": _joined(*facts),
        "note": " ".join(filter(None, (made.note, wording.CHANGED if has_changed else ""))),
        "created": clip.created_s,
        "is_favourite": clip.is_favourite,
        "is_shown": clip.is_shown,
    }


def estimate_view(expected: Estimate | None) -> View:
    """The line under the Make button."""
    if expected is None:
        return {"sentence": wording.FIRST_RUN}
    taken = (expected.memory_bytes, expected.energy_wh, expected.is_energy_measured)
    return {"sentence": wording.estimate(expected.seconds, *taken)}


def file_address(path: Path) -> str:
    """Where the browser finds a file of a directory that is served in place; relative, so it works behind a prefix."""
    return "gradio_api/file=" + quote(path.resolve().as_posix())


def _seed(value: Any) -> Any:
    """The seed part's value {"seed", "keep"}: an empty seed, or one that is not kept, asks for a new one."""
    if not keeps_seed(value) or value["seed"] is None:
        return NEW_SEED
    return _whole(value["seed"])


def _picture(value: Any) -> tuple[str | None, Any]:
    """Name and fit out of the picture part's value; the name is None when there is no picture."""
    if isinstance(value, dict) and value.get("reading"):
        raise StudioError(wording.PICTURE_COMING)
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None, "crop"
    return value["name"] or None, value.get("fit", "crop")


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _whole(value: Any) -> Any:
    """A slider sends 16.0 for 16; anything else stays as it is and meets the request's own check."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
