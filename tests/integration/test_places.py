"""Where runs work, through `/cursor/execute` and on real git: their folder, their tools, and what is left."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text

from runner_callers import SECRET, Caller, Json, calling
from wireroom.app.chores import sweep_worktrees
from wireroom.app.service import Service
from wireroom.backends.demo import DemoParser
from wireroom.backends.protocol import AgentRequest, Command, StreamParser
from wireroom.clock import SystemClock
from wireroom.conversations.threads import Session, session_of
from wireroom.runs.queries import RunView, find_run
from wireroom.settings import Settings
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.eventually import eventually
from wireroom.testing.leaks import LeakCheck
from wireroom.workspaces.workspace import Workspaces
from workspace_repositories import ENVIRONMENT, clone, commit, git, make_remote

pytestmark = pytest.mark.timeout(60)

DAY_SECONDS = 86_400.0
COMMIT = "git add --all && git commit --quiet --message work"
SAY = """say() { printf '{"event": "text", "text": "%s"}\\n' "$*"; }\n"""
END = """\necho '{"event": "result", "ok": true}'\n"""
GOOD_SERVER = """
import json, sys
request = json.loads(sys.stdin.readline())
result = {"protocolVersion": request["params"]["protocolVersion"], "capabilities": {}}
print(json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}), flush=True)
"""


class ShellBackend:
    """An agent that does what a shell would with the prompt, and succeeds if the shell does."""

    name = "shell"
    resumes_sessions = True

    def command(self, request: AgentRequest) -> Command:
        """Return a shell that works in the request's folder; the names of its servers are in a file."""
        assert request.private_dir is not None
        env = {key: value for key, value in ENVIRONMENT.items() if key != "GIT_ALLOW_PROTOCOL"}
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": "Agent", f"GIT_{role}_EMAIL": "agent@example.org"}
        names = [server.name for server in request.mcp_servers]
        return Command(
            argv=("/bin/sh", "-e", "-s"),
            cwd=request.workdir,
            env={**env, "PRIVATE": str(request.private_dir)},
            stdin=f"{SAY}{request.prompt}{END}".encode(),
            files={request.private_dir / "tools" / "names.json": json.dumps(names).encode()},
        )

    def parser(self) -> StreamParser:
        """Return a parser of the demo agent's lines."""
        return DemoParser()


class Place:
    """An installation with one person's checkout, `app`, whose runs are shells."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder
        self.root = folder / "repositories"
        self.app = clone(make_remote(folder / "elsewhere"), self.root / "app")
        self.head = git(self.app, "rev-parse", "HEAD")

    @property
    def private(self) -> list[Path]:
        """The private folders that are there."""
        folder = self.data_dir / "private"
        return list(folder.iterdir()) if folder.is_dir() else []

    def worktree(self, run: RunView | Json) -> Path:
        """Return where the run's worktree stands."""
        name = run["runId"] if isinstance(run, dict) else run.id
        return (self.data_dir / "worktrees" / name).resolve()

    def grow_old(self, run: Json, days: float) -> None:
        """Let the run's worktree be unused for so long."""
        used = time.time() - days * DAY_SECONDS
        os.utime(self.data_dir / "worktrees" / ".runs" / run["runId"], (used, used))

    @asynccontextmanager
    async def open(self, **settings: Any) -> AsyncIterator[tuple[Service, Caller]]:
        """Run the service and lend a program that calls it."""
        known = self._settings(port=0, webhook_secret=SecretStr(SECRET), drain_seconds=0, **settings)
        async with Service(known, backend=ShellBackend()) as service, calling(service) as caller:
            yield service, caller

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[None]:
        """Sweep beside a service that is down, so that no run touches its worktree."""
        db = SqliteDatabase(self.data_dir / "wireroom.sqlite3")
        rooms = Workspaces(self._settings(), ENVIRONMENT, SystemClock())
        task = asyncio.create_task(sweep_worktrees(db, rooms), name="sweep")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await db.close()

    def _settings(self, **more: Any) -> Settings:
        return Settings(data_dir=self.data_dir, repositories_path=self.root, **more)


