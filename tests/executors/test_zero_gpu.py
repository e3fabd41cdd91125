"""The ZeroGPU executor with Hugging Face's real package `spaces` and a small server in the place of the GPUs' own.

There is no GPU here, so what runs in the forked process draws its frames; all the rest is as in a Space.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlparse

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKEN = ".".join(["e30", base64.urlsafe_b64encode(b'{"user": "ann"}').decode().rstrip("="), "signature"])

# In a process of its own, as `spaces` changes gradio when it is imported. Without torch it leaves CUDA alone.
SCRIPT = """
import json, os, sys, time
from pathlib import Path
sys.modules["torch"] = None
import spaces
del sys.modules["torch"]
import gradio as gr
from gradio.context import LocalContext
from studio.domain import Progress, Stopped, StudioError, Task, VideoRequest
from studio.executors.routing import RoutingExecutor
from studio.executors.zero_gpu import ZeroExecutor
from tests.drawing import DrawingExecutor

class Mortal(DrawingExecutor):
    def run(self, task, report, orders):
        if "breaks off" in task.request.prompt:
            os._exit(1)
        if "slowly" in task.request.prompt:
            report(Progress("loading"))
            time.sleep(5)
        return super().run(task, report, orders)

folder = Path(sys.argv[1])
processor, gpu = DrawingExecutor(), Mortal()
lent = ZeroExecutor(gpu, spaces.GPU, lambda request: request.seconds)
executor = RoutingExecutor(processor, {"large": lent})
LocalContext.request.set(gr.Request(headers={"x-ip-token": sys.argv[2]}))

def run(prompt, model, seconds=10.0, order="go on"):
    seen = []
    name = folder / prompt.replace(" ", "-")
    files = (name.with_suffix(suffix) for suffix in (".mp4", ".jpg", ".latents"))
    task = Task("a" * 32, VideoRequest(prompt, model=model, seconds=seconds), *files)
    try:
        made = executor.run(task, seen.append, lambda: order if seen else "go on")
        end = made.steps_done
    except (Stopped, StudioError, ZeroDivisionError) as error:
        end = f"{type(error).__name__}: {error}"
    found = [prompt, end, bool(seen), task.target.exists(), len(gpu.started), len(processor.started)]
    print(json.dumps(found), flush=True)

run("on the processor", "pocket")
run("on a gpu", "large")
run("hold until stopped", "large", order="stop")
run("hold until kept", "large", order="keep")
run("rule", "large")
run("bug", "large")
run("too long", "large", seconds=1000.0)
run("breaks off", "large")
run("after that", "large")
run("and after that", "large")
run("slowly loaded", "large")
run("next", "large")
"""


class Lender(ThreadingHTTPServer):
    """Lends a GPU to everybody who asks for 200 seconds at most, and writes down who asked."""

    asked: list[dict[str, str]]
    released: int


@pytest.fixture
def lender() -> Iterator[Lender]:
    class Handler(BaseHTTPRequestHandler):
        server: Lender

        def do_POST(self) -> None:
            url = urlparse(self.path)
            values: object = {}
            status = 200
            if url.path == "/schedule":
                query = {name: found[0] for name, found in parse_qs(url.query).items()}
                self.server.asked.append(query)
                values = {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "allowed"}
                if int(query["durationSeconds"]) > 200:
                    status, values = 429, {"left": 100, "wait": 60}
            self.server.released += url.path == "/release"
            content = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = Lender(("127.0.0.1", 0), Handler)
    server.asked, server.released = [], 0
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_needs_a_gpu_borrows_one_and_pocket_does_not(lender: Lender, tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/here\n")
    environ = {
        "SPACES_ZERO_GPU": "1",
        "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{lender.server_port}",
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(tmp_path / "cgroup"),
    }
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), TOKEN],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    told = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[")]
    assert ran.returncode == 0, ran.stderr
    found = {prompt: rest for prompt, *rest in told}
    # How it ended, whether progress was seen, whether the file is there, and who ran it in this process.
    assert found["on the processor"] == [3, True, True, 0, 1]
    assert found["on a gpu"][0] == 3
    assert found["on a gpu"][2:] == [True, 0, 1], "it was made in another process"
    assert found["hold until stopped"][:3] == ["Stopped: ", True, False]
    assert found["hold until kept"][:3] == [1, True, True]
    assert found["rule"][0] == "StudioError: The rule is this; the value was that."
    assert found["bug"][0].startswith("ZeroDivisionError: ")
    assert found["too long"][0].startswith("StudioError: No GPU made this clip: ")
    assert "quota" in found["too long"][0]
    assert "It had 17 s of one; the next try asks for 34 s." in found["breaks off"][0]
    assert found["after that"][0] == found["and after that"][0] == 3
    assert [query.get("token") for query in lender.asked] == [TOKEN] * 11, "the visitor's own share is used"
    asked_s = [int(query["durationSeconds"]) for query in lender.asked]
    assert asked_s[0] >= 17, "10 s are expected, a fifth and 5 s are added"
    assert asked_s[-5:-2] == [asked_s[0], 2 * asked_s[0], asked_s[0]], "more after what was too short, until it does"
    assert asked_s[-2:] == [asked_s[0], asked_s[0] + 6], "each process brings the model onto its GPU anew"
    assert lender.released == 10
