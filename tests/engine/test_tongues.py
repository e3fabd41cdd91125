"""Prompts in other languages, and emoji: what Pocket could show of them is named in English; English is let alone."""

from __future__ import annotations

import pytest

from studio.engine.advice import advise, knowledge

FOREIGN = {
    "eine Katze surft auf einem Regenbogen": {"katze": "cat", "regenbogen": "rainbow"},
    "un chat dans la neige": {"chat": "cat"},
    "un gato en la nieve": {"gato": "cat"},
    "kot na śniegu": {"kot": "cat"},
    "mèo trên tuyết": {"mèo": "cat"},
    "кошка на снегу": {"кошка": "cat"},
    "Ένας σκύλος!": {"σκύλος": "dog"},
    "قطة في الثلج": {"قطة": "cat"},
    "बिल्ली बर्फ में": {"बिल्ली": "cat"},
    "猫在雪地里": {"猫": "cat"},
    "猫が雪の中で踊る": {"猫": "cat"},
    "고양이가 눈 속에서 춤춘다": {"고양이": "cat"},
    "แมวในหิมะ": {"แมว": "cat"},
    "hund": {"hund": "dog"},
    "🐈 on a 🌈": {"🐈": "cat", "🌈": "rainbow"},
    "a ❤️ dances": {"❤": "heart"},
    "🐻‍❄️ in the snow": {"🐻‍❄": "polar bear"},
    "🧑🏽‍🚀!": {"🧑‍🚀": "astronaut"},
    "👩‍🚀 🐱": {"👩‍🚀": "astronaut", "🐱": "cat"},
}
ENGLISH = (
    "a cat in the snow", "a chat between robots", "a lighthouse in a storm", "lighthouse storm", "el dorado",
    "a jalapeño dances", "na na na batman", "a con man", "the meaning of life", "Godzilla attacks Tokyo", "", "💥" * 9,
    "geese fly", "cold beer", "mini golf", "tiny insect", "a cat at 25º",
    "a lion and a tiger chase each other through the ruins of an ancient temple",
)  # fmt: skip


@pytest.mark.parametrize("prompt", FOREIGN)
def test_things_are_named_in_english(prompt: str) -> None:
    advice = advise("pocket", prompt)
    assert advice.english == FOREIGN[prompt]
    assert advice.sentence.startswith("Pocket reads English only: “")
    assert all(f"“{word}” is {name}" in advice.sentence for word, name in FOREIGN[prompt].items())


@pytest.mark.parametrize("prompt", ["un lampadaire dans la rue", "ein Leuchtturm in einem Sturm", "маяк", "灯塔"])
def test_what_it_could_not_show_anyway_gets_ideas(prompt: str) -> None:
    advice = advise("pocket", prompt)
    assert advice.english == {}
    assert advice.sentence.startswith("Pocket reads English only. It does know cat")


@pytest.mark.parametrize("prompt", ENGLISH)
def test_english_is_let_alone(prompt: str) -> None:
    assert advise("pocket", prompt).english is None


def test_every_subject_has_its_emoji_and_names_in_many_languages() -> None:
    known = knowledge()
    assert set(known.subjects) <= set(known.tongues["emoji"].values())
    for name in ("cat", "dog", "dragon", "banana"):
        assert sum(name in words.values() for words in known.tongues.values()) > 20, name
    assert {name for words in known.tongues.values() for name in words.values()} <= {*known.subjects, *known.scenes}
