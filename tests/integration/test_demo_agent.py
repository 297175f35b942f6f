"""The demo agent really works, in its folder and nowhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from wireroom.backends.demo import DemoBackend
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, EventKind
from wireroom.backends.wire import framed_prompt
from wireroom.runs import review
from wireroom.runs.supervisor import Ending, Limits, Outcome, Receivers, supervise
from wireroom.testing.eventually import eventually

BACKEND = DemoBackend({"PATH": "/usr/bin:/bin"})


class Talk:
    """One session with the demo agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cancel = asyncio.Event()
        self.events: list[AgentEvent] = []
        self._session: str | None = None

    async def ask(self, prompt: str) -> str:
        """Return the answer to the request."""
        _, result = await self.run(prompt)
        assert not result.is_error, result
        self._session = result.session_id
        return result.text

    async def run(self, prompt: str) -> tuple[Outcome, AgentResult]:
        """Run the request to its end, whatever that is."""
        parser = BACKEND.parser()
        outcome = await supervise(
            BACKEND.command(AgentRequest(prompt, self.folder, session_id=self._session)),
            Limits(),
            Receivers(lambda line: self.events.extend(parser.feed(line))),
            cancel=self.cancel,
            spill_dir=self.folder / "spill",
        )
        return outcome, parser.result(outcome.exit_code)


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    """Lend a session in an empty folder."""
    (tmp_path / "outside.txt").write_text("not yours")
    (tmp_path / "work").mkdir()
    return Talk(tmp_path / "work")


async def test_demo_writes_appends_reads_counts_and_lists(talk: Talk) -> None:
    """Files come and go as asked."""
    assert await talk.ask("write hello world to notes.txt") == "Wrote `notes.txt`."
    assert await talk.ask("Please append more to notes.txt.") == "Added a line to `notes.txt`."
    assert (talk.folder / "notes.txt").read_text() == "hello world\nmore\n"
    assert await talk.ask("read notes.txt") == "`notes.txt`:\n\n```\nhello world\nmore\n```"
    assert "**3 words**" in await talk.ask("count the words in notes.txt")
    assert "`notes.txt` (17 bytes)" in await talk.ask("list files")


@pytest.mark.parametrize(
    ("output", "failure", "verdict"),
    [
        pytest.param("`1+1` = **2**", None, review.Complete, id="done"),
        pytest.param("I have no model to think about that with", None, review.Blocked, id="not-understood"),
        pytest.param("half", "The agent failed with exit code 1.", review.Blocked, id="failed"),
    ],
)
async def test_demo_reviews_what_another_said(
    talk: Talk, output: str, failure: str | None, verdict: type
) -> None:
    """Asked as a reviewer it answers with a verdict, so that the loop can be seen without a model."""
    work = review.Work(task="add", definition=None, output=output, failure=failure, facts=None, tests=())
    answer = await talk.ask(review.review_prompt(work))
    assert isinstance(review.read_verdict(answer), verdict)


async def test_demo_makes_a_web_page(talk: Talk) -> None:
    """A page is made from its title, which is text and not markup."""
    await talk.ask("make a web page titled Me & <you>")
    page = (talk.folder / "me-you.html").read_text()
    assert "<h1>Me &amp; &lt;you&gt;</h1>" in page


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("2 * (3 + 4) ** 2", "**98**"),
        ("what is 7 // 2?", "**3**"),
        ("calculate -1.5 + 2", "**0.5**"),
        ("1 / 0", "cannot calculate"),
        ("calculate 9 ** 9 ** 9", "too large"),
        ("calculate (-8) ** 0.5", "no real value"),
        ("calculate __import__('os').getpid()", "only calculate with numbers"),
        ("calculate 'a' * 9", "only calculate with numbers"),
        ("calculate 1 +", "cannot calculate"),
    ],
)
async def test_demo_calculates_and_never_evaluates_code(talk: Talk, asked: str, answer: str) -> None:
    """Arithmetic gives its value; anything else is refused in words."""
    assert answer in await talk.ask(asked)


@pytest.mark.parametrize(
    "name", ["../outside.txt", "/etc/hostname", "link.txt", ".demo/x", "sub/../../outside.txt"]
)
async def test_demo_stays_in_its_folder(talk: Talk, name: str) -> None:
    """Neither dots nor links nor absolute paths lead out."""
    (talk.folder / "link.txt").symlink_to(talk.folder.parent / "outside.txt")
    assert "not mine to touch" in await talk.ask(f"read {name}")
    assert "not mine to touch" in await talk.ask(f"write stolen to {name}")
    assert (talk.folder.parent / "outside.txt").read_text() == "not yours"


async def test_demo_remembers_its_session_only(talk: Talk) -> None:
    """A resumed session knows what was asked before; a new one does not."""
    assert await talk.ask("what did I ask before?") == "This is your first request here."
    await talk.ask("2 + 2")
    assert "2. 2 + 2" in await talk.ask("what did I ask before?")
    assert await Talk(talk.folder).ask("history") == "This is your first request here."


async def test_demo_does_what_was_said_last(talk: Talk) -> None:
    """A conversation that is told because there is no session of it is not taken for the request."""
    request = AgentRequest("2 + 2", talk.folder, context="User: count to 100 slowly\n\nYou: 1 2 3")
    assert "**4**" in await talk.ask(framed_prompt(request).decode())


async def test_demo_keeps_a_note_of_what_it_does_not_understand(talk: Talk) -> None:
    """Any other request becomes a file, and the answer says what the agent can do."""
    assert "demo agent" in await talk.ask("Refactor the parser\nand add tests")
    (note,) = (talk.folder / "notes").iterdir()
    assert note.read_text() == "Refactor the parser\nand add tests\n"


async def test_demo_shows_its_steps(talk: Talk) -> None:
    """A plan that gets done, and a tool call with its result, are to be seen on the way."""
    await talk.ask("write a to b.txt")
    kinds = [event.kind for event in talk.events]
    assert kinds == [
        EventKind.SESSION,
        EventKind.PLAN,
        EventKind.TOOL_CALL,
        EventKind.TOOL_RESULT,
        EventKind.TEXT,
        EventKind.PLAN,
    ]
    assert [step["state"] for step in talk.events[1].payload["steps"]] == ["done", "active", "pending"]
    assert [step["state"] for step in talk.events[-1].payload["steps"]] == ["done", "done", "done"]


async def test_demo_counts_and_can_be_stopped(talk: Talk) -> None:
    """Counting streams its pieces; a stop ends it with what was said so far."""
    assert await talk.ask("count to 3") == "1 2 3."
    talk.events.clear()
    running = asyncio.create_task(talk.run("count to 100 slowly"))
    await eventually(lambda: EventKind.TEXT in {event.kind for event in talk.events}, "it counts")
    talk.cancel.set()
    outcome, result = await running
    assert outcome.ending is Ending.CANCELLED
    assert result.text.startswith("1 ")


async def test_demo_without_a_writable_folder_fails(talk: Talk) -> None:
    """A folder that cannot be used is a failure of the agent, told in words."""
    (talk.folder / ".demo").write_text("a file where the folder should be")
    outcome, result = await talk.run("2 + 2")
    assert (outcome.exit_code, result.is_error) == (1, True)
    assert "folder cannot be used" in (result.error or "")
