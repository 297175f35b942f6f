"""`/api/deliveries`: dead letters are listed, retried and discarded, on a whole service."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, select, update

from wireroom.app.service import Service
from wireroom.delivery.outbox import Recipient, open_delivery, send_notice
from wireroom.store.schema import audit, deliveries

Client = aiohttp.ClientSession
CHAT = Recipient("telegram:7:8:0", 7, 8)


@pytest.fixture
async def letters(service: Service) -> dict[str, int]:
    """Return the ids of deliveries by what they are; the service has no bot, so none of them moves."""
    jobs = service.services.jobs

    def unit(conn: Connection) -> dict[str, int]:
        made = {
            "dead": send_notice(conn, jobs, CHAT, "x" * 500, now_ms=1),
            "dead-waiting": open_delivery(conn, jobs, CHAT, opening="…", run_id=None, now_ms=2),
            "pending": send_notice(conn, jobs, CHAT, "on its way", now_ms=3),
        }
        gone = deliveries.c.id.in_([made["dead"], made["dead-waiting"]])
        conn.execute(update(deliveries).where(gone).values(state="dead", error="blocked", attempts=12))
        return made

    return await service.services.db.write(unit)


async def listed(program: Client, query: str = "") -> Any:
    """Return the list."""
    async with program.get(f"/api/deliveries{query}") as response:
        assert response.status == 200
        return await response.json()


async def test_dead_letters_are_listed_newest_first(program: Client, letters: dict[str, int]) -> None:
    """Each says why it died and how it began, and the list has totals."""
    dead = await listed(program, "?state=dead")
    assert [one["id"] for one in dead["deliveries"]] == [letters["dead-waiting"], letters["dead"]]
    assert dead["deliveries"][1]["body_excerpt"] == "x" * 200
    assert (dead["deliveries"][1]["error"], dead["deliveries"][1]["attempts"]) == ("blocked", 12)
    assert dead["pagination"]["total"] == 2
    standing = (await listed(program, "?per_page=1"))["pagination"]
    assert standing.items() >= {"page": 1, "per_page": 1, "total": 3, "total_pages": 3}.items()


@pytest.mark.parametrize(
    "case",
    [("dead", "retry", "pending"), ("dead-waiting", "retry", "waiting"), ("dead", "discard", "discarded")],
)
async def test_dead_letter_is_acted_upon_once(
    service: Service, program: Client, letters: dict[str, int], case: tuple[str, str, str]
) -> None:
    """The action is done and audited; a second time it is a conflict."""
    which, action, state = case
    path = f"/api/deliveries/{letters[which]}/{action}"
    async with program.post(path) as response:
        assert (response.status, await response.json()) == (200, {"id": letters[which], "state": state})
    async with program.post(path) as response:
        assert response.status == 409
    query = select(audit.c.who, audit.c.action, audit.c.subject)
    rows = await service.services.db.read(lambda conn: conn.execute(query).all())
    assert [tuple(row) for row in rows] == [("program", f"delivery.{action}", str(letters[which]))]


async def test_only_dead_letters_can_be_acted_upon(program: Client, letters: dict[str, int]) -> None:
    """One on its way is a conflict, an unknown one is not found."""
    for path, status in ((f"{letters['pending']}/retry", 409), ("999/discard", 404), ("x/retry", 422)):
        async with program.post(f"/api/deliveries/{path}") as response:
            assert response.status == status
