"""Models that someone brings along: a folder, or a hub's id whose files are on this machine. Never imports torch.

Its `model_index.json` names its class in diffusers, and the class decides the family. A `flipbook.json` beside it may
say what no file of diffusers says: fields of its ModelCard, with those of `limits` and `grid` one level down.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from studio.domain import ModelCard, StudioError
from studio.engine.rows import GB, KIN

LOOKED_AT = 2**16
# As diffusers and transformers name weights, without those of another number format.
WEIGHTS = re.compile(r"(diffusion_pytorch_model|model)(-\d{5}-of-\d{5})?\.safetensors")
_fingerprints: dict[Path, str] = {}  # by index, of models that were here whole
# What so small a model takes, any processor has.
SMALL_BYTES = 2 * GB
_OURS = ("title", "licence", "description", "default_seconds", "default_steps", "default_guidance", "arguments")


def card_of(source: str) -> ModelCard:
    """The row of the model at `source`; StudioError where there is none, or one of no family that is known."""
    index = _index(source)
    if index is None:
        raise StudioError(
            f"MODELS names {source}, which is no folder of a diffusers pipeline and not in this machine's hub cache; "
            f"`hf download {source}` fetches a hub's model."
        )
    kin = _kin(source, _read(index))
    if kin.family == "wan":
        kin = _wan(kin, source, index)
    name = re.sub(r"[^a-z0-9.]+", "-", Path(source).name.lower()).strip("-")
    card = replace(kin, name=name, title=Path(source).name, licence="see its own card", source=source)
    card = replace(card, **_sizes(kin, index))
    ours = index.parent / "flipbook.json"
    return _changed(card, _read(ours), source) if ours.is_file() else card


def is_here(card: ModelCard) -> bool:
    """Whether the model's files are on this machine: of one from a hub all that its index and its shards name."""
    if not card.source:
        return True
    index = _index(card.source)
    return index is not None and (Path(card.source).expanduser().is_dir() or _is_whole(index))


def absence(card: ModelCard) -> str:
    """What is said of a model whose files are not here."""
    return f"{card.title} is not on this machine yet; `hf download {card.source}` fetches it."


def fingerprint(source: str | Path) -> str:
    """Stands for the weights at `source`, 16 hexadecimal characters; empty where they aren't on this machine.

    Of each file its size, beginning and end: gigabytes are not read, and weights that were trained on differ in these.
    """
    index = _index(str(source))
    if index is None:
        return ""
    if index not in _fingerprints:
        try:
            found = _digest(index) if _is_whole(index) else ""
        except (OSError, StudioError):
            found = ""
        if not found:
            return ""
        _fingerprints[index] = found
    return _fingerprints[index]


def _digest(index: Path) -> str:
    digest = hashlib.sha256()
    for part in sorted(parts_of(_read(index))):
        for file in sorted(path for path in (index.parent / part).glob("*") if WEIGHTS.fullmatch(path.name)):
            size = file.stat().st_size
            digest.update(f"{part}/{file.name} {size}".encode())
            with file.open("rb") as weights:
                digest.update(weights.read(LOOKED_AT))
                weights.seek(max(0, size - LOOKED_AT))
                digest.update(weights.read())
    return digest.hexdigest()[:16]


def parts_of(index: dict[str, Any]) -> list[str]:
    """The folders that a pipeline is loaded from, out of its `model_index.json`."""
    kinds = {name: kind for name, kind in index.items() if isinstance(kind, list) and len(kind) == 2}
    return [name for name, kind in kinds.items() if all(isinstance(word, str) for word in kind)]


def _is_whole(index: Path) -> bool:
    """An interrupted download leaves some out, or breaks off within a file."""
    try:
        return all(_is_part_whole(index.parent / part) for part in parts_of(_read(index)))
    except StudioError:
        return False


