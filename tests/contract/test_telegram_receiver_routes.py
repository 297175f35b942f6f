"""The routes of the older chat front end, as its callers know them, without its listed defects.

The differences are named in docs/reference/compatibility.md.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from running_service import (
    API_SECRET,
    OWNER,
    WEBHOOK_SECRET,
    StoreFault,
    client_of,
    count,
    running_service,
)
from wireroom import __version__
from wireroom.api.health import ready_route
from wireroom.app.service import Service
from wireroom.intake.polling import ALLOWED_UPDATES
from wireroom.perf.metrics import REGISTRY
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import broken
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)

HEALTH = {"status": "healthy", "service": "wireroom", "version": __version__}
SIGNED = {"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET}
FORM = "application/x-www-form-urlencoded"
ADMIN = {"X-Admin-Secret": API_SECRET}
ADMIN_CALLS = [
    pytest.param("POST", "/telegram/set_webhook", id="set"),
    pytest.param("GET", "/telegram/webhook_info", id="info"),
    pytest.param("DELETE", "/telegram/webhook", id="delete"),
]


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Lend Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
def fault() -> StoreFault:
    """Lend the switch that makes the service's database refuse."""
    return StoreFault()


@pytest.fixture
async def service(database_path: Path, telegram: BotAPIServer, fault: StoreFault) -> AsyncIterator[Service]:
    """Lend a running service with a bot."""
    async with running_service(database_path.parent, telegram, fault.engine) as running:
        yield running


@pytest.fixture
async def http(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend an HTTP client of the service."""
    async with client_of(service) as session:
        yield session


@pytest.fixture
async def botless(database_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend an HTTP client of a service without a bot."""
    async with running_service(database_path.parent) as running, client_of(running) as session:
        yield session


def _update(update_id: int = 1, **message: Any) -> dict[str, Any]:
    person = {"id": OWNER, "is_bot": False, "first_name": "Ada"}
    chat = {"id": OWNER, "type": "private", "first_name": "Ada"}
    said = {"message_id": 5, "date": 1, "chat": chat, "from": person, "text": "/help", **message}
    return {"update_id": update_id, "message": said}


async def _push(
    http: aiohttp.ClientSession, body: Any, headers: dict[str, str] | None = None
) -> tuple[int, str, str | None]:
    """Post an update as Telegram does; return status, text and the delivery header."""
    data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    sent = {"Content-Type": "application/json", **(SIGNED if headers is None else headers)}
    async with http.post("/telegram/webhook", data=data, headers=sent) as response:
        return response.status, await response.text(), response.headers.get("x-wireroom-delivery")


async def _get(http: aiohttp.ClientSession, path: str) -> str:
    async with http.get(path) as response:
        assert response.status == 200
        return await response.text()


# POST /telegram/webhook


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="missing"),
        pytest.param({"X-Telegram-Bot-Api-Secret-Token": ""}, id="empty"),
        pytest.param({"X-Telegram-Bot-Api-Secret-Token": "changeme"}, id="wrong"),
        pytest.param({"X-Admin-Secret": API_SECRET}, id="secret-of-another-route"),
    ],
)
async def test_webhook_refuses_an_update_without_its_secret(
    service: Service, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    """Only the webhook's own secret in Telegram's header lets an update in; 401 as text, nothing stored."""
    assert await _push(http, _update(), headers) == (401, "Unauthorized", None)
    assert await service.services.db.read(count("updates")) == 0


async def test_webhook_stores_an_update_once(service: Service, http: aiohttp.ClientSession) -> None:
    """An update is durable at its 200 `OK`; the same one again is a duplicate and does nothing."""
    assert await _push(http, _update()) == (200, "OK", "durable")
    assert await service.services.db.read(count("updates")) == 1
    assert await _push(http, _update()) == (200, "OK", "duplicate")
    assert await _push(http, _update(2)) == (200, "OK", "durable")
    assert await service.services.db.read(count("updates")) == 2


async def test_webhook_takes_many_copies_at_once_as_one(
    service: Service, http: aiohttp.ClientSession
) -> None:
    """Of five equal updates at the same time exactly one is stored."""
    answers = await asyncio.gather(*(_push(http, _update()) for _ in range(5)))

    assert sorted(answer[2] or "" for answer in answers) == [*["duplicate"] * 4, "durable"]
    assert await service.services.db.read(count("updates")) == 1


async def test_webhook_reads_forms_with_nested_keys(
    http: aiohttp.ClientSession, telegram: BotAPIServer
) -> None:
    """An urlencoded update acts like the same one in JSON, and Rails' own fields are dropped."""
    chat = telegram.private_chat(telegram.user(OWNER))
    form = (
        f"controller=x&action=y&format=z&telegram[a]=b&update_id=9&message[message_id]=5"
        f"&message[chat][id]={chat.id}&message[chat][type]=private&message[from][id]={OWNER}"
        f"&message[from][first_name]=42&message[from][is_bot]=false&message[text]=%2Fqueue"
    )

    assert await _push(http, form.encode(), {**SIGNED, "Content-Type": FORM}) == (200, "OK", "durable")
    await eventually(
        lambda: [message.text for message in telegram.visible(chat)] == ["Nothing runs and nothing waits."],
        "the command of the form is answered",
    )


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(b"", {}, id="empty"),
        pytest.param(b'{"update_id": 1', {}, id="malformed"),
        pytest.param(b"[]", {}, id="array"),
        pytest.param(b'{"message": {}}', {}, id="no-update-id"),
        pytest.param(b'{"update_id": "x"}', {}, id="worded-update-id"),
        pytest.param(b'{"update_id": 99999999999999999999}', {}, id="huge-update-id"),
        pytest.param(b"message[text]=hi", {"Content-Type": FORM}, id="form-without-update-id"),
        pytest.param(b"update_id=1&update_id[x]=2", {"Content-Type": FORM}, id="contradicting-form"),
        pytest.param(b"update_id=%C2%B2", {"Content-Type": FORM}, id="odd-digit"),
    ],
)
async def test_webhook_refuses_what_is_no_update(
    service: Service, http: aiohttp.ClientSession, body: bytes, headers: dict[str, str]
) -> None:
    """A body that can never be an update is 400 with a reason, never 500, and is not stored."""
    status, text, _ = await _push(http, body, {**SIGNED, **headers})

    assert status == 400
    assert json.loads(text)["ok"] is False
    assert await service.services.db.read(count("updates")) == 0


