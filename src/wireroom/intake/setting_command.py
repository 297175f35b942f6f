"""`/settings`: the switches that take effect while everything runs, for the owner alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from wireroom.errors import BadInput
from wireroom.system_settings import SettingView, list_settings, read_value, set_setting

OWNER_ONLY = "Only my owner may see or change settings."
_NAME_AND_VALUE = 2
_USAGE = "Change one with `/settings NAME on` or `/settings NAME off`."


def settings_reply(conn: Connection, rest: str, *, who: str, is_owner: bool, now_ms: int) -> str:
    """List the settings, or set one, and return what to say.

    Args:
        conn: The unit's.
        rest: Nothing to list them, else a name and a value.
        who: For the audit.
        is_owner: Nobody else may.
        now_ms: The time.
    """
    if not is_owner:
        return OWNER_ONLY
    words = rest.split()
    if not words:
        return _listed(list_settings(conn))
    if len(words) != _NAME_AND_VALUE:
        return _USAGE
    try:
        value = read_value(words[1])
        done = set_setting(conn, words[0], value, who=who, now_ms=now_ms)
    except BadInput as error:
        return str(error)
    return f"⚙️ `{done.name}` is **{_shown(done.value)}**."


def _listed(settings: Sequence[SettingView]) -> str:
    lines = [f"• `{one.name}`: **{_shown(one.value)}**. {one.meaning}".rstrip() for one in settings]
    return "\n".join((*lines, "", _USAGE))


def _shown(value: int) -> str:
    return {0: "off", 1: "on"}.get(value, str(value))
