"""How a model fits into memory: which plan, chosen from numbers before it is loaded, and a loaded pipeline put to it.

Bytes throughout. `full` keeps all of a model on the device. `offload` brings one part there at a time, `group` one
layer and the next; both give the very same frames. `fp8` and `int8` store the transformer in half the bytes and offload
besides; they change the frames, so they are taken only where they are asked for, or fp8 where a processor's memory ran
out: there nothing can be moved away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from studio.domain import ModelCard, StudioError
from studio.engine.device import Memory, Mode, Plan, free_memory
from studio.engine.rows import GB

MODES: tuple[Mode, ...] = get_args(Mode)
# From the quickest to the leanest of those that give the same frames.
SAME_FRAMES: tuple[Mode, ...] = ("full", "offload", "group")
LEANER: dict[str, dict[Mode, Mode]] = {
    "cuda": {"full": "offload", "offload": "group", "fp8": "group", "int8": "group"},
    "cpu": {"full": "fp8", "offload": "fp8", "group": "fp8"},
}
# The layer that works, the next one on its way, and room to spare: transformers and text encoders have thirty or more.
GROUP_SHARE = 0.1
SAID: dict[Mode, str] = {
    "full": "all of the model is held there",
    "offload": "the model's parts come there one after the other",
    "group": "the model's layers come there one after the other",
    "fp8": "its transformer is stored in 8 bits (float8), and its parts come there one after the other",
    "int8": "its transformer is stored in 8 bits (int8), and its parts come there one after the other",
}


def needs(card: ModelCard, mode: Mode) -> int:
    """What the model takes of the device's memory with that plan."""
    transformer, encoder = card.transformer_bytes, card.encoder_bytes
    at_once = {
        "full": transformer + encoder,
        "offload": max(transformer, encoder),
        "group": round(GROUP_SHARE * max(transformer, encoder)),
        "fp8": max(transformer // 2, encoder),
        "int8": max(transformer // 2, encoder),
    }
    return card.memory_bytes - transformer - encoder + at_once[mode]


def fits(card: ModelCard, mode: Mode, free: Memory) -> bool:
    """Whether both memories have room: what is not on the device waits in the machine's own."""
    waiting = 0 if mode == "full" else card.transformer_bytes + card.encoder_bytes
    return needs(card, mode) <= free.device_bytes and waiting <= free.host_bytes


def is_enough(card: ModelCard, wanted: str, whole: Memory) -> bool:
    """Whether a machine with so much memory in all can run the model with the plan that is wanted, `auto` or a mode."""
    return any(fits(card, mode, whole) for mode in _choices(wanted))


def told_needs(card: ModelCard, wanted: str) -> str:
    """What a machine must have for the quickest plan, or else for the leanest, in words."""
    waiting = f" beside {(card.transformer_bytes + card.encoder_bytes) / GB:.0f} GB of main memory"
    quickest, *_, leanest = _choices(wanted) * 2
    said = [
        f"with {needs(card, mode) / GB:.0f} GB of memory{'' if mode == 'full' else waiting}"
        for mode in dict.fromkeys((quickest, leanest))
    ]
    return f"a graphics card {', or one '.join(said)}"


def fit(plan: Plan, card: ModelCard, wanted: str, free: Memory) -> Plan:
    """The plan for this model with so much memory free: the first of SAME_FRAMES that fits, or the one that is wanted.

    StudioError where none fits.
    """
    if not card.source:
        return plan  # Pocket fits everywhere
    if plan.dtype == "float32":
        card = _doubled(card)
    is_tiled = bool(card.memory_bytes)  # what fits while it denoises may run out of memory when it decodes
    if wanted != "auto":
        (mode,) = _choices(wanted)
        return replace(plan, mode=mode, is_tiled=is_tiled, why=f"{SAID[mode]}, as MEMORY_PLAN asks")
    if not card.memory_bytes:
        return plan
    fitting: list[Mode] = [mode for mode in SAME_FRAMES if fits(card, mode, free)]
    has = f"{free.device_bytes / GB:.0f} GB are free there and {free.host_bytes / GB:.0f} GB of main memory"
    if not fitting:
        raise StudioError(f"{card.title} needs {told_needs(card, wanted)}; {has}.")
    why = f"{SAID[fitting[0]]}, since all of {card.title} takes {card.memory_bytes / GB:.0f} GB and {has}"
    return replace(plan, mode=fitting[0], is_tiled=is_tiled, why=why)


def _doubled(card: ModelCard) -> ModelCard:
    """The model in float32: a card's bytes are those of 16 bits a number."""
    return replace(
        card,
        memory_bytes=2 * card.memory_bytes,
        transformer_bytes=2 * card.transformer_bytes,
        encoder_bytes=2 * card.encoder_bytes,
    )


def leaner(plan: Plan, card: ModelCard) -> Plan | None:
    """The next plan after the memory ran out with this one, None where there is none."""
    mode = LEANER[plan.device].get(plan.mode)
    if mode is None or not card.source:
        return None
    return replace(plan, mode=mode, is_tiled=True, why=f"{SAID[mode]}, since the memory ran out before")


def settle(pipe: Any, plan: Plan) -> None:
    """Put the parts of a pipeline that lies in main memory where the plan wants them."""
    import torch  # slow to import, so only where a model is loaded

    if plan.mode == "fp8":
        stored, computed = torch.float8_e4m3fn, getattr(torch, plan.dtype)
        for expert in experts(pipe):
            expert.enable_layerwise_casting(storage_dtype=stored, compute_dtype=computed)
    if plan.mode == "full":
        pipe.to(plan.device)
    if plan.mode == "group":
        # The small parts stay: an autoencoder in tiles would go to and fro for each of them, and of an image encoder's
        # last attention torch takes the weights without a call that could bring them.
        stays = [name for name in pipe.components if "vae" in name or name in ("vocoder", "image_encoder")]
        streams = {"use_stream": True, "low_cpu_mem_usage": not _may_pin(pipe)} if plan.device == "cuda" else {}
        pipe.enable_group_offload(
            torch.device(plan.device), offload_type="leaf_level", exclude_modules=stays, **streams
        )
    offload(pipe, plan)
    if plan.is_tiled:
        pipe.vae.enable_tiling()


def _may_pin(pipe: Any) -> bool:
    """Whether main memory has room for weights that the card may fetch by itself, which is quicker.

    torch rounds each such block up to a power of two, so all of them take up to twice what they are.
    """
    weights = [
        weight for part in pipe.components.values() if hasattr(part, "parameters") for weight in part.parameters()
    ]
    return free_memory("cpu").host_bytes > 2 * sum(weight.numel() * weight.element_size() for weight in weights)


def experts(pipe: Any) -> list[Any]:
    """What denoises: one transformer, or Wan's two that take turns."""
    both = (getattr(pipe, name, None) for name in ("transformer", "transformer_2"))
    return [one for one in both if one is not None]


def offload(pipe: Any, plan: Plan) -> None:
    """Let the parts come and go, where the plan says so; `pipe.remove_all_hooks()` ends it."""
    if plan.mode not in ("full", "group"):
        pipe.enable_model_cpu_offload(device=plan.device)


def quantisation(plan: Plan) -> dict[str, Any]:
    """What `from_pretrained` is told beside the rest; StudioError where the package is missing that does it."""
    if plan.mode != "int8":
        return {}
    import diffusers  # slow to import, so only where a model is loaded

    try:
        from torchao.quantization import Int8WeightOnlyConfig  # an extra that only this plan needs
    except ImportError as error:
        raise StudioError(NO_TORCHAO) from error
    kind = diffusers.TorchAoConfig(Int8WeightOnlyConfig(version=2))
    return {
        "quantization_config": diffusers.PipelineQuantizationConfig(
            quant_mapping={"transformer": kind, "transformer_2": kind}
        )
    }


NO_ROOM = "The memory of this machine is too small for this clip; please try a shorter or smaller one."
NO_TORCHAO = "MEMORY_PLAN=int8 needs the package torchao: please run `pip install -r requirements-int8.txt`."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device's or the machine's memory ran out. Of its own on a processor torch says so in words only."""
    import torch  # slow to import, so only where a model is loaded

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _choices(wanted: str) -> tuple[Mode, ...]:
    return SAME_FRAMES if wanted == "auto" else tuple(mode for mode in MODES if mode == wanted)
