"""What a runner elsewhere says of an errand, as results. Pure.

Source: contract of cursor-runner, sections 1.2 and 2.9; the run bodies of `/api/runs` where the runner is a
Wireroom. Success needs `success` and an exit code of 0: the older service says `success` of any program that
ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from wireroom.backends.protocol import AgentRequest, AgentResult, Errand
from wireroom.backends.wire import framed_prompt, mapping_of, text_of

_OPEN_STATES = frozenset({"queued", "running"})
_NO_SUCH_ROUTE = "Route not found"


class Handover(StrEnum):
    """What is known of a request that was sent."""

    ACCEPTED = "accepted"
    NOT_TAKEN = "not taken"
    """It may be sent again: nothing was begun."""
    UNCERTAIN = "uncertain"
    """It may have begun."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a runner tells of an errand when it is asked."""

    known: bool | None
    """It has the errand; None: it cannot tell, as the older service."""
    result: AgentResult | None = None
    """How the errand ended, if it has."""


def body_of(request: AgentRequest, errand: Errand, callback_url: str, conversation_id: str) -> dict[str, Any]:
    """Return the request's body; without a conversation it joins the last one of the runner's queue."""
    body = {
        "prompt": framed_prompt(request).decode(),
        "id": errand.id,
        "queueType": "api",
        "callbackUrl": callback_url,
        "conversationId": conversation_id or None,
        "repository": errand.repository,
        "branchName": errand.branch_name,
    }
    return {name: value for name, value in body.items() if value is not None}


def read_answer(status: int, body: Mapping[str, Any]) -> Handover | AgentResult:
    """Return what the runner's answer to the request means; some runners answer with the end of the run."""
    if status == HTTPStatus.OK:
        if "output" in body or "exitCode" in body or body.get("success") is False:
            return read_reply(body)
        return Handover.ACCEPTED
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return Handover.NOT_TAKEN
    said = text_of(body.get("error")) or text_of(body.get("detail"))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not said:
        return Handover.UNCERTAIN
    hint = "; see WIREROOM_CURSOR_RUNNER_SECRET" if status == HTTPStatus.UNAUTHORIZED else ""
    return _failure("", f"The runner refused this ({status}): {said or 'it gave no reason'}{hint}", None)


def read_reply(body: Mapping[str, Any]) -> AgentResult:
    """Return the end of an errand as a callback tells it."""
    output, error = text_of(body.get("output")), text_of(body.get("error"))
    code = body.get("exitCode")
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    if body.get("success") is True and code == 0:
        return AgentResult(output, is_error=False, exit_code=0)
    if code:
        error = error or f"The runner's agent failed with exit code {code}."
    return _failure(output, error or "The runner reported a failure without a reason.", code)


def read_standing(status: int, body: Mapping[str, Any]) -> Standing:
    """Return what `GET /api/runs/<id>` tells."""
    state = text_of(body.get("state"))
    if status == HTTPStatus.OK and state:
        return Standing(known=True, result=None if state in _OPEN_STATES else _ended(state, body))
    if status == HTTPStatus.NOT_FOUND and text_of(body.get("error")) not in {"", _NO_SUCH_ROUTE}:
        return Standing(known=False)
    return Standing(known=None)


def _ended(state: str, body: Mapping[str, Any]) -> AgentResult:
    output = text_of(body.get("output"))
    if state == "succeeded":
        return AgentResult(output, is_error=False, exit_code=0, usage=mapping_of(body.get("usage")))
    code = body.get("exit_code")
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    return _failure(output, text_of(body.get("reason")) or f"The run ended there as {state}.", code)


def _failure(output: str, error: str, code: int | None) -> AgentResult:
    return AgentResult(output, is_error=True, error=error, exit_code=code or 1)
