from __future__ import annotations

import pytest

from studio.domain import StudioError, VideoRequest
from studio.engine import catalog


def test_every_row_makes_its_own_defaults() -> None:
    for card in catalog.models():
        VideoRequest(
            "a cat",
            seconds=card.default_seconds,
            num_inference_steps=card.default_steps,
            guidance_scale=card.default_guidance,
            sound=card.has_sound,
            model=card.name,
        ).check(card.limits)


def test_an_unknown_model_is_named_beside_the_known() -> None:
    with pytest.raises(StudioError, match=r"'wan'.*pocket"):
        catalog.card("wan")


@pytest.mark.parametrize(
    "prompt", ["a cat in the snow", "An elephant, spinning, under the stars!", "two dogs at sea", ""]
)
def test_known_prompts_need_no_advice(prompt: str) -> None:
    assert catalog.advise("pocket", prompt).sentence == ""


def test_unknown_words_are_named_with_the_nearest_known() -> None:
    advice = catalog.advise("pocket", "a lion near the ocean eats spaghetti")
    assert "lion" in advice.unknown
    assert "tiger" in advice.suggestions
    assert "“lion”" in advice.sentence
    assert "tiger" in advice.sentence


def test_a_prompt_without_a_known_subject_gets_ideas() -> None:
    advice = catalog.advise("pocket", "the meaning of life")
    assert not advice.has_subject
    assert set(advice.suggestions) & set(catalog.knowledge().subjects)


def test_misspelt_words_are_guessed() -> None:
    assert "elephant" in catalog.advise("pocket", "an elefant in the snow").suggestions


@pytest.mark.parametrize("prompt", ["\u202e\u200b", "<script>alert(1)</script>", "💥" * 500, "a" * 100_000])
def test_hostile_prompts_get_an_answer(prompt: str) -> None:
    assert isinstance(catalog.advise("pocket", prompt).sentence, str)
