"""`python -m wireroom.testing.bot_api`: the server as a program, with its control API.

Prints one line of JSON when it listens, {"url": str, "token": str, "pid": int}; SIGTERM or SIGINT ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence

from wireroom.testing.bot_api.server import DEFAULT_TOKEN, BotAPIServer


async def _serve(port: int, token: str, *, enforce_flood: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with BotAPIServer(token, port=port, enforce_flood=enforce_flood, control=True) as server:
        sys.stdout.write(json.dumps({"url": server.url, "token": token, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(argv: Sequence[str] | None = None) -> None:
    """Read the arguments and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m wireroom.testing.bot_api", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 lets the system choose")
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the bot token that is accepted")
    parser.add_argument("--enforce-flood", action="store_true", help="answer 429 beyond Telegram's limits")
    given = parser.parse_args(argv)
    asyncio.run(_serve(given.port, given.token, enforce_flood=given.enforce_flood))


if __name__ == "__main__":
    main()
