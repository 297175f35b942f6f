"""The least that a durable webhook can be, as the yardstick of the real one: read, decode, insert, answer.

No secret, no order, no jobs, nobody handles what is stored. Run as `python -m bench.bare_process`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from sqlalchemy import Connection
from starlette.types import Receive, Scope, Send

from wireroom.app.web_server import WebServer, bind
from wireroom.perf.gc_tuning import spare_the_collector
from wireroom.store.database import driver
from wireroom.store.migrate import ensure_schema
from wireroom.store.sqlite import SqliteDatabase

_INSERT = "INSERT INTO bare (update_id, payload) VALUES (?, ?) ON CONFLICT DO NOTHING"
_TABLE = "CREATE TABLE bare (id INTEGER PRIMARY KEY, update_id INTEGER UNIQUE, payload TEXT)"


class _Update(msgspec.Struct):
    update_id: int


_decode = msgspec.json.Decoder(_Update).decode


class _Bare:
    """The smallest ASGI application that stores before it answers."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Store the body, then answer."""
        del scope
        body = (await receive())["body"]
        update_id = _decode(body).update_id
        await self._db.write(lambda conn: _insert(conn, update_id, body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"OK"})


def _insert(conn: Connection, update_id: int, body: bytes) -> Any:
    return driver(conn).execute(_INSERT, (update_id, body.decode()))


async def _serve(path: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ensure_schema(f"sqlite:///{path}")
    db = SqliteDatabase(path)
    await db.write(lambda conn: driver(conn).execute(_TABLE))
    listener = bind("127.0.0.1", 0)
    server = WebServer(_Bare(db), listener)
    serving = asyncio.create_task(server.run(), name="http")
    spare_the_collector()
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.stop()
    await serving
    await db.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Path(sys.argv[1])))