@pytest.mark.parametrize("chunked", [False, True], ids=["by-its-length", "in-chunks"])
async def test_webhook_refuses_more_than_a_megabyte(http: aiohttp.ClientSession, chunked: bool) -> None:
    """A larger body is 413, whether its length is declared or only found out; a megabyte is taken."""
    large = b" " * (1024 * 1024 + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    async with http.post(
        "/telegram/webhook", data=pieces() if chunked else io.BytesIO(large), headers=SIGNED
    ) as response:
        assert response.status == 413
        assert "1048576" in (await response.json())["error"]
    assert await _push(http, json.dumps(_update()).encode().ljust(1024 * 1024)) == (200, "OK", "durable")


@pytest.mark.parametrize(
    "update",
    [
        pytest.param({"update_id": 1}, id="nothing"),
        pytest.param({"update_id": 1, "poll": {"id": "1"}}, id="poll"),
        pytest.param({"update_id": 1, "channel_post": {"message_id": 1}}, id="channel-post"),
        pytest.param({"update_id": 1, "something_new": [1, {"a": None}]}, id="kind-of-the-future"),
        pytest.param({"update_id": 1, "message": {"text": "without ids"}}, id="unreadable-message"),
    ],
)
async def test_webhook_takes_and_ignores_other_updates(
    service: Service, http: aiohttp.ClientSession, telegram: BotAPIServer, update: dict[str, Any]
) -> None:
    """What Wireroom does not act on is stored, answered 200 and closed as ignored; nothing is sent."""
    assert await _push(http, update) == (200, "OK", "durable")
    db = service.services.db
    await eventually(
        lambda: db.read(count("(SELECT 1 FROM updates WHERE state = 'ignored') AS closed")),
        "the update is closed",
    )
    assert telegram.calls_of("sendMessage") == []


async def test_webhook_answers_503_until_the_store_takes_the_update(
    service: Service, http: aiohttp.ClientSession, fault: StoreFault
) -> None:
    """While nothing can be stored the answer is 503 with Retry-After; later the same update is taken."""
    fault.reason = "disk full"
    async with http.post("/telegram/webhook", json=_update(), headers=SIGNED) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) >= 1
        assert "disk full" not in await response.text()
    fault.reason = None

    assert await service.services.db.read(count("updates")) == 0
    assert await _push(http, _update()) == (200, "OK", "durable")


