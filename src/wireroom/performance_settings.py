"""The settings of pools, caches, probes and limits; a part of `Settings`."""

from __future__ import annotations

from pydantic import SecretStr, field_validator

from wireroom.agent_settings import named
from wireroom.speech_settings import SpeechSettings

_REDIS_SCHEMES = tuple(
    f"{scheme}://"
    for scheme in (
        "redis",
        "rediss",
        "unix",
        "redis+cluster",
        "rediss+cluster",
        "redis+sentinel",
        "rediss+sentinel",
    )
)


class PerformanceSettings(SpeechSettings):
    """How much is kept open, kept at hand, looked at and waited for."""

    redis_url: SecretStr = named(
        "REDIS_URL",
        default=SecretStr(""),
        description="Redis, such as `redis://localhost:6379/0`; also `redis+cluster://h1:p1,h2:p2` and "
        "`redis+sentinel://h1:p1,h2:p2/service/0`. Empty: Wireroom uses none.",
    )
    redis_connections: int = named(
        "WIREROOM_REDIS_CONNECTIONS",
        default=50,
        ge=3,
        le=10_000,
        description="Connections to Redis that one process may hold.",
    )
    redis_connect_seconds: float = named(
        "WIREROOM_REDIS_CONNECT_SECONDS",
        default=1.0,
        gt=0,
        le=60,
        description="Longest wait for a new connection to Redis, seconds.",
    )
    redis_command_seconds: float = named(
        "WIREROOM_REDIS_COMMAND_SECONDS",
        default=0.5,
        gt=0,
        le=60,
        description="Longest wait for one reply of Redis, seconds.",
    )
    redis_retries: int = named(
        "WIREROOM_REDIS_RETRIES",
        default=2,
        ge=0,
        le=10,
        description="Tries of one Redis command after the first, with growing pauses.",
    )
    callback_state_seconds: int = named(
        "WIREROOM_CALLBACK_STATE_SECONDS",
        default=3600,
        ge=1,
        le=86_400,
        description="How long Redis keeps what older services must know of an open request, seconds.",
    )

    compression: bool = named(
        "WIREROOM_COMPRESSION",
        default=True,
        description="Whether answers are compressed (zstd, brotli, gzip) for callers that can read it.",
    )
    response_cache_seconds: float = named(
        "WIREROOM_RESPONSE_CACHE_SECONDS",
        default=1.0,
        ge=0,
        le=60,
        description="Longest time that the answer of a list is kept for its caller, seconds; a write through "
        "this process ends it at once. 0: none is kept.",
    )
    identity_requests_per_minute: int = named(
        "WIREROOM_IDENTITY_REQUESTS_PER_MINUTE",
        default=300_000,
        ge=0,
        description="HTTP requests a minute with the secret, or of one page session; 0: any number.",
    )
    address_requests_per_minute: int = named(
        "WIREROOM_ADDRESS_REQUESTS_PER_MINUTE",
        default=6000,
        ge=0,
        description="HTTP requests a minute of one address without the secret; 0: any number.",
    )
    request_seconds: float = named(
        "WIREROOM_REQUEST_SECONDS",
        default=60.0,
        ge=0,
        le=3600,
        description="Longest time until the answer of a request begins, seconds; not for runs and git, which "
        "have limits of their own. 0: any.",
    )
    connections_per_host: int = named(
        "WIREROOM_CONNECTIONS_PER_HOST",
        default=64,
        ge=1,
        le=1000,
        description="Connections to one host for everything that Wireroom calls.",
    )
    host_failures: int = named(
        "WIREROOM_HOST_FAILURES",
        default=5,
        ge=0,
        description="Calls of callbacks and agents in a row that one host fails before it is not called for "
        "a while; 0: it always is.",
    )
    host_hold_seconds: float = named(
        "WIREROOM_HOST_HOLD_SECONDS",
        default=15.0,
        gt=0,
        le=3600,
        description="How long a failing host is not called, seconds; then one call tries it.",
    )

    pool_size: int = named(
        "WIREROOM_POOL_SIZE",
        default=20,
        ge=1,
        le=1000,
        description="PostgreSQL connections that are kept open.",
    )
    pool_overflow: int = named(
        "WIREROOM_POOL_OVERFLOW",
        default=30,
        ge=0,
        le=1000,
        description="PostgreSQL connections beyond these under load, closed afterwards.",
    )
    pool_wait_seconds: float = named(
        "WIREROOM_POOL_WAIT_SECONDS",
        default=10.0,
        gt=0,
        le=3600,
        description="Longest wait for a PostgreSQL connection, seconds; then the work is refused.",
    )
    reader_threads: int = named(
        "WIREROOM_READER_THREADS",
        default=4,
        ge=1,
        le=64,
        description="Threads that read the SQLite file, each with a connection of its own.",
    )
    connection_held_seconds: float = named(
        "WIREROOM_CONNECTION_HELD_SECONDS",
        default=30.0,
        gt=0,
        le=3600,
        description="How long a database connection may be held before the log says who has it, seconds.",
    )
    slow_statement_ms: float = named(
        "WIREROOM_SLOW_STATEMENT_MS",
        default=100.0,
        ge=0,
        description="A statement that takes longer is logged with its plan, milliseconds; 0: none is.",
    )
    statement_repeats: int = named(
        "WIREROOM_STATEMENT_REPEATS",
        default=20,
        ge=0,
        description="Reads of one shape within a second by one request or job that are logged as a "
        "repetition (N+1); 0: none is.",
    )

    cache_memory_bytes: int = named(
        "WIREROOM_CACHE_MEMORY_BYTES",
        default=16_777_216,
        ge=0,
        description="Memory for what was read or computed and is asked for often; 0: nothing is kept.",
    )
    cache_disk_bytes: int = named(
        "WIREROOM_CACHE_DISK_BYTES",
        default=67_108_864,
        ge=0,
        description="The same on disk, in `cache.sqlite3` of the data folder; 0: nothing is kept there.",
    )

    memory_alert_mb: int = named(
        "WIREROOM_MEMORY_ALERT_MB",
        default=1024,
        ge=0,
        description="Resident memory, MiB, from which on the log and the owner's chat are told; 0: never.",
    )
    gc_tuning: bool = named(
        "WIREROOM_GC_TUNING",
        default=True,
        description="Whether the garbage collector leaves alone what start made, and looks less often.",
    )

    otlp_endpoint: str = named(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        default="",
        description="Base address of an OpenTelemetry collector, such as `http://localhost:4318`; traces are "
        "sent to it. Empty: none are taken.",
    )

    @field_validator("otlp_endpoint")
    @classmethod
    def _known_collector(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("expected an address that begins with http:// or https://")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not url.startswith(_REDIS_SCHEMES):
            raise ValueError(f"expected an address that begins with one of {', '.join(_REDIS_SCHEMES)}")
        return value
