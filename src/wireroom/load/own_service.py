"""The service that a measurement starts for itself: on loopback, its data folder removed at the end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from wireroom.errors import WireroomError
from wireroom.load.telegram_side import TOKEN

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOG_TAIL = 2_000
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
# What names state or strangers: a measurement must never find its way to somebody's real data or bot.
_NOT_PASSED_ON = frozenset({"WIREROOM_DATABASE_URL", "WIREROOM_DATA_DIR", "WIREROOM_BACKEND"})
_USUAL = {
    "LOG_LEVEL": "warning",
    "WIREROOM_RUN_SLOTS": "50",
    "WIREROOM_QUEUE_LIMIT": "100000",
    "WIREROOM_MESSAGES_PER_SECOND": "10000",
    "WIREROOM_CHAT_MESSAGES_PER_SECOND": "20",
    "WIREROOM_IDENTITY_REQUESTS_PER_MINUTE": "0",
    "WIREROOM_ADDRESS_REQUESTS_PER_MINUTE": "0",
}
"""Fifty agents at once; no limits of Telegram's, nor of ours by caller: everybody comes from one address."""


@dataclass(frozen=True, slots=True)
class OwnService:
    """A service that runs."""

    url: str
    pid: int
    data_dir: Path


class _Greeting(msgspec.Struct):
    url: str
    pid: int


def settings_of(
    environment: Mapping[str, str],
    data_dir: Path,
    *,
    telegram_url: str,
    webhook_secret: str,
    api_secret: str,
    people: range,
) -> dict[str, str]:
    """Return the environment of the service: tuning is taken from ours, places and secrets are not. Pure.

    Args:
        environment: Ours. `WIREROOM_*` variables pass, so that a setting can be measured.
        data_dir: Where the service keeps everything.
        telegram_url: The Bot API server of the measurement.
        webhook_secret: What updates carry.
        api_secret: What programs carry.
        people: Ids of those who may talk to the bot.
    """
    tuning = {
        name: value
        for name, value in environment.items()
        if name in _PASSED_ON or (name.startswith("WIREROOM_") and name not in _NOT_PASSED_ON)
    }
    return {
        **_USUAL,
        **tuning,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "WIREROOM_DATA_DIR": str(data_dir),
        "WIREROOM_DRAIN_SECONDS": "0",
        "WIREROOM_ALLOWED_USERS": ",".join(str(number) for number in people),
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": telegram_url,
        # Set, so that nobody polls; the people push their updates themselves.
        "TELEGRAM_WEBHOOK_BASE_URL": "http://127.0.0.1:1",
        "TELEGRAM_WEBHOOK_SECRET": webhook_secret,
        "WEBHOOK_SECRET": api_secret,
    }


@asynccontextmanager
async def own_service(
    beside: Path, *, telegram_url: str, webhook_secret: str, api_secret: str, people: range
) -> AsyncIterator[OwnService]:
    """Lend a service that listens; its data lie on the disk of `beside`: the system's folder may be memory.

    Raises:
        WireroomError: it does not start; the message has the end of its log.
    """
    await asyncio.to_thread(beside.mkdir, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=beside, prefix=".wireroom-load-", ignore_cleanup_errors=True) as folder:
        data_dir, log = Path(folder) / "data", Path(folder) / "service.log"
        environment = settings_of(
            os.environ,
            data_dir,
            telegram_url=telegram_url,
            webhook_secret=webhook_secret,
            api_secret=api_secret,
            people=people,
        )
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wireroom.testing.scripted_service", str(Path(folder) / "agent")),
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
            )
        try:
            greeting = await _greeting(process, log)
            yield OwnService(greeting.url, greeting.pid, data_dir)
        finally:
            await end(process, _STOP_SECONDS)


async def end(process: asyncio.subprocess.Process, seconds: float) -> None:
    """End a process of ours: SIGTERM, and SIGKILL when it has not ended in time."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()


async def log_tail(log: Path) -> str:
    """Return the end of a log."""
    text = await asyncio.to_thread(log.read_text, errors="replace")
    return text[-_LOG_TAIL:]


async def _greeting(process: asyncio.subprocess.Process, log: Path) -> _Greeting:
    if process.stdout is None:
        raise AssertionError("the pipe was asked for")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
    except TimeoutError as error:
        raise WireroomError(f"The service did not listen within {_START_SECONDS:g} s.") from error
    if not line:
        raise WireroomError(f"The service to be measured did not start:\n{await log_tail(log)}")
    return msgspec.json.decode(line, type=_Greeting)
