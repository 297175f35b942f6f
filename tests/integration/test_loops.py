"""The iterate loop with real agent processes, as worker and as reviewer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loop_backend import GOES_ON, RUN, LoopBackend, blocked, complete, go_on, is_review
from loop_bench import LoopBench, loop_bench
from wireroom.backends.protocol import AgentResult, StreamParser
from wireroom.delivery.progress import ProgressLine
from wireroom.runs.agent_call import AttemptEnding, RunPolicy
from wireroom.runs.attempt import Attempt
from wireroom.runs.budget import Price
from wireroom.runs.driver import AgentDriver, Question
from wireroom.runs.events import read_events
from wireroom.runs.limits import Limits
from wireroom.runs.loop import RoundKind
from wireroom.runs.loop_policy import LoopPolicy
from wireroom.runs.options import RunOptions
from wireroom.runs.rounds import read_rounds
from wireroom.runs.states import RunMode, RunState
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def looping(
    database_path: Path, reviews: Mapping[str, str], *, resumes_sessions: bool = True, **policy: Any
) -> AsyncIterator[LoopBench]:
    """Lend a bench whose agents follow their prompts and whose reviewers say these verdicts."""
    agent = ScriptedAgent(database_path.parent / "agent")
    backend = LoopBackend(agent, reviews, resumes_sessions=resumes_sessions)
    async with loop_bench(database_path, backend, policy=RunPolicy(Limits(), **policy)) as bench:
        yield bench


THREE_ROUNDS = {
    "one": go_on("say two", "tests are missing"),
    "two": go_on("say three", "tests fail"),
    "three": complete(),
}


async def test_loop_works_until_a_review_says_complete(database_path: Path) -> None:
    """The answer is the last output; the report tells what came before it."""
    async with looping(database_path, THREE_ROUNDS) as looped:
        await looped.ask("session s-1; say one")
        run = await looped.ended()
        rounds = await looped.rounds()
        messages = await looped.messages()
    assert (run.state, run.output, run.exit_code, run.error) == (RunState.SUCCEEDED, "three", 0, None)
    report = run.report
    assert (report.iterations, report.max_iterations, report.original_output) == (2, 5, "one")
    assert (report.justification, report.error_code) == ("all there", None)
    assert report.command == looped.backend.agent.argv(complete())
    assert rounds == [("work", "succeeded"), ("review", "succeeded")] * 3
    assert messages == [("user", "session s-1; say one"), ("assistant", "three")]


async def test_worker_keeps_its_session_and_reviewers_have_none(database_path: Path) -> None:
    """Work goes on in one session; a review begins with a fresh one, which nobody resumes."""
    reviews = {"one": f"session of-a-reviewer; {go_on('say two')}", "two": complete()}
    async with looping(database_path, reviews) as looped:
        await looped.ask("session s-1; say one")
        await looped.ended()
    asked = [(is_review(one.prompt), one.session_id) for one in looped.backend.requests]
    assert asked == [(False, None), (True, None), (False, "s-1"), (True, None)]


async def test_worker_without_sessions_is_told_what_was_said_but_no_review(database_path: Path) -> None:
    """The context of a later round has the earlier ones, and nothing of the reviewer but its next prompt."""
    async with looping(database_path, THREE_ROUNDS, resumes_sessions=False) as looped:
        await looped.ask("say one")
        await looped.ended()
    assert [one.context for one in looped.backend.works] == [
        "",
        "User: say one\n\nYou: one",
        "User: say one\n\nYou: one\n\nUser: say two\n\nYou: two",
    ]


async def test_log_of_a_loop_tells_its_rounds_and_shows_no_review_as_answer(database_path: Path) -> None:
    """Each round is told when it begins, a review also when it has decided; its words are thoughts."""
    async with looping(database_path, THREE_ROUNDS) as looped:
        await looped.ask("say one")
        await looped.ended()
        events = await looped.db.read(lambda conn: read_events(conn, RUN))
    told = [
        (one.payload["number"], one.payload["kind"], one.payload["verdict"])
        for one in events
        if one.kind == "round"
    ]
    assert told == [
        (1, "work", None),
        (1, "review", None),
        (1, "review", "continue"),
        (2, "work", None),
        (2, "review", None),
        (2, "review", "continue"),
        (3, "work", None),
        (3, "review", None),
        (3, "review", "complete"),
    ]
    assert [one.payload["text"] for one in events if one.kind == "text"] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("reviews", "ending", "agents"),
    [
        pytest.param(
            {"one": go_on("say one", "never enough")},
            (RunState.EXHAUSTED, "Not finished after 3 rounds: never enough", "exhausted"),
            6,
            id="exhausted",
        ),
        pytest.param(
            {"one": blocked("no access")}, (RunState.FAILED, "Blocked: no access", "blocked"), 2, id="blocked"
        ),
        pytest.param(
            {"one": "say who knows"},
            (
                RunState.FAILED,
                "The work could not be reviewed. The review does not contain a verdict.",
                "unreviewed",
            ),
            3,
            id="unreadable-twice",
        ),
        pytest.param(
            {"one": f"{complete()}; crash"},
            (
                RunState.FAILED,
                "The work could not be reviewed. The reviewer failed: The agent was ended by SIGKILL.",
                "unreviewed",
            ),
            3,
            id="reviewer-crashes",
        ),
        pytest.param(
            {"one": "say who knows", "again one": complete()},
            (RunState.SUCCEEDED, None, None),
            3,
            id="second-try",
        ),
    ],
)
async def test_loop_ends_with_the_truth_and_keeps_the_output(
    database_path: Path,
    reviews: Mapping[str, str],
    ending: tuple[RunState, str | None, str | None],
    agents: int,
) -> None:
    """Nothing but a clear verdict is success, and no more agents are called than the policy says."""
    async with looping(database_path, reviews) as looped:
        await looped.ask("say one", RunOptions(max_rounds=2))
        run = await looped.ended()
    assert (run.state, run.reason, run.report.error_code) == ending
    assert run.output == "one"
    assert looped.backend.agent.ledger.starts().total() == agents


async def test_answer_of_an_exhausted_loop_says_so_and_has_the_output(database_path: Path) -> None:
    """People read why it is not finished, and what there is."""
    async with looping(database_path, {"one": go_on("say one", "no tests")}) as looped:
        await looped.ask("say one", RunOptions(max_rounds=0))
        await looped.ended()
        messages = await looped.messages()
    assert messages[-1] == ("assistant", "🔁 Not finished after 1 round: no tests\n\nUntil then:\n\none")


async def test_work_that_fails_in_silence_ends_the_loop(database_path: Path) -> None:
    """There is nothing to review."""
    async with looping(database_path, {}) as looped:
        await looped.ask("exit 3")
        run = await looped.ended()
        rounds = await looped.rounds()
    assert (run.state, run.exit_code, run.report.error_code) == (RunState.FAILED, 3, "agent_failed")
    assert (run.report.iterations, rounds) == (0, [("work", "failed")])


async def test_work_that_fails_with_output_is_reviewed_and_mended(database_path: Path) -> None:
    """Partial output is reviewed; the next round may end well."""
    reviews = {"half": go_on("say whole"), "whole": complete()}
    async with looping(database_path, reviews) as looped:
        await looped.ask("say half; exit 3")
        run = await looped.ended()
    assert (run.state, run.output, run.report.original_output) == (RunState.SUCCEEDED, "whole", "half")
    assert "did not end well: The agent failed with exit code 3." in looped.backend.requests[1].prompt


async def test_reviewer_that_is_not_there_fails_the_run_without_success(database_path: Path) -> None:
    """A reviewer's name that means nothing is no verdict."""
    async with looping(database_path, {}) as looped:
        await looped.ask("say one", RunOptions(reviewer="nobody"))
        run = await looped.ended()
    assert (run.state, run.output, run.report.error_code) == (RunState.FAILED, "one", "unreviewed")
    assert "nobody" in (run.reason or "")


