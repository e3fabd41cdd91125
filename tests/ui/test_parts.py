"""The parts' server functions are open to anybody: whatever they get, they answer with one sentence."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from running import App

from studio.ui import wording

FUNCTIONS = ("poll_jobs", "stop_job", "list_clips", "remove_clip", "take_picture")
GARBAGE = [
    None, 7, "x", [], [1, [2]], {}, {"jobs": 3}, {"jobs": ["../x"], "preview": ""}, {"jobs": [1], "preview": ""},
    {"jobs": ["0" * 32] * 21, "preview": ""}, {"jobs": [], "preview": 5}, {"job": {"$gt": 1}}, {"clip": "../../etc"},
    {"clip": ["0" * 32]}, {"before": "now"}, {"before": [1]}, {"before": 1e999}, {"path": "/etc/passwd"}, {"path": 3},
    {"path": "a\0b"}, {"path": ""}, {"path": {"path": "x"}},
]  # fmt: skip


@pytest.fixture(scope="module")
def owners(app: App) -> dict[str, int]:
    """Which component answers which function."""
    with urllib.request.urlopen(f"{app.address}/config") as answer:
        components = json.load(answer)["components"]
    return {name: each["id"] for each in components for name in each["props"].get("server_fns", [])}


def call(app: App, component: int, name: str, data: object) -> Any:
    body = json.dumps({"session_hash": "test", "component_id": component, "fn_name": name, "data": data}).encode()
    request = urllib.request.Request(
        f"{app.address}/gradio_api/component_server/", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_all_of_them_are_known(owners: dict[str, int]) -> None:
    assert set(owners) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_garbage_gets_a_sentence(app: App, owners: dict[str, int], name: str) -> None:
    for data in GARBAGE:
        answer = call(app, owners[name], name, data)
        is_plain_question = name == "list_clips" and isinstance(data, dict) and "before" not in data
        if not is_plain_question:
            assert set(answer) == {"error"}, (data, answer)
            assert answer["error"].endswith(".")
            assert answer["error"] != wording.UNEXPECTED, data
    assert "Traceback" not in app.log


def test_unknown_job_is_gone_and_not_an_error(app: App, owners: dict[str, int]) -> None:
    answer = call(app, owners["poll_jobs"], "poll_jobs", {"jobs": ["0" * 32], "preview": ""})
    assert [view["state"] for view in answer["jobs"]] == ["gone"]


def test_files_outside_the_gallery_are_not_served(app: App) -> None:
    for path in (app.data_dir / "flipbook.db", app.data_dir / "clips" / ".." / "flipbook.db", "/etc/passwd"):
        request = urllib.request.Request(f"{app.address}/gradio_api/file={path}")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code in (403, 404)
        refused.value.close()
