"""The parts that the command line uses: the same database and rooms, without a worker."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wireroom.api.services import Services
from wireroom.app.backends import Backends
from wireroom.app.desk import make_desk
from wireroom.app.engine import open_for_commands
from wireroom.app.ids import new_id, workdir_of
from wireroom.clock import Clock
from wireroom.intake.ask import Asker
from wireroom.intake.pairing import new_pairing_code
from wireroom.runs.feed import Feed
from wireroom.secret_files import ADDRESS_FILE, make_data_dir, secret_of
from wireroom.settings import Settings
from wireroom.system_settings import SystemSettings


@asynccontextmanager
async def services_for_commands(settings: Settings, clock: Clock) -> AsyncIterator[Services]:
    """Open what commands need; a running service notices what they commit within about 0.3 s."""
    async with open_for_commands(settings, clock) as engine:
        make_data_dir(settings.data_dir)
        feed = Feed()
        asker = Asker(
            engine.jobs,
            feed,
            backend=Backends(settings, os.environ).default,
            workdir=workdir_of(settings),
            new_id=new_id,
        )
        yield Services(
            settings=settings,
            db=engine.db,
            jobs=engine.jobs,
            clock=clock,
            feed=feed,
            asker=asker,
            system_settings=SystemSettings(engine.db),
            desk=make_desk(settings, engine.jobs),
            api_secret=secret_of(settings.data_dir, "api-secret", settings.webhook_secret.get_secret_value()),
            base_url=lambda: noted_address(settings),
            fresh_pairing_code=lambda: new_pairing_code(engine.db, clock, secrets.token_bytes(16)),
        )


def noted_address(settings: Settings) -> str:
    """Return the address that the service noted when it last started, else the one it would listen on."""
    try:
        return (settings.data_dir / ADDRESS_FILE).read_text().strip()
    except OSError:
        return f"http://{settings.host}:{settings.port}"
