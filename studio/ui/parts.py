"""Builds the page's own HTML parts out of the files in `web/`.

A part is `<name>.html` and, if it moves, `common.js`, `<name>-*.js` and `<name>.js` one after the other. What visitors
typed never goes through the HTML, which Gradio evaluates as code; the JavaScript puts it in place as text.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

WEB = Path(__file__).resolve().parent / "web"
ASSETS = Path(__file__).resolve().parents[2] / "assets"
LOGO = ASSETS / "logo.svg"


def part(name: str, value: Any, *, functions: tuple[Callable[..., Any], ...] = (), **given: Any) -> gr.HTML:
    """One part of the page. `given` are constants: {{words.label}} in the HTML, `given.words.label` in the JavaScript.

    They are written into the files' text, because a part that gets a value while its tab is unseen loses its props.
    """
    # As a string in a string, so that no constant looks to gr.HTML like the quoted name of an event.
    constants = f"const given = JSON.parse({json.dumps(json.dumps(given))});\n"
    scripts = sorted(path.name for pattern in (f"{name}-*.js", f"{name}.js") for path in WEB.glob(pattern))
    return gr.HTML(
        value,
        html_template=_filled(read(f"{name}.html"), given),
        js_on_load=constants + "".join(map(read, ("common.js", *scripts))) if scripts else None,
        apply_default_css=False,
        server_functions=list(functions),
        elem_classes=["fb-part", f"fb-part-{name}"],
    )


def _filled(template: str, given: dict[str, Any]) -> str:
    def text_of(match: re.Match[str]) -> str:
        found: Any = given
        for key in match[1].split("."):
            found = found[key]
        # Gradio evaluates the result twice more, as Handlebars and as JavaScript.
        return re.sub(r"[`$\\{}]", lambda sign: f"&#{ord(sign[0])};", html.escape(str(found)))

    return re.sub(r"\{\{([\w.]+)\}\}", text_of, template)


def read(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def stylesheets() -> list[Path]:
    """The page's own style first, then one file for each part that needs one."""
    return [ASSETS / "studio.css", *sorted(WEB.glob("*.css"))]


def logo() -> str:
    """The logo as a data address, for the style sheet."""
    return "data:image/svg+xml;base64," + base64.b64encode(LOGO.read_bytes()).decode()
