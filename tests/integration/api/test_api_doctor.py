"""`/api/doctor`, `/api/backends`, `/api/environment`, and who turned the operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from running_service import API_SECRET, client_of, running_service
from wireroom.app.service import Service
from wireroom.settings import Settings

pytestmark = pytest.mark.timeout(60)
HEADERS = {"Authorization": f"Bearer {API_SECRET}"}
PLANTED = "planted-secret-of-this-test"
SECRETS: dict[str, Any] = {
    **{
        name: SecretStr(f"{PLANTED}-of-{name}")
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, SecretStr)
        and name not in {"redis_url", "bot_token", "webhook_secret", "telegram_webhook_secret"}
    },
    "redis_url": SecretStr(f"redis://:{PLANTED}@127.0.0.1:1/0"),
    "cursor_runner_url": f"http://user:{PLANTED}@127.0.0.1:1?secret={PLANTED}",
    "default_callback_url": f"http://127.0.0.1:1/done?secret={PLANTED}",
    "acp_command": f"none --key {PLANTED}",
    "instructions": f"log in with {PLANTED}",
}
"""Every secret setting, and every other one that may hold a secret."""


@pytest.fixture
async def service(database_path: Path) -> AsyncIterator[Service]:
    """Run a service whose settings are full of secrets."""
    async with running_service(database_path.parent, **SECRETS) as running:
        yield running


@pytest.fixture
async def client(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client that sends the secret."""
    async with client_of(service) as made:
        made.headers.update(HEADERS)
        yield made


async def _ask(client: aiohttp.ClientSession, method: str, path: str) -> tuple[int, Any, str]:
    async with client.request(method, path) as answer:
        return answer.status, await answer.json(), await answer.text()


async def test_doctor_says_what_is_wrong_and_what_it_runs_on(client: aiohttp.ClientSession) -> None:
    """Findings with what to do, version, database and machine; Redis, where nobody listens, is a problem."""
    status, body, _ = await _ask(client, "GET", "/api/doctor")
    assert status == 200
    by_subject = {finding["subject"]: finding for finding in body["findings"]}
    assert by_subject["Coding agent"]["verdict"] == "fine"
    assert by_subject["Coding agent"]["text"].startswith("demo")
    assert by_subject["Redis"]["verdict"] == "problem"
    assert "REDIS_URL" in by_subject["Redis"]["mend"]
    assert body["database"]["kind"] == "sqlite"
    assert body["database"]["bytes"]["data"] > 0
    assert body["machine"]["processors"] >= 1
    assert body["machine"]["process_bytes"] > 0
    assert body["uptime_seconds"] >= 0


async def test_a_look_opens_no_second_database(client: aiohttp.ClientSession) -> None:
    """The service looks with what it has: a file has one owner, and its pool stays watched."""
    assert (await _ask(client, "GET", "/api/doctor"))[0] == 200
    async with client.get("/metrics") as answer:
        shown = await answer.text()
    assert 'wireroom_pool_connections{pool="sqlite readers",state="size"}' in shown


async def test_many_who_ask_at_once_share_a_look(client: aiohttp.ClientSession) -> None:
    """Ten at once do not cause ten looks; who asks afterwards is told of a new one."""
    asked = await asyncio.gather(*(_ask(client, "GET", "/api/doctor") for _ in range(10)))
    times = {body["looked_at"] for _, body, _ in asked}
    assert len(times) < 10
    again = (await _ask(client, "GET", "/api/doctor"))[1]
    assert again["looked_at"] > max(times)


async def test_no_secret_is_told_by_any_of_them(client: aiohttp.ClientSession) -> None:
    """Planted in every secret setting and in addresses and commands, it is in no answer; set or unset is."""
    told = []
    for method, path in (
        ("GET", "/api/environment"),
        ("GET", "/api/doctor"),
        ("GET", "/api/backends"),
        ("POST", "/api/backends/remote/test"),
        ("POST", "/api/backends/acp/test"),
    ):
        status, _, text = await _ask(client, method, path)
        assert status == 200
        told.append(text)
    assert [text for text in told if PLANTED in text or API_SECRET in text] == []


async def test_environment_has_every_setting(client: aiohttp.ClientSession) -> None:
    """With value, default and meaning; of a secret only whether it is set."""
    body = (await _ask(client, "GET", "/api/environment"))[1]
    shown = {one["variable"]: one for one in body["settings"]}
    assert len(shown) == len(Settings.model_fields)
    assert body["documented_in"] == "docs/reference/settings.md"
    port = shown["PORT"]
    assert (port["value"], port["default"], port["is_set"], port["is_secret"]) == ("0", "8480", True, False)
    secret = shown["WEBHOOK_SECRET"]
    assert (secret["value"], secret["default"], secret["is_set"], secret["is_secret"]) == (
        None,
        None,
        True,
        True,
    )
    assert (shown["TELEGRAM_BOT_TOKEN"]["is_set"], shown["TELEGRAM_BOT_TOKEN"]["value"]) == (False, None)
    assert shown["WIREROOM_QUEUE_WAIT_SECONDS"]["value"] == "86400"
    assert shown["JAREK_VA_URL"]["value"] == "http://127.0.0.1:1/done?…"
    assert shown["WIREROOM_ACP_COMMAND"]["value"] == "none …"
    assert shown["WIREROOM_RUN_SLOTS"]["also"] == ["CURSOR_CLI_MAX_CONCURRENT"]


async def test_back_ends_are_listed_and_tried(client: aiohttp.ClientSession) -> None:
    """The default is told; the demo agent makes a run of its own; an unknown name is not found."""
    body = (await _ask(client, "GET", "/api/backends"))[1]
    assert body["default"] == "demo"
    assert [one["name"] for one in body["backends"] if one["is_default"]] == ["demo"]
    status, trial, _ = await _ask(client, "POST", "/api/backends/demo/test")
    assert (status, trial["ok"], trial["text"], trial["mend"]) == (200, True, "made a run of its own", "")
    status, refused, _ = await _ask(client, "POST", "/api/backends/unknown/test")
    assert (status, "Known: claude" in refused["error"]) == (404, True)


async def test_operator_tells_who_turned_it_last(client: aiohttp.ClientSession) -> None:
    """Nobody at first; then who, when and to what."""
    assert (await _ask(client, "GET", "/task-operator"))[1]["lastChange"] is None
    await _ask(client, "POST", "/task-operator")
    await _ask(client, "DELETE", "/task-operator")
    told = (await _ask(client, "GET", "/task-operator"))[1]
    assert (told["enabled"], told["lastChange"]["enabled"], told["lastChange"]["who"]) == (
        False,
        False,
        "program",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/doctor"),
        ("GET", "/api/environment"),
        ("GET", "/api/backends"),
        ("POST", "/api/backends/demo/test"),
    ],
)
async def test_strangers_are_told_nothing(service: Service, method: str, path: str) -> None:
    """Without a secret or a session each of them is refused."""
    async with client_of(service) as stranger:
        assert (await _ask(stranger, method, path))[0] == 401
