"""The older runner's wire: how its callers' bodies are read, and its short refusals.

    {"success": false, "error": "prompt is required"}

Source: contract of cursor-runner, sections 1.0 and 1.2.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MAX_BODY_BYTES = 1_000_000
NO_CACHE = {
    "Cache-Control": "no-store, no-cache, must-revalidate, proxy-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
}
_TOO_LARGE = HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request entity too large")
_BASE36 = string.digits + string.ascii_lowercase
Model = TypeVar("Model", bound=BaseModel)


class ShortRefusal(Exception):
    """The request is refused in the older runner's shortest shape."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Refuse with this status and `error`."""
        super().__init__(message)
        self.status = status
        self.headers = headers


def install(app: FastAPI) -> None:
    """Have short refusals answered."""
    app.add_exception_handler(ShortRefusal, _answer)


def json_response(
    body: Any, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the value as JSON."""
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of the body; `{}` when there is none, or when it does not say that it is JSON.

    Raises:
        HTTPException: 413 as soon as it is longer than `MAX_BODY_BYTES`, 400 when it is no JSON object.
    """
    raw = await _read_bounded(request)
    if not raw.strip() or not _says_json(request.headers.get("content-type", "")):
        return {}
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
    return body


def checked(model: type[Model], body: Mapping[str, Any]) -> Model:
    """Return the body as typed values.

    Raises:
        ShortRefusal: 400, naming the first field that cannot be meant.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ShortRefusal(HTTPStatus.BAD_REQUEST, f"{field}: {first['msg']}") from error


def fresh_request_id(prefix: str, now_ms: int) -> str:
    """Return an id as the older runner made them: `req-1763769240000-k3j9x0a2b`."""
    return f"{prefix}-{now_ms}-{''.join(secrets.choice(_BASE36) for _ in range(9))}"


def described_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return what OpenAPI says of a body that `read_object` reads."""
    return {"requestBody": {"content": {"application/json": {"schema": deepcopy(_schema_of(model))}}}}


@cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _says_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


async def _read_bounded(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _TOO_LARGE
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > MAX_BODY_BYTES:
            raise _TOO_LARGE
    return bytes(raw)


async def _answer(request: Request, error: Exception) -> Response:
    del request
    if not isinstance(error, ShortRefusal):
        raise error
    return json_response({"success": False, "error": str(error)}, error.status, error.headers)
