"""`/api/run-views`: runs as the page shows them, on a whole service."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, insert

from wireroom.api import log_text
from wireroom.app.service import Service
from wireroom.runs import log_search, look
from wireroom.store.schema import agent_calls, conversations, run_attempts, run_events, run_rounds, runs
from wireroom.testing.scripted_agent import ScriptedAgent

Client = aiohttp.ClientSession
Call = Callable[..., Any]
Json = dict[str, Any]


async def get(client: Client, path: str, status: int = 200) -> Any:
    """Return the body of a GET."""
    async with client.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json()


def plant_run(conn: Connection, number: int, **more: object) -> str:
    """Store a run that has ended; later numbers are newer."""
    if number == 1:
        conn.execute(
            insert(conversations).values(
                id="c", channel="api", lane="x", is_current=0, workdir="/", created_at=1, active_at=1
            )
        )
    run_id = f"r{number:04}"
    known = {
        "id": run_id,
        "request_id": f"q{number}",
        "conversation_id": "c",
        "lane": "x",
        "source": "api",
        "prompt": "x",
        "backend": "demo",
        "workdir": "/",
        "state": "succeeded",
        "queued_at": number // 2,
        "started_at": number,
        "finished_at": number + 1,
    }
    conn.execute(insert(runs).values({**known, **more}))
    return run_id


def plant_log(conn: Connection, run_id: str, events: Sequence[tuple[str, Json]]) -> None:
    """Store a log, half a second between its events, and its length."""
    rows = [
        {"run_id": run_id, "seq": seq, "created_at": 500 * seq, "kind": kind, "payload": json.dumps(payload)}
        for seq, (kind, payload) in enumerate(events, start=1)
    ]
    # As the log is written: without spaces, and letters beyond ASCII as they are.
    for row, (_, payload) in zip(rows, events, strict=True):
        row["payload"] = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    conn.execute(insert(run_events), rows)
    conn.execute(runs.update().where(runs.c.id == run_id).values(event_count=len(events), started_at=0))


async def test_every_run_is_found_once_whatever_the_pieces(service: Service, page: Client) -> None:
    """The cursor leads through runs of the same time, newest first."""

    def plant(conn: Connection) -> None:
        for number in range(1, 24):
            plant_run(conn, number)

    await service.services.db.write(plant)
    found: list[str] = []
    cursor = ""
    while True:
        piece = await get(page, f"/api/run-views?limit=5{cursor}")
        found += [run["id"] for run in piece["runs"]]
        if piece["next_cursor"] is None:
            break
        cursor = f"&cursor={piece['next_cursor']}"
    assert found == [f"r{number:04}" for number in range(23, 0, -1)]
    some = await get(page, "/api/run-views?run_id=r0003&run_id=r0005&run_id=none")
    assert [run["id"] for run in some["runs"]] == ["r0005", "r0003"]


async def test_runs_are_filtered(service: Service, page: Client) -> None:
    """By state, origin, agent and words; whose task or schedule a run is stands in its line."""

    def plant(conn: Connection) -> None:
        plant_run(conn, 1, prompt="Mend the 100% LOGIN", backend="codex", state="failed")
        plant_run(conn, 2, prompt="mend the logout", source="task", lane="task:12")
        plant_run(conn, 3, prompt="other", source="agent", usage='{"cost_usd":0.5}')
        call = {
            "agent_id": 1,
            "agent_name": "nightly",
            "queue": "default",
            "action": "prompt",
            "run_id": "r0003",
        }
        conn.execute(insert(agent_calls).values(**call, state="succeeded", due_at=1, **_times(agent_calls)))

    await service.services.db.write(plant)
    wanted = {
        "state=failed": ["r0001"],
        "source=task": ["r0002"],
        "backend=codex": ["r0001"],
        "words=mend%20the": ["r0002", "r0001"],
        "words=100%25": ["r0001"],
        "words=%25": ["r0001"],
        "words=r0003": ["r0003"],
        "words=q2": ["r0002"],
        "state=succeeded&words=mend": ["r0002"],
        "source=telegram": [],
    }
    for query, ids in wanted.items():
        assert [run["id"] for run in (await get(page, f"/api/run-views?{query}"))["runs"]] == ids, query
    every = await get(page, "/api/run-views")
    assert every["backends"] == ["codex", "demo"]
    assert [(run["task_id"], run["agent_name"]) for run in every["runs"]] == [
        (None, "nightly"),
        (12, None),
        (None, None),
    ]
    assert every["runs"][0]["usage"] == {"cost_usd": 0.5}


def _times(table: Any) -> Json:
    """Return values for the columns of a row's times that must have one."""
    return {
        column.name: 1
        for column in table.c
        if column.name.endswith("_at") and not column.nullable and column.name != "due_at"
    }


