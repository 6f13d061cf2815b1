"""Viewers of the live pages for `python -m tests.bench hub`: many streams and batch readers in one process, asyncio.

Run as a process of its own, so that its work is no part of the hub's: `python -m tests.bench.hub_viewers PORT COOKIE
STREAMS BATCHES`. It prints a line of JSON a second and, at the end of its input, all that it saw.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence

PATIENCE_S = 60.0


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
        reader, writer = await self._open("/live/stream")
        try:
            status = await reader.readline()
            if b" 200 " not in status:
                self.refused += 1
                return
            self.streaming += 1
            while line := await reader.readline():
                if not line.startswith(b"data: ") or b"mark-" not in line:
                    continue
                now = time.time()
                for word in set(line.split(b'"')):
                    if word.startswith(b"mark-"):
                        self.seen.setdefault(word.decode(), []).append(now)
        finally:
            writer.close()

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
