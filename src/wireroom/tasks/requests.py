"""What callers may say of a task, checked: the fields of the API, the command line and tools alike. Pure.

    {"prompt": "tidy up", "order": 5, "status": 0, "repository": "app", "labels": ["docs"], "needs": [3],
     "not_before": "2026-11-22T06:00:00Z", "backend": "claude", "branch": "main"}

Names may be written `notBefore`, too. Source of the messages: contract of cursor-runner, section 1.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wireroom.backends.registry import FURTHER_NAMES, NAMES
from wireroom.errors import BadInput
from wireroom.tasks.states import LABELS, TaskStatus, read_stamp

MOST_PROMPT_CHARS = 200_000
MOST_LABELS = 20
MOST_NEEDS = 100
LARGEST = 2**31 - 1
_MOST_DIGITS = 10
_LABEL = re.compile(r"[^\s,\x00]{1,50}")
_NAME = re.compile(r"[^\x00-\x1f]{1,200}")
_STATUSES = ", ".join(f"{status.value} ({status.label})" for status in TaskStatus)


@dataclass(frozen=True, slots=True)
class TaskFields:
    """What is said of a task; a field that is not in `given` is left as it is."""

    given: frozenset[str]
    prompt: str = ""
    order: int = 0
    status: TaskStatus = TaskStatus.READY
    repository: str | None = None
    branch: str | None = None
    backend: str | None = None
    labels: tuple[str, ...] = ()
    not_before: int | None = None
    needs: tuple[int, ...] = ()
    seen: str | None = None
    """The `updatedat` that the caller has seen; a task changed since is not overwritten."""


def read_fields(body: Mapping[str, Any], *, new: bool) -> TaskFields:
    """Return what the body says.

    Args:
        body: Decoded JSON; names that mean nothing here are ignored.
        new: The task is to be added, so it needs a prompt.

    Raises:
        BadInput: a field cannot be meant; in the contract's words where it has any.
    """
    said = {_plain(name): value for name, value in body.items()}
    if new and "prompt" not in said:
        raise BadInput("Prompt is required and must be a non-empty string")
    values = {name: read(said[name]) for name, read in _readers(new=new).items() if name in said}
    if "status_label" in said and "status" not in said:
        values["status"] = _read_label(said["status_label"])
    seen = said.get("updatedat")
    return TaskFields(given=frozenset(values), seen=seen if isinstance(seen, str) else None, **values)


def refuse_unknown_backend(said: TaskFields, own: str) -> None:
    """Refuse a task for a coding agent that there is not; `own` is the installation's.

    Raises:
        BadInput: names it.
    """
    if said.backend not in {None, own, *NAMES, *FURTHER_NAMES}:
        raise BadInput(f"There is no coding agent {said.backend}.")


def read_id(text: str) -> int:
    """Return a task's number as it stands in a path.

    Raises:
        BadInput: it is no number that a task can have.
    """
    number = _read_digits(text)
    if number is None or not 0 < number <= LARGEST:
        raise BadInput("Invalid task ID. Must be a number.")
    return number


def check_label(label: str) -> str:
    """Return the label if tasks can have it.

    Raises:
        BadInput: no task can.
    """
    if not _LABEL.fullmatch(label):
        raise BadInput("A label is a word of up to 50 characters, without spaces and commas.")
    return label


def check_number(name: str, value: int) -> int:
    """Return the number if a column takes it.

    Raises:
        BadInput: it is too large.
    """
    if abs(value) > LARGEST:
        raise BadInput(f"{name} must be a number up to {LARGEST}")
    return value


def read_status(text: str) -> TaskStatus:
    """Return a status as people and queries write it: `0` or `ready`.

    Raises:
        BadInput: there is no such status.
    """
    word = text.strip().lower().replace("-", "_")
    if word in LABELS:
        return LABELS[word]
    number = _read_digits(word)
    if number is not None and number in set(TaskStatus):
        return TaskStatus(number)
    raise BadInput(f"There is no status {text!r}. There are {_STATUSES}.")


def _read_digits(text: str) -> int | None:
    """Return the number, None for what is none; one of more digits than any column takes is -1."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else -1


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[0].lower()}", name)


def _readers(*, new: bool) -> dict[str, Callable[[Any], Any]]:
    return {
        "prompt": lambda value: _read_prompt(value, new=new),
        "order": _read_order,
        "status": _read_number_of_status,
        "repository": lambda value: _read_name("repository", value),
        "branch": lambda value: _read_name("branch", value),
        "backend": lambda value: _read_name("backend", value),
        "labels": _read_labels,
        "not_before": _read_not_before,
        "needs": _read_needs,
    }


def _read_prompt(value: Any, *, new: bool) -> str:
    prompt = value.replace("\0", "").strip() if isinstance(value, str) else ""
    if not prompt:
        said = "Prompt is required and must be" if new else "Prompt must be"
        raise BadInput(f"{said} a non-empty string")
    if len(prompt) > MOST_PROMPT_CHARS:
        raise BadInput(f"Prompt must have at most {MOST_PROMPT_CHARS} characters")
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise BadInput("Prompt must be text; half a character, or no UTF-8, is in it") from error
    return prompt


def _read_order(value: Any) -> int:
    if not _is_whole(value) or abs(value) > LARGEST:
        raise BadInput("Order must be a number")
    return int(value)


def _read_number_of_status(value: Any) -> TaskStatus:
    if not _is_whole(value):
        raise BadInput("Status must be a number")
    if int(value) not in set(TaskStatus):
        raise BadInput(f"Status must be one of {_STATUSES}")
    return TaskStatus(int(value))


def _read_label(value: Any) -> TaskStatus:
    if not isinstance(value, str) or value not in LABELS:
        raise BadInput(f"status_label must be one of {', '.join(LABELS)}")
    return LABELS[value]


def _is_whole(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and value == value // 1 and abs(value) < float("inf")


def _read_name(field: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str) or not _NAME.fullmatch(value.strip()):
        raise BadInput(f"{field} must be a string of up to 200 characters, or null")
    return value.strip()


def _read_labels(value: Any) -> tuple[str, ...]:
    words = [] if value is None else value
    if not isinstance(words, list) or not all(
        isinstance(word, str) and _LABEL.fullmatch(word) for word in words
    ):
        raise BadInput("labels must be a list of words of up to 50 characters, without spaces and commas")
    if len(words) > MOST_LABELS:
        raise BadInput(f"labels: at most {MOST_LABELS}")
    return tuple(sorted(set(words)))


def _read_not_before(value: Any) -> int | None:
    if value is None or value == "":
        return None
    moment = read_stamp(value)
    if moment is None:
        raise BadInput("not_before must be a time such as 2026-11-22T06:00:00Z, or null")
    return moment


def _read_needs(value: Any) -> tuple[int, ...]:
    ids = [] if value is None else value
    if not isinstance(ids, list) or not all(_is_whole(one) and 0 < one <= LARGEST for one in ids):
        raise BadInput("needs must be a list of task ids")
    if len(ids) > MOST_NEEDS:
        raise BadInput(f"needs: at most {MOST_NEEDS}")
    return tuple(sorted({int(one) for one in ids}))
