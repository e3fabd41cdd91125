"""One clip in two processes that share its tokens, over loopback: the same frames, one Stop, and a lost companion.

Without GPUs they speak gloo in the place of NCCL; what splits the work is diffusers' own code either way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.tiny.checkpoints import save

ROOT = Path(__file__).resolve().parents[2]
# diffusers counts devices before it splits, and torch counts none where there is only a processor.
ONE_DEVICE = "import torch\ntorch.accelerator.device_count = lambda: 1\n"
# In a process of its own, which joins the other and leaves it again.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from studio.domain import Stopped, VideoRequest
from studio.engine.catalog import Catalog
from studio.engine.parallel import ParallelPipeline
from studio.engine.pipeline import VideoPipeline

def make(pipeline, name, order="go on", steps=2):
    card = pipeline.catalog.card(name)
    seen = []
    request = VideoRequest("a red ball", aspect_ratio="1:1", seconds=0.7, seed=5, num_inference_steps=steps, model=name,
                           guidance_scale=card.default_guidance, sound=card.has_sound)
    picture = np.full((32, 32, 3), 90, np.uint8) if card.can_begin_with_picture else None
    orders = lambda: order if any(progress.step for progress in seen) else "go on"
    latents = pipeline.denoise(request, seen.append, orders, picture)
    return latents.picture.float().numpy(), latents.steps_done

if __name__ == "__main__":
    catalog = Catalog.with_own(tuple(sys.argv[1:]))
    names = [card.name for card in catalog.rows][-len(sys.argv[1:]):]
    own = Path("assets/pocket"), "cpu", catalog
    alone, together = VideoPipeline(*own), ParallelPipeline(2, *own)
    told = {}
    for name in names:
        one, both = make(alone, name)[0], make(together, name)[0]
        told[name] = [float(abs(one - both).max()), float(abs(one).max())]
    try:
        make(together, names[-1], "stop")
    except Stopped:
        told["stopped"] = True
    told["kept"] = make(together, names[-1], "keep", steps=4)[1]
    together._processes[0].kill()
    try:
        make(together, names[-1])
    except Exception as error:
        told["lost"] = type(error).__name__
    told["again"] = make(together, names[-1])[1]
    together.close()
    print(json.dumps(told))
"""


def test_two_processes_make_the_clip_of_one(tmp_path: Path) -> None:
    folders = [save("tiny-wan-2.1", tmp_path)]
    (tmp_path / "sitecustomize.py").write_text(ONE_DEVICE)
    (own_tmp := tmp_path / "tmp").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, folders)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(own_tmp),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    off, largest = told["tiny-wan-2.1"]
    assert off <= 0.01 * largest, f"it is another clip: off by {off} of {largest}"
    assert told["stopped"]
    assert told["kept"] == 1
    assert told["lost"], "a companion that ended is an error, not an endless wait"
    assert told["again"] == 2, "and the next clip has a new one"
    assert not list(own_tmp.glob("flipbook-*")), "where they met is left behind"
