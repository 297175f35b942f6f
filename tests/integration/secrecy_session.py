"""A session in a process of its own, whose log is read afterwards; run by `test_secrecy`.

It prints, as one JSON object, what must not have been logged: {"what it is": "its text"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import Connection

from running_service import API_SECRET, OWNER, WEBHOOK_SECRET, StoreFault, client_of, running_service
from wireroom.app.service import Service
from wireroom.cli.logs import set_up_logs
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import DropAfter, blocked, broken
from wireroom.testing.eventually import eventually

PROMPT = "write marzipan to haystack.txt"
STRANGER = 8


async def session(folder: Path) -> dict[str, str]:
    """Run a service through successes, refusals and faults of every room."""
    fault = StoreFault()
    async with (
        BotAPIServer("123456:AAE-very-secret-token") as telegram,
        running_service(folder, telegram, fault.engine) as service,
    ):
        code = await service.pairing_code()
        login = (await service.login_link()).partition("code=")[2]
        await _talk(service, telegram)
        await _call(service, fault)
        await eventually(lambda: service.services.db.read(_is_dead), "the unreadable update is given up", 20)
        return {
            "token": telegram.token.partition(":")[2],
            "API secret": API_SECRET,
            "webhook secret": WEBHOOK_SECRET,
            "pairing code": code,
            "login code": login,
            "prompt": "marzipan",
            "answer": "haystack",
            "stranger's words": "let me in",
            "stored update": "secret-choice",
        }


async def _talk(service: Service, telegram: BotAPIServer) -> None:
    """Have people talk while Telegram fails, and one stored update be unreadable."""
    chat = telegram.private_chat(telegram.user(OWNER))
    stranger = telegram.private_chat(telegram.user(STRANGER))
    telegram.fault(DropAfter(), method="sendMessage", chat=chat)
    telegram.fault(broken(), method="editMessageText", chat=chat)
    telegram.fault(blocked(), chat=stranger, count=None)
    await telegram.user_says(chat, PROMPT)
    await telegram.user_says(stranger, "let me in")
    await eventually(lambda: _is_answered(telegram), "the prompt is answered", 30)
    await telegram.user_edits(chat, telegram.visible(chat)[0].id, PROMPT + " twice")
    await service.services.db.write(_poison)


def _is_answered(telegram: BotAPIServer) -> bool:
    return any("haystack" in message.text for message in telegram.visible(OWNER) if message.from_bot)


def _is_dead(conn: Connection) -> bool:
    states = conn.exec_driver_sql("SELECT state FROM updates WHERE update_id = 999").scalars()
    return list(states) == ["dead"]


def _poison(conn: Connection) -> None:
    conn.exec_driver_sql(
        "INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, received_at) "
        "VALUES (123456, 999, 'message', 'l', 'secret-choice, not JSON', 'received', 0)"
    )
    conn.exec_driver_sql(
        "INSERT INTO jobs (queue, kind, ref, run_at, state, enqueued_at) "
        "SELECT 'intake', 'update', max(id), 0, 'waiting', 0 FROM updates"
    )


async def _call(service: Service, fault: StoreFault) -> None:
    """Call routes with right and wrong secrets in headers, bodies and addresses."""
    update = {"update_id": 5, "message": {"text": PROMPT}}
    signed = {"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET}
    async with client_of(service) as http:
        for headers in ({"X-Telegram-Bot-Api-Secret-Token": API_SECRET}, signed):
            async with http.post("/telegram/webhook", json=update, headers=headers):
                pass
        for secret in (API_SECRET, WEBHOOK_SECRET):
            for path in ("/telegram/webhook_info", "/api/runs", "/api/chat", "/nowhere"):
                for headers in ({}, {"X-Admin-Secret": secret}, {"Authorization": f"Bearer {secret}"}):
                    async with http.get(f"{path}?admin_secret={secret}&secret={secret}", headers=headers):
                        pass
        fault.reason = "broken on purpose"
        async with http.post("/telegram/webhook", json=update, headers=signed):
            pass
        fault.reason = None


if __name__ == "__main__":
    set_up_logs(sys.argv[1], coloured=sys.argv[2] == "terminal")
    sys.stdout.write(json.dumps(asyncio.run(session(Path(sys.argv[3])))))
