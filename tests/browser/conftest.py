"""A real browser on the real program: `wireroom up` forked, Debian's Chromium, only the loopback."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from forked_stdio import door

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_START_SECONDS = 30
_LEFT_OUT = f"Left out: the browser tests need Debian's {CHROMIUM} (apt-get install chromium)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the browser tests out where there is no browser, and say so; on CI that is a failure.

    Raises:
        UsageError: CI=true and there is no Chromium.
    """
    ours = [item for item in items if item.get_closest_marker("browser")]
    if CHROMIUM.exists() or not ours:
        return
    if os.environ.get("CI") == "true":
        raise pytest.UsageError(f"{CHROMIUM} is missing, and on CI the browser tests must run.")
    for item in ours:
        item.add_marker(pytest.mark.skip(reason=_LEFT_OUT))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that the browser tests did not run."""
    if not CHROMIUM.exists():
        terminalreporter.write_line(_LEFT_OUT, yellow=True)


@dataclass
class Program:
    """A running `wireroom up`."""

    process: asyncio.subprocess.Process
    address: str
    login_link: str


async def start(data_dir: Path, port: int = 0, **settings: str) -> Program:
    """Start the program over a data folder, with more settings, and read what it prints for people."""
    environment = {
        "PATH": os.environ["PATH"],
        "WIREROOM_DATA_DIR": str(data_dir),
        "WIREROOM_BACKEND": "demo",
        "WIREROOM_DRAIN_SECONDS": "0",
        "PORT": str(port),
        **settings,
    }
    with (data_dir / "service.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *door(), "up", env=environment, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    async with asyncio.timeout(_START_SECONDS):
        while line := (await process.stdout.readline()).decode():
            if found := re.search(r"(http://[\d.:]+)/login\?code=\w+", line):
                return Program(process, found[1], found[0])
    raise AssertionError("wireroom up ended without printing a login link")


async def stop(program: Program) -> None:
    """End the program as a person would, and wait for it."""
    with suppress(ProcessLookupError):
        program.process.terminate()
    async with asyncio.timeout(_START_SECONDS):
        await program.process.wait()


@pytest.fixture
async def program(database_path: Path) -> AsyncIterator[Program]:
    """Lend a running program over a data folder of its own."""
    running = await start(database_path.parent)
    yield running
    await stop(running)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Lend a headless Chromium."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        await chromium.close()


@dataclass
class Watch:
    """What must not happen in any page of a test."""

    complaints: list[str] = field(default_factory=list)
    """Console errors and warnings, exceptions that nobody caught, answers that were errors."""
    foreign: list[str] = field(default_factory=list)
    """Requests to anywhere but the loopback."""

    def forgive_lost_connections(self) -> None:
        """Forget complaints about a program that the test itself had stopped."""
        self.complaints = [text for text in self.complaints if "ERR_" not in text]

    def over(self, page: Page) -> None:
        """Watch a page from now on."""
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                self.foreign.append(request.url) if urlsplit(request.url).hostname != "127.0.0.1" else None
            ),
        )


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """Fail the test when a page complained or asked for anything outside."""
    seen = Watch()
    yield seen
    assert seen.foreign == []
    assert seen.complaints == []


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Lend a desktop browser window's own storage."""
    made = await browser.new_context(viewport={"width": 1280, "height": 800})
    made.set_default_timeout(15_000)
    yield made
    await made.close()


@pytest.fixture
async def page(context: BrowserContext, program: Program, watch: Watch) -> Page:
    """Lend a page that logged in by the printed link and is live."""
    opened = await context.new_page()
    watch.over(opened)
    await opened.goto(program.login_link)
    await opened.wait_for_selector("#connection[data-state=live]")
    return opened
