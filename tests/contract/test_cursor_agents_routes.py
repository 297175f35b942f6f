"""The older scheduler's routes: methods, bodies and statuses of agents, prompts and queues.

Source: contract of cursor-agents, sections A1, A2 and A4.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import web

from agent_office import AgentOffice, running_office

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def office(database_path: Path) -> AsyncIterator[AgentOffice]:
    """Lend a service and a target."""
    async with running_office(database_path.parent) as found:
        yield found


async def test_one_time_agent_is_answered_as_before(office: AgentOffice) -> None:
    """`POST /agents` with oneTime answers 200 with the agent, and the target gets the request."""
    answer = await office.once("hello", body={"a": 1}, headers={"X-Own": "yes"})
    await office.received(1)
    agent, sent = answer["agent"], office.target.received[0]

    assert (answer["success"], answer["message"]) == (True, 'Agent "hello" created successfully')
    assert agent["jobId"].startswith("agent:hello:")
    assert agent | {"jobId": "", "callId": 0} == {
        "name": "hello",
        "jobId": "",
        "callId": 0,
        "targetUrl": office.target.url,
        "method": "POST",
        "oneTime": True,
        "queue": "default",
    }
    assert sent.body == b'{"a":1}'
    assert (sent.headers["Content-Type"], sent.headers["X-Own"]) == ("application/json", "yes")
    assert sent.headers["Idempotency-Key"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"name": "x"}, "Missing required fields: name, targetUrl", id="no-target"),
        pytest.param({"targetUrl": "http://a/"}, "Missing required fields: name, targetUrl", id="no-name"),
        pytest.param(
            {"name": "x", "targetUrl": "http://a/", "oneTime": "false"},
            "Either oneTime must be true or schedule must be provided",
            id="neither-once-nor-schedule",
        ),
        pytest.param({"name": "x:y", "targetUrl": "http://a/", "oneTime": True}, "name must be", id="colon"),
        pytest.param({"name": "x", "targetUrl": "ftp://a/", "oneTime": True}, "targetUrl must", id="ftp"),
        pytest.param(
            {"name": "x", "targetUrl": "task-operator://internal", "oneTime": True},
            "targetUrl must",
            id="internal-target",
        ),
        pytest.param(
            {"name": "x", "targetUrl": "http://a/", "schedule": "61 * * * *"}, "schedule cannot", id="cron"
        ),
        pytest.param(
            {"name": "x", "targetUrl": "http://a/", "oneTime": True, "method": "TRACE"}, "method", id="method"
        ),
        pytest.param(
            {"name": "x", "targetUrl": "http://a/", "oneTime": True, "timeout": "soon"},
            "timeout",
            id="timeout",
        ),
        pytest.param(
            {"name": "x", "targetUrl": "http://a/", "oneTime": True, "headers": {"a b": "c"}},
            "headers",
            id="header-name",
        ),
        pytest.param(
            {"name": "x", "targetUrl": "http://a/", "oneTime": True, "headers": {"a": "c\r\nd: e"}},
            "headers",
            id="header-with-line-break",
        ),
        pytest.param(
            {"name": "x", "targetUrl": "http://a/", "oneTime": True, "queue": "a:b"}, "queue", id="queue"
        ),
        pytest.param(
            {"name": "x", "targetUrl": "http://a/", "schedule": "daily", "timezone": "Mars"},
            "timezone",
            id="zone",
        ),
    ],
)
async def test_agent_that_cannot_be_meant_is_refused(
    office: AgentOffice, fields: dict[str, object], message: str
) -> None:
    """What the older service accepted and then failed at, or answered 500, is a 400 that says why."""
    status, answer = await office.ask("POST", "/agents", fields)

    assert status == 400
    assert message in answer["error"]
    assert (await office.good("GET", "/agents"))["agents"] == []


async def test_refusals_are_json(office: AgentOffice) -> None:
    """Malformed and oversized bodies, unknown names and missing secrets are refused in JSON."""
    broken = await office.ask("POST", "/agents", headers={"Content-Type": "application/json"}, data=b"{")
    listed = await office.ask("POST", "/agents", [1])
    large = await office.ask("POST", "/agents", data=BytesIO(b" " * 1_100_000))
    missing = await office.ask("GET", "/agents/nobody")
    gone = await office.ask("DELETE", "/agents/nobody")
    stranger = await office.ask("GET", "/agents", headers={"Authorization": "Bearer wrong"})

    assert [one[0] for one in (broken, listed, large, missing, gone, stranger)] == [
        400,
        400,
        413,
        404,
        404,
        401,
    ]
    assert all(isinstance(one[1]["error"], str) for one in (broken, listed, large, missing, gone, stranger))
    assert missing[1]["error"] == gone[1]["error"] == 'Agent "nobody" not found'


async def test_recurring_agent_is_seen_before_its_first_run(office: AgentOffice) -> None:
    """A new schedule is active, with its next run and all that it was made of; the list has it, too."""
    made = await office.good(
        "POST",
        "/agents",
        {
            "name": "night",
            "targetUrl": office.target.url,
            "method": "put",
            "schedule": "0 3 * * *",
            "timezone": "Europe/Berlin",
            "queue": "nights",
            "timeout": 0,
        },
    )
    shown = await office.good("GET", "/agents/night")

    assert made["agent"]["schedule"] == "0 3 * * *"
    assert made["agent"]["jobId"] == shown["jobId"]
    assert shown["isActive"] is True
    assert shown["nextRun"].endswith(("T01:00:00.000Z", "T02:00:00.000Z"))
    assert (shown["method"], shown["timeout"], shown["queue"]) == ("PUT", 30_000, "nights")
    assert "lastRun" not in shown
    assert (await office.good("GET", "/agents"))["agents"] == [shown]


async def test_status_tells_the_last_run(office: AgentOffice) -> None:
    """A one-time agent that has run is inactive, has a last run, and keeps its configuration."""
    await office.once("hello", body=[1, 2])
    call = await office.newest_becomes("hello", "succeeded")
    shown = await office.good("GET", "/agents/hello")

    assert (shown["isActive"], shown["lastRun"]) == (False, call["finishedAt"])
    assert (shown["targetUrl"], shown["body"], shown["oneTime"]) == (office.target.url, [1, 2], True)
    assert (call["statusCode"], call["attempts"]) == (200, 1)
    assert call["responseHead"] == '{"received": true}'


async def test_agents_are_changed_run_paused_and_resumed(office: AgentOffice) -> None:
    """PATCH changes fields, PUT replaces, run calls at once even while paused, resume goes on."""
    base = {"name": "a", "targetUrl": office.target.url, "schedule": "daily"}
    await office.good("POST", "/agents", base)
    patched = await office.good("PATCH", "/agents/a", {"schedule": "every 2 hours", "body": {"x": 1}})
    paused = await office.good("POST", "/agents/a/pause")
    ran = await office.good("POST", "/agents/a/run")
    await office.received(1)
    resumed = await office.good("POST", "/agents/a/resume")
    await office.good("PUT", "/agents/a", base | {"method": "GET"})
    shown = await office.good("GET", "/agents/a")

    assert patched["agent"]["schedule"] == "every 2 hours"
    assert (paused["agent"]["isActive"], paused["agent"]["paused"]) == (False, True)
    assert ran["jobId"] == f"agent:a:{ran['callId']}"
    assert office.target.received[0].body == b'{"x":1}'
    assert resumed["agent"]["isActive"] is True
    assert (shown["method"], shown["schedule"], shown.get("body")) == ("GET", "daily", None)


async def test_recurring_prompts_are_answered_as_before(office: AgentOffice) -> None:
    """`/prompts` creates, shows and deletes a prompt with a queue of its own; unknown ones are 404."""
    missing = await office.ask("POST", "/prompts/recurring", {"name": "p", "prompt": "x"})
    made = await office.good(
        "POST", "/prompts/recurring", {"name": "tidy", "prompt": "Tidy up", "schedule": {"every": 60_000}}
    )
    shown = await office.good("GET", "/prompts/tidy")
    queue = await office.good("GET", "/queues/tidy")
    deleted = await office.good("DELETE", "/prompts/tidy")
    gone = await office.ask("GET", "/prompts/tidy")

    assert missing == (400, missing[1])
    assert missing[1]["error"] == "Missing required fields: name, prompt, schedule"
    assert made == {"success": True, "jobId": shown["jobId"], "name": "tidy"}
    assert shown.keys() == {"name", "isActive", "nextRun", "jobId"}
    assert (shown["isActive"], queue["agents"]) == (True, ["tidy"])
    assert deleted == {"success": True, "message": "Prompt tidy removed"}
    assert (gone[0], gone[1]["error"]) == (404, "Prompt not found")
    assert (await office.ask("GET", "/queues/tidy"))[0] == 404


async def test_prompt_runs_through_our_own_runner(office: AgentOffice) -> None:
    """A prompt becomes a run; its result, or why it has none, is the call's."""
    await office.good("POST", "/agents", {"name": "p", "prompt": "calculate 6 * 7", "oneTime": True})
    call = await office.newest_becomes("p", "succeeded")
    run = await office.good("GET", f"/api/runs/{call['runId']}")
    await office.good(
        "POST",
        "/agents",
        {"name": "q", "prompt": "x", "options": {"repository": "nowhere"}, "oneTime": True},
    )
    dead = await office.newest_becomes("q", "dead")

    assert "42" in call["responseHead"]
    assert (run["state"], run["source"]) == ("succeeded", "agent")
    assert "Repository not found locally" in dead["error"]


