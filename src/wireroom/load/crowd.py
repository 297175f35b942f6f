"""Starts the process of the people and reads what it tells."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from wireroom.errors import WireroomError
from wireroom.load.own_service import end, log_tail
from wireroom.load.samples import Plan, Second

_LONGEST_LINE = 64 * 1024 * 1024
_SPARE_SECONDS = 90.0
"""Beyond the plan's own time: starting Python and Locust, and ending what is under way."""
_STOP_SECONDS = 5.0


async def play(
    plan: Plan, log: Path, *, on_start: Callable[[int], None], on_second: Callable[[Second], object]
) -> None:
    """Have the people act out the plan, and return when they have left.

    Args:
        plan: What they do.
        log: Where Locust writes what it has to say.
        on_start: Told the number of their process.
        on_second: Told each second.

    Raises:
        WireroomError: their process failed, or did not end in time.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wireroom.load.locust_program"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            limit=_LONGEST_LINE,
        )
    try:
        on_start(process.pid)
        async with asyncio.timeout(plan.extent.seconds + _SPARE_SECONDS):
            await _converse(process, plan, on_second)
            code = await process.wait()
    except TimeoutError as error:
        raise WireroomError(f"The people did not leave within {_SPARE_SECONDS:g} s.") from error
    finally:
        await end(process, _STOP_SECONDS)
    if code != 0:
        raise WireroomError(f"The process of the people ended with {code}:\n{await log_tail(log)}")


async def _converse(
    process: asyncio.subprocess.Process, plan: Plan, on_second: Callable[[Second], object]
) -> None:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("the pipes were asked for")
    process.stdin.write(msgspec.json.encode(plan))
    await process.stdin.drain()
    process.stdin.close()
    decode = msgspec.json.Decoder(Second).decode
    while line := await process.stdout.readline():
        on_second(decode(line))