@pytest.fixture
def place(database_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return the installation; git is not configured by this machine."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    return Place(database_path.parent)


async def stored(service: Service, answer: Json) -> RunView:
    """Return the run as it is stored."""
    run = await service.services.db.read(lambda conn: find_run(conn, answer["runId"]))
    assert run is not None
    return run


async def log_of(caller: Caller, answer: Json) -> list[str]:
    """Return the texts of the run's notices."""
    events = (await caller.get(f"/api/runs/{answer['runId']}/events")).body["events"]
    return [event["payload"]["text"] for event in events if event["kind"] == "notice"]


async def test_worktree_run_leaves_the_persons_checkout_alone(place: Place) -> None:
    """Commits and files go to the run's own branch; what a person has not committed stays as it is."""
    (place.app / "README.md").write_text("a person is at work\n")
    before = git(place.app, "status", "--porcelain=v2", "--branch")
    script = f"printf 'one\\ntwo\\n' > README.md; {COMMIT}; echo new > left.txt; say $(pwd)"
    async with place.open() as (service, caller):
        answer = await caller.post(
            "/cursor/execute", {"prompt": script, "repository": "app", "worktree": True}
        )
        run = await stored(service, answer.body)
    worktree = place.worktree(run)
    assert (answer.status, answer.body["success"], answer.body["output"]) == (200, True, str(worktree))
    assert answer.body["branch"] == f"wireroom/{run.id}" == git(worktree, "symbolic-ref", "--short", "HEAD")
    assert answer.body["diff"] == {
        "files": 2,
        "insertions": 2,
        "deletions": 0,
        "commits": 1,
        "uncommitted": 1,
        "pushed": False,
    }
    assert run.report.worktree == str(worktree)
    assert run.report.patch is not None
    assert {"+two", "+new", "+++ b/left.txt"} <= set(run.report.patch.splitlines())
    assert git(place.app, "status", "--porcelain=v2", "--branch") == before
    assert (place.app / "README.md").read_text() == "a person is at work\n"
    assert git(place.app, "rev-parse", f"wireroom/{run.id}~1") == place.head


async def test_session_of_a_worktree_belongs_to_it(place: Place) -> None:
    """The conversation's next run, in a worktree of its own, does not try to resume it."""
    script = """echo '{"event": "session", "session_id": "s-1"}'; say done"""
    async with place.open() as (service, caller):
        wanted = {"prompt": script, "repository": "app", "worktree": True, "conversationId": "c-1"}
        run = await stored(service, (await caller.post("/cursor/execute", wanted)).body)
        session = await service.services.db.read(lambda conn: session_of(conn, run.conversation_id, "shell"))
    assert session == Session("s-1", str(place.worktree(run)), {})


async def test_run_without_a_worktree_works_in_the_checkout_as_it_stands(place: Place) -> None:
    """Nothing is switched or reset; the result tells what changed since the run began, on which branch."""
    git(place.app, "switch", "--quiet", "--create", "feature")
    commit(place.app, "before.txt", "b\n")
    async with place.open() as (_, caller):
        wanted = {"prompt": f"echo new > new.txt; {COMMIT}", "repository": "app", "branchName": "main"}
        answer = (await caller.post("/cursor/execute", wanted)).body
    assert (answer["branch"], answer["branchName"]) == ("feature", "main")
    assert (answer["diff"]["files"], answer["diff"]["commits"]) == (1, 1)
    assert git(place.app, "log", "--format=%s", "-1") == "work"
    assert not (place.data_dir / "worktrees").exists()


async def test_run_that_changed_nothing_has_no_diff(place: Place) -> None:
    """A question about a repository is answered without a word of git."""
    async with place.open() as (_, caller):
        answer = (await caller.post("/cursor/execute", {"prompt": "say hm", "repository": "app"})).body
    assert answer["success"]
    assert not {"diff", "branch"} & answer.keys()


async def test_push_shows_in_the_result(place: Place) -> None:
    """A branch that the agent pushed is evidence of it."""
    script = f"echo new > new.txt; {COMMIT}; git push --quiet --set-upstream origin HEAD"
    async with place.open() as (_, caller):
        wanted = {"prompt": script, "repository": "app", "worktree": True}
        answer = (await caller.post("/cursor/execute", wanted)).body
    assert (answer["error"], answer["diff"]["pushed"]) == (None, True)
    assert answer["branch"] in git(place.root.parent / "elsewhere" / "remote.git", "branch", "--list")


async def test_restart_in_the_middle_goes_on_in_the_same_worktree(place: Place) -> None:
    """The second attempt finds the first one's work, and the diff still begins where the run did."""
    gate, half = place.data_dir / "gate", place.data_dir / "half"
    script = (
        f"if [ -e {half} ]; then say again; else echo half > half.txt; {COMMIT}; echo part > part.txt; "
        f"pwd > {half}; fi; while [ ! -e {gate} ]; do sleep 0.01; done; {COMMIT}; say $(pwd)"
    )
    wanted = {"prompt": script, "repository": "app", "worktree": True}
    async with place.open() as (_, caller):
        accepted = (await caller.post("/cursor/execute/async", wanted)).body
        await eventually(half.exists, "the agent is half done", 20)
    commit(place.app, "later.txt", "a person went on\n")
    gate.touch()
    async with place.open() as (service, caller):
        await caller.run_in_state(accepted["runId"], "succeeded")
        run = await stored(service, accepted)
    worktree = place.worktree(run)
    assert run.interruptions == 1
    assert (run.output, half.read_text().strip()) == (f"again{worktree}", str(worktree))
    assert run.report.diff is not None
    assert (run.report.diff["commits"], run.report.diff["files"]) == (2, 2)
    assert git(worktree, "rev-parse", "HEAD~2") == place.head
    assert place.private == []


async def test_worktree_begins_at_the_branch_that_was_named(place: Place) -> None:
    """A branch that is there is the base; of one that is not, the log says so."""
    git(place.app, "switch", "--quiet", "--create", "release")
    base = commit(place.app, "release.txt", "r\n")
    git(place.app, "switch", "--quiet", "main")
    wanted = {"prompt": "say $(git rev-parse HEAD)", "repository": "app", "worktree": True}
    async with place.open() as (_, caller):
        there = (await caller.post("/cursor/execute", {**wanted, "branchName": "release"})).body
        gone = (await caller.post("/cursor/execute", {**wanted, "branchName": "nope"})).body
        log = await log_of(caller, gone)
    assert (there["output"], gone["output"]) == (base, place.head)
    assert log == ["There is no branch nope: the work begins where the checkout stands."]


async def test_repository_without_git_is_worked_in_itself(place: Place) -> None:
    """Asked for a worktree, the run goes on in the folder and its log says why."""
    (place.root / "plain").mkdir()
    wanted = {"prompt": "echo x > made.txt; say $(pwd)", "repository": "plain", "worktree": True}
    async with place.open() as (_, caller):
        answer = (await caller.post("/cursor/execute", wanted)).body
        log = await log_of(caller, answer)
    assert answer["output"] == str(place.root / "plain")
    assert not {"diff", "branch"} & answer.keys()
    assert log == ["plain is no git repository with a commit: the agent works in the folder itself."]


async def test_run_whose_place_cannot_be_made_fails_with_the_reason(place: Place) -> None:
    """A folder in the way, or a name that no branch has, ends the run before any agent; the slot is free."""
    async with place.open(run_slots=1) as (_, caller):
        wanted = {"prompt": "say x", "repository": "app", "worktree": True, "branchName": "a..b"}
        refused = (await caller.post("/cursor/execute", wanted)).body
        after = (await caller.post("/cursor/execute", {"prompt": "say x"})).body
    assert (refused["success"], refused["errorCode"]) == (False, "no_workspace")
    assert refused["error"] == "'a..b' cannot be a branch's name."
    assert after["success"]
    assert place.private == []


async def test_checkout_that_the_agent_broke_loses_no_answer(place: Place) -> None:
    """What git cannot read any more costs the diff, and nothing else."""
    wanted = {"prompt": "echo broken > .git; say done", "repository": "app", "worktree": True}
    async with place.open() as (_, caller):
        answer = (await caller.post("/cursor/execute", wanted)).body
    assert (answer["success"], answer["output"]) == (True, "done")
    assert "diff" not in answer


async def test_server_that_does_not_start_is_left_out_and_named(place: Place) -> None:
    """The agent is given the tools that work; the log says which one is missing, and why."""
    script = place.data_dir / "good.py"
    script.write_text(GOOD_SERVER)
    python = {"command": sys.executable, "args": ["-I", "-S", str(script)]}
    servers = {"good": python, "other": python, "bad": {"command": "no-such-server"}}
    config = place.data_dir / "mcp.json"
    config.write_text(json.dumps({"mcpServers": servers}))
    async with place.open(mcp_config=config, mcp_servers=("good",)) as (_, caller):
        wanted = {"prompt": "say $(tr -d '\"' < $PRIVATE/tools/names.json)", "mcpServers": ["bad"]}
        answer = (await caller.post("/cursor/execute", wanted)).body
        log = await log_of(caller, answer)
        unknown = (await caller.post("/cursor/execute", {"prompt": "say x", "mcpServers": ["none"]})).body
    assert answer["output"] == "[good]"
    assert len(log) == 1
    assert log[0].startswith("The MCP server bad is left out: ")
    assert unknown["errorCode"] == "no_workspace"
    assert "none" in unknown["error"]


async def test_run_is_stopped_while_its_tools_are_tried(place: Place) -> None:
    """A server that does not answer holds up neither a person's stop nor the service's, and is ended."""
    begun = place.data_dir / "begun"
    slow = {"command": "/bin/sh", "args": ["-c", f"touch {begun}; exec sleep 60"]}
    config = place.data_dir / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"slow": slow}}))
    leaks = LeakCheck(f"program-{os.getpid()}-")
    async with place.open(mcp_config=config, mcp_servers=("slow",), mcp_probe_seconds=50) as (_, caller):
        stopped, left = [
            (await caller.post("/cursor/execute/async", {"prompt": "true", "conversationId": name})).body
            for name in ("stopped", "left")
        ]
        await eventually(begun.exists, "the server is tried", 20)
        await caller.post(f"/api/runs/{stopped['runId']}/cancel")
        await caller.run_in_state(stopped["runId"], "cancelled")
        assert [folder.name for folder in place.private] == [f"{left['runId']}.1"]
    assert place.private == []
    await leaks.assert_none()
    async with place.open() as (_, caller):
        await caller.run_in_state(left["runId"], "succeeded")


