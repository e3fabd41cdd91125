"""The endpoints for programs: the only public ones. Typed and described, so that they are MCP tools as well.

A program that goes away loses only its answer: its clip is made all the same and is found with /clips. Where galleries
are private, `visitor` is the secret by which a program is known again; who may go away gives its own.
"""

# No `from __future__ import annotations` here: gradio reads the return annotation as it stands, and a string would make
# the video and its recipe one untyped value.
import secrets
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

import gradio as gr
from anyio import CapacityLimiter, to_thread

from studio.domain import NEW_SEED, Done, Failed, Job, StudioError, VideoRequest
from studio.service import Studio, Visit
from studio.ui import wording
from studio.ui.guard import an_upload, an_upload_of, for_program
from studio.ui.who import person_of, visit_of

# Programs wait in threads of their own, and none is taken from the page's visitors; who finds none waits for one.
MAX_WAITING = 100
MAX_READING = 4
LOOK_EVERY_S = 1.0

Recipe = dict[str, Any]
Answer = tuple[gr.FileData, Recipe]


def add_api(studio: Studio, is_private: bool) -> None:
    """Add the endpoints to the Blocks that is being built."""
    card = studio.models()[0]
    wait = _Waiting()

    async def generate(
        request: gr.Request,
        prompt: str,
        image: gr.FileData | None = None,
        aspect_ratio: str = card.limits.aspect_ratios[0],
        seconds: float = card.default_seconds,
        seed: int = NEW_SEED,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str = "",
        sound: bool | None = None,
        model: str = card.name,
        visitor: str = "",
        last_image: gr.FileData | None = None,
        loras: dict[str, float] | None = None,
        step_cache: float = 0.0,
    ) -> tuple[gr.FileData, dict[str, Any]]:
        """Make a short video with sound from words, and from a first picture if one is given.

        Args:
            prompt: What the clip shows: a subject, what it does, and where.
            image: The picture that the clip starts from; cropped to the aspect ratio. An address elsewhere is not read;
                a tool may give a data address (data:image/png;base64,...).
            aspect_ratio: Width to height, one of those that /models lists for the model.
            seconds: Length of the clip.
            seed: The same seed with the same other values makes the same clip; -1 draws a new one.
            num_inference_steps: More steps look cleaner and take longer; null takes the model's own number.
            guidance_scale: How closely the clip follows the words; null takes the model's own.
            negative_prompt: What the clip shall not show.
            sound: Whether the clip has sound; null means yes where the model makes any.
            model: One of the names that /models lists.
            visitor: Where galleries are private, the secret (32 hexadecimal characters) that the clip is kept under;
                without one, a new one is drawn.
            last_image: The picture that the clip ends with, where the model can; it needs a first one too.
            loras: Weights from 0 to 2 by the names of LoRAs that this studio offers; null wears none.
            step_cache: 0 takes every step in full; above, up to what this studio allows, alike steps are skipped.

        Returns:
            The video file (MP4), and a recipe: everything used, the clip's id, the real seed, width, height,
            num_frames, frame_rate and elapsed_seconds; where galleries are private also the visitor.
        """
        is_secret = is_private and not person_of(request)
        if is_secret and visitor in ("", None):
            visitor = secrets.token_hex(16)
        visit = visit_of(studio, visitor, request)
        own = studio.card(model)
        wanted = VideoRequest(
            prompt=prompt,
            negative_prompt=negative_prompt,
            aspect_ratio=aspect_ratio,
            seconds=seconds,
            seed=seed,
            num_inference_steps=own.default_steps if num_inference_steps is None else num_inference_steps,
            guidance_scale=own.default_guidance if guidance_scale is None else guidance_scale,
            sound=own.has_sound if sound is None else sound,
            model=model,
            picture=None if image is None else await wait.keep(visit, image),
            last_picture=None if last_image is None else await wait.keep(visit, last_image),
            loras={} if loras is None else loras,
            step_cache=step_cache,
        )
        file, recipe = await wait.for_clip(visit, await to_thread.run_sync(visit.submit, wanted))
        return file, {**recipe, "visitor": visitor} if is_secret else recipe

    async def regenerate(
        request: gr.Request, clip: str, seed: int | None = None, visitor: str = ""
    ) -> tuple[gr.FileData, dict[str, Any]]:
        """Make a clip of the gallery once more.

        Args:
            clip: The clip's id, as in its recipe.
            seed: null takes the clip's own seed and makes the same clip again; -1 draws a new seed.
            visitor: Where galleries are private, the secret that /generate kept the clip under.

        Returns:
            The new video file and its recipe.
        """
        visit = visit_of(studio, visitor, request)
        return await wait.for_clip(visit, await to_thread.run_sync(visit.regenerate, clip, seed))

    async def extend(
        request: gr.Request, clip: str, seconds: float = card.default_seconds, prompt: str = "", visitor: str = ""
    ) -> tuple[gr.FileData, dict[str, Any]]:
        """Make a clip of the gallery longer; the new clip begins with the old one's frames.

        Args:
            clip: The clip's id, as in its recipe.
            seconds: How much longer the clip shall become.
            prompt: What happens next; empty goes on with the clip's own prompt.
            visitor: Where galleries are private, the secret that /generate kept the clip under.

        Returns:
            The longer video file and its recipe.
        """
        visit = visit_of(studio, visitor, request)
        return await wait.for_clip(visit, await to_thread.run_sync(visit.extend, clip, seconds, prompt))

    async def clips(request: gr.Request, limit: int = 50, visitor: str = "") -> list[dict[str, Any]]:
        """List the clips of the gallery, newest first.

        Args:
            limit: How many at most.
            visitor: Where galleries are private, the secret that /generate kept the clips under.

        Returns:
            One recipe for each clip; `clip` is its id.
        """
        listed = await to_thread.run_sync(visit_of(studio, visitor, request).clips, limit)
        return [clip.recipe() for clip in listed]

    async def delete(request: gr.Request, clip: str, visitor: str = "") -> dict[str, Any]:
        """Remove a clip of the gallery for good, with its files; clips that grew from it stay.

        Args:
            clip: The clip's id, as in its recipe.
            visitor: Where galleries are private, the secret that /generate kept the clip under.

        Returns:
            The id, as `deleted`.
        """
        visit = visit_of(studio, visitor, request)
        await to_thread.run_sync(visit.delete, clip)
        return {"deleted": clip}

    async def models() -> list[dict[str, Any]]:
        """List the models, with what each can make.

        Returns:
            One entry for each model: name, title, licence, description, limits, defaults, what it can do, and the
            obstacle that keeps it from running here, empty where there is none.
        """
        obstacles = await to_thread.run_sync(lambda: [studio.obstacle(model) for model in studio.models()])
        return [asdict(model) | {"obstacle": why} for model, why in zip(studio.models(), obstacles, strict=True)]

    for endpoint in (generate, regenerate, extend, clips, delete, models):
        gr.api(for_program(endpoint), api_name=endpoint.__name__, concurrency_limit=None)


