"""What a clip's file says of itself: that it is generated, for people and for programs, and its recipe, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from studio.domain import VERSION, StudioError, VideoRequest
from studio.media.video import Tags, probe

GENERATOR = "Flipbook"
DESCRIPTION = "AI-generated video made with Flipbook. The whole recipe is in the comment tag."
TITLE_CHARS = 100
# IPTC's word for what a model has made, which programs look for; https://cv.iptc.org/newscodes/digitalsourcetype/
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool={tool} xmp:CreateDate={date}
 Iptc4xmpExt:DigitalSourceType={source} Iptc4xmpExt:AISystemUsed={system}/>
</rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""


def recipe_json(request: VideoRequest, extra: dict[str, Any]) -> str:
    """The whole request and `extra` as compact JSON, plain ASCII so that every tool carries it unharmed."""
    made_by = {"generated_by": GENERATOR, "version": VERSION, "made_at": _now()}
    return json.dumps({**made_by, **request.to_dict(), **extra}, separators=(",", ":"))


def read_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe that a video carries; None when it carries none or is no video at all."""
    try:
        recipe = json.loads(probe(path).comment)
    except (StudioError, ValueError):
        return None
    is_ours = isinstance(recipe, dict) and recipe.get("generated_by") == GENERATOR
    return recipe if is_ours else None


def xmp(model: str) -> bytes:
    """The packet that tells programs of a film or picture that this model has generated it."""
    values = {"tool": f"{GENERATOR} {VERSION}", "date": _now(), "source": SOURCE_TYPE, "system": model}
    return _XMP.format(**{name: quoteattr(value) for name, value in values.items()}).encode()


def tags(request: VideoRequest, facts: dict[str, Any]) -> Tags:
    """The texts for a clip's file; `facts` go into the recipe beside the request.

    The title is the prompt without what a tag cannot hold (zeros, half characters).
    """
    title = "".join(char for char in " ".join(request.prompt.split()) if char.isprintable())[:TITLE_CHARS]
    return Tags(title or GENERATOR, DESCRIPTION, recipe_json(request, facts), xmp(request.model))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
