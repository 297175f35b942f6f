"""Adds a task once, however often its maker asks: the key that was sent becomes the task's uuid."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid5

from sqlalchemy import Connection

from wireroom.errors import Conflict
from wireroom.store.statement import Statement
from wireroom.tasks.rows import TaskView, find_task

_KEYS = UUID("6b1f5a0e-5f0c-4c61-9d6e-2f6a3b8f7c11")
"""The namespace of our keys: another program's uuid is never one of them."""
_KNOWN = Statement("SELECT id, prompt FROM tasks WHERE uuid = :uuid")
_SIGN = Statement("UPDATE tasks SET uuid = :uuid WHERE id = :task_id")


def add_once(conn: Connection, key: str, prompt: str, add: Callable[[], TaskView]) -> TaskView:
    """Return the task that was added with this key, having added it if there is none.

    Args:
        conn: The unit's.
        key: The caller's; it means this one task for good.
        prompt: What the task says.
        add: Adds it.

    Raises:
        Conflict: the key stands for a task that says something else.
    """
    name = str(uuid5(_KEYS, key))
    known = _KNOWN.row(conn, uuid=name)
    if known is None:
        task_id = add().id
        _SIGN.run(conn, uuid=name, task_id=task_id)
    else:
        task_id, said = known
        if said != prompt:
            raise Conflict("This idempotency key was used for another task. Use a fresh one.")
    task = find_task(conn, task_id)
    if task is None:
        raise Conflict("The task of this idempotency key is gone.")
    return task
