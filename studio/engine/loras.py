"""LoRAs that the operator offers, small files that change a model: found on this machine, put on it, taken off again.

Their weights lie beside the model's own and are never mixed into them, so taking them off leaves nothing behind.
"""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open

from studio.domain import StudioError
from studio.engine import memory
from studio.engine.device import Plan

log = logging.getLogger(__name__)

# What trainers call every LoRA's file; then its folder or its id names it.
NAMELESS = {"pytorch_lora_weights", "adapter_model", "lora"}
# A key of each format that diffusers reads has one of these in it.
MARKS = ("lora_", "lora.", "lokr_")


@dataclass(frozen=True)
class Lora:
    name: str
    path: Path


def offered(sources: tuple[str, ...]) -> tuple[Lora, ...]:
    """One for each safetensors file, or hub id whose file is on this machine; StudioError for one that is none."""
    found: dict[str, Lora] = {}
    for source in sources:
        path = _file(source)
        title = Path(source).name if path.stem in NAMELESS and Path(source) != path else path.stem
        title = path.parent.name if title in NAMELESS else title
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        if name in found:
            raise StudioError(f"LORAS names {source}, but there is a LoRA {name} already.")
        found[name] = Lora(name, path)
    return tuple(found.values())


def wear(pipe: Any, plan: Plan, loras: tuple[Lora, ...], weights: dict[str, float]) -> None:
    """Take off what the pipeline wears and put these on; StudioError for one that does not fit the model."""
    # While its parts come and go, new ones can't be put beside them.
    pipe.remove_all_hooks()
    pipe.unload_lora_weights()
    try:
        for lora in loras:
            if lora.name in weights:
                _put_on(pipe, lora)
        if weights:
            pipe.set_adapters(list(weights), list(weights.values()))
    except BaseException:
        pipe.unload_lora_weights()  # those that were put on before it
        raise
    finally:
        memory.offload(pipe, plan)


def _put_on(pipe: Any, lora: Lora) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are several now
            for into in _experts(pipe, lora):
                pipe.load_lora_weights(str(lora.path), adapter_name=lora.name, use_safetensors=True, **into)
    except (OSError, SafetensorError) as error:
        log.exception("LoRA unreadable", extra={"lora": lora.name})
        raise StudioError(f"The file of the LoRA {lora.name} can't be read; please leave it out.") from error
    except (ValueError, RuntimeError, KeyError, IndexError) as error:
        if memory.is_out_of_memory(error):
            raise
        reason = error
    else:
        if lora.name in {name for names in pipe.get_list_adapters().values() for name in names}:
            return
        reason = None
    raise StudioError(f"The LoRA {lora.name} does not fit {type(pipe).__name__}; please leave it out.") from reason


def _experts(pipe: Any, lora: Lora) -> list[dict[str, bool]]:
    """Into which of Wan 2.2's two transformers: what is named for high or for low noise is for one, all else for both.

    As the arguments that diffusers wants beside the file.
    """
    first: dict[str, bool] = {}
    second = {"load_into_transformer_2": True}
    words = lora.name.split("-")
    if getattr(pipe, "transformer_2", None) is None or words.count("high") + words.count("highnoise"):
        return [first]
    return [second] if words.count("low") + words.count("lownoise") else [first, second]


def _file(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.is_file():
        path = _in_cache(source)
    try:
        with safe_open(path, "numpy") as file:
            is_lora = any(mark in key for key in file.keys() for mark in MARKS)  # noqa: SIM118 - no dictionary
    except (SafetensorError, OSError) as error:
        raise StudioError(f"LORAS names {source}, which can't be read as safetensors: {error}.") from error
    if not is_lora:
        raise StudioError(f"LORAS names {source}, which holds no LoRA.")
    return path


def _in_cache(source: str) -> Path:
    """The one safetensors file of a hub id, or the one that is named behind it."""
    owner_and_name, inside = "/".join(source.split("/")[:2]), "/".join(source.split("/")[2:])
    try:
        folder = Path(snapshot_download(owner_and_name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise StudioError(
            f"LORAS names {source}, which is no file and not in this machine's hub cache; "
            f"`hf download {owner_and_name}` fetches a hub's LoRA."
        ) from error
    files = sorted(folder.rglob(inside or "*.safetensors"))
    if len(files) != 1:
        raise StudioError(
            f"LORAS names {source}, which has {len(files)} such files; please name one of its files, as in "
            f"{owner_and_name}/file.safetensors."
        )
    return files[0]