async def test_minutes_that_are_used_up_end_the_loop(database_path: Path) -> None:
    """The round under way ends; none is begun after it."""
    async with looping(database_path, {}) as looped:
        await looped.ask("sleep 0.02; say one", RunOptions(budget_minutes=0.0001))
        run = await looped.ended()
    assert (run.state, run.output, run.report.error_code) == (RunState.EXHAUSTED, "one", "budget")
    assert run.reason == "Not finished, its budget of 0.0001 min is used up."
    assert looped.backend.agent.ledger.starts().total() == 1


async def test_money_budget_without_a_price_calls_no_agent(database_path: Path) -> None:
    """What cannot be counted is not spent."""
    async with looping(database_path, {}) as looped:
        await looped.ask("say one", RunOptions(budget_usd=1))
        run = await looped.ended()
    assert (run.state, run.report.error_code) == (RunState.FAILED, "budget")
    assert "WIREROOM_PRICES" in (run.reason or "")
    assert looped.backend.agent.ledger.entries() == []


class _Spending(LoopBackend):
    """Each call uses a million tokens."""

    def parser(self) -> StreamParser:
        return _SpendingParser(super().parser())


class _SpendingParser:
    def __init__(self, inner: StreamParser) -> None:
        self.feed = inner.feed
        self._result = inner.result

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        usage = {"input_tokens": 1_000_000, "output_tokens": 0, "cost_usd": None}
        return replace(self._result(exit_code, stderr), usage=usage)


