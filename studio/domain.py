"""What the studio talks about: requests, progress, jobs, clips, models, limits and errors.

Frozen records without behaviour beyond checking themselves; imports nothing of ours.
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

VERSION = "0.4.0"
ASPECT_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
MAX_SEED = 2**31 - 1
NEW_SEED = -1
MIN_LORA_WEIGHT, MAX_LORA_WEIGHT, MAX_STEP_CACHE = 0.0, 2.0, 0.5
EVERYONE = ""  # the owner of all clips of a shared gallery

Fit = Literal["crop", "pad"]
Phase = Literal["loading", "reading the prompt", "denoising", "decoding", "encoding"]


class StudioError(Exception):
    """One clear sentence for the visitor, naming the rule and the value that broke it."""


class Stopped(Exception):
    """Raised inside a running job when its Stop was asked for."""


class Unfinished(StudioError):
    """Making the clip failed after its latents were finished; they are kept and may be decoded again."""


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def no_room_sentence(reason: str) -> str:
    return f"There is no room left on the disk ({reason}). Please delete some clips or free some space, then try again."


def sentence_of(error: Exception, when: str) -> str:
    """What a visitor is told of an error of any kind.

    Of an unforeseen one only its type: what it says may quote a prompt, and /health shows the newest failures.
    """
    if isinstance(error, StudioError):
        return str(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return no_room_sentence(error.strerror or type(error).__name__)
    return f"Something went wrong {when} ({type(error).__name__})."


@dataclass(frozen=True)
class ModelLimits:
    """What one model can make. Sizes in pixels, lengths in seconds and frames."""

    aspect_ratios: tuple[str, ...] = ASPECT_RATIOS
    min_seconds: float = 1.0
    max_seconds: float = 3.0
    min_steps: int = 1
    max_steps: int = 50
    min_guidance: float = 1.0
    max_guidance: float = 12.0
    max_prompt_chars: int = 1000
    max_clip_seconds: float = 20.0


@dataclass(frozen=True)
class Grid:
    """The sizes and lengths that a model makes.

    `sizes` are each aspect ratio's width and height in pixels; where the model takes other multiples, a clip is cut
    from the larger one of `canvases`. `frame_rate` per second. A latent stands for `spatial_ratio` pixels a side and
    `temporal_ratio` frames, the first frame for itself; after that one, latents come by `latents_step`. An extension
    looks back on `overlap_frames`.
    """

    sizes: dict[str, tuple[int, int]]
    frame_rate: float
    spatial_ratio: int
    temporal_ratio: int
    latents_step: int = 1
    overlap_frames: int = 1
    canvases: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCard:
    """One row of the catalog.

    `family` speaks its dialect and `pipeline` is its class in diffusers; `source` is a folder or a hub id, empty for
    Pocket. `memory_bytes` is what its weights and a clip take of a GPU, 0 where none is needed; `transformer_bytes`
    of these denoise, `encoder_bytes` read. `is_soft`: its autoencoder blurs. `arguments` go to every call as they are.
    """

    name: str
    title: str
    licence: str
    description: str
    limits: ModelLimits
    grid: Grid
    default_seconds: float
    default_steps: int
    default_guidance: float
    has_sound: bool
    family: str
    pipeline: str
    source: str = ""
    memory_bytes: int = 0
    transformer_bytes: int = 0
    encoder_bytes: int = 0
    has_negative_prompt: bool = True
    can_begin_with_picture: bool = True
    must_begin_with_picture: bool = False
    can_end_with_picture: bool = False
    can_extend: bool = True
    can_wear_loras: bool = True
    can_skip_steps: bool = True
    is_soft: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VideoRequest:
    """Everything that decides a clip; goes unchanged from the form to the row and into the file.

    `seed` is -1 until the studio draws one. `picture` and `last_picture`, which the clip ends with, are names of stored
    pictures, never paths. `loras` are weights by name. With `extends` (a clip's id), `seconds` is how much longer that
    clip becomes. `step_cache` is how far, as a share, a step may be from the last and still be guessed; 0 guesses none.
    """

    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "16:9"
    seconds: float = 2.0
    seed: int = NEW_SEED
    num_inference_steps: int = 4
    guidance_scale: float = 1.0
    sound: bool = True
    model: str = "pocket"
    picture: str | None = None
    picture_fit: Fit = "crop"
    last_picture: str | None = None
    extends: str | None = None
    parent: str | None = None
    loras: dict[str, float] = field(default_factory=dict)
    step_cache: float = 0.0

    def check(self, card: ModelCard) -> None:
        """Raise StudioError with one sentence for the first rule of the model's that this request breaks."""
        limits = card.limits
        for name, text in (("prompt", self.prompt), ("negative prompt", self.negative_prompt)):
            if not isinstance(text, str):
                raise StudioError(f"A prompt is text; this is {type(text).__name__}.")
            if len(text) > limits.max_prompt_chars:
                raise StudioError(
                    f"The {name} may have {limits.max_prompt_chars} characters at most; this one has {len(text)}."
                )
        if not self.prompt.strip() and self.picture is None and self.extends is None:
            raise StudioError("Please say in the prompt what the clip shall show; it is empty.")
        if self.aspect_ratio not in limits.aspect_ratios:
            raise StudioError(
                f"The aspect ratio is one of {', '.join(limits.aspect_ratios)}; not {shown(self.aspect_ratio)}."
            )
        if self.picture_fit not in ("crop", "pad"):
            raise StudioError(f"A picture is fitted by crop or by pad; not by {shown(self.picture_fit)}.")
        if not isinstance(self.sound, bool):
            raise StudioError(f"Sound is true or false; not {shown(self.sound)}.")
        _between("length in seconds", self.seconds, limits.min_seconds, limits.max_seconds)
        _between("number of steps", self.num_inference_steps, limits.min_steps, limits.max_steps, whole=True)
        _between("guidance scale", self.guidance_scale, limits.min_guidance, limits.max_guidance)
        _between("seed", self.seed, NEW_SEED, MAX_SEED, whole=True)
        _between("step cache", self.step_cache, 0.0, MAX_STEP_CACHE)
        if self.step_cache and card.can_skip_steps:
            _between("number of steps with a step cache", self.num_inference_steps, 20, limits.max_steps, whole=True)
        if not isinstance(self.loras, dict) or not all(isinstance(name, str) for name in self.loras):
            raise StudioError(f"LoRAs are names with a weight each; not {shown(self.loras)}.")
        for name, weight in self.loras.items():
            _between(f"weight of the LoRA {shown(name)}", weight, MIN_LORA_WEIGHT, MAX_LORA_WEIGHT)
        self._check_abilities(card)

    def _check_abilities(self, card: ModelCard) -> None:
        """A model passes over in silence what it does not know, so it is refused here."""
        is_negative = bool(self.negative_prompt.strip())
        is_first_missing = card.must_begin_with_picture and self.picture is None and self.extends is None
        for is_broken, rule in (
            (self.sound and not card.has_sound, "makes no sound; please switch sound off"),
            (self.picture and not card.can_begin_with_picture, "starts from words only; please leave the picture out"),
            (is_first_missing, "starts from a picture; please choose one"),
            (self.last_picture and not card.can_end_with_picture,
             "can't end with a picture; please leave the last picture out"),
            (self.extends and not card.can_extend, "can't extend a clip; please choose another model"),
            (self.step_cache and not card.can_skip_steps, "can't skip steps; please set the step cache to 0"),
            (self.loras and not card.can_wear_loras, "can't wear LoRAs; please leave them out"),
            (is_negative and not card.has_negative_prompt, "takes no negative prompt; please leave it empty"),
        ):  # fmt: skip
            if is_broken:
                raise StudioError(f"The model {card.name} {rule}.")
        if self.last_picture is not None and self.picture is None:
            raise StudioError("A clip that ends with a picture starts from one too; this request has only the last.")
        if is_negative and self.guidance_scale <= 1:
            raise StudioError(
                f"A negative prompt works through guidance above 1; at {self.guidance_scale:g} it would do nothing. "
                "Please raise the guidance, or leave it empty."
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=True, sort_keys=True)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> VideoRequest:
        """Rebuild a request, passing over keys that a newer or older version wrote."""
        return cls(**_known(cls, values))


def _known(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(cls)}
    return {key: value for key, value in values.items() if key in names}


def shown(value: object) -> str:
    """A value from outside, short enough for a sentence."""
    is_huge = isinstance(value, int) and value.bit_length() > 200  # repr() refuses the longest ones
    text = "a number of more than 60 digits" if is_huge else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _between(name: str, value: object, low: float, high: float, whole: bool = False) -> None:
    rule = f"The {name} must be {'a whole number' if whole else 'a number'} from {low:.10g} to {high:.10g}"
    is_number = isinstance(value, int) or (isinstance(value, float) and not whole and math.isfinite(value))
    if isinstance(value, bool) or not is_number:
        raise StudioError(f"{rule}; not {shown(value)}.")
    if not low <= value <= high:  # type: ignore[operator]
        raise StudioError(f"{rule}; {shown(value)} is outside.")


@dataclass(frozen=True)
class Progress:
    """How far a running job is. `preview` is a JPEG strip of `preview_frames` equal pictures side by side.

    `can_keep`: whether there would be something to keep, if it were stopped here.
    """

    phase: Phase
    step: int = 0
    total: int = 0
    preview: bytes | None = None
    preview_frames: int = 1
    can_keep: bool = True


@dataclass(frozen=True)
class Task:
    """A request with its files found: what an executor works on.

    It writes `target` and `poster`, and `latents` as soon as they are finished; latents that lie there are decoded
    instead of being made.
    """

    id: str
    request: VideoRequest
    target: Path
    poster: Path
    latents: Path
    picture: Path | None = None
    source: Path | None = None
    last_picture: Path | None = None


@dataclass(frozen=True)
class Made:
    """What an executor made of a task; sizes in pixels, rates per second, energy in watt-hours.

    `steps_done` is below the request's steps when the visitor stopped and kept. After a second try with
    safer settings, `changed` holds those fields of the request and `note` says so; `weights` stands for the model's.
    Of a clip that was extended, what the parts before this one took and were asked for is in `earlier_...`.
    """

    width: int
    height: int
    num_frames: int
    frame_rate: float
    has_sound: bool
    elapsed_seconds: float
    steps_done: int = 0
    energy_wh: float = 0.0
    is_energy_measured: bool = False
    peak_memory_bytes: int = 0
    note: str = ""
    changed: dict[str, Any] = field(default_factory=dict)
    weights: str = ""
    earlier_seconds: float = 0.0
    earlier_energy_wh: float = 0.0
    earlier_prompts: str = ""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Made:
        """As `VideoRequest.from_dict`."""
        return cls(**_known(cls, values))


Report = Callable[[Progress], None]
ShouldStop = Callable[[], bool]
# What the visitor wants of a running job: that it goes on, that it stops and keeps what stands, or that it stops.
Order = Literal["go on", "keep", "stop"]
Orders = Callable[[], Order]


@dataclass(frozen=True)
class Queued: ...


@dataclass(frozen=True)
class Running:
    progress: Progress


@dataclass(frozen=True)
class Done:
    clip: str


@dataclass(frozen=True)
class Failed:
    """`can_finish`: the latents are kept, so that decoding may be tried again."""

    sentence: str
    can_finish: bool = False


@dataclass(frozen=True)
class WasStopped: ...


JobState = Queued | Running | Done | Failed | WasStopped


@dataclass(frozen=True)
class Job:
    """One accepted request and where it stands; `created_s` is Unix time, `owner` is whose it is."""

    id: str
    request: VideoRequest
    created_s: float
    state: JobState
    owner: str = EVERYONE

    @property
    def is_over(self) -> bool:
        return isinstance(self.state, Done | Failed | WasStopped)


@dataclass(frozen=True)
class Clip:
    """One finished clip in the gallery; `video` and `poster` are file names, `request.seed` is the real one.

    The names tell nothing of the id: who has a clip's file cannot ask for its parent's. `number` grows with each
    clip, whatever the clock says.
    """

    id: str
    request: VideoRequest
    created_s: float
    made: Made
    video: str
    poster: str
    owner: str = EVERYONE
    is_favourite: bool = False
    is_shown: bool = False
    number: int = 0

    def recipe(self) -> dict[str, Any]:
        """The JSON that programs get: the request, what came of it, and the clip's id."""
        return {**self.request.to_dict(), **asdict(self.made), "clip": self.id, "created": self.created_s}


@dataclass(frozen=True)
class Estimate:
    """What a clip will take here, learnt from past ones; memory and energy are None where none measured them."""

    seconds: float
    memory_bytes: int | None
    energy_wh: float | None
    is_energy_measured: bool
