"""Tokenizers and text encoders of the size of a fly, made in memory: every byte is a token."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    ByT5Tokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    GemmaTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    Qwen2Tokenizer,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

DIM = 32
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_letters() -> list[str]:
    """One letter for each byte, as byte-level tokenizers write them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    codes = dict(zip(plain, plain, strict=True)) | {byte: 256 + at for at, byte in enumerate(others)}
    return [chr(codes[byte]) for byte in range(256)]


def byte_tokenizer() -> Any:
    return ByT5Tokenizer()


def t5(kind: str = "t5") -> Any:
    torch.manual_seed(0)
    config, model = {"t5": (T5Config, T5EncoderModel), "umt5": (UMT5Config, UMT5EncoderModel)}[kind]
    sizes = {"d_model": DIM, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
    return model(config(vocab_size=384, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, **sizes)).eval()


def gemma() -> tuple[Any, Any]:
    vocabulary = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4, "\u2581": 5}
    vocabulary |= {f"<0x{byte:02X}>": 6 + byte for byte in range(256)}
    size = len(vocabulary) + 10
    torch.manual_seed(0)
    config = Gemma3Config(
        text_config={
            "vocab_size": size, "hidden_size": DIM, "intermediate_size": DIM, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 16,
            "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2,
        },
        vision_config={
            "hidden_size": DIM, "intermediate_size": DIM, "num_hidden_layers": 1, "num_attention_heads": 4,
            "image_size": 14, "patch_size": 14,
        },
        image_token_index=size - 1, boi_token_index=size - 2, eoi_token_index=size - 3, mm_tokens_per_image=1,
    )  # fmt: skip
    return GemmaTokenizer(vocab=vocabulary, merges=[]), Gemma3ForConditionalGeneration(config).eval()


def qwen_tokenizer() -> Any:
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    made = Qwen2Tokenizer(vocab={token: at for at, token in enumerate([*marks, *byte_letters()])}, merges=[])
    made.add_special_tokens({"additional_special_tokens": marks[1:]})
    made.chat_template = CHAT
    return made


def _qwen_sizes(tokenizer: Any, dim: int, sections: list[int]) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer), "hidden_size": dim, "intermediate_size": dim, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
        "rope_scaling": {"mrope_section": sections, "rope_type": "default", "type": "default"},
        "rope_theta": 1000000.0,
    }  # fmt: skip


def qwen_text(tokenizer: Any) -> Any:
    """The text half alone, as HunyuanVideo 1.5 has it."""
    torch.manual_seed(0)
    return Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**_qwen_sizes(tokenizer, 16, [1, 1, 2]))).eval()


def qwen_with_eyes(tokenizer: Any) -> Any:
    """The whole, as Kandinsky has it."""
    torch.manual_seed(0)
    eyes = {"depth": 1, "hidden_size": DIM, "intermediate_size": DIM, "num_heads": 2, "out_hidden_size": DIM}
    config = Qwen2_5_VLConfig(text_config=_qwen_sizes(tokenizer, DIM, [2, 2, 4]), vision_config=eyes)
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def clip() -> tuple[Any, Any]:
    letters = byte_letters()
    ends = ["<|startoftext|>", "<|endoftext|>"]
    words = [*letters, *(letter + "</w>" for letter in letters), *ends]
    tokenizer = CLIPTokenizer(vocab={token: at for at, token in enumerate(words)}, merges=[])
    tokenizer.model_max_length = 77
    torch.manual_seed(0)
    size = len(tokenizer)
    config = CLIPTextConfig(
        vocab_size=size, hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=2,
        projection_dim=16, bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1,
    )  # fmt: skip
    return tokenizer, CLIPTextModel(config).eval()
