"""Which files are LoRAs, what they are called, and one sentence for those that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from studio.domain import StudioError, VideoRequest
from studio.engine import device, rows
from studio.engine.catalog import Catalog
from studio.engine.loras import Lora, offered, wear
from tests.tiny import loras
from tests.tiny.checkpoints import CHECKPOINTS


def lora(path: Path, key: str = "transformer.blocks.0.attn1.to_q.lora_A.weight") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: np.zeros((4, 4), np.float32)}, path)
    return str(path)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache with one snapshot of who/wan2.1-ink."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    repo = tmp_path / "hub" / "models--who--wan2.1-ink"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("a" * 40)
    return repo / "snapshots" / ("a" * 40)


def test_a_file_is_called_by_its_name_and_a_nameless_one_by_its_folder(tmp_path: Path) -> None:
    sources = lora(tmp_path / "Ink v1.5.safetensors"), lora(tmp_path / "Paint" / "pytorch_lora_weights.safetensors")
    assert [one.name for one in offered(sources)] == ["ink-v1-5", "paint"]
    assert offered(()) == ()


def test_a_hub_s_lora_is_found_in_the_cache(cache: Path) -> None:
    lora(cache / "pytorch_lora_weights.safetensors")
    (found,) = offered(("who/wan2.1-ink",))
    assert found.name == "wan2-1-ink"
    lora(cache / "low.safetensors")
    with pytest.raises(StudioError, match=r"has 2 such files; .* as in who/wan2\.1-ink/file\.safetensors\.$"):
        offered(("who/wan2.1-ink",))
    (found,) = offered(("who/wan2.1-ink/low.safetensors",))
    assert found.name == "low"


def test_what_is_no_lora_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"no file and not in this machine's hub cache; `hf download who/nobody`"):
        offered(("who/nobody",))
    with pytest.raises(StudioError, match="which holds no LoRA"):
        offered((lora(tmp_path / "vae.safetensors", "decoder.weight"),))
    (tmp_path / "torn.safetensors").write_bytes(b"no header")
    with pytest.raises(StudioError, match="can't be read as safetensors"):
        offered((str(tmp_path / "torn.safetensors"),))
    with pytest.raises(StudioError, match="there is a LoRA ink already"):
        offered((lora(tmp_path / "a" / "ink.safetensors"), lora(tmp_path / "b" / "Ink.safetensors")))


@pytest.mark.parametrize(
    ("loras", "rule"),
    [
        ({"ink": 2.5}, r"weight of the LoRA 'ink' must be a number from 0 to 2; 2\.5 is outside"),
        ({"ink": True}, "weight of the LoRA 'ink' must be a number"),
        ({3: 1.0}, "LoRAs are names with a weight each; not"),
        (["ink"], r"LoRAs are names with a weight each; not \['ink'\]"),
    ],
)
def test_bad_weights_are_refused(loras: dict[str, float], rule: str) -> None:
    with pytest.raises(StudioError, match=rule):
        VideoRequest("a cat", loras=loras).check(rows.POCKET)


def test_an_unknown_one_is_named_beside_the_known(tmp_path: Path) -> None:
    models = Catalog((rows.POCKET,), offered((lora(tmp_path / "ink.safetensors"),)))
    models.check_loras(["ink"])
    with pytest.raises(StudioError, match=r"There is no LoRA 'paint'; there is ink\."):
        models.check_loras(["ink", "paint"])
    with pytest.raises(StudioError, match="this studio offers none"):
        Catalog((rows.POCKET,)).check_loras(["ink"])


def test_models_wear_loras_where_diffusers_can_load_them() -> None:
    import diffusers  # slow to import, so only in the tests that need it

    for card in (*rows.ROWS, *rows.KIN.values()):
        assert card.can_wear_loras == hasattr(getattr(diffusers, card.pipeline), "load_lora_weights"), card.pipeline


def test_none_is_worn_where_one_of_them_is_torn(tmp_path: Path) -> None:
    pipe = CHECKPOINTS["tiny-cogvideox"].make()
    ink, paint = (Lora(name, loras.save("tiny-cogvideox", tmp_path, name)) for name in ("ink", "paint"))
    wear(pipe, device.plan("cpu"), (ink, paint), {"ink": 1.0, "paint": 1.0})
    assert pipe.get_list_adapters() == {"transformer": ["ink", "paint"]}
    paint.path.write_bytes(paint.path.read_bytes()[:-50])
    with pytest.raises(StudioError, match="The file of the LoRA paint can't be read"):
        wear(pipe, device.plan("cpu"), (ink, paint), {"ink": 1.0, "paint": 1.0})
    assert pipe.get_list_adapters() == {}


def test_a_lora_is_worn_by_both_of_wans_experts_or_by_the_one_that_it_names(tmp_path: Path) -> None:
    name = "tiny-wan-2.2-t2v-a14b"
    pipe = CHECKPOINTS[name].make()
    made = tuple(Lora(one, loras.save(name, tmp_path, one)) for one in ("ink", "oil-high-noise", "oil-low-noise"))
    for worn, first, second in (
        (["ink"], ["ink"], ["ink"]),
        (["oil-high-noise", "oil-low-noise"], ["oil-high-noise"], ["oil-low-noise"]),
    ):
        wear(pipe, device.plan("cpu"), made, dict.fromkeys(worn, 1.0))
        assert pipe.get_list_adapters() == {"transformer": first, "transformer_2": second}
    wear(pipe, device.plan("cpu"), made, {})
    assert pipe.get_list_adapters() == {}