@pytest.mark.parametrize("end", ["true", "exit 3", "kill -9 $$"], ids=["succeeds", "fails", "crashes"])
async def test_private_folder_is_for_us_alone_and_gone_with_the_run(place: Place, end: str) -> None:
    """Folder 0700, files 0600, while the agent works; nothing afterwards, however it ended."""
    listed = "$(stat -c %a $PRIVATE $PRIVATE/tools $PRIVATE/tools/names.json | tr '\\n' ' ')"
    async with place.open() as (_, caller):
        answer = (
            await caller.post("/cursor/execute", {"prompt": f'say $PRIVATE; say "{listed}"; {end}'})
        ).body
        folder, _, modes = answer["output"].partition("700")
        assert ("700" + modes).split() == ["700", "700", "600"]
        assert Path(folder) == (place.data_dir / "private").resolve() / f"{answer['runId']}.1"
        assert place.private == []


async def test_private_folder_is_gone_after_a_cancel(place: Place) -> None:
    """Stopped by a person, the run leaves no configuration behind."""
    async with place.open() as (_, caller):
        accepted = (await caller.post("/cursor/execute/async", {"prompt": "say x; sleep 60"})).body
        run_id = accepted["runId"]
        await eventually(lambda: bool(place.private), "the private folder is there", 20)
        await caller.post(f"/api/runs/{run_id}/cancel")
        await caller.run_in_state(run_id, "cancelled")
        await eventually(lambda: place.private == [], "the private folder is gone")


