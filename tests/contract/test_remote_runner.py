"""The `remote` back end: against a played cursor-runner with every fault, and against a real Wireroom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import Connection

from running_service import API_SECRET, OWNER, running_service
from wireroom.app.service import Service
from wireroom.backends.protocol import (
    AgentEvent,
    AgentRequest,
    AgentResult,
    Errand,
    PermissionAnswer,
    Words,
)
from wireroom.backends.remote import RemoteBackend
from wireroom.errors import AgentUnavailable
from wireroom.settings import Settings
from wireroom.store.migrate import ensure_schema
from wireroom.testing import BotAPIServer
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
ACCEPTED = {"success": True, "message": "Request accepted, processing asynchronously", "requestId": "r-1.1"}


@dataclass
class OldRunner:
    """Plays cursor-runner: records what it is sent, answers as told."""

    url: str = ""
    posts: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    """Path, body and secret of each POST."""
    answers: list[tuple[int, Any]] = field(default_factory=list)
    """For the next POSTs of a run; then it accepts. Status 0 closes the connection without an answer."""
    standings: list[tuple[int, Any]] = field(default_factory=list)
    """For the next questions how a run stands; then it knows no such route."""

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Take a request."""
        secret = request.headers.get("X-Webhook-Secret", "")
        self.posts.append((request.path, await request.json(), secret))
        if request.path == "/cursor/conversation/new":
            return web.json_response({"success": True, "conversationId": "conv-1"})
        if request.path.endswith("/cancel"):
            return web.json_response({}, status=202)
        status, body = self.answers.pop(0) if self.answers else (200, ACCEPTED)
        if not status:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(body, status=status or 200)

    async def get(self, _request: web.Request) -> web.StreamResponse:
        """Tell how a run stands."""
        unknown = (404, {"success": False, "error": "Route not found"})
        status, body = self.standings.pop(0) if self.standings else unknown
        return web.json_response(body, status=status)

    def runs(self) -> list[dict[str, Any]]:
        """Return the bodies of the runs that it was sent."""
        return [body for path, body, _ in self.posts if path == "/cursor/execute/async"]


@dataclass
class RecordingAbroad:
    """What Wireroom does for the back end, with replies by hand."""

    http: aiohttp.ClientSession
    errand: Errand = field(default_factory=lambda: Errand("r-1.1", "shop", "main"))
    callback_url: str = "http://127.0.0.1:8480/cursor-runner/callback"
    secret: str = "ours"
    replies: asyncio.Queue[Mapping[str, Any]] = field(default_factory=asyncio.Queue)
    events: list[AgentEvent] = field(default_factory=list)
    leaves_open: bool = False

    def emit(self, event: AgentEvent) -> None:
        """Keep the event."""
        self.events.append(event)

    async def ask(self, _question: object) -> PermissionAnswer:
        """Nobody is there."""
        return PermissionAnswer.DENIED

    async def words(self) -> Words:
        """Wait for ever: nobody says more."""
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def hand(self, words: Words) -> bool:
        """Refuse: there are none."""
        raise AssertionError(words)

    async def heard(self, words_id: str) -> None:
        """Refuse: there are none."""
        raise AssertionError(words_id)

    async def reply(self, seconds: float) -> Mapping[str, Any] | None:
        """Wait for a reply put by the test."""
        if not self.replies.empty():
            return self.replies.get_nowait()
        try:
            return await asyncio.wait_for(self.replies.get(), seconds)
        except TimeoutError:
            return None

    async def is_left_open(self) -> bool:
        """Say what the test wants."""
        return self.leaves_open


@pytest.fixture
async def runner() -> AsyncIterator[OldRunner]:
    """Play cursor-runner on loopback."""
    played = OldRunner()
    app = web.Application()
    app.router.add_post("/{path:.*}", played.post)
    app.router.add_get("/{path:.*}", played.get)
    served = web.AppRunner(app)
    await served.setup()
    site = web.TCPSite(served, "127.0.0.1", 0)
    await site.start()
    played.url = f"http://127.0.0.1:{served.addresses[0][1]}"
    yield played
    await served.cleanup()


