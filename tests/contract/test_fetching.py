"""Requests with files in both databases: an album is one request, complete once, however its pieces race."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import Connection

from contract.job_engines import Engine
from wireroom.clock import SystemClock
from wireroom.errors import FileRefused
from wireroom.intake.ask import Asker, Question
from wireroom.intake.file_requests import FileRequests
from wireroom.intake.update import Place, Said, Speaker
from wireroom.runs.feed import Feed
from wireroom.runs.fetching import Fetching
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.records import begin_attempt, standing_of
from wireroom.runs.states import RunState
from wireroom.workspaces.given import ChatFile, FileLimits
from wireroom.workspaces.inbox import GivenFile

pytestmark = pytest.mark.timeout(60)
LANE = "telegram:1:7:0"
Hook = Callable[[], Awaitable[None]]


class Chat:
    """Ada's chat: takes messages with files as intake does, and brings files as a recording does."""

    def __init__(self, engine: Engine, *, album_seconds: float = 0) -> None:
        """Ask on this engine."""
        self.engine = engine
        self.brought: list[str] = []
        self.meanwhile: list[Hook] = []
        numbers = iter(range(1, 100))
        self.asker = Asker(
            engine.jobs,
            Feed(),
            backend="demo",
            workdir=lambda _: "/w",
            new_id=lambda prefix: f"{prefix}-{next(numbers)}",
        )
        self.fetching = Fetching(db=engine.db, clock=SystemClock(), feed=Feed(), bring=self.bring)
        self.requests = FileRequests(1, FileLimits(most_bytes=100))
        self.album_ms = int(album_seconds * 1000)

    async def bring(self, run_id: str, file: ChatFile) -> GivenFile:
        """Pretend to bring the file; do first what is to happen meanwhile."""
        if self.meanwhile:
            await self.meanwhile.pop(0)()
        if file.size and file.size > 100:
            raise FileRefused(f"{file.name} is too large.")
        self.brought.append(f"{run_id} {file.name}")
        return GivenFile(f"{file.message_id:032}", Path("/in") / file.name, 5)

    async def take(self, number: int, text: str = "", *, album: str = "A", size: int = 5) -> str | None:
        """Take a message with a photo; return the words of a refusal."""
        photo = ChatFile(f"F{number}", f"U{number}", f"{number}.jpg", size, number)
        said = Said(number, Place(7, None, number), Speaker(7, "Ada"), text, files=(photo,), album=album)
        return await self.engine.db.write(lambda conn: self._take(conn, said))

    def _take(self, conn: Connection, said: Said) -> str | None:
        asked = self.requests.question(conn, said, LANE, int(time.time() * 1000) - 1500 + self.album_ms)
        if isinstance(asked, Question):
            assert self.asker.ask(conn, asked, 1) is not None
            return None
        return asked

    async def run(self, request_id: str) -> RunView:
        """Return the request's run."""
        found = await self.engine.db.read(lambda conn: find_run(conn, request_id))
        assert found is not None
        return found

    async def begin(self, run_id: str) -> None:
        """Begin an attempt."""
        await self.engine.db.write(lambda conn: begin_attempt(conn, run_id, worker="w", now_ms=1, lease_ms=1))


ALBUM = "telegram-1-album-7-A"


async def test_an_album_is_one_request_in_the_order_of_its_messages(engine: Engine) -> None:
    """Three pieces in any order, the caption with the last, become one run with three paths."""
    chat = Chat(engine, album_seconds=0.2)
    for number, text in ((3, ""), (1, ""), (2, "Compare them")):
        assert await chat.take(number, text) is None
    assert (await engine.db.read(lambda conn: standing_of(conn, "run-2"))).has_files
    assert (await chat.run(ALBUM)).prompt == "Compare them"
    assert await chat.fetching.fetch("run-2") is None
    run = await chat.run(ALBUM)
    paths = "\n".join(f"- /in/{number}.jpg (5 bytes)" for number in (1, 2, 3))
    assert run.prompt == f"Compare them\n\nAttached files:\n{paths}"
    assert run.options.given is not None
    assert run.options.given.fetched


