"""A model that someone brings along: what its folder says becomes its row, and what is wrong with it one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.domain import StudioError
from studio.engine import memory, rows
from studio.engine.catalog import Catalog
from studio.engine.checkpoint import card_of, fingerprint
from studio.engine.device import Memory
from studio.engine.pipeline import VideoPipeline


def folder(parent: Path, ours: Any = None, **index: Any) -> str:
    made = parent / "My Film_Model"
    made.mkdir()
    (made / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    if ours is not None:
        (made / "flipbook.json").write_text(json.dumps(ours), encoding="utf-8")
    return str(made)


def test_the_class_decides_the_family(tmp_path: Path) -> None:
    card = card_of(folder(tmp_path, _class_name="WanPipeline", expand_timesteps=True))
    assert (card.name, card.title, card.family) == ("my-film-model", "My Film_Model", "wan")
    assert card.grid == rows.WAN_22.grid
    assert card.can_begin_with_picture
    assert card.memory_bytes == 0, "next to no weights"


def test_wans_folders_of_one_class_are_told_apart(tmp_path: Path) -> None:
    def wan(name: str, config: dict[str, Any], **index: Any) -> str:
        (tmp_path / name).mkdir()
        made = Path(folder(tmp_path / name, **index))
        (made / "transformer").mkdir()
        (made / "transformer" / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return str(made)

    from_pictures, from_words = {"_class_name": "WanImageToVideoPipeline"}, {"_class_name": "WanPipeline"}
    assert not card_of(wan("2.1", {"image_dim": 1280}, **from_pictures)).can_end_with_picture
    assert card_of(wan("2.2", {}, boundary_ratio=0.9, **from_pictures)).can_end_with_picture
    card = card_of(wan("experts", {}, boundary_ratio=0.875, **from_words))
    assert (card.default_steps, card.default_guidance, card.arguments["guidance_scale_2"]) == (40, 4.0, 3.0)
    with pytest.raises(StudioError, match="wants a first and a last picture at once"):
        card_of(wan("both", {"image_dim": 1280, "pos_embed_seq_len": 514}, **from_pictures))


def test_a_folder_may_say_more_of_itself(tmp_path: Path) -> None:
    ours = {"licence": "MIT", "default_steps": 4, "limits": {"max_steps": 8}, "grid": {"sizes": {"1:1": [64, 64]}}}
    card = card_of(folder(tmp_path, ours, _class_name="WanPipeline"))
    assert (card.licence, card.default_steps, card.limits.max_steps) == ("MIT", 4, 8)
    assert card.grid.sizes == {"1:1": (64, 64)}
    assert card.limits.aspect_ratios == ("1:1",)
    assert card.grid.frame_rate == rows.WAN_21.grid.frame_rate


def test_a_models_own_weights_say_what_it_takes(tmp_path: Path) -> None:
    kind = ["diffusers", "Some"]
    parts = {"transformer": 28, "transformer_2": 28, "text_encoder": 11, "vae": 1}
    model = Path(folder(tmp_path, _class_name="WanPipeline", **dict.fromkeys(parts, kind)))
    for part, size in parts.items():
        (model / part).mkdir()
        with (model / part / "diffusion_pytorch_model.safetensors").open("wb") as file:
            file.truncate(size * rows.GB)  # takes no room
    with (model / "all_in_one.safetensors").open("wb") as file:
        file.truncate(99 * rows.GB)
    card, kin = card_of(str(model)), rows.WAN_21
    assert (card.transformer_bytes, card.encoder_bytes) == (56 * rows.GB, 11 * rows.GB)
    besides = kin.memory_bytes - kin.transformer_bytes - kin.encoder_bytes
    assert memory.needs(card, "full") == 67 * rows.GB + besides
    assert memory.is_enough(card, "auto", Memory(24 * rows.GB, 80 * rows.GB))
    assert not memory.is_enough(card, "auto", Memory(24 * rows.GB, 60 * rows.GB))


def test_a_distilled_model_is_known_by_its_scheduler(tmp_path: Path) -> None:
    kind = {"_class_name": "Kandinsky6TI2VAPipeline", "scheduler": ["diffusers", "PiflowScheduler"]}
    card = card_of(folder(tmp_path, **kind))
    assert (card.default_steps, card.default_guidance) == (16, 1.0)


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        ({"licence": "MIT", "colour": "red"}, "says colour"),
        ({"family": "wan"}, "says family"),
        ({"limits": {"max_sleep": 3}}, "max_sleep"),
        ({"grid": {"depth": 3}}, "depth"),
        ([1], "one JSON object"),
    ],
)
def test_what_a_folder_may_not_say_is_named(tmp_path: Path, ours: Any, told: str) -> None:
    with pytest.raises(StudioError, match=told):
        card_of(folder(tmp_path, ours, _class_name="WanPipeline"))


def test_a_class_of_no_known_family_is_named_beside_the_known(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"a StableDiffusionPipeline; Flipbook knows .*WanPipeline"):
        card_of(folder(tmp_path, _class_name="StableDiffusionPipeline"))


@pytest.mark.parametrize("source", ["nobody/has-this", "/no/such/folder", "a b c", "../.."])
def test_what_is_not_here_is_said_with_the_way_to_fetch_it(source: str) -> None:
    with pytest.raises(StudioError, match="hf download"):
        card_of(source)


def test_weights_are_known_by_their_fingerprint_wherever_they_lie(tmp_path: Path) -> None:
    found = []
    for number, end in enumerate((b"same", b"same", b"else", b"longer")):
        parent = tmp_path / str(number)
        parent.mkdir()
        model = Path(folder(parent, _class_name="WanPipeline", transformer=["diffusers", "WanTransformer3DModel"]))
        (model / "transformer").mkdir()
        (model / "transformer" / "config.json").write_text("{}")
        assert fingerprint(str(model)) == "", "half a model has none, and is not remembered"
        weights = model / "transformer" / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(bytes(300_000) + end)
        weights.with_name("diffusion_pytorch_model.fp16.safetensors").write_bytes(bytes(number))
        found.append(fingerprint(str(model)))
    assert found[0] == found[1]
    assert len({*found}) == 3
    assert all(len(one) == 16 for one in found)
    assert fingerprint("nobody/has-this") == ""


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    source = folder(tmp_path, _class_name="WanPipeline")
    with pytest.raises(StudioError, match="there is a model my-film-model already"):
        Catalog.with_own((source, source))


def test_a_folder_without_its_weights_is_one_sentence(tmp_path: Path) -> None:
    index = {"_class_name": "WanPipeline", "_diffusers_version": "0.42.1", "vae": ["diffusers", "AutoencoderKLWan"]}
    source = folder(tmp_path, **index)
    pipeline = VideoPipeline(device="cpu", catalog=Catalog.with_own((source,)))
    with pytest.raises(StudioError, match="My Film_Model are missing or damaged"):
        pipeline.load("my-film-model")
    assert not pipeline.is_loaded("my-film-model")
