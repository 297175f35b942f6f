"""Counts what may leak: tasks by what they do, descriptors by what they lead to."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_GIVEN_NAME = re.compile(r"Task-\d+")
_ONE_OF_MANY = re.compile(r"\S*\d\S*")
_TCP_STATES = {"01": "established", "08": "close wait", "0A": "listening"}
_MOST_SOCKET_LINES = 20_000
_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")


def name_of(task: asyncio.Task[Any]) -> str:
    """Return the name that the task was given, else that of its coroutine."""
    name = task.get_name()
    if not _GIVEN_NAME.fullmatch(name):
        return name
    coroutine = task.get_coro()
    return str(getattr(coroutine, "__qualname__", coroutine))


def kind_of(name: str) -> str:
    """Return a task's name without what tells it from others of its kind: `log run-17` is `log …`. Pure."""
    return _ONE_OF_MANY.sub("…", name)


def count_tasks(loop: asyncio.AbstractEventLoop) -> Counter[str]:
    """Return how many tasks of each kind there are; call it on the loop."""
    return Counter(kind_of(name_of(task)) for task in asyncio.all_tasks(loop))


def count_descriptors() -> Counter[str]:
    """Return how many descriptors are open, by kind: `file`, `pipe`, `tcp established` … Blocking: /proc.

    Empty where there is no /proc.
    """
    states = _socket_states()
    return Counter(kind_of_link(link, states) for link in _links())


def kind_of_link(link: str, states: dict[str, str]) -> str:
    """Return what a descriptor leads to. Pure.

    Args:
        link: Of /proc/self/fd: `socket:[4711]`, `pipe:[12]`, `anon_inode:[eventpoll]`, `/data/x.sqlite3`.
        states: States of TCP sockets by their inode.
    """
    kind, _, inode = link.partition(":[")
    if kind == "socket":
        state = states.get(inode.rstrip("]"))
        return "socket" if state is None else f"tcp {state}"
    return "file" if kind.startswith("/") else kind.removesuffix(":")


def tcp_states(lines: Iterable[str]) -> dict[str, str]:
    """Return the state of each TCP socket by inode, from lines of /proc/net/tcp. Pure.

    Source: Linux, Documentation/networking/proc_net_tcp.rst.
    """
    found = {}
    for line in lines:
        fields = line.split(maxsplit=10)
        if len(fields) > 9 and fields[3] != "st":  # noqa: PLR2004 - the inode is the tenth field
            found[fields[9]] = _TCP_STATES.get(fields[3], "other")
    return found


def _socket_states() -> dict[str, str]:
    states: dict[str, str] = {}
    for table in _TABLES:
        try:
            with Path(table).open() as lines:
                states |= tcp_states(line for _, line in zip(range(_MOST_SOCKET_LINES), lines, strict=False))
        except OSError:
            continue
    return states


def _links() -> list[str]:
    links = []
    try:
        entries = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return []
    for entry in entries:
        try:
            links.append(str(entry.readlink()))
        except OSError:
            # The descriptor with which the folder itself was listed is closed by now.
            continue
    return links
