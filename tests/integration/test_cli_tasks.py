"""`wireroom tasks` and `wireroom operator` beside a running service, and without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli import wireroom

from running_service import client_of, running_service
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(120)


async def test_board_is_kept_from_the_command_line(database_path: Path) -> None:
    """Added, listed, moved, set aside, shown, deleted; what cannot be meant is one sentence and code 1."""
    data_dir = database_path.parent
    added = await wireroom(data_dir, "tasks", "add", "first thing", "--label", "db", "--order", "3")
    assert added.out == "Task 1 is ready.\n"
    second = json.loads((await wireroom(data_dir, "tasks", "add", "second", "--needs", "1", "--json")).out)
    assert (second["id"], second["needs"], second["status_label"]) == (2, [1], "ready")
    await wireroom(data_dir, "tasks", "move", "1", "--", "-4")
    await wireroom(data_dir, "tasks", "backlog", "2")
    listed = (await wireroom(data_dir, "tasks", "list")).out.splitlines()
    assert [line.split()[:3] for line in listed[1:]] == [["1", "-4", "ready"], ["2", "0", "backlogged"]]
    assert (await wireroom(data_dir, "tasks", "list", "--limit", "1")).out.splitlines()[2:] == [
        "… and 1 more; --limit shows them."
    ]
    shown = (await wireroom(data_dir, "tasks", "show", "2")).out
    assert "waits for: 1" in shown
    assert "Not begun yet." in shown
    freed = await wireroom(data_dir, "tasks", "edit", "2", "--needs", "0", "--label", "", "--json")
    assert (json.loads(freed.out)["needs"], json.loads(freed.out)["labels"]) == ([], [])
    assert (await wireroom(data_dir, "tasks", "show", "9" * 20)).code == 2
    assert (await wireroom(data_dir, "tasks", "delete", "1")).out == "Task 1 is deleted.\n"
    for arguments, said in [
        (("tasks", "show", "9"), "There is no task 9."),
        (("tasks", "list", "--status", "foo"), "There is no status 'foo'."),
        (("tasks", "edit", "2", "--backend", "hal"), "There is no coding agent hal."),
    ]:
        refused = await wireroom(data_dir, *arguments)
        assert (refused.code, said in refused.err) == (1, True)


async def test_running_service_follows_the_command_line(database_path: Path) -> None:
    """`operator on` has a running service begin at once; done, status and retry tell and do."""
    data_dir = database_path.parent
    async with running_service(data_dir) as service, client_of(service) as http:
        headers = {"X-Webhook-Secret": service.services.api_secret}
        await wireroom(data_dir, "tasks", "add", "write a haiku")
        assert (await wireroom(data_dir, "operator", "on")).out == "The task operator is on.\n"

        async def complete() -> bool:
            async with http.get("/api/tasks/1", headers=headers) as answer:
                return bool((await answer.json())["status_label"] == "complete")

        await eventually(complete, "the task is complete", 20)
        status = await wireroom(data_dir, "operator", "status", "--json")
        assert json.loads(status.out)["counts"]["complete"] == 1
        shown = json.loads((await wireroom(data_dir, "tasks", "show", "1", "--json")).out)
        assert shown["attempts"][0]["state"] == "succeeded"
        assert (await wireroom(data_dir, "operator", "off")).out == "The task operator is off.\n"
        assert (await wireroom(data_dir, "tasks", "retry", "1")).out == "Task 1 is ready.\n"
        assert (await wireroom(data_dir, "operator", "lock")).out == "No task is at work.\n"
        assert (await wireroom(data_dir, "operator", "clear-lock")).out == "Nothing was in progress.\n"