async def test_webhook_without_a_bot_takes_nothing(botless: aiohttp.ClientSession) -> None:
    """Without a bot an update is refused, so that Telegram keeps it, instead of stored and never answered."""
    status, text, delivery = await _push(botless, _update())

    assert (status, delivery) == (409, None)
    assert "TELEGRAM_BOT_TOKEN" in text


async def test_caller_who_leaves_within_the_body_does_no_harm(
    service: Service, http: aiohttp.ClientSession, capfd: pytest.CaptureFixture[str]
) -> None:
    """A connection that breaks in the middle of an update leaves no trace in the log and nothing stored."""
    host, port = service.address.removeprefix("http://").split(":")
    for path in ("webhook", "set_webhook"):
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /telegram/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        writer.write(f"{head}X-Telegram-Bot-Api-Secret-Token: {WEBHOOK_SECRET}\r\n\r\n{{".encode())
        await writer.drain()
        await _get(http, "/health")
        writer.close()
        await writer.wait_closed()

    assert await _push(http, _update()) == (200, "OK", "durable")
    assert await service.services.db.read(count("updates")) == 1
    assert "Traceback" not in capfd.readouterr().err


# The admin routes


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"X-Admin-Secret": API_SECRET}, None, id="header"),
        pytest.param({"Authorization": f"Bearer {API_SECRET}"}, None, id="bearer"),
        pytest.param({"Authorization": f"bearer  {API_SECRET}"}, None, id="bearer-in-lower-case"),
        pytest.param({}, {"admin_secret": API_SECRET}, id="json-body"),
        pytest.param({"Content-Type": FORM}, f"admin_secret={API_SECRET}", id="form-body"),
    ],
)
async def test_admin_routes_take_the_secret_in_headers_and_body(
    http: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str], body: Any
) -> None:
    """The secret may come as X-Admin-Secret, as bearer or as `admin_secret` in the body."""
    fields = {"url": "https://bot.example/telegram/webhook"}
    if isinstance(body, dict):
        data = json.dumps({**fields, **body})
    elif body is not None:
        data = f"{body}&url={fields['url']}"
    else:
        data = json.dumps(fields)
    async with http.request(method, path, data=data, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert (await response.json())["ok"] is True


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
@pytest.mark.parametrize(
    "offered",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"headers": {"X-Admin-Secret": ""}}, id="empty"),
        pytest.param({"headers": {"X-Admin-Secret": "changeme"}}, id="the-older-default"),
        pytest.param({"headers": {"X-Admin-Secret": WEBHOOK_SECRET}}, id="secret-of-another-route"),
        pytest.param({"headers": {"Authorization": API_SECRET}}, id="no-bearer"),
        pytest.param({"headers": {"Authorization": f"Basic {API_SECRET}"}}, id="another-scheme"),
        pytest.param({"json": {"admin_secret": [API_SECRET]}}, id="no-text"),
        pytest.param({"params": {"admin_secret": API_SECRET}}, id="secret-in-the-address"),
    ],
)
async def test_admin_routes_refuse_everybody_else(
    http: aiohttp.ClientSession, telegram: BotAPIServer, method: str, path: str, offered: dict[str, Any]
) -> None:
    """Without the secret the answer is 401 as JSON; a secret in the address does not count."""
    await eventually(lambda: telegram.calls_of("setMyCommands"), "the service has introduced itself")
    async with http.request(method, path, **offered) as response:
        assert response.status == 401
        body = await response.json()

    assert body["ok"] is False
    assert body["error"].startswith("Unauthorized")
    assert not [call for call in telegram.calls if call.method.lower().endswith("webhook")]


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
async def test_admin_routes_say_that_there_is_no_bot(
    botless: aiohttp.ClientSession, method: str, path: str
) -> None:
    """Without a bot the answer is 409 and names the setting, not a success in which nothing happened."""
    async with botless.request(method, path, headers=ADMIN) as response:
        assert response.status == 409
        body = await response.json()

    assert body["ok"] is False
    assert "TELEGRAM_BOT_TOKEN" in body["error"]


