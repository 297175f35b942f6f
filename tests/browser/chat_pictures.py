"""Pictures of answers as a chat shows them, text and rich, and of a draft: `make chat-pictures`.

The sender and the drafts are the product's own; Telegram is played, and drawn by `testing.bot_api.screen`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from playwright.async_api import Browser, async_playwright

from browser.conftest import ARGUMENTS, CHROMIUM
from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock, to_ms
from wireroom.conversations.chat_settings import change_chat_settings
from wireroom.delivery import outbox
from wireroom.delivery.draft_ways import Way
from wireroom.delivery.drafts import draft_of
from wireroom.delivery.lanes import LaneRules, Lanes
from wireroom.delivery.outbox import Button, Recipient
from wireroom.delivery.permits import MemoryPermits
from wireroom.delivery.sender import Sender, SenderPolicy
from wireroom.delivery.spots import Spot
from wireroom.delivery.strays import Strays
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api.screen import chat_page
from wireroom.testing.eventually import eventually

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "chat"
WIDTH = 400
LANE = "telegram:123456:7:0"
DRAWABLE = str.maketrans({"⏳": "◔", "✅": "✔", "⏹": "■", "🔁": "↻", "📄": "≡", "🆕": "✚", "\ufe0f": None})
"""Signs of fonts that every machine has, for emoji that it may lack."""
BUTTONS = tuple(
    Button(text, f"w:x:{n}") for n, text in enumerate(("🔁 Try again", "➡️ Go on", "📄 Diff", "🆕 New"))
)
DIFF = """diff --git a/shop/cart.py b/shop/cart.py
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -12,7 +12,9 @@ class Cart:
     def total(self) -> Decimal:
-        return sum(line.price for line in self.lines)
+        prices = (line.price * line.count for line in self.lines)
+        return sum(prices, Decimal(0))
     def clear(self) -> None:
-        self.lines = []
+        self.lines.clear()
"""
PLAN = """## Plan

- [x] Read `shop/cart.py` and its tests
- [x] Find why the total is **wrong**
- [ ] Mend it, with a test for two of a kind
- [ ] Run everything

1. First the test, so that it fails
2. Then the code
   - no change of the [interface](https://example.org/api)
"""
TABLE = """The three slowest endpoints of last night:

| Endpoint | Calls | p50 | p99 | Trend |
|---|--:|--:|--:|:-:|
| `GET /orders` | 12,480 | 41 ms | 320 ms | +12 % |
| `POST /cart/items` | 8,031 | 18 ms | 95 ms | 0 % |
| `GET /search?q=…` | 52,907 | 77 ms | 810 ms | -31 % |

> `GET /search` is better because the index is used again.
"""
CODE = """### Done

The total now counts **each** item:

```python
def total(self) -> Decimal:
    prices = (line.price * line.count for line in self.lines)
    return sum(prices, Decimal(0))
```

Tests: `pytest -q` says *84 passed*. See [the run](https://example.org/runs/7).
"""
ANSWERS = {
    "plan": PLAN,
    "table": TABLE,
    "long-diff": f"What I changed:\n\n```diff\n{DIFF}{DIFF.replace('cart', 'order')}```\n\nAll tests pass.",
    "code": CODE,
}
PICTURES = (("plan", "auto"), ("table", "auto"), ("table", "off"), ("long-diff", "auto"), ("code", "off"))
"""Which answers, and the choice of `/rich` that they are shown by."""
WRITING = f"⏳ Working …\n\n✅ Read the tests\n▶️ Find the mistake\n▫️ Mend it\n\n{TABLE}\nI think that the"


async def main() -> None:
    """Take the pictures into `docs/images/chat`, or into the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, look in PICTURES:
            shown = "text" if look == "off" else "rich"
            await picture(browser, folder / f"{name}-{shown}.png", look, ANSWERS[name])
        await picture(browser, folder / "draft.png", "auto", None)
        await browser.close()


async def picture(browser: Browser, path: Path, look: str, answer: str | None) -> None:
    """Have an answer sent, or without one a draft shown, and draw the chat."""
    with TemporaryDirectory(prefix="wireroom-chat-") as data_dir:
        async with (
            BotAPIServer() as telegram,
            open_engine(Settings(data_dir=Path(data_dir)), SystemClock()) as engine,
            aiohttp.ClientSession() as session,
        ):
            client = TelegramClient(telegram.token, session, telegram.url)
            ada = telegram.private_chat(telegram.user(7, "Ada"))
            asked = telegram.message_id_of(await telegram.user_says(ada, "Why is the total wrong?"))
            if answer is not None:
                now_ms = to_ms(SystemClock().now())
                await engine.db.write(lambda conn: change_chat_settings(conn, LANE, now_ms, rich=look))
                await send(telegram, engine, client, Recipient(LANE, 123456, ada.id, reply_to=asked), answer)
            else:
                placed = Spot(1, ada.id, None, asked, rich=True)
                await client.call(draft_of(placed, WRITING, Way.RICH))
            page = await browser.new_page(viewport={"width": WIDTH, "height": 200}, device_scale_factor=1)
            shown = chat_page(telegram.visible(ada), telegram.drafts(ada))
            await page.set_content(shown.translate(DRAWABLE))
            await page.screenshot(path=path, full_page=True)
            await page.close()


async def send(
    telegram: BotAPIServer, engine: Engine, client: TelegramClient, to: Recipient, answer: str
) -> None:
    """Send the answer as the product does."""
    clock = SystemClock()
    permits = MemoryPermits(Lanes(LaneRules(chat_spacing_seconds=0.001, edit_spacing_seconds=0.001)), clock)
    sender = Sender(
        client=client,
        db=engine.db,
        jobs=engine.jobs,
        clock=clock,
        permits=permits,
        strays=Strays(),
        policy=SenderPolicy(),
        draw=lambda: 0.0,
    )
    now_ms = to_ms(clock.now())
    await engine.db.write(
        lambda conn: outbox.send_notice(conn, engine.jobs, to, answer, now_ms=now_ms, buttons=BUTTONS)
    )
    work = asyncio.create_task(engine.worker.run({outbox.KIND: sender.handle}), name="jobs")
    await eventually(lambda: any(one.buttons for one in telegram.visible(to.chat_id)), "the answer is shown")
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
