"""What a digest says. Pure; Markdown. What goes into it is read by `digest.gather`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from wireroom.runs.states import RunState

_MOST_LISTED = 5
_MOST_BRANCHES = 8
_EXCERPT = 80
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_HAPPENED = {
    RunState.SUCCEEDED: "done",
    RunState.FAILED: "failed",
    RunState.TIMED_OUT: "took too long",
    RunState.EXHAUSTED: "ran out of rounds, time or money",
    RunState.INTERRUPTED: "interrupted",
    RunState.CANCELLED: "stopped",
}
"""How a run ended, in the order in which it is told; one that joined another is that other's."""
_NEEDS_A_LOOK = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.EXHAUSTED, RunState.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over."""

    state: RunState
    prompt: str
    reason: str | None = None
    worked_ms: int = 0
    cost_usd: float | None = None
    """None: not known."""
    files: int = 0
    """That it changed, as git shows."""
    commits: int = 0
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """What the calls of one agent came to."""

    agent: str
    succeeded: int
    dead: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What there is to tell of a time."""

    since: datetime
    until: datetime
    chat: Sequence[Ended] = ()
    """Requests of the chat."""
    board: Sequence[Ended] = ()
    """Tasks of the board."""
    others: Sequence[Ended] = ()
    """Prompts of agents."""
    calls: Sequence[Calls] = ()
    """Of agents, by their names."""
    questions: int = 0
    """Agents of the chat that wait for a permission."""
    given_up: int = 0
    """Tasks that wait for somebody to look at them."""

    @property
    def is_empty(self) -> bool:
        """True when nothing was done in the time; what waits for somebody was told when it began to wait."""
        return not (_told(self.chat) or _told(self.board) or _told(self.others) or self.calls)


def digest_words(figures: Figures, zone: tzinfo) -> str:
    """Return the digest, its times on the chat's clock."""
    since, until = (f"{moment.astimezone(zone):%a %d %b %H:%M}" for moment in (figures.since, figures.until))
    head = f"📰 **{since} to {until}**"
    if figures.is_empty and not figures.questions and not figures.given_up:
        return f"{head}\n\nNothing was done, and nothing waits for you."
    lines = [
        *_section("This chat", figures.chat, "request"),
        *_section("The board", figures.board, "task"),
        *_calls(figures.calls),
        *_waiting(figures),
        _cost([*figures.chat, *figures.board, *figures.others]),
    ]
    return "\n".join((head, "", *lines))


def _section(title: str, runs: Sequence[Ended], noun: str) -> list[str]:
    told = _told(runs)
    if not told:
        return []
    counts = [
        f"{sum(run.state is state for run in told)} {words}"
        for state, words in _HAPPENED.items()
        if any(run.state is state for run in told)
    ]
    lines = [f"**{title}**: {_counted(len(told), noun)}, {', '.join(counts)}.{_changes(told)}"]
    bad = [run for run in told if run.state in _NEEDS_A_LOOK]
    lines += [
        f"• {_excerpt(run.prompt)}: {_excerpt(run.reason or _HAPPENED[run.state])}"
        for run in bad[:_MOST_LISTED]
    ]
    if len(bad) > _MOST_LISTED:
        lines.append(f"• and {len(bad) - _MOST_LISTED} more")
    return lines


def _changes(runs: Sequence[Ended]) -> str:
    files, commits = sum(run.files for run in runs), sum(run.commits for run in runs)
    branches = list(dict.fromkeys(run.branch for run in runs if run.branch))
    if not files and not commits and not branches:
        return ""
    more = f" and {len(branches) - _MOST_BRANCHES} more" if len(branches) > _MOST_BRANCHES else ""
    named = ", ".join(f"`{branch}`" for branch in branches[:_MOST_BRANCHES])
    where = f" on {named}{more}" if branches else ""
    return f" {_counted(files, 'file')} changed, {_counted(commits, 'commit')}{where}."


def _calls(calls: Sequence[Calls]) -> list[str]:
    if not calls:
        return []
    told = [
        f"{_excerpt(one.agent)} {one.succeeded}{f' ({one.dead} failed)' if one.dead else ''}" for one in calls
    ]
    shown, more = told[:_MOST_LISTED], len(told) - _MOST_LISTED
    return [f"**Agents**: {', '.join(shown)}{f' and {more} more agents' if more > 0 else ''}."]


def _waiting(figures: Figures) -> list[str]:
    parts = [
        f"{_counted(figures.questions, 'question')} for permission" if figures.questions else "",
        f"{_counted(figures.given_up, 'task')} given up; /tasks lists them" if figures.given_up else "",
    ]
    told = ", ".join(filter(None, parts))
    return [f"**Waits for you**: {told}."] if told else []


def _cost(runs: Sequence[Ended]) -> str:
    told = _told(runs)
    known = [run.cost_usd for run in told if run.cost_usd is not None]
    unknown = len(told) - len(known)
    beside = f" ({unknown} did not tell)" if unknown else ""
    minutes = sum(run.worked_ms for run in told) / 60_000
    return f"**Cost**: ${sum(known):.2f}{beside}, {minutes:.0f} agent minutes."


def _told(runs: Sequence[Ended]) -> list[Ended]:
    return [run for run in runs if run.state in _HAPPENED]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _excerpt(text: str) -> str:
    """Return the beginning of a text on one line, as Markdown that shows it literally."""
    line = " ".join(text.split())
    shown = line if len(line) <= _EXCERPT else line[: _EXCERPT - 1] + "…"
    return _PUNCTUATION.sub(r"\\\g<0>", shown)
