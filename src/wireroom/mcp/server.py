"""The MCP server itself: the official SDK around the tools, whatever transport carries it.

Importing this costs the better part of a second; `door` and the command import it when they are used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

import mcp_types as types
import structlog
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from wireroom import __version__
from wireroom.errors import WireroomError
from wireroom.mcp.agent_tools import AGENT_TOOLS, agent_call, list_call
from wireroom.mcp.run_tools import RUN_TOOLS
from wireroom.mcp.spec import Answer, Paged, RouteCalls, ToolSpec, input_schema
from wireroom.mcp.task_tools import SETTING_TOOLS, TASK_TOOLS

TOOLS: Sequence[ToolSpec[Any]] = (*TASK_TOOLS, *SETTING_TOOLS, *RUN_TOOLS, *AGENT_TOOLS)
INSTRUCTIONS = (
    "Wireroom runs coding agents. Tasks are prompts on a board, which the operator runs in order while the "
    "setting task_operator is 1. A run is one prompt given to a coding agent. An agent here is an HTTP call, "
    "once or by a schedule. Nothing runs inside this server: tools store what is wanted, Wireroom does it."
)
_AGENT_URI = "agent://"
_MOST_RESOURCES = 100
_UNEXPECTED = "Something went wrong inside Wireroom; its log says what."
_JSON = "application/json"
_log = structlog.get_logger(__name__)
Context = ServerRequestContext[Any, Any]


def tool_list() -> list[types.Tool]:
    """Return the tools as every client is told of them."""
    return [
        types.Tool(
            name=spec.name,
            description=spec.description,
            input_schema=input_schema(spec.arguments),
            annotations=types.ToolAnnotations(read_only_hint=True)
            if not spec.changes
            else types.ToolAnnotations(destructive_hint=spec.destroys),
        )
        for spec in TOOLS
    ]


def make_server(calls: RouteCalls) -> Server[Any]:
    """Return the server; what its tools do goes through these routes."""
    answers = _Answers(calls)
    return Server(
        "wireroom",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=answers.list_tools,
        on_call_tool=answers.call_tool,
        on_list_resources=answers.list_resources,
        on_list_resource_templates=answers.list_templates,
        on_read_resource=answers.read_resource,
    )


class _Answers:
    def __init__(self, calls: RouteCalls) -> None:
        self._calls = calls
        self._tools: Mapping[str, ToolSpec[Any]] = {spec.name: spec for spec in TOOLS}

    async def list_tools(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tool_list())

    async def call_tool(self, _: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        spec = self._tools.get(params.name)
        if spec is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        try:
            arguments = spec.arguments.model_validate(params.arguments or {})
        except ValidationError as error:
            return _refusal(spec, _problems(error))
        answer = await self._ask(spec, arguments)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            return _refusal(spec, _reason(answer))
        return _said(spec.show(arguments, answer.body), is_error=False)

    async def list_resources(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        answer = await self._calls.call(list_call(Paged(per_page=_MOST_RESOURCES)))
        if answer.status != HTTPStatus.OK:
            raise MCPError(types.INTERNAL_ERROR, _reason(answer))
        return types.ListResourcesResult(resources=[_resource(one["name"]) for one in answer.body["agents"]])

    async def list_templates(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(
            uri_template=f"{_AGENT_URI}{{name}}", name="agent", description="An agent.", mime_type=_JSON
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(
        self, _: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        if not uri.startswith(_AGENT_URI):
            raise MCPError(types.INVALID_PARAMS, f"Unknown resource: {uri}")
        answer = await self._calls.call(agent_call(unquote(uri.removeprefix(_AGENT_URI))))
        if answer.status != HTTPStatus.OK:
            raise MCPError(types.INTERNAL_ERROR, _reason(answer))
        content = types.TextResourceContents(uri=uri, mime_type=_JSON, text=_pretty(answer.body))
        return types.ReadResourceResult(contents=[content])

    async def _ask(self, spec: ToolSpec[Any], arguments: Any) -> Answer:
        try:
            return await self._calls.call(spec.call(arguments))
        except WireroomError as error:
            _log.warning("tool_failed", tool=spec.name, reason=str(error))
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)})
        except Exception:  # noqa: BLE001 - the SDK would tell the client what only our log should say
            _log.exception("tool_failed", tool=spec.name)
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": _UNEXPECTED})


def _resource(name: str) -> types.Resource:
    return types.Resource(uri=f"{_AGENT_URI}{quote(name, safe='')}", name=name, mime_type=_JSON)


def _refusal(spec: ToolSpec[Any], reason: str) -> types.CallToolResult:
    return _said({"error": reason} if spec.error_as_json else f"Error: {reason}", is_error=True)


def _said(content: Any, *, is_error: bool) -> types.CallToolResult:
    text = content if isinstance(content, str) else _pretty(content)
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=is_error)


def _pretty(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False)


def _reason(answer: Answer) -> str:
    said = answer.body.get("error") if isinstance(answer.body, dict) else None
    return str(said or f"HTTP {answer.status}")


def _problems(error: ValidationError) -> str:
    """Name each argument that cannot be used and why; what was sent is not repeated."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
    )
