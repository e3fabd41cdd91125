"""The picture that a clip starts from: taken by the page, read and kept by the studio, shown with its crop."""

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


def picture_drop(studio: Studio, sizes: dict[str, tuple[int, int]], max_upload_bytes: int) -> gr.HTML:
    """The part whose value is {name, width, height, src, ratio, fit}; `sizes` are each ratio's pixels."""

    @for_part(studio)
    def take_picture(visit: Visit, data: dict[str, Any]) -> dict[str, Any]:
        upload = an_upload(data.get("path"))
        try:
            return view(visit, visit.keep_picture(upload))
        finally:
            # The studio has its own copy; Gradio's would lie in its temporary folder for ever.
            upload.unlink(missing_ok=True)

    ratio = next(iter(sizes))
    return part(
        "picture",
        {"ratio": ratio, "fit": "crop"},
        functions=(take_picture,),
        words=wording.PICTURE,
        sizes=sizes,
        limit=max_upload_bytes // 1_000_000,
        group="fb-fit",
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
