"""A process that writes under load until it is killed: `python store_writer_child.py DATABASE`.

Each unit writes two rows that belong together; once acknowledged, its number is printed.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert

from wireroom.store.schema import audit
from wireroom.store.sqlite import SqliteDatabase

_WRITERS = 50


async def main(path: Path) -> None:
    """Write for ever."""
    db = SqliteDatabase(path)
    numbers = itertools.count()

    def unit(conn: Connection, number: int) -> None:
        for half in ("first", "second"):
            conn.execute(insert(audit).values(created_at=number, who="w", action=half, subject=str(number)))

    async def write_for_ever() -> None:
        while True:
            number = next(numbers)
            await db.write(partial(unit, number=number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    await asyncio.gather(*(write_for_ever() for _ in range(_WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
