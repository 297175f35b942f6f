"""The command line as people use it: a program beside the running service, or without one."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import Connection

from forked_commands import Printed, run
from running_service import API_SECRET, OWNER, running_service
from wireroom import __version__
from wireroom.app.service import Service
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, blocked
from wireroom.testing.eventually import eventually

PROGRAM = (sys.executable, "-c", "from wireroom.cli.main import main; main()")
HEAVY = ("sqlalchemy", "pydantic", "aiohttp", "fastapi", "starlette", "structlog", "prometheus_client")
pytestmark = pytest.mark.timeout(120)


async def wireroom(data_dir: Path, *arguments: str, **variables: str) -> Printed:
    """Run `wireroom` with these arguments in an environment of its own."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(data_dir),
        "WIREROOM_DATA_DIR": str(data_dir),
        "WIREROOM_BACKEND": "demo",
        "WEBHOOK_SECRET": API_SECRET,
        **variables,
    }
    return await run(arguments, environment)


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Lend Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
def data_dir(database_path: Path) -> Path:
    """Return a data folder with a migrated database."""
    return database_path.parent


@pytest.fixture
async def service(data_dir: Path, telegram: BotAPIServer) -> AsyncIterator[Service]:
    """Lend a running service with a bot, whose flood rules are lifted."""
    async with running_service(
        data_dir, telegram, chat_messages_per_second=1000.0, messages_per_second=1000
    ) as running:
        yield running


@pytest.fixture
def chat(telegram: BotAPIServer) -> Chat:
    """Return the private chat of the one who may talk to the bot."""
    return telegram.private_chat(telegram.user(OWNER))


# Without a service


def test_help_lists_every_command() -> None:
    """`--help` names the commands; that it imports nothing heavy for it is the next test's."""
    done = subprocess.run([*PROGRAM, "--help"], capture_output=True, text=True, check=True)

    for command in ("up", "login", "pair", "doctor", "version", "runs", "deliveries", "updates", "telegram"):
        assert re.search(rf"\b{command}\b", done.stdout)


def test_command_line_imports_nothing_heavy() -> None:
    """What only some commands need is not imported by the others."""
    code = f"import sys, wireroom.cli.main; print([one for one in {HEAVY!r} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


async def test_webhook_is_not_set_from_a_folder_without_an_installation(
    tmp_path: Path, telegram: BotAPIServer
) -> None:
    """Started in the wrong folder, the command makes no data folder and sets no secret that nobody checks."""
    elsewhere = tmp_path / "elsewhere"
    bot = {"TELEGRAM_BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": telegram.url, "HOME": str(tmp_path)}
    printed = await wireroom(elsewhere, "telegram", "set-webhook", "--url", "https://x.example/w", **bot)
    assert printed.code == 1
    assert "there is no folder" in printed.err
    assert not elsewhere.exists()


async def test_version_is_the_package_version(tmp_path: Path) -> None:
    """`version` prints the version alone."""
    assert await wireroom(tmp_path, "version") == Printed(0, f"{__version__}\n", "")


async def test_commands_in_the_wrong_folder_make_nothing(tmp_path: Path) -> None:
    """Where Wireroom never ran a command names the missing file and the setting; the doctor only looks."""
    missing = tmp_path / "new"
    for command in (("runs", "list"), ("login",), ("pair",)):
        said = await wireroom(missing, *command)
        assert (said.code, said.out) == (1, "")
        assert f"{missing}/wireroom.sqlite3" in said.err
        assert "WIREROOM_DATA_DIR" in said.err
        assert "Traceback" not in said.err
    found = await _doctor(missing)

    assert (found.code, found.problems) == (0, {})
    assert not missing.exists()


async def test_commands_work_on_an_empty_installation(data_dir: Path) -> None:
    """Where nothing has been asked yet, lists are empty and unknown things are said to be unknown."""
    empty = await wireroom(data_dir, "runs", "list")
    unknown = await wireroom(data_dir, "runs", "show", "run-x")

    assert empty == Printed(0, "No runs yet.\n", "")
    assert (unknown.code, unknown.out) == (1, "")
    assert "There is no run run-x." in unknown.err