class _Waiting:
    """Waits for jobs without holding the server's threads."""

    def __init__(self) -> None:
        self._limiter: CapacityLimiter | None = None
        self._readers: CapacityLimiter | None = None

    async def keep(self, visit: Visit, image: Any) -> str:
        """The name of a call's picture once it is kept. Few at once: everything else here shares the usual threads."""
        self._readers = self._readers or CapacityLimiter(MAX_READING)
        return await to_thread.run_sync(_keep, visit, image, limiter=self._readers)

    async def for_clip(self, visit: Visit, job: Job) -> Answer:
        """The file and the recipe when `job` is done; StudioError when it failed or was stopped."""
        # A limiter belongs to an event loop, so it is made inside the one that serves.
        self._limiter = self._limiter or CapacityLimiter(MAX_WAITING)
        while not job.is_over:
            job = await to_thread.run_sync(visit.watch, job.id, LOOK_EVERY_S, limiter=self._limiter)
        match job.state:
            case Done(clip=clip_id):
                clip = visit.clip(clip_id)
                path = visit.video_path(clip_id)
                return gr.FileData(path=str(path), mime_type="video/mp4", orig_name=clip.video), clip.recipe()
            case Failed(sentence=sentence):
                raise StudioError(sentence)
            case _:
                raise StudioError(wording.API_STOPPED)


def _keep(visit: Visit, image: Any) -> str:
    """Keep the picture of a call; it comes as a dict, unchecked, and may name any path.

    A tool's comes as text: the address of an upload here, or a data address with the picture in it.
    """
    if isinstance(image, str) and image.startswith("data:"):
        with an_upload_of(image) as path:
            return visit.keep_picture(path)
    if isinstance(image, str):
        return visit.keep_picture(an_upload(unquote(image.partition("/file=")[2])))
    path = image.get("path") if isinstance(image, dict) else getattr(image, "path", None)
    return visit.keep_picture(an_upload(path))