async def test_start_removes_what_a_crash_left(place: Place) -> None:
    """Private folders of a former life are gone before anything runs."""
    left = place.data_dir / "private" / "run-1.1" / "tools"
    left.mkdir(parents=True)
    (left / "names.json").write_text("secret")
    async with place.open():
        assert place.private == []


async def test_old_worktrees_are_removed_but_none_that_is_wanted(place: Place) -> None:
    """After a week a worktree goes, its branch has what was left in it; an unfinished run keeps its own."""
    gate, busy = place.data_dir / "gate", place.data_dir / "busy"
    wanted = {"prompt": "echo left > left.txt", "repository": "app", "worktree": True}
    waits = {**wanted, "prompt": f"touch {busy}; while [ ! -e {gate} ]; do sleep 0.01; done"}
    async with place.open() as (_, caller):
        # The first to be looked at, so that it would be gone before the old one is.
        unfinished = (await caller.post("/cursor/execute/async", {**waits, "conversationId": "c"})).body
        await eventually(busy.exists, "the unfinished run has begun", 20)
        old = (await caller.post("/cursor/execute", wanted)).body
        fresh = (await caller.post("/cursor/execute", wanted)).body
    place.grow_old(old, days=8)
    place.grow_old(unfinished, days=8)
    async with place.sweeping():
        await eventually(lambda: not place.worktree(old).exists(), "the old worktree is gone", 20)
    assert place.worktree(fresh).exists()
    assert place.worktree(unfinished).exists()
    gate.touch()
    async with place.open() as (_, caller):
        await caller.run_in_state(unfinished["runId"], "succeeded")
    assert git(place.app, "show", f"wireroom/{old['runId']}:left.txt") == "left"


