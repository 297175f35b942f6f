"""`telegram-test-api` of npm as a process, and a person who talks to the bot through it.

What it does otherwise than the documented Bot API, so that nobody looks for it here:

- `result` is null where an edit, a deletion, an answer to a press and `setWebhook` should give true;
- updates are handed out once, without a look at `offset`, and a long poll is answered at once;
- it does not know `secret_token`, so a webhook gets no header with it;
- formats and lengths are not looked at, and it knows few methods: others are a 500.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

_PROGRAM = Path(__file__).with_name("emulator.js")
_SECONDS = 20.0
TOKEN = "123456:AAE-second-opinion"
ADA: dict[str, Any] = {"id": 7, "is_bot": False, "first_name": "Ada"}
CHAT: dict[str, Any] = {"id": 7, "type": "private", "first_name": "Ada"}


class Emulator:
    """A running emulator, as the person sees it."""

    def __init__(self, address: str, http: aiohttp.ClientSession) -> None:
        """Talk to it at this address."""
        self.address = address
        self.http = http

    async def say(self, text: str) -> None:
        """Send a message as Ada."""
        await self._tell("sendMessage", chat=CHAT, text=text)

    async def press(self, message_id: int, data: str) -> None:
        """Press a button below a message as Ada."""
        message = {"message_id": message_id, "chat": CHAT, "date": int(time.time())}
        await self._tell("sendCallback", message=message, data=data)

    async def shown(self) -> dict[int, dict[str, Any]]:
        """Return what the bot's messages are now, by id, as the bot sent and edited them."""
        history = (await self._post("getUpdatesHistory", {"token": TOKEN}))["result"]
        return {one["messageId"]: one["message"] for one in history if "chat_id" in one.get("message", {})}

    async def _tell(self, route: str, **fields: Any) -> None:
        await self._post(route, {"botToken": TOKEN, "from": ADA, "date": int(time.time()), **fields})

    async def _post(self, route: str, body: dict[str, Any]) -> Any:
        async with self.http.post(f"{self.address}/{route}", json=body) as response:
            return await response.json()


@asynccontextmanager
async def running_emulator() -> AsyncIterator[Emulator]:
    """Lend a started emulator; `make test-telegram-api` names the folder it is installed in."""
    environment = {"PATH": os.environ["PATH"], "NODE_PATH": os.environ["WIREROOM_TEST_TELEGRAM_API"]}
    process = await asyncio.create_subprocess_exec(
        "node", str(_PROGRAM), env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_SECONDS):
            port = int(await process.stdout.readline())
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_SECONDS)) as http:
            yield Emulator(f"http://127.0.0.1:{port}", http)
    finally:
        process.stdin.close()
        async with asyncio.timeout(_SECONDS):
            assert await process.wait() == 0
