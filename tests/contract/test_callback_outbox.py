"""Callbacks on both databases and both job engines: sent, given up, sent again; results that come in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Connection, text

from callback_receiver import running_receiver
from contract.job_engines import Engine, open_engine
from wireroom.callbacks import outbox
from wireroom.callbacks.client import CallbackClient
from wireroom.callbacks.guard import Guard
from wireroom.callbacks.inbox import Received, accept_callback, find_result, forget_results
from wireroom.callbacks.queries import count_callbacks, list_callbacks
from wireroom.callbacks.sender import CallbackSender
from wireroom.callbacks.target import Address
from wireroom.clock import SystemClock
from wireroom.jobs.port import QueueSpec
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
_ROWS = (
    """INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
       VALUES ('c', 'api', 'lane', 1, '/', 1, 1)""",
    """INSERT INTO runs
           (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state, queued_at)
       VALUES ('run-1', 'r1', 'c', 'lane', 'api', 'x', 'demo', '/', 'running', 1)""",
)


def _add_run(conn: Connection) -> None:
    for statement in _ROWS:
        conn.execute(text(statement))


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend each kind of engine in turn, with a run that works."""
    queues = [QueueSpec(outbox.QUEUE, 4)]
    async with open_engine(url, queues) as opened:
        await opened.db.write(_add_run)
        yield opened


async def nowhere(host: str, port: int) -> Sequence[Address]:
    """Find no name: the receiver is called by its address."""
    raise OSError(f"there is no {host}:{port}")


async def test_callback_goes_its_whole_way(engine: Engine) -> None:
    """Opened, filled, refused, listed as dead, sent again, sent: each step on this engine."""
    db, jobs = engine.db, engine.jobs
    async with running_receiver() as receiver, aiohttp.ClientSession() as session:
        sender = CallbackSender(
            client=CallbackClient(session, Guard(allow_loopback=True), SystemClock(), nowhere),
            db=db,
            jobs=jobs,
            clock=SystemClock(),
            own_secret="ours",
            max_attempts=3,
            draw=lambda: 0.0,
        )
        engine.start({outbox.KIND: sender.handle})
        receiver.answers.append(web.Response(status=410))
        await db.write(lambda conn: outbox.open_callback(conn, "run-1", f"{receiver.url}?secret=s", 1))
        await db.write(lambda conn: outbox.fill_callback(conn, jobs, "run-1", {"success": True}, 2))

        async def has(state: str) -> bool:
            return await db.read(lambda conn: count_callbacks(conn, state=state)) == 1

        await eventually(lambda: has("dead"), "it is dead", timeout_seconds=20)
        assert await db.write(lambda conn: outbox.retry_all_dead(conn, jobs, 3)) == 1
        await eventually(lambda: has("sent"), "it is sent", timeout_seconds=20)
        [view] = await db.read(list_callbacks)
        assert (view.attempts, view.status_code, view.error) == (1, 200, None)
        assert [got.body for got in receiver.received] == [b'{"success":true}'] * 2


async def test_try_that_fails_is_tried_again(engine: Engine) -> None:
    """A try is counted when it begins; noting why it failed makes it pending, closing it ends it.

    One that did not count is taken back.
    """
    db = engine.db
    callback_id = await db.write(lambda conn: outbox.open_callback(conn, "run-1", "http://a.example/", 1))
    assert callback_id is not None
    assert await db.write(lambda conn: outbox.begin_try(conn, callback_id)) is None
    await db.write(lambda conn: outbox.fill_callback(conn, engine.jobs, "run-1", {}, 2))
    for attempts in (1, 2):
        current = await db.write(lambda conn: outbox.begin_try(conn, callback_id))
        assert current is not None
        assert (current.attempts, current.idempotency_key) == (attempts, f"callback-{callback_id}-1")
        await db.write(lambda conn: outbox.delay(conn, callback_id, "gone", 503, 9))
        [view] = await db.read(list_callbacks)
        assert (view.state, view.error, view.status_code, view.due_at) == ("pending", "gone", 503, 9)
    await db.write(lambda conn: outbox.begin_try(conn, callback_id))
    await db.write(lambda conn: outbox.delay(conn, callback_id, "held", None, 9, counts=False))
    [view] = await db.read(list_callbacks)
    assert (view.state, view.attempts) == ("pending", 2)
    await db.write(lambda conn: outbox.begin_try(conn, callback_id))
    await db.write(lambda conn: outbox.close_dead(conn, callback_id, "no more", None))
    assert await db.write(lambda conn: outbox.begin_try(conn, callback_id)) is None
    assert await db.write(lambda conn: outbox.discard_callback(conn, callback_id))


async def test_result_of_a_remote_runner_is_kept_once(engine: Engine) -> None:
    """The first one is kept, whoever is woken is woken once, and it is dropped by its age."""
    woken: list[str] = []

    def accept(conn: Connection) -> Received:
        return accept_callback(conn, "run-1", {"output": "é"}, 5, publish=woken.append)

    assert [await engine.db.write(accept) for _ in range(2)] == [Received.STORED, Received.REPEATED]
    assert await engine.db.read(lambda conn: find_result(conn, "run-1")) == {"output": "é"}
    await eventually(lambda: woken == ["remote:run-1"], "its reader is woken")
    assert await engine.db.write(lambda conn: forget_results(conn, 6)) == 1
