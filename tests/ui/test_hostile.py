"""Whatever is thrown at what can be called, the answer is a sentence or a refusal, and the studio is well afterwards.

What can be called is found in the page itself, so that a new function is covered without a line here.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from house import House, Program, new_visitor, served
from playwright.sync_api import expect
from running import Visitor

from studio.domain import Clip
from studio.ui import wording

LONG = "x" * 100_000
ESCAPED = "\x1b]0;owned\x07\x1b[31mred\x1b[0m"
SURROGATE = "a \ud83d cat"
VALUES: list[Any] = [
    None, True, False, 0, -1, 7, 10**30, 1.5, 1e308, float("nan"), float("inf"), "", " ", "0", "0" * 32, "f" * 31,
    "../../etc/passwd", "/etc/passwd", "..\\..\\x", "a\0b", "file:///etc/passwd", "' OR 1=1 --", "{{7*7}}",
    "${alert(1)}", "<script>alert(1)</script>", ESCAPED, "\u202eevil\u202c", "\u200b\u200b", SURROGATE, LONG, [], [[]],
    ["0" * 32] * 5000, {}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, {"a": {"b": 1}}, {"$gt": 1},
]  # fmt: skip
FEW: list[Any] = [None, True, -1, float("nan"), "../../etc/passwd", SURROGATE, LONG, [], {}]
KEYS = (
    "jobs", "job", "clip", "before", "shelf", "preview", "path", "keep", "yes", "seconds", "prompt",
    "action", "model", "file", "words", "favourites",
)  # fmt: skip
TRACES = ("Traceback", 'File "', "Error:", "Exception", "/site-packages/")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with served(tmp_path_factory.mktemp("hostile"), has_private_galleries=True, showcase=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def treasure(house: House) -> Clip:
    """What somebody else has and nobody may touch."""
    return house.make(house.studio.visit(new_visitor()), "a hidden treasure")


@pytest.fixture
def program(house: House, treasure: Clip) -> Iterator[Program]:
    """A stranger; when it is done, the treasure is as it was and the studio makes clips."""
    stranger = Program(house.address, new_visitor())
    yield stranger
    stranger.close()
    assert house.library.clips.get(treasure.id) == treasure
    assert house.make(house.studio.visit(new_visitor()), "all is well").request.prompt == "all is well"


def check(status: int, text: str, thrown: object) -> None:
    """A sentence or a refusal: nothing of the studio's inside, and not the sentence for what nobody foresaw."""
    told = f"{str(thrown)[:200]!r} got {status}: {text[:600]}"
    assert status < 500, told
    assert not any(trace in text for trace in TRACES), told
    assert wording.UNEXPECTED not in text, told
    assert "treasure" not in text, told


def functions_of(house: House) -> list[tuple[str, int]]:
    return sorted(house.server_functions().items())


def test_every_server_function_answers_with_a_sentence(house: House, program: Program, treasure: Clip) -> None:
    assert len(functions_of(house)) >= 8
    for name, component in functions_of(house):
        good = {"jobs": [], "preview": "", "shelf": "own", "visitor": program.visitor}
        for value in VALUES:
            check(*program.call_part(component, name, value), (name, value))
            check(*program.call_part(component, name, {"visitor": value, "clip": treasure.id}), (name, value))
            check(*program.call_part(component, name, good | dict.fromkeys(KEYS, value)), (name, value))
        for value in FEW:
            for key in KEYS:
                status, text = program.call_part(component, name, {**good, key: value})
                check(status, text, (name, key, value))
                answer = json.loads(text)
                assert isinstance(answer, dict), (name, key)
                assert "error" not in answer or answer["error"].endswith("."), answer


def test_every_event_answers_with_a_sentence(house: House, program: Program, treasure: Clip) -> None:
    events = [(index, fn) for index, fn in house.page.fns.items() if fn.fn and fn.api_visibility != "public"]
    assert len(events) >= 12
    for index, fn in events:
        usual = [program.visitor, *(getattr(block, "value", None) for block in fn.inputs[1:])]
        for value in VALUES:
            check(*program.event(index, [value] * len(fn.inputs), {"clip": treasure.id}), (fn.name, value))
        for value in FEW:
            details = {"action": value, "seconds": value, "prompt": value, "drawn": value}
            for event_data in (value, {"clip": value, "action": "extend"}, {"clip": treasure.id, **details}):
                check(*program.event(index, usual, event_data), (fn.name, event_data))
    stop_all(house)


