"""Traces: one message is one trace, from its receipt to the answer in the chat, whatever stops in between."""

from __future__ import annotations

import asyncio
import builtins
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.testing import capture_logs

from callback_receiver import running_receiver
from running_service import API_SECRET, OWNER, WEBHOOK_SECRET, client_of, running_service
from wireroom.app.service import Service
from wireroom.errors import SettingsError
from wireroom.perf import traces
from wireroom.perf.trace_sender import TraceSender
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import rejected
from wireroom.testing.eventually import eventually

UPDATE_ID = 4711


@dataclass(slots=True)
class Collector:
    """A collector that keeps what it is sent."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    async def take(self, request: web.Request) -> web.Response:
        """Answer `POST /v1/traces`. Source: OTLP Specification, OTLP/HTTP."""
        body = await request.read()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = resource.resource.attributes
            self.resources.append({one.key: one.value.string_value for one in about})
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return web.Response(status=self.status)

    def named(self, name: str) -> list[Span]:
        """Return the spans of a name, in the order of their beginning."""
        found = [span for span in self.spans if span.name == name]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def above(self, span: Span) -> str:
        """Return the name of the span above; `nothing` at the beginning of a trace."""
        if not span.parent_span_id:
            return "nothing"
        (name,) = {one.name for one in self.spans if one.span_id == span.parent_span_id}
        return str(name)


@pytest.fixture(autouse=True)
def prompt_sending(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Send batches soon, and leave no sender behind."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    yield
    assert not traces.is_tracing()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """Run a collector on a port of its own."""
    kept = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", kept.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kept.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield kept
    await runner.cleanup()


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Play Telegram, where Ada has a chat with the bot."""
    async with BotAPIServer() as server:
        server.private_chat(server.user(OWNER, "Ada"))
        yield server


async def push(service: Service, text: str) -> None:
    """Push an update to the webhook, as Telegram does."""
    update = {
        "update_id": UPDATE_ID,
        "message": {
            "message_id": 1,
            "date": 1,
            "chat": {"id": OWNER, "type": "private", "first_name": "Ada"},
            "from": {"id": OWNER, "is_bot": False, "first_name": "Ada"},
            "text": text,
        },
    }
    headers = {"x-telegram-bot-api-secret-token": WEBHOOK_SECRET}
    async with (
        client_of(service) as client,
        client.post("/telegram/webhook", json=update, headers=headers) as response,
    ):
        assert response.status == 200


def settings_of(collector: Collector, **more: Any) -> dict[str, Any]:
    """Return settings with traces, for a webhook that nobody but the test calls."""
    return {
        "otlp_endpoint": collector.url,
        "telegram_webhook_base_url": "https://bot.example.org",
        "chat_messages_per_second": 100.0,
        **more,
    }


def shows(telegram: BotAPIServer, text: str) -> Callable[[], bool]:
    """Return whether Ada's chat shows the text."""
    chat = telegram.private_chat(telegram.user(OWNER, "Ada"))
    return lambda: any(text in message.text for message in telegram.visible(chat))


async def test_a_message_is_one_trace(
    collector: Collector, telegram: BotAPIServer, database_path: Path
) -> None:
    """The receipt begins it, each job continues it, and the answer stands below the agent's run."""
    async with running_service(database_path.parent, telegram, **settings_of(collector)) as service:
        # Long enough that the placeholder is there before: what shows the answer is a start of its own.
        await push(service, "sleep 1")
        await eventually(shows(telegram, "awake again"), "the answer is in the chat", timeout_seconds=30)

    (webhook,) = collector.named("webhook")
    expected = traces.carrier_of(traces.origin_of_update(telegram_bot(telegram), UPDATE_ID))
    assert expected == f"00-{webhook.trace_id.hex()}-{webhook.span_id.hex()}-01"
    ours = [span for span in collector.spans if span.trace_id == webhook.trace_id]
    (agent,) = collector.named("agent")
    edits = collector.named("telegram editMessageText")
    assert {collector.above(span) for span in collector.named("job update")} == {"webhook"}
    assert {collector.above(span) for span in collector.named("job run")} == {"webhook"}
    assert collector.above(agent) == "job run"
    deliveries = collector.named("job deliver")
    (filled,) = [span for span in deliveries if span.span_id == edits[-1].parent_span_id]
    assert collector.above(deliveries[0]) == "webhook"
    # A run that showed a draft has its answer placed anew before its end is stored, and known to a trace.
    assert collector.above(filled) in {"agent", "webhook"}
    assert collector.above(deliveries[-1]) == "agent"
    assert {collector.above(span) for span in collector.named("telegram sendMessage")} == {"job deliver"}
    # Setting the bot up calls Telegram, too, for nobody's message.
    assert collector.spans == ours
    assert collector.resources[0]["service.name"] == "wireroom"


def telegram_bot(telegram: BotAPIServer) -> int:
    """Return the bot's id."""
    return int(telegram.token.partition(":")[0])


