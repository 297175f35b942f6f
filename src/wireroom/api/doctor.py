"""`GET /api/doctor`: what `wireroom doctor` says, and how this process, its database and its machine are.

A look asks Redis and Telegram, so there is one at a time: those who asked before it began share it. The
answer says when it was.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import asdict
from time import monotonic

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from wireroom import __version__
from wireroom.api.bodies import iso
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.doctor.database_size import measure_database
from wireroom.doctor.findings import Finding, Verdict
from wireroom.doctor.look import look_around
from wireroom.doctor.machine import look_at_machine
from wireroom.errors import StoreUnavailable
from wireroom.perf.gather import started_ms


class FindingBody(BaseModel):
    """One thing that was looked at."""

    subject: str
    verdict: Verdict = Field(description="fine, problem (it works, but not as it should) or fatal.")
    text: str
    mend: str = Field(description="What to do; empty when nothing is wrong, or when `text` says it.")

    @classmethod
    def of(cls, finding: Finding) -> FindingBody:
        """Return the finding as it is sent."""
        return cls(subject=finding.subject, verdict=finding.verdict, text=finding.text, mend=finding.mend)


class MachineBody(BaseModel):
    """The machine; null for what it does not tell."""

    system: str
    python: str
    processors: int
    load_1_min: float | None = Field(description="Processes that ran or waited, average of a minute.")
    memory_bytes: int | None
    memory_available_bytes: int | None
    process_bytes: int = Field(description="Resident memory of this process.")
    disk_bytes: int | None
    disk_free_bytes: int | None = Field(description="Of the disk that holds the data folder.")


class DatabaseBody(BaseModel):
    """The database."""

    kind: str = Field(description="sqlite or postgresql.")
    bytes: dict[str, int] | None = Field(
        description="`data`; on SQLite also `log`, what is not yet moved to it. Null: no answer."
    )


class DoctorBody(BaseModel):
    """What a look found."""

    looked_at: str
    took_ms: int
    findings: list[FindingBody]
    problems: list[str] = Field(description="What is wrong just now, such as a poller that gets nothing.")
    version: str
    started_at: str
    uptime_seconds: int
    database: DatabaseBody
    machine: MachineBody


def router(services: Services) -> APIRouter:
    """Return the route; it knows its caller."""
    made = APIRouter(
        prefix="/api/doctor",
        tags=["health"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("", _Doctor(services).look)
    return made


class _Doctor:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._at_work = asyncio.Lock()
        self._told: DoctorBody | None = None
        self._began = 0.0

    async def look(self) -> DoctorBody:
        """Look at every part of the installation: what is wrong, how to mend it, and what it runs on."""
        asked = monotonic()
        async with self._at_work:
            if self._told is None or self._began < asked:
                self._began = monotonic()
                self._told = await self._look(self._began)
            return self._told

    async def _look(self, began: float) -> DoctorBody:
        services, settings = self._services, self._services.settings
        now_ms = to_ms(services.clock.now())
        findings, size, machine = await asyncio.gather(
            look_around(settings, os.environ, db=services.db),
            self._size(),
            asyncio.to_thread(look_at_machine, settings.data_dir),
        )
        since_ms = started_ms()
        return DoctorBody(
            looked_at=iso(now_ms),
            took_ms=round((monotonic() - began) * 1000),
            findings=[FindingBody.of(finding) for finding in findings],
            problems=services.problems(),
            version=__version__,
            started_at=iso(since_ms),
            uptime_seconds=max(0, now_ms - since_ms) // 1000,
            database=DatabaseBody(kind=services.db.dialect, bytes=None if size is None else dict(size)),
            machine=MachineBody(**asdict(machine)),
        )

    async def _size(self) -> Mapping[str, int] | None:
        try:
            return await measure_database(self._services.settings, self._services.db)
        except StoreUnavailable:
            return None