async def test_a_piece_that_joins_while_others_are_brought_is_brought_too(engine: Engine) -> None:
    """What was read before is not stored over a piece that came meanwhile; nothing is asked without it."""
    chat = Chat(engine)
    await chat.take(1, "Look")

    async def second() -> None:
        assert await chat.take(2) is None

    chat.meanwhile = [second]
    assert await chat.fetching.fetch("run-2") is None
    assert "2.jpg" in (await chat.run(ALBUM)).prompt


async def test_a_piece_that_comes_too_late_is_a_request_of_its_own_with_those_after_it(
    engine: Engine,
) -> None:
    """Once the files are fetched, or the run begun, later pieces are one further request, never lost."""
    chat = Chat(engine)
    await chat.take(1, "Look")
    await chat.fetching.fetch("run-2")
    await chat.begin("run-2")
    await chat.take(2)
    await chat.take(3)
    late = await chat.run(f"{ALBUM}-1")
    await chat.fetching.fetch(late.id)
    late = await chat.run(f"{ALBUM}-1")
    assert "sent just before" in late.prompt
    assert late.prompt.endswith("- /in/2.jpg (5 bytes)\n- /in/3.jpg (5 bytes)")
    assert (await chat.run(ALBUM)).prompt.count(".jpg") == 1


async def test_a_try_that_is_cut_off_is_made_again_and_stores_once(engine: Engine) -> None:
    """Cancelled between two files, the next try brings all; a try after that finds nothing to store."""
    chat = Chat(engine)
    await chat.take(1, "Look")
    await chat.take(2)

    async def cut() -> None:
        raise asyncio.CancelledError

    async def go_on() -> None:
        pass

    chat.meanwhile = [go_on, cut]
    with pytest.raises(asyncio.CancelledError):
        await chat.fetching.fetch("run-2")
    assert (await chat.run(ALBUM)).prompt == "Look"
    await chat.fetching.fetch("run-2")
    prompt = (await chat.run(ALBUM)).prompt
    await chat.fetching.fetch("run-2")
    assert (await chat.run(ALBUM)).prompt == prompt
    assert prompt.count(".jpg") == 2


async def test_a_file_that_is_not_taken_ends_the_request_in_words(engine: Engine) -> None:
    """A single one is refused before anything is stored; in an album the request ends, and says which."""
    chat = Chat(engine)
    assert "larger than" in (await chat.take(9, "Read", album="", size=500) or "")
    assert await engine.db.read(lambda conn: find_run(conn, "telegram-1-9")) is None
    await chat.take(1, "Look")
    await chat.take(2, size=500)
    ending = await chat.fetching.fetch("run-2")
    assert ending is not None
    assert (ending.state, ending.reason) == (RunState.FAILED, "2.jpg is too large.")


async def test_new_words_of_any_piece_are_those_of_the_album(engine: Engine) -> None:
    """The caption may be written later, below a piece that did not come first."""
    chat = Chat(engine)
    await chat.take(1)
    await chat.take(2)
    said = Said(5, Place(7, None, 2), Speaker(7, "Ada"), "Compare", edited=True, album="A")
    await engine.db.write(lambda conn: chat.requests.edited(conn, said, None))
    assert (await chat.run(ALBUM)).prompt == "Compare"
    other = structs.replace(said, text="")
    await engine.db.write(lambda conn: chat.requests.edited(conn, other, None))
    assert (await chat.run(ALBUM)).prompt == "Compare"


async def test_new_words_beside_files_count_until_they_are_fetched(engine: Engine) -> None:
    """An edit of the caption changes a request that waits, and is told when it is too late."""
    chat = Chat(engine)
    await chat.take(1, "Look", album="")
    said = Said(5, Place(7, None, 1), Speaker(7, "Ada"), "Look twice", edited=True)

    async def edited() -> tuple[str, str | None]:
        run = await chat.run("telegram-1-1")
        _, why, told = await engine.db.write(lambda conn: chat.requests.edited(conn, said, run))
        return why, told

    assert await edited() == ("new words beside files", None)
    assert (await edited())[0] == "an edit that changes no request"
    await chat.fetching.fetch("run-2")
    assert (await chat.run("telegram-1-1")).prompt.startswith("Look twice\n\nAttached")
    said = Said(6, Place(7, None, 1), Speaker(7, "Ada"), "Look thrice", edited=True)
    why, told = await edited()
    assert why == "too late for new words"
    assert told is not None
