"""Any coding agent that speaks the Agent Client Protocol over its standard input and output.

`opencode acp`, `gemini --acp`, `claude-agent-acp`, `codex-acp`, `cursor-agent acp`, `goose acp` and others.
The messages are in `acp_messages`, their reading in `acp_updates`; here is the order in which we talk.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from typing import Any

import structlog

from wireroom.backends import acp_messages as rpc
from wireroom.backends.acp_files import read_text, write_text
from wireroom.backends.acp_messages import Answered, Asked, Told
from wireroom.backends.acp_updates import UpdateReader
from wireroom.backends.environment import agent_environment
from wireroom.backends.protocol import (
    AgentEvent,
    AgentRequest,
    AgentResult,
    Command,
    EventKind,
    Host,
    McpServer,
    PermissionAnswer,
    Wire,
)
from wireroom.backends.wire import count_of, mapping_of, name_of, notice, text_of
from wireroom.errors import AgentUnavailable, NotFound, Refused

ENVIRONMENT = (
    "ANTHROPIC_*",
    "CLAUDE_*",
    "CODEX_*",
    "CURSOR_API_KEY",
    "CURSOR_CONFIG_DIR",
    "GEMINI_*",
    "GOOGLE_*",
    "GOOSE_*",
    "OPENAI_*",
    "OPENCODE_*",
)
"""Keys and settings of the agents we know; which of them is started, only the command line tells."""

_log = structlog.get_logger(__name__)
_METHODS = frozenset({"session/request_permission", "fs/read_text_file", "fs/write_text_file"})
_MOST_OPEN = 64
"""Questions of an agent that are being answered at once; one more is refused."""


class AcpBackend:
    """Starts the agent of `WIREROOM_ACP_COMMAND` and talks with it."""

    name = "acp"
    resumes_sessions = True
    takes_words = False

    def __init__(self, command: str, environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = agent_environment(environment, *ENVIRONMENT)

    def command(self, request: AgentRequest) -> Command:
        """Return the process to talk with.

        Raises:
            AgentUnavailable: the setting is empty or no command line.
        """
        try:
            argv = tuple(shlex.split(self._command))
        except ValueError as error:
            raise AgentUnavailable(f"WIREROOM_ACP_COMMAND is no command line: {error}.") from error
        if not argv:
            raise AgentUnavailable("WIREROOM_ACP_COMMAND is empty; give a command such as `opencode acp`.")
        return Command(argv, request.workdir, self._environment)

    async def converse(self, request: AgentRequest, wire: Wire, host: Host) -> AgentResult:
        """Talk until the prompt is answered."""
        return await _Conversation(request, wire, host).hold()


class _Ended(Exception):
    """The agent's output ended before its answer."""


class _Failed(Exception):
    """The agent could not be brought to work; the message says why."""


class _SessionLost(Exception):
    """The agent does not know the session any more."""


