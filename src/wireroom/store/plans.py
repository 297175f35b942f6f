"""Looks up the plans of statements that figures are asked for, so that reports can say what they walk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from wireroom.errors import StoreUnavailable
from wireroom.perf.sql import keep_plan, texts_without_plan
from wireroom.store import watched
from wireroom.store.database import Database, driver


async def look_up_plans(db: Database, shapes: Iterable[str]) -> None:
    """Have the figures of these shapes tell their plans; those that have none stay without."""
    for shape, sql in texts_without_plan(shapes).items():
        with contextlib.suppress(StoreUnavailable, DBAPIError):
            keep_plan(shape, await db.read(partial(_plan_of, sql=sql)))


def _plan_of(conn: Connection, sql: str) -> str:
    if conn.dialect.name == "sqlite":
        return watched.plan_of(driver(conn), sql)
    # psycopg is an extra of the package: only an installation on PostgreSQL has it.
    from wireroom.store.postgres_statements import plan_of  # noqa: PLC0415 - see above

    return plan_of(conn, sql)
