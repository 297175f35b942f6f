"""What a reviewer is asked, and what its words mean."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.runs.review import (
    Blocked,
    Complete,
    Continue,
    ToolUse,
    Unreadable,
    Work,
    ran_tests,
    read_verdict,
    review_prompt,
    wants_push,
    weigh,
)
from wireroom.workspaces.work import Evidence

COMPLETE = '{"code_complete": true, "break_iteration": false, "justification": "all there"}'
GO_ON = '{"code_complete": false, "justification": "no tests", "next_prompt": "write tests"}'
BREAK = '{"code_complete": false, "break_iteration": true, "justification": "no access"}'
NO_VERDICT = Unreadable("The review does not contain a verdict.")
CONTRADICTION = Unreadable("The review contains verdicts that contradict each other.")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        pytest.param(COMPLETE, Complete("all there"), id="complete"),
        pytest.param(GO_ON, Continue("no tests", "write tests"), id="continue"),
        pytest.param(BREAK, Blocked("no access"), id="blocked"),
        pytest.param(
            '{"code_complete": true, "break_iteration": true}',
            Blocked("The review gives no reason."),
            id="break-outweighs-complete",
        ),
        pytest.param(f"```json\n{COMPLETE}\n```", Complete("all there"), id="code-block"),
        pytest.param(f"I looked at it. {COMPLETE} That is all.", Complete("all there"), id="among-words"),
        pytest.param(f"\x1b[32m{COMPLETE}\x1b[0m", Complete("all there"), id="colours"),
        pytest.param(
            '{"code_complete": true, "justification": "f() { return \\"}\\" }"}',
            Complete('f() { return "}" }'),
            id="braces-in-strings",
        ),
        pytest.param(f'{{"verdict": {COMPLETE}}}', Complete("all there"), id="nested"),
        pytest.param(f"if (a) {{ b }} {COMPLETE}", Complete("all there"), id="code-before"),
        pytest.param(f"{GO_ON}\n{GO_ON}", Continue("no tests", "write tests"), id="said-twice"),
        pytest.param(f"{GO_ON}\n{COMPLETE}", CONTRADICTION, id="contradiction"),
        pytest.param("", NO_VERDICT, id="silence"),
        pytest.param("code_complete: true", NO_VERDICT, id="no-json"),
        pytest.param(COMPLETE[:-1], NO_VERDICT, id="cut-off"),
        pytest.param('{"code_complete": "true"}', NO_VERDICT, id="text-for-a-boolean"),
        pytest.param('{"code_complete": 1}', NO_VERDICT, id="number-for-a-boolean"),
        pytest.param('{"code_complete": true, "break_iteration": "no"}', NO_VERDICT, id="break-is-text"),
        pytest.param('{"code_complete": true, "break_iteration": null}', NO_VERDICT, id="break-is-null"),
        pytest.param('{"code_complete":' * 50_000, NO_VERDICT, id="deeper-than-the-parser"),
        pytest.param('{"a": 1}' * 2_000 + COMPLETE, Complete("all there"), id="after-many-objects"),
        pytest.param("{" * 64_000, NO_VERDICT, id="braces-only"),
    ],
)
def test_verdict_is_what_the_json_says(answer: str, verdict: object) -> None:
    """One whole object with real booleans decides, wherever it stands; anything else decides nothing."""
    assert read_verdict(answer) == verdict


def test_verdict_to_go_on_without_a_prompt_has_one_made_of_its_reason() -> None:
    """The worker always learns what the review said."""
    verdict = read_verdict('{"code_complete": false, "justification": "no tests"}')
    assert isinstance(verdict, Continue)
    assert "no tests" in verdict.next_prompt


def test_review_prompt_read_as_an_answer_decides_nothing() -> None:
    """A reviewer that only repeats what it was asked has not said that the work is complete."""
    prompt = review_prompt(Work("task", None, "did it", None, None))
    assert isinstance(read_verdict(prompt), Unreadable)


_PIECES = st.sampled_from(
    [*'{}[]":,\\', '"code_complete"', '"break_iteration"', "false", "\x1b[0m", "`", "a"]
)


@given(st.lists(_PIECES, max_size=60).map("".join) | st.text(max_size=200))
def test_verdict_of_garbage_is_never_complete(answer: str) -> None:
    """Whatever comes without a `true`, reading it neither fails nor finds the work complete."""
    assert not isinstance(read_verdict(answer.replace("true", "")), Complete)


@given(st.text('ab }]",\\\n', max_size=50), st.text(max_size=50), st.text('ab }]",\\\n', max_size=50))
def test_verdict_survives_any_justification(before: str, why: str, after: str) -> None:
    """Words within the object are never taken for its structure."""
    answer = json.dumps({"code_complete": False, "break_iteration": True, "justification": why})
    assert isinstance(read_verdict(f"{before}{answer}{after}"), Blocked)


@pytest.mark.parametrize(
    ("wanted", "does"),
    [
        pytest.param("Fix it and push the branch.", True, id="push-the-branch"),
        pytest.param("The code is pushed to origin.", True, id="code-pushed"),
        pytest.param("Commit and push", True, id="commit-and-push"),
        pytest.param("git push", True, id="git-push"),
        pytest.param("Open a pull request", True, id="open-a-pull-request"),
        pytest.param("A PR is opened or the branch is pushed", True, id="definition"),
        pytest.param("Do not forget to push your changes.", True, id="do-not-forget"),
        pytest.param("Fix it.", False, id="nothing-of-it"),
        pytest.param("Add push notifications to the repository", False, id="push-notifications"),
        pytest.param("push onto the stack", False, id="another-push"),
        pytest.param("Read the pull request and say what you think.", False, id="read-the-request"),
        pytest.param("Commit, but do not push the branch.", False, id="do-not-push"),
        pytest.param("Don't open a PR", False, id="no-request"),
        pytest.param("Don\u2019t push to origin", False, id="typographic-apostrophe"),
        pytest.param("Change the code without pushing it to the remote.", False, id="without-pushing"),
        pytest.param("not " * 20_000 + " " * 20_000, False, id="words-without-end"),
    ],
)
def test_push_is_wanted_where_the_text_demands_it(wanted: str, does: bool) -> None:
    """Only a clear demand counts, for a wrong yes would let a finished loop go on."""
    assert wants_push(wanted) is does


def _git(*, pushed: bool) -> Evidence:
    return Evidence("c0ffee", "feature", None, pushed, 0, 0)


@pytest.mark.parametrize(
    ("facts", "wanted", "stands"),
    [
        pytest.param(_git(pushed=False), "push the branch", False, id="not-pushed"),
        pytest.param(_git(pushed=True), "push the branch", True, id="pushed"),
        pytest.param(_git(pushed=False), "fix it", True, id="not-wanted"),
        pytest.param(None, "push the branch", True, id="no-git"),
    ],
)
def test_git_can_veto_complete(facts: Evidence | None, wanted: str, stands: bool) -> None:
    """Complete goes on where a push is wanted and git shows none; the worker is told why."""
    verdict = weigh(Complete("done"), facts, wanted)
    assert (verdict == Complete("done")) is stands
    if not stands:
        assert isinstance(verdict, Continue)
        assert verdict.next_prompt.startswith(
            "The branch feature is to be pushed, and git shows that it is not."
        )


def test_git_never_makes_work_complete() -> None:
    """What is pushed may still be wrong: every other verdict stands."""
    for verdict in (Continue("no", "go"), Blocked("no"), Unreadable("?")):
        assert weigh(verdict, _git(pushed=True), "push the branch") == verdict


@pytest.mark.parametrize(
    ("command", "is_test"),
    [
        ("pytest -q tests", True),
        ("cd app && npm test", True),
        ("npm run test:unit", True),
        ("cargo test --all", True),
        ("python -m unittest", True),
        ("make test", True),
        ("go test ./...", True),
        ("make install", False),
        ("edit tests/test_app.py", False),
        ("cat latest.txt", False),
    ],
)
def test_tests_are_known_by_their_programs(command: str, is_test: bool) -> None:
    """A command that runs tests is told from one that touches them."""
    assert bool(ran_tests([ToolUse(command, ok=True)])) is is_test


def test_review_prompt_has_task_definition_output_and_facts() -> None:
    """The reviewer is told what was wanted, what was said, and what git and the log show."""
    work = Work(
        task="build it",
        definition="tests pass",
        output="built",
        failure="exit code 3",
        facts=Evidence("c0ffee", "feature", "origin/feature", pushed=False, commits_ahead=2, changed_files=4),
        tests=[ToolUse("pytest -q", ok=False), ToolUse("make test", ok=None)],
    )
    prompt = review_prompt(work)
    for told in (
        "=== TASK ===\nbuild it",
        "=== DEFINITION OF DONE ===\ntests pass",
        "=== WHAT THE AGENT SAID ===\nbuilt",
        "did not end well: exit code 3",
        "Branch: feature. Upstream: origin/feature.",
        "Commit: c0ffee; the upstream has it not.",
        "Commits since the work began: 2.",
        "uncommitted changes: 4.",
        "Test command seen: pytest -q (failed)",
        "Test command seen: make test (its end was not seen)",
    ):
        assert told in prompt
    assert "could not be read" not in prompt
    assert "could not be read" in review_prompt(work, again=True)


def test_review_prompt_keeps_both_ends_of_long_output() -> None:
    """What was done and how it ended stand at the ends."""
    prompt = review_prompt(Work("task", None, f"BEGIN{'x' * 100_000}END", None, None))
    assert len(prompt) < 50_000
    assert "BEGIN" in prompt
    assert "xEND" in prompt
