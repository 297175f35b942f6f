"""The board with 10,000 tasks in headless Chromium: the first column, frames while scrolling, a change shown.

    python -m bench.page_board [tasks]

It prints and judges nothing: what a browser needs says as much of the machine as of the page.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from playwright.async_api import Page, async_playwright
from sqlalchemy import text

from bench.harness import machine
from wireroom.app.service import Service
from wireroom.settings import Settings

_CHROMIUM = "/usr/bin/chromium"
_TASKS = 10_000
_VISITS = 5
_MOVES = 20
_FILL = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :tasks)
    INSERT INTO tasks (prompt, status)
    SELECT 'Task ' || i || ': put right what is wrong with part ' || i % 97 || ' of the whole',
        CASE WHEN i % 10 < 7 THEN 0 WHEN i % 10 < 9 THEN 3 ELSE 1 END FROM n
"""
_FIRST_CARD = """() => new Promise(done => {
    const look = () => document.querySelector("[data-column=ready] .row:not(.gap)")
        ? done(performance.now()) : requestAnimationFrame(look);
    look();
})"""
_SCROLL = """([step, frames]) => new Promise(done => {
    const list = document.querySelector("[data-column=ready] .list"), deltas = [];
    const { left, top, width, height } = list.getBoundingClientRect();
    let last = performance.now(), bare = 0;
    const frame = now => {
        const seen = document.elementFromPoint(left + width / 2, top + height / 2);
        bare += seen.closest(".row:not(.gap)") ? 0 : 1;
        deltas.push(now - last); last = now; list.scrollTop += step;
        deltas.length < frames ? requestAnimationFrame(frame) : done({ deltas, bare });
    };
    requestAnimationFrame(frame);
})"""
_MOVE = """async ([id, after]) => {
    const began = performance.now();
    const answer = await fetch(`/api/tasks/${id}/move`, { method: "POST",
        headers: { "Content-Type": "application/json" }, body: JSON.stringify({ after }) });
    await answer.json();
    return performance.now() - began;
}"""
_SHOWN = """id => new Promise(done => {
    const began = performance.now();
    const look = () => document.querySelector("[data-column=ready] .row")?.dataset.task === String(id)
        ? done(performance.now() - began) : requestAnimationFrame(look);
    look();
})"""


async def main(tasks: int) -> None:
    """Fill a board, look at it, and print what was seen."""
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        settings = Settings(data_dir=Path(folder), port=0, drain_seconds=0, backend="demo")
        async with Service(settings) as service, async_playwright() as playwright:
            await service.services.db.write(lambda conn: conn.execute(text(_FILL), {"tasks": tasks}))
            browser = await playwright.chromium.launch(
                executable_path=_CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
            )
            page = await browser.new_page(viewport={"width": 1280, "height": 800})
            await page.goto(await service.login_link())
            typer.echo(f"{tasks:,} tasks; {machine()}")
            await _measure(page, f"{service.address}/room/board", tasks)
            await browser.close()


async def _measure(page: Page, address: str, tasks: int) -> None:
    visits = []
    for _ in range(_VISITS):
        await page.goto(address)
        visits.append(await page.evaluate(_FIRST_CARD))
    _say("first column, from the start of the navigation", visits)
    for step in (10, 40, 400):
        seen: dict[str, Any] = await page.evaluate(_SCROLL, [step, 150])
        late = sum(delta > 1000 / 30 for delta in seen["deltas"])
        _say(f"frames while scrolling by {step} px each", seen["deltas"][1:])
        typer.echo(f"    later than 33 ms: {late} of 150; without a card in the middle: {seen['bare']}")
        await page.evaluate("document.querySelector('[data-column=ready] .list').scrollTop = 0")
    rows = await page.evaluate("document.querySelectorAll('.row').length")
    typer.echo(f"rows in the document: {rows}")
    first = await page.evaluate(_MOVE, [tasks - 3, tasks // 2 // 10 * 10])
    typer.echo(f"first move into the middle of tasks of one order: {first:.1f} ms")
    places = [(tasks - 13 - 10 * place, tasks // 4 // 10 * 10) for place in range(_MOVES)]
    _say("further moves", [await page.evaluate(_MOVE, list(place)) for place in places])
    await _changes(page)


async def _changes(page: Page) -> None:
    """Measure from a change by the API to the moment this page shows it."""
    shown = []
    for _ in range(_VISITS):
        began = time.perf_counter()
        added = await page.evaluate(
            """async () => (await (await fetch("/api/tasks", { method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ prompt: "now", at: "top" }) })).json()).id"""
        )
        await page.evaluate(_SHOWN, added)
        shown.append((time.perf_counter() - began) * 1000)
    _say("a new task, from its request to its card", shown)


def _say(what: str, samples: Sequence[float]) -> None:
    ordered = sorted(samples)
    p95 = ordered[int(len(ordered) * 0.95)]
    typer.echo(f"{what}: median {statistics.median(ordered):.1f} ms, p95 {p95:.1f} ms, n {len(ordered)}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else _TASKS))
