"""What Pocket knows of the world, and what it says of a prompt's words that it does not know. Never imports torch."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from studio.engine.catalog import POCKET_DIR
from studio.engine.tongues import in_english


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
        return frozenset(
            word for part in parts for pair in part.items() for text in _flat(pair) for word in _words(text)
        )

    def names(self) -> list[str]:
        """Of subjects and scenes, those of one word."""
        texts = [text for pair in self.subjects.items() for text in _flat(pair)] + list(self.scenes)
        return sorted({text for text in texts if " " not in text})


@dataclass(frozen=True)
class Advice:
    """Words of a prompt that the model never learned, the nearest things that it did, and whether any is shown.

    Of a prompt in another language the English names of what is known, if any; for an English one None.
    """

    unknown: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    has_subject: bool = True
    has_scene: bool = False
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
        if self.unknown:
            return f"Pocket has not learned {_listed(tuple(f'“{word}”' for word in self.unknown))} yet.{near}"
        if self.has_scene:
            return f"Pocket finds a scene in this prompt, but nobody and nothing in it.{near}"
        return f"Pocket finds nothing in this prompt that it can show.{near}"


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
    is_known = {word: word in _PLAIN or not words.isdisjoint(_forms(word)) for word in asked}
    english = in_english(prompt, asked, lambda word: is_known.get(word, False), known.tongues, known.near)
    if english is not None:
        ideas = () if english else _ideas(known)
        return Advice((), ideas, bool(english), False, dict([*english.items()][:6]))
    unknown = [word for word in asked if not is_known[word]]
    near = list(filter(None, (_nearest(word, known) for word in unknown)))
    has_subject = has_picture or _mentions(asked, known.subjects) or any(n in known.subjects for n in near)
    if not has_subject:
        near += _ideas(known)
    has_scene = _mentions(asked, known.scenes)
    return Advice(tuple(unknown[:6]), tuple(dict.fromkeys(near))[:6], has_subject, has_scene)


def _nearest(word: str, known: Knowledge) -> str | None:
    """What is near to it in meaning; or else in its letters, where that can only be a slip of the fingers.

    A short word is as near to others as to what was meant: "rabbi" to "rabbit", "moses" to "mouse".
    """
    if meant := next((known.near[form] for form in _forms(word) if form in known.near), None):
        return meant
    if len(word) < SHORTEST_SLIP or word in _NO_SLIPS:
        return None
    names = [name for name in known.names() if abs(len(name) - len(word)) < 2]
    return next(iter(difflib.get_close_matches(word, names, 1, 0.8)), None)


def _ideas(known: Knowledge) -> tuple[str, ...]:
    """Four subjects from the whole list."""
    return tuple(list(known.subjects)[:: max(1, len(known.subjects) // 4)][:4])


def _mentions(asked: list[str], named: dict[str, list[str]]) -> bool:
    """Whether the last word of any of the names is there, in any form: a truck is a fire truck."""
    heads = {words[-1] for pair in named.items() for name in _flat(pair) if (words := _words(name))} - _PLAIN
    return any(not heads.isdisjoint(_forms(word)) for word in asked)


def _flat(pair: tuple[str, list[str]]) -> list[str]:
    return [pair[0], *pair[1]]


def _words(text: str) -> list[str]:
    """In lower case; "doesn't" and the end of "they're" say nothing of their own."""
    return re.findall(r"[^\W\d_]+", re.sub(r"\b\w+n['’]t\b|['’](s|t|re|m|ll|ve|d)\b", " ", text.lower()))


def _forms(word: str) -> Iterator[str]:
    """The word, and what it may be a form of or have for one: one and many, "fly" and "flies", "goes" and "going"."""
    yield word
    if word in _IRREGULAR:
        yield _IRREGULAR[word]
    for ending, others in _ENDINGS.items():
        if word.endswith(ending):
            yield from (word[: -len(ending)] + other for other in others)
    yield from (word + "s", word + "es")
    if word.endswith("y"):
        yield word[:-1] + "ies"


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


SHORTEST_SLIP = 6
_NO_SLIPS = frozenset({"rabbis", "priest", "priests"})  # people, who are no toys
_ENDINGS = {"s": ("",), "es": ("",), "ing": ("", "e", "s", "es"), "ed": ("",), "ies": ("y",)}
_IRREGULAR = {
    "mice": "mouse", "geese": "goose", "wolves": "wolf", "leaves": "leaf", "loaves": "loaf", "men": "man",
    "women": "woman", "children": "child", "policemen": "policeman", "spacemen": "spaceman", "oxen": "ox",
}  # fmt: skip
_PLAIN_WORDS = """a an the and or of in on at by to with over under is are was it its that this there very some one two
video clip movie film picture scene shot showing shows show while into from up down around as for small big little large
cute beautiful happy colorful colourful bright slowly slow fast quickly high his her their my our your who which he she
they i we you"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
