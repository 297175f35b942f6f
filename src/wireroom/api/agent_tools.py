"""`POST /agent-tools`: what a voice agent may do here, and what it says about it.

A call is `{"tool": "start_run", "args": {"prompt": "…"}, "conversation_id": "…"}`; the answer is
`{"ok": true, "say": "…", "result": {…}}`, where `say` is one or two sentences to be spoken.
Source: contract of telegram-receiver, section 7, which names no tools: these are ours.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wireroom.api.auth import Caller
from wireroom.api.guard import note_action
from wireroom.api.program_bodies import in_camel_case, read_fields
from wireroom.api.runner_relay import Operation, RunnerCalls
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import BadInput, NotFound, StoreUnavailable, WireroomError
from wireroom.intake.access import same_secret
from wireroom.intake.webhook import BodyTooLarge, client_of
from wireroom.runs.cancel import Cancelled, cancel_run
from wireroom.runs.feed import lane_topic, run_topic
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.states import RunState
from wireroom.store.database import after_commit
from wireroom.store.schema import runs

PATH = "/agent-tools"
MAX_BODY_BYTES = 1024 * 1024
EXCERPT_CHARS = 2_000
_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_STOPPED = frozenset({Cancelled.STOPPING, Cancelled.REMOVED})
_CALLER = Caller("voice agent")
_SORRY = "Sorry, that did not work."
_SPOKEN = {
    RunState.QUEUED: "It is waiting for its turn.",
    RunState.RUNNING: "It is still working.",
    RunState.SUCCEEDED: "It is done.",
    RunState.FAILED: "It has failed.",
    RunState.EXHAUSTED: "It has used up its rounds without being complete.",
    RunState.TIMED_OUT: "It took too long and was stopped.",
    RunState.CANCELLED: "It was cancelled.",
    RunState.INTERRUPTED: "It was interrupted.",
    RunState.JOINED: "It went to another request, which answers it.",
}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that can be meant."""

    tool: str
    args: Mapping[str, Any]
    """Names in camelCase, however they were sent."""
    conversation_id: str | None


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool did."""

    ok: bool
    say: str
    """To be spoken: no markup."""
    result: Mapping[str, Any]


class AgentTools:
    """Serves the tools."""

    def __init__(self, services: Services, runner: RunnerCalls) -> None:
        """Serve whoever sends the installation's secret."""
        self._services = services
        self._runner = runner
        self._tools: Mapping[str, Callable[[ToolCall], Awaitable[ToolAnswer]]] = {
            "start_run": self.start_run,
            "run_status": self.run_status,
            "cancel_run": self.cancel_run,
        }

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """Do what the tool does; 200 also for a tool that says that it could not."""
        if not _has_secret(request, self._services.api_secret):
            _log.warning("agent_tools_unauthorized", client=client_of(request))
            return _answer(HTTPStatus.UNAUTHORIZED, _refused("I am not allowed to do that.", "Unauthorized"))
        try:
            call = read_call(await read_fields(request, MAX_BODY_BYTES))
        except BodyTooLarge:
            return _answer(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _refused(_SORRY, f"Over {MAX_BODY_BYTES} bytes.")
            )
        except BadInput as error:
            return _answer(HTTPStatus.BAD_REQUEST, _refused(_SORRY, str(error)))
        try:
            return _answer(HTTPStatus.OK, await self._use(call))
        except StoreUnavailable as error:
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, _refused(_SORRY, str(error)))
        except WireroomError as error:
            return _answer(HTTPStatus.OK, _refused(_SORRY, str(error)))

    async def start_run(self, call: ToolCall) -> ToolAnswer:
        """Have a coding agent begin: `{prompt, repository?, id?}`; answers at once."""
        if not _text(call, "prompt").strip():
            return _refused("What should be done?", "prompt is required")
        fields = {name: value for name in ("prompt", "repository", "id") if (value := call.args.get(name))}
        if call.conversation_id is not None:
            fields["conversationId"] = call.conversation_id
        answer = await self._runner.call(Operation.EXECUTE_ASYNC, {**fields, "queueType": "api"})
        if answer.body.get("success") is not True:
            return _refused("I could not start it.", str(answer.body.get("error")))
        request_id = str(answer.body.get("requestId"))
        return ToolAnswer(ok=True, say="I have started it.", result={"requestId": request_id})

    async def run_status(self, call: ToolCall) -> ToolAnswer:
        """Tell how a run stands: `{requestId?}`; without an id the conversation's newest."""
        run = await self._services.db.read(lambda conn: _wanted_run(conn, call))
        return ToolAnswer(ok=True, say=_SPOKEN[run.state], result=_described(run))

    async def cancel_run(self, call: ToolCall) -> ToolAnswer:
        """Stop a run: `{requestId?}`; without an id the conversation's newest."""
        now_ms = to_ms(self._services.clock.now())

        def unit(conn: Connection) -> tuple[RunView, Cancelled]:
            run = _wanted_run(conn, call)
            found = cancel_run(conn, self._services.jobs, run.id, now_ms)
            if found in _STOPPED:
                note_action(conn, _CALLER, "run.cancel", run.id, now_ms=now_ms, detail=found)
                after_commit(conn, lambda: self._tell(run))
            return run, found

        run, found = await self._services.db.write(unit)
        if found not in _STOPPED:
            return ToolAnswer(ok=False, say=_SPOKEN[run.state], result=_described(run))
        return ToolAnswer(ok=True, say="I am stopping it.", result={"requestId": run.request_id})

    def _tell(self, run: RunView) -> None:
        for topic in (run_topic(run.id), lane_topic(run.lane)):
            self._services.feed.publish(topic)

    async def _use(self, call: ToolCall) -> ToolAnswer:
        tool = self._tools.get(call.tool)
        if tool is None:
            _log.warning("agent_tool_unknown", tool=call.tool[:100])
            known = ", ".join(self._tools)
            return _refused("I do not know how to do that.", f"There is no such tool. There are: {known}.")
        return await tool(call)


