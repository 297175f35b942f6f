"""What each tool asks of the routes, and what it tells of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from wireroom.mcp.agent_tools import AGENT_TOOLS
from wireroom.mcp.run_tools import RUN_TOOLS
from wireroom.mcp.spec import Call, ToolSpec, input_schema, path_of
from wireroom.mcp.task_tools import SETTING_TOOLS, TASK_TOOLS

_TOOLS: dict[str, ToolSpec[Any]] = {
    spec.name: spec for spec in (*TASK_TOOLS, *SETTING_TOOLS, *RUN_TOOLS, *AGENT_TOOLS)
}


@pytest.mark.parametrize(
    ("name", "arguments", "call"),
    [
        ("list_tasks", {}, Call("GET", "/api/tasks", {"page": 1, "limit": 20})),
        (
            "list_tasks",
            {"status": "ready", "page": 3, "per_page": 5},
            Call("GET", "/api/tasks", {"page": 3, "limit": 5, "status_label": "ready"}),
        ),
        ("get_task", {"id": 7}, Call("GET", "/api/tasks/7")),
        ("create_task", {"prompt": "p"}, Call("POST", "/api/tasks", body={"prompt": "p"})),
        (
            "update_task",
            {"id": 7, "status": "complete", "order": 0},
            Call("PUT", "/api/tasks/7", body={"order": 0, "status_label": "complete"}),
        ),
        ("update_task", {"id": 7, "prompt": None}, Call("PUT", "/api/tasks/7", body={})),
        ("set_setting", {"name": "a/b", "value": 1}, Call("PUT", "/api/settings/a%2Fb", body={"value": 1})),
        (
            "list_runs",
            {"state": "failed"},
            Call("GET", "/api/runs", {"page": 1, "per_page": 20, "state": "failed"}),
        ),
        ("start_run", {"prompt": "p"}, Call("POST", "/cursor/execute/async", body={"prompt": "p"})),
        (
            "start_run",
            {"prompt": "p", "iterate": True, "repository": "r"},
            Call("POST", "/cursor/iterate/async", body={"prompt": "p", "repository": "r"}),
        ),
        ("cancel_run", {"id": "run-1"}, Call("POST", "/api/runs/run-1/cancel")),
        (
            "create_agent",
            {"name": "n", "targetUrl": "u", "oneTime": True, "body": {"k": None}},
            Call(
                "POST", "/agents", body={"name": "n", "targetUrl": "u", "oneTime": True, "body": {"k": None}}
            ),
        ),
        ("list_agents", {"page": 2, "per_page": 3}, Call("GET", "/agents", {"limit": 3, "offset": 3})),
        ("get_agent_status", {"name": "a b"}, Call("GET", "/agents/a%20b")),
        ("delete_agent", {"name": ".."}, Call("DELETE", "/agents/..")),
        ("get_queue_info", {"queueName": "q"}, Call("GET", "/queues/q")),
        ("delete_queue", {"queueName": "q"}, Call("DELETE", "/queues/q")),
    ],
)
def test_tool_becomes_one_call(name: str, arguments: dict[str, Any], call: Call) -> None:
    """Arguments become a call of the route that does it, without what was not said."""
    spec = _TOOLS[name]
    assert spec.call(spec.arguments.model_validate(arguments)) == call


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("list_tasks", {"per_page": 101}),
        ("list_tasks", {"page": 0}),
        ("get_task", {"id": 0}),
        ("create_task", {"prompt": ""}),
        ("create_task", {"prompt": "p", "status": "done"}),
        ("update_task", {"prompt": "p"}),
        ("set_setting", {"name": "debug", "value": "on"}),
        ("list_runs", {"state": "lost"}),
        ("get_run", {"id": "r", "max_chars": -1}),
        ("start_run", {"prompt": "p", "shell": "rm"}),
        ("create_agent", {"name": "n", "targetUrl": "u", "method": "TRACE"}),
        ("create_agent", {"name": "n", "targetUrl": "u", "oneTime": "false"}),
        ("delete_queue", {"name": "q"}),
    ],
)
def test_bad_arguments_reach_no_route(name: str, arguments: dict[str, Any]) -> None:
    """What cannot be meant is refused before anything is called."""
    with pytest.raises(ValidationError):
        _TOOLS[name].arguments.model_validate(arguments)


def test_output_of_a_run_is_cut_at_its_beginning() -> None:
    """The end of an output tells most; how much is missing is said."""
    spec = _TOOLS["get_run"]
    body = {"id": "r", "state": "failed", "reason": None, "prompt": "p" * 300, "output": "abcdef"}
    shown = spec.show(spec.arguments.model_validate({"id": "r", "max_chars": 2}), body)

    assert shown == {
        "id": "r",
        "state": "failed",
        "prompt": "p" * 200 + "…",
        "output": "ef",
        "output_chars_omitted": 4,
    }


@pytest.mark.parametrize("spec", _TOOLS.values(), ids=list(_TOOLS))
def test_schema_tells_nothing_twice(spec: ToolSpec[Any]) -> None:
    """A schema is an object without titles and nulls, which cost tokens; unknown arguments are refused."""
    schema = input_schema(spec.arguments)

    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert "title" not in schema
    for one in schema["properties"].values():
        assert "title" not in one
        assert {"type": "null"} not in one.get("anyOf", [])


def test_names_stay_one_segment() -> None:
    """Whatever a name holds, it is no path of its own."""
    assert path_of("agents", "a/../b?c#d") == "/agents/a%2F..%2Fb%3Fc%23d"
