"""Attention as plain matrix products, for CPUs: torch's fused kernel has no bf16 matrix path there without AMX.

One head after the other, so that what lies between the products stays in the caches: of 784 tokens in 4 heads of 64
that takes 3.1 ms on two AVX512-BF16 cores (200 of their 410 GFLOP/s), all heads at once 6.5,
`scaled_dot_product_attention` 4.3; equal within bf16 rounding. `make bench` says what a clip gains: in float32,
nothing. Only for diffusers' LTX-2 attention modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    Rotary = tuple[Tensor, Tensor]


LARGE = 2**17  # pairs of tokens; of fewer, as of picture with sound or words, torch's kernel makes less ado


class MatmulAttention:
    """A drop-in for diffusers' `LTX2AudioVideoAttnProcessor` (split rotary embedding, no gates).

    Hidden states are (B, N, C); rotary embeddings are (B, heads, N, C / heads / 2) cosines and sines.
    """

    _attention_backend = None
    _parallel_config = None

    def __call__(
        self,
        attn,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        query_rotary_emb: Rotary | None = None,
        key_rotary_emb: Rotary | None = None,
    ) -> Tensor:
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = _heads(attn.norm_q(attn.to_q(hidden_states)), attn.heads)
        key = _heads(attn.norm_k(attn.to_k(source)), attn.heads)
        value = _heads(attn.to_v(source), attn.heads)
        if query_rotary_emb is not None:
            query = _rotate(query, query_rotary_emb)
            key = _rotate(key, query_rotary_emb if key_rotary_emb is None else key_rotary_emb)
        mixed = _attend(query * query.shape[-1] ** -0.5, key, value, attention_mask)
        batch, heads, length, width = mixed.shape
        joined = mixed.transpose(1, 2).reshape(batch, length, heads * width)
        return attn.to_out[1](attn.to_out[0](joined))


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def _rotate(x: Tensor, rotary: Rotary) -> Tensor:
    import torch  # slow to import, so only where a model is already loaded

    cos, sin = (part.to(x.dtype) for part in rotary)
    first, second = x.chunk(2, dim=-1)
    turned = (first * cos).addcmul_(second, sin, value=-1), (second * cos).addcmul_(first, sin)
    return torch.cat(turned, dim=-1)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    import torch  # slow to import, so only where a model is already loaded

    # What is compiled can't look at numbers, and adding nothing costs it nothing.
    is_compiling = torch.compiler.is_compiling()
    if mask is not None:
        mask = mask[:, None] if is_compiling or mask.any() else None
    if is_compiling or torch.is_grad_enabled():
        return _weighted(query, key, value, mask)
    batch, heads, length, width = query.shape
    if length * key.shape[2] < LARGE:
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, mask, scale=1.0)
    mixed = query.new_empty(batch, length, heads, width)
    for clip in range(batch):
        for head in range(heads):
            own = None if mask is None else mask[clip, 0]
            mixed[clip, :, head] = _weighted(query[clip, head], key[clip, head], value[clip, head], own)
    return mixed.transpose(1, 2)


def _weighted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    scores = query @ key.transpose(-1, -2)
    return (scores if mask is None else scores + mask).softmax(-1) @ value


def leave_to_diffusers(model: Any) -> None:
    """Take this processor away from every attention module again: it knows no other backends."""
    from diffusers.models.transformers.transformer_ltx2 import LTX2AudioVideoAttnProcessor  # slow to import

    for module in model.modules():
        if isinstance(getattr(module, "processor", None), MatmulAttention):
            module.set_processor(LTX2AudioVideoAttnProcessor())


def use_on_cpu(*models) -> None:
    """Give every attention module of diffusers models on the CPU this processor."""
    for model in models:
        for module in model.modules():
            if type(module).__name__ == "LTX2Attention" and module.rope_type == "split":
                module.set_processor(MatmulAttention())
