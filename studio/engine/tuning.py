"""What makes a loaded model quicker where it is asked for: attention backends and step caches, both diffusers' own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio.domain import StudioError
from studio.engine import attention


def use_backend(pipe: Any, name: str) -> None:
    """Let the transformer attend by diffusers' backend of that name; StudioError for one that this machine lacks."""
    attention.leave_to_diffusers(pipe.transformer)
    try:
        pipe.transformer.set_attention_backend(name)
    except (ValueError, RuntimeError, ImportError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise StudioError(f"ATTENTION={name} does not work here: {said}.") from error


@contextmanager
def step_cache(pipe: Any, threshold: float) -> Iterator[None]:
    """While a clip is denoised, take a step's change from the one before where its first block says they are alike.

    FirstBlockCache. A `threshold` of 0 takes every step in full.
    """
    if not threshold:
        yield
        return
    from diffusers import FirstBlockCacheConfig  # slow to import, so only where a model is already loaded

    _introduce_blocks()
    pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    try:
        yield
    finally:
        pipe.transformer.disable_cache()


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