async def test_queues_are_listed_shown_and_deleted(office: AgentOffice) -> None:
    """QueueInfo has the older fields; 404 for an unknown queue, 409 for the default and a needed one."""
    await office.good(
        "POST", "/agents", {"name": "a", "targetUrl": office.target.url, "schedule": "daily", "queue": "q"}
    )
    listed = (await office.good("GET", "/queues"))["queues"]
    shown = await office.good("GET", "/queues/q")
    refusals = [await office.ask("DELETE", f"/queues/{name}") for name in ("default", "q", "unknown")] + [
        await office.ask("GET", "/queues/unknown")
    ]

    assert [one["name"] for one in listed] == ["default", "q"]
    assert {
        key: shown[key] for key in ("waiting", "active", "completed", "failed", "delayed")
    } == dict.fromkeys(("waiting", "active", "completed", "failed", "delayed"), 0)
    assert shown["agents"] == ["a"]
    assert [one[0] for one in refusals] == [409, 409, 404, 404]
    assert refusals[0][1]["error"] == "Cannot delete the default queue"
    assert refusals[1][1]["error"].startswith('Cannot delete queue "q" - it still has jobs.')
    assert refusals[2][1]["error"] == 'Queue "unknown" not found'


async def test_queue_of_its_own_making_is_paused_widened_and_deleted(office: AgentOffice) -> None:
    """A paused queue begins nothing; resumed, it makes as many calls at once as it was told, not more."""
    await office.good("POST", "/queues", {"name": "slow", "concurrency": 2, "paused": True})
    again = await office.ask("POST", "/queues", {"name": "slow"})
    for number in range(5):
        await office.once(f"a{number}", queue="slow")
    held = await office.good("GET", "/queues/slow")
    office.target.gate.clear()
    await office.good("POST", "/queues/slow/resume")
    await office.received(2)
    two = await office.good("GET", "/queues/slow")
    await office.good("PATCH", "/queues/slow", {"concurrency": 3})
    await office.received(3)
    three = await office.good("GET", "/queues/slow")
    busy = await office.ask("DELETE", "/queues/slow")
    office.target.gate.set()
    await office.received(5)
    for number in range(5):
        await office.newest_becomes(f"a{number}", "succeeded")
        await office.good("DELETE", f"/agents/a{number}")
    purged = await office.good("POST", "/queues/slow/purge")
    deleted = await office.good("DELETE", "/queues/slow")

    assert again[0] == 409
    assert (held["waiting"], held["active"], held["paused"]) == (5, 0, True)
    assert (two["waiting"], two["active"]) == (3, 2)
    assert (three["waiting"], three["active"]) == (2, 3)
    assert busy[0] == 409
    assert purged["purged"] == 5
    assert deleted == {"success": True, "message": 'Queue "slow" deleted successfully'}
    assert [one["name"] for one in (await office.good("GET", "/queues"))["queues"]] == ["default"]


