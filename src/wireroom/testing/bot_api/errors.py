"""What a call is refused with, in the words of the Bot API."""

from __future__ import annotations

from typing import Any


class ApiRefusal(Exception):
    """The call is answered by {"ok": false, "error_code": int, "description": str, "parameters"?: {...}}.

    Source: Telegram Bot API, Making requests; ResponseParameters.
    """

    def __init__(self, code: int, description: str, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(description)
        self.code = code
        """HTTP status and `error_code`."""
        self.description = description
        self.parameters = parameters
        """Such as {"retry_after": 30}."""

    def to_json(self) -> dict[str, Any]:
        """Return the envelope."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            body["parameters"] = self.parameters
        return body


def bad_request(reason: str) -> ApiRefusal:
    """Return the 400 whose description is "Bad Request: <reason>"."""
    return ApiRefusal(400, f"Bad Request: {reason}")


def cannot_parse(reason: str) -> ApiRefusal:
    """Return the 400 for markup that cannot be read."""
    return bad_request(f"can't parse entities: {reason}")


def conflict(reason: str) -> ApiRefusal:
    """Return the 409 for two ways of taking updates at once."""
    return ApiRefusal(409, f"Conflict: {reason}")


def migrated(chat_id: int) -> ApiRefusal:
    """Return the 400 of a group that has become a supergroup."""
    reason = "Bad Request: group chat was upgraded to a supergroup chat"
    return ApiRefusal(400, reason, parameters={"migrate_to_chat_id": chat_id})


def too_many_requests(retry_after: int) -> ApiRefusal:
    """Return the 429; `retry_after` in whole seconds."""
    return ApiRefusal(
        429, f"Too Many Requests: retry after {retry_after}", parameters={"retry_after": retry_after}
    )
