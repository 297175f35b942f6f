"""`POST /telegram/webhook`: store first, then answer 200.

A plain Starlette route: it reads only what it needs and validates nothing twice.
"""

from __future__ import annotations

import time
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from wireroom.errors import BadInput, StoreUnavailable
from wireroom.intake.accept import Accepted, Receipt
from wireroom.intake.access import same_secret
from wireroom.intake.receipts import Receipts
from wireroom.intake.update import nested_form, read_update
from wireroom.perf import traces
from wireroom.perf.metrics import INTAKE_SECONDS, UPDATES

MAX_BODY_BYTES = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
_SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - a header's name, not a secret
_RETRY_AFTER_SECONDS = "2"
_IGNORED_FIELDS = {"controller", "action", "format", "telegram"}
_log = structlog.get_logger(__name__)

_rejected, _unavailable = UPDATES.labels("rejected"), UPDATES.labels("unavailable")
_ANSWERS = {
    accepted: (
        UPDATES.labels(accepted.value),
        PlainTextResponse("OK", headers={"x-wireroom-delivery": accepted.value}),
    )
    for accepted in Accepted
}


class Webhook:
    """Where Telegram pushes updates."""

    def __init__(self, receipts: Receipts, *, bot_id: int, secret: str) -> None:
        """Accept updates of one bot (0: of none) that carry the secret; an empty secret accepts nothing."""
        self._receipts = receipts
        self._bot_id = bot_id
        self._secret = secret

    async def receive(self, request: Request) -> Response:
        """Answer 200 once the update is durable; 401, 409, 413, 400 for what is not taken, 503 for later."""
        started = time.perf_counter()
        if not same_secret(request.headers.get(_SECRET_HEADER), self._secret):
            _rejected.inc()
            _log.warning(
                "webhook_unauthorized", client=client_of(request), header=_SECRET_HEADER in request.headers
            )
            return PlainTextResponse("Unauthorized", 401)
        if not self._bot_id:
            # Stored without a bot it would never be answered; refused, it waits at Telegram.
            _rejected.inc()
            return _error(409, "No bot is configured. Set TELEGRAM_BOT_TOKEN and start Wireroom again.")
        try:
            body = await read_body(request, MAX_BODY_BYTES)
            accepted = await self._accept(body, request.headers.get("content-type", ""))
        except BodyTooLarge:
            _rejected.inc()
            return _error(413, f"An update may have at most {MAX_BODY_BYTES} bytes.")
        except BadInput as error:
            _rejected.inc()
            return _error(400, str(error))
        except StoreUnavailable as error:
            _unavailable.inc()
            _log.error("update_not_stored", reason=str(error))
            return _error(503, "The update could not be stored. Send it again.", retry=True)
        counter, answer = _ANSWERS[accepted]
        counter.inc()
        INTAKE_SECONDS.observe(time.perf_counter() - started)
        return answer

    async def _accept(self, body: bytes, content_type: str) -> Accepted:
        if content_type.lower().startswith(FORM):
            body = _json_of_form(body)
        began = time.perf_counter()
        incoming = read_update(body)
        accepted = await self._receipts.store(Receipt(incoming, body.decode(errors="replace")))
        if traces.is_tracing() and accepted is Accepted.DURABLE:
            own = traces.carrier_of(traces.origin_of_update(self._bot_id, incoming.update_id))
            traces.note("webhook", own=own, seconds=time.perf_counter() - began)
        return accepted


class BodyTooLarge(BadInput):
    """The body is larger than the route takes."""


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body; stop reading as soon as it is too large.

    Raises:
        BodyTooLarge: beyond the limit, by its length header or in fact.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise BodyTooLarge
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit_bytes:
            raise BodyTooLarge
        pieces.append(piece)
    return b"".join(pieces)


def _json_of_form(body: bytes) -> bytes:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise BadInput("The form body cannot be read.") from error
    fields = {name: value for name, value in nested_form(pairs).items() if name not in _IGNORED_FIELDS}
    return msgspec.json.encode(fields)


def client_of(request: Request) -> str:
    """Return the address of who called, for the log."""
    return request.client.host if request.client else "unknown"


def _error(status: int, message: str, *, retry: bool = False) -> Response:
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if retry else None
    return JSONResponse({"ok": False, "error": message}, status, headers=headers)
