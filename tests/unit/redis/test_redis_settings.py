"""The settings of Redis: nothing is used unless an address says so, and a wrong one is named, not shown."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr

from wireroom.app.redis import make_redis_work, open_redis
from wireroom.clock import SystemClock
from wireroom.errors import SettingsError
from wireroom.redis.client import CLIENT_NAME
from wireroom.settings import Settings, load_settings


def test_without_an_address_there_is_no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is none at all: no pool, no task, no line of `/ready`, no wrapped application."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    settings = load_settings()
    nothing: object = object()
    work = make_redis_work(settings, nothing, SystemClock())  # type: ignore[arg-type] # not asked for anything

    assert open_redis(settings) is None
    assert (work.redis, work.states, work.chores(), dict(work.health())) == (None, None, {}, {})
    assert work.counted(nothing) is nothing  # type: ignore[arg-type] # given back as it is


def test_without_an_address_the_library_is_not_imported() -> None:
    """The plain service pays nothing for Redis: redis-py is in no module that a start imports."""
    code = (
        "import wireroom.app.service, sys; print(sorted({'redis', 'hiredis', 'valkey'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert ran.stdout.strip() == "[]"


def test_missing_library_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without redis-py stops the start, and says what to install."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(SettingsError, match=r"pip install wireroom\[redis\]"):
        open_redis(Settings(redis_url=SecretStr("redis://h")))


def test_address_of_another_kind_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address stops the program by its variable's name; it may hold a password and is not shown."""
    monkeypatch.setenv("REDIS_URL", "postgresql://me:secret@host/x")
    with pytest.raises(SettingsError, match=r"REDIS_URL: .*redis://") as raised:
        load_settings()
    assert "secret" not in str(raised.value)


def test_settings_reach_the_pool() -> None:
    """Connections, time-outs and tries are those of the settings; by default fifty connections."""
    redis = open_redis(
        Settings(redis_url=SecretStr("redis://h:1/0"), redis_retries=5, redis_command_seconds=0.25)
    )

    assert redis is not None
    assert (redis.pool.rule.connections, redis.pool.rule.connect_seconds) == (50, 1.0)
    assert (redis.pool.rule.retries, redis.pool.rule.command_seconds) == (5, 0.25)
    made = redis.pool._client.connection_pool
    assert made.max_connections == 50
    assert made.connection_kwargs["retry"]._retries == 5
    assert made.connection_kwargs["socket_timeout"] == 0.25
    assert made.connection_kwargs["client_name"] == CLIENT_NAME
