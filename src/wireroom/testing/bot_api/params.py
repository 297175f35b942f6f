"""The parameters of one call, read alike from JSON, a form, a query string or multipart.

A form carries numbers, booleans and objects as strings; JSON carries them typed. Both mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from wireroom.testing.bot_api.errors import bad_request

_TRUE = frozenset({"true", "1", "yes", "y", "t"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a multipart body."""

    name: str
    content: bytes
    mime_type: str

    def __repr__(self) -> str:
        return f"Upload({self.name!r}, {len(self.content)} bytes)"


class Params:
    """Typed reading of a call's parameters; an absent one reads as empty, zero or None."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw

    def has(self, name: str) -> bool:
        """Tell whether the caller gave it, JSON null not counting."""
        return self._raw.get(name) is not None

    def text(self, name: str) -> str:
        """Return the value as text."""
        value = self._raw.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, Upload):
            return value.content.decode("utf-8", "replace")
        return msgspec.json.encode(value).decode()

    def integer(self, name: str, default: int = 0) -> int:
        """Return the value as a whole number; `default` when absent or not a number."""
        value = self._raw.get(name)
        if isinstance(value, bool):
            return default
        if isinstance(value, int):
            return value
        try:
            return int(str(value)) if value is not None else default
        except ValueError:
            return default

    def flag(self, name: str) -> bool:
        """Return the value as a boolean."""
        return self.text(name).strip().lower() in _TRUE

    def array(self, name: str) -> list[Any]:
        """Return the value as a list; a string is JSON.

        Raises:
            ApiRefusal: 400, it is something else.
        """
        value = self._decoded(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise bad_request(f"can't parse {name}: expected an Array")
        return value

    def mapping(self, name: str) -> dict[str, Any] | None:
        """Return the value as an object, None when absent; a string is JSON.

        Raises:
            ApiRefusal: 400, it is something else.
        """
        value = self._decoded(name)
        if value is None or isinstance(value, dict):
            return value
        raise bad_request(f"can't parse {name}: expected an Object")

    def upload(self, name: str) -> Upload | None:
        """Return the file sent under this name, or the one it points at by `attach://`."""
        value = self._raw.get(name)
        if isinstance(value, str) and value.startswith("attach://"):
            value = self._raw.get(value.removeprefix("attach://"))
        return value if isinstance(value, Upload) else None

    def with_values(self, values: Mapping[str, Any]) -> Params:
        """Return these parameters with some replaced, so that nested objects can point at uploads."""
        return Params({**self._raw, **values})

    def _decoded(self, name: str) -> Any:
        value = self._raw.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError as problem:
            raise bad_request(f"can't parse {name}: {problem}") from None
