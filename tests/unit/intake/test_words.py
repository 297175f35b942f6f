"""What Wireroom says in a chat, read as a person sees it: after rendering."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.delivery.render import render
from wireroom.intake import words
from wireroom.intake.commands import CommandName
from wireroom.runs.options import RunOptions, RunReport
from wireroom.runs.queries import RunView
from wireroom.runs.states import RunMode, RunState


def _run(prompt: str, state: RunState = RunState.QUEUED, started_at: int | None = None) -> RunView:
    return RunView(
        id="run-1",
        request_id="r",
        conversation_id="c",
        lane="l",
        source="telegram",
        prompt=prompt,
        backend="demo",
        state=state,
        reason=None,
        output=None,
        exit_code=None,
        usage=None,
        event_count=0,
        interruptions=0,
        source_message_id=None,
        queued_at=0,
        started_at=started_at,
        finished_at=None,
        error=None,
        mode=RunMode.EXECUTE,
        options=RunOptions(),
        report=RunReport(),
    )


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        pytest.param(0, "⏳ Accepted …", id="first"),
        pytest.param(1, "🕐 Queued, number 1 in line", id="second"),
        pytest.param(12, "🕐 Queued, number 12 in line", id="later"),
    ],
)
def test_opening_tells_the_place_in_line(ahead: int, said: str) -> None:
    """A placeholder says whether work begins now or how many come before."""
    assert words.opening(ahead) == said


def test_greeting_lists_every_command_but_pairing() -> None:
    """The answer to /help names the agent and every command that somebody who is in can use."""
    text = render(words.greeting("claude")).text

    assert "claude" in text
    for name in CommandName:
        assert (f"/{name.value}: " in text) is (name is not CommandName.PAIR)


def test_refusal_names_the_id_to_allow() -> None:
    """A stranger is told their id and the two ways in."""
    text = render(words.refusal(4711)).text

    assert "4711" in text
    assert "pairing code" in text


@pytest.mark.parametrize(
    ("runs", "lines"),
    [
        pytest.param([], [], id="idle"),
        pytest.param(
            [_run("fix it", RunState.RUNNING, 1_000)], ["Working for 61 s on: fix it"], id="running"
        ),
        pytest.param(
            [_run("fix it", RunState.RUNNING, 99_000)], ["Working for 0 s on: fix it"], id="clock-went-back"
        ),
        pytest.param([_run("a"), _run("b")], ["2 waiting; /queue lists them."], id="waiting"),
    ],
)
def test_status_tells_what_runs_and_waits(runs: list[RunView], lines: list[str]) -> None:
    """/status says that Wireroom is there, what runs and for how long, and how many wait."""
    first, *rest = render(words.status("demo", runs, version="1.2.3", now_ms=62_000)).text.splitlines()

    assert first == "✅ I'm online and ready to help! Wireroom 1.2.3, agent: demo."
    assert rest == lines


@pytest.mark.parametrize(
    ("runs", "shown"),
    [
        pytest.param([], words.NOTHING_RUNS, id="idle"),
        pytest.param(
            [_run("one", RunState.RUNNING), _run("two"), _run("three")],
            "▶️ one\n1. two\n2. three",
            id="one-runs-two-wait",
        ),
        pytest.param([_run("1. do\n2. this"), _run("- that")], "1. 1. do 2. this\n2. - that", id="lists"),
    ],
)
def test_queue_numbers_what_waits(runs: list[RunView], shown: str) -> None:
    """/queue shows what runs and numbers what waits, one line each."""
    assert render(words.queue(runs)).text == shown


@pytest.mark.parametrize(
    ("stopping", "removed", "left", "said"),
    [
        pytest.param(0, 0, 0, words.NOTHING_RUNS, id="idle"),
        pytest.param(
            0, 1, 2, "Dropped 1 waiting. 2 waiting will still run; /stop all drops them.", id="next"
        ),
        pytest.param(1, 0, 0, "⏹ Stopped.", id="stopped"),
        pytest.param(1, 0, 2, "⏹ Stopped. 2 waiting will still run; /stop all drops them.", id="some-left"),
        pytest.param(1, 2, 0, "⏹ Stopped. Dropped 2 waiting.", id="all"),
        pytest.param(0, 2, 0, "Dropped 2 waiting.", id="only-dropped"),
    ],
)
def test_stop_tells_what_it_stopped(stopping: int, removed: int, left: int, said: str) -> None:
    """/stop says what it stopped, what it dropped and what will still run."""
    assert render(words.stopped(stopping=stopping, removed=removed, left=left)).text == said


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        pytest.param("fix __init__.py and *all* of `it`", "fix __init__.py and *all* of `it`", id="markdown"),
        pytest.param("  two\n\nlines\t here ", "two lines here", id="several-lines"),
        pytest.param("x" * 80, "x" * 80, id="just-fits"),
        pytest.param("x" * 81, "x" * 79 + "…", id="too-long"),
    ],
)
def test_excerpt_shows_the_beginning_literally(prompt: str, shown: str) -> None:
    """A prompt is quoted on one line of at most 80 characters, its punctuation as it was typed."""
    assert render(words.excerpt(prompt)).text == shown


@given(st.text(alphabet="ab \n*_`[]()<>#&;!|~+-=.1:/\\\\$^{}\"'@%,?é", max_size=60))
def test_any_excerpt_is_literal(prompt: str) -> None:
    """Whatever punctuation a prompt has, its excerpt shows exactly that."""
    shown = render("Working on: " + words.excerpt(prompt))

    assert shown.text == f"Working on: {' '.join(prompt.split())}".strip()
    assert not shown.entities
