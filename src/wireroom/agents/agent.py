"""An agent as it is stored, and found: by its name or its number. What is done to one stands in `records`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection

from wireroom.agents import statements as sql
from wireroom.agents.definition import Definition, Retry
from wireroom.agents.missed import Overlap, read_policy
from wireroom.agents.request import read_request
from wireroom.agents.schedule import Schedule, read_schedule
from wireroom.errors import NotFound

_SCHEDULES_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as it is stored."""

    id: int
    name: str
    action: str
    request: str
    queue: str
    schedule_json: str | None
    timezone: str
    overlap: str
    missed: str
    retry: str
    paused: int
    revision: int
    next_at: int | None
    """The first slot that is not decided; kept while the agent is paused."""
    created_at: int
    updated_at: int

    @property
    def schedule(self) -> Schedule | None:
        """Its schedule, None for a one-time agent."""
        return None if self.schedule_json is None else _stored_schedule(self.schedule_json, self.timezone)

    @property
    def given_schedule(self) -> str | Mapping[str, Any] | None:
        """Its schedule as its maker gave it."""
        return None if self.schedule_json is None else msgspec.json.decode(self.schedule_json)

    @property
    def definition(self) -> Definition:
        """What its maker wanted."""
        return Definition(
            name=self.name,
            request=read_request(self.request),
            schedule=self.given_schedule,
            queue=self.queue,
            timezone=self.timezone,
            overlap=Overlap(self.overlap),
            missed=read_policy(self.missed),
            retry=msgspec.json.decode(self.retry, type=Retry),
        )


def find_agent(conn: Connection, name: str) -> Agent | None:
    """Return the agent of this name, None when there is none."""
    row = sql.FIND_AGENT.row(conn, name=name)
    return None if row is None else Agent(*row)


def find_agent_by_id(conn: Connection, agent_id: int) -> Agent | None:
    """Return the agent of this number, None when there is none."""
    row = sql.FIND_AGENT_BY_ID.row(conn, id=agent_id)
    return None if row is None else Agent(*row)


def get_agent(conn: Connection, name: str) -> Agent:
    """Return the agent of this name.

    Raises:
        NotFound: there is none.
    """
    agent = find_agent(conn, name)
    if agent is None:
        raise NotFound(f'Agent "{name}" not found')
    return agent


@lru_cache(maxsize=_SCHEDULES_KEPT)
def _stored_schedule(stored: str, timezone: str) -> Schedule:
    """Return a stored schedule; reading one costs far more than asking it for a slot."""
    return read_schedule(msgspec.json.decode(stored), timezone)