async def test_money_is_counted_by_the_price_table_over_all_calls(database_path: Path) -> None:
    """Work and review both cost; the sum is the run's usage."""
    backend = _Spending(ScriptedAgent(database_path.parent / "agent"), {"one": go_on("say one", "no tests")})
    loops = LoopPolicy(prices={"scripted": Price(input=1.0, output=1.0)})
    async with loop_bench(database_path, backend, loops=loops) as looped:
        await looped.ask("say one", RunOptions(budget_usd=1.5))
        run = await looped.ended()
    assert (run.state, run.report.error_code) == (RunState.EXHAUSTED, "budget")
    assert run.reason == "Not finished, its budget of $1.5 is used up ($2.00 spent): no tests"
    assert run.usage == {"input_tokens": 2_000_000, "output_tokens": 0, "cost_usd": 2.0}


async def test_git_vetoes_complete_work_that_is_not_pushed(database_path: Path) -> None:
    """Where a push is demanded, the reviewer's word is not enough."""
    workdir = database_path.parent / "work"
    workdir.mkdir()
    git = await asyncio.create_subprocess_exec("git", "init", "--quiet", str(workdir))
    assert await git.wait() == 0
    (workdir / "task.md").write_text("# Task\n\n## Definition of done\n- The branch is pushed.\n")
    said = "tool do the task at task.md"
    async with looping(database_path, {"Nothing.": complete(), "pushed": complete()}) as looped:
        await looped.ask(said, RunOptions(max_rounds=0))
        run = await looped.ended()
    assert run.state is RunState.EXHAUSTED
    assert "is to be pushed, and git shows that it is not" in (run.reason or "")
    review = looped.backend.requests[1].prompt
    assert "=== DEFINITION OF DONE ===\n- The branch is pushed." in review
    assert "Upstream: none." in review


async def test_tests_that_the_worker_ran_are_told_to_the_reviewer(database_path: Path) -> None:
    """The log is evidence too."""
    async with looping(database_path, {"one": complete()}) as looped:
        await looped.ask("tool pytest -q; say one")
        await looped.ended()
    assert "Test command seen: pytest -q (ended well)" in looped.backend.requests[1].prompt


@pytest.mark.parametrize(
    ("prompt", "review", "output", "rounds"),
    [
        pytest.param("say half\n{gate}", "", "half", [("work", "cancelled")], id="work"),
        pytest.param(
            "say one", "{gate}", "one", [("work", "succeeded"), ("review", "cancelled")], id="review"
        ),
    ],
)
async def test_stop_works_in_every_phase(
    database_path: Path, prompt: str, review: str, output: str, rounds: list[tuple[str, str]]
) -> None:
    """A stop ends the agent that works, and the run with the output so far."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("never")
    async with looping(database_path, {"one": review.format(gate=gate)}) as looped:
        await looped.ask(prompt.format(gate=gate))
        ledger = looped.backend.agent.ledger
        await eventually(lambda: ledger.starts().total() == len(rounds), "the agent works", 10)
        await eventually(lambda: _has_said(looped, output), "it has said its text", 10)
        await looped.stop()
        run = await looped.ended()
        left = await looped.rounds()
    assert (run.state, run.output, run.report.error_code) == (RunState.CANCELLED, output, "cancelled")
    assert left == rounds
    assert ledger.starts().total() == len(rounds)


async def test_log_has_what_an_agent_says_while_it_is_stopped(database_path: Path) -> None:
    """The last words of a stopped agent are in its log, as they are in its answer."""
    async with looping(database_path, {}) as looped:
        await looped.ask("stubborn\nsay one\nsleep 0.5\nsay last words", mode=RunMode.EXECUTE)
        await eventually(lambda: _has_said(looped, "one"), "the agent works", 10)
        await looped.stop()
        run = await looped.ended()
        assert (run.state, run.output) == (RunState.CANCELLED, "onelast words")
        assert await _has_said(looped, "last words")


class _JustEnded(AgentDriver):
    """A stop that comes when the agent has ended by itself: the call swallows it."""

    async def ask(self, attempt: Attempt, question: Question, lane: str, line: ProgressLine) -> AttemptEnding:
        ending = await super().ask(attempt, question, lane, line)
        await self._db.write(lambda conn: conn.exec_driver_sql("UPDATE runs SET cancel_requested_at = 1"))
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return ending


async def test_stop_between_two_rounds_begins_no_other(database_path: Path) -> None:
    """A stop is not lost because the agent that it was for had just ended."""
    backend = LoopBackend(ScriptedAgent(database_path.parent / "agent"), {"one": complete()})
    async with loop_bench(database_path, backend, drivers=_JustEnded) as looped:
        await looped.ask("say one")
        run = await looped.ended()
    assert (run.state, run.output, run.report.error_code) == (RunState.CANCELLED, "one", "cancelled")
    assert backend.agent.ledger.starts().total() == 1


async def _has_said(looped: LoopBench, output: str) -> bool:
    events = await looped.db.read(lambda conn: read_events(conn, RUN))
    return any(one.kind == "text" and one.payload["text"] == output for one in events)


async def test_stop_of_the_service_lets_the_next_start_go_on_at_the_round(database_path: Path) -> None:
    """Rounds that ended are not repeated; the one that was cut off is told to go on, in its session."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("second")
    next_prompt = f"{gate}\nsay two"
    reviews = {"one": f"session of-a-reviewer; {go_on(next_prompt)}", "two": complete()}
    async with looping(database_path, reviews) as looped:
        await looped.ask("session s-1; say one")
        ledger = looped.backend.agent.ledger
        await eventually(lambda: ledger.starts().total() == 3, "the second round works", 10)
    looped.backend.agent.open_gate("second")
    async with looping(database_path, reviews) as again:
        run = await again.ended()
        rounds = await again.rounds()
        messages = await again.messages()
    assert (run.state, run.output, run.interruptions) == (RunState.SUCCEEDED, "two", 1)
    assert (run.report.iterations, run.report.original_output) == (1, "one")
    assert rounds == [
        ("work", "succeeded"),
        ("review", "succeeded"),
        ("work", "interrupted"),
        ("work", "succeeded"),
        ("review", "succeeded"),
    ]
    first = again.backend.works[0]
    assert (first.goes_on, first.session_id) == (True, "s-1")
    assert ledger.starts()[GOES_ON + next_prompt] == 1
    assert [role for role, _ in messages] == ["user", "assistant"]


