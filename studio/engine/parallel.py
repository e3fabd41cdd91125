"""One clip over several GPUs: the same run in as many processes, each with a part of every clip's tokens.

diffusers' context parallelism splits the transformer's tokens and swaps attention heads between the GPUs (Ulysses, in
its form for any number of tokens and heads); each process holds all of the weights. The first process is the one that
owns the pipeline. The others are its companions: `python -m studio.engine.parallel <socket>`. They draw the same noise
from the same seed, and hear at each report what the visitor wants, so that all stop at the same step.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from studio.domain import ModelCard, Order, Orders, Progress, Report, Stopped, VideoRequest
from studio.engine.catalog import Catalog
from studio.engine.latents import Latents
from studio.engine.pipeline import VideoPipeline

ROOT = Path(__file__).resolve().parents[2]
# A companion that died is noticed after this long; the longest step of the largest model takes less.
SILENT_S = 300.0
PR_SET_PDEATHSIG = 1  # of Linux's prctl


def is_split(card: ModelCard) -> bool:
    """Whether several GPUs share the work on this model's clips. Pocket would only get slower."""
    # All that was seen to work: Wan from words. diffusers 0.42's plan for LTX-2 is that of LTX-1 and knows nothing of
    # sound, which has been reported there; Wan 2.2 broke off, between processors, and why is not known.
    return card.pipeline == "WanPipeline" and not card.can_begin_with_picture


class _Part(VideoPipeline):
    """The pipeline of one of the processes, which have joined already when it loads a model that is split."""

    ranks = 1

    def load(self, model: str = "pocket") -> None:
        card = self.catalog.card(model)
        is_new = self._card != card
        super().load(model)
        if is_new and is_split(card):
            from diffusers import ContextParallelConfig  # slow to import, so only where a model is already loaded

            config = ContextParallelConfig(ulysses_degree=self.ranks, ulysses_anything=True)
            self._pipe.transformer.enable_parallelism(config=config)


class ParallelPipeline(_Part):
    """As VideoPipeline, over `ranks` GPUs of this machine; what can't be split runs on the first of them."""

    def __init__(self, ranks: int, pocket_dir: Path, device: str, catalog: Catalog):
        super().__init__(pocket_dir, device, catalog)
        self.ranks = ranks
        self._links: list[Connection] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._meeting: tempfile.TemporaryDirectory[str] | None = None

    def load(self, model: str = "pocket") -> None:
        card = self.catalog.card(model)
        if self._card == card or not is_split(card):
            super().load(model)
            return
        if not self._links:
            self._gather()
        self._send("load", model)
        with self._in_step():
            super().load(model)

    @property
    def gpus(self) -> int:
        return self.ranks if self._card is not None and is_split(self._card) else 1

    def unload(self) -> None:
        if self._card is not None and is_split(self._card):
            self._send("unload")
        super().unload()

    def denoise(self, request: VideoRequest, report: Report, orders: Orders, *given: Any, **named: Any) -> Latents:
        if not is_split(self.catalog.card(request.model)):
            return super().denoise(request, report, orders, *given, **named)
        self.load(request.model)
        told: Order = "go on"

        def tell(progress: Progress) -> None:
            nonlocal told
            report(progress)
            told = orders()
            for link in self._links:
                link.send(told)

        self._send("denoise", request, *given, **named)
        with self._in_step():
            return super().denoise(request, tell, lambda: told, *given, **named)

    @contextmanager
    def _in_step(self) -> Iterator[None]:
        try:
            yield
        except Stopped:
            raise
        except BaseException:
            # The others wait for what will not come; nothing but a new start brings all back in step.
            self.close()
            raise

    def close(self) -> None:
        """End the companions; the next clip that is split starts them again."""
        import torch  # slow to import, so only where a model is already loaded

        super().unload()
        for process in self._processes:
            process.kill()
            process.wait()
        for link in self._links:
            link.close()
        self._links, self._processes = [], []
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        if self._meeting is not None:
            self._meeting.cleanup()
            self._meeting = None

    def _gather(self) -> None:
        """Start the companions and join them, by way of a file, since a port would be open to the network."""
        self._meeting = tempfile.TemporaryDirectory(prefix="flipbook-")
        meeting = Path(self._meeting.name) / "ranks"
        for rank in range(1, self.ranks):
            ours, theirs = socket.socketpair()
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-m", "studio.engine.parallel", str(theirs.fileno())],
                    env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
                    pass_fds=[theirs.fileno()],
                )
            link = Connection(ours.detach())
            link.send((rank, self.ranks, meeting, self.pocket_dir, self.wanted_device, self.catalog))
            self._links.append(link)
            self._processes.append(process)
        _join(0, self.ranks, meeting)

    def _send(self, method: str, *given: Any, **named: Any) -> None:
        """Have the companions call the same method of theirs."""
        for link in self._links:
            link.send((method, given, named))


def _join(rank: int, ranks: int, meeting: Path) -> None:
    """Become one of several processes that compute together; returns when all are there."""
    import torch  # slow to import, so it waits until a model is wanted

    # All are on this machine, so nothing of it needs to be reached from another.
    os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    has_gpus = torch.cuda.is_available()
    if has_gpus:
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(
        "nccl" if has_gpus else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=ranks,
        timeout=timedelta(seconds=SILENT_S),
    )


def main() -> None:
    # A companion whose owner was killed may sit in a computation that waits for it, and would hold its GPU meanwhile.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    link = Connection(int(sys.argv[1]))
    rank, ranks, meeting, *own = link.recv()
    _join(rank, ranks, meeting)
    part = _Part(*own)
    part.ranks = ranks
    with suppress(EOFError):
        while True:
            method, given, named = link.recv()
            if method == "denoise":
                _follow(part, link.recv, *given, **named)
            else:
                getattr(part, method)(*given)


def _follow(part: _Part, hear: Callable[[], Order], request: VideoRequest, *given: Any, **named: Any) -> None:
    said: Order = "go on"

    def report(_: Progress) -> None:
        nonlocal said
        said = hear()

    with suppress(Stopped):
        part.denoise(request, report, lambda: said, *given, **named)


if __name__ == "__main__":
    main()
