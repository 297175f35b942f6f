"""The settings of coding agents and of the people and programs that give them work; a part of `Settings`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

LONGEST_SECONDS = 365 * 24 * 3600.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def named(*names: str, default: Any, description: str, **limits: Any) -> Any:
    """Return a setting that the first of these environment variables that is set gives."""
    return Field(default, validation_alias=AliasChoices(*names), description=description, **limits)


class AgentSettings(BaseSettings):
    """Which coding agents there are, what they may do, and how much of everything."""

    codex_cli_path: str = named("WIREROOM_CODEX_CLI_PATH", default="codex", description="Codex's program.")
    codex_sandbox: Literal["read-only", "workspace-write", "danger-full-access"] = named(
        "WIREROOM_CODEX_SANDBOX",
        default="workspace-write",
        description="What Codex may touch, in its own words.",
    )
    gemini_cli_path: str = named(
        "WIREROOM_GEMINI_CLI_PATH", default="gemini", description="Gemini's program."
    )
    gemini_approval_mode: Literal["default", "auto_edit", "yolo", "plan"] = named(
        "WIREROOM_GEMINI_APPROVAL_MODE",
        default="auto_edit",
        description="What Gemini may do without asking, in its own words.",
    )
    opencode_cli_path: str = named(
        "WIREROOM_OPENCODE_CLI_PATH", default="opencode", description="OpenCode's program."
    )
    acp_command: str = named(
        "WIREROOM_ACP_COMMAND",
        default="",
        description="Command line of an agent that speaks the Agent Client Protocol, such as `opencode acp`.",
    )
    cursor_runner_url: str = named(
        "CURSOR_RUNNER_URL",
        default="",
        description="Address of another runner, for `WIREROOM_BACKEND=remote`.",
    )
    cursor_runner_secret: SecretStr = named(
        "WIREROOM_CURSOR_RUNNER_SECRET",
        default=SecretStr(""),
        description="What that runner expects as `X-Webhook-Secret`. Default: our own.",
    )
    agent_home: Path | None = named(
        "WIREROOM_AGENT_HOME",
        default=None,
        description="Folder with a HOME for each coding agent, by its name. Default: all use ours.",
    )

    low_resource: bool = named(
        "CURSOR_RUNNER_LOW_RESOURCE",
        default=False,
        description="One agent at a time, whatever the number of slots says.",
    )
    queue_limit: int = named(
        "WIREROOM_QUEUE_LIMIT",
        default=1000,
        ge=1,
        description="Runs that may wait; a program that asks for more is answered 429.",
    )
    busy_mode: Literal["followup", "collect", "steer", "interrupt"] = named(
        "WIREROOM_BUSY_MODE",
        default="followup",
        description="What a message means that comes while an agent works, unless the chat says otherwise.",
    )
    side_minutes: float = named(
        "WIREROOM_SIDE_MINUTES",
        default=5.0,
        gt=0,
        le=24 * 60,
        description="Longest answer to a side question (`/btw`), minutes.",
    )
    side_slots: int = named(
        "WIREROOM_SIDE_SLOTS",
        default=2,
        ge=1,
        le=100,
        description="Side questions that are answered at once, beside the agents at work.",
    )
    queue_wait_seconds: float = named(
        "WIREROOM_QUEUE_WAIT_SECONDS",
        default=86_400.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="Longest time that a run waits for its turn before it is given up, seconds.",
    )

    review_backend: str = named(
        "WIREROOM_REVIEW_BACKEND",
        default="",
        description="Coding agent that reviews in the iterate loop. Default: the one that works.",
    )
    max_rounds: int = named(
        "WIREROOM_MAX_ROUNDS",
        default=5,
        ge=1,
        le=100,
        description="Rounds of the iterate loop after the first, unless the caller says otherwise.",
    )
    budget_minutes: float = named(
        "WIREROOM_BUDGET_MINUTES",
        default=0.0,
        ge=0,
        description="Longest time of one iterate loop, minutes; 0: no limit.",
    )
    budget_usd: float = named(
        "WIREROOM_BUDGET_USD",
        default=0.0,
        ge=0,
        description="Most that one iterate loop may cost, US dollars; 0: no limit.",
    )
    prices: str = named(
        "WIREROOM_PRICES",
        default="",
        description='US dollars a million tokens: `{"model": {"input": 3, "output": 15}}`, JSON.',
    )

    worktrees_path: Path | None = named(
        "WIREROOM_WORKTREES_PATH",
        default=None,
        description="Folder of the runs' git worktrees. Default: `worktrees` in the data folder.",
    )
    worktree_days: float = named(
        "WIREROOM_WORKTREE_DAYS",
        default=7.0,
        gt=0,
        description="Days after its last use that a run's worktree is kept; its branch stays.",
    )
    git_timeout_ms: int = named(
        "GIT_COMMAND_TIMEOUT", default=60_000, ge=1, description="Longest git command, milliseconds."
    )
    github_api_url: str = named(
        "WIREROOM_GITHUB_API_URL",
        default="https://api.github.com",
        description="Where `/pr` opens pull requests.",
    )
    mcp_config: Path | None = named(
        "WIREROOM_MCP_CONFIG",
        default=None,
        description="File of MCP servers (`mcpServers`); `${NAME}` in it stands for a variable of ours.",
    )
    mcp_servers: Annotated[tuple[str, ...], NoDecode] = named(
        "WIREROOM_MCP_SERVERS",
        default=(),
        description="Names of the MCP servers that every run gets, comma separated.",
    )
    mcp_probe_seconds: float = named(
        "WIREROOM_MCP_PROBE_SECONDS",
        default=10.0,
        gt=0,
        le=600,
        description="Longest start of an MCP server before a run goes on without it, seconds.",
    )

    permission_seconds: float = named(
        "WIREROOM_PERMISSION_SECONDS",
        default=600.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="How long an agent's question for permission waits for a person, seconds.",
    )
    permission_default: Literal["allow", "deny"] = named(
        "WIREROOM_PERMISSION_DEFAULT",
        default="deny",
        description="The answer when nobody answered, or nobody can be asked.",
    )
    permission_rules: Annotated[tuple[str, ...], NoDecode] = named(
        "WIREROOM_PERMISSION_RULES",
        default=(),
        description="Answers by tool, first match wins: `read*=allow,execute=ask,fetch=deny`.",
    )

    callback_hosts: Annotated[tuple[str, ...], NoDecode] = named(
        "WIREROOM_CALLBACK_HOSTS",
        default=(),
        description="Hosts that callbacks (sent with the secret) and agents may call besides public ones.",
    )
    callback_attempts: int = named(
        "WIREROOM_CALLBACK_ATTEMPTS",
        default=20,
        ge=1,
        description="Tries of one callback before it becomes a dead letter.",
    )
    elevenlabs_enabled: bool = named(
        "ELEVENLABS_AGENT_ENABLED",
        default=False,
        description="Call ElevenLabs agents back, too.",
    )
    default_callback_url: str = named(
        "JAREK_VA_URL",
        default="",
        description="Where `/cursor/iterate/async` reports when its caller names no address.",
    )
    frontend_url: str = named(
        "FRONTEND_URL", default="", description="Origin of another page that may call the API."
    )
    open_networks: Annotated[tuple[Network, ...], NoDecode] = named(
        "WIREROOM_OPEN_NETWORKS",
        default=(),
        description="Networks whose programs may call `WIREROOM_OPEN_ROUTES` without the secret.",
    )
    open_routes: Annotated[tuple[str, ...], NoDecode] = named(
        "WIREROOM_OPEN_ROUTES",
        default=(),
        description="Paths, and all below them, that those networks may call without the secret.",
    )
    conversation_days: float = named(
        "WIREROOM_CONVERSATION_DAYS",
        default=0.0,
        ge=0,
        description="Days without a message after which a conversation is deleted; 0: never.",
    )

    tasks_at_once: int = named(
        "WIREROOM_TASKS_AT_ONCE",
        default=1,
        ge=1,
        le=100,
        description="Tasks of the board at work at once.",
    )
    task_attempts: int = named(
        "WIREROOM_TASK_ATTEMPTS",
        default=3,
        ge=1,
        le=100,
        description="Failures after which a task is given up.",
    )
    task_backoff_seconds: float = named(
        "WIREROOM_TASK_BACKOFF_SECONDS",
        default=30.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="Wait after a task's first failure, seconds; it doubles with each, up to half an hour.",
    )
    task_backend: str = named(
        "WIREROOM_TASK_BACKEND",
        default="",
        description="Coding agent for tasks that name none. Default: `WIREROOM_BACKEND`.",
    )
    task_stuck_minutes: float = named(
        "WIREROOM_TASK_STUCK_MINUTES",
        default=60.0,
        ge=0,
        le=LONGEST_SECONDS / 60,
        description="Minutes without a change after which a task that another program has begun is taken up.",
    )
    operator_chat: str = named(
        "WIREROOM_OPERATOR_CHAT",
        default="",
        description="Chat that is told of tasks: its number, or `number:topic`. Default: none.",
    )
    quiet_hours: str = named(
        "WIREROOM_QUIET_HOURS",
        default="",
        description="Hours to leave that chat alone, such as `22:00-07:00`, unless `/quiet` says else.",
    )
    time_zone: str = named(
        "WIREROOM_TIME_ZONE",
        default="UTC",
        description="Where times of chats and agents without a zone of their own are read: `Europe/Warsaw`.",
    )
    queue_concurrency: int = named(
        "BULLMQ_CONCURRENCY",
        default=5,
        ge=1,
        le=1000,
        description="Calls of agents at once in a queue, unless the queue says otherwise.",
    )
    catch_up_limit: int = named(
        "WIREROOM_CATCH_UP_LIMIT",
        default=3,
        ge=1,
        le=1000,
        description="Calls of agents for missed times at once, in all queues together.",
    )
    call_days: float = named(
        "WIREROOM_CALL_DAYS",
        default=30.0,
        gt=0,
        description="Days that the calls of agents are remembered after their end.",
    )

    target_app_path: Path | None = named(
        "TARGET_APP_PATH",
        default=None,
        description="Folder whose `scripts` is the scripts folder, unless `SCRIPTS_PATH` names one.",
    )
    scripts_path: Path | None = named(
        "SCRIPTS_PATH",
        default=None,
        description="Folder for agents' one-off scripts. Default: `scripts` in the data folder.",
    )
    instructions: str = named(
        "WIREROOM_INSTRUCTIONS",
        default="",
        description="What agents are told beside the prompt instead of where scripts go; `off`: nothing.",
    )
    max_file_mib: int = named(
        "WIREROOM_MAX_FILE_MIB",
        default=50,
        ge=1,
        le=4096,
        description="Largest file that a person may attach to a message, MiB.",
    )

    @field_validator(
        "mcp_servers", "permission_rules", "callback_hosts", "open_routes", "open_networks", mode="before"
    )
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())
