"""What a receiver of callbacks sees: against a real database, queue and HTTP server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from callback_receiver import Receiver, running_receiver
from wireroom.callbacks import outbox
from wireroom.callbacks.client import CallbackClient
from wireroom.callbacks.guard import Guard, read_rules
from wireroom.callbacks.lookups import Lookups
from wireroom.callbacks.queries import callback_state, list_callbacks
from wireroom.callbacks.reaction import Answered, NoAnswer
from wireroom.callbacks.sender import CallbackSender
from wireroom.callbacks.target import Address, read_target
from wireroom.clock import to_ms
from wireroom.errors import BadInput
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.embedded_worker import EmbeddedWorker
from wireroom.jobs.port import QueueSpec
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.clock import ManualClock
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
SECRET = "the-installations-secret"
PAYLOAD = {"success": True, "requestId": "r1", "output": "done — ✓", "exitCode": 0}
_CONVERSATION = """
    INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
    VALUES ('c', 'api', 'lane', 1, '/', 1, 1)
"""
_RUN = """
    INSERT INTO runs
        (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state, queued_at)
    VALUES ('run-1', 'r1', 'c', 'lane', 'api', 'x', 'demo', '/', 'running', 1)
"""


@dataclass
class Office:
    """A sender at work on a clock that stands still, and its database."""

    db: SqliteDatabase
    clock: ManualClock
    session: aiohttp.ClientSession
    guard: Guard
    max_attempts: int = 20
    names: dict[str, Sequence[str]] = field(default_factory=dict)
    """What names resolve to, beside what the system says."""
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        worker = EmbeddedWorker(self.db, [QueueSpec(outbox.QUEUE, 4)], self.clock)
        self.jobs = EmbeddedJobs(self.clock, worker)
        self.worker = worker
        sender = CallbackSender(
            client=self.client(),
            db=self.db,
            jobs=self.jobs,
            clock=self.clock,
            own_secret=SECRET,
            max_attempts=self.max_attempts,
            draw=lambda: 0.0,
        )
        self._task = asyncio.create_task(worker.run({outbox.KIND: sender.handle}))

    async def stop(self) -> None:
        """End as by a crash: what is under way is cut off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def client(self, *, rules: str | None = None, timeout_seconds: float = 5.0) -> CallbackClient:
        """Return the way out, under the office's rules or others."""
        guard = self.guard if rules is None else Guard(read_rules(rules.split()))
        return CallbackClient(self.session, guard, self.clock, self._resolve, timeout_seconds=timeout_seconds)

    async def write(self, unit: Callable[[Connection], Any]) -> Any:
        """Write a unit of work."""
        return await self.db.write(unit)

    async def open(self, url: str) -> int:
        """Open a callback of the run."""
        return int(await self.write(lambda conn: outbox.open_callback(conn, "run-1", url, self.now_ms)))

    async def fill(self) -> None:
        """End the run."""
        await self.write(lambda conn: outbox.fill_callback(conn, self.jobs, "run-1", PAYLOAD, self.now_ms))

    async def promise(self, url: str) -> int:
        """Open a callback and end its run."""
        callback_id = await self.open(url)
        await self.fill()
        return callback_id

    async def row(self) -> Any:
        """Return the newest callback's row."""
        query = text("SELECT * FROM callbacks ORDER BY id DESC LIMIT 1")
        return await self.db.read(lambda conn: conn.execute(query).one())

    async def becomes(self, state: str, attempts: int | None = None) -> Any:
        """Wait until the newest callback is in the state, after so many tries; return its row."""
        row: Any = None

        async def is_so() -> bool:
            nonlocal row
            row = await self.row()
            return bool(row.state == state and attempts in {None, row.attempts})

        await eventually(is_so, f"the callback is {state} after {attempts} tries", timeout_seconds=15)
        return row

    def pass_until(self, moment_ms: int) -> None:
        """Let the time pass."""
        self.clock.advance(timedelta(milliseconds=moment_ms - self.now_ms))
        self.worker.wake()

    @property
    def now_ms(self) -> int:
        """Return the time."""
        return to_ms(self.clock.now())

    async def _resolve(self, host: str, port: int) -> Sequence[Address]:
        if host in self.names:
            return [ip_address(one) for one in self.names[host]]
        lookups = Lookups()
        try:
            return await lookups.addresses(host, port)
        finally:
            await lookups.close()


