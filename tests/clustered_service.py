"""The service of a test as one web of three in a cluster: three workers and two webs more beside it.

The test keeps what it holds of a service, its parts and its database; but its address is that of all webs,
and no job is worked in its process. Chosen by WIREROOM_TEST_SITE=cluster, see `cluster`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from cluster import SURROUNDINGS, WEBHOOK_SECRET, Cluster, shared_servers
from wireroom.app.roles import Role
from wireroom.app.service import Service
from wireroom.settings import Settings, variables_of
from wireroom.testing.ports import free_port
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

_STOP_SECONDS = 20.0


class _Web(Service):
    """A web that knows itself by the address of all."""

    front = ""

    @property
    def address(self) -> str:
        """The address people open."""
        return self.front


@asynccontextmanager
async def clustered(
    settings: Settings, agent: ScriptedAgent | None = None, script: str | None = None
) -> AsyncIterator[Service]:
    """Run these settings as a cluster on a new database.

    Args:
        settings: Its data folder is shared by all; its database and port are not used.
        agent: The coding agent of the workers, if not the one that the settings name.
        script: What the agent follows, whatever it is asked.
    """
    postgres, redis = shared_servers()
    redis.command("FLUSHALL")
    with postgres.database() as url:
        own = _shared(settings, url, redis.url)
        folder = settings.data_dir
        environment = {**_environment(own), **_agent_environment(agent, script)}
        cluster = Cluster(folder, environment, webs=2, more_webs=[own.port])
        backend = None if agent is None else ScriptedBackend(agent, script)
        web = _Web(own, role=Role.WEB, backend=backend)
        web.front = cluster.url
        try:
            await cluster.start()
            async with web:
                yield web
        finally:
            await _stopped(cluster)


def _shared(settings: Settings, database_url: str, redis_url: str) -> Settings:
    wanted: dict[str, Any] = {name: getattr(settings, name) for name in settings.model_fields_set}
    wanted.setdefault("callback_hosts", ("127.0.0.1",))
    secret = settings.telegram_webhook_secret.get_secret_value() or WEBHOOK_SECRET
    return Settings(
        **{
            **wanted,
            "database_url": database_url,
            "redis_url": SecretStr(redis_url),
            "telegram_webhook_secret": SecretStr(secret),
            "port": free_port(),
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Return the variables that make the same settings in another process."""
    known = {"PATH": os.environ["PATH"], "HOME": str(settings.data_dir), **SURROUNDINGS}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if value is not None:
            known[variables_of(Settings.model_fields[name])[0]] = _written(value)
    return known


def _written(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(str(one) for one in value) if isinstance(value, tuple) else str(value)


def _agent_environment(agent: ScriptedAgent | None, script: str | None) -> Mapping[str, str]:
    folder = {} if agent is None else {"ACCEPTANCE_AGENT": str(agent.ledger.path.parent)}
    followed = {} if script is None else {"ACCEPTANCE_SCRIPT": script}
    return {"ACCEPTANCE_FAULT": "", **folder, **followed}


async def _stopped(cluster: Cluster) -> None:
    """End it in order, so that no agent outlives its worker."""
    alive = [member for member in cluster.members if member.is_alive()]
    for member in alive:
        member.send(signal.SIGTERM)
    try:
        await asyncio.gather(*(member.ended(_STOP_SECONDS) for member in alive))
    finally:
        await cluster.close()
