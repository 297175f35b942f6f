"""The figures that `/metrics` shows: names by the Prometheus conventions, see docs/reference/metrics.md.

Label children that sit on a hot path are bound once by their user.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SLOW = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

COMMIT_SECONDS = Histogram(
    "wireroom_store_commit_seconds", "One group commit, with its fsync", registry=REGISTRY, buckets=_FAST
)
COMMIT_UNITS = Histogram(
    "wireroom_store_commit_units",
    "Units of work that shared one commit",
    registry=REGISTRY,
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
UPDATES = Counter(
    "wireroom_intake_updates_total",
    "Chat updates by what became of them (durable, duplicate, rejected, unavailable)",
    ["result"],
    registry=REGISTRY,
)
INTAKE_SECONDS = Histogram(
    "wireroom_intake_accept_seconds",
    "From the request to the durable answer",
    registry=REGISTRY,
    buckets=_FAST,
)
JOBS_DONE = Counter(
    "wireroom_jobs_total",
    "Jobs by queue and result (done, again, retried, dead)",
    ["queue", "result"],
    registry=REGISTRY,
)
JOB_WAIT_SECONDS = Histogram(
    "wireroom_jobs_wait_seconds", "From due to started", ["queue"], registry=REGISTRY, buckets=_FAST
)
JOBS_NOW = Gauge(
    "wireroom_jobs_depth",
    "Jobs now, by queue and state",
    ["queue", "state"],
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge(
    "wireroom_queue_depth",
    "Jobs of all processes that have or could have a slot now: running, or due and first of their key",
    ["queue"],
    registry=REGISTRY,
)
QUEUE_OLDEST_SECONDS = Gauge(
    "wireroom_queue_oldest_seconds",
    "How long the oldest job waits that a free slot could begin now, 0 without any",
    ["queue"],
    registry=REGISTRY,
)
LEADS = Gauge(
    "wireroom_leads", "1 in the process that does what only one may do, such as polling", registry=REGISTRY
)
BOT_UP = Gauge(
    "wireroom_bot_up", "1 while nothing is wrong with an added bot, by its name", ["bot"], registry=REGISTRY
)
RUNS = Counter(
    "wireroom_runs_total", "Runs that ended, by back end and state", ["backend", "state"], registry=REGISTRY
)
RUNS_ACTIVE = Gauge("wireroom_runs_active", "Runs whose agent is working now", registry=REGISTRY)
RUN_SECONDS = Histogram(
    "wireroom_runs_seconds", "Start to end of a run", ["backend"], registry=REGISTRY, buckets=_SLOW
)
SPEECH_SECONDS = Histogram(
    "wireroom_speech_seconds",
    "Hearing a recording, its download included, or speaking an answer (hear, say); not what was kept",
    ["step"],
    registry=REGISTRY,
    buckets=_SLOW,
)
TELEGRAM_CALLS = Counter(
    "wireroom_delivery_calls_total",
    "Calls of the Bot API by method and result",
    ["method", "result"],
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "wireroom_delivery_total", "Deliveries that ended, by state", ["state"], registry=REGISTRY
)
DELIVERY_SECONDS = Histogram(
    "wireroom_delivery_seconds",
    "From the accepted request to the whole answer in the chat, the run between them included",
    registry=REGISTRY,
    buckets=_SLOW,
)
LOOP_LAG_SECONDS = Gauge(
    "wireroom_loop_lag_seconds", "Worst delay of the event loop in the last second", registry=REGISTRY
)
SLOW_STATEMENTS = Counter(
    "wireroom_store_slow_statements_total",
    "Statements that took longer than WIREROOM_SLOW_STATEMENT_MS",
    registry=REGISTRY,
)
REPEATED_STATEMENTS = Counter(
    "wireroom_store_repeated_statements_total",
    "Reads that one request or job repeated, most likely once a row (N+1)",
    registry=REGISTRY,
)
POOL_CONNECTIONS = Gauge(
    "wireroom_pool_connections",
    "Connections of a pool by state (size, in use, overflow) and callers that wait",
    ["pool", "state"],
    registry=REGISTRY,
)
POOL_ACQUIRE_SECONDS = Histogram(
    "wireroom_pool_acquire_seconds",
    "From asking for a pooled connection to having it",
    ["pool"],
    registry=REGISTRY,
    buckets=_FAST,
)
POOL_WAITS = Counter(
    "wireroom_pool_waits_total", "Callers that found no connection free", ["pool"], registry=REGISTRY
)
POOL_CONNECTS = Counter(
    "wireroom_pool_connects_total", "Connections that were opened", ["pool"], registry=REGISTRY
)
POOL_LEAKED = Counter(
    "wireroom_pool_held_too_long_total",
    "Connections not given back within WIREROOM_CONNECTION_HELD_SECONDS",
    ["pool"],
    registry=REGISTRY,
)

REDIS_OPERATIONS = Counter(
    "wireroom_redis_operations_total",
    "Redis commands by name and result (ok, late, lost, denied, or barred while Redis is known to be down)",
    ["command", "result"],
    registry=REGISTRY,
)
REDIS_SECONDS = Histogram(
    "wireroom_redis_seconds",
    "One round trip to Redis, with the wait for a connection",
    registry=REGISTRY,
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
REDIS_UP = Gauge(
    "wireroom_redis_up", "1 while Redis answers, 0 while it does not or is not set", registry=REGISTRY
)
REDIS_IN_USE = Gauge("wireroom_redis_connections_in_use", "Redis connections at work now", registry=REGISTRY)
REDIS_REQUEST_OPERATIONS = Histogram(
    "wireroom_redis_request_operations",
    "Redis commands of one HTTP request, of those that made any",
    registry=REGISTRY,
    buckets=(1, 2, 3, 5, 8, 13, 21, 50, 100),
)
REDIS_NEWS = Counter(
    "wireroom_redis_news_total",
    "Messages between replicas (sent, heard, lost), and how often some may have been missed (gap)",
    ["what"],
    registry=REGISTRY,
)
HTTP_REFUSED = Counter(
    "wireroom_http_refused_total", "Requests beyond their caller's budget, answered 429", registry=REGISTRY
)
HTTP_TIMED_OUT = Counter(
    "wireroom_http_timed_out_total", "Requests that took too long, answered 504", registry=REGISTRY
)
HTTP_CACHED = Counter(
    "wireroom_http_cached_total",
    "Answers to reads by where they came from (kept, unchanged, made)",
    ["result"],
    registry=REGISTRY,
)
OUTBOUND_CALLS = Counter(
    "wireroom_outbound_calls_total",
    "HTTP calls that we made, by purpose and result (2xx to 5xx, failed)",
    ["purpose", "result"],
    registry=REGISTRY,
)
OUTBOUND_SECONDS = Histogram(
    "wireroom_outbound_seconds",
    "From an outgoing request to the beginning of its answer",
    ["purpose"],
    registry=REGISTRY,
    buckets=_SLOW,
)
OUTBOUND_CONNECTIONS = Counter(
    "wireroom_outbound_connections_total",
    "Connections for outgoing calls by whether one was at hand (reused, made)",
    ["kind"],
    registry=REGISTRY,
)
OUTBOUND_HELD = Gauge(
    "wireroom_outbound_hosts_held",
    "Hosts that are not called for a while, since calls failed",
    registry=REGISTRY,
)
OUTBOUND_REFUSED = Counter(
    "wireroom_outbound_refused_total", "Calls not made because their host is held", registry=REGISTRY
)

LOOP_BLOCKS = Counter(
    "wireroom_loop_blocks_total",
    "Times that something held the event loop for 50 ms or more",
    registry=REGISTRY,
)
LOOP_BLOCKED_SECONDS = Counter(
    "wireroom_loop_blocked_seconds_total", "Time that the event loop was held so", registry=REGISTRY
)
LOOP_STARVED_SECONDS = Counter(
    "wireroom_loop_starved_seconds_total",
    "Time that the event loop could run and the machine gave it no processor",
    registry=REGISTRY,
)
HTTP_ERRORS = Counter(
    "wireroom_http_errors_total",
    "Requests that ended with 500 and above, or without an answer, by method and route",
    ["route"],
    registry=REGISTRY,
)
TASKS_NOW = Gauge("wireroom_tasks_now", "Asyncio tasks now, by kind", ["kind"], registry=REGISTRY)
DESCRIPTORS_NOW = Gauge(
    "wireroom_descriptors_now", "Open descriptors now, by what they lead to", ["kind"], registry=REGISTRY
)
MEMORY_BYTES = Gauge("wireroom_memory_bytes", "Resident memory of the process now", registry=REGISTRY)
LEAKS = Counter(
    "wireroom_leaks_total",
    "Suspected leaks, by what grew for minutes and never came back (tasks, descriptors, rss)",
    ["kind"],
    registry=REGISTRY,
)
GC_PAUSE_SECONDS = Histogram(
    "wireroom_gc_pause_seconds",
    "One run of the cyclic garbage collector, by generation",
    ["generation"],
    registry=REGISTRY,
    buckets=_FAST,
)

CACHE_LOOKUPS = Counter(
    "wireroom_cache_lookups_total",
    "Looks at a level of the cache, by the name of what is kept and result (hit, miss)",
    ["name", "level", "result"],
    registry=REGISTRY,
)
CACHE_COMPUTED = Counter(
    "wireroom_cache_computed_total",
    "What was not kept: computed (done), given another caller's computation (joined), made anew before "
    "its end (early), not to be kept now (bypass)",
    ["name", "how"],
    registry=REGISTRY,
)
CACHE_COMPUTE_SECONDS = Histogram(
    "wireroom_cache_compute_seconds",
    "What a hit spares: one computation of a value that was not kept",
    ["name"],
    registry=REGISTRY,
    buckets=_FAST,
)
CACHE_PROMOTED = Counter(
    "wireroom_cache_promoted_total",
    "Values that a lower level had and this one was given",
    ["name", "level"],
    registry=REGISTRY,
)
CACHE_DROPPED = Counter(
    "wireroom_cache_dropped_total",
    "Values that have gone, by reason (expired, evicted, invalidated, replaced)",
    ["name", "level", "reason"],
    registry=REGISTRY,
)
CACHE_AGE_SECONDS = Histogram(
    "wireroom_cache_age_seconds",
    "How old a value was when it went, or when a level below memory gave it",
    ["name", "level"],
    registry=REGISTRY,
    buckets=(0.01, 0.1, 1, 5, 30, 60, 300, 600, 3600, 86400),
)
CACHE_ENTRIES = Gauge("wireroom_cache_entries", "Values kept now", ["name", "level"], registry=REGISTRY)
CACHE_BYTES = Gauge("wireroom_cache_bytes", "What they take", ["name", "level"], registry=REGISTRY)