@pytest.fixture
async def office(database_path: Path) -> AsyncIterator[Office]:
    """Lend a sender that may call this machine."""
    db = SqliteDatabase(database_path)
    async with aiohttp.ClientSession() as session:
        made = Office(db, ManualClock(), session, Guard(allow_loopback=True))
        await made.write(lambda conn: [conn.execute(text(sql)) for sql in (_CONVERSATION, _RUN)])
        made.start()
        yield made
        await made.stop()
        await db.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Lend a receiver."""
    async with running_receiver() as running:
        yield running


async def test_end_of_a_run_is_told_once(office: Office, receiver: Receiver) -> None:
    """The callback comes as the older runner sent it, with a signature and a key, and only after the end."""
    await office.open(f"{receiver.url}?secret=theirs&b=1")
    assert (await office.row()).state == "waiting"
    await office.fill()
    await office.fill()
    row = await office.becomes("sent", attempts=1)
    [got] = receiver.received
    assert got.path == "/cb?b=1"
    assert json.loads(got.body) == PAYLOAD
    assert got.headers["User-Agent"] == "cursor-runner/1.0"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["X-Webhook-Secret"] == got.headers["X-Cursor-Runner-Secret"] == "theirs"
    now = office.now_ms // 1000
    digest = hmac.new(b"theirs", f"{now}.".encode() + got.body, hashlib.sha256).hexdigest()
    assert got.headers["X-Wireroom-Signature"] == f"t={now},v1={digest}"
    assert (row.status_code, row.error, row.sent_at) == (200, None, office.now_ms)
    assert "theirs" not in row.url
    assert (row.payload, row.secret) == (None, None)


async def test_long_result_is_sent_whole(office: Office, receiver: Receiver) -> None:
    """Megabytes of output are sent with their length."""
    await office.open(receiver.url)
    payload = {"output": "é" * 3_000_000}
    await office.write(lambda conn: outbox.fill_callback(conn, office.jobs, "run-1", payload, office.now_ms))
    await office.becomes("sent", 1)
    [got] = receiver.received
    assert json.loads(got.body) == payload
    assert int(got.headers["Content-Length"]) == len(got.body)


async def test_receiver_that_was_down_for_ten_minutes_gets_it_once(office: Office) -> None:
    """While it is down the tries wait longer and longer; once it is back, the next one arrives."""
    port = closed_port()
    back_at = office.now_ms + 10 * 60 * 1000
    await office.promise(f"http://127.0.0.1:{port}/cb")
    tries = 1
    while (row := await office.becomes("pending", tries)).due_at < back_at:
        assert "cannot be reached" in row.error
        office.pass_until(row.due_at)
        tries += 1
    async with running_receiver(port) as back:
        office.pass_until(row.due_at)
        row = await office.becomes("sent")
        assert len(back.received) == 1
    assert (tries, row.attempts) == (9, 10)
    assert row.sent_at - back_at < 8 * 60 * 1000


async def test_every_try_has_the_same_key(office: Office, receiver: Receiver) -> None:
    """By its key a receiver knows a repetition; each try is signed with its own time."""
    receiver.answers.extend(
        [web.Response(status=503, headers={"Retry-After": "90"}), web.Response(status=500)]
    )
    await office.promise(receiver.url)
    for attempts, wait_ms in ((1, 90_000), (2, 4_000)):
        row = await office.becomes("pending", attempts)
        assert row.due_at - office.now_ms == wait_ms
        office.pass_until(row.due_at)
    await office.becomes("sent", 3)
    assert len({got.headers["Idempotency-Key"] for got in receiver.received}) == 1
    assert len({got.headers["X-Wireroom-Signature"] for got in receiver.received}) == 3


async def test_retry_after_may_be_a_date(office: Office, receiver: Receiver) -> None:
    """A receiver that names the moment is not tried before it."""
    moment = office.clock.now() + timedelta(minutes=3)
    headers = {"Retry-After": format_datetime(moment, usegmt=True)}
    receiver.answers.append(web.Response(status=429, headers=headers))
    await office.promise(receiver.url)
    assert (await office.becomes("pending", 1)).due_at == to_ms(moment)


async def test_no_log_tells_a_secret(office: Office, receiver: Receiver) -> None:
    """Delays and dead letters are logged without secrets, addresses or results."""
    receiver.answers.extend([web.Response(status=500), web.Response(status=410)])
    with capture_logs() as logs:
        await office.promise(f"{receiver.url}?secret=theirs&token=hidden")
        office.pass_until((await office.becomes("pending", 1)).due_at)
        await office.becomes("dead", 2)
        await eventually(lambda: len(logs) == 2, "both are logged")
    assert [one["event"] for one in logs] == ["callback_delayed", "callback_given_up"]
    for word in ("theirs", "hidden", SECRET, "done"):
        assert word not in str(logs)


async def test_crash_between_sending_and_recording_sends_it_again(office: Office, receiver: Receiver) -> None:
    """What was cut off is sent again after the start, counted, with the same key: at least once."""
    receiver.gate.clear()
    await office.promise(receiver.url)
    await eventually(lambda: receiver.received, "it has arrived")
    await office.stop()
    assert (await office.row()).state == "sending"
    receiver.gate.set()
    office.start()
    assert (await office.becomes("sent")).attempts == 2
    assert len(receiver.received) == 2
    assert len({got.headers["Idempotency-Key"] for got in receiver.received}) == 1


async def test_callback_outlives_a_restart(office: Office, receiver: Receiver) -> None:
    """What waits for its next try is tried by the next start, when it is due."""
    receiver.answers.append(web.Response(status=502))
    await office.promise(receiver.url)
    row = await office.becomes("pending", 1)
    await office.stop()
    office.start()
    office.pass_until(row.due_at)
    await office.becomes("sent", 2)


async def test_refused_callback_is_a_dead_letter_that_can_be_sent_again(
    office: Office, receiver: Receiver
) -> None:
    """A 410 is final; mended, the callback is sent with the key that it had; once sent nothing is dead."""
    receiver.answers.append(web.Response(status=410))
    callback_id = await office.promise(f"{receiver.url}?token=hidden")
    row = await office.becomes("dead", 1)
    assert (row.status_code, row.error) == (410, "The receiver refuses it: HTTP 410.")
    [view] = await office.db.read(lambda conn: list_callbacks(conn, state="dead"))
    assert (view.id, view.address, view.attempts) == (callback_id, receiver.url, 1)
    retried = await office.write(lambda conn: outbox.retry_all_dead(conn, office.jobs, office.now_ms))
    assert retried == 1
    assert (await office.becomes("sent", 1)).error is None
    assert len({got.headers["Idempotency-Key"] for got in receiver.received}) == 1
    assert not await office.write(
        lambda conn: outbox.retry_callback(conn, office.jobs, callback_id, office.now_ms)
    )
    assert not await office.write(lambda conn: outbox.discard_callback(conn, callback_id))


async def test_tries_that_are_used_up_make_a_dead_letter(office: Office, receiver: Receiver) -> None:
    """After the last try it is listed as dead with the last reason, and can be discarded."""
    await office.stop()
    office.max_attempts = 2
    office.start()
    receiver.answers.extend([web.Response(status=500), web.Response(status=500)])
    callback_id = await office.promise(receiver.url)
    office.pass_until((await office.becomes("pending", 1)).due_at)
    row = await office.becomes("dead", 2)
    assert row.error == "The receiver answered HTTP 500. That was try 2."
    assert await office.write(lambda conn: outbox.discard_callback(conn, callback_id))
    assert await office.db.read(lambda conn: callback_state(conn, callback_id)) == "discarded"


async def test_slow_receiver_holds_up_only_its_own(office: Office, receiver: Receiver) -> None:
    """Callbacks of one receiver go one at a time, those of another beside them."""
    receiver.gate.clear()
    async with running_receiver() as other:
        for url in [receiver.url] * 6 + [other.url]:
            await office.open(url)
        await office.fill()
        await eventually(lambda: other.received, "the other has its callback")
        assert len(receiver.received) == 1
        receiver.gate.set()
        await eventually(lambda: len(receiver.received) == 6, "the slow one has all of its own")
        await office.becomes("sent")


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        pytest.param("rebound.example", ["127.0.0.1"], id="name-of-this-machine"),
        pytest.param("mixed.example", ["8.8.8.8", "127.0.0.1"], id="one-of-its-addresses"),
        pytest.param("mapped.example", ["::ffff:127.0.0.1"], id="mapped"),
        pytest.param("unspecified.example", ["0.0.0.0"], id="unspecified"),  # noqa: S104 - to be refused
        pytest.param("meta.example", ["169.254.169.254"], id="metadata"),
    ],
)
async def test_host_that_is_not_allowed_gets_nothing(
    office: Office, receiver: Receiver, name: str, addresses: list[str]
) -> None:
    """Nothing is sent; the dead letter says which setting would allow it."""
    office.names[name] = addresses
    await office.promise(f"http://{name}:{receiver.port}/cb")
    row = await office.becomes("dead", 1)
    assert "WIREROOM_CALLBACK_HOSTS" in row.error
    assert receiver.received == []


async def test_name_is_looked_up_once(office: Office, receiver: Receiver) -> None:
    """The connection goes to the address that was judged, whatever the name means a moment later."""
    office.guard = Guard(read_rules(["127.0.0.2"]))
    answers = iter((["127.0.0.2"], ["127.0.0.1"]))

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return [ip_address(one) for one in next(answers)]

    client = CallbackClient(office.session, office.guard, office.clock, resolve)
    reply = await client.send(read_target(f"http://rebinds.example:{receiver.port}/"), b"{}", lambda _: {})
    assert isinstance(reply, NoAnswer)
    assert receiver.received == []
    assert next(answers) == ["127.0.0.1"]


async def test_name_is_sent_and_the_next_address_tried(office: Office, receiver: Receiver) -> None:
    """The receiver is addressed by its name; an address where nobody listens is passed over."""
    client = office.client(rules="app")
    office.names["app"] = ["127.0.0.2", "127.0.0.1"]
    target = read_target(f"http://app:{receiver.port}/a%2Fb?x=%20")
    assert await client.send(target, b"{}", lambda trusted: {"X-Trusted": str(trusted)}) == Answered(200)
    [got] = receiver.received
    assert (got.path, got.headers["Host"], got.headers["X-Trusted"]) == (
        "/a%2Fb?x=%20",
        f"app:{receiver.port}",
        "True",
    )


async def test_our_secret_is_not_sent_to_a_host_that_is_not_trusted(
    office: Office, receiver: Receiver
) -> None:
    """A host that is only half inside an allowed network gets a signature, and no secret."""
    await office.stop()
    office.guard = Guard(read_rules(["127.0.0.1"]))
    office.names["half.example"] = ["127.0.0.1", "8.8.8.8"]
    office.start()
    await office.promise(f"http://half.example:{receiver.port}/cb")
    await office.becomes("sent")
    [got] = receiver.received
    assert SECRET not in str(got.headers)
    assert "X-Webhook-Secret" not in got.headers
    assert "X-Wireroom-Signature" in got.headers


async def test_our_secret_is_sent_to_this_machine(office: Office, receiver: Receiver) -> None:
    """An older receiver beside us that knows only the shared secret still gets it."""
    await office.promise(receiver.url)
    await office.becomes("sent")
    assert receiver.received[0].headers["X-Webhook-Secret"] == SECRET


async def test_redirect_is_not_followed(office: Office, receiver: Receiver) -> None:
    """A redirect leads to an address that nobody judged: it is a failed try."""
    async with running_receiver() as inside:
        receiver.answers.append(web.Response(status=307, headers={"Location": inside.url}))
        await office.promise(receiver.url)
        row = await office.becomes("pending", 1)
        assert (row.status_code, inside.received) == (307, [])


async def test_tls_is_asked_for_by_the_name(office: Office) -> None:
    """The certificate is checked against the name, though the connection goes to an address."""
    hello = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        office.names["hooks.example"] = ["127.0.0.1"]
        client = office.client(rules="hooks.example")
        reply = await client.send(read_target(f"https://hooks.example:{port}/"), b"{}", lambda _: {})
        assert isinstance(reply, NoAnswer)
        assert b"hooks.example" in await hello


async def test_receiver_that_never_answers_is_given_up_in_time(office: Office, receiver: Receiver) -> None:
    """A try has a bound, from the look-up to the answer."""
    receiver.gate.clear()
    client = office.client(timeout_seconds=0.2)
    reply = await client.send(read_target(receiver.url), b"{}", lambda _: {})
    assert reply == NoAnswer(f"http://127.0.0.1:{receiver.port} did not answer within 0.2 s.")


async def test_long_answer_is_not_read_to_its_end(office: Office, receiver: Receiver) -> None:
    """What counts is the status; the receiver's words are neither kept nor read beyond a bound."""
    receiver.answers.append(web.Response(status=200, body=b"x" * 5_000_000))
    await office.promise(receiver.url)
    await office.becomes("sent", 1)


