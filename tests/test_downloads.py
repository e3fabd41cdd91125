"""Fetching a model from a hub on this machine: sizes first, stopped and gone on, and each failure one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from studio.domain import ModelCard, StudioError, VideoRequest
from studio.downloads import Download, Downloads
from studio.engine import rows
from studio.engine.catalog import Catalog
from studio.engine.checkpoint import card_of, is_here
from studio.engine.hub import wanted
from studio.engine.pipeline import VideoPipeline
from tests.drawing import wait_until
from tests.model_hub import ModelHub, serving
from tests.tiny.checkpoints import save

SOURCE = "who/film"
CARD = replace(rows.WAN_21, name="film", title="Film", source=SOURCE, memory_bytes=0)
CHUNK_BYTES = 10 * 2**20  # a file comes in such pieces
INDEX = {"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"], "vae": [None, None]}
FILES = {
    "model_index.json": json.dumps(INDEX).encode(),
    "README.md": b"words" * 9000,
    "transformer/config.json": b"{}",
    "transformer/diffusion_pytorch_model.safetensors": os.urandom(CHUNK_BYTES + 5000),
    "transformer/diffusion_pytorch_model.fp16.safetensors": b"half" * 9000,
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This test's own cache of the hub, for this process and for those that it starts."""
    folder = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def hub_of(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModelHub]]:
    """hub_of(files, **values): a hub that is asked instead of the real one."""
    with ExitStack() as hubs:

        def opened(files: dict[str, bytes], source: str = SOURCE, **values: Any) -> ModelHub:
            hub = hubs.enter_context(serving(ModelHub(source, files, **values)))
            monkeypatch.setenv("HF_ENDPOINT", hub.address)
            return hub

        yield opened


@pytest.fixture
def downloads() -> Iterator[Downloads]:
    opened = Downloads(spare_bytes=0)
    yield opened
    opened.close()


def ended(downloads: Downloads, card: ModelCard = CARD) -> Download:
    wait_until(lambda: not downloads.state(card).is_busy)
    return downloads.state(card)


def test_a_model_is_sized_fetched_stopped_and_gone_on_with(
    hub_of: Callable[..., ModelHub], downloads: Downloads, cache: Path
) -> None:
    hub = hub_of(FILES, hold_at=CHUNK_BYTES + 1)
    downloads.look_up(CARD)
    assert downloads.state(CARD).is_busy
    sized = ended(downloads)
    wanted_bytes = sum(len(FILES[name]) for name in FILES if "fp16" not in name and "README" not in name)
    assert (sized.state, sized.total_bytes, sized.have_bytes, sized.sentence) == ("known", wanted_bytes, 0, "")
    assert sized.free_bytes > 0
    downloads.fetch(CARD)
    wait_until(lambda: downloads.state(CARD).have_bytes >= CHUNK_BYTES)
    with pytest.raises(StudioError, match="One model is fetched at a time, and Film is under way"):
        downloads.fetch(replace(CARD, name="other"))
    assert not is_here(CARD)
    downloads.stop(CARD)
    stopped = downloads.state(CARD)
    assert (stopped.state, stopped.bytes_per_s) == ("stopped", 0)
    assert CHUNK_BYTES <= stopped.have_bytes < wanted_bytes
    hub.go.set()
    downloads.fetch(CARD)
    done = ended(downloads)
    assert (done.state, done.have_bytes) == ("done", wanted_bytes), done
    assert hub.ranges == [f"bytes={CHUNK_BYTES}-"]
    assert is_here(CARD)
    names = {path.name for path in cache.rglob("snapshots/*/**/*") if not path.is_dir()}
    assert names == {"model_index.json", "config.json", "diffusion_pytorch_model.safetensors"}


def test_a_commit_meanwhile_does_not_part_the_index_from_the_weights(
    hub_of: Callable[..., ModelHub], downloads: Downloads
) -> None:
    hub_of(FILES, has_moved=True)
    downloads.fetch(CARD)
    assert ended(downloads).state == "done"
    assert is_here(CARD)


