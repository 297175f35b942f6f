"""Counts what may leak: tasks by what they do, descriptors by what they lead to."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

_GIVEN_NAME = re.compile(r"Task-\d+")
_ONE_OF_MANY = re.compile(r"\S*\d\S*")
_TCP_STATES = {1: "established", 8: "close wait", 10: "listening"}


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
    return Counter(kind_of_link(link, partial(_tcp_state, number)) for number, link in _links())


def kind_of_link(link: str, tcp_state: Callable[[], str | None]) -> str:
    """Return what a descriptor leads to.

    Args:
        link: Of /proc/self/fd: `socket:[4711]`, `pipe:[12]`, `anon_inode:[eventpoll]`, `/data/x.sqlite3`.
        tcp_state: Tells the state of a socket, None when it is none of TCP.
    """
    kind = link.partition(":")[0]
    if kind == "socket":
        state = tcp_state()
        return "socket" if state is None else f"tcp {state}"
    return "file" if kind.startswith("/") else kind


def _tcp_state(descriptor: int) -> str | None:
    """Ask the kernel for the state of our own socket; its table has those of every program.

    Source: Linux, tcp(7), TCP_INFO; the first byte is tcpi_state.
    """
    try:
        asked = socket.socket(fileno=descriptor)
    except OSError:
        return None
    try:
        return _TCP_STATES.get(asked.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0], "other")
    except OSError:
        return None
    finally:
        asked.detach()


def _links() -> list[tuple[int, str]]:
    links = []
    try:
        entries = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return []
    for entry in entries:
        try:
            links.append((int(entry.name), str(entry.readlink())))
        except OSError:
            # The descriptor with which the folder itself was listed is closed by now.
            continue
    return links
