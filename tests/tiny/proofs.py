"""What a family must do, asked of it through the studio's own service on a tiny checkpoint. A failed proof raises.

Knows the executor's inside only to stop a job, or to look at it, at a moment of which a clock can't be sure.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from studio.domain import Clip, Done, Failed, Job, Running, StudioError, VideoRequest, WasStopped
from studio.engine import grid, memory
from studio.engine.checkpoint import card_of
from studio.engine.pipeline import VideoPipeline
from studio.engine.tuning import AS_IT_IS, Tuning
from studio.media.video import probe, read_video
from studio.service import Studio, Visit
from studio.settings import Settings
from tests.tiny import loras
from tests.tiny.checkpoints import CHECKPOINTS, SIDE_PX, Checkpoint, save

SOON_S = 300.0
RED, GREEN = (200, 40, 30), (30, 160, 60)


def open_studio(folder: Path, names: list[str]) -> Studio:
    """A studio with Pocket and these checkpoints, which are made first."""
    models = tuple(str(save(name, folder / "models")) for name in names)
    # Two for each model that wears any, and one that fits none of the others.
    wearing = [name for name, model in zip(names, models, strict=True) if card_of(model).can_wear_loras]
    worn = [*((name, f"{name}-{which}") for name in wearing for which in "ab"), ("tiny-cogvideox", "other")]
    sources = tuple(str(loras.save(model, folder / "loras", name)) for model, name in worn)
    settings = Settings(
        data_dir=folder / "data", models=models, loras=sources, device="cpu", warm_up=False, min_free_disk_bytes=0
    )
    return Studio.open(settings)


def refusal(visit: Visit, request: VideoRequest) -> str:
    try:
        visit.submit(request)
    except StudioError as error:
        return str(error)
    raise AssertionError(f"{request.model} took what it can't do")


def live_bytes() -> int:
    """What all tensors of this process take, each memory counted once."""
    gc.collect()
    held = {}
    for thing in gc.get_objects():
        if type(thing) in (torch.Tensor, torch.nn.Parameter):
            storage = thing.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()
    return sum(held.values())


def stored_bytes(tensor: torch.Tensor) -> int:
    """What a tensor takes; a quantised one claims the format that it stands for and holds others."""
    if not hasattr(tensor, "__tensor_flatten__"):
        return tensor.numel() * tensor.element_size()
    inside, _ = tensor.__tensor_flatten__()
    return sum(stored_bytes(getattr(tensor, name)) for name in inside)


@dataclass
class Proof:
    """One checkpoint in an open studio."""

    studio: Studio
    name: str

    @cached_property
    def visit(self) -> Visit:
        return self.studio.visit()

    @property
    def checkpoint(self) -> Checkpoint:
        return CHECKPOINTS[self.name]

    @property
    def pipeline(self) -> VideoPipeline:
        return self.studio._executor._pipeline  # type: ignore[attr-defined]

    def has(self, ability: str) -> bool:
        if ability == "loras":
            return self.studio.card(self.name).can_wear_loras
        return ability in self.checkpoint.abilities

    def picture(self, colour: tuple[int, int, int]) -> str:
        """A picture with some life in it, kept by the studio."""
        pixels = np.full((SIDE_PX, SIDE_PX, 3), colour, np.uint8)
        pixels[8:24, 8:24] = 255 - np.array(colour)
        path = self.studio.settings.data_dir / f"{colour[0]}.png"
        Image.fromarray(pixels).save(path)
        return self.visit.keep_picture(path)

    def request(self, **changes: Any) -> VideoRequest:
        """The plainest one that the model takes."""
        card = self.studio.card(self.name)
        plain = VideoRequest(
            "a red ball rolls", aspect_ratio="1:1", seconds=1.0, seed=3, num_inference_steps=card.default_steps,
            guidance_scale=card.default_guidance, sound=card.has_sound, model=self.name,
            picture=self.picture(RED) if card.must_begin_with_picture else None,
        )  # fmt: skip
        return replace(plain, **changes)

    def ended(self, job: Job) -> Job:
        return self.visit.watch(job.id, SOON_S)

    def make(self, **changes: Any) -> Clip:
        job = self.ended(self.visit.submit(self.request(**changes)))
        assert isinstance(job.state, Done), job.state
        return self.visit.clip(job.state.clip)

    def frames(self, clip: Clip) -> np.ndarray:
        return read_video(self.visit.video_path(clip.id)).frames

    def drawn(self, **changes: Any) -> torch.Tensor:
        """All latents of a clip that were decoded: by chance's weights, a picture's trace is too faint for a film."""
        seen: list[torch.Tensor] = []
        decoder = self.loaded().vae.decoder
        hook = decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].float().flatten().clone()))
        try:
            self.make(**changes)
        finally:
            hook.remove()
        return torch.cat(seen)

    @cached_property
    def plain(self) -> Clip:
        return self.make()

    def loaded(self) -> Any:
        """The model's pipeline in diffusers, after it made the plain clip."""
        assert self.plain
        if not self.pipeline.is_loaded(self.name):
            self.make()
        return self.pipeline._pipe

    # The proofs

    def words(self) -> None:
        if not self.has("words"):
            assert "starts from a picture" in refusal(self.visit, self.request(picture=None))
            return
        seen = probe(self.visit.video_path(self.plain.id))
        assert (seen.width, seen.height) == (SIDE_PX, SIDE_PX)
        assert seen.num_frames == self.plain.made.num_frames == grid.num_frames(self.studio.card(self.name).grid, 1.0)
        assert not torch.equal(self.drawn(), self.drawn(prompt="a green house stands still")), "the words do nothing"

    def first_picture(self) -> None:
        if not self.has("picture"):
            assert "starts from words only" in refusal(self.visit, self.request(picture=self.picture(RED)))
            return
        red, green = (self.drawn(picture=self.picture(colour)) for colour in (RED, GREEN))
        assert not torch.equal(red, green), "the picture does nothing"

    def last_picture(self) -> None:
        first = self.picture(RED) if self.has("picture") else None
        if not self.has("last picture"):
            asked = self.request(picture=first, last_picture=self.picture(GREEN))
            assert "can't end with a picture" in refusal(self.visit, asked)
            return
        red, green = (self.drawn(picture=first, last_picture=self.picture(colour)) for colour in (RED, GREEN))
        assert not torch.equal(red, green), "the last picture does nothing"

    def extension(self) -> None:
        if not self.has("extension"):
            refused = refusal(self.visit, replace(self.request(), extends=self.plain.id))
            assert "can't extend" in refused, refused
            return
        job = self.ended(self.visit.extend(self.plain.id, 1.0, seed=4))
        assert isinstance(job.state, Done), job.state
        longer = self.visit.clip(job.state.clip)
        more = grid.num_frames(self.studio.card(self.name).grid, 1.0) - 1
        assert longer.made.num_frames == self.plain.made.num_frames + more
        assert longer.made.has_sound == self.plain.made.has_sound
        before, after = self.frames(self.plain), self.frames(longer)
        assert np.abs(after[: len(before)].astype(int) - before).mean() < 8, "the old frames are not the old ones"

    def sound(self) -> None:
        if not self.has("sound"):
            assert "makes no sound" in refusal(self.visit, self.request(sound=True))
            assert not probe(self.visit.video_path(self.plain.id)).has_sound
            return
        assert self.plain.made.has_sound
        heard = read_video(self.visit.video_path(self.plain.id))
        assert heard.sound is not None
        assert heard.sound.std() > 0
        length_s = heard.sound.shape[1] / heard.sampling_rate
        assert abs(length_s - self.plain.made.num_frames / self.plain.made.frame_rate) < 0.1
        assert not self.make(sound=False).made.has_sound

    def same_seed(self) -> None:
        again, other = self.make(), self.make(seed=4)
        assert np.array_equal(self.frames(again), self.frames(self.plain))
        assert not np.array_equal(self.frames(other), self.frames(self.plain))

    def preview(self) -> None:
        """The pictures that a job's state holds when a step begins."""
        strips = []

        def look(job: Job) -> None:
            state = self.visit.job(job.id).state
            if isinstance(state, Running) and state.progress.preview:
                strips.append(state.progress.preview)

        with self.at("transformer", look) as started:
            assert isinstance(self.ended(started()).state, Done)
        assert strips, "no preview"
        assert all(strip.startswith(b"\xff\xd8") for strip in strips)
        assert len(set(strips)) > 1 or len(strips) == 1

    def stop_in_denoising(self) -> None:
        steps = self.stopped_at("transformer", after=2)
        assert steps < self.request().num_inference_steps * 4

    def stop_in_decoding(self) -> None:
        self.stopped_at("vae.decoder", after=0)

    def stopped_at(self, part: str, after: int) -> int:
        """Stop a job when a part begins its work for the time after `after`; how often it began in all."""
        calls = 0

        def stop(job: Job) -> None:
            nonlocal calls
            if calls == after:
                self.visit.cancel(job.id)
            calls += 1

        with self.at(part, stop) as started:
            job = self.ended(started())
        assert isinstance(job.state, WasStopped), job.state
        assert np.array_equal(self.frames(self.make()), self.frames(self.plain)), "the pipeline is not well afterwards"
        return calls

    @contextmanager
    def at(self, part: str, act: Callable[[Job], None]) -> Iterator[Callable[[], Job]]:
        """Submit a job with what this yields; `act` gets it whenever that part of the loaded model begins its work."""
        jobs: list[Job] = []
        module = self.loaded()
        for name in part.split("."):
            module = getattr(module, name)
        hook = module.register_forward_pre_hook(lambda *_: act(jobs[0]) if jobs else None)

        def start() -> Job:
            jobs.append(self.visit.submit(self.request()))
            return jobs[0]

        try:
            yield start
        finally:
            hook.remove()

    def loras(self) -> None:
        """One, another, both and half of one: each is another clip. Taken off again, the clip is the one before."""
        a, b = (f"{self.name.replace('.', '-')}-{which}" for which in "ab")
        if not self.has("loras"):
            assert "can't wear LoRAs" in refusal(self.visit, self.request(loras={"other": 1.0}))
            return
        before = self.drawn()
        worn: list[dict[str, float]] = [{a: 1.0}, {b: 1.0}, {a: 1.0, b: 1.0}, {a: 0.5}]
        seen = [before, *(self.drawn(loras=weights) for weights in worn)]
        for at, one in enumerate(seen):
            assert all(not torch.equal(one, other) for other in seen[at + 1 :]), f"{at}: no other clip"
        assert torch.equal(self.drawn(), before), "something of them is left"
        assert self.make(loras={a: 0.5}).recipe()["loras"] == {a: 0.5}
        assert "There is no LoRA 'nobody'" in refusal(self.visit, self.request(loras={"nobody": 1.0}))
        assert "from 0 to 2; 3.0 is outside" in refusal(self.visit, self.request(loras={a: 3.0}))
        job = self.ended(self.visit.submit(self.request(loras={"other": 1.0})))
        if "cogvideox" not in self.name:
            assert isinstance(job.state, Failed), job.state
            assert job.state.sentence.startswith("The LoRA other does not fit "), job.state
        assert torch.equal(self.drawn(), before), "something of them is left"

    def memory(self) -> str:
        """Switch from Pocket to this model and back; returns what Pocket takes before and after."""
        pocket = VideoRequest("a cat", aspect_ratio="1:1", seconds=1.0, seed=1, num_inference_steps=1)

        def with_pocket() -> int:
            assert isinstance(self.ended(self.visit.submit(pocket)).state, Done)
            return live_bytes()

        before, pockets = with_pocket(), self.weights_bytes()
        self.make()
        own = self.weights_bytes()
        # Whatever else this process holds is there before and after.
        assert live_bytes() < before - pockets + own + 0.05 * pockets, "Pocket is still there"
        after = with_pocket()
        assert abs(after - before) <= 0.05 * min(pockets, own), f"{before} bytes before, {after} after"
        return f"{before / 1e6:.2f} MB, {after / 1e6:.2f} MB"

    def plan(self, mode: str) -> str:
        """The same clip with another memory plan; returns what the transformer's weights take at rest."""
        whole = self.transformer_bytes()
        with self.planned(mode):
            again = self.frames(self.make())
            assert np.array_equal(again, self.frames(self.make())), "the same request, other frames"
            assert self.pipeline.plan
            assert self.pipeline.plan.mode == mode
            assert "MEMORY_PLAN" in self.studio.health().device
            taken = self.transformer_bytes()
        if mode in memory.SAME_FRAMES:
            assert np.array_equal(again, self.frames(self.plain)), "the plan changed the frames"
            assert taken == whole
        else:
            assert taken < whole
        return f"{taken / 1e3:.0f} of {whole / 1e3:.0f} kB"

    def compiled(self) -> str:
        """The same clip but for rounding, and the very same one again; returns what is told where it can't be."""
        plain = self.drawn()
        self.pipeline.unload()
        self.pipeline.tuning = Tuning(compiles=True)
        try:
            self.make()
            once, again = self.drawn(), self.drawn()
            told = self.studio.health().device
        finally:
            self.pipeline.unload()
            self.pipeline.tuning = AS_IT_IS
        assert torch.equal(once, again), "the same request, another clip"
        is_compiled = "blocks are compiled" in told
        assert torch.equal(once, plain) != is_compiled, told
        assert (once - plain).abs().mean() < 0.05 * plain.abs().mean(), "another clip"
        return "" if is_compiled else "says no"

    @contextmanager
    def planned(self, mode: str) -> Iterator[None]:
        self.pipeline.unload()
        self.pipeline.memory_plan = mode
        try:
            yield
        finally:
            self.pipeline.unload()
            self.pipeline.memory_plan = "auto"

    def transformer_bytes(self) -> int:
        return sum(stored_bytes(tensor) for tensor in self.loaded().transformer.state_dict().values())

    def weights_bytes(self) -> int:
        """What the loaded model's weights take."""
        parts = [part for part in self.pipeline._pipe.components.values() if isinstance(part, torch.nn.Module)]
        tensors = [tensor for part in parts for tensor in (*part.parameters(), *part.buffers())]
        return sum(
            {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}.values()
        )


PROOFS: dict[str, Callable[[Proof], Any]] = {
    "text to video": Proof.words,
    "image to video": Proof.first_picture,
    "first and last picture": Proof.last_picture,
    "extension": Proof.extension,
    "sound": Proof.sound,
    "preview": Proof.preview,
    "Stop in denoising": Proof.stop_in_denoising,
    "Stop in decoding": Proof.stop_in_decoding,
    "same seed, same frames": Proof.same_seed,
    "LoRA in and out": Proof.loras,
    "memory returned": Proof.memory,
    "compiled blocks": Proof.compiled,
    **{mode: partial(Proof.plan, mode=mode) for mode in memory.MODES if mode != "full"},
}
# What a model may lack: then the proof is that it is refused with a sentence.
LACKING = {
    "text to video": "words",
    "image to video": "picture",
    "first and last picture": "last picture",
    "extension": "extension",
    "sound": "sound",
    "LoRA in and out": "loras",
}
