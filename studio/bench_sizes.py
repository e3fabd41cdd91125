"""The big models at their real size: each one's transformer and autoencoder, and what one pass of it is given.

The sizes are those that diffusers' own conversion scripts write, its classes' defaults where these are the model, and
Kandinsky's those of its makers' own code. What we could not look up is not here: LTX-2.3 stands as LTX-2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from studio.domain import ModelCard
from studio.engine import grid, rows

Config = dict[str, Any]
# The size of a clip's latents: frames, height, width; and how many seconds it lasts.
Size = tuple[int, int, int]


@dataclass(frozen=True)
class Model:
    """`params` is what its makers say, in billions; `passes` is how often a step asks the transformer, by default, and
    `decodes_in` the number format that the autoencoder wants.

    `inputs` makes of the transformer's config, the latents' size and the seconds the shape of each argument; a number
    stands for itself.
    """

    title: str
    card: ModelCard
    params: float
    transformer: str
    autoencoder: str
    inputs: Callable[[Config, Size, float], dict[str, Any]]
    sizes: Config = field(default_factory=dict)
    autoencoder_sizes: Config = field(default_factory=dict)
    passes: int = 2
    decodes_in: str = "bfloat16"

    @property
    def num_frames(self) -> int:
        return grid.num_frames(self.card.grid, self.card.default_seconds)

    @property
    def latents(self) -> Size:
        ratio = next(iter(self.card.grid.sizes))
        return grid.latent_shape(self.card.grid, ratio, self.num_frames)


WORDS = 512  # how many tokens of a prompt Wan's kind is given


def wan(config: Config, size: Size, _: float) -> dict[str, Any]:
    return {
        "hidden_states": (1, config["in_channels"], *size),
        "timestep": (1,),
        "encoder_hidden_states": (1, WORDS, config["text_dim"]),
    }


def wan_22(config: Config, size: Size, seconds: float) -> dict[str, Any]:
    """A noise level for each token, so that a first picture may have none."""
    frames, height, width = size
    return wan(config, size, seconds) | {"timestep": (1, frames * (height // 2) * (width // 2))}


def wan_vace(config: Config, size: Size, seconds: float) -> dict[str, Any]:
    control = {
        "control_hidden_states": (1, config["vace_in_channels"], *size),
        "control_hidden_states_scale": (len(config["vace_layers"]),),
    }
    return wan(config, size, seconds) | control


def skyreels(config: Config, size: Size, seconds: float) -> dict[str, Any]:
    """A noise level for each frame."""
    return wan(config, size, seconds) | {"timestep": (1, size[0]), "enable_diffusion_forcing": True}


def hunyuan15(config: Config, size: Size, _: float) -> dict[str, Any]:
    return {
        "hidden_states": (1, config["in_channels"], *size),
        "timestep": (1,),
        "encoder_hidden_states": (1, 1000, config["text_embed_dim"]),
        "encoder_attention_mask": (1, 1000),
        "encoder_hidden_states_2": (1, 256, config["text_embed_2_dim"]),
        "encoder_attention_mask_2": (1, 256),
        "image_embeds": (1, 729, config["image_embed_dim"]),
    }


def cogvideox(config: Config, size: Size, _: float) -> dict[str, Any]:
    frames, height, width = size
    return {
        "hidden_states": (1, frames, config["in_channels"], height, width),
        "encoder_hidden_states": (1, config["max_text_seq_length"], config["text_embed_dim"]),
        "timestep": (1,),
    }


def ltx2(config: Config, size: Size, seconds: float) -> dict[str, Any]:
    frames, height, width = size
    heard = round(seconds * 25)
    return {
        "hidden_states": (1, math.prod(size), config["in_channels"]),
        "audio_hidden_states": (1, heard, config["audio_in_channels"]),
        "encoder_hidden_states": (1, 1024, config["caption_channels"]),
        "audio_encoder_hidden_states": (1, 1024, config["caption_channels"]),
        "timestep": (1, math.prod(size)),
        "audio_timestep": (1,),
        "num_frames": frames,
        "height": height,
        "width": width,
        "fps": 24.0,
        "audio_num_frames": heard,
    }


def kandinsky6(config: Config, size: Size, seconds: float) -> dict[str, Any]:
    """The clip, one that is given and which of it is: side by side. Sound has 44100 samples a second, 1024 a latent."""
    return {
        "hidden_states": (1, *size, 2 * config["in_visual_dim"] + 1),
        "audio_hidden_states": (1, math.ceil(seconds * 44100 / 1024), config["in_audio_dim"]),
        "encoder_hidden_states": (1, WORDS, config["in_text_dim"]),
        "pooled_projections": (1, config["in_text_dim2"]),
        "timestep": (1,),
    }


_WAN_SMALL: Config = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
_WAN_22_AUTOENCODER: Config = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "in_channels": 12, "out_channels": 12, "is_residual": True,
    "patch_size": 2, "scale_factor_spatial": 16, "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
    "temperal_downsample": [False, True, True],
}  # fmt: skip
_KANDINSKY_LITE: Config = {
    "model_dim": 1792, "ff_dim": 7168, "time_dim": 512, "axes_dims": (16, 24, 24), "num_text_blocks": 2,
    "num_visual_blocks": 32, "model_dim_a": 896, "ff_dim_a": 3584, "in_audio_dim": 40, "out_audio_dim": 40,
    "audio_freqs_scaling": 0.144, "text_token_padding": True, "ca_rope": True, "cross_gates": True,
    "fix_modulation": True, "visual_token_type_num_embeddings": 2,
}  # fmt: skip

MODELS = (
    Model(
        "LTX-2", rows.LTX, 19, "LTX2VideoTransformer3DModel", "AutoencoderKLLTX2Video", ltx2,
        {"rope_type": "split"}, {"decoder_causal": False}, passes=4,
    ),
    Model(
        "Wan 2.1 1.3B", rows.WAN_21, 1.3, "WanTransformer3DModel", "AutoencoderKLWan", wan, _WAN_SMALL,
        decodes_in="float32",
    ),
    Model(
        "Wan 2.2 5B", rows.WAN_22, 5, "WanTransformer3DModel", "AutoencoderKLWan", wan_22,
        {"num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30, "in_channels": 48, "out_channels": 48},
        _WAN_22_AUTOENCODER, decodes_in="float32",
    ),
    Model(
        # Its makers do not count the blocks that read the control.
        "Wan VACE 1.3B", rows.WAN_VACE, 2.1, "WanVACETransformer3DModel", "AutoencoderKLWan", wan_vace,
        _WAN_SMALL | {"vace_layers": list(range(0, 30, 2))}, decodes_in="float32",
    ),
    Model(
        "Kandinsky 6 Lite", rows.KANDINSKY, 3, "Kandinsky6Transformer3DModel", "AutoencoderKLHunyuanVideo", kandinsky6,
        _KANDINSKY_LITE,
    ),
    Model(
        "HunyuanVideo 1.5", rows.HUNYUAN_15, 8.3, "HunyuanVideo15Transformer3DModel", "AutoencoderKLHunyuanVideo15",
        hunyuan15,
    ),
    Model(
        "SkyReels V2 DF 1.3B", rows.SKYREELS, 1.3, "SkyReelsV2Transformer3DModel", "AutoencoderKLWan", skyreels,
        _WAN_SMALL, decodes_in="float32",
    ),
    Model("CogVideoX 2B", rows.COGVIDEOX, 2, "CogVideoXTransformer3DModel", "AutoencoderKLCogVideoX", cogvideox),
)  # fmt: skip
