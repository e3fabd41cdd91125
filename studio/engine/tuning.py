"""What makes a loaded model quicker where it is asked for: attention backends, compiled blocks and step caches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from studio.domain import StudioError
from studio.engine import attention
from studio.engine.device import Plan
from studio.engine.memory import experts

# diffusers' backends that raise a ValueError for a mask, or for one of numbers, in its version 0.42; and who has such.
_NO_MASK = frozenset(("flash", "_flash_3", "sage", "_native_flash"))
REFUSED = {
    "LTX2VideoTransformer3DModel": _NO_MASK | {"flash_varlen", "sage_varlen"},
    "HunyuanVideo15Transformer3DModel": _NO_MASK,
}
NO_COMPILER = "COMPILE=1 does not work here: torch finds no compiler that works, as g++ is one for processors."


@dataclass(frozen=True)
class Tuning:
    """What an operator asks of every model: an attention backend of diffusers', or `auto`, and compiled blocks."""

    attention: str = "auto"
    compiles: bool = False

    def apply(self, transformer: Any, plan: Plan) -> str:
        """Tune a transformer that was just loaded; returns what to tell of it, StudioError where it can't be."""
        told = self._attend(transformer)
        if self.compiles and plan.mode not in ("full", "offload"):
            told.append(f"its blocks are not compiled, since {plan.mode} works inside of them")
        elif self.compiles:
            told.append(compile_blocks(transformer, plan.device))
        return "; ".join(told)

    def _attend(self, transformer: Any) -> list[str]:
        if self.attention == "auto":
            return []
        if self.attention not in REFUSED.get(type(transformer).__name__, ()):
            use_backend(transformer, self.attention)
            return []
        use_backend(transformer, "native")  # said, since the last model's backend is everybody's in diffusers
        return [f"it attends by torch's own backend, since {self.attention} takes no mask like the one it has"]

    def forget(self) -> None:
        """Let go of what was compiled, after its model is gone: it would count against the next one's limit."""
        if self.compiles:
            import torch  # slow to import, so only where a model was loaded

            torch.compiler.reset()


AS_IT_IS = Tuning()


def use_backend(transformer: Any, name: str) -> None:
    """Let the transformer attend by diffusers' backend of that name; StudioError for one that this machine lacks."""
    attention.leave_to_diffusers(transformer)
    try:
        transformer.set_attention_backend(name)
    except (ValueError, RuntimeError, ImportError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise StudioError(f"ATTENTION={name} does not work here: {said}.") from error


def compile_blocks(transformer: Any, device: str) -> str:
    """Have the blocks that repeat compiled when they first run; returns whether, in words for the visitor.

    Not by diffusers' own `compile_repeated_blocks`: that compiles what hangs on a block too, so the first clip's Stop
    would stand there for good. Sizes stay open, else every shape and length would be compiled by itself. StudioError
    where this machine has no compiler.
    """
    import torch  # slow to import, so only where a model is loaded

    kind = type(transformer)
    if not kind._repeated_blocks:
        return f"its blocks are not compiled, since diffusers names none of {kind.__name__} that could be"
    _try_compiler(device)
    for block in transformer.modules():
        if type(block).__name__ in kind._repeated_blocks:
            block.forward, block.is_compiled = torch.compile(block.forward, dynamic=True), True
    return "its blocks are compiled with the first clip, which takes minutes"


def _try_compiler(device: str) -> None:
    import torch  # slow to import, so only where a model is loaded
    from torch._inductor import config  # the same

    try:
        # What was compiled at another time would hide that there is no compiler any more; torch warns of this.
        with config.patch(force_disable_caches=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.compile(torch.sin)(torch.zeros(8, device=device))
    except RuntimeError as error:
        torch.compiler.reset()
        raise StudioError(NO_COMPILER) from error


def stops(module: Any) -> Iterator[Any]:
    """Every block of every list in it, where Stop may be asked: of what is compiled, only the whole has hooks."""
    from torch.nn import ModuleList  # slow to import, so only where a model is already loaded

    if getattr(module, "is_compiled", False):
        return
    for child in module.children():
        if isinstance(module, ModuleList):
            yield child
        yield from stops(child)


@contextmanager
def step_cache(pipe: Any, threshold: float) -> Iterator[None]:
    """While a clip is denoised, take a step's change from the one before where its first block says they are alike.

    FirstBlockCache. A `threshold` of 0 takes every step in full.
    """
    if not threshold:
        yield
        return
    transformers = experts(pipe)
    try:
        for transformer in transformers:
            enable_cache(transformer, threshold)
        yield
    finally:
        for transformer in transformers:
            transformer.disable_cache()


def enable_cache(transformer: Any, threshold: float) -> None:
    from diffusers import FirstBlockCacheConfig  # slow to import, so only where a model is already loaded

    _introduce_blocks()
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))


def _introduce_blocks() -> None:
    """Tell diffusers' caches of the kinds of blocks that version 0.42 has and its caches do not know."""
    from diffusers.hooks import _helpers as hooks  # slow to import, so only where a model is already loaded
    from diffusers.models.transformers.transformer_hunyuan_video15 import HunyuanVideo15TransformerBlock
    from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformerBlock
    from diffusers.models.transformers.transformer_skyreels_v2 import SkyReelsV2TransformerBlock

    class WithSound(hooks.TransformerBlockMetadata):
        """What the caches call the other stream is text elsewhere; with LTX-2 it is the sound."""

        def _get_parameter_from_args_kwargs(self, identifier: str, args: Any = (), kwargs: Any = None) -> Any:
            asked = "audio_hidden_states" if identifier == "encoder_hidden_states" else identifier
            return super()._get_parameter_from_args_kwargs(asked, args, kwargs)

    both: Any = {"return_hidden_states_index": 0, "return_encoder_hidden_states_index": 1}
    for block, known in (
        (LTX2VideoTransformerBlock, WithSound(**both)),
        (HunyuanVideo15TransformerBlock, hooks.TransformerBlockMetadata(**both)),
        (SkyReelsV2TransformerBlock, hooks.TransformerBlockMetadata(return_hidden_states_index=0)),
    ):
        hooks.TransformerBlockRegistry.register(block, known)
