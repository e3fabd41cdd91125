"""Carries out tasks on a server of one's own that makes clips behind `/v1/videos`, as SGLang and vLLM-Omni do.

The job is posted, asked after, fetched and deleted there; the clip gets our own file format, recipe and poster. What
such a server takes was read from SGLang's and vLLM-Omni's documentation and sources of 2026.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from av.error import FFmpegError
from PIL import Image

from studio.domain import Made, ModelCard, Orders, Progress, Report, Stopped, StudioError, Task
from studio.engine import grid
from studio.executors import READY, Executor, Readiness
from studio.executors.making import ADVICE, facts_of
from studio.media import fault
from studio.media.picture import fit, png_bytes, read_picture
from studio.media.poster import poster_jpeg
from studio.media.provenance import tags, xmp
from studio.media.video import Movie, probe, read_video, write_video

log = logging.getLogger(__name__)

ASK_S, OBEY_S = 1.0, 0.1
# A server that is silent for so long is given up, and so is a clip that takes longer than this.
PATIENCE_S, LONGEST_S = 60.0, 7200.0
WAIT, SHORT_WAIT = httpx.Timeout(30.0, connect=10.0), httpx.Timeout(5.0)
MAX_BYTES = 1_000_000_000
# Servers round sizes and lengths to what their model makes; so many times more pixels are another clip.
MAX_LARGER = 2
_ID = re.compile(r"[\w-][\w.-]{0,199}", re.ASCII)


def card_of_remote(card: ModelCard) -> ModelCard:
    """The model as such a server makes it: on any studio, but neither extended nor led to a last picture."""
    return replace(
        card,
        description=f"{card.description} Made on another machine, which is sent the prompt and the picture.",
        memory_bytes=0,
        can_extend=False,
        can_end_with_picture=False,
        can_wear_loras=False,
        can_skip_steps=False,
    )


class RemoteExecutor:
    workers = 1

    def __init__(self, card: ModelCard, address: str, token: str) -> None:
        """`card` is of `card_of_remote`; the server is at `address`, and is sent `token` where there is one."""
        self._card = card
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=WAIT)
        self._server = f"The server that makes {card.title}"

    def line(self, model: str) -> Executor:
        return self

    def has_room(self, model: str, running: Collection[str]) -> bool:
        return len(running) < self.workers

    def obstacle(self, card: ModelCard) -> str:
        """None that could be known without asking the server."""
        return ""

    def warm_up(self) -> None: ...

    def readiness(self) -> Readiness:
        return READY

    def device(self) -> str:
        return f"{self._card.title} is made by another server."

    def close(self) -> None:
        self._http.close()

    def run(self, task: Task, report: Report, orders: Orders) -> Made:
        began_s = time.monotonic()
        report(Progress("reading the prompt"))
        video = self._post(task)
        total = task.request.num_inference_steps
        try:
            # SGLang says "queued" until a clip is complete, so that it works on it has to be assumed.
            report(Progress("denoising", 0, total, can_keep=False))
            self._follow(video, total, report, orders)
            report(Progress("decoding", total, total, can_keep=False))
            self._fetch(video, task.target, orders)
        finally:
            self._delete(video)
        report(Progress("encoding"))
        movie = self._movie(task)
        made = self._made(task, movie, time.monotonic() - began_s)
        task.poster.write_bytes(poster_jpeg(movie.frames, xmp(task.request.model)))
        texts = tags(task.request, {**facts_of(made), "clip": task.id})
        write_video(task.target, movie, texts, lambda: orders() == "stop")
        return made

    # What the server is asked

    def _post(self, task: Task) -> str:
        """Hand the job over; returns its id there."""
        # All of it as parts of a form: without a picture httpx would send another kind, which SGLang does not take.
        parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in self._form(task).items()]
        with self._plainly():
            answer = self._json(self._http.post("/v1/videos", files=parts + self._picture(task)))
        video = answer.get("id")
        if not isinstance(video, str) or not _ID.fullmatch(video):
            raise StudioError(f"{self._server} gave an answer that names no video.")
        return video

    def _form(self, task: Task) -> dict[str, str]:
        request, shapes = task.request, self._card.grid
        width, height = grid.canvas(shapes, request.aspect_ratio)
        form = {
            "prompt": request.prompt,
            "size": f"{width}x{height}",
            # Whole seconds are all that the field can say, so the frames are named too, and count.
            "seconds": str(max(1, round(request.seconds))),
            "num_frames": str(grid.num_frames(shapes, request.seconds)),
            "fps": f"{shapes.frame_rate:g}",
            "seed": str(request.seed),
            "num_inference_steps": str(request.num_inference_steps),
            "guidance_scale": str(request.guidance_scale),
        }
        if request.negative_prompt.strip():
            form["negative_prompt"] = request.negative_prompt
        return form | ({"generate_sound": "true"} if request.sound else {})

    def _picture(self, task: Task) -> list[tuple[str, Any]]:
        if task.picture is None:
            return []
        size = grid.canvas(self._card.grid, task.request.aspect_ratio)
        picture = Image.fromarray(fit(read_picture(task.picture), *size, task.request.picture_fit))
        return [("input_reference", ("picture.png", png_bytes(picture), "image/png"))]

    def _follow(self, video: str, total: int, report: Report, orders: Orders) -> None:
        """Ask after the job of `total` steps until it is complete."""
        began_s = heard_s = time.monotonic()
        while True:
            self._obey(orders, ASK_S)
            now_s = time.monotonic()
            if told := self._ask(video):
                heard_s = now_s
                match told.get("status"):
                    case "completed":
                        return
                    case "in_progress":
                        report(Progress("denoising", _steps(told.get("progress"), total), total, can_keep=False))
                    case "queued":
                        pass
                    case _:
                        raise StudioError(f"{self._server} failed at this clip; its own log says why.")
            if now_s - heard_s > PATIENCE_S:
                raise StudioError(f"{self._server} has been silent for {PATIENCE_S:g} s, so the clip was given up.")
            if now_s - began_s > LONGEST_S:
                raise StudioError(f"{self._server} did not finish within {LONGEST_S:g} s, so the clip was given up.")

    def _ask(self, video: str) -> dict[str, Any]:
        """How the job stands; empty while the server does not answer, or answers that it can't now."""
        try:
            answer = self._http.get(f"/v1/videos/{video}", timeout=SHORT_WAIT)
        except httpx.RequestError:
            return {}
        return {} if answer.status_code >= 500 else self._json(answer)

    def _obey(self, orders: Orders, for_s: float) -> None:
        """Wait, and see meanwhile what the visitor wants."""
        until_s = time.monotonic() + for_s
        while (left_s := until_s - time.monotonic()) > 0:
            if orders() == "stop":
                raise Stopped
            if orders() == "keep":
                raise StudioError(
                    f"{self._server} shows nothing before the clip is done, so there was nothing to keep."
                )
            time.sleep(min(left_s, OBEY_S))

    def _fetch(self, video: str, target: Path, orders: Orders) -> None:
        with self._plainly(), self._http.stream("GET", f"/v1/videos/{video}/content") as answer:
            self._check(answer)
            with target.open("wb") as file:
                for part in answer.iter_bytes():
                    if orders() == "stop":
                        raise Stopped
                    if file.tell() + len(part) > MAX_BYTES:
                        raise StudioError(
                            f"{self._server} sent more than the {MAX_BYTES // 10**6} MB that a clip may have."
                        )
                    file.write(part)

    def _delete(self, video: str) -> None:
        """Also what ends a job that still runs, where the server can do that."""
        try:
            self._http.delete(f"/v1/videos/{video}", timeout=SHORT_WAIT)
        except httpx.RequestError:
            log.warning("remote video not deleted", extra={"model": self._card.name})

    # What it answers

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise StudioError(f"{self._server} cannot be reached; please try again later.") from error
        except httpx.TimeoutException as error:
            raise StudioError(f"{self._server} did not answer in time; please try again later.") from error
        except httpx.RequestError as error:
            raise StudioError(f"{self._server} broke off in the middle; please try again later.") from error

    def _check(self, answer: httpx.Response) -> None:
        """StudioError for anything but success. What the server says itself may quote the prompt, so it is not told."""
        status = answer.status_code
        if status in (401, 403):
            raise StudioError(f"{self._server} does not accept this studio's REMOTE_TOKEN (HTTP {status}).")
        if status == 404:
            raise StudioError(f"{self._server} does not know this clip, or has no /v1/videos (HTTP 404).")
        if not answer.is_success:
            raise StudioError(
                f"{self._server} {'failed at' if status >= 500 else 'refused'} this clip (HTTP {status})."
            )

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        self._check(answer)
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise StudioError(f"{self._server} gave an answer that is no JSON object.")
        return found

    # What came of it

    def _movie(self, task: Task) -> Movie:
        request = task.request
        width, height = grid.canvas(self._card.grid, request.aspect_ratio)
        most = MAX_LARGER * width * height * grid.num_frames(self._card.grid, request.seconds)
        try:
            sent = probe(task.target)
            movie = read_video(task.target) if sent.width * sent.height * sent.num_frames <= most else None
        except (StudioError, FFmpegError, ValueError) as error:
            raise StudioError(f"{self._server} sent something that is no video.") from error
        if movie is None:
            raise StudioError(
                f"{self._server} sent {sent.num_frames} frames of {sent.width}x{sent.height} pixels, which is "
                f"more than {MAX_LARGER} times what was asked for."
            )
        if not request.sound:
            movie = Movie(movie.frames, movie.frame_rate)
        elif movie.sound is None:
            raise StudioError(f"{self._server} sent a clip without sound; please switch sound off.")
        if reason := fault.find(movie.frames, movie.sound):
            raise StudioError(f"The clip {reason}. {ADVICE}")
        return movie

    def _made(self, task: Task, movie: Movie, elapsed_s: float) -> Made:
        num_frames, height, width, _ = movie.frames.shape
        asked = "{}x{}".format(*grid.canvas(self._card.grid, task.request.aspect_ratio))
        is_as_asked = asked == f"{width}x{height}"
        return Made(
            width=width,
            height=height,
            num_frames=num_frames,
            frame_rate=movie.frame_rate,
            has_sound=movie.sound is not None,
            elapsed_seconds=elapsed_s,
            steps_done=task.request.num_inference_steps,
            note="" if is_as_asked else f"Asked for {asked} pixels, the server made {width}x{height}.",
        )


def _steps(percent: object, total: int) -> int:
    """A server tells its progress in hundredths, if at all."""
    return round(total * min(max(percent, 0), 100) / 100) if isinstance(percent, int | float) else 0