@pytest.mark.parametrize("command", [("up",), ("runs", "list"), ("doctor",), ("login",)], ids=" ".join)
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("PORT", "eighty", id="no-number"),
        pytest.param("WIREROOM_DATABASE_URL", "mysql://host/db", id="unknown-database"),
    ],
)
async def test_bad_setting_is_one_sentence(
    tmp_path: Path, command: tuple[str, ...], variable: str, value: str
) -> None:
    """A setting that cannot be used ends every command with its name, exit code 1 and no traceback."""
    said = await wireroom(tmp_path, *command, **{variable: value})

    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith("wireroom: ")
    assert f"{variable}: " in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param({"WIREROOM_BACKEND": "hal"}, "WIREROOM_BACKEND", id="unknown-agent"),
        pytest.param({"TELEGRAM_BOT_TOKEN": "abc"}, "TELEGRAM_BOT_TOKEN", id="odd-token"),
        pytest.param({"HOST": "300.1.1.1"}, "HOST, PORT", id="odd-address"),
        pytest.param({"WIREROOM_DATA_DIR": "/dev/null/data"}, "WIREROOM_DATA_DIR", id="no-folder"),
        pytest.param({"SHARED_DB_PATH": "/etc/passwd"}, "/etc/passwd", id="no-database"),
    ],
)
async def test_up_says_why_it_cannot_start(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    """What keeps the service from starting is told in one sentence, with exit code 1 and no traceback."""
    said = await wireroom(tmp_path, "up", **{"PORT": "0", **variables})

    assert said.code == 1
    assert said.err.startswith("wireroom: ")
    assert words in said.err
    assert "Traceback" not in said.err


async def test_second_service_on_the_same_file_is_told_so(service: Service, data_dir: Path) -> None:
    """A second `up` on a database that is being worked on ends at once and names the file."""
    said = await wireroom(data_dir, "up", PORT="0")

    assert said.code == 1
    assert "wireroom.sqlite3" in said.err
    assert "Traceback" not in said.err


async def test_second_signal_ends_the_wait_for_agents(data_dir: Path) -> None:
    """The first SIGTERM lets an agent end for as long as is set; the second stops the service at once."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(data_dir),
        "WIREROOM_DATA_DIR": str(data_dir),
        "WIREROOM_BACKEND": "demo",
        "WEBHOOK_SECRET": API_SECRET,
        "PORT": "0",
        "WIREROOM_DRAIN_SECONDS": "50",
    }
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "up", env=environment, stdin=subprocess.DEVNULL, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            address = (await process.stdout.readline()).decode().split()[-1]
            headers = {"Authorization": f"Bearer {API_SECRET}"}
            async with aiohttp.ClientSession(address, headers=headers) as http:
                async with http.post(
                    "/api/chat/messages", json={"text": "sleep 60", "request_id": "request-0001"}
                ) as response:
                    assert response.status < 300, await response.text()

                async def runs() -> bool:
                    async with http.get("/api/runs") as response:
                        return [run["state"] for run in (await response.json())["runs"]] == ["running"]

                await eventually(runs, "the agent runs", 10)
            process.send_signal(signal.SIGTERM)
            while b"stopping" not in (line := await process.stderr.readline()):
                assert line
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


# Runs


async def _only_run(data_dir: Path, state: str) -> str:
    """Return the id of the one run once it is in this state."""
    found: list[dict[str, str]] = []

    async def arrived() -> bool:
        said = await wireroom(data_dir, "runs", "list", "--state", state, "--json")
        found[:] = json.loads(said.out)
        return bool(found)

    await eventually(arrived, f"a run is {state}", 30)
    assert len(found) == 1
    return found[0]["id"]


async def test_runs_are_listed_shown_and_cancelled(
    service: Service, data_dir: Path, telegram: BotAPIServer, chat: Chat
) -> None:
    """A running run is listed, shown with its log, cancelled in the chat too, and cancelled only once."""
    await telegram.user_says(chat, "sleep 60")
    run_id = await _only_run(data_dir, "running")
    listed = await wireroom(data_dir, "runs", "list")
    cancelled = await wireroom(data_dir, "runs", "cancel", run_id)
    await eventually(
        lambda: any("⏹ Stopped." in message.text for message in telegram.visible(chat)), "it is stopped", 20
    )
    shown = await wireroom(data_dir, "runs", "show", run_id)
    again = await wireroom(data_dir, "runs", "cancel", run_id)
    unknown = await wireroom(data_dir, "runs", "cancel", "run-x")

    assert re.search(rf"^{run_id} +running .* sleep 60 *$", listed.out, re.MULTILINE)
    assert cancelled == Printed(0, "It is being stopped.\n", "")
    assert f"{run_id}  cancelled  demo" in shown.out
    assert "reason: Stopped on request." in shown.out
    assert "> sleep 60" in shown.out
    assert again == Printed(0, "It had ended already.\n", "")
    assert (unknown.code, unknown.err.strip()) == (1, "wireroom: There is no run run-x.")


async def test_waiting_run_is_taken_out_of_the_queue(
    service: Service, data_dir: Path, telegram: BotAPIServer, chat: Chat
) -> None:
    """A run that waits behind another is cancelled before it begins."""
    await telegram.user_says(chat, "sleep 60")
    await telegram.user_says(chat, "list files")
    run_id = await _only_run(data_dir, "queued")
    said = await wireroom(data_dir, "runs", "cancel", run_id)

    assert said == Printed(0, "It was waiting and will not run.\n", "")
    await _only_run(data_dir, "cancelled")


async def test_run_is_asked_again_in_its_chat(
    service: Service, data_dir: Path, telegram: BotAPIServer, chat: Chat
) -> None:
    """`runs retry` runs the same prompt again and answers where it was asked first."""
    await telegram.user_says(chat, "calculate 6 * 7")
    run_id = await _only_run(data_dir, "succeeded")
    said = await wireroom(data_dir, "runs", "retry", run_id)

    assert re.fullmatch(r"Queued as run-\S+\.\n", said.out)
    assert run_id not in said.out
    await eventually(
        lambda: [message.text for message in telegram.visible(chat) if "42" in message.text][1:],
        "both are answered",
        20,
    )


async def test_prompt_with_markup_is_listed_as_it_is(
    service: Service, data_dir: Path, telegram: BotAPIServer, chat: Chat
) -> None:
    """Brackets in a prompt are neither taken for colours nor an error."""
    await telegram.user_says(chat, "fix [/path] and [red]this")
    await _only_run(data_dir, "succeeded")

    assert "fix [/path] and [red]this" in (await wireroom(data_dir, "runs", "list")).out


# Dead letters


async def test_dead_delivery_is_listed_retried_and_discarded(
    service: Service, data_dir: Path, telegram: BotAPIServer, chat: Chat
) -> None:
    """An answer that Telegram refused is listed with the reason; it can be sent again, or dropped."""
    block = telegram.fault(blocked(), chat=chat, count=None)
    await telegram.user_says(chat, "/queue")
    await telegram.user_says(chat, "/status")

    async def dead() -> list[str]:
        said = await wireroom(data_dir, "deliveries", "list", "--state", "dead")
        return re.findall(r"^(\d+) +dead .*blocked by the user", said.out, re.MULTILINE)

    await eventually(lambda: _has_two(dead), "both are dead", 20)
    block.lift()
    second, first = await dead()
    retried = await wireroom(data_dir, "deliveries", "retry", first)
    discarded = await wireroom(data_dir, "deliveries", "discard", second)
    answer = "Nothing runs and nothing waits."
    await eventually(
        lambda: [message.text for message in telegram.visible(chat)[2:]] == [answer], "the first is sent", 20
    )

    assert retried == Printed(0, "It will be sent again.\n", "")
    assert discarded == Printed(0, "Discarded.\n", "")
    assert await dead() == []
    for command in ("retry", "discard"):
        refused = await wireroom(data_dir, "deliveries", command, second)
        assert (refused.code, "is not dead" in refused.err) == (1, True)


async def _has_two(found: Callable[[], Awaitable[list[str]]]) -> bool:
    return len(await found()) == 2


def _poison(conn: Connection) -> None:
    """Store two updates that cannot be read, as an older release might have left them."""
    for update_id in (1001, 1002):
        conn.exec_driver_sql(
            "INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, received_at) "
            f"VALUES (123456, {update_id}, 'message', 'l', 'no JSON', 'received', 0)"
        )
        conn.exec_driver_sql(
            "INSERT INTO jobs (queue, kind, ref, run_at, state, enqueued_at) "
            "SELECT 'intake', 'update', max(id), 0, 'waiting', 0 FROM updates"
        )


async def test_dead_update_is_listed_retried_and_discarded(service: Service, data_dir: Path) -> None:
    """An update that could not be handled is listed with the reason; it can be tried again, or dropped."""
    await service.services.db.write(_poison)

    async def dead() -> list[str]:
        said = await wireroom(data_dir, "updates", "list")
        return re.findall(r"^(\d+) +100[12] +message .*BadInput", said.out, re.MULTILINE)

    await eventually(lambda: _has_two(dead), "both are dead", 30)
    second, first = await dead()
    discarded = await wireroom(data_dir, "updates", "discard", second)
    retried = await wireroom(data_dir, "updates", "retry", first)

    assert discarded == Printed(0, "Discarded.\n", "")
    assert retried == Printed(0, "It will be handled again.\n", "")
    refused = await wireroom(data_dir, "updates", "retry", second)
    assert (refused.code, "is not dead" in refused.err) == (1, True)

    async def dead_again() -> bool:
        return await dead() == [first]

    await eventually(dead_again, "the retried one is dead again", 30)


# Letting people in


async def test_printed_login_opens_the_page_once(service: Service, data_dir: Path) -> None:
    """The link logs a browser in, and only the first that opens it."""
    link = (await wireroom(data_dir, "login")).out.strip()
    html = {"Accept": "text/html"}

    assert link.startswith(f"{service.address}/login?code=")
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers=html) as browser, browser.get(link) as page:
        assert page.status == 200
        assert str(page.url) == f"{service.address}/"
        assert len(page.history) == 1
    async with aiohttp.ClientSession(headers=html) as other, other.get(link) as refused:
        assert refused.status == 403


async def test_printed_code_lets_a_stranger_in(
    service: Service, data_dir: Path, telegram: BotAPIServer
) -> None:
    """Whoever sends the code to the bot is answered from then on."""
    code = (await wireroom(data_dir, "pair", **_bot(telegram))).out.strip()
    stranger = telegram.private_chat(telegram.user(99, "Grace"))
    await telegram.user_says(stranger, code.lower())
    await eventually(
        lambda: [message.text for message in telegram.visible(stranger) if "Paired" in message.text], "paired"
    )
    await telegram.user_says(stranger, "/queue")
    await eventually(lambda: "Nothing runs" in telegram.visible(stranger)[-1].text, "answered")


async def test_pairing_code_without_a_bot_comes_with_a_warning(data_dir: Path) -> None:
    """The code alone is on the output; that no bot is set up here is said beside it."""
    said = await wireroom(data_dir, "pair")

    assert said.code == 0
    assert len(said.out.splitlines()) == 1
    assert "TELEGRAM_BOT_TOKEN" in said.err


# Doctor


@dataclass(frozen=True, slots=True)
class Findings:
    """What the doctor found."""

    code: int
    problems: dict[str, str]
    subjects: list[str]


async def _doctor(data_dir: Path, **variables: str) -> Findings:
    said = await wireroom(data_dir, "doctor", "--json", **variables)
    found = json.loads(said.out)
    problems = {one["subject"]: one["text"] for one in found if not one["ok"]}
    return Findings(said.code, problems, [one["subject"] for one in found])


def _bot(telegram: BotAPIServer) -> dict[str, str]:
    return {"TELEGRAM_BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": telegram.url}


async def test_doctor_finds_a_good_installation_good(data_dir: Path, telegram: BotAPIServer) -> None:
    """With everything in order there is no problem, the exit code is 0 and every subject is named."""
    found = await _doctor(data_dir, **_bot(telegram))

    assert (found.code, found.problems) == (0, {})
    assert found.subjects == [
        "SQLite",
        "Data folder",
        "Database",
        "Redis",
        "Coding agent",
        "Telegram",
        "Webhook",
        "Hearing",
        "Speaking",
        "Address",
    ]


@pytest.mark.parametrize(
    ("variables", "code", "subject", "words"),
    [
        pytest.param(
            {"WIREROOM_DATA_DIR": "/dev/null/d"}, 1, "Data folder", "WIREROOM_DATA_DIR", id="no-folder"
        ),
        pytest.param({"SHARED_DB_PATH": "/etc/passwd"}, 1, "Database", "/etc/passwd", id="no-database"),
        pytest.param({"WIREROOM_BACKEND": "hal"}, 1, "Coding agent", "WIREROOM_BACKEND", id="no-such-agent"),
        pytest.param(
            {"WIREROOM_BACKEND": "claude"}, 1, "Coding agent", "not installed", id="agent-not-installed"
        ),
        pytest.param({"TELEGRAM_BOT_TOKEN": "abc"}, 1, "Telegram", "TELEGRAM_BOT_TOKEN", id="odd-token"),
        pytest.param({"HOST": "0.0.0.0"}, 0, "Address", "TLS", id="open-to-the-network"),  # noqa: S104
        pytest.param({"WEBHOOK_SECRET": "changeme"}, 0, "Secrets", "WEBHOOK_SECRET", id="guessable-secret"),
    ],
)
async def test_doctor_names_what_is_wrong(
    data_dir: Path, variables: dict[str, str], code: int, subject: str, words: str
) -> None:
    """Each problem is told under its subject with the remedy; only what stops the work fails the command."""
    found = await _doctor(data_dir, **variables)

    assert found.code == code
    assert words in found.problems[subject]


async def test_doctor_says_when_telegram_refuses_the_token(data_dir: Path, telegram: BotAPIServer) -> None:
    """A token that Telegram does not know is a problem, and is not printed."""
    found = await _doctor(data_dir, TELEGRAM_BOT_TOKEN="1:unknown", TELEGRAM_API_URL=telegram.url)

    assert "Check TELEGRAM_BOT_TOKEN" in found.problems["Telegram"]
    assert "unknown" not in found.problems["Telegram"].replace("Unauthorized", "")


async def test_doctor_says_when_a_webhook_starves_polling(data_dir: Path, telegram: BotAPIServer) -> None:
    """A webhook set elsewhere is named with the command that removes it, and that command removes it."""
    bot = _bot(telegram)
    elsewhere = await wireroom(
        data_dir, "telegram", "set-webhook", "--url", "https://old.example/telegram/webhook", **bot
    )
    found = await _doctor(data_dir, **bot)
    removed = await wireroom(data_dir, "telegram", "delete-webhook", **bot)

    assert elsewhere.code == removed.code == 0
    assert "https://old.example" in found.problems["Webhook"]
    assert "wireroom telegram delete-webhook" in found.problems["Webhook"]
    assert (await _doctor(data_dir, **bot)).problems == {}


async def test_doctor_says_when_the_webhook_points_elsewhere(data_dir: Path, telegram: BotAPIServer) -> None:
    """With a public address set, a webhook that is not set there is named with its remedy, which works."""
    bot = {**_bot(telegram), "TELEGRAM_WEBHOOK_BASE_URL": "https://new.example"}
    found = await _doctor(data_dir, **bot)
    fixed = await wireroom(data_dir, "telegram", "set-webhook", **bot)
    info = await wireroom(data_dir, "telegram", "webhook-info", **bot)

    assert "wireroom telegram set-webhook" in found.problems["Webhook"]
    assert fixed.code == 0
    assert json.loads(info.out)["webhook_info"]["result"]["url"] == "https://new.example/telegram/webhook"
    assert (await _doctor(data_dir, **bot)).problems == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("web",), "WIREROOM_DATABASE_URL: `wireroom web` needs PostgreSQL"),
        (("worker", "--queues", "runs,mail"), "--queues: there is no queue mail. Known: intake, runs"),
    ],
    ids=["web on a file", "wrong queue"],
)
async def test_share_of_the_service_says_why_it_does_not_begin(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """What a web or a worker lacks is one sentence on standard error, and exit code 1."""
    printed = await wireroom(tmp_path, *arguments)

    assert printed.code == 1
    assert printed.err.startswith(f"wireroom: {said}")
    assert printed.err.count("\n") == 1