def _is_part_whole(folder: Path) -> bool:
    files = {path.name for path in folder.glob("*")}
    weights = {name for name in files if name.endswith((".safetensors", ".bin"))}
    for listed in folder.glob("*.safetensors.index.json"):
        shards = _read(listed).get("weight_map")
        weights = weights if isinstance(shards, dict) and {*shards.values()} <= files else set()
    # Only models have a `config.json`: a tokenizer's and a scheduler's are called otherwise.
    return bool(files) and ("config.json" not in files or bool(weights))


def _index(source: str) -> Path | None:
    path = Path(source).expanduser() / "model_index.json"
    if path.is_file():
        return path
    try:
        cached = try_to_load_from_cache(source, "model_index.json")
    except HFValidationError:
        return None
    return Path(cached) if isinstance(cached, str) else None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudioError(f"{path} can't be read: {error}.") from error
    if not isinstance(found, dict):
        raise StudioError(f"{path} must hold one JSON object; it holds a {type(found).__name__}.")
    return found


def _sizes(kin: ModelCard, index: Path) -> dict[str, int]:
    """What the model takes: its own weights as they are stored, and besides as much as its kin takes besides."""
    sizes = {
        part: sum(file.stat().st_size for file in (index.parent / part).glob("*") if WEIGHTS.fullmatch(file.name))
        for part in parts_of(_read(index))
    }
    if sum(sizes.values()) < SMALL_BYTES:
        return {"memory_bytes": 0}
    denoise, read = (
        sum(size for part, size in sizes.items() if part.startswith(role)) for role in ("transformer", "text_encoder")
    )
    besides = kin.memory_bytes - kin.transformer_bytes - kin.encoder_bytes
    return {"memory_bytes": denoise + read + besides, "transformer_bytes": denoise, "encoder_bytes": read}


def _kin(source: str, index: dict[str, Any]) -> ModelCard:
    kind = index.get("_class_name")
    if index.get("expand_timesteps"):
        kind = f"{kind} with expand_timesteps"
    scheduler = index.get("scheduler")
    if isinstance(scheduler, list) and scheduler[-1:] == ["PiflowScheduler"]:
        kind = f"{kind} with PiflowScheduler"
    if kind not in KIN:
        classes = ", ".join(name for name in KIN if " " not in name)
        raise StudioError(f"MODELS names {source}, a {kind}; Flipbook knows {classes}.")
    return KIN[kind]


def _wan(kin: ModelCard, source: str, index: Path) -> ModelCard:
    """What Wan's folders of one class differ in: an image encoder, places for two pictures, two experts in turn."""
    file = index.parent / "transformer" / "config.json"
    config, has_experts = _read(file) if file.is_file() else {}, _read(index).get("boundary_ratio")
    if config.get("pos_embed_seq_len"):
        raise StudioError(f"MODELS names {source}, which wants a first and a last picture at once; Flipbook can't yet.")
    if config.get("image_dim"):
        kin = replace(kin, can_end_with_picture=False)
    if has_experts:  # as their makers call them: the cards of Wan 2.2 T2V and I2V A14B
        from_words = kin.pipeline == "WanPipeline"
        second = {"guidance_scale_2": 3.0} if from_words else {}
        guidance = 4.0 if from_words else 3.5
        kin = replace(kin, default_steps=40, default_guidance=guidance, arguments=kin.arguments | second)
    return kin


def _changed(card: ModelCard, ours: dict[str, Any], source: str) -> ModelCard:
    """The card with what its folder's own file says."""
    ours = dict(ours)
    shapes = ours.pop("grid", {})
    if "sizes" in shapes:
        shapes = shapes | {"sizes": {ratio: tuple(size) for ratio, size in shapes["sizes"].items()}}
    unknown = ours.keys() - {*_OURS, "limits"}
    if unknown:
        raise StudioError(
            f"The flipbook.json of {source} says {min(unknown)}; it may say {', '.join(_OURS)}, limits, grid."
        )
    try:
        grid = replace(card.grid, **shapes)
        limits = replace(card.limits, **{"aspect_ratios": tuple(grid.sizes), **ours.pop("limits", {})})
    except TypeError as error:
        raise StudioError(f"The flipbook.json of {source} is not understood: {error}.") from error
    return replace(card, grid=grid, limits=limits, **ours)
