"""Bodies of the older services' callers: JSON or a form, of bounded size, with names in either spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from wireroom.errors import BadInput
from wireroom.intake.update import nested_form
from wireroom.intake.webhook import FORM, read_body

_MAX_FIELDS = 1000


async def read_fields(request: Request, limit_bytes: int) -> dict[str, Any]:
    """Return the body's fields; an empty body has none.

    Raises:
        BodyTooLarge: it has more than `limit_bytes`.
        BadInput: it is neither a JSON object nor a form.
    """
    body = await read_body(request, limit_bytes)
    if not body.strip():
        return {}
    if request.headers.get("content-type", "").lower().startswith(FORM):
        return _fields_of_form(body)
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("The body is not JSON.") from error
    if not isinstance(fields, dict):
        raise BadInput("The body must be a JSON object.")
    return fields


def in_camel_case(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields under their camelCase names; where both spellings are given, that one counts.

    `{"branch_name": "main", "prompt": "x"}` gives `{"branchName": "main", "prompt": "x"}`. Pure.
    """
    renamed = {_camel(name): value for name, value in fields.items()}
    return renamed | {name: value for name, value in fields.items() if "_" not in name}


def _camel(name: str) -> str:
    head, *others = name.split("_")
    return head + "".join(word.capitalize() for word in others)


def _fields_of_form(body: bytes) -> dict[str, Any]:
    try:
        return nested_form(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError as error:
        raise BadInput("The form body cannot be read.") from error
