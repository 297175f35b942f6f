"""What a watcher holds open: a stream of server-sent events and a WebSocket, read until they are closed.

For the process of the people alone, where sockets wait without blocking the others.
"""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from wireroom.load.recorder import Recorder

_OPEN_SECONDS = 30.0
_SILENCE_SECONDS = 60.0
"""Longer than the pause between two signs of life, which is 15 to 20 s."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who holds something open."""

    environment: Any
    """Locust's, whose `events.request` is told how opening went."""
    base_url: str
    headers: dict[str, str]
    recorder: Recorder

    def tell(self, name: str, began: float, problem: Exception | None) -> None:
        """Count an opening, or an end that nobody wanted."""
        self.environment.events.request.fire(
            request_type="OPEN",
            name=name,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=0,
            exception=problem,
            context={},
        )


def read_stream(reader: Reader, path: str) -> None:
    """Open a stream of server-sent events and count its messages until we are killed."""
    began = time.perf_counter()
    name = f"OPEN {path.partition('?')[0]}"
    place = urlsplit(reader.base_url)
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=_SILENCE_SECONDS)
    try:
        connection.request("GET", path, headers={**reader.headers, "Accept": "text/event-stream"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"status {answer.status}")  # noqa: TRY301 - one place tells
        reader.tell(name, began, None)
        began = time.perf_counter()
        while line := answer.readline():
            reader.recorder.events += line.startswith(b"data:")
        raise http.client.HTTPException("the stream ended")  # noqa: TRY301 - as above
    except (OSError, http.client.HTTPException) as error:
        reader.tell(name, began, error)
    finally:
        connection.close()


def read_socket(reader: Reader, path: str) -> None:
    """Open a WebSocket and count its messages until we are killed."""
    began = time.perf_counter()
    name = f"OPEN {path.partition('?')[0]}"
    address = "ws" + reader.base_url.removeprefix("http") + path
    try:
        with connect(address, additional_headers=reader.headers, open_timeout=_OPEN_SECONDS) as socket:
            reader.tell(name, began, None)
            began = time.perf_counter()
            for _ in socket:
                reader.recorder.events += 1
        raise OSError("the WebSocket was closed")  # noqa: TRY301 - one place tells
    except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
        reader.tell(name, began, error)
