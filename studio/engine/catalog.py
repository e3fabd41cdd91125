"""The models a studio offers, and what keeps one from running here. Never imports torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from studio.domain import ModelCard, StudioError
from studio.engine import checkpoint, device, loras, memory
from studio.engine.loras import Lora
from studio.engine.rows import GB, ROWS

POCKET_DIR = Path(__file__).parent.parent.parent / "assets" / "pocket"


@dataclass(frozen=True)
class Catalog:
    """The models that a studio offers, the default first, and the LoRAs that they may wear."""

    rows: tuple[ModelCard, ...]
    loras: tuple[Lora, ...] = ()

    @classmethod
    def with_own(cls, sources: tuple[str, ...], lora_sources: tuple[str, ...] = ()) -> Catalog:
        """The built-in rows and one for each folder or hub id of `sources`, LoRAs likewise; StudioError for none."""
        rows = list(ROWS)
        for source in sources:
            card = checkpoint.card_of(source)
            if any(row.name == card.name for row in rows):
                raise StudioError(f"MODELS names {source}, but there is a model {card.name} already.")
            rows.append(card)
        return cls(tuple(rows), loras.offered(lora_sources))

    def models(self) -> tuple[ModelCard, ...]:
        return self.rows

    def card(self, name: str) -> ModelCard:
        """The row called `name`; StudioError, listing the known ones, when there is none."""
        if found := self.find(name):
            return found
        asked = repr(name[:60]) if isinstance(name, str) else f"of type {type(name).__name__}"
        raise StudioError(f"There is no model {asked}; there is {', '.join(row.name for row in self.rows)}.")

    def check_loras(self, names: Iterable[str]) -> None:
        """StudioError, listing the known ones, for the first that there is none of."""
        known = [lora.name for lora in self.loras]
        for name in names:
            if name not in known:
                there = f"there is {', '.join(known)}" if known else "this studio offers none"
                raise StudioError(f"There is no LoRA {name[:60]!r}; {there}.")

    def find(self, name: str) -> ModelCard | None:
        return next((row for row in self.rows if row.name == name), None)


BUILT_IN = Catalog(ROWS)


def obstacle(card: ModelCard, wanted_device: str, wanted_plan: str = "auto") -> str:
    """Why this machine can't run the model, in one sentence with what it needs; empty where it can."""
    whole = device.whole_memory(wanted_device)
    if card.memory_bytes and not memory.is_enough(card, wanted_plan, whole):
        has = "has none that may be used"
        if whole.device_bytes:
            has = f"has one with {whole.device_bytes / GB:.0f} GB and {whole.host_bytes / GB:.0f} GB of main memory"
        return f"{card.title} needs {memory.told_needs(card, wanted_plan)}; this machine {has}."
    if not checkpoint.is_here(card):
        return checkpoint.absence(card)
    return ""
