"""What one call of an agent used, where the agent tells only what its whole session has used. Pure.

A call that was cut off may have told nothing. What it used is then in the session's next figure, if the agent
counts it (Codex does), and so counts for the next call; what the agent itself forgets (Claude Code does)
counts nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wireroom.backends.protocol import AgentResult

_NOTHING_TOLD: Mapping[str, Any] = {"input_tokens": 0, "output_tokens": 0, "cost_usd": None}


def own_share(result: AgentResult, resumed: str | None, known: Mapping[str, int | float]) -> AgentResult:
    """Return the result with all of the call's own figures in `usage`, none below 0.

    usage[name] = session_usage[name] - known[name]

    Without anything known, for a session that is new or not the one that was resumed, that is the figure
    itself. So it is for a figure below the known one: the agent has begun to count anew.

    Args:
        result: As the agent's parser gave it.
        resumed: The session that was to be resumed.
        known: What that session had told before.

    Returns:
        The result; its `session_usage` is what is known of the session now, for the call after this one.
    """
    is_same = result.session_id in {None, resumed}
    before = known if is_same else {}
    if not result.session_usage:
        return replace(result, session_usage=before)
    told = {name: max(0, figure) for name, figure in result.session_usage.items()}
    own = {name: _since(before.get(name, 0), now) for name, now in told.items()}
    return replace(result, usage={**_NOTHING_TOLD, **result.usage, **own}, session_usage={**before, **told})


def _since(before: float, now: float) -> float:
    return now - before if now >= before else now
