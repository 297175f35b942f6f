"""Which hosts are not called for a while, because calls keep failing there: a circuit breaker a host. Pure.

A host that hangs would otherwise hold each of a thousand calls for its whole time limit. What is held fails
at once instead, and is tried again by whoever asked for it, as any failed call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil

_MOST_HOSTS = 2_000
_TRIAL_SECONDS = 1.0
"""How long others wait for the one call that tries a host again."""
_NOBODY_THERE = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
"""What a proxy says when there is nothing behind it. An error of the program itself holds up nothing else."""


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """When a host is not called any more, and for how long."""

    failures: int = 5
    """Failed calls in a row; 0: it is always called."""
    hold_seconds: float = 15.0
    """Then one call tries it."""


@dataclass(slots=True)
class _Standing:
    failures: int = 0
    held_until: float = 0.0


class HostHeld(OSError):
    """The call was not made; the host is held."""

    def __init__(self, host: str, seconds: float) -> None:
        """Say for how long."""
        super().__init__(f"{host} is not called for {ceil(seconds)} s: its last calls failed.")
        self.seconds = seconds


class Hosts:
    """How calls to each host went of late; only what failed is remembered, and not too much of it."""

    def __init__(
        self, policy: HoldPolicy, now: Callable[[], float], *, most_hosts: int = _MOST_HOSTS
    ) -> None:
        """Begin with every host in good standing; `now` is a steady clock in seconds."""
        self._policy = policy
        self._now = now
        self._most_hosts = most_hosts
        self._failing: OrderedDict[str, _Standing] = OrderedDict()

    @property
    def held(self) -> int:
        """How many hosts are held now."""
        now = self._now()
        return sum(standing.held_until > now for standing in self._failing.values())

    def admit(self, host: str) -> None:
        """Let a call be made, or raise.

        Raises:
            HostHeld: the host is held. When its time is over one call is let through, and others wait a
                moment for what it finds.
        """
        standing = self._failing.get(host)
        if standing is None or not self._is_bad(standing):
            return
        now = self._now()
        if standing.held_until > now:
            raise HostHeld(host, standing.held_until - now)
        standing.held_until = now + min(_TRIAL_SECONDS, self._policy.hold_seconds)

    def answered(self, host: str, status: int) -> None:
        """Note an answer; most of them, errors too, show that somebody is there."""
        if status in _NOBODY_THERE:
            self.failed(host)
        else:
            self._failing.pop(host, None)

    def failed(self, host: str) -> None:
        """Note a call that got no answer."""
        standing = self._failing.setdefault(host, _Standing())
        self._failing.move_to_end(host)
        standing.failures += 1
        if self._is_bad(standing):
            standing.held_until = self._now() + self._policy.hold_seconds
        if len(self._failing) > self._most_hosts:
            self._failing.popitem(last=False)

    def _is_bad(self, standing: _Standing) -> bool:
        return 0 < self._policy.failures <= standing.failures
