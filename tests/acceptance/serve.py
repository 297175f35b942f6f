"""The product in a process of its own, as `wireroom up` runs it, with a scripted coding agent.

That is left out when the environment names a back end.

Started by `installation`. The environment holds the product's settings and, beside them:

    ACCEPTANCE_AGENT   the scripted agent's folder
    ACCEPTANCE_SCRIPT  what that agent follows, whatever it is asked; its prompt where this is missing
    ACCEPTANCE_TALK    set: that agent can be told something while it works
    ACCEPTANCE_REVIEWS the scripts of reviewers of loops, JSON, see `loop_backend`; missing: no loops
    ACCEPTANCE_FAULT   the file of a fault, see `faulty_store`; empty for none
    ACCEPTANCE_READY   a file to make once the service listens
    ACCEPTANCE_ROLE    its share of the work, see `wireroom.app.roles`

With the argument `nursery` it imports everything once and then forks a service for each line it reads: JSON,
{"environment": {...}, "log": path, "code": path, "modules": [names]}. It answers with
that file and the pid. That is a start without Python's imports. A service that ends by itself leaves its exit
code in the file `code`; one that outlives the nursery is killed.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import os
import signal
import sys
from pathlib import Path

import structlog
import uvloop
from faulty_store import open_faulty_engine

sys.path.insert(0, str(Path(__file__).parent.parent))

from loop_backend import LoopBackend
from wireroom.app.roles import Role
from wireroom.app.service import Service
from wireroom.backends.protocol import AnyBackend
from wireroom.cli.logs import set_up_logs
from wireroom.settings import load_settings
from wireroom.testing import ScriptedAgent, ScriptedBackend
from wireroom.testing.scripted_agent import TalkingBackend

_KILL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


async def serve() -> bool:
    """Run until SIGTERM; True when a part of the service failed on its own."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = open_faulty_engine(os.environ["ACCEPTANCE_FAULT"])
    role = Role(os.environ["ACCEPTANCE_ROLE"])
    service = Service(load_settings(), role=role, backend=_backend(), engine=engine)
    async with service:
        os.close(os.open(os.environ["ACCEPTANCE_READY"], os.O_CREAT))
        waits = [asyncio.create_task(event.wait()) for event in (stop, service.stopped)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        structlog.get_logger(__name__).info("stopping")
        return not stop.is_set()


def _backend() -> AnyBackend | None:
    if "WIREROOM_BACKEND" in os.environ:
        return None
    agent = ScriptedAgent(Path(os.environ["ACCEPTANCE_AGENT"]))
    if "ACCEPTANCE_REVIEWS" in os.environ:
        return LoopBackend(agent, json.loads(os.environ["ACCEPTANCE_REVIEWS"]))
    if "ACCEPTANCE_TALK" in os.environ:
        return TalkingBackend(agent)
    return ScriptedBackend(agent, os.environ.get("ACCEPTANCE_SCRIPT"))


def main() -> int:
    """Serve on uvloop, as the product does; the exit code says whether it ended in order."""
    set_up_logs(os.environ.get("LOG_LEVEL", "info"), coloured=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(serve()))


def nurse() -> None:
    """Fork one service a line until the input ends; the kernel reaps those that died."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        wanted = json.loads(line)
        for module in wanted["modules"]:
            importlib.import_module(module)
        pid = os.fork()
        if pid == 0:
            code = _grow_up(wanted["environment"], wanted["log"])
            Path(wanted["code"]).write_text(str(code))
            os._exit(code)
        os.write(1, f"{wanted['code']} {pid}\n".encode())


def _grow_up(environment: dict[str, str], log: str) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGKILL)
    for number, file in ((0, os.devnull), (1, log), (2, log)):
        os.dup2(os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    return main()


if __name__ == "__main__":
    if sys.argv[1:] == ["nursery"]:
        nurse()
    else:
        sys.exit(main())
