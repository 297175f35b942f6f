"""Agents, schedules and queues as the page reads them, on a whole service."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from sqlalchemy import Connection

from api.browsers import browser
from callback_receiver import running_receiver
from wireroom.api.access_rules import PageRole
from wireroom.api.auth import new_login_link
from wireroom.app.service import Service
from wireroom.clock import to_ms
from wireroom.testing.eventually import eventually

Client = aiohttp.ClientSession
ZONE = "Europe/Berlin"
CALLS = """
    INSERT INTO agent_calls (agent_id, agent_name, queue, action, due_at, state, attempts, error, created_at,
                             started_at, finished_at)
    VALUES (?, ?, ?, 'call', ?, ?, 1, ?, ?, ?, ?)
"""


async def good(client: Client, method: str, path: str, **options: Any) -> Any:
    """Call a route that must answer 200; return its JSON."""
    async with client.request(method, path, **options) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def make(client: Client, name: str, **fields: Any) -> None:
    """Make an agent that nobody calls within the test."""
    body = {"name": name, "targetUrl": "http://127.0.0.1:9/x", "schedule": "30 7 * * 1-5", **fields}
    await good(client, "POST", "/agents", json=body)


async def test_preview_tells_words_and_next_times(program: Client) -> None:
    """A schedule is told in words with its next times, in the zone that is asked for."""
    params = {"schedule": "30 7 * * 1-5", "timezone": ZONE}
    seen = await good(program, "GET", "/api/schedules/preview", params=params)

    assert (seen["words"], seen["timezone"], seen["problem"]) == ("Every weekday at 07:30", ZONE, None)
    assert len(seen["next"]) == 5
    assert all(slot.endswith(":30:00.000Z") for slot in seen["next"])


async def test_preview_says_at_which_field_it_fails(program: Client) -> None:
    """What cannot be meant is answered with the field and a sentence, and is no error of the call."""
    for field, params in (
        ("schedule", {"schedule": "soon"}),
        ("schedule", {"schedule": "{broken"}),
        ("timezone", {"schedule": "daily", "timezone": "Mars/Olympus"}),
    ):
        seen = await good(program, "GET", "/api/schedules/preview", params=params)
        assert (seen["words"], seen["next"], seen["problem"]["field"]) == (None, [], field)


async def test_preview_of_a_span_ends_with_it(program: Client) -> None:
    """Times behind the end are not told."""
    schedule = '{"every": 60000, "end": "2001-01-01"}'
    seen = await good(program, "GET", "/api/schedules/preview", params={"schedule": schedule})

    assert (seen["words"], seen["next"]) == ("Every minute", [])


async def test_check_tells_each_field_that_cannot_be_meant(program: Client) -> None:
    """Every wrong field has its own sentence; sound fields have none; a fresh name must be free."""
    await make(program, "taken")
    wrong = {
        "name": "a/b",
        "targetUrl": "ftp://x",
        "headers": {"Host": "x"},
        "schedule": "soon",
        "timezone": "Mars/Olympus",
        "missed": "maybe",
        "retry": {"attempts": 0},
        "timeout": "long",
        "queue": "default",
    }
    said = await good(program, "POST", "/api/agents/check", json=wrong)
    sound = {"name": "taken", "prompt": "x", "schedule": "daily", "timezone": ZONE}
    fine = await good(program, "POST", "/api/agents/check", json=sound)
    taken = await good(program, "POST", "/api/agents/check?fresh=true", json=sound)
    timeless = await good(program, "POST", "/api/agents/check", json={"name": "x", "prompt": "x"})

    assert {problem["field"] for problem in said["problems"]} == wrong.keys() - {"queue"}
    assert fine["problems"] == []
    assert [problem["field"] for problem in taken["problems"]] == ["name"]
    assert [problem["field"] for problem in timeless["problems"]] == ["schedule"]


async def test_list_tells_how_agents_stand(program: Client) -> None:
    """Words, zone, next times and state are told; kinds, names and pages narrow the list."""
    await make(program, "morning", timezone=ZONE)
    await make(program, "evening", schedule={"pattern": "0 20 * * *", "end": "2001-01-01"})
    await make(program, "night", schedule={"every": 3_600_000})
    await good(program, "POST", "/agents/night/pause")
    await make(program, "later", schedule=None, oneTime=True, at="2999-01-01T08:00")

    listed = (await good(program, "GET", "/api/agents"))["agents"]
    lines = {line["name"]: line for line in listed}

    assert [*lines] == ["evening", "later", "morning", "night"]
    assert {name: line["state"] for name, line in lines.items()} == {
        "morning": "active",
        "evening": "done",
        "night": "paused",
        "later": "waiting",
    }
    assert (lines["morning"]["words"], lines["morning"]["timezone"]) == ("Every weekday at 07:30", ZONE)
    assert {name: len(line["next"]) for name, line in lines.items()} == {
        "morning": 3,
        "evening": 0,
        "night": 0,
        "later": 1,
    }
    assert lines["later"]["next"] == ["2999-01-01T08:00:00.000Z"]
    assert (lines["evening"]["ends_at"], lines["evening"]["target"]) == (
        "2001-01-01",
        "POST http://127.0.0.1:9/x",
    )

    first = await good(program, "GET", "/api/agents?kind=scheduled&limit=2")
    second = await good(program, "GET", f"/api/agents?kind=scheduled&limit=2&cursor={first['next_cursor']}")
    searched = await good(program, "GET", "/api/agents?search=NIGH")
    odd = await good(program, "GET", "/api/agents", params={"search": "%"})
    assert [line["name"] for line in first["agents"] + second["agents"]] == ["evening", "morning", "night"]
    assert [line["name"] for line in searched["agents"]] == ["night"]
    assert (second["next_cursor"], odd["agents"]) == (None, [])


async def test_agent_is_shown_with_what_makes_it_again(program: Client) -> None:
    """One agent has its definition, which can be posted as it is; an unknown one is 404."""
    await make(program, "morning", timezone=ZONE, headers={"X-A": "b"}, missed="late:10m")
    shown = await good(program, "GET", "/api/agents/morning")
    await good(program, "POST", "/agents", json=shown["definition"])
    again = await good(program, "GET", "/api/agents/morning")

    assert again["definition"] == shown["definition"]
    assert (shown["definition"]["missed"], shown["definition"]["headers"]) == ("late:600s", {"X-A": "b"})
    async with program.get("/api/agents/nobody") as answer:
        assert answer.status == 404


async def test_viewer_sees_no_credentials_of_agents(service: Service, program: Client) -> None:
    """Headers, bodies and addresses often hold one: who may only look sees none by any route; owners do."""
    secret = {
        "headers": {"Authorization": "Bearer hush"},
        "body": {"key": "hush"},
        "targetUrl": "http://127.0.0.1:9/x?token=hush",
    }
    await make(program, "morning", **secret)
    async with browser(service) as viewer:
        async with viewer.get(await new_login_link(service.services, PageRole.VIEWER)) as response:
            assert response.status == 200
        for path in ("/agents", "/agents/morning", "/api/agents", "/api/agents/morning"):
            seen = json.dumps(await good(viewer, "GET", path))
            assert "morning" in seen
            assert "hush" not in seen
        lines = {"Accept": "application/x-ndjson"}
        async with viewer.get("/agents", headers=lines) as response:
            text = await response.text()

    assert "Authorization" in text
    assert "hush" not in text
    for path in ("/agents/morning", "/api/agents/morning"):
        assert json.dumps(await good(program, "GET", path)).count("hush") >= len(secret)


async def test_failures_in_a_row_are_counted(service: Service, program: Client) -> None:
    """The last call and how many failed since the last good one stand beside the agent."""
    await make(program, "fails")
    await make(program, "works")
    now_ms = to_ms(service.services.clock.now())

    def fill(conn: Connection) -> None:
        ids: dict[str, int] = dict(conn.exec_driver_sql("SELECT name, id FROM agents").all())
        for name, states in (("fails", ["succeeded", "dead", "dead"]), ("works", ["dead", "succeeded"])):
            for number, state in enumerate(states):
                at = now_ms - 1000 + number
                error = None if state == "succeeded" else "No answer."
                conn.exec_driver_sql(CALLS, (ids[name], name, "default", at, state, error, at, at, at))

    await service.services.db.write(fill)
    lines = {line["name"]: line for line in (await good(program, "GET", "/api/agents"))["agents"]}

    assert {name: line["failures"] for name, line in lines.items()} == {"fails": 2, "works": 0}
    assert (lines["fails"]["last"]["state"], lines["fails"]["last"]["error"]) == ("dead", "No answer.")
    assert lines["works"]["last"]["state"] == "succeeded"


async def test_queue_is_told_in_figures(service: Service, program: Client) -> None:
    """Counts, rates over the window, the age of the oldest and the head follow from the calls."""
    await good(program, "POST", "/queues", json={"name": "slow", "concurrency": 2, "paused": True})
    await make(program, "uses", queue="slow")
    now_ms = to_ms(service.services.clock.now())
    old_ms = now_ms - 3_600_000

    def fill(conn: Connection) -> None:
        rows = [
            ("waiting", now_ms - 5000, None),
            ("waiting", now_ms - 9000, None),
            ("waiting", now_ms + 600_000, None),
            ("succeeded", old_ms, old_ms),
            *[("succeeded", now_ms, now_ms)] * 10,
            ("dead", now_ms, now_ms),
            ("cancelled", now_ms, now_ms),
        ]
        for state, due_at, finished_at in rows:
            values = (0, "uses", "slow", due_at, state, None, due_at, None, finished_at)
            conn.exec_driver_sql(CALLS, values)

    await service.services.db.write(fill)
    listed = await good(program, "GET", "/api/queues")
    shown = await good(program, "GET", "/api/queues/slow")
    queue = shown["queue"]

    assert [line["name"] for line in listed["queues"]] == ["default", "slow"]
    assert listed["queues"][1] == queue
    assert listed["window_seconds"] == 300
    assert {name: queue[name] for name in ("waiting", "delayed", "retrying", "active", "done", "dead")} == {
        "waiting": 2,
        "delayed": 1,
        "retrying": 3,
        "active": 0,
        "done": 11,
        "dead": 1,
    }
    assert (queue["over"], queue["done_per_minute"], queue["dead_per_minute"]) == (13, 2.0, 0.2)
    assert (queue["paused"], queue["concurrency"], queue["own_concurrency"]) == (True, 2, 2)
    assert shown["agent_names"] == ["uses"]
    assert [call["state"] for call in shown["head"]] == ["waiting"] * 3
    assert shown["head"][0]["due_at"] == queue["oldest_due_at"]
    assert listed["queues"][0]["own_concurrency"] is None
    assert listed["queues"][0]["concurrency"] == listed["default_concurrency"]
    async with program.get("/api/queues/nobody") as answer:
        assert answer.status == 404


async def test_one_time_agent_waits_for_its_time(program: Client) -> None:
    """A one-time agent with a time is called then; one whose time has passed is called at once."""
    async with running_receiver() as target:
        await make(program, "later", schedule=None, oneTime=True, targetUrl=target.url, at="2999-01-01T08:00")
        await make(program, "past", schedule=None, oneTime=True, targetUrl=target.url, at="2001-01-01T08:00")
        await eventually(lambda: len(target.received) == 1, "the call whose time has passed")
        later = await good(program, "GET", "/agents/later/calls")

    assert [(call["state"], call["dueAt"]) for call in later["calls"]] == [
        ("waiting", "2999-01-01T08:00:00.000Z")
    ]