def test_what_broke_in_the_cache_is_not_here(
    hub_of: Callable[..., ModelHub], downloads: Downloads, cache: Path
) -> None:
    shards = {"weight_map": {"layer": "diffusion_pytorch_model.safetensors"}}
    name = "transformer/diffusion_pytorch_model.safetensors.index.json"
    hub_of(FILES | {name: json.dumps(shards).encode()})
    downloads.fetch(CARD)
    ended(downloads)
    (index,) = cache.rglob("snapshots/*/model_index.json")
    listed = index.parent / name
    for file, broken in ((listed, "{}"), (listed, '{"weight_map": []}'), (listed, ""), (index, "{"), (index, "[]")):
        assert is_here(CARD)
        whole = file.read_text()
        file.write_text(broken)
        assert not is_here(CARD)
        file.write_text(whole)


def test_a_part_that_went_bad_is_thrown_away(
    hub_of: Callable[..., ModelHub], downloads: Downloads, cache: Path
) -> None:
    hub = hub_of(FILES, hold_at=CHUNK_BYTES + 1)
    downloads.fetch(CARD)
    wait_until(lambda: downloads.state(CARD).have_bytes >= CHUNK_BYTES)
    downloads.stop(CARD)
    hub.go.set()
    (part,) = cache.rglob("*.part")
    part.write_bytes(b"\0" * part.stat().st_size)
    downloads.fetch(CARD)
    failed = ended(downloads)
    assert failed.state == "failed"
    assert failed.sentence.endswith("came here damaged and was thrown away; please try once more.")
    assert not is_here(CARD)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"is_gated": True}, "accept the licence at http://127.0.0.1:"),
        ({"source": "who/other"}, "There is no public model who/film at 127.0.0.1:"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(
    hub_of: Callable[..., ModelHub], downloads: Downloads, values: dict[str, Any], told: str
) -> None:
    hub_of(FILES, **values)
    downloads.look_up(CARD)
    said = ended(downloads)
    assert said.state == "failed"
    assert told in said.sentence
    assert "\n" not in said.sentence


def test_no_network_and_no_room_are_one_sentence_each(
    hub_of: Callable[..., ModelHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_of(FILES)
    small = Downloads(spare_bytes=10**18)
    small.fetch(CARD)
    assert "shall stay free; the disk of the hub's cache has" in ended(small).sentence
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    small.look_up(CARD)
    said = ended(small)
    assert (said.state, said.sentence[:40]) == ("failed", "127.0.0.1:9 can't be reached from here (")
    small.close()


def test_only_what_a_pipeline_is_loaded_from_is_wanted() -> None:
    names = [
        "model_index.json", "big.safetensors", "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.bin", "text_encoder/model-00001-of-00002.safetensors", "tokenizer/spiece.model",
        "text_encoder/model.safetensors.index.json", "text_encoder/pytorch_model.bin", "tokenizer/merges.txt",
        "transformer_full/diffusion_pytorch_model.safetensors", "vae/model.fp16.safetensors", "vae/notes.py",
    ]  # fmt: skip
    kept = wanted(["vae", "text_encoder", "tokenizer"], names)
    assert kept == {
        "model_index.json", "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "tokenizer/spiece.model",
        "text_encoder/model-00001-of-00002.safetensors", "text_encoder/model.safetensors.index.json",
        "tokenizer/merges.txt",
    }  # fmt: skip
    with pytest.raises(StudioError, match="weights of its unet are pickles"):
        wanted(["unet"], ["unet/diffusion_pytorch_model.bin", "unet/config.json"])


def test_a_fetched_model_makes_a_clip_and_half_a_model_is_not_here(
    hub_of: Callable[..., ModelHub], downloads: Downloads, cache: Path, tmp_path: Path
) -> None:
    hub_of(ModelHub.of_folder(SOURCE, save("tiny-wan-2.1", tmp_path)).files)
    downloads.fetch(CARD)
    assert ended(downloads).state == "done"
    small = replace(card_of(str(tmp_path / "tiny-wan-2.1")), name="film", source=SOURCE)
    pipeline = VideoPipeline(device="cpu", catalog=Catalog((small,)))
    request = VideoRequest(
        "a cat", aspect_ratio="1:1", seconds=0.7, seed=5, num_inference_steps=1, sound=False, model="film"
    )
    assert pipeline.generate(request, lambda _: None, lambda: "go on").frames.shape == (9, 32, 32, 3)
    (weights,) = cache.rglob("snapshots/*/transformer/*.safetensors")
    weights.unlink()
    assert not is_here(CARD)