def test_a_press_draws_an_id_that_is_nobodys(house: House, program: Program, treasure: Clip) -> None:
    ((index, fn),) = [each for each in house.page.fns.items() if len(each[1].inputs) == 11 and each[1].fn]
    prompt, *form = [getattr(block, "value", None) for block in fn.inputs[2:]]
    assert not prompt
    visit = house.studio.visit(program.visitor)

    def told(pressed: Any) -> str:
        status, text = program.event(index, [program.visitor, pressed, "a cat", *form])
        check(status, text, pressed)
        return text

    # A path is refused by Gradio itself.
    bad = [value for value in VALUES if value not in (None, "0" * 32) and "/etc/passwd" not in str(value)]
    for pressed in (*({"drawn": value} for value in bad), *(value for value in VALUES if not isinstance(value, dict))):
        assert wording.BAD_CALL in told(pressed), str(pressed)[:200]
    assert "There is no job" in told({"drawn": treasure.id})
    assert not visit.outlook()
    assert not visit.clips()
    drawn = new_visitor()
    for _ in range(2):
        assert f'"job":"{drawn}"' in told({"drawn": drawn})
        visit.watch(drawn, 20)
    assert [clip.id for clip in visit.clips()] == [drawn]


def addresses_of(routes: Any, method: str = "GET") -> Iterator[str]:
    """Of every page and stream that can be fetched, or what else `method` does, Gradio's own included."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from addresses_of(route.original_router.routes, method)
        elif method in (getattr(route, "methods", None) or ()):
            yield route.path


def test_every_address_answers_with_a_sentence(house: House, program: Program) -> None:
    # These two never end, by design: each tells the page that the server lives.
    addresses = {a for a in addresses_of(house.page.app.routes) if "heartbeat" not in a and "dev/reload" not in a}
    assert len(addresses) > 30
    for address in sorted(addresses):
        for value in ("192", "1000000000", "..%2f..%2fetc%2fpasswd", "x" * 5000, "%00", "-1", "%F0%9F", "%ED%A0%BD"):
            asked = re.sub(r"\{[^}]*\}", value, address)
            status, text = program.ask(f"{asked}?session_hash={value}")
            assert status < 500, (asked[:200], text[:600])
            assert "Traceback" not in text, asked[:200]


def test_another_website_is_heard_at_no_address(house: House, program: Program) -> None:
    addresses = {re.sub(r"\{[^}]*\}", "0", address) for address in addresses_of(house.page.app.routes, "POST")}
    assert len(addresses) > 20
    for address in sorted(addresses):
        status, text = program.ask(address, {}, sec_fetch_site="cross-site")
        assert (status, json.loads(text)) == (403, {"detail": wording.OTHER_SITE}), address
    for method in ("PUT", "PATCH", "DELETE"):
        assert program.ask("/config", {}, method, sec_fetch_site="cross-site")[0] == 403
    # A link from elsewhere leads here as before.
    assert program.ask("/", sec_fetch_site="cross-site")[0] == 200


def test_too_much_is_not_even_read(house: House) -> None:
    most = 1.4 * house.studio.settings.max_upload_bytes + 2**20
    for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/clips.zip"):
        host, port = house.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as line:
            said = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {round(most) + 1}\r\n\r\n{{"
            line.sendall(said.encode())
            answer = b""
            while b"}" not in answer:
                answer += line.recv(4096)
        assert answer.startswith(b"HTTP/1.1 413"), path
        assert wording.too_much(most) in answer.decode()
    pieces = (b"[" * 2**20 for _ in range(100))  # of who does not say how much it will be
    answer = httpx.post(house.address + "/gradio_api/queue/join", content=pieces, timeout=60)
    assert answer.status_code >= 400


def test_a_full_disk_takes_no_files(open_house: Callable[..., House]) -> None:
    house = open_house(min_free_disk_bytes=10**18)
    answer = httpx.post(house.address + "/gradio_api/upload", files={"files": b"picture"})
    assert (answer.status_code, answer.json()) == (507, {"detail": wording.NO_ROOM_FOR_FILES})


def test_every_endpoint_answers_with_a_sentence(house: House, program: Program, treasure: Clip) -> None:
    described = house.page.get_api_info()["named_endpoints"]
    assert len(described) == 6
    for name, endpoint in described.items():
        parameters = [parameter["parameter_name"] for parameter in endpoint["parameters"]]
        good = {"prompt": "error", "clip": treasure.id, "visitor": program.visitor}
        known = {key: value for key, value in good.items() if key in parameters}
        if name == "/delete":
            known["clip"] = "0" * 32
        for parameter in parameters:
            for value in VALUES if parameter in ("prompt", "image", "clip", "visitor") else FEW:
                check(*program.endpoint(name.strip("/"), **{**known, parameter: value}), (name, parameter, value))


def test_no_message_makes_the_server_fetch_an_address(
    house: House, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    async def fetch(url: str, **_: object) -> None:
        fetched.append(url)
        raise OSError(f"{url} was fetched")

    monkeypatch.setattr("gradio.processing_utils.sh.get", fetch)
    for path in ("https://example.org/large.png", "http://127.0.0.1:1/large.png"):
        named = {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}}
        for name, arguments in (("generate", {"prompt": "a cat", "image": named}), ("clips", {"visitor": named})):
            status, text = program.endpoint(name, **arguments)
            assert wording.NOT_UPLOADED in text, (status, text)
        for fn_index in range(len(house.page.fns)):
            program.event(fn_index, [named] * 3, named)
    assert fetched == []


STRANGE = {
    "markup": "<script>window.__pwn=1</script><img src=x onerror=window.__pwn=2>",
    "templates": "{{7*7}} ${Object.assign(window,{__pwn:3})} {%raw%} [[rows]] {words.label}",
    "escape codes": ESCAPED,
    "right to left": "a \u202ecat\u202c سلام",
    "zero width": "a\u200b \u200dcat\ufeff",
    "lines": "one\ntwo\r\nthree\ttab",
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_words_are_shown_as_they_are(house: House, visit: Callable[..., Visitor], name: str) -> None:
    secret = new_visitor()
    clip = house.make(house.studio.visit(secret), STRANGE[name])
    house.studio.visit(secret).show(clip.id, True)
    visitor = visit(house.address, is_open=False)
    visitor.context.add_init_script(f"localStorage.setItem('flipbook.visitor', '{secret}')")
    visitor.open(house.address)
    shown = visitor.cards.first.locator(".fb-prompt")
    expect(shown).to_be_visible()
    assert shown.evaluate("node => node.textContent") == STRANGE[name]
    visitor.page.get_by_role("tab", name=wording.GALLERY_WORDS["showcase"]).click()
    card = visitor.page.locator(f".fb-shelf-showcase [data-clip='{clip.id}']")
    visitor.press(wording.ACTIONS["reuse"], card)
    expect(visitor.prompt).not_to_have_value("")
    visitor.press(wording.MAKE)
    visitor.expect_ready(2)
    assert (
        visitor.page.locator(".fb-result-prompt").evaluate("node => node.textContent").split() == STRANGE[name].split()
    )
    assert visitor.page.evaluate("window.__pwn") is None
    assert visitor.page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize(("prompt", "told"), [(LONG, "1000 characters at most"), (SURROGATE, "half of a pair")])
def test_words_that_cannot_be_used_are_refused_with_a_sentence(
    house: House, program: Program, prompt: str, told: str
) -> None:
    _, text = program.endpoint("generate", prompt=prompt, visitor=program.visitor)
    assert told in text
    assert len(text) < 1000


def stop_all(house: House) -> None:
    for job in house.library.jobs.unfinished():
        house.studio._queue.cancel(job.id)
