"""A reader of a live stream that keeps what a browser keeps, and comes back where it was cut."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import msgspec

Client = aiohttp.ClientSession
_MESSAGE = re.compile(r"id: (?P<id>.*)\n(?:event: (?P<event>.*)\n)?data: (?P<data>.*)\n\n")


class Listener:
    """A reader that keeps what a browser keeps: whole messages, and the id of the last one."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path
        self.last_id = ""
        self.heard: list[Any] = []
        self.connections = 0

    async def listen(self, *, most_bytes: int = 1 << 30) -> int:
        """Read until the stream ends or the bytes are used up; a cut message is dropped."""
        self.connections += 1
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        async with self._client.get(self._path, headers=headers) as response:
            buffer, left = b"", most_bytes
            while left and (piece := await response.content.read(min(512, left))):
                left -= len(piece)
                buffer = self._take(buffer + piece)
            response.close()
            return response.status

    def _take(self, buffer: bytes) -> bytes:
        """Take the whole messages and return the rest."""
        whole, end, rest = buffer.rpartition(b"\n\n")
        for found in _MESSAGE.finditer((whole + end).decode()):
            self.last_id = found["id"]
            self.heard.append(msgspec.json.decode(found["data"]))
        return rest

    def lines(self) -> list[Any]:
        """Return the lines of all logs that the chat's stream brought."""
        return [dict(line) for news in self.heard for line in news["events"]]
