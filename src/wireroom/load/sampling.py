"""Looks at the service, the people's process and the machine while people act."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import aiohttp

from wireroom.load.capabilities import METRICS
from wireroom.load.server_figures import (
    MachineTimes,
    ProcessTimes,
    Sample,
    counts_of,
    gauges_of,
    grown,
    read_machine,
    read_process,
    share_of_core,
    share_of_machine,
    told_memory,
)

_SCRAPE_SECONDS = 5.0


class Sampler:
    """Collects samples until it is cancelled."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        metrics_url: str | None,
        pid: int | None,
        data_dir: Path | None,
        period_seconds: float = 1.0,
    ) -> None:
        """Prepare.

        Args:
            session: For the scrapes.
            metrics_url: The service's address; None when it has no `/metrics`.
            pid: The service's process, None when it is not known or elsewhere.
            data_dir: The service's data folder when it is ours.
            period_seconds: From one look to the next; each costs the service a scrape.
        """
        self.samples: list[Sample] = []
        self.people_pid: int | None = None
        """The process of the people, once it runs."""
        self._session = session
        self._url = None if metrics_url is None else metrics_url + METRICS
        self._pid = pid
        self._data_dir = data_dir
        self._period_seconds = period_seconds
        self._first_counts: dict[str, float] = {}
        self._last_counts: dict[str, float] = {}
        self._looked_at = 0.0
        self._service: ProcessTimes | None = None
        self._people: ProcessTimes | None = None
        self._outside: ProcessTimes | None = None
        self._machine: MachineTimes | None = None

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            began = time.monotonic()
            self.samples.append(await self.look())
            await asyncio.sleep(max(0.0, self._period_seconds - (time.monotonic() - began)))

    async def look(self) -> Sample:
        """Return one sample; the first has no shares yet."""
        counts = await self._scrape()
        now = time.monotonic()
        seconds = now - self._looked_at
        service = None if self._pid is None else read_process(self._pid)
        people = None if self.people_pid is None else read_process(self.people_pid)
        outside, machine = read_process(os.getpid()), read_machine()
        sample = Sample(
            at=now,
            rss_bytes=told_memory(counts) if service is None else service.rss_bytes,
            cpu_share=share_of_core(self._service, service, seconds),
            people_cpu_share=share_of_core(self._people, people, seconds),
            outside_cpu_share=share_of_core(self._outside, outside, seconds),
            machine_share=share_of_machine(self._machine, machine),
            gauges=gauges_of(counts),
            disk_bytes=None if self._data_dir is None else await asyncio.to_thread(size_of, self._data_dir),
        )
        self._looked_at, self._service, self._people = now, service, people
        self._outside, self._machine = outside, machine
        return sample

    @property
    def growth(self) -> dict[str, float]:
        """By how much the service's counters have grown since the first look."""
        return grown(self._first_counts, self._last_counts)

    async def _scrape(self) -> dict[str, float]:
        if self._url is None:
            return {}
        try:
            timeout = aiohttp.ClientTimeout(total=_SCRAPE_SECONDS)
            async with self._session.get(self._url, timeout=timeout) as answer:
                counts = counts_of(await answer.text())
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return {}
        self._first_counts = self._first_counts or counts
        self._last_counts = counts
        return counts


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; one that vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
