"""An app that sends many photos and reads all replies, in a process of its own, so that its memory can be measured.

    python chaos_app.py '{"url": ..., "requests": ..., "samples": ..., "photos": FOLDER}'

Each time that nothing is in flight any more it prints how many were answered, and goes on at a line of input. At the
end it prints what became of all. What it knows of a request is one byte.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from songlens import AsyncClient, QueueFull

IN_FLIGHT = 400
SUBMITTING = 8
"""Tasks."""
AWAITED = 50
"""One in so many is awaited by its handle; all are read from the reply channel."""
SMALL: dict[str, Any] = {"top_k": 1, "images_k": 1, "songs_per_image": 1, "timeout_s": 600}


class App:
    """Sends photos and counts replies."""

    def __init__(self, url: str, requests: int, samples: int, photos: list[bytes]) -> None:
        self._url = url
        self._requests = requests
        self._samples = samples
        self._photos = photos
        self._sent = 0
        self._answered = 0
        self._answers = bytearray(requests)
        self._failed: set[str] = set()

    async def run(self) -> None:
        """Send all, in as many parts as there are samples."""
        async with AsyncClient(self._url, name="soak") as client:
            reading = asyncio.create_task(self._read(client))
            for number in range(1, self._samples + 1):
                goal = number * self._requests // self._samples
                async with asyncio.TaskGroup() as group:
                    for _ in range(SUBMITTING):
                        group.create_task(self._send(client, goal))
                while self._answered < goal and not reading.done():
                    await asyncio.sleep(0.01)
                print(goal, flush=True)
                await asyncio.to_thread(sys.stdin.readline)
            await reading

    def account(self) -> dict[str, Any]:
        """Return what became of all requests."""
        once = self._answers.count(1)
        lost = self._answers.count(0)
        return {"lost": lost, "answered_twice": self._requests - once - lost, "failed": sorted(self._failed)}

    async def _send(self, client: AsyncClient, goal: int) -> None:
        while self._sent < goal:
            if self._sent - self._answered >= IN_FLIGHT:
                await asyncio.sleep(0.002)
                continue
            number, self._sent = self._sent, self._sent + 1
            await self._send_one(client, number)

    async def _send_one(self, client: AsyncClient, number: int) -> None:
        while True:
            try:
                handle = await client.submit(self._photos[number % len(self._photos)], id=f"r{number}", **SMALL)
                break
            except QueueFull:
                await asyncio.sleep(0.05)
        if number % AWAITED == 0:
            assert (await handle).songs

    async def _read(self, client: AsyncClient) -> None:
        async for received in client.replies(quiet_s=30):
            if received.reply.error is not None:
                self._failed.add(received.reply.error.code)
            self._answers[int(received.id[1:])] += 1
            self._answered += 1
            if self._answered == self._requests:
                return


def main(given: dict[str, Any]) -> None:
    """Run the app, and print its account as one line of JSON."""
    photos = [path.read_bytes() for path in sorted(Path(given["photos"]).iterdir())]
    app = App(given["url"], given["requests"], given["samples"], photos)
    asyncio.run(app.run())
    print(json.dumps(app.account()), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
