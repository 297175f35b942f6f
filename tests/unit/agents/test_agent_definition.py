"""What an agent is, read from what its maker sent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wireroom.agents.definition import (
    changed_fields,
    fields_of,
    read_definition,
    read_recurring_prompt,
)
from wireroom.agents.missed import Overlap
from wireroom.agents.request import CallRequest, PromptRequest
from wireroom.errors import BadInput

CALL = {"name": "a", "targetUrl": "http://t/", "schedule": "daily"}


def test_fields_that_are_not_given_have_the_contracts_defaults() -> None:
    """POST, no headers, no body, 30 s, queue `default`; a call may overlap, a prompt does not."""
    call = read_definition(CALL, "Europe/Berlin")
    prompt = read_definition({"name": "p", "prompt": "x", "schedule": "daily"}, "UTC")

    assert call.request == CallRequest("http://t/", "POST", {}, None, 30_000)
    assert (call.queue, call.timezone, str(call.missed)) == ("default", "Europe/Berlin", "once")
    assert (call.overlap, prompt.overlap) == (Overlap.ALLOW, Overlap.SKIP)
    assert (call.retry.attempts, prompt.retry.attempts) == (3, 1)
    assert call.retry.policy.base == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("once", "is_one_time"),
    [(True, True), ("true", True), (1, True), ("false", False), ("0", False), (False, False), (None, False)],
)
def test_one_time_is_what_its_words_say(once: object, is_one_time: bool) -> None:
    """`oneTime` wins over a schedule, and the string "false" is no."""
    assert read_definition(CALL | {"oneTime": once}, "UTC").is_one_time is is_one_time


@pytest.mark.parametrize(
    "fields",
    [
        CALL | {"method": "PATCH", "body": {"x": 1}, "headers": {"A": "b"}, "timeout": 5, "queue": "q"},
        CALL | {"overlap": "queue", "missed": "all:4", "retry": {"attempts": 5, "backoff": 10}},
        {"name": "p", "prompt": "x", "options": {"branch": "b"}, "schedule": {"every": 60_000}},
        {"name": "a", "targetUrl": "http://t/", "oneTime": True},
    ],
    ids=["call", "rules", "prompt", "once"],
)
def test_definition_is_read_from_its_own_fields(fields: dict[str, object]) -> None:
    """What an agent is can be written out and read again without a difference."""
    definition = read_definition(fields, "Europe/Berlin")

    assert read_definition(fields_of(definition), "UTC") == definition


def test_changes_keep_what_they_do_not_name() -> None:
    """A change has its fields alone, and never the name."""
    before = read_definition(CALL | {"body": 1, "queue": "q"}, "UTC")
    after = read_definition(changed_fields(before, {"body": 2, "name": "other"}), "UTC")

    assert isinstance(after.request, CallRequest)
    assert (after.name, after.queue, after.request.body) == ("a", "q", 2)


def test_recurring_prompt_has_a_queue_of_its_own() -> None:
    """A prompt of `/prompts/recurring` goes through the queue that has its name."""
    found = read_recurring_prompt(
        {"name": "tidy", "prompt": "x", "schedule": "daily", "options": {"repository": "r"}}, "UTC"
    )

    assert found.queue == "tidy"
    assert found.request == PromptRequest("x", {"repository": "r"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "Missing required fields"),
        ({"name": " a"}, "name must be"),
        ({"name": "a/b"}, "name must be"),
        ({"name": 5}, "name must be"),
        ({"prompt": "x"}, "not both"),
        ({"targetUrl": ["http://t/"]}, "targetUrl must be"),
        ({"targetUrl": "http://t/ x"}, "targetUrl must be"),
        ({"method": 5}, "method must be"),
        ({"timeout": -1}, "timeout must be"),
        ({"timeout": 1e18}, "timeout must be"),
        ({"headers": "x"}, "headers must be"),
        ({"headers": {"Host": "x"}}, "belongs to the connection"),
        ({"headers": {"a": None}}, "headers must be"),
        ({"overlap": "maybe"}, "overlap must be"),
        ({"overlap": ["skip"]}, "overlap must be"),
        ({"missed": "later"}, "missed must be"),
        ({"retry": 3}, "retry must be"),
        ({"retry": {"attempts": 0}}, "retry.attempts must be"),
        ({"retry": {"backoff": "x"}}, "retry.backoff must be"),
        ({"timezone": "Nowhere"}, "timezone must be"),
        ({"queue": "a:b"}, "queue must be"),
        ({"schedule": None}, "Either oneTime"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, object], message: str) -> None:
    """Each field is checked when the agent is made, with a sentence that names it."""
    with pytest.raises(BadInput, match=message):
        read_definition(CALL | changes, "UTC")


@pytest.mark.parametrize("options", ["x", {"repository": 5}, {str(number): 1 for number in range(51)}])
def test_options_of_a_prompt_are_checked(options: object) -> None:
    """A prompt's options are a small object, and those that are known are strings."""
    with pytest.raises(BadInput, match="options"):
        read_definition({"name": "p", "prompt": "x", "schedule": "daily", "options": options}, "UTC")