async def test_set_webhook_tells_telegram_everything(
    http: aiohttp.ClientSession, telegram: BotAPIServer
) -> None:
    """The webhook is set with address, secret, kinds of update and connections; pending updates are kept."""
    body = {"url": "https://bot.example/telegram/webhook", "secret_token": WEBHOOK_SECRET}
    async with http.post("/telegram/set_webhook", json=body, headers=ADMIN) as response:
        assert response.status == 200
        answer = await response.json()
    sent = telegram.calls_of("setWebhook")[-1].params

    assert answer["ok"] is True
    assert answer["message"] == f"Webhook set to {body['url']}"
    assert answer["webhook_info"]["ok"] is True
    assert answer["webhook_info"]["result"]["url"] == body["url"]
    assert sent["url"] == body["url"]
    assert sent["secret_token"] == WEBHOOK_SECRET
    assert sent["max_connections"] == 40
    assert sent["allowed_updates"] == ALLOWED_UPDATES
    assert not sent.get("drop_pending_updates")


async def test_set_webhook_takes_its_fields_from_the_address_too(
    http: aiohttp.ClientSession, telegram: BotAPIServer
) -> None:
    """`url` and `drop_pending_updates` may stand in the query, as older scripts do."""
    query = {"url": "https://bot.example/x", "drop_pending_updates": "true"}
    async with http.post("/telegram/set_webhook", params=query, headers=ADMIN) as response:
        assert response.status == 200
    sent = telegram.calls_of("setWebhook")[-1].params

    assert (sent["url"], sent["drop_pending_updates"]) == (query["url"], True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({}, "TELEGRAM_WEBHOOK_BASE_URL", id="no-address-known"),
        pytest.param({"url": "bot.example/x"}, "absolute https", id="relative"),
        pytest.param({"url": "ftp://bot.example/x"}, "absolute https", id="other-scheme"),
        pytest.param({"url": "http://bot.example/x"}, "https://", id="plain-http"),
        pytest.param({"url": "http://10.0.0.1/x"}, "https://", id="plain-http-in-a-private-network"),
        pytest.param({"url": "https://[bot"}, "no address", id="broken"),
        pytest.param({"url": "https://"}, "absolute https", id="no-host"),
        pytest.param(
            {"url": "https://bot.example/x", "secret_token": "another"},
            "TELEGRAM_WEBHOOK_SECRET",
            id="a-secret-that-would-lock-telegram-out",
        ),
        pytest.param(
            {"url": "https://bot.example/x", "secret_token": ""},
            "TELEGRAM_WEBHOOK_SECRET",
            id="an-empty-secret",
        ),
    ],
)
async def test_set_webhook_refuses_what_could_not_work(
    http: aiohttp.ClientSession, telegram: BotAPIServer, fields: dict[str, str], words: str
) -> None:
    """An address that Telegram cannot use, or a secret that is not checked here, is 400 with the reason."""
    async with http.post("/telegram/set_webhook", json=fields, headers=ADMIN) as response:
        assert response.status == 400
        body = await response.json()

    assert body["ok"] is False
    assert words in body["error"]
    assert telegram.calls_of("setWebhook") == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("{", id="malformed"),
        pytest.param("[]", id="array"),
        pytest.param("[" * 20_000, id="too-deep"),
        pytest.param('{"url": "https://x.example", "drop_pending_updates": [{}]}', id="odd-field"),
    ],
)
async def test_admin_routes_survive_odd_bodies(http: aiohttp.ClientSession, data: str) -> None:
    """A body that cannot be meant is 400; an odd optional field is not taken for yes."""
    async with http.post("/telegram/set_webhook", data=data, headers=ADMIN) as response:
        assert response.status == (200 if "https" in data else 400)


