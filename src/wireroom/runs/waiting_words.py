"""What a placeholder says of a request that waits. Pure."""

from __future__ import annotations

TELLING = "🕐 Telling the agent at work …"
TOLD = "↪️ The agent at work was told; its answer stands above."
WORKING = "⏳ Working …"


def in_line(ahead: int, *, collected: int = 0) -> str:
    """Return where a request stands, such as "🕐 3 messages collected, number 1 in line".

    Args:
        ahead: Requests of the same lane that come before, at least 1.
        collected: Messages that it has taken in, its own included; 0 for one that takes in none.
    """
    place = f"number {ahead} in line"
    if not collected:
        return f"🕐 Queued, {place}"
    return f"🕐 {collected} message{'' if collected == 1 else 's'} collected, {place}"
