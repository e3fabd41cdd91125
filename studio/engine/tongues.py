"""Which words of a prompt are of another language, or small pictures, and what they are called in English.

What things are called elsewhere comes with the weights, by language; what tells a language by itself is here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Container, Mapping, Sequence

PICTURES = "emoji"  # beside the languages
Tongues = Mapping[str, Mapping[str, str]]
# Small words that English does not have, of languages that share its letters.
_SMALL = {
    "cs": "se ve nad pod který",
    "da": "en et på og med under gennem",
    "de": "ein eine einem einen einer der das den im auf und mit ist über unter durch",
    "es": "un una el los las en y con sobre por del",
    "fi": "ja alla päällä yllä",
    "fr": "un une le la les des dans sur et avec du au",
    "hu": "egy az és alatt felett",
    "id": "seekor sebuah di yang dan dengan atas",
    "it": "un una il lo gli nel nella su e con sulla",
    "nl": "een het de op en met onder door",
    "pl": "na w pod nad przez który",
    "pt": "um uma os na em e com sobre pela",
    "ro": "un o pe și sub peste în",
    "sv": "en ett på och med under genom",
    "tr": "bir ve ile üzerinde içinde",
    "vi": "một con trên trong và dưới",
}
# Letters of no script of their own, as in "25º".
_NO_SCRIPTS = ("LATIN", "MASCULINE", "FEMININE", "MICRO", "MODIFIER", "MATHEMATICAL", "FULLWIDTH")
# Of a small picture's parts, the one that asks for colours and those that give a colour of skin.
_SHADES = dict.fromkeys((0xFE0F, *range(0x1F3FB, 0x1F400)))
# Written without gaps between the words.
_GAPLESS = ("CJK", "HIRAGANA", "KATAKANA", "THAI")


def in_english(
    prompt: str, words: Sequence[str], is_known: Callable[[str], bool], tongues: Tongues, english: Container[str]
) -> dict[str, str] | None:
    """Each part of the prompt that is known by another name, and that name; None where all may well be English.

    `words` are the prompt's; `tongues` are languages with their words' English names. Words that are `english` too
    say little of another language: "fly", "golf".
    """
    found = _pictured(prompt, tongues.get(PICTURES, {}))
    others = [word for word in prompt.lower().split() if not word.isascii() and _is_of_another_script(word)]
    if others:
        named = {own: name for tongue in tongues.values() for own, name in tongue.items()}
        for word in others:
            found |= _within(word.strip(".,!?;:\"'()。、！？"), named)
    latin = [word for word in words if not _is_of_another_script(word)]
    unknown = [word for word in latin if not is_known(word)]
    tongue = _tongue(unknown, tongues, english) if 2 * len(unknown) > len(latin) else None
    if tongue:
        found |= {word: tongues[tongue][word] for word in unknown if word in tongues[tongue]}
    return found if found or others or tongue else None


def _pictured(prompt: str, signs: Mapping[str, str]) -> dict[str, str]:
    """The longest first: a cook's sign has that of a man in it."""
    found, rest = {}, prompt.translate(_SHADES)
    for sign in sorted(signs, key=len, reverse=True):
        if sign in rest:
            found[sign], rest = signs[sign], rest.replace(sign, " ")
    return found


def _tongue(words: Sequence[str], tongues: Tongues, english: Container[str]) -> str | None:
    """The language with most of these words: the name of one thing at least, or two of its small words."""
    having = {
        tongue: sum(
            2 - (word in english) if word in named else word in _SMALL.get(tongue, "").split() for word in words
        )
        for tongue, named in tongues.items()
    }
    best = max(having, key=lambda name: having[name], default=None)
    return best if best and having[best] > 1 else None


def _within(word: str, named: Mapping[str, str]) -> dict[str, str]:
    """The word's English name, or those of the words in it."""
    if word in named:
        return {word: named[word]}
    found = {}
    for own in sorted(named, key=len, reverse=True):
        # A Korean word goes on with what it does; one of a single syllable may be the beginning of any other.
        begins = len(own) > 1 and _script(own) == "HANGUL" and word.startswith(own)
        if begins or (_script(own) in _GAPLESS and own in word):
            found[own] = named[own]
            word = word.replace(own, " ")
    return found


def _is_of_another_script(word: str) -> bool:
    return any(letter.isalpha() and _script(letter) not in _NO_SCRIPTS for letter in word)


def _script(text: str) -> str:
    """Of its first letter, as Unicode calls it."""
    return unicodedata.name(text[0], "").partition(" ")[0].partition("-")[0]
