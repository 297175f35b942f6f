"""What a chat has chosen, as wishes of the requests that come from it. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from wireroom.conversations.chat_settings import ChatSettings
from wireroom.runs.options import RunOptions

_CHOSEN: dict[str, Any] = {"model": None, "effort": None, "budget_minutes": None, "budget_usd": None}
"""What a chat chooses, unchosen."""


def with_choices(options: RunOptions | None, chosen: ChatSettings, backend: str) -> RunOptions | None:
    """Return the options with what the chat chose wherever the request says nothing; None stays none.

    Args:
        options: The request's own.
        chosen: The chat's choices.
        backend: Who will work; a model of another back end is none of its.
    """
    asked = options or RunOptions()
    wishes = {
        "model": asked.model or chosen.models.get(backend),
        "effort": asked.effort or chosen.effort,
        "budget_minutes": asked.budget_minutes or chosen.run_minutes,
        "budget_usd": asked.budget_usd or chosen.run_usd,
    }
    return structs.replace(asked, **wishes) if any(wishes.values()) else options


def without_choices(options: RunOptions, source: str) -> RunOptions:
    """Return the options of a request that is asked again: what its chat chose is chosen anew.

    A message of a chat says nothing of these itself, a program's request does.
    """
    return structs.replace(options, **_CHOSEN) if source == "telegram" else options
