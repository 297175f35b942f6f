"""What the chat front end's paths ask the runner, and how they pass its answers on."""

from __future__ import annotations

from typing import Any

import pytest

from wireroom.api.callback_inbox import request_id_of
from wireroom.api.program_bodies import in_camel_case
from wireroom.api.runner_relay import Operation, RunnerAnswer, relayed, request_fields
from wireroom.errors import BadInput


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"branch_name": "main"}, {"branchName": "main"}),
        ({"branch_name": "old", "branchName": "new"}, {"branchName": "new"}),
        ({"branchName": "new", "branch_name": "old"}, {"branchName": "new"}),
        ({"repository_url": "u", "prompt": "x"}, {"repositoryUrl": "u", "prompt": "x"}),
        ({}, {}),
    ],
)
def test_both_spellings_are_understood(given: dict[str, Any], meant: dict[str, Any]) -> None:
    """Names with underscores mean the camelCase ones; where both are given, the latter count."""
    assert in_camel_case(given) == meant


@pytest.mark.parametrize(
    ("operation", "given", "asked"),
    [
        (Operation.EXECUTE, {"prompt": "x", "id": "1"}, {"prompt": "x", "id": "1"}),
        (Operation.EXECUTE, {"prompt": "x", "request_id": "1"}, {"prompt": "x", "id": "1"}),
        (Operation.EXECUTE, {"requestId": "2", "id": "1"}, {"id": "1"}),
        (Operation.ITERATE, {"prompt": "x"}, {"prompt": "x", "maxIterations": 25}),
        (Operation.ITERATE, {"max_iterations": 3}, {"maxIterations": 3}),
        (Operation.ITERATE, {"max_iterations": None}, {"maxIterations": 25}),
    ],
)
def test_request_is_put_as_the_runner_knows_it(
    operation: Operation, given: dict[str, Any], asked: dict[str, Any]
) -> None:
    """The id has one name, and an iterate has the front end's own limit."""
    assert request_fields(operation, given) == asked


@pytest.mark.parametrize(
    ("status", "success", "passed_on"),
    [
        (200, True, 200),
        (201, True, 200),
        (200, False, 422),
        (200, None, 422),
        (200, "true", 422),
        (400, False, 422),
        (404, False, 422),
        (409, False, 422),
        (422, False, 422),
        (401, False, 401),
        (413, False, 413),
        (429, False, 429),
        (500, False, 502),
        (503, False, 502),
    ],
)
def test_status_is_the_front_ends(status: int, success: object, passed_on: int) -> None:
    """Success is 200, what the runner refuses 422, what it could not do 502; its body is passed on."""
    body = {"success": success, "error": "x"}
    answer = relayed(Operation.EXECUTE, RunnerAnswer(status, body, {"Retry-After": "2"}))
    assert answer == RunnerAnswer(passed_on, body, {"Retry-After": "2"})


def test_repositories_are_listed_by_their_names() -> None:
    """The front end lists names where the runner describes each repository."""
    body = {"success": True, "repositories": [{"name": "a", "path": "/r/a"}, "b"], "count": 2}
    answer = relayed(Operation.REPOSITORIES, RunnerAnswer(200, body))
    assert answer.body == {"success": True, "repositories": ["a", "b"], "count": 2}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"requestId": "run-1"}, "run-1"),
        ({"request_id": "telegram-1-0a1b2c3d"}, "telegram-1-0a1b2c3d"),
        ({"requestId": "", "request_id": "b"}, "b"),
    ],
)
def test_request_id_is_found(fields: dict[str, Any], found: str) -> None:
    """In either spelling."""
    assert request_id_of(fields) == found


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "request_id is required"),
        ({"requestId": None}, "request_id is required"),
        ({"requestId": "  "}, "request_id is required"),
        ({"requestId": 5}, "Invalid request_id format"),
        ({"requestId": ["a"]}, "Invalid request_id format"),
        ({"requestId": "a b"}, "Invalid request_id format"),
        ({"requestId": "../x"}, "Invalid request_id format"),
        ({"requestId": "a\n"}, "Invalid request_id format"),
        ({"requestId": "x" * 256}, "Invalid request_id format"),
    ],
)
def test_request_id_that_nobody_can_have_is_refused(fields: dict[str, Any], message: str) -> None:
    """Missing and malformed ids are told apart."""
    with pytest.raises(BadInput, match=message):
        request_id_of(fields)
