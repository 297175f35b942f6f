"""What Wireroom itself says in a chat. Pure; Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wireroom.intake.commands import CommandName
from wireroom.runs.busy import BusyMode
from wireroom.runs.queries import RunView
from wireroom.runs.states import RunState
from wireroom.runs.verdict import fenced
from wireroom.runs.waiting_words import TELLING, in_line

PAIRED = "👋 Paired. From now on I answer you. Tell me what to do, or send /help."
ONLY_TEXT = "I take text, voice messages, pictures and files only. Please write what you want done."
EDITED_TOO_LATE = "That request had begun already, so your edit did not change it."
NEW_CONVERSATION = "🆕 New conversation: what was said before is out of my mind."
NO_REPOSITORY = "📁 A new conversation, in a folder of its own."
NOTHING_RUNS = "Nothing runs and nothing waits."
NOTHING_TO_RETRY = "There is no earlier request here."
_PROMPT_CHARS = 80
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def refusal(user_id: int) -> str:
    """Return the one answer that a stranger gets, or a group or channel (an id below 0)."""
    if user_id < 0:
        return (
            "I answer people, and cannot see who of them writes in the name of a group or a channel. "
            "Please write as yourself: an administrator by switching off “Remain anonymous”."
        )
    return (
        "Sorry, I only work for people I know. If this is your installation, send the pairing code that it "
        f"shows on its console and its page, or allow your id: `{user_id}`."
    )


def greeting(backend: str) -> str:
    """Return the answer to `/start` and `/help`."""
    commands = "\n".join(
        f"/{name.value}: {name.summary}" for name in CommandName if name is not CommandName.PAIR
    )
    return (
        f"👋 I hand your messages, with pictures and files, to a coding agent (**{backend}**) and bring back "
        "what it answers and makes. "
        f"Nothing you write gets lost, in whatever state I am.\n\n{commands}"
    )


def opening(ahead: int, *, spoken: bool = False, busy: str | None = None) -> str:
    """Return what a placeholder says first.

    Args:
        ahead: Requests of the same lane that come before.
        spoken: It is to be heard first.
        busy: What it is to do while an agent is at work, a word of `runs.busy.BusyMode`.
    """
    if spoken:
        return "🎙 Listening …" if ahead == 0 else f"🎙 Listening; number {ahead} in line"
    if busy == BusyMode.STEER:
        return TELLING
    return "⏳ Accepted …" if ahead == 0 else in_line(ahead, collected=int(busy == BusyMode.COLLECT))


def status(backend: str, unfinished: Sequence[RunView], *, version: str, now_ms: int) -> str:
    """Return the answer to `/status`."""
    lines = [f"✅ I'm online and ready to help! Wireroom {version}, agent: **{backend}**."]
    running = [run for run in unfinished if run.state is RunState.RUNNING]
    waiting = len(unfinished) - len(running)
    for run in running:
        seconds = max(0, now_ms - (run.started_at or now_ms)) // 1000
        lines.append(f"Working for {seconds} s on: {excerpt(run.prompt)}")
    if waiting:
        lines.append(f"{waiting} waiting; /queue lists them.")
    return "\n".join(lines)


def queue(unfinished: Sequence[RunView]) -> str:
    """Return the answer to `/queue`."""
    if not unfinished:
        return NOTHING_RUNS
    lines = []
    place = 0
    for run in unfinished:
        if run.state is RunState.RUNNING:
            lines.append(f"▶️ {excerpt(run.prompt)}")
        else:
            place += 1
            lines.append(f"{place}. {excerpt(run.prompt)}")
    return "\n".join(lines)


def stopped(*, stopping: int, removed: int, left: int) -> str:
    """Return the answer to `/stop`."""
    if not stopping and not removed:
        return NOTHING_RUNS
    parts = ["⏹ Stopped."] if stopping else []
    if removed:
        parts.append(f"Dropped {removed} waiting.")
    if left:
        parts.append(f"{left} waiting will still run; `/stop all` drops them.")
    return " ".join(parts)


def diff(run: RunView | None) -> str:
    """Return the answer to `/diff`: what the last request changed, as git shows it."""
    if run is None:
        return NOTHING_TO_RETRY
    seen = run.report.diff
    if not seen:
        return "The last request changed nothing that git shows."
    where = f" on branch `{run.report.branch}`" if run.report.branch else ""
    pushed = ", pushed" if seen.get("pushed") else ""
    head = (
        f"**{_counted(seen['files'], 'file')} changed**, +{seen['insertions']} -{seen['deletions']}{where}; "
        f"{_counted(seen['commits'], 'commit')}, {_counted(seen['uncommitted'], 'file')} uncommitted{pushed}."
    )
    if not run.report.patch:
        return head
    cut = "\n\nThe diff goes on; this is its beginning." if run.report.patch_cut else ""
    return f"{head}\n\n{fenced(run.report.patch.rstrip(), 'diff')}{cut}"


def repositories(names: Sequence[str], *, wanted: str) -> str:
    """Return which repositories there are, for a name that is none of them or no name at all."""
    head = f"There is no repository {excerpt(wanted)}. " if wanted else ""
    if not names:
        return f"{head}There are no repositories yet."
    listed = "\n".join(f"• `{name}`" for name in names)
    return f"{head}Choose one with `/repo NAME`:\n{listed}"


def in_repository(name: str) -> str:
    """Return that the chat goes on in a repository."""
    return f"📁 A new conversation, in **{excerpt(name)}**."


def backends(names: Sequence[str], current: str, *, wanted: str) -> str:
    """Return which coding agents there are, for a name that is none of them or no name at all."""
    head = f"There is no coding agent {excerpt(wanted)} here. " if wanted else ""
    listed = "\n".join(f"• `{name}`{' (now)' if name == current else ''}" for name in names)
    return f"{head}Choose one with `/backend NAME`:\n{listed}"


def with_backend(name: str) -> str:
    """Return that the chat goes on with a coding agent."""
    return f"🤖 A new conversation, with **{name}**."


def busy_modes(now: BusyMode, *, wanted: str) -> str:
    """Return how the chat stands, for a mode that is none or no word at all."""
    head = f"There is no mode {excerpt(wanted)}. " if wanted else ""
    listed = "\n".join(f"• `{mode}`{' (now)' if mode is now else ''}: {mode.summary}" for mode in BusyMode)
    return f"{head}While I am at work, choose with `/busy MODE`:\n{listed}"


def with_busy(mode: BusyMode) -> str:
    """Return what the chat does with messages from now on."""
    return f"From now on, while I am at work, {mode.summary}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def excerpt(prompt: str) -> str:
    """Return the beginning of a prompt on one line, as Markdown that shows it literally."""
    line = " ".join(prompt.split())
    shown = line if len(line) <= _PROMPT_CHARS else line[: _PROMPT_CHARS - 1] + "…"
    return _PUNCTUATION.sub(r"\\\g<0>", shown)
