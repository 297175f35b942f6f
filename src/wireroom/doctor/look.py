"""One look at everything: each part in bounded time, the slow ones at once, told in a fixed order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from wireroom.doctor import bots, installation, neighbours, speech
from wireroom.doctor.findings import Finding
from wireroom.settings import Settings
from wireroom.store.database import Database

LONGEST_SECONDS = 20.0
"""For one part; what takes longer is a finding itself."""


async def look_around(
    settings: Settings,
    environment: Mapping[str, str],
    longest_seconds: float = LONGEST_SECONDS,
    *,
    db: Database | None = None,
) -> list[Finding]:
    """Look at all parts of the installation; nothing is changed, and nothing raises.

    Args:
        settings: The installation's.
        environment: Ours; the coding agent's program is looked for on its PATH.
        longest_seconds: See `LONGEST_SECONDS`.
        db: The database of the service that looks at itself: a file has one owner.
    """

    def in_thread(look: Callable[[], Finding | Iterable[Finding]]) -> Awaitable[list[Finding]]:
        return asyncio.to_thread(lambda: _listed(look()))

    async def redis() -> list[Finding]:
        return [await neighbours.look_at_redis(settings)]

    looks: dict[str, Awaitable[list[Finding]]] = {
        "SQLite": in_thread(installation.look_at_sqlite_library),
        "Data folder": in_thread(lambda: installation.look_at_data_folder(settings)),
        "Database": in_thread(lambda: installation.look_at_database(settings)),
        "Redis": redis(),
        "Coding agent": in_thread(lambda: neighbours.look_at_agent(settings, environment)),
        "Secrets": in_thread(lambda: installation.look_at_secrets(settings)),
        "MCP servers": in_thread(lambda: installation.look_at_mcp_servers(settings)),
        "Telegram": neighbours.look_at_telegram(settings),
        "Bots": bots.look_at_bots(settings, db),
        "Speech": in_thread(lambda: speech.look_at_speech(settings)),
        "Address": in_thread(lambda: installation.look_at_address(settings)),
    }
    bounded = (_bounded(subject, look, longest_seconds) for subject, look in looks.items())
    return [finding for found in await asyncio.gather(*bounded) for finding in found]


async def _bounded(subject: str, look: Awaitable[list[Finding]], longest_seconds: float) -> list[Finding]:
    try:
        async with asyncio.timeout(longest_seconds):
            return await look
    except TimeoutError:
        text = f"gave no answer within {longest_seconds:g} s"
        return [Finding(subject, False, text, mend="look again; the machine or the network may be slow")]
    except OSError as error:
        return [Finding(subject, False, f"could not be looked at: {error}")]


def _listed(found: Finding | Iterable[Finding]) -> list[Finding]:
    return [found] if isinstance(found, Finding) else list(found)
