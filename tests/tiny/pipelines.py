"""diffusers' own pipelines at the size of a fly, weights drawn by chance: one function for each family."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Transformer3DModel,
    Kandinsky6Transformer3DModel,
    LTX2VideoTransformer3DModel,
    MMAudioVAE,
    MMAudioVocoder,
    SkyReelsV2Transformer3DModel,
    UniPCMultistepScheduler,
    WanTransformer3DModel,
    WanVACETransformer3DModel,
)
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.pipelines.ltx2 import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

from tests.tiny import words

# The annotations of its autoencoders name tuples of one where any number will do.
kit: Any = diffusers


def ltx2(name: str = "LTX2Pipeline") -> Any:
    tokenizer, text_encoder = words.gemma()
    torch.manual_seed(0)
    connector = {"attention_head_dim": 8, "num_attention_heads": 4, "num_layers": 1, "num_learnable_registers": None}
    connectors = LTX2TextConnectors(
        caption_channels=words.DIM, text_proj_in_factor=text_encoder.config.text_config.num_hidden_layers + 1,
        **{f"{kind}_connector_{key}": value for kind in ("video", "audio") for key, value in connector.items()},
        connector_rope_base_seq_len=32, rope_theta=10000.0, rope_double_precision=False,
        causal_temporal_positioning=False, rope_type="split",
    )  # fmt: skip
    transformer = LTX2VideoTransformer3DModel(
        in_channels=4, out_channels=4, patch_size=1, patch_size_t=1, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2,
        audio_attention_head_dim=4, audio_cross_attention_dim=8, num_layers=2, qk_norm="rms_norm_across_heads",
        caption_channels=words.DIM, rope_double_precision=False, rope_type="split",
    )  # fmt: skip
    vae = kit.AutoencoderKLLTX2Video(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8,), decoder_block_out_channels=(8,),
        layers_per_block=(1,), decoder_layers_per_block=(1, 1), spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,), decoder_inject_noise=(False, False), downsample_type=("spatial",),
        upsample_residual=(False,), upsample_factor=(1,), timestep_conditioning=False, patch_size=4, patch_size_t=1,
        encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    # By chance's weights each pixel of a patch would be another, and the studio takes that for noise: here all are one.
    last = vae.decoder.conv_out.conv
    for values in (last.weight.data, last.bias.data):
        patches = values.unflatten(0, (3, 16))
        patches[:] = patches[:, :1].clone()
    audio_vae = AutoencoderKLLTX2Audio(
        base_channels=4, output_channels=2, ch_mult=(1,), num_res_blocks=1, attn_resolutions=None, in_channels=2,
        resolution=32, latent_channels=2, norm_type="pixel", causality_axis="height", dropout=0.0,
        mid_block_add_attention=False, sample_rate=16000, mel_hop_length=160, is_causal=True, mel_bins=8,
    )  # fmt: skip
    vocoder = LTX2Vocoder(
        in_channels=2 * 8, hidden_channels=32, out_channels=2, upsample_kernel_sizes=[4, 4], upsample_factors=[2, 2],
        resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]], leaky_relu_negative_slope=0.1,
        output_sampling_rate=16000,
    )  # fmt: skip
    return getattr(diffusers, name)(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=vae, audio_vae=audio_vae, text_encoder=text_encoder,
        tokenizer=tokenizer, connectors=connectors, transformer=transformer, vocoder=vocoder,
    )  # fmt: skip


def wan_autoencoder(is_22: bool = False) -> Any:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"dim_mult": [1, 1, 1, 1], "num_res_blocks": 1, "temperal_downsample": [False, True, True]}
    if is_22:
        sizes |= {
            "base_dim": 3, "z_dim": 48, "in_channels": 12, "out_channels": 12, "is_residual": True, "patch_size": 2,
            "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48, "scale_factor_spatial": 16,
            "scale_factor_temporal": 4,
        }  # fmt: skip
        return AutoencoderKLWan(**sizes)
    return AutoencoderKLWan(base_dim=3, z_dim=16, **sizes)


WAN_SIZES: dict[str, Any] = {
    "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "text_dim": words.DIM,
    "freq_dim": 256, "ffn_dim": 32, "num_layers": 3, "cross_attn_norm": True, "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 64,
}  # fmt: skip


def _wan(name: str, transformer: Any, vae: Any, shift: float = 3.0, **config: Any) -> Any:
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    return getattr(diffusers, name)(
        tokenizer=words.byte_tokenizer(), text_encoder=words.t5("umt5"), vae=vae, scheduler=scheduler,
        transformer=transformer, **config,
    )  # fmt: skip


def wan_21() -> Any:
    vae = wan_autoencoder()
    return _wan("WanPipeline", WanTransformer3DModel(in_channels=16, out_channels=16, **WAN_SIZES), vae)


def wan_22_14b() -> Any:
    """Two that take turns, the first one where there is much noise."""
    both = (WanTransformer3DModel(in_channels=16, out_channels=16, **WAN_SIZES) for _ in range(2))
    return _wan("WanPipeline", next(both), wan_autoencoder(), transformer_2=next(both), boundary_ratio=0.8)


def wan_22_5b() -> Any:
    vae = wan_autoencoder(is_22=True)
    transformer = WanTransformer3DModel(in_channels=48, out_channels=48, **WAN_SIZES)
    return _wan("WanPipeline", transformer, vae, expand_timesteps=True)


def wan_vace() -> Any:
    vae = wan_autoencoder()
    control = {"vace_layers": [0, 2], "vace_in_channels": 96}
    transformer = WanVACETransformer3DModel(in_channels=16, out_channels=16, **WAN_SIZES, **control)
    return _wan("WanVACEPipeline", transformer, vae)


def wan_22_i2v() -> Any:
    """The 14B from pictures: the picture beside the noise, no CLIP, a last picture understood."""
    vae = wan_autoencoder()
    transformer = WanTransformer3DModel(in_channels=36, out_channels=16, **WAN_SIZES)
    return _wan("WanImageToVideoPipeline", transformer, vae, image_encoder=None, image_processor=None)


def skyreels() -> Any:
    vae = wan_autoencoder()
    transformer = SkyReelsV2Transformer3DModel(in_channels=16, out_channels=16, **WAN_SIZES)
    return _wan("SkyReelsV2DiffusionForcingPipeline", transformer, vae, shift=8.0)


def hunyuan15(is_from_pictures: bool = False) -> Any:
    torch.manual_seed(0)
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=2,
        num_refiner_layers=1, mlp_ratio=2.0, patch_size=1, patch_size_t=1, text_embed_dim=16,
        text_embed_2_dim=words.DIM, image_embed_dim=12, rope_axes_dim=(2, 2, 4), target_size=16,
        task_type="i2v" if is_from_pictures else "t2v",
    )  # fmt: skip
    vae = kit.AutoencoderKLHunyuanVideo15(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(16, 16, 16), layers_per_block=1,
        spatial_compression_ratio=8, temporal_compression_ratio=4, downsample_match_channel=False,
        upsample_match_channel=False,
    )  # fmt: skip
    # The same for this one: its last filter is made a blur.
    last = vae.decoder.conv_out.conv.weight.data
    last[:] = last.mean((2, 3, 4), keepdim=True)
    tokenizer = words.qwen_tokenizer()
    parts: dict[str, Any] = {
        "text_encoder": words.qwen_text(tokenizer), "tokenizer": tokenizer, "transformer": transformer, "vae": vae,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0), "text_encoder_2": words.t5(),
        "tokenizer_2": words.byte_tokenizer(), "guider": ClassifierFreeGuidance(guidance_scale=6.0),
    }  # fmt: skip
    if not is_from_pictures:
        return diffusers.HunyuanVideo15Pipeline(**parts)
    eyes = SiglipVisionConfig(
        hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8
    )
    return diffusers.HunyuanVideo15ImageToVideoPipeline(
        image_encoder=SiglipVisionModel(eyes).eval(),
        feature_extractor=SiglipImageProcessor(size={"height": 16, "width": 16}),
        **parts,
    )


def kandinsky6() -> Any:
    tokenizer, (tokenizer_2, text_encoder_2) = words.qwen_tokenizer(), words.clip()
    torch.manual_seed(0)
    transformer = Kandinsky6Transformer3DModel(
        in_visual_dim=4, out_visual_dim=4, in_text_dim=words.DIM, in_text_dim2=16, time_dim=16, patch_size=(1, 2, 2),
        model_dim=32, ff_dim=32, num_text_blocks=1, num_visual_blocks=2, axes_dims=(4, 6, 6), visual_cond=True,
        in_audio_dim=4, out_audio_dim=4, visual_token_type_num_embeddings=2,
    )  # fmt: skip
    vae = kit.AutoencoderKLHunyuanVideo(
        act_fn="silu", block_out_channels=[8] * 4, down_block_types=["HunyuanVideoDownBlock3D"] * 4,
        up_block_types=["HunyuanVideoUpBlock3D"] * 4, in_channels=3, out_channels=3, latent_channels=4,
        layers_per_block=1, mid_block_add_attention=False, norm_num_groups=4, scaling_factor=0.476986,
        spatial_compression_ratio=8, temporal_compression_ratio=4,
    )  # fmt: skip
    audio_vae = MMAudioVAE(
        mel_bins=8, latent_channels=4, hidden_channels=16, channel_multipliers=(1, 2), layers_per_block=1,
        sample_rate=16000, n_fft=64, hop_length=16,
    )  # fmt: skip
    vocoder = MMAudioVocoder(
        num_mels=8, upsample_initial_channel=16, upsample_rates=(4, 4), upsample_kernel_sizes=(8, 8),
        resblock_kernel_sizes=(3,), resblock_dilation_sizes=((1, 3, 5),),
    )  # fmt: skip
    return diffusers.Kandinsky6TI2VAPipeline(
        transformer=transformer, vae=vae, text_encoder=words.qwen_with_eyes(tokenizer), tokenizer=tokenizer,
        text_encoder_2=text_encoder_2, tokenizer_2=tokenizer_2, audio_vae=audio_vae, vocoder=vocoder,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
    )  # fmt: skip


def cogvideox(name: str = "CogVideoXPipeline") -> Any:
    is_from_pictures = "Image" in name
    torch.manual_seed(0)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=4, attention_head_dim=16 if is_from_pictures else 8, out_channels=4,
        in_channels=8 if is_from_pictures else 4, time_embed_dim=2, text_embed_dim=words.DIM, num_layers=2,
        sample_width=4, sample_height=4, sample_frames=9, patch_size=2, temporal_compression_ratio=4,
        max_text_seq_length=32, use_rotary_positional_embeddings=is_from_pictures,
        use_learned_positional_embeddings=False,
    )  # fmt: skip
    vae = kit.AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3, down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4, block_out_channels=(8, 8, 8, 8), latent_channels=4,
        layers_per_block=1, norm_num_groups=2, temporal_compression_ratio=4,
    )  # fmt: skip
    return getattr(diffusers, name)(
        tokenizer=words.byte_tokenizer(), text_encoder=words.t5(), vae=vae, transformer=transformer,
        scheduler=CogVideoXDDIMScheduler(),
    )  # fmt: skip