async def test_look_for_words_is_bounded(
    service: Service, page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that has gone through its share says where to look on, hit or not."""
    monkeypatch.setattr(look, "MOST_LOOKED_AT", 4)

    def plant(conn: Connection) -> None:
        for number in range(1, 11):
            plant_run(conn, number, prompt="needle" if number == 1 else "hay")

    await service.services.db.write(plant)
    looks, cursor = 0, ""
    found: list[Json] = []
    while True:
        piece = await get(page, f"/api/run-views?words=needle{cursor}")
        looks, found = looks + 1, found + piece["runs"]
        if piece["next_cursor"] is None:
            break
        cursor = f"&cursor={piece['next_cursor']}"
    assert (looks, [run["id"] for run in found]) == (3, ["r0001"])


async def test_run_is_shown_with_its_attempts_and_rounds(service: Service, page: Client) -> None:
    """The answer is safe HTML, and why it ended as it did is told."""

    def plant(conn: Connection) -> None:
        plant_run(conn, 1, state="exhausted", reason="Not *finished*", output="**Hi** <script>x</script>")
        attempt = {"run_id": "r0001", "epoch": 1, "worker": "w", "state": "interrupted", "lease_until": 1}
        conn.execute(insert(run_attempts).values(**attempt, started_at=1, finished_at=2))
        rounds = {"run_id": "r0001", "kind": "review", "state": "succeeded", "prompt": "p", "started_at": 1}
        verdict = '{"type":"continue","justification":"tests fail","next_prompt":"mend"}'
        conn.execute(insert(run_rounds).values(**rounds, seq=1, output="o" * 5000, verdict=verdict))

    await service.services.db.write(plant)
    view = await get(page, "/api/run-views/r0001")
    assert view["answer_html"] == "<p><strong>Hi</strong> &lt;script&gt;x&lt;/script&gt;</p>"
    assert "<em>finished</em>" in view["reason_html"]
    assert [(one["number"], one["state"]) for one in view["attempts"]] == [(1, "interrupted")]
    (one,) = view["rounds"]
    assert (one["kind"], one["verdict"], one["justification"]) == ("review", "continue", "tests fail")
    assert len(one["output"]) == 2000
    for path in ("", "/log", "/matches", "/log.txt", "/diff"):
        await get(page, f"/api/run-views/none{path}", 404)


LOG: list[tuple[str, Json]] = [
    ("state", {"state": "running", "reason": None}),
    ("text", {"text": 'Says "text" of Übung\n'}),
    ("tool_call", {"id": "1", "name": "read_file", "summary": "read_file: a.py"}),
    ("tool_result", {"id": "1", "ok": False, "summary": "no such file"}),
    ("plan", {"steps": [{"text": "Understand", "state": "done"}, {"text": "Change", "state": "active"}]}),
    ("usage", {"input_tokens": 5, "output_tokens": 6, "cost_usd": None}),
    ("state", {"state": "failed", "reason": "It broke."}),
]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7]),
        ("kind=text", [2]),
        ("kind=text&kind=plan", [2, 5]),
        ("kind=error", [4, 7]),
        ("words=A.PY", [3]),
        ("words=understand", [5]),
        ("words=%22text%22", [2]),
        ("words=%C3%9Cbung", [2]),
        ("words=summary", []),
        ("words=steps", []),
        ("kind=state&words=broke", [7]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_log_is_filtered(service: Service, page: Client, query: str, numbers: list[int]) -> None:
    """By kind and by what people read of it, never by the names of its fields; look and log agree."""
    await service.services.db.write(lambda conn: plant_log(conn, plant_run(conn, 1), LOG))
    found = await get(page, f"/api/run-views/r0001/matches?{query}")
    assert found == {"matches": numbers, "looked_to": 7, "event_count": 7}
    log = await get(page, f"/api/run-views/r0001/log?{query}")
    assert [event["seq"] for event in log["events"]] == numbers
    behind = await get(page, f"/api/run-views/r0001/log?{query}&after=3&limit=1")
    assert [event["seq"] for event in behind["events"]] == [one for one in numbers if one > 3][:1]


async def test_looks_through_a_log_are_bounded(
    service: Service, page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look tells how far it came, the text file goes through all of them, and its end is the log's."""
    monkeypatch.setattr(log_search, "MOST_LOOKED_AT", 3)
    monkeypatch.setattr(log_text, "MOST_LOOKED_AT", 3)
    monkeypatch.setattr(log_text, "PIECE", 2)
    await service.services.db.write(lambda conn: plant_log(conn, plant_run(conn, 1), LOG))
    after = 0
    seen: list[int] = []
    while after < 7:
        found = await get(page, f"/api/run-views/r0001/matches?kind=state&after={after}")
        assert found["looked_to"] - after <= 3
        after, seen = found["looked_to"], seen + found["matches"]
    assert seen == [1, 7]
    async with page.get("/api/run-views/r0001/log.txt") as response:
        text = await response.text()
        assert response.content_type == "text/plain"
        assert "r0001.log" in response.headers["Content-Disposition"]
    lines = text.splitlines()
    assert lines[0].startswith("+00:00:00.500  state")
    assert lines[3] == "+00:00:02.000  tool_result  failed: no such file"
    assert lines[4:6] == [
        "+00:00:02.500  plan         [x] Understand",
        " " * len("+00:00:02.500  plan         ") + "[>] Change",
    ]
    assert lines[-1].endswith("failed: It broke.")
    async with page.get("/api/run-views/r0001/log.txt?kind=state") as response:
        assert len((await response.text()).splitlines()) == 2


async def test_stream_goes_on_after_a_number(
    program: Client, agent: ScriptedAgent, ask: Call, until: Call
) -> None:
    """A page that has the log so far asks for what follows."""
    run_id = await ask("say a; tool t; say b")
    run = await until(run_id, "succeeded")
    async with program.get(f"/api/runs/{run_id}/stream?after=2") as response:
        body = await response.text()
    numbers = [int(line[4:]) for line in body.splitlines() if line.startswith("id: ")]
    assert numbers == list(range(3, run["event_count"] + 1))
    async with program.get(f"/api/runs/{run_id}/stream?after={run['event_count']}") as response:
        assert response.status == 204