@pytest.mark.parametrize(
    ("method", "body", "sent"),
    [
        pytest.param("POST", "text", b'"text"', id="string-is-quoted"),
        pytest.param("PUT", {"b": [1, None]}, b'{"b":[1,null]}', id="object"),
        pytest.param("PATCH", [], b"[]", id="empty-list"),
        pytest.param("POST", 0, b"", id="zero-is-nothing"),
        pytest.param("GET", {"a": 1}, b"", id="get-has-none"),
        pytest.param("DELETE", {"a": 1}, b"", id="delete-has-none"),
    ],
)
async def test_body_goes_over_the_wire_as_before(
    office: AgentOffice, method: str, body: object, sent: bytes
) -> None:
    """The body is JSON and goes with POST, PUT and PATCH alone; an own Content-Type replaces ours."""
    await office.once("x", method=method, body=body, headers={"content-TYPE": "text/own"})
    await office.received(1)
    found = office.target.received[0]

    assert found.body == sent
    assert [value for name, value in found.headers.items() if name.lower() == "content-type"] == ["text/own"]


async def test_target_may_ask_to_be_called_again(office: AgentOffice) -> None:
    """`{"requeue": true, "delay": ms}` brings one more call with the same request, each in the history."""
    office.target.answers.extend(web.json_response({"requeue": True, "delay": 20}) for _ in range(3))
    await office.once("loop", body={"n": 1})
    await office.received(4)
    await office.newest_becomes("loop", "succeeded")

    assert {found.body for found in office.target.received} == {b'{"n":1}'}
    assert len({found.headers["Idempotency-Key"] for found in office.target.received}) == 4
    assert [call["state"] for call in await office.calls("loop")] == ["succeeded"] * 4


async def test_redirects_are_followed_and_judged(office: AgentOffice) -> None:
    """A redirect is followed; one that leads where calls may not go is the end of the call."""
    office.target.answers.append(web.Response(status=307, headers={"Location": "/moved"}))
    await office.once("moved", body={"n": 1})
    await office.received(2)
    office.target.answers.append(web.Response(status=302, headers={"Location": "http://169.254.169.254/"}))
    await office.once("trap")
    dead = await office.newest_becomes("trap", "dead")

    assert [(found.path, found.body) for found in office.target.received[:2]] == [
        ("/cb", b'{"n":1}'),
        ("/moved", b'{"n":1}'),
    ]
    assert "link-local" in dead["error"]