@pytest.fixture
async def abroad() -> AsyncIterator[RecordingAbroad]:
    """Lend our side."""
    async with aiohttp.ClientSession() as http:
        yield RecordingAbroad(http)


_ASKED = AgentRequest("do it", Path("/nowhere"), context="You said hello.")


async def test_a_request_is_handed_over_and_its_callback_is_the_answer(
    runner: OldRunner, abroad: RecordingAbroad
) -> None:
    """The runner gets prompt, context, folder, our id and where to report; its report is the answer."""
    await abroad.replies.put({"success": True, "output": "done", "error": None, "exitCode": 0})
    result = await RemoteBackend(runner.url + "/", "").call(_ASKED, abroad)
    assert result == AgentResult("done", is_error=False, exit_code=0)
    [body] = runner.runs()
    assert body["prompt"].endswith("do it")
    assert "You said hello." in body["prompt"]
    wanted = {"id": "r-1.1", "repository": "shop", "branchName": "main", "conversationId": "conv-1"}
    assert {name: body[name] for name in wanted} == wanted
    assert body["callbackUrl"] == abroad.callback_url
    assert {secret for *_, secret in runner.posts} == {"ours"}


async def test_a_runner_with_another_secret_is_told_ours_for_the_callback(
    runner: OldRunner, abroad: RecordingAbroad
) -> None:
    """Where secrets differ, theirs opens their door and the callback's address carries ours."""
    await abroad.replies.put({"success": True, "output": "", "exitCode": 0})
    await RemoteBackend(runner.url, "theirs").call(_ASKED, abroad)
    assert {secret for *_, secret in runner.posts} == {"theirs"}
    assert runner.runs()[0]["callbackUrl"] == f"{abroad.callback_url}?secret=ours"


@pytest.mark.parametrize(
    ("reply", "error", "exit_code"),
    [
        ({"success": True, "output": "half", "error": "oh", "exitCode": 3}, "oh", 3),
        ({"success": True, "output": "half", "error": None, "exitCode": 3}, "exit code 3", 3),
        ({"success": True, "output": "half"}, "without a reason", 1),
        ({"success": False, "output": "half", "error": "timed out"}, "timed out", 1),
        ({"success": False, "output": "half", "error": "no", "exitCode": 0}, "no", 1),
        ({"success": "yes", "output": "half", "exitCode": True}, "without a reason", 1),
    ],
)
async def test_success_needs_an_exit_code_of_zero(
    runner: OldRunner, abroad: RecordingAbroad, reply: dict[str, Any], error: str, exit_code: int
) -> None:
    """What the older service calls success of a failed program is a failure, with its output kept."""
    await abroad.replies.put(reply)
    result = await RemoteBackend(runner.url, "").call(_ASKED, abroad)
    assert (result.is_error, result.text, result.exit_code) == (True, "half", exit_code)
    assert error in (result.error or "")


@pytest.mark.parametrize(
    ("answer", "text", "error"),
    [
        ((200, {"success": True, "output": "at once", "exitCode": 0}), "at once", None),
        ((200, {"success": False, "error": "no such folder"}), "", "no such folder"),
        ((401, {"success": False, "error": "Unauthorized"}), "", "WIREROOM_CURSOR_RUNNER_SECRET"),
        ((404, {"success": False, "error": "Repository not found"}), "", "Repository not found"),
        ((500, {"success": False, "error": "it threw"}), "", "it threw"),
    ],
)
async def test_an_answer_that_is_the_end_is_understood(
    runner: OldRunner, abroad: RecordingAbroad, answer: tuple[int, Any], text: str, error: str | None
) -> None:
    """A runner that answers with the result, or refuses, is not waited for, nor asked again."""
    runner.answers = [answer]
    result = await RemoteBackend(runner.url, "").call(_ASKED, abroad)
    assert (result.text, result.is_error) == (text, error is not None)
    assert (error or "") in (result.error or "")
    assert len(runner.runs()) == 1


async def test_a_request_that_was_not_taken_is_sent_again(runner: OldRunner, abroad: RecordingAbroad) -> None:
    """A runner that is full or not ready is asked again."""
    runner.answers = [(503, {"error": "busy"}), (429, {})]
    await abroad.replies.put({"success": True, "output": "done", "exitCode": 0})
    result = await RemoteBackend(runner.url, "").call(_ASKED, abroad)
    assert result.text == "done"
    assert len(runner.runs()) == 3


