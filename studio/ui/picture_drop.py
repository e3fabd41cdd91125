"""The pictures that a clip starts from and ends with: taken by the page, kept by the studio, shown with their crop."""

from __future__ import annotations

import base64
import io
from typing import Any

import gradio as gr
from PIL import Image

from studio.service import Studio, Visit
from studio.ui import wording
from studio.ui.guard import an_upload, for_part
from studio.ui.parts import part

VIEW_PX = 720


def picture_drop(studio: Studio, form: str, sizes: dict[str, tuple[int, int]], is_last: bool) -> gr.HTML:
    """The part of `form` whose value is {name, width, height, src, fit}; `sizes` are each ratio's pixels at first."""

    @for_part(studio)
    def take_picture(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        # Gradio removes its copy in time. Another visitor's upload of the same picture is that very file.
        return view(visit, visit.keep_picture(an_upload(data.get("path"))))

    return part(
        "picture",
        {"fit": "crop"},
        functions=(take_picture,),
        words=wording.PICTURE | (wording.LAST_PICTURE if is_last else {}),
        form=form,
        sizes=sizes,
        limit=studio.settings.max_upload_bytes // 1_000_000,
        side=Visit.LONGEST_SIDE_PX,
        group=f"fb-fit-{'last' if is_last else 'first'}",
        isLast=is_last,
        canEnd=False,
    )


def view(visit: Visit, name: str) -> dict[str, Any]:
    """Name, size in pixels and a small copy (data address) of a kept picture."""
    with Image.open(visit.picture_path(name)) as picture:
        width, height = picture.size
        small = picture.convert("RGB")
    small.thumbnail((VIEW_PX, VIEW_PX))
    jpeg = io.BytesIO()
    small.save(jpeg, "JPEG", quality=82)
    return {
        "name": name,
        "width": width,
        "height": height,
        "src": "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode(),
    }
