"""Ports for programs that are told where to listen before they run."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 15_000, 32_000
"""Below those that Linux gives to outgoing connections, which could take one before its program listens."""
_draw = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """Return a port that nobody uses just now, another one at each call.

    Raises:
        OSError: of a hundred none was free.
    """
    for _ in range(100):
        port = _draw.randrange(_FIRST, _LAST)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise OSError(f"no port is free between {_FIRST} and {_LAST}")