@pytest.mark.parametrize("answer", [(0, None), (502, None)], ids=["no answer", "a gateway's"])
async def test_a_request_that_may_have_begun_is_not_repeated(
    runner: OldRunner, abroad: RecordingAbroad, answer: tuple[int, Any]
) -> None:
    """The older runner would do it twice: after a lost answer its callback is waited for."""
    runner.answers = [answer]
    await abroad.replies.put({"success": True, "output": "done", "exitCode": 0})
    result = await RemoteBackend(runner.url, "").call(_ASKED, abroad)
    assert result.text == "done"
    assert len(runner.runs()) == 1


async def test_a_runner_that_knows_that_nothing_began_is_asked_again(
    runner: OldRunner, abroad: RecordingAbroad
) -> None:
    """A Wireroom that says it has no such run gets the request once more, under the same id."""
    runner.answers = [(0, None)]
    runner.standings = [(404, {"success": False, "error": "There is no run r-1.1."})]
    await abroad.replies.put({"success": True, "output": "done", "exitCode": 0})
    await RemoteBackend(runner.url, "").call(_ASKED, abroad)
    assert [body["id"] for body in runner.runs()] == ["r-1.1", "r-1.1"]


@pytest.mark.parametrize(
    ("standing", "result"),
    [
        (
            {"state": "succeeded", "output": "done", "exit_code": 0},
            AgentResult("done", is_error=False, exit_code=0),
        ),
        (
            {"state": "timed_out", "output": "half", "reason": "too long", "exit_code": None},
            AgentResult("half", is_error=True, error="too long", exit_code=1),
        ),
    ],
)
async def test_a_lost_callback_is_made_up_for(
    runner: OldRunner,
    abroad: RecordingAbroad,
    standing: dict[str, Any],
    result: AgentResult,
) -> None:
    """A runner that can be asked is asked from time to time, so that a lost callback loses no answer."""
    runner.standings = [(200, {"state": "running"}), (500, None), (200, standing)]
    backend = RemoteBackend(runner.url, "", look_seconds=0.05)
    assert await backend.call(_ASKED, abroad) == result


_KNOWN = Errand("r-1.1", "shop", "main", may_be_known=True)
_DONE = {"success": True, "output": "done", "exitCode": 0}


async def test_an_errand_of_an_earlier_attempt_that_has_ended_is_not_repeated(
    runner: OldRunner, abroad: RecordingAbroad
) -> None:
    """A result that came while nobody waited is the answer; the runner is sent nothing."""
    abroad.errand = _KNOWN
    await abroad.replies.put(_DONE)
    result = await RemoteBackend(runner.url, "").call(_ASKED, abroad)
    assert (result.text, runner.posts) == ("done", [])


@pytest.mark.parametrize(
    "standings",
    [
        pytest.param([], id="cannot-be-asked"),
        pytest.param([(200, {"state": "running"})], id="works"),
        pytest.param([(200, {"state": "succeeded", "output": "done", "exit_code": 0})], id="has-ended"),
    ],
)
async def test_an_errand_of_an_earlier_attempt_that_may_be_at_work_is_waited_for(
    runner: OldRunner, abroad: RecordingAbroad, standings: list[tuple[int, Any]]
) -> None:
    """Nothing is sent again to a runner that has the errand, or cannot tell."""
    abroad.errand, runner.standings = _KNOWN, standings
    calling = asyncio.create_task(RemoteBackend(runner.url, "", look_seconds=0.05).call(_ASKED, abroad))
    await eventually(lambda: not runner.standings, "the runner was asked")
    await abroad.replies.put(_DONE)
    assert (await calling).text == "done"
    assert runner.posts == []


async def test_an_errand_of_an_earlier_attempt_that_never_arrived_is_handed_over(
    runner: OldRunner, abroad: RecordingAbroad
) -> None:
    """A runner that says that it knows no such run gets it, under the same id."""
    abroad.errand = _KNOWN
    runner.standings = [
        (200, {"state": "queued"}),
        (404, {"success": False, "error": "There is no run r-1.1."}),
    ]
    calling = asyncio.create_task(RemoteBackend(runner.url, "", look_seconds=0.05).call(_ASKED, abroad))
    await eventually(runner.runs, "it is handed over")
    await abroad.replies.put(_DONE)
    assert (await calling).text == "done"
    assert [body["id"] for body in runner.runs()] == ["r-1.1"]


