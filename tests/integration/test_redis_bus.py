"""News between processes: who hears what, and who is told that something may have been missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis_fixtures import PATIENT, listening, running_bus, running_pool

from wireroom.errors import BadInput
from wireroom.redis.bus import MAX_MESSAGE_BYTES, Bus
from wireroom.redis.client import PoolRule
from wireroom.testing.eventually import eventually
from wireroom.testing.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.timeout(120)


@dataclass
class RecordingReplica:
    """What one process heard of a channel."""

    messages: list[bytes] = field(default_factory=list)
    gaps: int = 0

    def listen(self, bus: Bus, channel: str = "cache") -> None:
        """Begin to hear."""
        bus.subscribe(channel, self.messages.append, self._gap)

    def _gap(self) -> None:
        self.gaps += 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Lend a server of this test's own."""
    with running_redis(tmp_path) as running:
        yield running


async def test_message_reaches_the_others_and_not_oneself(server: RedisServer) -> None:
    """Every other process on the channel hears a message, once and in order; the sender does not."""
    here, there, elsewhere = RecordingReplica(), RecordingReplica(), RecordingReplica()
    async with (
        running_pool(server.url) as pool,
        running_pool(server.url) as other,
        running_bus(pool) as bus,
        running_bus(other) as far,
    ):
        here.listen(bus)
        there.listen(far)
        elsewhere.listen(far, "settings")
        for n in range(100):
            assert await bus.publish("cache", b"%d" % n)
        await eventually(lambda: len(there.messages) == 100, "all messages")
        await far.publish("cache", b"back")
        await eventually(lambda: here.messages, "the answer")

    assert there.messages == [b"%d" % n for n in range(100)]
    assert here.messages == [b"back"]
    assert elsewhere.messages == []


async def test_databases_are_apart(server: RedisServer) -> None:
    """Another installation on another database of the server hears nothing of ours."""
    ours, theirs = RecordingReplica(), RecordingReplica()
    second = server.url.replace("/0", "/1")
    async with (
        running_pool(server.url) as one,
        running_pool(server.url) as two,
        running_pool(second) as three,
        running_bus(one) as sender,
        running_bus(two) as near,
        running_bus(three) as far,
    ):
        ours.listen(near)
        theirs.listen(far)
        await sender.publish("cache", b"x")
        await eventually(lambda: ours.messages, "the message")

    assert theirs.messages == []


async def test_listener_is_told_that_it_may_have_missed_something(server: RedisServer) -> None:
    """The beginning is a gap, and so is each outage; after it messages come again, without a hand stirred."""
    replica = RecordingReplica()
    async with running_pool(server.url) as pool, running_pool(server.url) as other:
        bus = Bus(other, heartbeat_seconds=30)
        replica.listen(bus)
        async with running_bus(pool) as sender, listening(bus):
            assert replica.gaps == 1
            for outage in (1, 2):
                server.stop()
                await eventually(lambda: not bus.is_hearing, "the loss is noticed")
                server.start()
                await eventually(lambda: bus.is_hearing, "it listens again")
                assert replica.gaps >= outage + 1
                await eventually(lambda: pool.is_up, "the sender is back")
                replica.messages.clear()
                await eventually(lambda: sender.publish("cache", b"after"), "it can send")
                await eventually(lambda: replica.messages == [b"after"], "messages again")


async def test_what_could_not_be_sent_becomes_a_gap(server: RedisServer) -> None:
    """A sender that is cut off cannot tell; when it is back, the others are told to believe nothing.

    The others' own connections were never lost, so they could not know by themselves.
    """
    replica = RecordingReplica()
    async with running_pool(server.url) as cut_off, running_pool(server.url) as other:
        bus = Bus(other)
        replica.listen(bus)
        async with running_bus(cut_off) as sender, listening(bus):
            gaps = replica.gaps
            cut_off._note_down(cut_off._breaker.probe_failed("the cable is out"))
            assert not await sender.publish("cache", b"never sent")
            await eventually(lambda: replica.gaps > gaps, "the gap is told")
            assert await sender.publish("cache", b"sent")
            await eventually(lambda: replica.messages == [b"sent"], "messages again")


async def test_silent_connection_is_given_up(server: RedisServer) -> None:
    """A listener whose server hangs notices by the heartbeat, and is told of a gap afterwards."""
    replica = RecordingReplica()
    rule = PoolRule(connections=4, connect_seconds=5, command_seconds=0.5, retries=0)
    async with running_pool(server.url, rule) as pool:
        await eventually(lambda: pool.is_up, "it is found")
        bus = Bus(pool, heartbeat_seconds=0.05)
        replica.listen(bus)
        async with listening(bus):
            server.freeze()
            await eventually(lambda: not bus.is_hearing, "the silence is noticed")
            gaps = replica.gaps
            server.thaw()
            await eventually(lambda: bus.is_hearing, "it listens again")
            assert replica.gaps > gaps


async def test_failing_subscriber_does_not_deafen_the_others(server: RedisServer) -> None:
    """An error of one handler is logged, words of strangers are dropped; the others hear the messages."""
    replica, left = RecordingReplica(), RecordingReplica()

    def fail(message: bytes) -> None:
        raise ValueError(message)

    async with (
        running_pool(server.url) as pool,
        running_pool(server.url) as other,
        running_bus(pool) as sender,
        running_bus(other) as bus,
    ):
        bus.subscribe("cache", fail, lambda: None)
        replica.listen(bus)
        leave = bus.subscribe("cache", left.messages.append, lambda: None)
        leave()
        for channel, data in (("cache", "x"), ("cache", "12345678?odd"), ("ünrelated", "")):
            server.command("PUBLISH", f"wireroom:news:0:{channel}", data)
        await sender.publish("cache", b"one")
        await sender.publish("cache", b"two")
        await eventually(lambda: replica.messages == [b"one", b"two"], "both messages")

    assert left.messages == []


async def test_message_is_bounded(server: RedisServer) -> None:
    """A message beyond the limit is the caller's error, told before anything is sent."""
    async with running_pool(server.url, PATIENT) as pool:
        bus = Bus(pool)
        with pytest.raises(BadInput):
            await bus.publish("cache", b"x" * (MAX_MESSAGE_BYTES + 1))
