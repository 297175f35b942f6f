"""A process that stands for election: prints `leads` and `over` at the beginning and the end of each term."""

from __future__ import annotations

import asyncio
import signal
import sys

from wireroom.store.leader import Leader


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def _term() -> None:
    _say("leads")
    try:
        await asyncio.Event().wait()
    finally:
        _say("over")


async def _main(url: str) -> None:
    running = asyncio.create_task(Leader(url).run(_term))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.gather(running, return_exceptions=True)


asyncio.run(_main(sys.argv[1]))