async def test_admin_routes_refuse_more_than_a_megabyte(http: aiohttp.ClientSession) -> None:
    """A larger body is 413."""
    async with http.post(
        "/telegram/set_webhook", data=io.BytesIO(b" " * 1_048_577), headers=ADMIN
    ) as response:
        assert response.status == 413


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
async def test_admin_routes_pass_on_what_telegram_says(
    http: aiohttp.ClientSession, telegram: BotAPIServer, method: str, path: str
) -> None:
    """When Telegram fails the answer is 500 with its words and without the token."""
    await eventually(lambda: telegram.calls_of("setMyCommands"), "the service has introduced itself")
    for name in ("setWebhook", "getWebhookInfo", "deleteWebhook"):
        telegram.fault(broken(502, "Bad Gateway"), method=name, count=None)
    body = {"url": "https://bot.example/x"}
    async with http.request(method, path, json=body, headers=ADMIN) as response:
        assert response.status == 500
        answer = await response.json()

    assert answer["ok"] is False
    assert "Bad Gateway" in answer["error"]
    assert telegram.token not in answer["error"]


async def test_webhook_info_and_delete_show_and_end_the_webhook(
    http: aiohttp.ClientSession, telegram: BotAPIServer
) -> None:
    """What was set is shown in Telegram's own envelope; after DELETE the address is empty."""
    body = {"url": "https://bot.example/x"}
    async with http.post("/telegram/set_webhook", json=body, headers=ADMIN) as response:
        assert response.status == 200
    async with http.get("/telegram/webhook_info", headers=ADMIN) as response:
        shown = await response.json()
    async with http.delete("/telegram/webhook", headers=ADMIN) as response:
        removed = await response.json()

    assert shown["webhook_info"]["result"]["url"] == body["url"]
    assert removed == {"ok": True, "message": "Webhook removed"}
    assert telegram.webhook["url"] == ""
    assert not telegram.calls_of("deleteWebhook")[-1].params.get("drop_pending_updates")


# Health, readiness and metrics


@pytest.mark.parametrize("broken_store", [False, True], ids=["well", "database-broken"])
async def test_health_looks_at_nothing(
    http: aiohttp.ClientSession, fault: StoreFault, broken_store: bool
) -> None:
    """/health tells that the process is alive, even while the database is broken."""
    fault.reason = "broken" if broken_store else None
    async with http.get("/health") as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        assert await response.json() == HEALTH
    fault.reason = None


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param("*/*", "application/json", id="anything"),
        pytest.param("application/json", "application/json", id="json"),
        pytest.param(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html", id="browser"
        ),
    ],
)
async def test_root_is_health_for_programs_and_the_page_for_browsers(
    http: aiohttp.ClientSession, accept: str, content_type: str
) -> None:
    """GET / answers the health body unless HTML is asked for."""
    async with http.get("/", headers={"Accept": accept}) as response:
        assert response.status == 200
        assert response.content_type == content_type
        assert content_type == "text/html" or (
            await response.json() == HEALTH and response.headers["Vary"] == "Accept"
        )


async def test_ready_is_200_while_all_works(http: aiohttp.ClientSession) -> None:
    """A service that takes and does work is ready, with every check named."""
    async with http.get("/ready") as response:
        assert response.status == 200
        body = await response.json()

    assert body == {"ready": True, "checks": {"database": "ok", "worker": "ok"}, "problems": []}


async def test_ready_is_503_while_the_database_refuses(
    http: aiohttp.ClientSession, fault: StoreFault
) -> None:
    """A database that takes no writes makes the service unready, in its own words."""
    fault.reason = "The disk is full."
    async with http.get("/ready") as response:
        assert response.status == 503
        body = await response.json()
    fault.reason = None

    assert body["ready"] is False
    assert body["checks"]["database"] == "The disk is full."


async def test_ready_asks_for_a_write_that_reaches_the_disk(database_path: Path) -> None:
    """An empty commit would succeed on a full disk, too; asked often, it writes once a second."""
    log_file = database_path.with_name(database_path.name + "-wal")
    database = SqliteDatabase(database_path)
    ready = ready_route(database, lambda: True, list)
    sizes = [log_file.stat().st_size]
    for _ in range(2):
        assert (await ready(Request({"type": "http"}))).status_code == 200
        sizes.append(log_file.stat().st_size)
    await database.close()

    assert sizes[0] < sizes[1] == sizes[2]


