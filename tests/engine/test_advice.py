"""What is said of a prompt's words that Pocket does not know: kindly, truly, and nothing where all is known."""

from __future__ import annotations

import pytest

from studio.engine.advice import advise, knowledge

# A word that Pocket does not know, near to one that it does.
UNLEARNED = next(word for word, name in knowledge().near.items() if name == "dog" and not word.endswith("s"))


@pytest.mark.parametrize(
    "prompt", ["a cat in the snow", "An elephant, spinning, under the stars!", "two dogs at sea", ""]
)
def test_known_prompts_need_no_advice(prompt: str) -> None:
    assert advise("pocket", prompt).sentence == ""


def test_unknown_words_are_named_with_the_nearest_known() -> None:
    advice = advise("pocket", f"a {UNLEARNED} near the ocean eats ramen")
    assert UNLEARNED in advice.unknown
    assert "dog" in advice.suggestions
    assert f"“{UNLEARNED}”" in advice.sentence
    assert "dog" in advice.sentence


def test_words_of_the_camera_are_known_with_a_picture_alone() -> None:
    words = "the camera pans to the left"
    for said in (words, "nothing moves", "a landscape", "a photograph"):
        assert advise("pocket", said, has_picture=True).sentence == ""
    assert advise("pocket", f"a cat, {words}").unknown == ("pans",)


def test_an_article_is_nothing_to_be_known() -> None:
    assert "an" not in advise("pocket", "a cat pan right").suggestions


def test_a_prompt_without_a_known_subject_gets_ideas() -> None:
    advice = advise("pocket", "the meaning of life")
    assert not advice.has_subject
    assert set(advice.suggestions) & set(knowledge().subjects)


def test_a_picture_is_a_subject() -> None:
    assert not advise("pocket", "in the snow").has_subject
    assert advise("pocket", "in the snow", has_picture=True).sentence == ""
    assert UNLEARNED in advise("pocket", f"a {UNLEARNED}", has_picture=True).unknown


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("elefant", "elephant"),
        ("pengiun", "penguin"),
        ("gorila", "gorilla"),
        ("kangeroo", "kangaroo"),
        ("unicrn", "unicorn"),
    ],
)
def test_misspelt_words_are_guessed(slip: str, meant: str) -> None:
    assert meant in advise("pocket", f"an {slip} in the snow").suggestions


@pytest.mark.parametrize("word", ["rabbi", "rabbis", "moses", "beggar", "turk", "priests", "sings", "monks", "nun"])
def test_people_are_no_misspelt_toys(word: str) -> None:
    assert advise("pocket", f"a cat and a {word}").suggestions == ()


@pytest.mark.parametrize(
    "prompt",
    [
        "butterflies dance", "two foxes and three buses", "mice in the garden", "geese fly in the sky",
        "puppies at sea", "a dog's house",
        "a cat that doesn't stop spinning", "they're cats", "a ball bouncing", "a truck in the city",
    ],
)  # fmt: skip
def test_other_forms_of_a_name_are_that_name(prompt: str) -> None:
    advice = advise("pocket", prompt)
    assert advice.has_subject
    assert advice.english is None
    assert set(advice.unknown) <= {"three", "stop"}


@pytest.mark.parametrize("prompt", ["a beach at sunset", "beautiful sunset over the sea", "in the snow", "a rainbow"])
def test_a_scene_with_nobody_in_it_is_told_so(prompt: str) -> None:
    assert (
        "finds a scene in this prompt, but nobody and nothing in it. It does know cat, "
        in advise("pocket", prompt).sentence
    )


@pytest.mark.parametrize("prompt", ["\u202e\u200b", "<script>alert(1)</script>", "💥" * 500, "a" * 100_000])
def test_hostile_prompts_get_an_answer(prompt: str) -> None:
    assert isinstance(advise("pocket", prompt).sentence, str)
