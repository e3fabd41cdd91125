"""The recipe inside a clip's file: what made it, readable by any player as the `comment` tag, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.domain import StudioError, VideoRequest
from studio.media.video import Tags, probe

GENERATOR = "Flipbook"
DESCRIPTION = "AI-generated video made with Flipbook. The whole recipe is in the comment tag."
TITLE_CHARS = 100


def recipe_json(request: VideoRequest, extra: dict[str, Any]) -> str:
    """The whole request and `extra` as compact JSON, plain ASCII so that every tool carries it unharmed."""
    return json.dumps({"generated_by": GENERATOR, **request.to_dict(), **extra}, separators=(",", ":"))


def read_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe that a video carries; None when it carries none or is no video at all."""
    try:
        recipe = json.loads(probe(path).comment)
    except (StudioError, ValueError):
        return None
    is_ours = isinstance(recipe, dict) and recipe.get("generated_by") == GENERATOR
    return recipe if is_ours else None


def tags(request: VideoRequest, facts: dict[str, Any]) -> Tags:
    """The texts for a clip's file; `facts` go into the recipe beside the request.

    The title is the prompt without what a tag cannot hold (zeros, half characters).
    """
    title = "".join(char for char in request.prompt if char.isprintable())[:TITLE_CHARS]
    return Tags(title or GENERATOR, DESCRIPTION, recipe_json(request, facts))
