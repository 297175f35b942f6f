"""What programs may send to the runner's routes, and how it becomes a `ProgramRequest`. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from wireroom.api.legacy import ShortRefusal
from wireroom.backends.wire import argument_of
from wireroom.errors import BadInput
from wireroom.intake.program_requests import ProgramRequest
from wireroom.runs.options import RunOptions
from wireroom.runs.states import RunMode

_ID = r"^[^\x00-\x1f\x7f]*$"
# It names a folder, too.
_CONVERSATION_ID = r"^(?:[A-Za-z0-9][A-Za-z0-9._:-]*)?$"
_TELEGRAM_PREFIX = "telegram-"
Word = Annotated[str, Field(max_length=200, pattern=_ID)]
Wishes = Annotated[float, Field(gt=0, le=1_000_000)]


def plain_text(value: str) -> str:
    """Return the text without the one character that PostgreSQL does not store."""
    return value.replace("\x00", "")


class RunWishes(BaseModel):
    """What may be said about a run beside its prompt; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: Word | None = Field(None, description="Yours; the same id twice is one run. Default: a fresh one.")
    repository: Annotated[str, Field(max_length=1000, pattern=_ID)] | None = Field(
        None, description="Folder below the repositories' root; null or blank: the root itself."
    )
    branch_name: Word | None = Field(None, alias="branchName", description="Echoed; nothing is checked out.")
    max_iterations: Annotated[int, Field(ge=0, le=100)] | None = Field(
        None, alias="maxIterations", description="Rounds of the loop after the first; 0: the default."
    )
    worktree: bool = Field(False, description="Work in a git worktree of the run's own.")
    model: str | None = Field(None, description="Model of the coding agent.")
    mcp_servers: Annotated[list[Word], Field(max_length=50)] | None = Field(
        None, alias="mcpServers", description="Names of MCP servers. Default: the installation's."
    )
    backend: Word | None = Field(None, description="Coding agent. Default: the installation's.")
    reviewer: Word | None = Field(None, description="Coding agent that reviews in the loop.")
    budget_minutes: Wishes | None = Field(None, alias="budgetMinutes", description="Longest time, minutes.")
    budget_usd: Wishes | None = Field(None, alias="budgetUsd", description="Most that it may cost.")

    @field_validator("model")
    @classmethod
    def _is_one_word(cls, value: str | None) -> str | None:
        try:
            return argument_of(value, "model") if value else None
        except BadInput as error:
            raise ValueError(str(error)) from error

    def options(self, queue_type: str | None, *, unattended: bool) -> RunOptions:
        """Return what is stored with the run."""
        return RunOptions(
            repository=self.repository,
            branch_name=self.branch_name,
            queue_type=queue_type,
            model=self.model,
            worktree=self.worktree,
            mcp_servers=None if self.mcp_servers is None else tuple(self.mcp_servers),
            max_rounds=self.max_iterations or None,
            budget_minutes=self.budget_minutes,
            budget_usd=self.budget_usd,
            reviewer=self.reviewer or None,
            unattended=unattended,
        )


class RunRequest(RunWishes):
    """The body of the four routes that run something."""

    prompt: Any = Field(None, description="What to do; text.", json_schema_extra={"type": "string"})
    conversation_id: Annotated[str, Field(max_length=128, pattern=_CONVERSATION_ID)] | None = Field(
        None,
        validation_alias=AliasChoices("conversationId", "conversation_id"),
        description="The conversation to join, begun if it is new. Default: the queue's current one.",
    )
    queue_type: Word | None = Field(
        None,
        alias="queueType",
        description="default, telegram or api; by default what the id's beginning says.",
    )
    callback_url: Annotated[str, Field(max_length=2048)] | None = Field(
        None,
        validation_alias=AliasChoices("callbackUrl", "callback_url"),
        description="Where the result is sent; only of the routes that end in /async.",
    )

    def request(self, mode: RunMode, fresh_id: str) -> ProgramRequest:
        """Return the request that is stored; its prompt is empty when none was sent.

        Raises:
            ShortRefusal: 400, the prompt is no text.
        """
        request_id = self.id or fresh_id
        if self.prompt and not isinstance(self.prompt, str):
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, "prompt must be a string")
        is_telegram = request_id.startswith(_TELEGRAM_PREFIX)
        queue_type = self.queue_type or ("telegram" if is_telegram else "default")
        return ProgramRequest(
            request_id=request_id,
            prompt=plain_text(self.prompt or ""),
            mode=mode,
            conversation_id=self.conversation_id or None,
            callback_url=self.callback_url or None,
            backend=self.backend or None,
            options=self.options(queue_type, unattended=True),
        )


class MessageToConversation(RunWishes):
    """The body of a message into a conversation."""

    message: Any = Field(None, description="What to do; text.", json_schema_extra={"type": "string"})
    mode: RunMode = Field(
        RunMode.EXECUTE, description="`iterate`: review the work and go on until it is done."
    )


class NewConversationRequest(BaseModel):
    """The body of a wish for a new conversation."""

    queue_type: Word | None = Field(None, alias="queueType", description="default, telegram or api.")
