"""Viewers of the live pages for `python -m tests.bench hub`: many streams and batch readers in one process, asyncio.

Run as a process of its own, so that its work is no part of the hub's: `python -m tests.bench.hub_viewers PORT COOKIE
STREAMS BATCHES`. It prints a line of JSON a second and, at the end of its input, all that it saw.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence

PATIENCE_S = 60.0


MARK = re.compile(rb'"(mark-[0-9-]+)"')
LONGEST_MARK = 32


class Stream(asyncio.Protocol):
    """One stream, read as cheaply as Python can: 300 of them must not be what is measured."""

    def __init__(self, viewers: Viewers, head: bytes) -> None:
        self._viewers, self._head = viewers, head
        self._kept = b""
        self._had: set[bytes] = set()
        self._is_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self._is_begun:
            self._is_begun, is_let_in = True, b" 200 " in data[:15]
            self._viewers.streaming += is_let_in
            self._viewers.refused += not is_let_in
        text = self._kept + data
        self._kept = text[-LONGEST_MARK:]
        if b"mark-" in text:
            for mark in set(MARK.findall(text)) - self._had:
                self._had.add(mark)
                self._viewers.seen.setdefault(mark.decode(), []).append(now)


class Viewers:
    """`seen`: for each event that names a mark, when each stream had it, seconds of this machine's clock."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port, self._cookie = port, cookie
        self.seen: dict[str, list[float]] = {}
        self.streaming = self.refused = self.batches = self.batch_bytes = 0

    async def _open(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {self._cookie}\r\n\r\n".encode())
        await writer.drain()
        return reader, writer

    async def stream(self) -> None:
        loop = asyncio.get_running_loop()
        head = f"GET /live/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {self._cookie}\r\n\r\n".encode()
        line, _ = await loop.create_connection(lambda: Stream(self, head), "127.0.0.1", self._port)
        try:
            await asyncio.Event().wait()
        finally:
            line.close()

    async def batch(self) -> None:
        """Asks for the new pictures once a beat, as the page's script does."""
        beat = 0
        while True:
            began = time.monotonic()
            reader, writer = await self._open(f"/live/stills?since={beat}")
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " in head.partition(b"\r\n")[0]:
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(size)
                beat = json.loads(body.partition(b"\n")[0])["beat"]
                self.batches += 1
                self.batch_bytes += size
            writer.close()
            await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - began)))


async def run(port: int, cookie: str, streams: int, batches: int) -> None:
    viewers = Viewers(port, cookie)
    tasks = [asyncio.create_task(viewers.stream()) for _ in range(streams)]
    tasks += [asyncio.create_task(viewers.batch()) for _ in range(batches)]
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not ended.done():
        told = {"streaming": viewers.streaming, "refused": viewers.refused, "batches": viewers.batches}
        print(json.dumps(told), flush=True)
        await asyncio.wait([ended], timeout=1.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(
        json.dumps({"seen": viewers.seen, "batch_bytes": viewers.batch_bytes, "batches": viewers.batches}), flush=True
    )


def main(argv: Sequence[str]) -> int:
    port, cookie, streams, batches = argv
    asyncio.run(run(int(port), cookie, int(streams), int(batches)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
