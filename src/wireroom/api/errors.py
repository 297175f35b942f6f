"""How errors look on the wire: one shape for every refusal, whoever raised it.

    {"success": false, "error": "There is no run x.",
     "timestamp": "2026-11-21T23:54:00.123Z", "path": "/api/runs/x"}

What nobody expected answers 500 with an id and nothing else; the same id is logged beside the trace.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.bodies import iso
from wireroom.clock import to_ms
from wireroom.errors import BadInput, Conflict, NotFound, Refused, StoreUnavailable, WireroomError

RETRY_AFTER_SECONDS = 2

_STATUS: tuple[tuple[type[WireroomError], HTTPStatus], ...] = (
    (BadInput, HTTPStatus.BAD_REQUEST),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Refused, HTTPStatus.FORBIDDEN),
    (Conflict, HTTPStatus.CONFLICT),
    (StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
_UNSTORABLE = (DataError, OverflowError, UnicodeEncodeError)
"""What the drivers of both databases say of a number beyond 64 bits, of NUL, and of half a character."""
_log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Have every error of the app answered in the one shape."""
    app.add_exception_handler(WireroomError, _answer_ours)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    for kind in _UNSTORABLE:
        app.add_exception_handler(kind, _answer_unstorable)
    app.add_exception_handler(Exception, _answer_unexpected)


async def answer_error(request: Request, error: Exception) -> Response:
    """Return what the app would answer, for a route that goes around it."""
    if isinstance(error, WireroomError):
        return await _answer_ours(request, error)
    if isinstance(error, HTTPException):
        return await _answer_http(request, error)
    if isinstance(error, _UNSTORABLE):
        return await _answer_unstorable(request, error)
    return await _answer_unexpected(request, error)


def status_of(error: WireroomError) -> HTTPStatus | None:
    """Return the status that tells of the error, None for one that callers can do nothing about. Pure."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), None)


def error_response(
    request: Request,
    status: int,
    message: str,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Response:
    """Return the refusal of this request; of an unknown route, with its method."""
    body: dict[str, object] = {
        "success": False,
        "error": message,
        "timestamp": iso(to_ms(datetime.now(UTC))),
        "path": request.url.path,
    }
    if method is not None:
        body["method"] = method
    return Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")


async def _answer_ours(request: Request, error: Exception) -> Response:
    status = status_of(error) if isinstance(error, WireroomError) else None
    if status is None:
        return await _answer_unexpected(request, error)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        _log.warning("store_unavailable", path=request.url.path, reason=str(error))
        return error_response(request, status, str(error), {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return error_response(request, status, str(error))


async def _answer_http(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: 401, 404, 405, 413."""
    if not isinstance(error, HTTPException):
        return await _answer_unexpected(request, error)
    if error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return error_response(request, error.status_code, "Route not found", error.headers, request.method)
    return error_response(request, error.status_code, str(error.detail), error.headers)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    """Name each field that cannot be used and why; what was sent is not repeated."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    message = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in problems)
    return error_response(request, HTTPStatus.UNPROCESSABLE_ENTITY, message)


async def _answer_unstorable(request: Request, error: Exception) -> Response:
    """Answer a value that passed every check and that no database can take."""
    _log.warning("value_not_storable", path=request.url.path, reason=type(error).__name__)
    message = "A value cannot be stored: a number is too large, or a text has NUL or half a character in it."
    return error_response(request, HTTPStatus.BAD_REQUEST, message)


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    error_id = secrets.token_hex(6)
    _log.error("request_failed", error_id=error_id, path=request.url.path, exc_info=error)
    message = f"Something went wrong inside Wireroom. Its log says more under the id {error_id}."
    return error_response(request, HTTPStatus.INTERNAL_SERVER_ERROR, message)
