"""Makes the codes that let people talk to the bot."""

from __future__ import annotations

from datetime import timedelta

from wireroom.clock import Clock, to_ms
from wireroom.intake.access import pairing_code
from wireroom.intake.people import new_code, pairing_purpose
from wireroom.store.database import Database

LIFETIME = timedelta(hours=1)


async def new_pairing_code(db: Database, clock: Clock, draw: bytes, added_bot_id: int | None = None) -> str:
    """Store a fresh code made of the random bytes, and return it; it lets one person in, within the hour.

    It does so with the bot of the settings, or with the added one that is given, and with no other.
    """
    purpose = pairing_purpose(added_bot_id)
    code = pairing_code(draw)
    now_ms = to_ms(clock.now())
    lifetime_ms = int(LIFETIME.total_seconds() * 1000)
    await db.write(lambda conn: new_code(conn, purpose, code, now_ms=now_ms, lifetime_ms=lifetime_ms))
    return code