async def test_answer_that_never_ends_counts_by_its_status(office: Office) -> None:
    """Once the status is there, the rest of the answer may break off."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(
            b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\nRetry-After: " + b"9" * 400 + b"\r\n\r\nx"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        target = read_target(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        reply = await office.client().send(target, b"{}", lambda _: {})
    assert reply == Answered(201, float("inf"))


async def test_voice_agent_is_called_only_if_wanted(office: Office) -> None:
    """Its callbacks are not opened while the setting is off."""
    url = "http://elevenlabs-agent:3004/callback"
    assert await office.write(lambda conn: outbox.open_callback(conn, "run-1", url, 1)) is None
    opened = await office.write(lambda conn: outbox.open_callback(conn, "run-1", url, 1, elevenlabs=True))
    assert opened is not None


async def test_address_that_cannot_be_meant_opens_nothing(office: Office) -> None:
    """The request that names it is refused as a whole."""
    with pytest.raises(BadInput):
        await office.open("ftp://example.com/")
    assert await office.db.read(list_callbacks) == []


async def test_unexpected_error_again_and_again_makes_a_dead_letter(office: Office) -> None:
    """What nobody foresaw is tried a few times, then set aside with its error."""
    await office.stop()
    callback_id = await office.promise("http://app:3000/cb")
    sql = text("UPDATE callbacks SET url = 'nonsense', attempts = 3 WHERE id = :id")
    await office.write(lambda conn: conn.execute(sql, {"id": callback_id}) and None)
    office.start()

    async def is_dead() -> bool:
        office.pass_until(office.now_ms + 1000)
        return bool((await office.row()).state == "dead")

    await eventually(is_dead, "it is a dead letter", timeout_seconds=15)
    row = await office.row()
    assert row.attempts == 5
    assert row.error.startswith("BadInput: callbackUrl must begin with")


async def test_job_without_a_callback_ends(office: Office) -> None:
    """A callback that was sent, or is not there, is nothing to do."""
    await office.write(lambda conn: office.jobs.enqueue(conn, queue=outbox.QUEUE, kind=outbox.KIND, ref="99"))

    async def is_over() -> bool:
        return await office.db.read(lambda conn: not office.jobs.is_pending(conn, kind=outbox.KIND, ref="99"))

    await eventually(is_over, "the job has ended")


def closed_port() -> int:
    """Return a port of the loopback where nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])
