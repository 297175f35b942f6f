"""Leads a measurement: has the people act, waits for what is owed, and counts."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from wireroom import __version__
from wireroom.errors import SettingsError
from wireroom.load.capabilities import tasks_on_board
from wireroom.load.course import piece_seconds
from wireroom.load.crowd import play
from wireroom.load.figures import Collected
from wireroom.load.findings import Report, findings
from wireroom.load.ledger import Account, settle
from wireroom.load.samples import Promise, Second
from wireroom.load.sampling import Sampler
from wireroom.load.scene import Scene, Wanted, set_scene

_LEAST_PATIENCE_SECONDS = 60.0
_AFTERMATH_SECONDS = 1.5
"""How long a second effect may still come after the last first one."""
_LOOK_SECONDS = 0.1
_REPORT_EVERY = 5
Say = Callable[[str], object]


class _TooMuchData(Exception):
    """The data folder has reached its bound."""


def refuse_without_locust() -> None:
    """Say what to install when Locust is missing.

    Raises:
        SettingsError: it is.
    """
    if importlib.util.find_spec("locust") is None:
        raise SettingsError("wireroom load needs Locust: pip install 'wireroom[load]'.")


async def measure(wanted: Wanted, say: Say) -> Report:
    """Measure, and return the report.

    Args:
        wanted: What.
        say: Told in a line how it goes, now and then.

    Raises:
        SettingsError: Locust is not installed.
        WireroomError: the service or the people did not start.
    """
    refuse_without_locust()
    async with AsyncExitStack() as stack:
        scene = await set_scene(stack, wanted)
        for line in scene.probed.left_out:
            say(f"Left out: {line}")
        course = _Course(scene, wanted, say)
        await course.play()
        await course.wait_for_what_is_owed()
        return findings(await course.collected())


class _Course:
    """The measurement itself, from the first person to the last answer."""

    def __init__(self, scene: Scene, wanted: Wanted, say: Say) -> None:
        self._scene = scene
        self._wanted = wanted
        self._say = say
        self._seconds: list[Second] = []
        self._began = 0.0
        self._ended_early = ""
        self._unseen: list[str] = []
        self._sampler = Sampler(
            scene.session,
            metrics_url=scene.access.base_url if scene.probed.can.metrics else None,
            pid=wanted.pid if scene.service is None else scene.service.pid,
            data_dir=None if scene.service is None else scene.service.data_dir,
            period_seconds=piece_seconds(wanted.extent),
        )

    async def play(self) -> None:
        """Have the people act, looked at all the time."""
        looking = asyncio.create_task(self._sampler.run(), name="samples")
        try:
            await play(self._scene.plan, self._scene.log, on_start=self._people_start, on_second=self._note)
        except _TooMuchData:
            bound = self._wanted.most_bytes // 1024**2
            self._ended_early = f"the data folder has reached its bound of {bound} MiB"
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
        self._sampler.samples.append(await self._sampler.look())

    async def wait_for_what_is_owed(self) -> None:
        """Return when every answer and callback has come, or after twice the time of the measurement."""
        patience = max(_LEAST_PATIENCE_SECONDS, 2 * self._wanted.extent.seconds)
        until = time.monotonic() + patience
        owed = self._owed()
        if owed:
            self._say(f"{len(owed)} answers and callbacks are still to come.")
        while owed and time.monotonic() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            owed = {token for token in owed if not self._is_kept(token)}
        await asyncio.sleep(_AFTERMATH_SECONDS)

    async def collected(self) -> Collected:
        """Return all that came in."""
        scene = self._scene
        await self._sampler.look()
        accounts = await self._accounts()
        return Collected(
            pattern=self._wanted.pattern,
            extent=self._wanted.extent,
            began=self._began,
            seconds=self._seconds,
            samples=self._sampler.samples,
            answered_at={} if scene.telegram is None else scene.telegram.answered_at,
            called_back_at=scene.callbacks.received_at,
            accounts=accounts,
            growth=self._sampler.growth,
            telegram_calls={} if scene.telegram is None else scene.telegram.calls,
            left_out=[*scene.probed.left_out, *self._unseen],
            about=self._about(),
            targets=self._wanted.targets,
            answers_seen=scene.telegram is not None,
            ended_early=self._ended_early,
        )

    def _people_start(self, pid: int) -> None:
        self._sampler.people_pid = pid

    def _note(self, second: Second) -> None:
        if not self._seconds:
            self._began = second.at - 1.0
        self._seconds.append(second)
        if len(self._seconds) % _REPORT_EVERY == 0:
            self._say(self._state())
        disk_bytes = self._sampler.samples[-1].disk_bytes if self._sampler.samples else None
        if disk_bytes is not None and disk_bytes > self._wanted.most_bytes:
            raise _TooMuchData

    def _state(self) -> str:
        last = self._seconds[-_REPORT_EVERY:]
        tallies = [tally for one in last for tally in one.requests.values()]
        rate, failed = sum(one.count for one in tallies) / len(last), sum(one.failed for one in tallies)
        sample = self._sampler.samples[-1] if self._sampler.samples else None
        memory = (
            "" if sample is None or sample.rss_bytes is None else f", {sample.rss_bytes / 1024**2:.0f} MiB"
        )
        people = f"{len(self._seconds)} s: {last[-1].people} people"
        return f"{people}, {rate:.0f} requests/s, {failed} failed{memory}"

    def _promises(self, pick: Callable[[Second], Sequence[Promise]]) -> list[Promise]:
        return [promise for second in self._seconds for promise in pick(second)]

    def _owed(self) -> set[str]:
        promises = self._promises(lambda second: second.called)
        if self._scene.telegram is not None:
            promises += self._promises(lambda second: second.asked)
        return {one.token for one in promises if one.acknowledged and not self._is_kept(one.token)}

    def _is_kept(self, token: str) -> bool:
        telegram = self._scene.telegram
        return token in self._scene.callbacks.counts or (
            telegram is not None and token in telegram.answered_at
        )

    async def _accounts(self) -> list[Account]:
        scene = self._scene
        accounts = []
        if scene.telegram is not None and scene.probed.can.webhook:
            asked = self._promises(lambda second: second.asked)
            accounts.append(settle("chat messages", asked, scene.telegram.effects()))
        if scene.probed.can.programs:
            called = self._promises(lambda second: second.called)
            accounts.append(settle("callbacks", called, scene.callbacks.counts))
        board = await tasks_on_board(scene.session, scene.access) if scene.probed.can.tasks else None
        if board is not None:
            accounts.append(settle("tasks", self._promises(lambda second: second.filed), board))
        elif scene.probed.can.tasks:
            self._unseen.append("the count of tasks: the board could not be listed at the end")
        return accounts

    def _about(self) -> dict[str, str]:
        scene = self._scene
        own = "started for it, with scripted agents" if scene.service is not None else scene.access.base_url
        wanted = self._wanted
        return {
            "service": f"{scene.probed.can.service}, {own}",
            "measured with": f"Wireroom {__version__}, Locust {importlib.metadata.version('locust')}",
            "machine": f"{_processor()}, {os.cpu_count()} cores, Linux {platform.release()}, "
            f"Python {platform.python_version()}",
            "pace": f"{wanted.pace:g} times the usual, an agent works for {wanted.agent_seconds:g} s",
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
