"""Makes the codes that let people talk to the bot."""

from __future__ import annotations

from datetime import timedelta

from wireroom.clock import Clock, to_ms
from wireroom.intake.access import pairing_code
from wireroom.intake.people import new_code
from wireroom.store.database import Database

LIFETIME = timedelta(hours=1)


async def new_pairing_code(db: Database, clock: Clock, draw: bytes) -> str:
    """Store a fresh code made of the random bytes, and return it; it lets one person in, within the hour."""
    code = pairing_code(draw)
    now_ms = to_ms(clock.now())
    lifetime_ms = int(LIFETIME.total_seconds() * 1000)
    await db.write(lambda conn: new_code(conn, "pairing", code, now_ms=now_ms, lifetime_ms=lifetime_ms))
    return code
