"""Runs that a runner elsewhere does outlive a restart of ours: nothing is handed over twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import Connection

from loop_backend import RUN, LoopBackend, ask_for_run
from running_service import API_SECRET, client_of
from wireroom.app.service import Service
from wireroom.backends.remote import RemoteBackend
from wireroom.clock import SystemClock, to_ms
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.runs import records
from wireroom.runs.cancel import cancel_run
from wireroom.runs.events import read_events
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.states import RunMode, RunState
from wireroom.settings import Settings
from wireroom.store.database import Database
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)


@dataclass
class Runner:
    """Plays the older runner: accepts every run, and cannot be asked how one stands."""

    url: str = ""
    given: list[str] = field(default_factory=list)
    """Ids of the runs that it was given."""
    told_to_stop: list[str] = field(default_factory=list)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Take what comes."""
        if request.path == "/cursor/execute/async":
            self.given.append((await request.json())["id"])
        elif request.path.endswith("/cancel"):
            self.told_to_stop.append(request.path)
        return web.json_response({"success": True})


@pytest.fixture
async def runner() -> AsyncIterator[Runner]:
    """Play the runner on loopback."""
    played = Runner()
    app = web.Application()
    app.router.add_post("/{path:.*}", played.post)
    served = web.AppRunner(app)
    await served.setup()
    await web.TCPSite(served, "127.0.0.1", 0).start()
    played.url = f"http://127.0.0.1:{served.addresses[0][1]}"
    yield played
    await served.cleanup()


class _Remote(RemoteBackend):
    """The back end under the name that the runs are stored with."""

    name = LoopBackend.name


def _service(folder: Path, runner: Runner, **more: Any) -> Service:
    settings = Settings(
        data_dir=folder, port=0, drain_seconds=0, webhook_secret=SecretStr(API_SECRET), **more
    )
    return Service(settings, backend=_Remote(runner.url, "", look_seconds=0.05))


async def _ask(service: Service, folder: Path, mode: RunMode = RunMode.EXECUTE) -> None:
    services = service.services
    now_ms = to_ms(services.clock.now())

    def unit(conn: Connection) -> None:
        ask_for_run(conn, services.jobs, "do it", folder / "work", now_ms=now_ms, mode=mode)

    await services.db.write(unit)


async def _report(service: Service, errand: str, output: str) -> None:
    body = {"success": True, "requestId": errand, "output": output, "exitCode": 0}
    async with client_of(service) as http:
        told = await http.post(f"/cursor-runner/callback?secret={API_SECRET}", json=body)
        assert told.status == 200, await told.text()


async def _ended(db: Database) -> RunView:
    found: list[RunView] = []

    async def is_over() -> bool:
        run = await db.read(lambda conn: find_run(conn, RUN))
        found[:] = [run] if run else []
        return bool(found) and found[0].state.is_final

    await eventually(is_over, "the run ends", 10)
    return found[0]


async def test_run_that_works_elsewhere_outlives_restarts(database_path: Path, runner: Runner) -> None:
    """Two stops of our service stop nothing there, and the one result that comes is the run's."""
    folder = database_path.parent
    async with _service(folder, runner) as service:
        await _ask(service, folder)
        await eventually(lambda: runner.given, "it is handed over")
    async with _service(folder, runner) as service:
        await eventually(lambda: _waits(service.services.db), "the next attempt waits for it")
    async with _service(folder, runner) as service:
        await _report(service, runner.given[0], "done there")
        run = await _ended(service.services.db)
    assert (run.state, run.output, run.interruptions) == (RunState.SUCCEEDED, "done there", 2)
    assert (runner.given, runner.told_to_stop) == ([f"{RUN}.1"], [])


async def _waits(db: Database) -> bool:
    events = await db.read(lambda conn: read_events(conn, RUN))
    return any("may have this already" in one.payload.get("text", "") for one in events)


async def test_round_that_works_elsewhere_outlives_a_restart(database_path: Path, runner: Runner) -> None:
    """The round that was cut off is waited for; the one after it is handed over as its own."""
    folder = database_path.parent
    async with _service(folder, runner) as service:
        await _ask(service, folder, RunMode.ITERATE)
        await eventually(lambda: runner.given, "the work is handed over")
    async with _service(folder, runner) as service:
        await _report(service, runner.given[0], "the work")
        await eventually(lambda: len(runner.given) == 2, "the review is handed over")
        await _report(service, runner.given[1], '{"code_complete": true, "justification": "all there"}')
        run = await _ended(service.services.db)
    assert (run.state, run.output) == (RunState.SUCCEEDED, "the work")
    assert runner.given == [f"{RUN}.1.1", f"{RUN}.2.3"]


async def test_run_that_a_crash_cut_off_before_it_was_handed_over_is(
    database_path: Path, runner: Runner
) -> None:
    """An attempt that had not come so far leaves nothing to wait for."""
    folder, clock = database_path.parent, SystemClock()
    now_ms = to_ms(clock.now())

    def unit(conn: Connection) -> None:
        ask_for_run(conn, EmbeddedJobs(clock), "do it", folder / "work", now_ms=now_ms, mode=RunMode.EXECUTE)
        records.begin_attempt(conn, RUN, worker="gone", now_ms=now_ms, lease_ms=1)

    db = SqliteDatabase(database_path)
    await db.write(unit)
    await db.close()
    async with _service(folder, runner) as service:
        await eventually(lambda: runner.given, "it is handed over")
        await _report(service, runner.given[0], "done")
        assert (await _ended(service.services.db)).state is RunState.SUCCEEDED
    assert runner.given == [f"{RUN}.2"]


@pytest.mark.parametrize("by_person", [True, False], ids=["by-person", "not-to-be-resumed"])
async def test_run_that_shall_not_go_on_is_stopped_there(
    database_path: Path, runner: Runner, *, by_person: bool
) -> None:
    """A person's stop reaches the runner, and so does ours when an interrupted run is not tried again."""
    folder = database_path.parent
    policy = "resume" if by_person else "report"
    async with _service(folder, runner, interrupted_policy=policy) as service:
        await _ask(service, folder)
        await eventually(lambda: runner.given, "it is handed over")
        services = service.services
        if by_person:
            now_ms = to_ms(services.clock.now())
            await services.db.write(lambda conn: cancel_run(conn, services.jobs, RUN, now_ms))
            await _ended(services.db)
    assert runner.told_to_stop == [f"/api/runs/{RUN}.1/cancel"]
