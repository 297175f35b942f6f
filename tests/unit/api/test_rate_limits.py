"""Callers who ask far more than anybody needs are held off."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from starlette.responses import PlainTextResponse

from asgi_calls import Answered, call
from wireroom.api.rate_limits import RateLimits
from wireroom.api.shared_budgets import MemoryBudgets

SECRET = "secret-of-the-test"
PROGRAM = {"Authorization": f"Bearer {SECRET}"}
APP = PlainTextResponse("fine")


def limited(per_identity: int = 3, per_address: int = 2) -> RateLimits:
    """Return an application behind budgets, on a clock that stands still."""
    return RateLimits(
        APP,
        api_secret=SECRET,
        per_identity=per_identity,
        per_address=per_address,
        exempt=frozenset({"/health"}),
        budgets=MemoryBudgets(lambda: 1000.0),
    )


async def statuses(app: RateLimits, times: int, **asked: Any) -> list[int]:
    """Return what so many calls were answered."""
    return [(await call(app, **asked)).status for _ in range(times)]


async def test_answer_says_what_is_left() -> None:
    """The standard headers tell of the budget on every answer."""
    found: Answered = await call(limited(), headers=PROGRAM)
    assert (found.status, found.body) == (200, b"fine")
    said = {name: found.headers[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset", "policy")}
    assert said == {"limit": "3", "remaining": "2", "reset": "20", "policy": "3;w=60"}


async def test_caller_beyond_its_budget_is_told_to_wait() -> None:
    """429 in the shape of all our refusals, with Retry-After."""
    app = limited()
    await statuses(app, 2)
    found = await call(app, "/api/runs")
    assert (found.status, found.headers["retry-after"], found.headers["ratelimit-remaining"]) == (
        429,
        "30",
        "0",
    )
    body = msgspec.json.decode(found.body)
    assert body["success"] is False
    assert body["path"] == "/api/runs"
    assert "Try again in 30 s" in body["error"]


async def test_program_has_the_budget_of_its_secret_whatever_its_address() -> None:
    """What strangers do at the same address takes nothing from it."""
    app = limited()
    assert await statuses(app, 3) == [200, 200, 429]
    assert await statuses(app, 2, headers=PROGRAM) == [200, 200]
    assert await statuses(app, 2, headers=PROGRAM, client="10.0.0.9") == [200, 429]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"X-Webhook-Secret": "wrong"},
        {"Cookie": "wireroom_session=a"},
        {"X-Forwarded-For": "1.2.3.4"},
    ],
    ids=str,
)
async def test_what_proves_nothing_gives_no_budget_of_its_own(headers: dict[str, str]) -> None:
    """Whoever guesses secrets, sessions or addresses is counted by where the connection comes from."""
    app = limited()
    assert await statuses(app, 1, headers=headers) == [200]
    changed = {name: f"{value}2" for name, value in headers.items()}
    assert await statuses(app, 2, headers=changed) == [200, 429]


async def test_page_session_has_a_budget_of_its_own_besides() -> None:
    """One session that runs wild is stopped before its address is used up."""
    app = limited(per_identity=1, per_address=9)
    assert await statuses(app, 2, headers={"Cookie": "wireroom_session=a"}) == [200, 429]
    assert await statuses(app, 1, headers={"Cookie": "wireroom_session=b"}) == [200]


async def test_addresses_of_one_ipv6_customer_are_one() -> None:
    """A network of /64 has more addresses than anybody could count."""
    app = limited()
    tried = (
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8::3",
        "2001:db8:0:1::1",
        "::ffff:10.0.0.1",
        "10.0.0.1",
        "x",
    )
    assert [(await call(app, client=client)).status for client in tried] == [
        200,
        200,
        429,
        200,
        200,
        200,
        200,
    ]
    assert await statuses(app, 1, client="10.0.0.1") == [429]


async def test_probes_are_never_refused() -> None:
    """Nor do they cost anything, or say anything of budgets."""
    app = limited()
    assert await statuses(app, 9, path="/health") == [200] * 9
    assert "ratelimit-limit" not in (await call(app, "/health")).headers
    assert await statuses(app, 2) == [200, 200]


async def test_zero_is_no_limit() -> None:
    """Both budgets can be switched off."""
    app = limited(per_identity=0, per_address=0)
    assert await statuses(app, 9) == [200] * 9
