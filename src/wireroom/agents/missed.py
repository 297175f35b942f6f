"""What becomes of the slots of a schedule that have come: run, caught up on, or skipped with a reason. Pure.

The newest slot that is hardly late is *on time* and runs. All before it were *missed*, because nothing ran
then; the agent's policy says what becomes of them:

    skip         none runs
    once         one run stands for all of them; the one on time, if there is one
    late:<X>     as once if the newest is late by at most X, else as skip
    all:<K>      the newest K run, as catch-ups; the others are skipped

Each slot gets exactly one decision. However long nothing ran, a decision makes at most K + 1 calls.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from wireroom.errors import BadInput

ON_TIME_MS = 30_000
"""How late a slot may be and still count as on time: a restart, a busy moment."""
MOST_CAUGHT_UP = 100
MOST_WAITING = 100
"""Calls of one schedule that may wait; what comes beyond is skipped, so that a stuck target fills nothing."""
MOST_LATE_MS = 366 * 86_400_000
_POLICY = re.compile(r"(skip|once|late|all)(?::([0-9]{1,11})(ms|s|m|h|d)?)?")
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, None: 1_000}


class MissedKind(StrEnum):
    """See the module."""

    SKIP = "skip"
    ONCE = "once"
    LATE = "late"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class MissedPolicy:
    """What becomes of missed slots."""

    kind: MissedKind
    late_ms: int = 0
    """For `late`: how late the newest may be."""
    most: int = 0
    """For `all`: how many are caught up on, 1 to `MOST_CAUGHT_UP`."""

    def __str__(self) -> str:
        match self.kind:
            case MissedKind.LATE:
                seconds, rest_ms = divmod(self.late_ms, 1000)
                return f"late:{self.late_ms}ms" if rest_ms else f"late:{seconds}s"
            case MissedKind.ALL:
                return f"all:{self.most}"
        return self.kind.value


class Overlap(StrEnum):
    """What happens at a slot while an earlier call of the agent is not over."""

    SKIP = "skip"
    """The slot is skipped."""
    QUEUE = "queue"
    """Its call waits for the earlier one."""
    ALLOW = "allow"
    """Both run."""


@dataclass(frozen=True, slots=True)
class Run:
    """A call is made for the slot."""

    slot: int
    reason: str
    catch_up: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """No call is made for these slots, which follow each other."""

    first: int
    last: int
    count: int
    reason: str


Decision = Run | Skip


def read_policy(value: object) -> MissedPolicy:
    """Return the policy of `skip`, `once`, `late:90s` (also ms, m, h, d) or `all:5`.

    Raises:
        BadInput: it is none of these.
    """
    found = _POLICY.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise BadInput("missed must be skip, once, late:<time> such as late:10m, or all:<count>.")
    kind, number, unit = MissedKind(found[1]), found[2], found[3]
    match kind:
        case MissedKind.LATE if number and int(number) * _UNITS_MS[unit] <= MOST_LATE_MS:
            return MissedPolicy(kind, late_ms=int(number) * _UNITS_MS[unit])
        case MissedKind.ALL if number and not unit and 1 <= int(number) <= MOST_CAUGHT_UP:
            return MissedPolicy(kind, most=int(number))
        case MissedKind.SKIP | MissedKind.ONCE if number is None:
            return MissedPolicy(kind)
    raise BadInput(
        "missed: late needs a time of at most 366 days, such as late:10m, and all a count from 1 to"
        f" {MOST_CAUGHT_UP}."
    )


def decide(
    slots: Sequence[int], now_ms: int, policy: MissedPolicy, overlap: Overlap, unfinished: int
) -> list[Decision]:
    """Decide on every slot, oldest first; skips that follow each other for one reason are one decision.

    Args:
        slots: All that have come and are not decided, ascending, at most `now_ms`.
        now_ms: Now.
        policy: The agent's, for missed slots.
        overlap: The agent's.
        unfinished: Calls of the agent that wait or run.
    """
    if not slots:
        return []
    on_time = slots[-1] if now_ms - slots[-1] <= ON_TIME_MS else None
    missed = slots if on_time is None else slots[:-1]
    decisions = _on_missed(missed, now_ms, policy, is_covered=on_time is not None)
    if on_time is not None:
        decisions.append(Run(on_time, "on time"))
    return _joined(_without_overlap(decisions, overlap, unfinished))


def most_kept(policy: MissedPolicy) -> int:
    """Return how many of the newest slots can matter; all before them are skipped whatever follows."""
    return max(1, policy.most) + 1


def _on_missed(
    missed: Sequence[int], now_ms: int, policy: MissedPolicy, *, is_covered: bool
) -> list[Decision]:
    if not missed:
        return []
    late_ms = now_ms - missed[-1]
    match policy.kind:
        case MissedKind.ALL:
            older, kept = missed[: -policy.most], missed[-policy.most :]
            skipped = _skips(older, f"missed; only the newest {policy.most} are caught up on")
            return [*skipped, *(Run(slot, "missed; caught up on", catch_up=True) for slot in kept)]
        case MissedKind.ONCE | MissedKind.LATE if is_covered:
            return _skips(missed, "missed; the call on time stands for it")
        case MissedKind.LATE if late_ms > policy.late_ms:
            return _skips(missed, f"missed by more than {policy.late_ms / 1000:g} s")
        case MissedKind.ONCE | MissedKind.LATE:
            skipped = _skips(missed[:-1], "missed; one call stands for all")
            return [*skipped, Run(missed[-1], "missed; one call stands for all", catch_up=True)]
    return _skips(missed, "missed; the agent skips what it missed")


def _skips(slots: Sequence[int], reason: str) -> list[Decision]:
    return [Skip(slots[0], slots[-1], len(slots), reason)] if slots else []


def _without_overlap(decisions: Sequence[Decision], overlap: Overlap, unfinished: int) -> list[Decision]:
    kept: list[Decision] = []
    for decision in decisions:
        if isinstance(decision, Run):
            reason = _obstacle(overlap, unfinished)
            if reason is not None:
                kept += _skips([decision.slot], reason)
                continue
            unfinished += 1
        kept.append(decision)
    return kept


def _obstacle(overlap: Overlap, unfinished: int) -> str | None:
    if overlap is Overlap.SKIP and unfinished:
        return "an earlier call is not over"
    if unfinished >= MOST_WAITING:
        return f"{MOST_WAITING} calls wait already"
    return None


def _joined(decisions: Sequence[Decision]) -> list[Decision]:
    joined: list[Decision] = []
    for decision in decisions:
        last = joined[-1] if joined else None
        if isinstance(decision, Skip) and isinstance(last, Skip) and last.reason == decision.reason:
            joined[-1] = replace(last, last=decision.last, count=last.count + decision.count)
        else:
            joined.append(decision)
    return joined
