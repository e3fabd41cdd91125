"""The models a studio offers, as rows, and what Pocket knows of the world. Never imports torch."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from studio.domain import ModelCard, StudioError
from studio.engine import checkpoint, device, loras, memory
from studio.engine.loras import Lora
from studio.engine.rows import GB, ROWS
from studio.engine.tongues import in_english

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


@dataclass(frozen=True)
class Knowledge:
    """What Pocket was trained on: name -> other words for it; `near` maps further words to the nearest known name.

    `tongues` has the names in other languages, and as emoji.
    """

    subjects: dict[str, list[str]]
    scenes: dict[str, list[str]]
    actions: dict[str, list[str]]
    camera: dict[str, list[str]]  # what it does over a given picture, and nowhere else
    near: dict[str, str]
    tongues: dict[str, dict[str, str]]

    def words(self, has_picture: bool = False) -> frozenset[str]:
        parts = (self.subjects, self.scenes, self.actions, self.camera if has_picture else {})
        texts = [text for part in parts for pair in part.items() for text in _flat(pair)]
        return frozenset(word for text in texts for word in _words(text))


@dataclass(frozen=True)
class Advice:
    """Words of a prompt that the model never learned, and the nearest things that it did.

    Of a prompt in another language the English names of what is known, if any; for an English one None.
    """

    unknown: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    has_subject: bool = True
    english: dict[str, str] | None = None

    @property
    def sentence(self) -> str:
        """One kind sentence for the visitor; empty when there is nothing to say."""
        if not self.unknown and self.has_subject and not self.english:
            return ""
        near = f" It does know {_listed(self.suggestions)}." if self.suggestions else ""
        if self.english:
            return f"Pocket reads English only: {_listed(tuple(f'“{a}” is {b}' for a, b in self.english.items()))}."
        if self.english is not None:
            return f"Pocket reads English only.{near}"
        if not self.unknown:
            return f"Pocket finds nothing in this prompt that it can show.{near}"
        return f"Pocket has not learned {_listed(tuple(f'“{word}”' for word in self.unknown))} yet.{near}"


@lru_cache(maxsize=4)
def knowledge(folder: Path = POCKET_DIR) -> Knowledge:
    """Read `knowledge.json`, which training writes beside the weights."""
    return Knowledge(**json.loads((folder / "knowledge.json").read_text(encoding="utf-8")))


def advise(model: str, prompt: str, has_picture: bool = False) -> Advice:
    """What `model` does not know in `prompt`, which may have a picture for its subject.

    Models of full size know everything, as far as we can tell.
    """
    if model != "pocket" or not prompt.strip():
        return Advice()
    known = knowledge()
    words = known.words(has_picture)
    asked = list(dict.fromkeys(_words(prompt)))
    english = in_english(prompt, asked, lambda word: _stem(word, words) in words or word in _PLAIN, known.tongues)
    if english is not None:
        ideas = () if english else _ideas(known)
        return Advice((), ideas, bool(english), dict([*english.items()][:6]))
    unknown, near = [], []
    for word in asked:
        stem = _stem(word, words)
        if stem in words or word in _PLAIN:
            continue
        meant = known.near.get(word) or known.near.get(stem)
        guess = meant or next(iter(difflib.get_close_matches(word, sorted(words - _PLAIN), 1, 0.8)), None)
        unknown.append(word)
        if guess:
            near.append(guess)
    has_subject = has_picture or _mentions(prompt, known.subjects) or any(n in known.subjects for n in near)
    if not has_subject:
        near += _ideas(known)
    return Advice(tuple(unknown[:6]), tuple(dict.fromkeys(near))[:6], has_subject)


def _ideas(known: Knowledge) -> tuple[str, ...]:
    """Four subjects from the whole list."""
    return tuple(list(known.subjects)[:: max(1, len(known.subjects) // 4)][:4])


def _mentions(prompt: str, named: dict[str, list[str]]) -> bool:
    text = f" {' '.join(_words(prompt))} "
    names = (" ".join(_words(name)) for pair in named.items() for name in _flat(pair))
    return any(f" {name} " in text or f" {name}s " in text for name in names)


def _flat(pair: tuple[str, list[str]]) -> list[str]:
    return [pair[0], *pair[1]]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def _stem(word: str, known: frozenset[str]) -> str:
    for ending, instead in (
        ("s", ""),
        ("es", ""),
        ("ing", ""),
        ("ing", "e"),
        ("ing", "s"),
        ("ing", "es"),
        ("ed", ""),
        ("ies", "y"),
    ):
        if word.endswith(ending) and word[: -len(ending)] + instead in known:
            return word[: -len(ending)] + instead
    return word + "s" if word + "s" in known else word


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


_PLAIN_WORDS = """a an the and or of in on at by to with over under is are was it its that this there very some one two
video clip movie film picture scene shot showing shows show while into from up down around as for small big little large
cute beautiful happy colorful colourful bright slowly slow fast quickly high his her their my our your who which"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
