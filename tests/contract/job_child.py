"""A worker as a process of its own, to be killed: `python -m contract.job_child URL NOTES [hang]`.

It writes `start <ref> <attempt>` and `end <ref>` lines to NOTES; with `hang`, its handler never ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from contract.job_engines import make_worker, open_database
from wireroom.jobs.port import Done, Job, Outcome


async def main(url: str, notes: Path, *, hang: bool) -> None:
    """Run the worker until killed."""

    def note(line: str) -> None:
        with notes.open("a") as file:
            file.write(line + "\n")

    async def handler(job: Job) -> Outcome:
        note(f"start {job.ref} {job.attempt}")
        if hang:
            await asyncio.Event().wait()
        note(f"end {job.ref}")
        return Done()

    _, worker = make_worker(open_database(url))
    await worker.run({"note": handler})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), hang="hang" in sys.argv[3:]))
