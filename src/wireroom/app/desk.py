"""The units of work on agents as this installation has them; light, since commands make them too."""

from __future__ import annotations

from wireroom.agents.desk import AgentDesk
from wireroom.jobs.port import Jobs
from wireroom.settings import Settings


def make_desk(settings: Settings, jobs: Jobs) -> AgentDesk:
    """Return the units of work on agents, by the settings."""
    return AgentDesk(jobs, concurrency=settings.queue_concurrency, catch_ups=settings.catch_up_limit)
