"""The product in a process of its own, without a bot, with a coding agent for loops; see `test_loop_kill`.

The environment holds the product's settings and, beside them:

    ACCEPTANCE_AGENT     the scripted agent's folder
    ACCEPTANCE_FAULT     the file of a fault, see `faulty_store`; empty for none
    ACCEPTANCE_ROLE      its share of the work, see `wireroom.app.roles`
    ACCEPTANCE_REVIEWS   the reviewers' scripts, JSON; see `loop_backend`
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from faulty_store import open_faulty_engine

sys.path.insert(0, str(Path(__file__).parent.parent))

from loop_backend import LoopBackend
from wireroom.app.roles import Role
from wireroom.app.service import Service
from wireroom.cli.logs import set_up_logs
from wireroom.settings import load_settings
from wireroom.testing import ScriptedAgent


async def serve() -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    agent = ScriptedAgent(Path(os.environ["ACCEPTANCE_AGENT"]))
    backend = LoopBackend(agent, json.loads(os.environ["ACCEPTANCE_REVIEWS"]))
    engine = open_faulty_engine(os.environ["ACCEPTANCE_FAULT"])
    role = Role(os.environ["ACCEPTANCE_ROLE"])
    async with Service(load_settings(), role=role, backend=backend, engine=engine):
        await stop.wait()


if __name__ == "__main__":
    set_up_logs("info", coloured=False)
    asyncio.run(serve())
