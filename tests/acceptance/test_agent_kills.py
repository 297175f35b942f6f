"""A kill -9 while agents are called: nothing is lost, and what was under way is known by its key."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from callback_receiver import Receiver, running_receiver
from cluster import IS_CLUSTER, Cluster, kill_all, running_cluster, shared_servers
from wireroom.secret_files import ADDRESS_FILE
from wireroom.testing.eventually import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(110)]
SECRET = "secret-of-the-test"
CALLS = 150
KILLS = 4
GOES_ON_SECONDS = 10 if IS_CLUSTER else 5
"""One process takes its own work up at once; among several a lease runs out first."""


class Killable:
    """`wireroom up` on one data folder; it may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> str:
        """Start it; return its address once it answers."""
        address = self._folder / ADDRESS_FILE
        address.unlink(missing_ok=True)
        self._process = self._begin()
        await eventually(address.exists, "the service listens", 40)
        return address.read_text().strip()

    def _begin(self) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PORT": "0",
            "WIREROOM_BACKEND": "demo",
            "WIREROOM_DATA_DIR": str(self._folder),
            "WEBHOOK_SECRET": SECRET,
        }
        command = (sys.executable, "-c", "from wireroom.cli.main import main; main()", "up")
        with (self._folder / "service.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    async def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class KillableCluster:
    """The same in several processes; all are killed at once, as by a power cut."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def start(self) -> str:
        """Start it; return its address once all of it answers."""
        await self._cluster.start()
        return self._cluster.url

    async def kill(self) -> None:
        """Kill -9."""
        await kill_all(self._cluster.members)


@pytest.fixture
async def service(database_path: Path) -> AsyncIterator[Killable | KillableCluster]:
    """Lend a service that is not running."""
    folder = database_path.parent
    if IS_CLUSTER:
        postgres, redis = shared_servers()
        async with running_cluster(
            folder, postgres, redis, WIREROOM_BACKEND="demo", WEBHOOK_SECRET=SECRET
        ) as cluster:
            yield KillableCluster(cluster)
        return
    lent = Killable(folder)
    yield lent
    await lent.kill()


async def _post_all(address: str, target: Receiver, numbers: range) -> None:
    headers = {"X-Webhook-Secret": SECRET}
    async with aiohttp.ClientSession(address, headers=headers) as client:
        for number in numbers:
            body = {"name": "same", "targetUrl": target.url, "oneTime": True, "body": number}
            async with client.post("/agents", json=body) as answer:
                assert answer.status == 200, await answer.text()


async def test_killed_service_loses_no_call_and_repeats_only_what_it_was_making(
    service: Killable | KillableCluster,
) -> None:
    """Each accepted call arrives; one that arrives twice was under way at a kill and has the same key."""
    chance = random.Random(7)  # noqa: S311 - the same kills each time
    async with running_receiver() as target:
        address = await service.start()
        for kill in range(KILLS):
            await _post_all(address, target, range(kill * CALLS, (kill + 1) * CALLS))
            await asyncio.sleep(chance.uniform(0.0, 0.15))
            await service.kill()
            address = await service.start()
        await eventually(
            lambda: len({found.body for found in target.received}) == KILLS * CALLS, "all calls came", 30
        )
        arrivals = Counter((found.body, found.headers["Idempotency-Key"]) for found in target.received)

    repeated = [key for key, times in arrivals.items() if times > 1]
    assert len(arrivals) == KILLS * CALLS
    assert len(repeated) <= KILLS * 5
    assert max(arrivals.values()) <= 2


async def test_interrupted_call_goes_on_within_seconds(service: Killable | KillableCluster) -> None:
    """A call that was cut off is made again as soon as the service is back, under the same key."""
    async with running_receiver() as target:
        address = await service.start()
        target.gate.clear()
        await _post_all(address, target, range(1))
        await eventually(lambda: target.received, "the call came", 10)
        await service.kill()
        await service.start()
        back_at = time.monotonic()
        await eventually(lambda: len(target.received) == 2, "the call came again", 10)
        took = time.monotonic() - back_at
        target.gate.set()

    assert took < GOES_ON_SECONDS
    assert len({found.headers["Idempotency-Key"] for found in target.received}) == 1
