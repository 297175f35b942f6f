"""How conversations look to the older web client: whole ones, and summaries in lists. Pure.

    {"conversationId": "conversation-1", "messages": [{"role": "user", "content": "Hi",
     "timestamp": "2026-11-21T23:54:00.123Z"}], "createdAt": "…", "lastAccessedAt": "…"}

Source: contract of cursor-runner, sections 1.3 and 1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wireroom.api.bodies import iso
from wireroom.conversations.agent import AgentConversation, StoredAgentMessage
from wireroom.conversations.listing import ListedConversation
from wireroom.conversations.transcript import Message, Transcript
from wireroom.intake.program_requests import queue_of

_EXTRA_NAMES = {
    "message_id": "messageId",
    "tool_name": "toolName",
    "tool_args": "toolArgs",
    "tool_output": "toolOutput",
}
_TITLE_CHARS = 8


def conversation_body(found: Transcript) -> dict[str, Any]:
    """Return a conversation with its newest messages; those that wait for their turn come last, `pending`."""
    head = _head(found)
    messages = [_message(one) for one in found.messages]
    messages += [{**_message(one), "pending": True} for one in found.waiting]
    body = head | {"messages": messages}
    if found.messages and (found.messages[0].seq or 0) > 1:
        body["earlierMessages"] = (found.messages[0].seq or 0) - 1
    if found.summary is not None:
        # The list stands for the conversation: what was summarised, then what was said since.
        summary = {"role": "assistant", "content": f"[Conversation Summary] {found.summary}"}
        recent = [_message(one) for one in found.messages if (one.seq or 0) > found.summary_upto]
        body["summarizedMessages"] = [summary | {"timestamp": iso(found.active_at)}, *recent]
    return body


def listed_body(found: ListedConversation) -> dict[str, Any]:
    """Return a conversation in a list: its messages are counted, not sent."""
    return _head(found) | {"messages": []}


def agent_conversation_body(
    found: AgentConversation, messages: Sequence[StoredAgentMessage] = ()
) -> dict[str, Any]:
    """Return an agent conversation; in a list, without its messages."""
    body: dict[str, Any] = {
        "conversationId": found.id,
        "title": f"Agent Conversation {found.id[:_TITLE_CHARS]}",
        "messages": [_agent_message(one) for one in messages],
        "messageCount": found.message_count,
        "createdAt": iso(found.created_at),
        "lastAccessedAt": iso(found.active_at),
        "status": found.status,
    }
    if found.agent_id is not None:
        body["agentId"] = found.agent_id
    if found.metadata is not None:
        body["metadata"] = found.metadata
    return body


def _head(found: Transcript | ListedConversation) -> dict[str, Any]:
    body: dict[str, Any] = {
        "conversationId": found.id,
        "title": found.title,
        "channel": found.channel,
        "messageCount": found.message_count,
        "createdAt": iso(found.created_at),
        "lastAccessedAt": iso(found.active_at),
    }
    queue = queue_of(found.lane)
    return body if queue is None else body | {"queueType": queue}


def _message(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {
        "role": message.role,
        "content": message.content,
        "timestamp": iso(message.created_at),
    }
    if message.is_cut:
        body["cut"] = True
    return body if message.run_id is None else body | {"runId": message.run_id}


def _agent_message(message: StoredAgentMessage) -> dict[str, Any]:
    body: dict[str, Any] = {
        "role": message.role,
        "content": message.content,
        "timestamp": iso(message.created_at),
        "source": message.source,
        "messageId": f"msg-{message.seq}",
    }
    extra = {_EXTRA_NAMES[name]: value for name, value in message.extra.items() if name in _EXTRA_NAMES}
    return body | extra
