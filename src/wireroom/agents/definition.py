"""What an agent is: read from what its maker sent, checked once. Pure.

Source: contract of cursor-agents, sections A1 and A2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from wireroom.agents.missed import MissedKind, MissedPolicy, Overlap, read_policy
from wireroom.agents.request import (
    DEFAULT_TIMEOUT_MS,
    LONGEST_TIMEOUT_MS,
    METHODS,
    CallRequest,
    PromptRequest,
    Request,
    action_of,
    check_headers,
    check_url,
)
from wireroom.agents.schedule import read_schedule, read_timezone
from wireroom.agents.span import read_moment
from wireroom.errors import BadInput
from wireroom.jobs.port import RetryPolicy

DEFAULT_QUEUE = "default"
_NAME = re.compile(r"[^\x00-\x1f\x7f:/]{1,200}")
_MAX_PROMPT_CHARS = 500_000
_MAX_OPTIONS = 50
_MAX_ATTEMPTS = 20
_LONGEST_BACKOFF_MS = 86_400_000


class Retry(msgspec.Struct, frozen=True):
    """When a call that failed is made again: after base_ms, twice that, four times …, at most cap_ms."""

    attempts: int = 3
    """Tries in all, the first included."""
    base_ms: int = 1_000
    cap_ms: int = 300_000

    @property
    def policy(self) -> RetryPolicy:
        """The rule as `jobs.retry` reads it."""
        return RetryPolicy(
            max_attempts=self.attempts,
            base=timedelta(milliseconds=self.base_ms),
            cap=timedelta(milliseconds=self.cap_ms),
        )


@dataclass(frozen=True, slots=True)
class Definition:
    """An agent as its maker wants it."""

    name: str
    request: Request
    schedule: str | Mapping[str, Any] | None
    """As given; None for a one-time agent."""
    queue: str = DEFAULT_QUEUE
    timezone: str = "UTC"
    overlap: Overlap = Overlap.ALLOW
    missed: MissedPolicy = field(default_factory=lambda: MissedPolicy(MissedKind.ONCE))
    retry: Retry = field(default_factory=Retry)
    at: datetime | None = None
    """When a one-time agent is called; None for at once. It is the call's and is not kept with the agent."""

    @property
    def is_one_time(self) -> bool:
        """Whether it has no schedule."""
        return self.schedule is None

    @property
    def action(self) -> str:
        """`call` or `prompt`."""
        return action_of(self.request)


def read_definition(fields: Mapping[str, Any], timezone: str) -> Definition:
    """Return the agent that the fields of `POST /agents` describe.

    Args:
        fields: `name`; `targetUrl` with `method`, `headers`, `body`, `timeout`, or `prompt` with `options`;
            `schedule`, or `oneTime` with `at`; `queue`, `timezone`, `overlap`, `missed`,
            `retry` (`attempts`, `backoff` and `maxBackoff` in milliseconds).
        timezone: The installation's, when the fields name none.

    Raises:
        BadInput: says which field cannot be meant and why.
    """
    name, prompt, url = fields.get("name"), fields.get("prompt"), fields.get("targetUrl")
    if not name or not (prompt or url):
        raise BadInput("Missing required fields: name, targetUrl")
    if prompt and url:
        raise BadInput("An agent has either targetUrl or prompt, not both.")
    request = _prompt_of(fields) if prompt else _call_of(fields)
    return _read(fields, check_name(name, "name"), request, timezone)


def read_recurring_prompt(fields: Mapping[str, Any], timezone: str) -> Definition:
    """Return the agent that the fields of `POST /prompts/recurring` describe; its queue has its name.

    Raises:
        BadInput: says which field cannot be meant and why.
    """
    if not (fields.get("name") and fields.get("prompt") and fields.get("schedule")):
        raise BadInput("Missing required fields: name, prompt, schedule")
    name = check_name(fields["name"], "name")
    return _read({"queue": name, **fields, "oneTime": False}, name, _prompt_of(fields), timezone)


