"""Good and hostile requests to all that can be called, many at once: each is answered by a result or a sentence."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from studio.ui import wording
from tests.soak.report import Row, row
from tests.soak.server import ONCE, QUICK, Server

PATIENCE_S = 600.0
# What names a limit of ours, as in "The queue holds 50 waiting clips at most".
LIMIT = re.compile(r"\d+ .*at most")
TRACES = ("Traceback (most recent", '.py", line', "site-packages")
BAD: list[Any] = [
    None, True, -1, 10**30, 1e308, float("nan"), float("inf"), "", " ", "0" * 32, "../../etc/passwd", "/etc/passwd",
    "a\0b", "' OR 1=1 --", "{{7*7}}", "<script>alert(1)</script>", "\u202eevil", "a \ud83d cat", "x" * 50_000, [],
    [[]], ["0" * 32] * 500, {}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, {"$gt": 1},
]  # fmt: skip
FIELDS = (
    "prompt", "image", "aspect_ratio", "seconds", "seed", "num_inference_steps", "guidance_scale", "negative_prompt",
    "sound", "model", "visitor", "unknown",
)  # fmt: skip
KEYS = ("jobs", "job", "clip", "before", "preview", "path", "keep", "yes", "seconds", "prompt", "action", "visitor")
PATHS = (
    "/", "/config", "/health", "/gradio_api/info", "/gradio_api/queue/status", "/gradio_api/file=/etc/passwd",
    "/gradio_api/file=../../flipbook.db", "/gradio_api/file=%2e%2e%2f%2e%2e%2fetc/passwd", "/nothing/here",
    "/gradio_api/call/generate/ffff", "/gradio_api/upload", "/gradio_api/call/v2/generate", "/gradio_api/queue/join",
    "/gradio_api/component_server/", "/%00", "/static/../../app.py", "/" + "x" * 9000,
)  # fmt: skip


def run(folder: Path, count: int, at_once: int, seed: int) -> list[Row]:
    server = Server(folder / "hostile", {"MAX_QUEUED": "20"})
    try:
        server.start()
        server.call("generate", prompt="a ghost at sea", seed=1, **QUICK)
        caller = _Caller(server)
        server.server_functions()
        kinds = [
            caller.good_clip,
            caller.good_look,
            caller.bad_clip,
            caller.bad_part,
            caller.bad_event,
            caller.bad_http,
        ]
        dice = random.Random(seed)
        asked = dice.choices(kinds, (6, 34, 18, 18, 12, 12), k=count)
        with ThreadPoolExecutor(at_once) as pool:
            verdicts = list(pool.map(_guarded, asked, [random.Random(dice.random()) for _ in asked]))
        server.wait_until(server.is_idle)
        kind, _ = server.call("generate", prompt="a ghost in the end", seed=2, **QUICK)
        alive = [] if kind == "complete" else ["no clip could be made afterwards"]
        server.stop()
    finally:
        server.close()
    wrong = [f"{ask.__name__}: {verdict}" for ask, verdict in zip(asked, verdicts, strict=True) if verdict]
    counts = ", ".join(
        f"{number} {name.replace('_', ' ')}" for name, number in Counter(a.__name__ for a in asked).items()
    )
    said = caller.good
    return [
        row("requests", f"{count}, {at_once} at a time: {counts}", wrong + alive, "each a result or one sentence"),
        row(
            "good ones among them",
            f"{sum(said.values())} clips",
            caller.refused,
            f"{said['done']} made, {said['limit']} refused by a named limit",
        ),
        row("the log of that", *_logged(server.log_path, caller.wordless)),
    ]


def _guarded(ask: Callable[[random.Random], str], dice: random.Random) -> str:
    """What is wrong with the answer; empty when nothing is."""
    try:
        return ask(dice)
    except httpx.HTTPError as error:
        return f"no answer from {error.request.method} {error.request.url.path} ({type(error).__name__}: {error})"


def _logged(log_path: Path, wordless: int) -> tuple[str, list[str], str]:
    """What was tried, what is wrong and what is fine with the log: lines that are none, and errors of our own code."""
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    events, wrong = [], []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:
            wrong.append(f"not one event: {line[:200]}")
    errors = [event for event in events if "error" in event]
    ours = [f"{event['error']} at {event['where']}" for event in errors if event["where"].startswith("studio/")]
    fine = f"each is one event; {len(errors)} errors of Gradio's own, {wordless} of its refusals without a word"
    return f"{len(lines)} lines", wrong + ours, fine


class _Caller:
    """Each method asks one thing of the server and says what is wrong with the answer, or nothing."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.good: Counter[str] = Counter()
        self.refused: list[str] = []
        self._http = httpx.Client(base_url=server.address, timeout=PATIENCE_S, trust_env=False, headers=ONCE)
        self.wordless = 0

    def good_clip(self, dice: random.Random) -> str:
        kind, value = self.server.call("generate", prompt="a ghost at sea", seed=dice.randrange(10**6), **QUICK)
        sentence = _sentence_in(value)
        if kind == "complete" or LIMIT.search(sentence):
            self.good["done" if kind == "complete" else "limit"] += 1
        else:
            self.refused.append(f"{kind}: {value}")
        return ""

    def good_look(self, dice: random.Random) -> str:
        look = dice.choice(("poll", "list", "models", "clips", "health", "page"))
        if look == "poll":
            answer: Any = self.server.part("poll_jobs", jobs=[], preview="")
            return "" if "jobs" in answer else f"poll_jobs said {answer}"
        if look == "list":
            answer = self.server.part("list_clips")
            return "" if isinstance(answer, dict) and "error" not in answer else f"list_clips said {str(answer)[:300]}"
        if look in ("models", "clips"):
            kind, value = self.server.call(look)
            return "" if kind == "complete" else f"/{look} said {value}"
        status, text = self._ask("GET", "/health" if look == "health" else "/")
        return "" if status == 200 else f"{look} answered {status}: {text[:200]}"

    def bad_clip(self, dice: random.Random) -> str:
        values = {"prompt": "a ghost at sea", **QUICK, dice.choice(FIELDS): dice.choice(BAD)}
        endpoint = dice.choice(("generate", "generate", "regenerate", "extend", "clips"))
        if endpoint != "generate":
            values = {dice.choice(("clip", "seed", "seconds", "limit", "visitor")): dice.choice(BAD)}
        status, text = self._ask("POST", f"/gradio_api/call/v2/{endpoint}", _json(values))
        if status != 200:
            return _judge(status, text)
        kind, value = self.server.outcome(endpoint, json.loads(text)["event_id"])
        return "" if kind == "complete" else self._judge_refusal(value)

    def bad_part(self, dice: random.Random) -> str:
        name = dice.choice([*self.server.server_functions(), "no_such_function", "__init__", "postprocess"])
        data = {dice.choice(KEYS): dice.choice(BAD) for _ in range(dice.randrange(4))}
        body = {
            "session_hash": uuid.uuid4().hex,
            "component_id": self.server.server_functions().get(name, dice.choice((1, 53, 10**9, -1))),
            "fn_name": name,
            "data": data if dice.random() < 0.7 else dice.choice(BAD),
        }
        status, text = self._ask("POST", "/gradio_api/component_server/", _json(body))
        if status == 200 and (error := (json.loads(text) or {}).get("error") if text.startswith("{") else None):
            return _judge_error({"error": error})
        return _judge(status, text)

    def bad_event(self, dice: random.Random) -> str:
        session = uuid.uuid4().hex
        body = {
            "data": [dice.choice(BAD) for _ in range(dice.randrange(12))],
            "event_data": dice.choice(BAD),
            "fn_index": dice.randrange(40),
            "trigger_id": None,
            "session_hash": session,
        }
        status, text = self._ask("POST", "/gradio_api/queue/join", _json(body))
        if status != 200:
            return _judge(status, text)
        with self._http.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as answer:
            for line in answer.iter_lines():
                told = json.loads(line[6:]) if line.startswith("data: ") else {}
                if told.get("msg") == "process_completed":
                    return "" if told["success"] else self._judge_refusal(told["output"])
                if told.get("msg") in ("unexpected_error", "close_stream"):
                    return "" if told["msg"] == "close_stream" else _judge_error({"error": told.get("message")})
        return ""

    def _judge_refusal(self, value: Any) -> str:
        # What does not even have a widget's type is refused by Gradio, which keeps its reasons for itself.
        is_wordless = value == {"error": None}
        self.wordless += is_wordless
        return "" if is_wordless else _judge_error(value)

    def bad_http(self, dice: random.Random) -> str:
        method = dice.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"))
        path = dice.choice(PATHS)
        if method == "GET" and path.endswith(("queue/data",)):
            return ""
        content = dice.choice(
            (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"data":' + b"[" * 5000, b"9" * 5000, b"{}" * 500)
        )
        status, text = self._ask(method, path, content)
        if "root:" in text or "SQLite format" in text:
            return f"{path} gave away a file"
        return _judge(status, text)

    def _ask(self, method: str, path: str, content: bytes | None = None) -> tuple[int, str]:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        answer = self._http.request(method, path, content=content, headers=headers)
        return answer.status_code, answer.text


def _json(value: Any) -> bytes:
    # Not httpx's own JSON, which refuses to send what is no JSON.
    return json.dumps(value).encode()


def _judge(status: int, text: str) -> str:
    if any(trace in text for trace in TRACES):
        return f"{status} with a traceback: {text[:300]}"
    if status >= 500 and not _sentence_in(_parsed(text)).endswith("."):
        return f"{status} without a sentence: {text[:300]}"
    return ""


def _judge_error(value: Any) -> str:
    sentence = _sentence_in(value)
    if not sentence.endswith(".") or "\n" in sentence or any(trace in sentence for trace in TRACES):
        return f"an error without a sentence: {str(value)[:300]}"
    return "the sentence for what nobody foresaw" if sentence == wording.UNEXPECTED else ""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sentence_in(value: Any) -> str:
    """What an answer says, wherever Gradio or FastAPI put it."""
    return str(value.get("error") or value.get("detail") or "") if isinstance(value, dict) else str(value or "")
