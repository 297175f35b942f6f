"""Reads what callers say of tasks beside the body; what is wrong is refused in the contract's words. Pure.

Source: contract of cursor-runner, section 1.5; contract of cursor-agents, section B2.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from wireroom.api.legacy import ShortRefusal
from wireroom.api.paging import read_cursor
from wireroom.errors import BadInput
from wireroom.tasks.moving import End
from wireroom.tasks.requests import read_id
from wireroom.tasks.states import LABELS

_NUMBER = re.compile(r"-?[0-9]+")
_NO_STATUS = -1


def task_number(text: str) -> int:
    """Return the number of a task in an address."""
    try:
        return read_id(text)
    except BadInput as error:
        raise ShortRefusal(HTTPStatus.BAD_REQUEST, str(error)) from error


def wanted_status(number: str | None, label: str | None) -> int | None:
    """Return which status is asked for; a number that no status has lists nothing."""
    if number:
        if not _NUMBER.fullmatch(number):
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, "Invalid status parameter. Must be a number.")
        digits = number.lstrip("0") or "0"
        return int(digits) if len(digits) == 1 else _NO_STATUS
    if label:
        if label not in LABELS:
            message = f"Invalid status_label parameter. Must be one of {', '.join(LABELS)}."
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, message)
        return int(LABELS[label])
    return None


def place_after(cursor: str | None, sort_by: str) -> Any:
    """Return the order and id that a list goes on after, None for its beginning."""
    if cursor is not None and sort_by != "order":
        raise ShortRefusal(HTTPStatus.BAD_REQUEST, "cursor goes with sortBy=order only.")
    try:
        return read_cursor(cursor, int, int)
    except BadInput as error:
        raise ShortRefusal(HTTPStatus.BAD_REQUEST, str(error)) from error


def wanted_end(said: Any) -> End | None:
    """Return the end of its column that a new task is put to, None when its order says where."""
    if said is None:
        return None
    try:
        return End(said)
    except ValueError as error:
        raise ShortRefusal(HTTPStatus.BAD_REQUEST, f"at must be one of {', '.join(End)}") from error