async def test_a_call_that_the_next_attempt_goes_on_with_is_not_stopped_there(
    runner: OldRunner, abroad: RecordingAbroad
) -> None:
    """A stop of our service leaves the runner at work."""
    abroad.leaves_open = True
    calling = asyncio.create_task(RemoteBackend(runner.url, "").call(_ASKED, abroad))
    await eventually(runner.runs, "it is handed over")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert runner.posts[-1][0] == "/cursor/execute/async"


async def test_a_stopped_run_is_stopped_there(runner: OldRunner, abroad: RecordingAbroad) -> None:
    """Cancelling tells the runner, and then raises."""
    calling = asyncio.create_task(RemoteBackend(runner.url, "").call(_ASKED, abroad))
    await eventually(runner.runs, "it is handed over")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert runner.posts[-1][0] == "/api/runs/r-1.1/cancel"


async def test_a_runner_that_is_not_there_is_said_to_be(abroad: RecordingAbroad) -> None:
    """An address without a runner, or none at all, is named with its setting."""
    with pytest.raises(AgentUnavailable, match="CURSOR_RUNNER_URL"):
        await RemoteBackend("", "").call(_ASKED, abroad)
    with pytest.raises(AgentUnavailable, match="cannot be reached"):
        await RemoteBackend("http://127.0.0.1:9", "").call(_ASKED, abroad)


@asynccontextmanager
async def _two_services(
    tmp_path: Path, database_path: Path, telegram: BotAPIServer
) -> AsyncIterator[tuple[Service, Service]]:
    """Run one Wireroom with a bot, whose runs another one does."""
    there = tmp_path / "there"
    there.mkdir()
    ensure_schema(f"sqlite:///{there / 'wireroom.sqlite3'}")
    async with running_service(there) as worker:
        settings = Settings(
            data_dir=database_path.parent,
            port=0,
            bot_token=SecretStr(telegram.token),
            telegram_api_url=telegram.url,
            allowed_users=(OWNER,),
            webhook_secret=SecretStr(API_SECRET),
            chat_messages_per_second=100,
            drain_seconds=1.0,
        )
        async with Service(settings, backend=RemoteBackend(worker.address, "", look_seconds=0.5)) as front:
            yield front, worker


async def test_one_wireroom_works_for_another(tmp_path: Path, database_path: Path) -> None:
    """A message to one Wireroom is done by the agent of another, and `/stop` reaches it."""
    async with (
        BotAPIServer() as telegram,
        _two_services(tmp_path, database_path, telegram) as (_, worker),
    ):
        chat = telegram.private_chat(telegram.user(OWNER, "Ada"))

        async def says(text: str, expected: str) -> int:
            asked = telegram.message_id_of(await telegram.user_says(chat, text))
            await eventually(
                lambda: any(expected in one.text for one in telegram.answers_to(asked, chat)),
                f"the answer says {expected!r}",
                timeout_seconds=15,
            )
            return asked

        def states(conn: Connection) -> list[str]:
            return [row[0] for row in conn.exec_driver_sql("SELECT state FROM runs ORDER BY queued_at")]

        await says("calculate 6 * 7", "42")
        asked = telegram.message_id_of(await telegram.user_says(chat, "count to 100 slowly"))
        await eventually(
            lambda: _reads(worker, states, ["succeeded", "running"]), "it works there", timeout_seconds=10
        )
        await says("/stop", "⏹ Stopped.")
        await eventually(
            lambda: any("⏹ Stopped." in one.text for one in telegram.answers_to(asked, chat)), "it stops here"
        )
        await eventually(lambda: _reads(worker, states, ["succeeded", "cancelled"]), "it stops there")


async def _reads(service: Service, unit: Callable[[Any], Any], expected: Any) -> bool:
    found: Any = await service.services.db.read(unit)
    return bool(found == expected)
