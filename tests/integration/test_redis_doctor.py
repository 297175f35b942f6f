"""What `wireroom doctor` says of Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from wireroom.doctor.findings import Finding
from wireroom.doctor.neighbours import look_at_redis
from wireroom.settings import Settings
from wireroom.testing.ports import free_port
from wireroom.testing.redis_server import running_redis


async def _found(url: str) -> Finding:
    slow: dict[str, Any] = {"redis_connect_seconds": 10, "redis_command_seconds": 10}
    return await look_at_redis(Settings(redis_url=SecretStr(url), **slow))


async def test_doctor_says_how_redis_is(tmp_path: Path) -> None:
    """None is fine, one that answers is named, one that does not is no obstacle, a wrong one stops."""
    assert (await _found("")).ok
    with running_redis(tmp_path) as server:
        assert await _found(server.url) == Finding("Redis", True, f"{server.url} answers")
    gone = await _found(f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert (gone.ok, gone.fatal) == (False, False)
    assert "goes on without it" in gone.sentence
    assert "secret" not in gone.text
    wrong = await _found("redis+sentinel://host")
    assert (wrong.ok, wrong.fatal) == (False, True)
    assert "REDIS_URL" in wrong.text