class _Conversation:
    """One prompt, from the greeting to the answer.

    One loop reads; what the agent asks for is done in tasks beside it, so that neither side ever waits for
    the other to read.
    """

    def __init__(self, request: AgentRequest, wire: Wire, host: Host) -> None:
        self._request = request
        self._wire = wire
        self._host = host
        self._reader = UpdateReader()
        self._session: str | None = None
        self._resumable = False
        self._turn_begun = False
        self._number = 0
        self._open: dict[int | str, asyncio.Task[None]] = {}
        self._questions: set[int | str] = set()

    async def hold(self) -> AgentResult:
        """Return how it went; no task is left."""
        stopping = asyncio.create_task(self._tell_to_stop(), name="acp stop")
        try:
            return await self._hold()
        except _Ended:
            return self._reader.failure(None, self._remembered)
        except _SessionLost:
            return self._reader.failure("The agent does not know this session.", None, session_lost=True)
        except _Failed as error:
            return self._reader.failure(str(error), self._remembered)
        finally:
            left = [stopping, *self._open.values()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    @property
    def _remembered(self) -> str | None:
        return self._session if self._resumable else None

    async def _hold(self) -> AgentResult:
        greeting = await self._greet()
        opened = await self._open_session(greeting)
        if self._request.model:
            await self._choose_model(opened, self._request.model)
        if self._request.effort:
            await self._choose_effort(opened, self._request.effort)
        self._turn_begun = True
        answer = await self._ask("session/prompt", rpc.prompt(self._session or "", self._request))
        if answer.error is not None:
            raise _Failed(f"The agent failed: {answer.error}")
        events, result = self._reader.result(answer.result, self._remembered)
        self._emit(events)
        return result

    async def _greet(self) -> Mapping[str, Any]:
        greeting = await self._ask("initialize", rpc.initialize())
        if greeting.error is not None:
            raise _Failed(f"The agent does not speak the Agent Client Protocol: {greeting.error}")
        version = rpc.version_of(greeting.result)
        if version != rpc.PROTOCOL_VERSION:
            raise _Failed(f"The agent speaks version {version} of the protocol; Wireroom speaks version 1.")
        return greeting.result

    async def _open_session(self, greeting: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begin a session, or take up the one of the request; note its name."""
        able = mapping_of(greeting.get("agentCapabilities"))
        may_resume = "resume" in mapping_of(able.get("sessionCapabilities"))
        self._resumable = may_resume or able.get("loadSession") is True
        method = "session/resume" if may_resume else "session/load"
        params = rpc.session_params(self._request, self._servers(able))
        if wanted := self._request.session_id:
            if not self._resumable:
                raise _SessionLost
            opened = await self._log_in_and_ask(greeting, method, {**params, "sessionId": wanted})
            if opened.error is not None and opened.code != rpc.AUTH_REQUIRED:
                raise _SessionLost
        else:
            opened = await self._log_in_and_ask(greeting, "session/new", params)
        if opened.error is not None:
            raise _Failed(f"The agent opened no session: {opened.error}{_login_hint(opened)}")
        self._note_session(wanted or text_of(opened.result.get("sessionId")))
        return opened.result

    def _note_session(self, session: str) -> None:
        if not session:
            raise _Failed("The agent opened a session without a name.")
        self._session = session
        self._resumable = self._resumable and name_of(session) is not None
        if self._resumable:
            self._emit([AgentEvent(EventKind.SESSION, {"session_id": session})])

    async def _log_in_and_ask(
        self, greeting: Mapping[str, Any], method: str, params: Mapping[str, Any]
    ) -> Answered:
        """Ask; an agent that wants a login first gets the one that needs no person, if it offers one."""
        answer = await self._ask(method, params)
        way = rpc.key_login(greeting) if answer.code == rpc.AUTH_REQUIRED else None
        if way is None or (await self._ask("authenticate", {"methodId": way})).error is not None:
            return answer
        return await self._ask(method, params)

    def _servers(self, able: Mapping[str, Any]) -> list[McpServer]:
        """Return the MCP servers that the agent can use; the log tells of the others."""
        takes_http = mapping_of(able.get("mcpCapabilities")).get("http") is True
        unfit = [server.name for server in self._request.mcp_servers if server.url and not takes_http]
        if unfit:
            self._emit([notice(f"This agent cannot use MCP servers over HTTP: {', '.join(unfit)}")])
        return [server for server in self._request.mcp_servers if takes_http or not server.url]

    async def _choose_model(self, opened: Mapping[str, Any], model: str) -> None:
        choice = rpc.model_choice(opened, model)
        if choice is None:
            raise _Failed(f"The agent does not offer the model {model} (WIREROOM_MODEL).")
        method, params = choice
        chosen = await self._ask(method, {"sessionId": self._session, **params})
        if chosen.error is not None:
            raise _Failed(f"The agent does not take the model {model}: {chosen.error}")

    async def _choose_effort(self, opened: Mapping[str, Any], effort: str) -> None:
        """Choose it if it is offered; an answer that took another effort is better than none."""
        params = rpc.effort_choice(opened, effort)
        if params is not None:
            params = {"sessionId": self._session, **params}
        if params is None or (await self._ask("session/set_config_option", params)).error is not None:
            self._emit([notice(f"The agent does not take the effort {effort}.")])

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Answered:
        """Send a request and do what comes until its answer."""
        self._number += 1
        number = self._number
        await self._wire.send(rpc.request(number, method, params))
        while (line := await self._wire.receive()) is not None:
            match rpc.read_message(line):
                case Answered(id=answered) as answer if answered == number:
                    return answer
                case Told(method="session/update", params=told):
                    self._update(told)
                case Asked() as asked:
                    await self._take(asked)
                case None if line.strip():
                    self._emit([notice(line)])
        raise _Ended

    def _update(self, told: Mapping[str, Any]) -> None:
        # What an agent tells before the turn is the history of a session that it loads.
        if self._turn_begun and told.get("sessionId") == self._session:
            self._emit(self._reader.feed(mapping_of(told.get("update"))))

    async def _take(self, asked: Asked) -> None:
        """Begin to answer."""
        if asked.method not in _METHODS:
            unknown = f"Wireroom does not offer {asked.method[:100]}"
            await self._wire.send(rpc.refusal(asked.id, rpc.METHOD_NOT_FOUND, unknown))
            return
        if len(self._open) >= _MOST_OPEN or asked.id in self._open:
            refused = "more is being asked at once than Wireroom answers"
            await self._wire.send(rpc.refusal(asked.id, rpc.INTERNAL_ERROR, refused))
            return
        task = asyncio.create_task(self._answer(asked), name=f"acp {asked.method[:40]}")
        self._open[asked.id] = task
        task.add_done_callback(lambda _: self._open.pop(asked.id, None))

    async def _answer(self, asked: Asked) -> None:
        try:
            line = rpc.answer(asked.id, await self._do(asked))
        except (Refused, NotFound, OSError) as error:
            code = rpc.NOT_FOUND if isinstance(error, NotFound) else rpc.INVALID_PARAMS
            line = rpc.refusal(asked.id, code, str(error))
        except Exception:  # noqa: BLE001 - the task's top: without an answer the agent would wait for ever
            _log.exception("acp_request_broken", method=asked.method[:100])
            line = rpc.refusal(asked.id, rpc.INTERNAL_ERROR, "Wireroom could not do this")
        await self._wire.send(line)

    async def _do(self, asked: Asked) -> Mapping[str, Any]:
        """Do one of `_METHODS`."""
        params, root = asked.params, self._request.workdir
        path = text_of(params.get("path"))
        if asked.method == "fs/read_text_file":
            line, limit = count_of(params.get("line")), count_of(params.get("limit"))
            return {"content": await asyncio.to_thread(read_text, root, path, line=line, limit=limit)}
        if asked.method == "fs/write_text_file" and self._request.aside:
            raise Refused("a side question changes nothing")
        if asked.method == "fs/write_text_file":
            await asyncio.to_thread(write_text, root, path, text_of(params.get("content")))
            return {}
        return await self._permit(asked)

    async def _permit(self, asked: Asked) -> Mapping[str, Any]:
        events, question = self._reader.question(asked.params)
        self._emit(events)
        self._questions.add(asked.id)
        answer = await self._host.ask(question)
        self._questions.discard(asked.id)
        return rpc.choose_option(asked.params.get("options"), allowed=answer is PermissionAnswer.ALLOWED)

    async def _tell_to_stop(self) -> None:
        """Once we are told to stop, say so in the protocol's words, and answer what is still asked."""
        await self._wire.stop.wait()
        if self._session is None:
            return
        await self._wire.send(rpc.notification("session/cancel", {"sessionId": self._session}))
        for number in tuple(self._questions):
            if (task := self._open.get(number)) is not None:
                task.cancel()
            await self._wire.send(rpc.answer(number, rpc.CANCELLED))

    def _emit(self, events: list[AgentEvent]) -> None:
        for event in events:
            self._host.emit(event)


def _login_hint(answer: Answered) -> str:
    if answer.code != rpc.AUTH_REQUIRED:
        return ""
    return ". Log in with the agent's own program, or give it its key in the environment."