async def test_session_of_a_review_that_was_cut_off_is_not_the_workers(database_path: Path) -> None:
    """The next start resumes the worker's own session."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("review")
    reviews = {"one": f"session of-a-reviewer\n{gate}\n{go_on('say two')}", "two": complete()}

    async def told(looped: LoopBench) -> bool:
        events = await looped.db.read(lambda conn: read_events(conn, RUN))
        return [one.payload["session_id"] for one in events if one.kind == "session"] == [
            "s-1",
            "of-a-reviewer",
        ]

    async with looping(database_path, reviews) as looped:
        await looped.ask("session s-1; say one")
        await eventually(lambda: told(looped), "the reviewer has named its session", 10)
    looped.backend.agent.open_gate("review")
    async with looping(database_path, reviews) as again:
        run = await again.ended()
    assert run.state is RunState.SUCCEEDED
    assert [one.session_id for one in again.backend.works] == ["s-1"]


async def test_reviewer_is_told_nothing_of_the_conversation_before(database_path: Path) -> None:
    """A worker without a session has what was said before as context; a reviewer has the task alone."""
    async with looping(database_path, {"one": complete()}, resumes_sessions=False) as looped:
        await looped.ask("say one", after=["hello", "hi"])
        await looped.ended()
    assert [one.context for one in looped.backend.requests] == ["User: hello\n\nYou: hi", ""]


async def test_loop_that_may_not_go_on_after_a_stop_keeps_its_output(database_path: Path) -> None:
    """Interrupted is said as such, with what the finished rounds gave."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("never")
    async with looping(database_path, {"one": gate}, resume_interrupted=False) as looped:
        await looped.ask("say one")
        ledger = looped.backend.agent.ledger
        await eventually(lambda: ledger.starts().total() == 2, "the review works", 10)
    async with looping(database_path, {}) as again:
        run = await again.ended()
    assert (run.state, run.output, run.report.error_code) == (RunState.INTERRUPTED, "one", "interrupted")
    assert (run.report.iterations, run.report.max_iterations) == (0, 5)


async def test_rounds_are_stored_while_they_work(database_path: Path) -> None:
    """A round is a row before its agent starts."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("first")
    async with looping(database_path, {"one": complete()}) as looped:
        await looped.ask(f"{gate}\nsay one")
        ledger = looped.backend.agent.ledger
        await eventually(lambda: ledger.starts().total() == 1, "the agent works", 10)
        found = await looped.db.read(lambda conn: read_rounds(conn, RUN))
        looped.backend.agent.open_gate("first")
        await looped.ended()
    assert [(one.kind, one.state) for one in found] == [(RoundKind.WORK, RunState.RUNNING)]
