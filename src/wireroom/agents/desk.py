"""Agents, their calls and their queues over one job engine: what routes, commands and handlers share."""

from __future__ import annotations

from wireroom.agents.admission import Admission
from wireroom.agents.calls import Calls
from wireroom.agents.handed import HandedCalls
from wireroom.agents.queues import Queues
from wireroom.agents.records import Agents
from wireroom.jobs.port import Jobs


class AgentDesk:
    """The units of work on agents; routes and handlers of one process share one, which hands calls over."""

    def __init__(self, jobs: Jobs, *, concurrency: int, catch_ups: int) -> None:
        """Put them together.

        Args:
            jobs: The engine.
            concurrency: Calls of one queue at once, unless the queue says otherwise.
            catch_ups: Calls for missed slots at once, in all queues together.
        """
        self.admission = Admission(jobs, HandedCalls(), concurrency=concurrency, catch_ups=catch_ups)
        self.calls = Calls(self.admission)
        self.agents = Agents(jobs, self.calls, self.admission)
        self.queues = Queues(self.admission, concurrency=concurrency)
