"""Pictures of every screen, on a desktop and on a phone, light and dark: `make screenshots`.

The program that is shown is a real one with the demo agent, and what it shows was asked of it over its API.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import aiohttp
from playwright.async_api import Browser, Page, async_playwright

from browser.conftest import ARGUMENTS, CHROMIUM, Program, start, stop
from browser.dead_letters import plant
from wireroom.testing.eventually import eventually
from wireroom.web.screens import CHAT, SCREENS, Screen

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "screens"
SIZES: Mapping[str, tuple[int, int]] = {"desktop": (1280, 800), "phone": (360, 780)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_SETTLED_MS = 900
_TASKS = (
    "Update the dependencies and run the tests",
    "Write the release notes for 1.4",
    "Find out why the nightly build is slow",
    "Rename `Fetcher` to `Client` everywhere",
    "Add a dark theme to the settings page",
)
_AGENTS: tuple[dict[str, Any], ...] = (
    {"name": "morning-report", "schedule": "30 7 * * 1-5", "prompt": "Summarise what was merged yesterday"},
    {"name": "dependency-check", "schedule": "0 4 * * *", "prompt": "Look for outdated dependencies"},
)


async def main() -> None:
    """Take the pictures into `docs/images/screens`, or into the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="wireroom-screens-") as data_dir:
        await stop(await start(Path(data_dir)))  # makes the database
        await plant(Path(data_dir) / "wireroom.sqlite3")
        program = await start(Path(data_dir))
        try:
            await fill(program, Path(data_dir))
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                await take_all(browser, program, folder)
                await browser.close()
        finally:
            await stop(program)


async def fill(program: Program, data_dir: Path) -> None:
    """Give the program something to show."""
    secret = (data_dir / "api-secret").read_text(encoding="utf-8").strip()
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(program.address, headers=headers) as client:
        for number, prompt in enumerate(_TASKS):
            await _send(client, "/api/tasks", {"prompt": prompt, "status": 0 if number < 3 else 3})
        for agent in _AGENTS:
            await _send(client, "/agents", agent)
        for number, text in enumerate(("calculate 6 * 7", "list files", "explain what you can do")):
            await _send(client, "/api/chat/messages", {"request_id": f"shot-{number}", "text": text})
        await _answered(client)
        await _send(client, "/api/chat/messages", {"request_id": "shot-long", "text": "count to 300 slowly"})


async def take_all(browser: Browser, program: Program, folder: Path) -> None:
    """Log in once, and show every screen in every size and theme."""
    first = await browser.new_context()
    await (await first.new_page()).goto(program.login_link)
    state = await first.storage_state()
    for size, (width, height) in SIZES.items():
        for theme in THEMES:
            context = await browser.new_context(
                storage_state=state, color_scheme=theme, viewport={"width": width, "height": height}
            )
            page = await context.new_page()
            for screen in SCREENS:
                await take(page, program, screen, folder / f"{screen.name}-{size}-{theme}.png")
            await context.close()


async def take(page: Page, program: Program, screen: Screen, path: Path) -> None:
    """Take one picture once the screen is live and has settled."""
    await page.goto(program.address + screen.path)
    await page.wait_for_selector("#connection[data-state=live]")
    await page.wait_for_timeout(_SETTLED_MS)
    if screen.name in OPENED:
        await OPENED[screen.name](page)
        await page.wait_for_timeout(_SETTLED_MS)
    await page.screenshot(path=path)


async def _to_the_end(page: Page) -> None:
    await page.locator("#scroller").evaluate("element => (element.scrollTop = element.scrollHeight)")


async def _open_a_run(page: Page) -> None:
    await page.get_by_text("list files").first.click()


async def _open_a_file(page: Page) -> None:
    await page.get_by_text("notes", exact=True).first.click()
    await page.get_by_text(".md").first.click()


OPENED = {CHAT: _to_the_end, "runs": _open_a_run, "files": _open_a_file}
"""What is done on a screen before its picture is taken."""


async def _answered(client: aiohttp.ClientSession) -> None:
    """Wait until the agent has answered what it was asked."""

    async def idle() -> bool:
        async with client.get("/api/chat") as response:
            shown = (await response.json())["runs"]
        return all(run["finished_at"] for run in shown)

    await eventually(idle, "the agent answered everything")


async def _send(client: aiohttp.ClientSession, path: str, body: Mapping[str, Any]) -> None:
    async with client.post(path, json=body) as response:
        if not response.ok:
            raise SystemExit(f"POST {path} answered {response.status}: {await response.text()}")


if __name__ == "__main__":
    asyncio.run(main())
