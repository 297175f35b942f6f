"""Side questions: asked beside the run at work, in a lane and a conversation of their own. Pure."""

from __future__ import annotations

_SUFFIX = ":btw"
QUEUE = "side"
"""Its runs have slots of their own, so that they begin at once."""
CONTEXT_CHARS = 6_000
"""What an agent is told of the conversation whose session it cannot fork."""
_HEAD = "💬 **Side answer**"


def side_lane(lane: str) -> str:
    """Return the lane of a chat's side questions."""
    return lane + _SUFFIX


def is_side(lane: str) -> bool:
    """Tell whether the lane is one of side questions."""
    return lane.endswith(_SUFFIX)


def main_lane(lane: str) -> str:
    """Return the chat's own lane, of its lane of side questions or of itself."""
    return lane.removesuffix(_SUFFIX)


def answered_aside(answer: str) -> str:
    """Return the answer as people read it."""
    return f"{_HEAD}\n\n{answer}"
