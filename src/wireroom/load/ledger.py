"""Whether everything that was acknowledged had its effect, once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wireroom.load.samples import Promise

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Account:
    """Promises against effects."""

    what: str
    """What was promised: `chat messages`, `callbacks`, `tasks`."""
    acknowledged: int
    kept: int
    """Acknowledged, and the effect was seen."""
    lost: tuple[str, ...]
    """Tokens that were acknowledged and had no effect within the time given."""
    doubled: tuple[str, ...]
    """Tokens with more than one effect, acknowledged or not."""
    unacknowledged: int
    """Refused, or given up by a sender who left in the middle: they know that they must send again."""
    unacknowledged_but_kept: int
    """Of these, how many had their effect all the same, such as after an answer that came too late."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost or doubled."""
        return not self.lost and not self.doubled

    @property
    def verdict(self) -> str:
        """One line for people."""
        line = f"{self.acknowledged} {self.what} acknowledged, {self.kept} with their effect seen"
        line += f", {len(self.lost)} lost, {len(self.doubled)} doubled"
        return line + (f", {self.unacknowledged} unacknowledged" if self.unacknowledged else "")

    def named(self) -> dict[str, list[str]]:
        """Return the first tokens of each trouble, to look for in the service's log."""
        return {"lost": list(self.lost[:_MOST_NAMED]), "doubled": list(self.doubled[:_MOST_NAMED])}


def settle(what: str, promises: Iterable[Promise], effects: Mapping[str, int]) -> Account:
    """Return the account of the promises.

    Args:
        what: Their name, in the plural.
        promises: Each token once.
        effects: How often each token's effect is there now; one that is missing has none.
    """
    all_of_them = list(promises)
    acknowledged = [one.token for one in all_of_them if one.acknowledged]
    unacknowledged = [one.token for one in all_of_them if not one.acknowledged]
    return Account(
        what=what,
        acknowledged=len(acknowledged),
        kept=sum(effects.get(token, 0) > 0 for token in acknowledged),
        lost=tuple(token for token in acknowledged if effects.get(token, 0) == 0),
        doubled=tuple(one.token for one in all_of_them if effects.get(one.token, 0) > 1),
        unacknowledged=len(unacknowledged),
        unacknowledged_but_kept=sum(effects.get(token, 0) > 0 for token in unacknowledged),
    )
