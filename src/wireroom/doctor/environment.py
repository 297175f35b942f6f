"""The settings that were read from the environment, as they may be shown: secrets only as set or unset.

Pure. Secrets are fields of type `SecretStr`. Other texts may hold one as well: of an address the user,
password and query are left out, of a command line and of instructions all but the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from wireroom.doctor.plain import without_secrets
from wireroom.settings import Settings, variables_of

DOCUMENTED_IN = "docs/reference/settings.md"
_FIRST_WORD_ALONE = frozenset({"acp_command"})
"""A command line may carry a key."""
_LENGTH_ALONE = frozenset({"instructions"})
"""What agents are told is nobody else's business."""


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting."""

    variable: str
    """The environment variable that sets it."""
    also: tuple[str, ...]
    """Older names of it."""
    value: str | None
    """As it is in force; None for a secret."""
    default: str | None
    """What counts when it is not set; None for a secret."""
    is_set: bool
    is_secret: bool
    meaning: str


def show_settings(settings: Settings) -> Sequence[ShownSetting]:
    """Return every setting, in the order of the reference."""
    return [_shown(settings, name, field) for name, field in type(settings).model_fields.items()]


def _shown(settings: Settings, name: str, field: FieldInfo) -> ShownSetting:
    variable, *also = variables_of(field)
    value = getattr(settings, name)
    is_secret = isinstance(value, SecretStr)
    return ShownSetting(
        variable=variable,
        also=tuple(also),
        value=None if is_secret else _plain(name, value),
        default=None if is_secret else _plain(name, field.default),
        is_set=bool(value.get_secret_value()) if is_secret else name in settings.model_fields_set,
        is_secret=is_secret,
        meaning=field.description or "",
    )


def _plain(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else "off"
        case tuple():
            return ", ".join(_plain(name, one) for one in value)
        case float():
            return str(int(value) if value.is_integer() else value)
    return _without_what_may_be_secret(name, str(value))


def _without_what_may_be_secret(name: str, text: str) -> str:
    if name in _LENGTH_ALONE and text:
        return f"{len(text)} characters"
    if name in _FIRST_WORD_ALONE:
        first, _, rest = text.partition(" ")
        return f"{first} …" if rest else first
    return without_secrets(text)
