"""A TCP proxy that is a bad network: slow, silent, or broken. Knows nothing of what passes through."""

from __future__ import annotations

import asyncio
import contextlib
from threading import Event, Thread
from typing import Literal

Weather = Literal["fine", "slow", "silent", "broken"]
CHUNK_BYTES = 4096


class Proxy:
    """Listens on a port of its own in a thread of its own; the weather may be changed at any time."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._weather: Weather = "fine"
        self._bytes_per_s = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._is_open = Event()
        self._thread = Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        self._is_open.wait()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def be(self, weather: Weather, bytes_per_s: int = 0) -> None:
        """`broken` cuts what is connected and takes nobody in; `silent` takes everybody in and passes nothing on."""
        self._weather, self._bytes_per_s = weather, bytes_per_s
        if weather == "broken":
            self._loop.call_soon_threadsafe(self._cut)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._is_open.set()
        self._loop.run_forever()
        server.close()
        self._cut()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._weather == "broken":
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers |= {writer, there_writer}
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            for end in (writer, there_writer):
                self._writers.discard(end)
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                while self._weather == "silent":
                    await asyncio.sleep(0.05)
                if self._weather == "slow":
                    await asyncio.sleep(len(data) / self._bytes_per_s)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