async def test_start_sweeps(place: Place) -> None:
    """A service that starts removes old worktrees by itself."""
    async with place.open() as (_, caller):
        wanted = {"prompt": "true", "repository": "app", "worktree": True}
        old = (await caller.post("/cursor/execute", wanted)).body
    place.grow_old(old, days=8)
    async with place.open():
        await eventually(lambda: not place.worktree(old).exists(), "the old worktree is gone", 20)


async def test_start_forgets_remote_results_of_a_week_ago(place: Place) -> None:
    """What a remote runner reported is kept for a week, then deleted."""
    now_ms = int(time.time() * 1000)
    rows = [("old", now_ms - int(8 * DAY_SECONDS * 1000)), ("new", now_ms)]

    def put(conn: Connection) -> None:
        query = text("INSERT INTO remote_results (request_id, payload, received_at) VALUES (:id, '{}', :at)")
        conn.execute(query, [{"id": name, "at": at} for name, at in rows])

    def kept(conn: Connection) -> bool:
        return list(conn.execute(text("SELECT request_id FROM remote_results")).scalars()) == ["new"]

    async with place.open() as (service, _):
        await service.services.db.write(put)
    async with place.open() as (service, _):
        await eventually(lambda: service.services.db.read(kept), "the old result is forgotten", 20)


async def test_many_worktrees_at_once_are_each_their_own(place: Place) -> None:
    """Runs side by side on one repository, with five slots: each has its branch and only its own file."""
    async with place.open(run_slots=5) as (_, caller):
        answers = await asyncio.gather(
            *(
                caller.post(
                    "/cursor/execute",
                    {
                        "prompt": f"echo x > file-{number}.txt; {COMMIT}; say $(ls)",
                        "repository": "app",
                        "worktree": True,
                        "conversationId": f"c-{number}",
                    },
                )
                for number in range(8)
            )
        )
    bodies = [answer.body for answer in answers]
    assert all(body["success"] and body["diff"]["files"] == 1 for body in bodies)
    assert len({body["branch"] for body in bodies}) == 8
    assert git(place.app, "status", "--porcelain") == ""
