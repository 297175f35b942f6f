"""The page in Chromium over loopback: when each screen is first painted, and what it weighs.

Each load is in a fresh browser window that has kept nothing, so that every file is sent. By turns with it a
page of one line from the same process is loaded: what the browser itself and the machine take.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from playwright.async_api import Browser, async_playwright

from bench.harness import Measurement, benchmark, scaled
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.web.screens import SCREENS, Screen

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
)
_HAS_CHROMIUM = CHROMIUM.exists()
LOADS = 20
_PLAIN = "/health"
_FIGURES = """() => new Promise((resolve) => new PerformanceObserver((paints) => {
  const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  const bytes = loaded.reduce((sum, one) => sum + one.transferSize, 0);
  resolve([paints.getEntries()[0].startTime, bytes]);
}).observe({ type: 'paint', buffered: true }))"""


@dataclass(frozen=True, slots=True)
class Load:
    """One load of one page."""

    paint_ms: float
    """From the navigation to the first paint."""
    transferred_bytes: int
    """The page and all that it had asked for once it was live, headers included."""


@benchmark("page")
async def page() -> AsyncIterator[Measurement]:
    """Measure the first paint and the weight of every screen."""
    if not _HAS_CHROMIUM:
        typer.echo(f"  left out: there is no {CHROMIUM} (apt-get install chromium)")
        return
    paints, weights = [], []
    async with _open() as (browser, address, session):
        await _load(browser, address + SCREENS[0].path, session)
        for screen in SCREENS:
            paint, weight = await _screen(browser, address, screen, session)
            paints.append(paint)
            weights.append(weight)
            yield paint
            yield weight
    slowest = max(paints, key=lambda one: one.median)
    yield replace(slowest, what="first paint of the slowest screen")
    yield replace(max(weights, key=lambda one: one.median), what="weight of the heaviest screen")


async def _screen(
    browser: Browser, address: str, screen: Screen, session: Any
) -> tuple[Measurement, Measurement]:
    loads, plain = [], []
    for _ in range(scaled(LOADS)):
        plain.append((await _load(browser, address + _PLAIN, session, is_live=False)).paint_ms)
        loads.append(await _load(browser, address + screen.path, session))
    paints = [one.paint_ms for one in loads]
    first_paint = Measurement(
        f"first paint of {screen.name}",
        paints,
        "ms",
        reference="a page of one line",
        reference_value=statistics.median(plain),
        paired=[one / other for one, other in zip(paints, plain, strict=True)],
        fsync="none",
    )
    kilobytes = [one.transferred_bytes / 1000 for one in loads]
    return first_paint, Measurement(f"weight of {screen.name}, compressed", kilobytes, "kB", fsync="none")


@asynccontextmanager
async def _open() -> AsyncIterator[tuple[Browser, str, Any]]:
    """Lend a browser, the address of a service with the demo agent, and a session of its page."""
    with TemporaryDirectory(prefix="wireroom-page-") as folder:
        settings = Settings(data_dir=Path(folder), backend="demo", port=0, drain_seconds=0)
        async with Service(settings) as service, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            first = await browser.new_context()
            await (await first.new_page()).goto(await service.login_link())
            yield browser, service.address, await first.storage_state()
            await browser.close()


async def _load(browser: Browser, url: str, session: Any, *, is_live: bool = True) -> Load:
    context = await browser.new_context(storage_state=session, viewport={"width": 1280, "height": 800})
    shown = await context.new_page()
    await shown.goto(url)
    if is_live:
        await shown.wait_for_selector("#connection[data-state=live]")
    paint_ms, transferred = await shown.evaluate(_FIGURES)
    await context.close()
    return Load(paint_ms, transferred)
