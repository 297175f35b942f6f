"""From what one message costs to what many need: pods, commits, log, storage, connections, bots. Pure.

`docs/performance/capacity.md` explains the formulas; `bench.capacity` measures the costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DAY_SECONDS = 86_400
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work costs, in the process and at the database."""

    process_ms: float
    """CPU of Wireroom's own process, milliseconds; an agent's own work is not in it."""
    database_ms: float
    """CPU of all of PostgreSQL's processes, milliseconds."""
    commits: float
    """Transactions, those that only read included: only the others wait for the disk."""
    log_bytes: float
    """Of PostgreSQL's write-ahead log."""
    stored_bytes: float
    """That stay, indexes included."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured."""

    accept: Cost
    """An update: received, stored, handled, its sender refused."""
    message: Cost
    """An update with all that follows: a run and its answer; `accept` is in it."""
    call: Cost
    """A call of an agent: taken in, made, noted."""
    agent_bytes: float
    """A scheduled agent at rest, indexes included."""
    rest: Cost
    """A second of a worker that nobody asks for anything: it beats, looks and leads, or waits to."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for."""

    messages_a_day: float
    scheduled_agents: int = 0
    calls_a_day: float = 24
    """Of each scheduled agent."""
    peak_factor: float = 3.0
    """The busiest minute beside the mean of the day."""
    agent_seconds: float = 30.0
    """How long a coding agent works on a message, on average."""
    sends_a_message: float = 2.0
    """Calls of Telegram that count for its limit: the placeholder and the answer, and edits between them."""
    days_kept: float = 90.0
    """Of messages."""
    call_days_kept: float = 30.0
    """WIREROOM_CALL_DAYS."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How an installation is laid out."""

    run_slots: int = 5
    """WIREROOM_RUN_SLOTS of a worker."""
    pool: int = 10
    """WIREROOM_POOL_SIZE + WIREROOM_POOL_OVERFLOW of a pod."""
    worker_own: int = 15
    """Connections of a worker beside the pool: 1 for each of 10 queues, 2 more, listener, leadership, news.
    They listen or lock, so they must keep their session."""
    web_own: int = 2
    """The same of a web pod: leadership and news."""
    core_share: float = 0.6
    """Of one core that a pod's process may use on average; one process uses one core."""
    agent_mib: float = 300.0
    """Memory of one coding agent at work."""
    bot_per_second: float = 30.0
    """Telegram's limit for a bot. Source: Telegram Bot FAQ, "My bot is hitting limits"."""
    least_pods: int = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed, at the peak unless said."""

    messages_per_second: float
    """On average."""
    peak_per_second: float
    calls_per_second: float
    """Of scheduled agents, at the peak."""
    web_pods: int
    worker_pods_by_cpu: int
    """What Wireroom's own work needs."""
    worker_pods_by_slots: int
    """What agents at work need."""
    agents_at_work: float
    agents_gib: float
    """Memory of those agents."""
    database_cores: float
    transactions_per_second: float
    log_mb_per_second: float
    log_gib_a_day: float
    growth_gib_a_day: float
    stored_gib: float
    """Once as much is removed as is added."""
    connections: int
    direct_connections: int
    """Of these, such as must not go through PgBouncer in transaction mode."""
    bots: int

    @property
    def worker_pods(self) -> int:
        """Whichever need is greater."""
        return max(self.worker_pods_by_cpu, self.worker_pods_by_slots)


def plan(costs: Costs, demand: Demand, rules: Rules) -> Plan:
    """Return what the demand needs.

    peak = messages / 86400 * peak_factor; pods = peak * CPU seconds / core_share; agents at work = peak *
    agent_seconds (Little's law); stored = growth * days kept; connections = pods * pool + what they own.
    What a worker uses at rest is added for each.
    """
    mean = demand.messages_a_day / DAY_SECONDS
    peak = mean * demand.peak_factor
    calls_a_day = demand.scheduled_agents * demand.calls_a_day
    calls = calls_a_day / DAY_SECONDS * demand.peak_factor
    at_work = peak * demand.agent_seconds
    web = _pods(peak * costs.accept.process_ms, rules)
    work_ms = peak * (costs.message.process_ms - costs.accept.process_ms) + calls * costs.call.process_ms
    by_cpu = _pods(work_ms, rules)
    by_slots = max(rules.least_pods, math.ceil(at_work / rules.run_slots))
    workers = max(by_cpu, by_slots)
    own = workers * rules.worker_own + web * rules.web_own
    message_growth = demand.messages_a_day * costs.message.stored_bytes
    call_growth = calls_a_day * costs.call.stored_bytes
    resting = demand.scheduled_agents * costs.agent_bytes
    return Plan(
        messages_per_second=mean,
        peak_per_second=peak,
        calls_per_second=calls,
        web_pods=web,
        worker_pods_by_cpu=by_cpu,
        worker_pods_by_slots=by_slots,
        agents_at_work=at_work,
        agents_gib=at_work * rules.agent_mib / 1024,
        database_cores=_each_second(costs, "database_ms", peak, calls, workers) / 1000,
        transactions_per_second=_each_second(costs, "commits", peak, calls, workers),
        log_mb_per_second=_each_second(costs, "log_bytes", peak, calls, workers) / 1e6,
        log_gib_a_day=(demand.messages_a_day * costs.message.log_bytes + calls_a_day * costs.call.log_bytes)
        / GIB,
        growth_gib_a_day=(message_growth + call_growth) / GIB,
        stored_gib=(message_growth * demand.days_kept + call_growth * demand.call_days_kept + resting) / GIB,
        connections=(web + workers) * rules.pool + own,
        direct_connections=own,
        bots=math.ceil(peak * demand.sends_a_message / rules.bot_per_second),
    )


def _each_second(costs: Costs, figure: str, messages: float, calls: float, workers: int) -> float:
    message, call, rest = (float(getattr(one, figure)) for one in (costs.message, costs.call, costs.rest))
    return messages * message + calls * call + workers * rest


def _pods(milliseconds_per_second: float, rules: Rules) -> int:
    return max(rules.least_pods, math.ceil(milliseconds_per_second / 1000 / rules.core_share))
