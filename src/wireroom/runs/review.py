"""The review of a round's work: what the reviewer is asked, and what its words mean. Pure.

A verdict is a value. Words that say nothing clear are `Unreadable`; nothing but a whole JSON object with a
real `true` is ever `Complete`. What git shows can turn `Complete` into `Continue`, never the reverse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from wireroom.delivery.clean import clean_terminal_text
from wireroom.workspaces.work import Evidence

_LONGEST_ANSWER_CHARS = 64_000
_LONGEST_WORK_CHARS = 40_000
_LONGEST_WORDS_CHARS = 4_000
_MOST_OBJECTS = 500
_SHOWN_TESTS = 20
_KEY = "code_complete"
_DECODER = json.JSONDecoder()
_OBJECT_START = re.compile(r'\{(?=\s*")')


class Complete(msgspec.Struct, frozen=True, tag="complete"):
    """The work meets the definition of done."""

    justification: str


class Continue(msgspec.Struct, frozen=True, tag="continue"):
    """The work goes on."""

    justification: str
    next_prompt: str
    """What the agent is told next."""


class Blocked(msgspec.Struct, frozen=True, tag="blocked"):
    """Going on is of no use: a person has to do something."""

    justification: str


class Unreadable(msgspec.Struct, frozen=True, tag="unreadable"):
    """The reviewer failed, or its words decide nothing."""

    justification: str


Verdict = Complete | Continue | Blocked | Unreadable


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One tool that the worker used, as its log tells."""

    summary: str
    ok: bool | None
    """None when its end was not told."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be reviewed."""

    task: str
    definition: str | None
    """The definition of done, None when there is none."""
    output: str
    failure: str | None
    """Why the agent did not end well; None when it did."""
    facts: Evidence | None
    """None where there is no git."""
    tests: Sequence[ToolUse] = ()


def review_prompt(work: Work, *, again: bool = False) -> str:
    """Return what the reviewer is asked; `again` when its first answer could not be read."""
    blocks = [
        _ROLE,
        _AGAIN if again else "",
        _block("TASK", work.task),
        _block(
            "DEFINITION OF DONE", work.definition or "None was given: the task itself is what must be done."
        ),
        _block("WHAT THE AGENT SAID", _middle_cut(work.output.strip() or "Nothing.", _LONGEST_WORK_CHARS)),
        _block("FACTS", "\n".join(_facts(work))),
        _FORM,
    ]
    return "\n\n".join(block for block in blocks if block)


def read_verdict(answer: str) -> Verdict:
    """Return what the reviewer's words decide.

    Asked for is one JSON object `{"code_complete": bool, "break_iteration": bool, "justification": str,
    "next_prompt": str}`; it may stand between other words or in a code block. `break_iteration` outweighs
    `code_complete`. Several objects that contradict each other decide nothing: the reviewer may have quoted
    one.
    """
    text = clean_terminal_text(answer[-_LONGEST_ANSWER_CHARS:])
    verdicts = [_verdict(found) for found in _verdict_objects(text)]
    if not verdicts:
        return Unreadable("The review does not contain a verdict.")
    if len({type(verdict) for verdict in verdicts}) > 1:
        return Unreadable("The review contains verdicts that contradict each other.")
    return verdicts[-1]


def weigh(verdict: Verdict, facts: Evidence | None, wanted: str) -> Verdict:
    """Return the verdict after git has had its say.

    One rule: where a pushed branch or a pull request is wanted and the branch's upstream has not this commit,
    `Complete` is `Continue`. Without facts, that is without git, the reviewer's word stands.

    Args:
        verdict: The reviewer's.
        facts: What git shows.
        wanted: The task and its definition of done.
    """
    if not isinstance(verdict, Complete) or facts is None or facts.pushed or not wants_push(wanted):
        return verdict
    branch = f"The branch {facts.branch}" if facts.branch else "The work"
    reason = f"{branch} is to be pushed, and git shows that it is not."
    return Continue(reason, f"{reason} {_PUSH_IT}")


def wants_push(wanted: str) -> bool:
    """Tell whether the text demands a pushed branch or a pull request.

    A narrow reading: a wrong yes would let a finished loop go on. `push the branch` and `open a PR` do, `push
    notifications`, `read the PR` and `do not push` do not.
    """
    return _PUSH.search(_NO_PUSH.sub(" ", wanted)) is not None


def ran_tests(uses: Sequence[ToolUse]) -> Sequence[ToolUse]:
    """Return those uses of tools that ran tests, by the names of common test programs."""
    return [use for use in uses if _TESTS.search(use.summary)]


