"""Takes profiles without anybody waiting for the answer, and keeps the last ten, in memory, packed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec
import structlog

from wireroom.errors import Conflict, NotFound
from wireroom.perf.profile_boxes import Boxes, boxes_of
from wireroom.perf.profiles import ProfileKind, Profiler, Taken

MOST_KEPT = 10
_log = structlog.get_logger(__name__)
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Boxes).decode


class ProfileState(StrEnum):
    """How far a profile is."""

    TAKING = "taking"
    TAKEN = "taken"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """A profile on the shelf."""

    id: str
    kind: ProfileKind
    began_ms: int
    seconds: float
    """How long it was asked to look."""
    state: ProfileState
    facts: tuple[tuple[str, str], ...] = ()
    """What its report says in short, such as ("taken by", "py-spy")."""
    packed: bytes = field(default=b"", repr=False)

    def boxes(self) -> Boxes:
        """Return its flame graph; takes milliseconds."""
        return _unpack(zlib.decompress(self.packed))


class ProfileShelf:
    """The last profiles of this process."""

    def __init__(self, profiler: Profiler, *, new_id: Callable[[], str], now_ms: Callable[[], int]) -> None:
        """Begin with none."""
        self.profiler = profiler
        self._new_id = new_id
        self._now_ms = now_ms
        self._kept: dict[str, KeptProfile] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def all(self) -> list[KeptProfile]:
        """Return the profiles, newest first."""
        return list(reversed(self._kept.values()))

    def find(self, profile_id: str) -> KeptProfile:
        """Return one of them.

        Raises:
            NotFound: there is none of this id (any more).
        """
        found = self._kept.get(profile_id)
        if found is None:
            raise NotFound(
                f"There is no profile {profile_id}; the last {MOST_KEPT} are kept until a restart."
            )
        return found

    async def begin(self, kind: ProfileKind, seconds: float) -> KeptProfile:
        """Begin to take a profile, and return it as it is now.

        Raises:
            BadInput, Conflict: as `Profiler.take`.
        """
        if self._closed or (self._task is not None and not self._task.done()):
            raise Conflict("A profile is being taken; wait for its end.")
        profile = KeptProfile(self._new_id(), kind, self._now_ms(), seconds, ProfileState.TAKING)
        taking = asyncio.ensure_future(self.profiler.take(kind, seconds))
        # What is refused is refused before the first wait of `take`.
        await asyncio.sleep(0)
        if taking.done():
            taking.result()
        self._put(profile)
        self._task = asyncio.create_task(self._finish(profile, taking), name="profile")
        return profile

    async def keep(self, kind: ProfileKind, seconds: float, taken: Taken) -> None:
        """Keep a profile that somebody else has just taken, if it has a picture."""
        if taken.samples:
            began_ms = self._now_ms() - int(seconds * 1000)
            profile = KeptProfile(self._new_id(), kind, began_ms, seconds, ProfileState.TAKING)
            self._put(await asyncio.to_thread(_filled, profile, taken))

    async def close(self) -> None:
        """Give up what is being taken."""
        self._closed = True
        if self._task is not None:
            self._task.cancel("the service stops")
            await asyncio.gather(self._task, return_exceptions=True)

    async def _finish(self, profile: KeptProfile, taking: asyncio.Future[Taken]) -> None:
        try:
            self._put(await asyncio.to_thread(_filled, profile, await taking))
        except Exception:  # noqa: BLE001 - logged, and shown as failed; there is nobody to raise to
            _log.exception("profile_failed", kind=profile.kind)
            self._put(replace(profile, state=ProfileState.FAILED))

    def _put(self, profile: KeptProfile) -> None:
        self._kept[profile.id] = profile
        while len(self._kept) > MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))


def _filled(profile: KeptProfile, taken: Taken) -> KeptProfile:
    packed = zlib.compress(_pack(boxes_of(taken.samples, taken.unit)))
    return replace(profile, state=ProfileState.TAKEN, facts=tuple(taken.facts.items()), packed=packed)
