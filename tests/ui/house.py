"""A studio in this process, whose clips are drawn instead of generated, behind its real page; and ways to talk to it.

Knows how Gradio's page speaks with its server, since a hostile visitor may speak so too. Knows no test.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
from drawing import DrawingExecutor
from running import free_port

from studio.domain import Clip, Done, VideoRequest
from studio.engine.catalog import BUILT_IN, Catalog
from studio.service import Studio, Visit
from studio.settings import Settings
from studio.store.library import Library
from studio.ui.interface import access_options, build_interface, launch_options

SOON_S = 120.0  # a busy machine is slow, not wrong


@dataclass
class House:
    """An open studio with its executor and its page, which is being served."""

    studio: Studio
    library: Library
    executor: DrawingExecutor
    page: gr.Blocks
    address: str

    def make(self, visit: Visit, prompt: str, **values: Any) -> Clip:
        """A finished clip of this visitor's."""
        job = visit.watch(visit.submit(VideoRequest(prompt, **values)).id, SOON_S)
        assert isinstance(job.state, Done), job
        return visit.clip(job.state.clip)

    def server_functions(self) -> dict[str, int]:
        """Every server function of the page, and the component that answers it."""
        named = {}
        for component in self.page.blocks.values():
            for name in component.constructor_args.get("server_functions") or ():
                named[name.__name__] = component._id
        return named


@contextmanager
def served(folder: Path, models: Catalog = BUILT_IN, port: int = 0, **values: Any) -> Iterator[House]:
    """A house with these settings, in a folder of its own under this one, its page served as app.py serves it."""
    settings = Settings(**{"data_dir": folder / uuid.uuid4().hex, "min_free_disk_bytes": 0, **values})
    library, executor = Library(settings.data_dir), DrawingExecutor()
    studio = Studio(settings, library, executor, models)
    page = build_interface(studio)
    options = launch_options(studio) | access_options(studio)
    _, address, _ = page.launch(
        server_name="127.0.0.1", server_port=port or free_port(), prevent_thread_lock=True, quiet=True, **options
    )
    studio.start()
    try:
        yield House(studio, library, executor, page, address.rstrip("/"))
    finally:
        executor.go.set()
        page.close()
        studio.close()


@dataclass
class Program:
    """A program, or a browser in hostile hands, that speaks HTTP with a house and keeps its cookies."""

    address: str
    visitor: Any = ""
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.address, timeout=60)

    def ask(self, path: str, body: Any = None, method: str = "", **more: str) -> tuple[int, str]:
        """Status and text of one request; `body` goes as JSON, `more` as headers."""
        # Not httpx's own JSON, which refuses to send what is no JSON.
        content = None if body is None else json.dumps(body).encode()
        named = {"content_type": "application/json"} | more
        headers = {name.replace("_", "-"): value for name, value in named.items()}
        method = method or ("GET" if body is None else "POST")
        answer = self._client.request(method, path, content=content, headers=headers)
        return answer.status_code, answer.text

    def close(self) -> None:
        self._client.close()

    def sign_in(self, name: str, password: str) -> int:
        return self._client.post("/login", data={"username": name, "password": password}).status_code

    def call_part(self, component: int, name: str, data: Any) -> tuple[int, str]:
        body = {"session_hash": self.session, "component_id": component, "fn_name": name, "data": data}
        return self.ask("/gradio_api/component_server/", body)

    def part(self, house: House, name: str, **data: Any) -> Any:
        """A part's server function, asked as the page asks it."""
        _, text = self.call_part(house.server_functions()[name], name, {"visitor": self.visitor, **data})
        return json.loads(text)

    def event(self, fn_index: int, inputs: list[Any], details: Any = None) -> tuple[int, str]:
        """An event of the page, as its queue takes it; the text is all that the server says of it."""
        body = {"data": inputs, "event_data": details, "fn_index": fn_index, "trigger_id": None}
        status, text = self.ask("/gradio_api/queue/join", {**body, "session_hash": self.session})
        if status != 200:
            return status, text
        return self.ask(f"/gradio_api/queue/data?session_hash={self.session}")

    def endpoint(self, name: str, **arguments: Any) -> tuple[int, str]:
        """An endpoint as `curl` calls it; the text is the stream of what came."""
        status, text = self.ask(f"/gradio_api/call/v2/{name}", arguments)
        if status != 200:
            return status, text
        return self.ask(f"/gradio_api/call/{name}/{json.loads(text)['event_id']}")

    def answer(self, name: str, **arguments: Any) -> Any:
        """What an endpoint returns."""
        status, text = self.endpoint(name, **{"visitor": self.visitor, **arguments})
        assert status == 200, text
        assert "event: complete" in text, text
        outputs = json.loads(text.rpartition("data: ")[2])
        return outputs if len(outputs) > 1 else outputs[0]


def new_visitor() -> str:
    return uuid.uuid4().hex
