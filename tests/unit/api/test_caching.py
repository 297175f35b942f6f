"""Reads that are spared: unchanged answers are not sent, and answers just made are not made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from asgi_calls import Answered, call
from wireroom.api.caching import ResponseCache, Rule

PROGRAM = {"Authorization": "Bearer s"}


class Routes:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.headers: dict[str, str] = {}
        self.status = 200
        self.written = 0
        self.now = 0.0
        self.writes_while_it_reads = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self.asked += 1
        self.written += self.writes_while_it_reads
        body = {"asked": self.asked, "who": Request(scope).headers.get("authorization")}
        await JSONResponse(body, self.status, self.headers)(scope, receive, send)

    def cached(self, rule: Rule | None = None) -> ResponseCache:
        """Return the routes behind the cache."""
        rules = {"/list": rule or Rule(2.0, lambda: self.written)}
        return ResponseCache(self, rules=rules, now=lambda: self.now)


async def asked(app: ResponseCache, headers: Mapping[str, str] = PROGRAM, **call_args: Any) -> Any:
    """Return the number in the answer: how often the routes had been asked."""
    found = await call(app, call_args.pop("path", "/list"), headers=headers, **call_args)
    return int(found.body.split(b":")[1].split(b",")[0])


async def test_answer_is_kept_for_the_same_question() -> None:
    """The second reader within its time gets the first one's answer; after it a new one is made."""
    routes = Routes()
    app = routes.cached()
    assert [await asked(app), await asked(app)] == [1, 1]
    assert await asked(app, query="page=2") == 2
    routes.now = 2.0
    assert await asked(app) == 3


async def test_a_write_ends_what_is_kept() -> None:
    """Whoever has written reads what it wrote."""
    routes = Routes()
    app = routes.cached()
    await asked(app)
    routes.written += 1
    assert await asked(app) == 2


async def test_answer_that_was_read_while_somebody_wrote_is_not_given_again() -> None:
    """It may be one of before the write."""
    routes = Routes()
    routes.writes_while_it_reads = True
    app = routes.cached()
    assert [await asked(app), await asked(app)] == [1, 2]


@pytest.mark.parametrize(
    "other",
    [
        {"Authorization": "Bearer t"},
        {"X-Webhook-Secret": "s"},
        {"Cookie": "wireroom_session=s"},
        {**PROGRAM, "Host": "elsewhere"},
        {**PROGRAM, "Accept": "application/x-ndjson"},
        {**PROGRAM, "User-Agent": "Mozilla/5.0"},
        {**PROGRAM, "Origin": "http://evil.example"},
    ],
    ids=str,
)
async def test_callers_never_get_each_others_answers(other: dict[str, str]) -> None:
    """All that decides who somebody is, and what they may see, is part of the question."""
    app = Routes().cached()
    assert [await asked(app), await asked(app, other), await asked(app)] == [1, 2, 1]


async def test_the_same_secret_from_another_address_is_another_caller() -> None:
    """A wrong one may have been let in for its network alone."""
    app = Routes().cached()
    assert [await asked(app), await asked(app, client="10.0.0.1")] == [1, 2]


async def test_nothing_is_kept_for_callers_who_show_nothing() -> None:
    """They are refused, or let in for reasons of the moment."""
    app = Routes().cached()
    assert [await asked(app, {}), await asked(app, {})] == [1, 2]


async def test_answer_that_is_the_same_for_all_is_kept_whatever_is_written() -> None:
    """The description of the API is made once."""
    routes = Routes()
    app = routes.cached(Rule(60.0, None))
    await asked(app)
    routes.written += 1
    assert await asked(app, {}) == 1


@pytest.mark.parametrize(
    ("status", "headers"),
    [(404, {}), (200, {"Set-Cookie": "a=b"})],
    ids=["refusal", "cookie"],
)
async def test_refusals_and_answers_for_one_time_are_passed_on(status: int, headers: dict[str, str]) -> None:
    """They are neither kept nor tagged."""
    routes = Routes()
    routes.status, routes.headers = status, headers
    app = routes.cached()
    found = await call(app, "/list", headers=PROGRAM)
    assert "etag" not in found.headers
    assert await asked(app) == 2


async def test_answer_that_nobody_may_store_has_no_tag() -> None:
    """Here it is kept all the same, as it is; a caller is never told that it has it already."""
    routes = Routes()
    routes.headers = {"Cache-Control": "no-store"}
    app = routes.cached()
    found = await call(app, "/list", headers=PROGRAM)
    assert (found.headers["cache-control"], "etag" in found.headers) == ("no-store", False)
    assert await asked(app, {**PROGRAM, "If-None-Match": "*"}) == 1
    assert await asked(app, PROGRAM, path="/x") == 2


async def test_other_paths_and_methods_are_asked_each_time() -> None:
    """Only named paths are kept, and only reads."""
    app = Routes().cached()
    assert [await asked(app, path="/x"), await asked(app, path="/x")] == [1, 2]
    assert [await asked(app, method="POST"), await asked(app, method="POST")] == [3, 4]


@pytest.mark.parametrize("path", ["/list", "/x"])
async def test_caller_who_has_the_answer_is_told_so(path: str) -> None:
    """304 with the tag and without a body, for kept answers and for fresh ones."""
    routes = Routes()
    app = routes.cached()
    first: Answered = await call(app, path, headers=PROGRAM)
    routes.asked = 0
    again = await call(app, path, headers={**PROGRAM, "If-None-Match": first.headers["etag"]})
    assert (first.status, again.status, again.body) == (200, 304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == first.headers["cache-control"] == "private, no-cache"
    assert "content-length" not in again.headers


async def test_tag_of_the_route_is_the_one_that_counts() -> None:
    """A route that knows its versions better than their bytes do is believed."""
    routes = Routes()
    routes.headers = {"ETag": '"v7"'}
    app = routes.cached()
    found = await call(app, "/x", headers={"If-None-Match": 'W/"v7"'})
    assert (found.status, found.headers["etag"]) == (304, '"v7"')


async def test_stream_is_passed_on_as_it_comes() -> None:
    """What comes in pieces is not held back for a tag."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pieces = iter([b"[", b"]"])
        response: Response = StreamingResponse(pieces, media_type="application/json")
        await response(scope, receive, send)

    found = await call(ResponseCache(app, rules={}), "/list")
    assert (found.body, "etag" in found.headers) == (b"[]", False)
    assert found.pieces >= 2
