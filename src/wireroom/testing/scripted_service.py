"""The whole product with scripted coding agents, in a process of its own; for load, and programs beside us.

Run as `python -m wireroom.testing.scripted_service AGENT_FOLDER [ROLE]`, in the product's environment.
Prints one line of JSON when it listens, `{"url": str, "pid": int}`; SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import uvloop

from wireroom.app.roles import Role
from wireroom.app.service import Service
from wireroom.cli.logs import set_up_logs
from wireroom.perf.gc_tuning import spare_the_collector
from wireroom.settings import load_settings
from wireroom.testing import ScriptedAgent, ScriptedBackend


async def serve(agent_folder: Path, role: Role = Role.ALL) -> bool:
    """Run until SIGTERM; True when a part of the service failed on its own."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = load_settings()
    backend = ScriptedBackend(ScriptedAgent(agent_folder))
    async with Service(settings, role=role, backend=backend) as service:
        if settings.gc_tuning:
            spare_the_collector()
        sys.stdout.write(json.dumps({"url": service.address, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        waits = [asyncio.create_task(event.wait()) for event in (stop, service.stopped)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not stop.is_set()


def main() -> int:
    """Serve on uvloop, as the product does."""
    set_up_logs(os.environ.get("LOG_LEVEL", "warning"), coloured=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return int(runner.run(serve(Path(sys.argv[1]), *map(Role, sys.argv[2:3]))))


if __name__ == "__main__":
    sys.exit(main())
