"""A whole service as a process of its own on a shared database: `python task_worker.py AGENT_FOLDER READY`.

The environment holds its settings. It is killed, stopped and restarted by `test_task_workers`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from wireroom.app.service import Service
from wireroom.settings import load_settings
from wireroom.testing import ScriptedAgent, ScriptedBackend


async def main(agent_folder: Path, ready: Path) -> None:
    """Work until killed."""
    async with Service(load_settings(), backend=ScriptedBackend(ScriptedAgent(agent_folder))) as service:
        await asyncio.to_thread(ready.touch)
        await service.stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