def read_call(fields: Mapping[str, Any]) -> ToolCall:
    """Return the call. Pure.

    Raises:
        BadInput: it names no tool, or its parts are of the wrong kind.
    """
    tool, args, conversation_id = (fields.get(name) for name in ("tool", "args", "conversation_id"))
    if not isinstance(tool, str) or not tool.strip():
        raise BadInput("tool is required")
    if not isinstance(args, dict | None):
        raise BadInput("args must be an object")
    if conversation_id is not None and not (
        isinstance(conversation_id, str) and _ID.fullmatch(conversation_id)
    ):
        raise BadInput("conversation_id must be letters, digits and . _ : -, at most 255")
    return ToolCall(tool.strip(), in_camel_case(args or {}), conversation_id)


def _wanted_run(conn: Connection, call: ToolCall) -> RunView:
    asked = _text(call, "requestId") or _newest_run(conn, call.conversation_id)
    run = find_run(conn, asked) if asked else None
    if run is None:
        raise NotFound("There is no such run.")
    return run


def _newest_run(conn: Connection, conversation_id: str | None) -> str | None:
    query = (
        select(runs.c.id)
        .where(runs.c.conversation_id == conversation_id)
        .order_by(runs.c.queued_at.desc())
        .limit(1)
    )
    found: str | None = conn.execute(query).scalar_one_or_none()
    return found


def _described(run: RunView) -> dict[str, Any]:
    output = run.output or ""
    return {
        "requestId": run.request_id,
        "state": run.state.value,
        "reason": run.reason,
        "output": output[:EXCERPT_CHARS],
        "outputCut": len(output) > EXCERPT_CHARS,
    }


def _text(call: ToolCall, name: str) -> str:
    value = call.args.get(name, "")
    if not isinstance(value, str):
        raise BadInput(f"{name} must be text")
    return value


def _has_secret(request: Request, expected: str) -> bool:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    offered = (request.headers.get("x-el-secret"), bearer.strip() if scheme.lower() == "bearer" else None)
    return any(same_secret(value, expected) for value in offered)


def _refused(say: str, error: str) -> ToolAnswer:
    return ToolAnswer(ok=False, say=say, result={"error": error})


def _answer(status: int, answer: ToolAnswer) -> Response:
    return JSONResponse({"ok": answer.ok, "say": answer.say, "result": dict(answer.result)}, status)
