"""The big models' families at the size of a fly, through the studio's own service: `make families`, shorter."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest
import torch

from studio.domain import Done, Failed, VideoRequest
from studio.engine import memory, preview
from studio.service import Studio
from studio.ui import present, wording
from studio.ui.interface import build_interface
from tests.tiny.checkpoints import CHECKPOINTS
from tests.tiny.proofs import PROOFS, Proof, open_studio

# The two halves of Stop, the plans, and the memory, which takes a clip of Pocket's each time, are proven on one of each
# kind.
ALWAYS = ("text to video", "image to video", "first and last picture", "extension", "sound", "preview")
SOMETIMES = ("Stop in denoising", "Stop in decoding", "LoRA in and out", *memory.MODES[1:], "memory returned")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    opened = open_studio(tmp_path_factory.mktemp("families"), list(CHECKPOINTS))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def quick_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "EVERY_S", 0.0)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_family_does_what_its_row_says_and_refuses_the_rest(studio: Studio, name: str) -> None:
    proof = Proof(studio, name)
    for what in ALWAYS:
        PROOFS[what](proof)


@pytest.mark.parametrize("what", SOMETIMES)
@pytest.mark.parametrize("name", ["tiny-ltx-2", "tiny-wan-2.2-ti2v"])
def test_stop_and_switch(studio: Studio, name: str, what: str) -> None:
    PROOFS[what](Proof(studio, name))


@pytest.mark.parametrize("name", ["tiny-hunyuan-1.5", "tiny-skyreels-df"])
def test_without_a_common_scheduler_or_callback_stop_works_too(studio: Studio, name: str) -> None:
    PROOFS["Stop in denoising"](Proof(studio, name))


def test_the_page_offers_loras_by_name(studio: Studio) -> None:
    labels = [block.label for block in build_interface(studio).blocks.values() if isinstance(block, gr.Slider)]
    assert labels.count(wording.lora("other")) == 2, "one in each tab"
    values = present.form_from_request(VideoRequest("a cat", loras={"other": 0.5}))
    assert present.request_from_form(values | {"lora:tiny-ltx-2-a": 0.0}, needs_picture=False).loras == {"other": 0.5}


@pytest.mark.parametrize("part", ["transformer", "vae.decoder"])
def test_when_the_memory_runs_out_the_clip_is_made_with_less(
    studio: Studio, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "EVERY_S", 1e9)  # previews decode too
    proof, steps = Proof(studio, "tiny-wan-2.2-ti2v"), []
    with proof.at(part, lambda _: torch.empty(2**60, dtype=torch.uint8)) as started:
        proof.loaded().transformer.register_forward_hook(lambda *_: steps.append(1))
        job = proof.ended(started())
    assert isinstance(job.state, Done), job.state
    clip = proof.visit.clip(job.state.clip)
    differs = "; its frames differ from those of the full plan" if part == "transformer" else ""
    assert clip.made.note == f"The memory ran out, so this clip was made with a plan that takes less of it{differs}."
    assert "(float8)" in studio.health().device
    assert studio.health().device.endswith("since the memory ran out before.")
    assert len(steps) == (0 if part == "transformer" else 2 * clip.request.num_inference_steps), "kept latents count"
    assert proof.make().made.note == ""
    proof.pipeline.unload()


def test_when_no_plan_takes_less_one_sentence_says_so(studio: Studio) -> None:
    proof = Proof(studio, "tiny-wan-2.2-ti2v")
    with proof.planned("fp8"), proof.at("transformer", lambda _: torch.empty(2**60, dtype=torch.uint8)) as started:
        job = proof.ended(started())
    assert job.state == Failed(memory.NO_ROOM)
