"""Our messages of the Agent Client Protocol, held to the models of the official SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from acp import schema
from pydantic import BaseModel

from contract.acp_sessions import AcpSession, RecordingHost
from wireroom.backends import acp_messages as rpc
from wireroom.backends.acp_messages import Answered, Asked, Told
from wireroom.backends.protocol import McpServer
from wireroom.testing.acp_agent import ScriptedAcpAgent

pytestmark = pytest.mark.timeout(60)

OURS: dict[str, type[BaseModel]] = {
    "initialize": schema.InitializeRequest,
    "authenticate": schema.AuthenticateRequest,
    "session/new": schema.NewSessionRequest,
    "session/load": schema.LoadSessionRequest,
    "session/set_config_option": schema.SetSessionConfigOptionSelectRequest,
    "session/prompt": schema.PromptRequest,
    "session/cancel": schema.CancelNotification,
}
THEIRS: dict[str, type[BaseModel]] = {
    "session/update": schema.SessionNotification,
    "session/request_permission": schema.RequestPermissionRequest,
    "fs/read_text_file": schema.ReadTextFileRequest,
    "fs/write_text_file": schema.WriteTextFileRequest,
}


async def test_every_message_of_a_conversation_is_as_the_sdk_has_it(tmp_path: Path) -> None:
    """What we send, and what the scripted agent sends, is valid by the protocol's own models."""
    agent = ScriptedAcpAgent(tmp_path / "agent", login="some-api-key")
    session = AcpSession(agent.backend(), tmp_path)
    board = McpServer("board", command="board-mcp", args=("--read",), env={"KEY": "1"})
    script = "think a; plan a, b; tool read x; ask execute ls; write n.txt x; read n.txt; spend 1 2 3; say x"
    first = await session.ask(script, RecordingHost(), mcp_servers=(board,), model="large")
    await session.ask("say y", session_id=first.result.session_id)
    sent = [one for one in agent.received() if "method" in one]
    assert {one["method"] for one in sent} == OURS.keys() - {"session/cancel"}
    for message in sent:
        OURS[message["method"]].model_validate(message["params"])
    replies = [one["result"] for one in agent.received() if "result" in one]
    schema.RequestPermissionResponse.model_validate(next(one for one in replies if "outcome" in one))
    schema.ReadTextFileResponse.model_validate(next(one for one in replies if "content" in one))
    told = [json.loads(line) for line in first.outcome.stdout.text.splitlines()]
    for message in [one for one in told if "method" in one]:
        THEIRS[message["method"]].model_validate(message["params"])


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ('{"jsonrpc":"2.0","id":1,"result":{"a":1}}', Answered(1, {"a": 1})),
        ('{"id":"x","result":null}', Answered("x", {})),
        ('{"id":2,"error":{"code":-32000,"message":"no"}}', Answered(2, {}, "no", -32000)),
        (
            '{"id":2,"error":{"code":"?","message":"no","data":{"details":"why"}}}',
            Answered(2, {}, "no: why", rpc.INTERNAL_ERROR),
        ),
        ('{"id":2,"error":7}', Answered(2, {}, "no reason given", rpc.INTERNAL_ERROR)),
        ('{"method":"m","params":{"b":2}}', Told("m", {"b": 2})),
        ('{"id":0,"method":"m"}', Asked(0, "m", {})),
        ('{"id":null,"method":"m"}', None),
        ('{"id":3}', None),
        ("[1]", None),
        ("not json", None),
    ],
)
def test_read_message_takes_any_line(line: str, read: Any) -> None:
    """Each kind of message is told from the others, and from what is none."""
    assert rpc.read_message(line) == read


ALWAYS = {"optionId": "a", "kind": "allow_always"}
ONCE = {"optionId": "o", "kind": "allow_once"}
NEVER = {"optionId": "n", "kind": "reject_always"}


@pytest.mark.parametrize(
    ("options", "allowed", "chosen"),
    [
        ([ALWAYS, ONCE, NEVER], True, "o"),
        ([ALWAYS, NEVER], True, "a"),
        ([ALWAYS, ONCE, NEVER], False, "n"),
        ([ALWAYS], False, None),
        ([NEVER], True, None),
        ("nonsense", True, None),
    ],
)
def test_choose_option_never_chooses_more_than_was_said(
    options: object, allowed: bool, chosen: str | None
) -> None:
    """Once is preferred to always; without a fitting option the question is cancelled, never allowed."""
    outcome = rpc.choose_option(options, allowed=allowed)["outcome"]
    assert outcome.get("optionId") == chosen
    assert outcome["outcome"] == ("selected" if chosen else "cancelled")
