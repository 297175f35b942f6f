"""Settings over HTTP: list, show, set one or several, and refuse what cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession as Client
from sqlalchemy import select

from wireroom.app.service import Service
from wireroom.store.schema import audit
from wireroom.system_settings import KNOWN


async def _get(program: Client, path: str = "") -> tuple[int, Any]:
    async with program.get(f"/api/settings{path}") as response:
        return response.status, await response.json()


async def _put(program: Client, path: str, body: object) -> tuple[int, Any]:
    async with program.put(f"/api/settings{path}", json=body) as response:
        return response.status, await response.json()


async def test_known_settings_are_listed_with_their_meaning(program: Client) -> None:
    """Before anybody set anything, every switch is there, off, and says what it is for."""
    status, body = await _get(program)

    assert status == 200
    assert {one["name"]: one["value"] for one in body["settings"]} == dict.fromkeys(KNOWN, 0)
    assert all(one["meaning"] and one["updated_at"] is None for one in body["settings"])


@pytest.mark.parametrize("value", [True, 1], ids=["boolean", "number"])
async def test_setting_is_set_seen_and_audited(service: Service, program: Client, value: object) -> None:
    """A PUT takes effect for readers at once, and says who it was."""
    switches = service.services.system_settings
    assert not await switches.is_on("task_operator")
    status, body = await _put(program, "/task_operator", {"value": value})

    assert (status, body["value"]) == (200, 1)
    assert await switches.is_on("task_operator")
    assert (await _get(program, "/task_operator"))[1] == body
    query = select(audit.c.who, audit.c.action, audit.c.subject)
    rows = await service.services.db.read(lambda conn: conn.execute(query).all())
    assert [tuple(row) for row in rows] == [("program", "setting.set", "task_operator")]


async def test_several_settings_are_set_all_or_none(program: Client) -> None:
    """One bad value keeps the others from being stored."""
    status, body = await _put(program, "", {"debug": 1, "theirs": 7})
    assert (status, [one["value"] for one in body["settings"]]) == (200, [1, 7])
    status, _ = await _put(program, "", {"theirs": 8, "debug": 2})

    assert status == 400
    assert (await _get(program, "/theirs"))[1]["value"] == 7


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/debug", {"value": 2}, 400, id="a switch has two states"),
        pytest.param("/debug", {"value": "on"}, 422, id="text"),
        pytest.param("/debug", {}, 422, id="nothing"),
        pytest.param("/no%20name", {"value": 1}, 400, id="name"),
        pytest.param("", [1], 422, id="list"),
    ],
)
async def test_bad_setting_is_answered_in_words(
    program: Client, path: str, body: object, status: int
) -> None:
    """What cannot be meant is a 4xx with a reason."""
    answered, said = await _put(program, path, body)

    assert answered == status
    assert said["error"]


async def test_unknown_setting_is_not_found(program: Client) -> None:
    """Asking for a name that nobody wrote is a 404 that lists the known ones."""
    status, body = await _get(program, "/tsak_operator")

    assert status == 404
    assert "task_operator" in body["error"]


async def test_settings_need_a_secret(stranger: Client) -> None:
    """Nobody reads or changes a switch without being let in."""
    for call in (stranger.get("/api/settings"), stranger.put("/api/settings/debug", json={"value": 1})):
        async with call as response:
            assert response.status == 401
