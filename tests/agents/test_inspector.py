"""The protocol's own inspector, another implementation than the Python SDK, against our tools."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.programs import program_folder
from wireroom.mcp.server import tool_list

pytestmark = pytest.mark.timeout(120)


async def _inspect(data_dir: Path, *arguments: str) -> Any:
    """Have the inspector start `wireroom mcp`, ask one thing, and return the JSON that it prints."""
    server = [str(Path(sys.executable).with_name("wireroom")), "mcp"]
    variables = ["-e", f"WIREROOM_DATA_DIR={data_dir}", "-e", "WIREROOM_BACKEND=demo"]
    process = await asyncio.create_subprocess_exec(
        str(program_folder() / "mcp-inspector"),
        "--cli",
        *variables,
        *server,
        *arguments,
        env={"PATH": os.environ["PATH"], "HOME": str(data_dir)},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


async def test_inspector_lists_the_tools(database_path: Path) -> None:
    """It is told of every tool, and takes each description for a valid one."""
    listed = await _inspect(database_path.parent, "--method", "tools/list")

    assert [tool["name"] for tool in listed["tools"]] == [tool.name for tool in tool_list()]


async def test_inspector_calls_a_tool(database_path: Path) -> None:
    """A task that it adds is on the board, and what it may not do is an error that it shows."""
    call = ("--method", "tools/call", "--tool-name")
    made = await _inspect(database_path.parent, *call, "create_task", "--tool-arg", "prompt=hello")
    listed = await _inspect(database_path.parent, *call, "list_tasks")
    wrong = await _inspect(database_path.parent, *call, "get_task", "--tool-arg", "id=99")

    assert made["isError"] is False
    assert [task["prompt"] for task in json.loads(listed["content"][0]["text"])["tasks"]] == ["hello"]
    assert (wrong["isError"], wrong["content"][0]["text"]) == (True, "Error: Task not found")