async def test_ready_is_503_once_the_worker_has_died(service: Service, http: aiohttp.ClientSession) -> None:
    """A service whose jobs nobody runs says so, and asks to be stopped."""
    assert service._worker_task is not None
    service._worker_task.cancel()
    await asyncio.wait_for(service.stopped.wait(), 10)
    async with http.get("/ready") as response:
        assert response.status == 503
        body = await response.json()

    assert body["checks"]["worker"] == "the job worker is not running"


async def test_metrics_are_readable_and_count_updates(http: aiohttp.ClientSession, fault: StoreFault) -> None:
    """/metrics parses as Prometheus text, counts what came in, and works while the database does not."""
    before = await _samples(http)
    await _push(http, _update())
    await _push(http, _update())
    await _push(http, _update(), {})
    after = await _samples(http)
    fault.reason = "broken"

    async def is_unknown() -> bool:
        return "wireroom_queue_depth queue=runs" not in await _samples(http)

    await eventually(is_unknown, "the demand is unknown, once what was counted last is too old")
    without_store = await _samples(http)
    fault.reason = None

    assert {family.name for family in REGISTRY.collect()} <= await _families(http)
    for result in ("durable", "duplicate", "rejected"):
        sample = f"wireroom_intake_updates_total result={result}"
        assert after[sample] == before.get(sample, 0) + 1
    of_the_store = ("wireroom_jobs_depth", "wireroom_queue_")
    assert set(without_store) >= {name for name in after if not name.startswith(of_the_store)}
    assert after["wireroom_queue_depth queue=runs"] == 0


async def _families(http: aiohttp.ClientSession) -> set[str]:
    return {family.name for family in text_string_to_metric_families(await _get(http, "/metrics"))}


async def _samples(http: aiohttp.ClientSession) -> dict[str, float]:
    families = list(text_string_to_metric_families(await _get(http, "/metrics")))
    return {
        " ".join([one.name, *(f"{key}={value}" for key, value in sorted(one.labels.items()))]): one.value
        for family in families
        for one in family.samples
    }


# Methods


@pytest.mark.parametrize("path", ["/health", "/", "/ready", "/metrics"])
async def test_head_is_get_without_the_body(http: aiohttp.ClientSession, path: str) -> None:
    """HEAD answers what GET would, without a body."""
    async with http.head(path) as response:
        assert response.status == 200
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("POST", "/health", {"GET", "HEAD"}, id="post-health"),
        pytest.param("GET", "/telegram/webhook", {"POST", "DELETE"}, id="get-webhook"),
        pytest.param("GET", "/telegram/set_webhook", {"POST"}, id="get-set-webhook"),
        pytest.param("PUT", "/telegram/webhook_info", {"GET", "HEAD"}, id="put-webhook-info"),
        pytest.param("DELETE", "/", {"GET", "HEAD"}, id="delete-root"),
    ],
)
async def test_other_methods_are_told_the_right_ones(
    http: aiohttp.ClientSession, method: str, path: str, allowed: set[str]
) -> None:
    """A method that a path does not have is 405 and lists those that it has."""
    async with http.request(method, path, headers=ADMIN) as response:
        assert response.status == 405
        assert set(response.headers["Allow"].replace(" ", "").split(",")) == allowed


@pytest.mark.parametrize("path", ["/health", "/telegram/webhook", "/cursor/execute"])
async def test_options_are_answered_without_letting_a_foreign_page_in(
    http: aiohttp.ClientSession, path: str
) -> None:
    """As with the older runner any OPTIONS is 200; but no origin is allowed unless a setting names it."""
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    async with http.options(path, headers=headers) as response:
        assert (response.status, await response.text()) == (200, "OK")
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_unknown_path_is_404_as_json(http: aiohttp.ClientSession) -> None:
    """Any other path is 404 with an error in JSON."""
    async with http.get("/telegram/nothing") as response:
        assert response.status == 404
        assert (await response.json())["success"] is False
