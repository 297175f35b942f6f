"""Which role may begin with which settings, and which queues a worker is told to serve."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from wireroom.app.cache import cache_folder
from wireroom.app.engine import queue_specs
from wireroom.app.roles import Role, check_role, chosen_queues
from wireroom.cli import service
from wireroom.errors import SettingsError
from wireroom.settings import Settings

POSTGRES = {"database_url": "postgresql://there/wireroom"}
BOT = {"bot_token": SecretStr("1:token")}
SECRET = {"webhook_secret": SecretStr("shared")}
shares = pytest.mark.parametrize("role", [Role.WEB, Role.WORKER])


def _settings(*parts: dict[str, Any]) -> Settings:
    given: dict[str, Any] = {"data_dir": Path("nowhere")}
    for part in parts:
        given |= part
    return Settings(**given)


def test_whole_service_may_begin_with_nothing_set() -> None:
    """One process that does everything needs neither PostgreSQL nor a secret."""
    check_role(Role.ALL, _settings())


@shares
def test_share_of_a_service_refuses_a_file(role: Role) -> None:
    """A process for people or for work does not begin on SQLite, and is told what to run instead."""
    with pytest.raises(SettingsError, match=f"wireroom {role}.*needs PostgreSQL.*wireroom up"):
        check_role(role, _settings(SECRET))


@shares
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ((), "WEBHOOK_SECRET:"),
        ((BOT,), "WEBHOOK_SECRET, TELEGRAM_WEBHOOK_SECRET:"),
        ((BOT, SECRET), "TELEGRAM_WEBHOOK_SECRET:"),
    ],
    ids=["nothing", "a bot", "a bot and one secret"],
)
def test_share_of_a_service_names_the_secrets_to_set(
    role: Role, given: tuple[dict[str, Any], ...], missing: str
) -> None:
    """Secrets that each machine would make for itself must be set, and the message says which."""
    with pytest.raises(SettingsError) as refusal:
        check_role(role, _settings(POSTGRES, *given))

    assert str(refusal.value).startswith(missing)


@shares
def test_share_of_a_service_may_begin_with_shared_secrets(role: Role) -> None:
    """With PostgreSQL and every secret set, it begins."""
    check_role(role, _settings(POSTGRES, SECRET, BOT, {"telegram_webhook_secret": SecretStr("shared, too")}))


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("", {"a", "b", "c"}), (" , ", {"a", "b", "c"}), ("b", {"b"}), (" c ,a,", {"a", "c"})],
    ids=["nothing said", "only commas", "one", "two with spaces"],
)
def test_chosen_queues_are_those_listed_or_all(text: str, chosen: set[str]) -> None:
    """A list of queues is taken as people write it; none means all."""
    assert chosen_queues(text, ["a", "b", "c"]) == chosen


def test_chosen_queues_refuse_a_wrong_name_with_the_known_ones() -> None:
    """A queue that does not exist is named, and so are those that do."""
    known = [spec.name for spec in queue_specs(_settings())]

    with pytest.raises(SettingsError, match=r"no queue mail, post\. Known: intake, runs, tasks, git, "):
        chosen_queues("runs,post,mail", known)


def test_help_of_a_worker_says_what_each_queue_is_and_bears() -> None:
    """`worker --help` names every queue, and how many of its jobs run at once unless that is an option."""
    worker = inspect.signature(service.worker).parameters
    queues, concurrency = (worker[name].default.help for name in ("queues", "concurrency"))

    for spec in queue_specs(_settings()):
        assert re.search(rf"\b{spec.name}\b", queues)
        assert spec.name == "runs" or f"{spec.name} {spec.concurrency}" in concurrency


@pytest.mark.parametrize("role", Role)
def test_cache_on_disk_lies_where_nobody_else_writes(role: Role, tmp_path: Path) -> None:
    """Processes that share a data folder keep values elsewhere, and leave nothing behind."""
    settings = _settings({"data_dir": tmp_path})
    with cache_folder(settings, role) as folder:
        assert folder.is_dir()
        assert (folder == tmp_path) is (role is Role.ALL)

    assert folder.exists() is (role is Role.ALL)
