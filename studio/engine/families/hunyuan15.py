"""HunyuanVideo 1.5 in diffusers: one checkpoint from words, another from a first picture. Makes no sound.

Guidance is a part of its pipeline, not an argument.
Latents are (1, C, T, h, w), scaled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from studio.domain import ModelCard
from studio.engine.device import Plan
from studio.engine.families import OnStep, Shot, diffusion

if TYPE_CHECKING:
    from torch import Tensor


def load(card: ModelCard, source: str | Path, plan: Plan) -> Any:
    pipe = diffusion.load(card, source, plan)
    for block in pipe.transformer.transformer_blocks:
        block.attn.set_processor(mask_of_keys())
    return pipe


def mask_of_keys() -> Any:
    """Attention as diffusers has it, but for its mask: of the keys alone, where diffusers' is of each query as well.

    That is gigabytes for a long clip. What a padded query would attend to is thrown away by the model.
    """
    import torch  # slow to import, so only where a model is loaded
    from diffusers.models.attention_dispatch import dispatch_attention_fn
    from diffusers.models.embeddings import apply_rotary_emb
    from diffusers.models.transformers.transformer_hunyuan_video15 import HunyuanVideo15AttnProcessor2_0

    class MaskOfKeys(HunyuanVideo15AttnProcessor2_0):
        def __call__(
            self, attn: Any, hidden_states: Any, encoder_hidden_states: Any, attention_mask: Any, image_rotary_emb: Any
        ) -> tuple[Any, Any]:
            def heads(states: Any, *to: Any) -> list[Any]:
                return [one(states).unflatten(2, (attn.heads, -1)) for one in to]

            query, key, value = heads(hidden_states, attn.to_q, attn.to_k, attn.to_v)
            query, key = (
                cast("Tensor", apply_rotary_emb(states, image_rotary_emb, sequence_dim=1))
                for states in (attn.norm_q(query), attn.norm_k(key))
            )
            asks, named, said = heads(encoder_hidden_states, attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
            query = torch.cat([query, attn.norm_added_q(asks)], 1)
            key = torch.cat([key, attn.norm_added_k(named)], 1)
            value = torch.cat([value, said], 1)
            length = hidden_states.shape[1]
            mask = torch.nn.functional.pad(attention_mask.bool(), (length, 0), value=True)[:, None, None]
            how: dict[str, Any] = {"backend": self._attention_backend, "parallel_config": self._parallel_config}
            mixed = dispatch_attention_fn(query, key, value, attn_mask=mask, **how)
            mixed = mixed.flatten(2, 3).to(query.dtype)
            return attn.to_out[1](attn.to_out[0](mixed[:, :length])), attn.to_add_out(mixed[:, length:])

    return MaskOfKeys()


def denoise(pipe: Any, shot: Shot, generator: Any, on_step: OnStep) -> tuple[Tensor, None]:
    arguments = diffusion.asked(shot)
    pipe.guider = pipe.guider.new(guidance_scale=arguments.pop("guidance_scale"))
    latents = diffusion.noise(pipe, generator, 1, pipe.num_channels_latents, *shot.latents)
    if shot.opening is not None:
        # It makes the size out of the picture's, and by a rounding of its own may miss that of the very picture.
        size = arguments.pop("height"), arguments.pop("width")
        pipe.video_processor.calculate_default_height_width = lambda **_: size
        arguments["image"] = Image.fromarray(shot.opening[-1])
    return diffusion.run(pipe, on_step, latents=latents, **arguments).frames.float(), None


def unpack(pipe: Any, shot: Shot, picture: Tensor) -> Tensor:
    return picture.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor
