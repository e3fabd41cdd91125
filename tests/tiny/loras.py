"""LoRAs for the tiny checkpoints, in the files that trainers write; drawn by chance, so that they do something."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from tests.tiny.checkpoints import CHECKPOINTS

TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]


def save(checkpoint: str, folder: Path, name: str) -> Path:
    """Write `name`.safetensors into `folder`; another name is another LoRA."""
    pipe = CHECKPOINTS[checkpoint].make()
    torch.manual_seed(sum(name.encode()))
    pipe.transformer.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=TARGETS, init_lora_weights=False))
    layers = get_peft_model_state_dict(pipe.transformer)
    pipe.save_lora_weights(folder, transformer_lora_layers=layers, weight_name=f"{name}.safetensors")
    return folder / f"{name}.safetensors"
