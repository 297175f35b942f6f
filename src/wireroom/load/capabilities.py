"""What can be done to a service: asked before anybody acts, so that nobody plays against a wall.

Wireroom has every route of the contracts; each of the older services has some of them. Paths that only
Wireroom has are asked of Wireroom alone, because an older service may make something of a path that it does
not know. A probe changes as little as a request can. Who cannot act is left out, with a line that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from wireroom.load.samples import Capabilities

WEBHOOK = "/telegram/webhook"
TASKS = "/api/tasks"
PROGRAMS = "/cursor/execute/async"
NEW_CONVERSATION = "/cursor/conversation/new"
CALLBACKS = "/cursor-runner/callback"
AGENT_TOOLS = "/agent-tools"
HEALTH = "/health"
METRICS = "/metrics"
SOCKET = "/conversations/api/ws"
STREAM = "/api/chat/stream"
OURS = "wireroom"
_CONTRACT_LISTS = (
    "/api/tasks?page=1&limit=50",
    "/conversations/api/list?limit=50",
    "/agents",
    "/queues",
    "/health/queue",
)
_OWN_LISTS = ("/api/runs?limit=50", "/api/deliveries?limit=50", "/api/chat/conversations", "/task-operator")
_NO_ANSWER = 0
_SECRETS = "WEBHOOK_SECRET and TELEGRAM_WEBHOOK_SECRET"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the service is, and what opens it."""

    base_url: str
    webhook_secret: str
    api_secret: str

    @property
    def telegram_headers(self) -> dict[str, str]:
        """What Telegram sends along."""
        return {"X-Telegram-Bot-Api-Secret-Token": self.webhook_secret} if self.webhook_secret else {}

    @property
    def program_headers(self) -> dict[str, str]:
        """What programs send along."""
        return program_headers(self.api_secret)


@dataclass(frozen=True, slots=True)
class Probed:
    """What was found."""

    can: Capabilities
    left_out: tuple[str, ...]
    """One line for everybody who cannot act here, with the reason."""


def program_headers(api_secret: str) -> dict[str, str]:
    """Return the headers that open the API, and the tools of voice agents, to a program."""
    if not api_secret:
        return {}
    return {"X-Webhook-Secret": api_secret, "Authorization": f"Bearer {api_secret}"}


def why_not(status: int, able: frozenset[int] = frozenset({200})) -> str | None:
    """Return why a route cannot be used, None when it can. Pure.

    Args:
        status: What the probe was answered, 0 for no answer.
        able: What a service answers that takes such requests.
    """
    if status in able:
        return None
    if status == _NO_ANSWER:
        return "does not answer"
    if status in {401, 403}:
        return f"does not take our secret ({status}); set {_SECRETS} as it has them"
    if status in {404, 405, 501}:
        return f"is not there ({status})"
    return f"answers {status}"


async def probe(session: aiohttp.ClientSession, access: Access, *, mark: str, update_id: int) -> Probed:
    """Ask the service what can be done to it.

    Args:
        session: With a time-out of its own.
        access: Where it is.
        mark: Of the measurement; names what a probe may leave behind.
        update_id: Never used before.
    """
    ask = _Prober(session, access)
    health_status, health = await ask.get(HEALTH)
    service = str(health.get("service", "unknown")) if isinstance(health, Mapping) else "unknown"
    ours = service == OURS
    acted = {
        "chat people": (WEBHOOK, await ask.update({"update_id": update_id, "poll": {"id": mark}})),
        "task filers": (TASKS, why_not((await ask.get(TASKS + "?page=1&limit=1"))[0])),
        "programs": (PROGRAMS, why_not(await ask.post(PROGRAMS, {}), frozenset({200, 400}))),
        "callback senders": (
            CALLBACKS,
            why_not(await ask.post(CALLBACKS, {"requestId": mark, "success": True})),
        ),
        "voice agents": (
            AGENT_TOOLS,
            why_not(await ask.post(AGENT_TOOLS, {"tool": "run_status", "args": {}})),
        ),
        "the health check": (HEALTH, why_not(health_status)),
    }
    lists = [path for path in (*_CONTRACT_LISTS, *(_OWN_LISTS if ours else ())) if await ask.is_list(path)]
    can = Capabilities(
        service=service,
        health=acted["the health check"][1] is None,
        webhook=acted["chat people"][1] is None,
        tasks=acted["task filers"][1] is None,
        programs=acted["programs"][1] is None,
        callbacks=acted["callback senders"][1] is None,
        agent_tools=acted["voice agents"][1] is None,
        metrics=await ask.has_metrics(),
        lists=tuple(lists),
        stream=STREAM if ours else "",
        socket=SOCKET if "/conversations/api/list?limit=50" in lists else "",
    )
    left_out = [f"{who}: {path} {why}" for who, (path, why) in acted.items() if why is not None]
    return Probed(can, (*left_out, *_missing(can)))


async def tasks_on_board(session: aiohttp.ClientSession, access: Access) -> dict[str, int] | None:
    """Return how often each task's number stands on the board, None when the board cannot be listed."""
    status, rows = await _Prober(session, access).get(TASKS)
    if status != 200 or not isinstance(rows, list):  # noqa: PLR2004 - HTTP
        return None
    return dict(Counter(str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row))


def _missing(can: Capabilities) -> list[str]:
    lines = [] if can.lists else ["dashboard watchers: none of the lists they poll is there"]
    if can.lists and not can.stream:
        lines.append("live streams of watchers: the service has none")
    if can.lists and not can.socket:
        lines.append("WebSockets of watchers: the service has no conversations")
    if not can.metrics:
        lines.append("the service's own figures: /metrics is not there")
    return lines


class _Prober:
    def __init__(self, session: aiohttp.ClientSession, access: Access) -> None:
        self._session = session
        self._access = access

    async def get(self, path: str) -> tuple[int, Any]:
        """Return the status and the JSON body, None when it is none."""
        status, body = await self._exchange("GET", path, None, self._access.program_headers)
        return status, _decoded(body)

    async def post(self, path: str, body: Mapping[str, Any]) -> int:
        return (await self._exchange("POST", path, body, self._access.program_headers))[0]

    async def update(self, update: Mapping[str, Any]) -> str | None:
        return why_not((await self._exchange("POST", WEBHOOK, update, self._access.telegram_headers))[0])

    async def is_list(self, path: str) -> bool:
        status, body = await self.get(path)
        return status == 200 and isinstance(body, list | dict)  # noqa: PLR2004 - HTTP

    async def has_metrics(self) -> bool:
        status, body = await self._exchange("GET", METRICS, None, {})
        return status == 200 and b"# TYPE" in body  # noqa: PLR2004 - HTTP

    async def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        url = self._access.base_url + path
        try:
            async with self._session.request(method, url, json=body, headers=headers) as answer:
                return answer.status, await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError):
            return _NO_ANSWER, b""


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
