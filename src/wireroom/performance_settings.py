"""The settings of pools, caches, probes and limits; a part of `Settings`."""

from __future__ import annotations

from pydantic import SecretStr, field_validator

from wireroom.agent_settings import AgentSettings, named

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


class PerformanceSettings(AgentSettings):
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
        ge=2,
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

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not url.startswith(_REDIS_SCHEMES):
            raise ValueError(f"expected an address that begins with one of {', '.join(_REDIS_SCHEMES)}")
        return value
