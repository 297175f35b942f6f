"""What tasks, descriptors and memory are called, and when somebody is told of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import pytest

from wireroom.perf.growth import Limit
from wireroom.perf.memory import MemoryAlarm, count_objects, growers, resident_bytes
from wireroom.perf.resource_watch import LIMITS, LOOKS, Look, ResourceWatch, in_words
from wireroom.perf.tasks import count_descriptors, count_tasks, kind_of, kind_of_link

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("name", "kind"),
    [("log run-17", "log …"), ("agent 4711 stdout", "agent … stdout"), ("jobs:beat:runs", "jobs:beat:runs")],
)
def test_task_kind_leaves_out_what_tells_tasks_apart(name: str, kind: str) -> None:
    """Ids and numbers in a task's name do not make a kind of their own."""
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        ("/data/wireroom.sqlite3", "file"),
        ("pipe:[12]", "pipe"),
        ("socket:[4711]", "socket"),
        ("anon_inode:[eventpoll]", "anon_inode"),
    ],
)
def test_descriptor_kind_says_what_it_leads_to(link: str, kind: str) -> None:
    """A descriptor is a file, a pipe, or a socket with its state."""
    assert kind_of_link(link, lambda: None) == kind


def test_sockets_are_counted_by_state() -> None:
    """Sockets that listen, are connected, or were left by the other side are told apart, and stay open."""
    before = count_descriptors()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
        unix, other = socket.socketpair()
        with unix, other, ours:
            counted = count_descriptors() - before
            theirs.close()
            ours.recv(1)
            left = count_descriptors() - before
            assert ours.fileno() >= 0

    assert (counted["tcp listening"], counted["tcp established"], counted["socket"]) == (1, 2, 2)
    assert (left["tcp close wait"], left["tcp established"]) == (1, 0)


async def test_tasks_and_descriptors_are_counted() -> None:
    """The own process has tasks by kind, open descriptors, objects and memory."""
    extra = [asyncio.create_task(asyncio.sleep(60), name=f"extra {number}") for number in range(3)]
    try:
        assert count_tasks(asyncio.get_running_loop())["extra …"] == 3
    finally:
        for task in extra:
            task.cancel()
    assert sum(count_descriptors().values()) > 2
    assert count_objects()["builtins.dict"] > 0
    assert resident_bytes() > MIB


def test_growers_are_sorted_by_what_was_added() -> None:
    """The largest growth comes first; what shrank is left out."""
    found = growers(
        {"a": 5, "b": 5, "c": 9}, {"a": 6, "b": 50, "c": 1, "d": 3}, kind="objects", seconds=1, most=2
    )

    assert [(one.name, one.before, one.after) for one in found] == [("b", 5, 50), ("d", 0, 3)]


def test_memory_alarm_rings_once_until_memory_is_well_below() -> None:
    """An alarm stays on while memory sways around its threshold."""
    alarm = MemoryAlarm(100)
    states = []
    for now in (99, 100, 95, 101, 89, 100):
        alarm = alarm.after(now)
        states.append(alarm.is_on)

    assert states == [False, True, True, True, False, True]
    assert not MemoryAlarm(0).after(10**12).is_on


def _look(tasks: Mapping[str, int], rss: int = 0) -> Look:
    return Look({"tasks": tasks, "descriptors": {}, "rss": {"process": rss}})


async def test_leak_of_tasks_is_told_once() -> None:
    """Tasks that grow for twenty minutes are told of once, by kind and number."""
    told: list[str] = []

    async def alert(text: str) -> None:
        told.append(text)

    watch = ResourceWatch(alarm=MemoryAlarm(0), alert=alert)
    for count in range(LOOKS + 5):
        await watch.take(_look({"reader …": count * 3, "jobs": 1}))

    (growth,) = watch.growth()
    assert (growth.kind, growth.name, growth.is_steady) == ("tasks", "reader …", True)
    assert len(told) == 1
    assert "tasks of the kind “reader …”" in told[0]


async def test_memory_above_its_threshold_is_told() -> None:
    """Whoever is told hears how much memory is used, and of which setting."""
    told: list[str] = []

    async def alert(text: str) -> None:
        told.append(text)

    watch = ResourceWatch(alarm=MemoryAlarm(100 * MIB), alert=alert)
    for rss in (50, 120, 130):
        await watch.take(_look({}, rss * MIB))

    assert len(told) == 1
    assert "uses 120 MiB" in told[0]
    assert "WIREROOM_MEMORY_ALERT_MB" in told[0]


def test_what_is_kept_at_start_is_no_suspicion() -> None:
    """Every kind that is watched has a limit below which nobody is told."""
    assert all(
        limit == Limit(limit.at_least, limit.share) and limit.at_least >= 50 for limit in LIMITS.values()
    )


async def test_growth_of_memory_is_told_in_mib() -> None:
    """Memory that grows and never comes back is told of in MiB and minutes."""

    async def alert(_: str) -> None:
        return

    watch = ResourceWatch(alarm=MemoryAlarm(0), alert=alert)
    for count in range(LOOKS):
        await watch.take(_look({}, (100 + 4 * count) * MIB))

    (growth,) = watch.growth()
    assert in_words(growth) == (
        "Something in Wireroom grows and does not come back: its memory, from 100 to 340 MiB in 20 min."
    )
