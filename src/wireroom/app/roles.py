"""What a process of the installation does, and with what it may begin.

`wireroom up` does everything. Where one machine is too small, processes share a PostgreSQL database and
divide the rest: some serve people, some work.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from wireroom.errors import SettingsError
from wireroom.settings import Settings
from wireroom.store.migrate import sqlite_path


class Role(StrEnum):
    """One process's share of the installation."""

    ALL = "all"
    """Everything, in one process or, on PostgreSQL, in each of several."""
    WEB = "web"
    """Serves people and programs: page, API, webhook, live streams. Stores and enqueues, works no jobs."""
    WORKER = "worker"
    """Works jobs and runs agents. Serves probes, figures, the tools of its agents and their callbacks."""

    @property
    def serves_people(self) -> bool:
        """Whether the page and the API are here."""
        return self is not Role.WORKER

    @property
    def works(self) -> bool:
        """Whether jobs are worked here, and what goes with them."""
        return self is not Role.WEB


def check_role(role: Role, settings: Settings) -> None:
    """See that the process can be what it is to be.

    Raises:
        SettingsError: it would need a database, or secrets, that all processes of the installation share.
    """
    if role is Role.ALL:
        return
    if sqlite_path(settings.url) is not None:
        raise SettingsError(
            f"WIREROOM_DATABASE_URL: `wireroom {role}` needs PostgreSQL, since one process owns a SQLite"
            " file. Set it to postgresql://…, or run `wireroom up`."
        )
    if missing := list(_missing_secrets(settings)):
        raise SettingsError(
            f"{', '.join(missing)}: `wireroom {role}` needs the same secret in every process of the"
            " installation, so none is generated here. Set it in the environment of all of them."
        )


def _missing_secrets(settings: Settings) -> Iterable[str]:
    if not settings.webhook_secret.get_secret_value():
        yield "WEBHOOK_SECRET"
    if settings.bot_id and not settings.telegram_webhook_secret.get_secret_value():
        yield "TELEGRAM_WEBHOOK_SECRET"


def chosen_queues(text: str, known: Iterable[str]) -> frozenset[str]:
    """Return the queues that a person has listed, comma separated; all of them for an empty list. Pure.

    Raises:
        SettingsError: one of them does not exist; the message names those that do.
    """
    names = list(known)
    chosen = {word.strip() for word in text.split(",") if word.strip()}
    if unknown := sorted(chosen - set(names)):
        raise SettingsError(f"--queues: there is no queue {', '.join(unknown)}. Known: {', '.join(names)}.")
    return frozenset(chosen or names)