def changed_fields(definition: Definition, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the agent's fields with the changes put in, for `read_definition`; its name stays."""
    return {**fields_of(definition), **changes, "name": definition.name}


def fields_of(definition: Definition) -> dict[str, Any]:
    """Return the fields that `read_definition` would read the agent from."""
    request = definition.request
    own: dict[str, Any] = (
        {
            "targetUrl": request.url,
            "method": request.method,
            "headers": request.headers,
            "body": request.body,
            "timeout": request.timeout_ms,
        }
        if isinstance(request, CallRequest)
        else {"prompt": request.prompt, "options": request.options}
    )
    return own | {
        "name": definition.name,
        "schedule": definition.schedule,
        "oneTime": definition.is_one_time,
        "queue": definition.queue,
        "timezone": definition.timezone,
        "overlap": definition.overlap.value,
        "missed": str(definition.missed),
        "retry": {
            "attempts": definition.retry.attempts,
            "backoff": definition.retry.base_ms,
            "maxBackoff": definition.retry.cap_ms,
        },
    }


def check_name(value: object, what: str) -> str:
    """Return the name of an agent or a queue.

    Raises:
        BadInput: it cannot be one.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value != value.strip():
        raise BadInput(f"{what} must be 1 to 200 characters without ':' and '/', with no space around.")
    return value


def _read(fields: Mapping[str, Any], name: str, request: Request, timezone: str) -> Definition:
    schedule = None if _is_true(fields.get("oneTime")) else fields.get("schedule") or None
    if schedule is None and not _is_true(fields.get("oneTime")):
        raise BadInput("Either oneTime must be true or schedule must be provided")
    zone = read_timezone(fields.get("timezone") or timezone)
    if schedule is not None:
        read_schedule(schedule, zone.key)
    is_prompt = isinstance(request, PromptRequest)
    return Definition(
        name=name,
        request=request,
        schedule=schedule,
        queue=check_name(fields.get("queue") or DEFAULT_QUEUE, "queue"),
        timezone=zone.key,
        overlap=_overlap_of(fields.get("overlap"), Overlap.SKIP if is_prompt else Overlap.ALLOW),
        missed=read_policy(fields.get("missed") or MissedKind.ONCE.value),
        retry=_retry_of(fields.get("retry"), Retry(attempts=1) if is_prompt else Retry()),
        at=read_moment(fields.get("at"), "at", zone) if schedule is None else None,
    )


def _call_of(fields: Mapping[str, Any]) -> CallRequest:
    method = fields.get("method") or "POST"
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise BadInput(f"method must be one of {', '.join(METHODS)}.")
    timeout_ms = _whole_number(fields.get("timeout") or DEFAULT_TIMEOUT_MS, "timeout", LONGEST_TIMEOUT_MS)
    return CallRequest(
        url=check_url(fields.get("targetUrl")),
        method=method.upper(),
        headers=check_headers(fields.get("headers")),
        body=fields.get("body"),
        timeout_ms=timeout_ms,
    )


def _prompt_of(fields: Mapping[str, Any]) -> PromptRequest:
    prompt, options = fields.get("prompt"), fields.get("options") or {}
    if not isinstance(prompt, str) or not prompt.strip() or len(prompt) > _MAX_PROMPT_CHARS:
        raise BadInput(f"prompt must be a text of at most {_MAX_PROMPT_CHARS} characters.")
    if not isinstance(options, Mapping) or len(options) > _MAX_OPTIONS:
        raise BadInput(f"options must be an object of at most {_MAX_OPTIONS} fields.")
    for name in ("repository", "branch", "branchName", "backend", "model"):
        if not isinstance(options.get(name) or "", str):
            raise BadInput(f"options.{name} must be a string.")
    return PromptRequest(prompt, dict(options))


def _overlap_of(value: object, default: Overlap) -> Overlap:
    if not value:
        return default
    if value not in list(Overlap):
        raise BadInput("overlap must be skip, queue or allow.")
    return Overlap(str(value))


def _retry_of(value: object, default: Retry) -> Retry:
    if value is None:
        return default
    if not isinstance(value, Mapping):
        raise BadInput("retry must be an object such as {'attempts': 3, 'backoff': 1000}.")
    base_ms = _whole_number(value.get("backoff", default.base_ms), "retry.backoff", _LONGEST_BACKOFF_MS)
    return Retry(
        attempts=_whole_number(value.get("attempts", default.attempts), "retry.attempts", _MAX_ATTEMPTS),
        base_ms=base_ms,
        cap_ms=max(
            base_ms,
            _whole_number(value.get("maxBackoff", default.cap_ms), "retry.maxBackoff", _LONGEST_BACKOFF_MS),
        ),
    )


def _whole_number(value: object, name: str, most: int) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise BadInput(f"{name} must be a whole number from 1 to {most}.")
    return value


def _is_true(value: object) -> bool:
    """Tell what `oneTime` means; the words of forms and shells are understood, and "false" is no."""
    if isinstance(value, str):
        return value.strip().lower() not in {"", "false", "0", "no"}
    return bool(value)
