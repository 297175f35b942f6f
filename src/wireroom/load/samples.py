"""What the process of the people tells the one that conducts: a line of JSON a second, and what it is told.

Everything is a sum, so that a line that is lost takes nothing with it but its own second.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wireroom.load.patterns import Extent, Pattern


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done to a service, as probed; see `capabilities`."""

    service: str = "unknown"
    """The name in the body of `/health`."""
    health: bool = False
    webhook: bool = False
    tasks: bool = False
    programs: bool = False
    """`/cursor/execute/async` takes requests."""
    callbacks: bool = False
    agent_tools: bool = False
    metrics: bool = False
    lists: tuple[str, ...] = ()
    """What a dashboard polls: paths that answer JSON."""
    stream: str = ""
    """The path of a live stream of server-sent events; empty for none."""
    socket: str = ""
    """The path of the WebSocket of a conversation; empty for none."""

    @property
    def anybody(self) -> bool:
        """Whether there is somebody who can act, beside the health check."""
        routes = (self.webhook, self.tasks, self.programs, self.callbacks, self.agent_tools)
        return any(routes) or bool(self.lists)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the people are to do. Has secrets: it goes through a pipe, never into a file or an argument."""

    base_url: str
    pattern: Pattern
    extent: Extent
    pace: float
    """How often people act, as a multiple of the usual."""
    mark: str
    """Begins every token of this measurement, so that nothing of an earlier one counts."""
    first_update_id: int
    first_chat: int
    agent_seconds: float
    """How long the coding agent works on a message; its script says so."""
    webhook_secret: str
    api_secret: str
    callback_url: str
    """Where programs want to be called back; a token is appended."""
    voice: dict[str, Any]
    """The `Voice` object that voice senders send."""
    can: Capabilities


class Tally(msgspec.Struct):
    """One kind of request within a second."""

    count: int = 0
    failed: int = 0
    total_ms: float = 0.0
    most_ms: float = 0.0
    bins: dict[int, int] = msgspec.field(default_factory=dict)
    """Latencies; see `histogram`."""
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    """How often each failure, in a few words."""


class Promise(msgspec.Struct, frozen=True):
    """Something owed an effect: a message its answer, a request its callback, a task its row on the board."""

    token: str
    at: float
    """`time.monotonic()` when it was first sent; the same clock in all processes of a machine."""
    acknowledged: bool
    """Whether the service said that it has it."""


class Second(msgspec.Struct):
    """All that happened since the last line."""

    at: float
    """`time.monotonic()`."""
    people: int
    requests: dict[str, Tally] = msgspec.field(default_factory=dict)
    asked: list[Promise] = msgspec.field(default_factory=list)
    """Chat messages."""
    called: list[Promise] = msgspec.field(default_factory=list)
    """Requests that promise a callback."""
    filed: list[Promise] = msgspec.field(default_factory=list)
    """Tasks."""
    events: int = 0
    """Messages that live streams and WebSockets brought."""