_REQUEST = r"(?:pull[ -]requests?|merge[ -]requests?|PRs?|MRs?)"
_IN_GIT = (
    r"(?:branch|commits?|changes?|code|work|fix|origin|remote|upstream|git|github|gitlab|repo|repository)"
)
_NO_GIT = r"(?:notification|message|button|event|api|token|service|server|subscription)"
_PUSH = re.compile(
    rf"\bpush(?!\w*[ -]{_NO_GIT})\w*\b[^.;\n]{{0,40}}\b{_IN_GIT}\b"
    rf"|\b{_IN_GIT}\b[^.;\n]{{0,40}}\bpush(?!\w*[ -]{_NO_GIT})(?:ed|es)?\b"
    rf"|\b(?:open|creat|rais|submit|mak|fil|send|updat)\w*\b[^.;\n]{{0,30}}\b{_REQUEST}\b"
    rf"|\b{_REQUEST}\b[^.;\n]{{0,30}}\b(?:open|opened|exists|created|raised|submitted|updated|ready)\b",
    re.IGNORECASE,
)
_NO_PUSH = re.compile(
    rf"\b(?:not(?!\s+forget)|never|without|nor|no|\w*n['\u2019]t(?!\s+forget))\b(?:\W+\w+){{0,3}}?"
    rf"\W+(?:push\w*|{_REQUEST})\b[^.;\n]*",
    re.IGNORECASE,
)
_TESTS = re.compile(
    r"\b(?:pytest|unittest|tox|nox|rspec|jest|vitest|mocha|phpunit|ctest|playwright test"
    r"|(?:cargo|go|npm|pnpm|yarn|bun|deno|dotnet|mvn|gradle|gradlew|make|mix|swift|rails|rake)"
    r"(?:\s+run)?(?:\s+-\S+)*\s+\w*test\w*)\b"
)

_ROLE = """\
You review the work of another coding agent in this folder. Look at files and at git as far as you need to,
but change nothing: no edits, no commits, no installations, no programs that keep running."""

_AGAIN = """\
Your last answer could not be read. Answer this time with the JSON object alone."""

_PUSH_IT = "Commit what is missing, push it with its upstream set (`git push -u`), and say what you pushed."

_FORM = """\
Decide:
- Is the definition of done met? What the agent says is no proof; facts are.
- Warnings of deployment or infrastructure mean: not complete, and the agent shall mend them. Do not break
  for them.
- Break only if going on is of no use: permissions that the agent lacks, a question that only a person can
  answer, a program that waits for input, a problem that the agent cannot solve.

Answer with one JSON object and nothing else, with these members:
- "code_complete": true if the definition of done is met, else false
- "break_iteration": true if going on is of no use, else false
- "justification": text, why, in one to three sentences
- "next_prompt": text, what the agent shall do next if the work is not complete, else empty"""


def _facts(work: Work) -> Iterator[str]:
    yield f"- The agent's program {f'did not end well: {work.failure}' if work.failure else 'ended well.'}"
    if work.facts is None:
        yield "- The folder is under no version control that could be asked."
    else:
        yield from _git_lines(work.facts)
    if not work.tests:
        yield "- No test command was seen among the tools that the agent used."
    for use in work.tests[-_SHOWN_TESTS:]:
        yield f"- Test command seen: {use.summary} ({_OUTCOMES[use.ok]})"


_OUTCOMES: Mapping[bool | None, str] = {True: "ended well", False: "failed", None: "its end was not seen"}


def _git_lines(facts: Evidence) -> Iterator[str]:
    yield f"- Branch: {facts.branch or 'none is checked out'}. Upstream: {facts.upstream or 'none'}."
    yield f"- Commit: {facts.head or 'none yet'}; the upstream {'has it' if facts.pushed else 'has it not'}."
    if facts.commits_ahead:
        yield f"- Commits since the work began: {facts.commits_ahead}."
    yield f"- Files with uncommitted changes: {facts.changed_files}."


def _block(title: str, text: str) -> str:
    return f"=== {title} ===\n{text.strip()}"


def _middle_cut(text: str, limit: int) -> str:
    """Return the text, or its beginning and its end: what was done and how it ended stand there."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"


def _verdict_objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Yield every whole JSON object that decides, outermost first; strings and braces are JSON's matter."""
    starts = [found.start() for found in _OBJECT_START.finditer(text)] if _KEY in text else []
    at = 0
    for start in starts[-_MOST_OBJECTS:]:
        if start < at:
            continue
        try:
            found, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if _decides(found):
            yield found
            at = end


def _decides(found: Mapping[str, Any]) -> bool:
    """Tell whether the booleans are booleans: `"true"` and 1 are not."""
    return isinstance(found.get(_KEY), bool) and isinstance(found.get("break_iteration", False), bool)


def _verdict(found: Mapping[str, Any]) -> Verdict:
    why = _words(found.get("justification"))
    if found.get("break_iteration", False):
        return Blocked(why or "The review gives no reason.")
    if found[_KEY]:
        return Complete(why)
    return Continue(why, _words(found.get("next_prompt")) or _go_on(why))


def _go_on(why: str) -> str:
    said = (
        f"A review of your work says that it is not complete: {why}" if why else "Your work is not complete."
    )
    return f"{said}\n\nGo on: find out what is missing, try another way if one did not work, and finish it."


def _words(value: object) -> str:
    return value.strip()[:_LONGEST_WORDS_CHARS] if isinstance(value, str) else ""
