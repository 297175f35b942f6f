"""The JSON of the page's own chat: conversations, what one of them shows, and the news of the stream."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from wireroom.api.bodies import EventBody, Pagination, iso
from wireroom.conversations.summaries import ConversationSummary


class ConversationBody(BaseModel):
    """A conversation in the history."""

    id: str
    title: str
    is_current: bool
    message_count: int
    created_at: str
    active_at: str

    @classmethod
    def of(cls, conversation: ConversationSummary) -> ConversationBody:
        """Return the conversation as it is sent."""
        return cls(
            id=conversation.id,
            title=conversation.title,
            is_current=conversation.is_current,
            message_count=conversation.message_count,
            created_at=iso(conversation.created_at),
            active_at=iso(conversation.active_at),
        )


class ConversationListBody(BaseModel):
    """One page of conversations, the most recently active first."""

    conversations: list[ConversationBody]
    pagination: Pagination


class ChatRunBody(BaseModel):
    """A question and its answer as the page shows them."""

    id: str
    request_id: str
    conversation_id: str
    prompt: str
    prompt_cut: bool = Field(description="The prompt goes on; `GET /api/runs/{id}` has all of it.")
    backend: str
    state: str
    reason: str | None
    stopping: bool = Field(description="A person asked to stop it.")
    place: int = Field(description="Requests of the lane that come before it; 0 for one that runs or ended.")
    reason_html: str | None = Field(description="Why it went wrong, rendered and safe; None when it did not.")
    answer_html: str | None = Field(description="What the agent said; None until the run has ended.")
    answer_cut: bool = Field(description="The answer goes on; `GET /api/runs/{id}` has all of it.")
    usage: dict[str, Any] | None
    changed_files: bool = Field(description="`GET /api/run-views/{id}/diff` has what it changed.")
    event_count: int
    queued_at: str
    started_at: str | None
    finished_at: str | None


class ChatBody(BaseModel):
    """A conversation with its newest runs, oldest first."""

    conversation: ConversationBody | None = Field(description="None before the first message.")
    runs: list[ChatRunBody]
    earlier: bool = Field(description="Earlier runs were left out; ask with a higher `limit`.")
    cursor: str = Field(description="Where the live stream goes on from here.")


class ChatEventBody(EventBody):
    """One event in the page's live stream."""

    run_id: str


class ChatNewsBody(BaseModel):
    """One message of the page's live stream."""

    conversation_id: str | None = Field(description="The lane's current conversation.")
    runs: list[ChatRunBody] = Field(description="Runs that changed, as they are now.")
    events: list[ChatEventBody] = Field(description="New lines of their logs, each sent once.")


class PairingCodeBody(BaseModel):
    """A code that lets a person talk to the bot."""

    code: str