async def test_a_restart_goes_on_with_the_same_trace(
    collector: Collector, telegram: BotAPIServer, database_path: Path
) -> None:
    """What stops while its agent works is one trace, and its answer stands below the second attempt."""
    settings = settings_of(collector, drain_seconds=0.0)
    async with running_service(database_path.parent, telegram, **settings) as service:
        await push(service, "sleep 2")
        placed = partial(telegram.calls_of, "sendMessage")
        await eventually(placed, "the placeholder is sent", timeout_seconds=30)
        await eventually(lambda: working(service), "the agent works", timeout_seconds=30)
    first = len(collector.named("agent"))
    async with running_service(database_path.parent, telegram, **settings):
        await eventually(shows(telegram, "awake again"), "the answer is in the chat", timeout_seconds=60)

    assert first == 1
    assert len({span.trace_id for span in collector.spans}) == 1
    one, two = collector.named("agent")
    assert [attempt_of(one), attempt_of(two)] == [1, 2]
    assert collector.named("job deliver")[-1].parent_span_id == two.span_id
    assert Counter(span.span_id for span in collector.spans).most_common(1)[0][1] == 1


async def working(service: Service) -> bool:
    """Tell whether an attempt has begun."""
    query = "SELECT count(*) FROM run_attempts WHERE pid IS NOT NULL"
    return bool(await service.services.db.read(lambda conn: conn.exec_driver_sql(query).scalar_one()))


def attempt_of(span: Span) -> int:
    """Return the number of the attempt that a span is of."""
    (value,) = (one.value.int_value for one in span.attributes if one.key == "wireroom.attempt")
    return int(value)


async def test_no_trace_says_what_people_wrote(
    collector: Collector, telegram: BotAPIServer, database_path: Path
) -> None:
    """Neither question nor answer nor an error's message is in any span, only ids, numbers and names."""
    telegram.fault(rejected("secret words"), method="editMessageText")
    async with running_service(database_path.parent, telegram, **settings_of(collector)) as service:
        await push(service, "write hello secret to notes.txt")
        refused = partial(collector.named, "telegram editMessageText")
        await eventually(refused, "the answer is refused", timeout_seconds=30)

    assert {span.status.message for span in refused()} == {"Rejected"}
    assert "secret" not in "".join(str(span) for span in collector.spans)


async def test_a_program_s_request_is_one_trace_with_its_callback(
    collector: Collector, database_path: Path
) -> None:
    """A run that a program asks for begins its own trace; the callback continues it, and says so."""
    settings = settings_of(collector, callback_hosts=("127.0.0.1",))
    async with (
        running_receiver() as receiver,
        running_service(database_path.parent, **settings) as service,
    ):
        await ask_as_program(service, receiver.url)
        await eventually(lambda: receiver.received, "the callback is heard", timeout_seconds=30)
        (told,) = receiver.received

    (begun,) = collector.named("request")
    (sent,) = collector.named("callback")
    assert begun.trace_id == sent.trace_id
    assert told.headers["traceparent"] == f"00-{sent.trace_id.hex()}-{sent.span_id.hex()}-01"
    assert [collector.above(span) for span in collector.named("job callback")] == ["agent"]


async def ask_as_program(service: Service, callback_url: str) -> None:
    """Ask for a run with a callback, over the API."""
    body = {"prompt": "sleep 0", "callbackUrl": callback_url, "id": "asked-by-a-program", "repository": None}
    headers = {"x-webhook-secret": API_SECRET}
    async with (
        aiohttp.ClientSession(service.address) as client,
        client.post("/cursor/execute/async", json=body, headers=headers) as response,
    ):
        assert response.status < 300, await response.text()


async def test_a_collector_that_is_away_holds_nobody_up(telegram: BotAPIServer, database_path: Path) -> None:
    """Answers come, and the service ends, while nothing listens where traces should go."""
    nobody = Collector(url="http://127.0.0.1:9")
    async with running_service(database_path.parent, telegram, **settings_of(nobody)) as service:
        await push(service, "write hello world to notes.txt")
        await eventually(shows(telegram, "notes.txt"), "the answer is in the chat", timeout_seconds=30)


async def test_log_says_once_that_a_collector_takes_nothing(collector: Collector) -> None:
    """Traces that are refused are dropped, and the log names the collector, not each batch."""
    collector.status = 400
    with capture_logs() as logged:
        sender = TraceSender(collector.url, version="0")
        for number in range(600):  # more than one batch
            sender.note("begin", {}, traces.carrier_of(str(number)), 1, 2)
        await asyncio.to_thread(sender.close)

    ours = [line["event"] for line in logged if line["collector"] == collector.url]
    assert ours == ["traces_not_taken"]


async def test_parts_of_traces_are_left_out_as_a_whole(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a sampling rate a trace is sent with all of its parts or not at all, in every process."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    origins = [f"request-{number}" for number in range(40)]
    for wanted in ("begin", "go on"):
        sender = TraceSender(collector.url, version="0")
        traces.begin_tracing(sender)
        for origin in origins:
            own = traces.carrier_of(origin)
            if wanted == "begin":
                traces.note("begin", own=own)
            else:
                with traces.span("go on", role="consumer", after=own):
                    pass
        traces.end_tracing()
        await asyncio.to_thread(sender.close)

    begun, gone_on = ({span.trace_id for span in collector.named(name)} for name in ("begin", "go on"))
    assert begun == gone_on
    assert 0 < len(begun) < len(origins)


def test_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the start is refused with the words that mend it."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"pip install wireroom\[trace\]"):
        TraceSender("http://127.0.0.1:4318", version="0")
