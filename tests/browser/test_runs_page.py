"""The runs of everybody: watched live and through a crash, stopped and tried again, and with long logs."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from browser.conftest import Program, Watch, start, stop
from wireroom.testing.eventually import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LONG = 5_000
SLOW_MS = 30_000


@pytest.fixture
async def program(database_path: Path) -> AsyncIterator[Program]:
    """Lend a running program that knows a run with a long log; the test may have started it again."""
    plant_long_run(database_path)
    lent = await start(database_path.parent)
    yield lent
    await stop(lent)


def plant_long_run(database_path: Path) -> None:
    """Store a run of `LONG` events; every hundredth is a tool that failed."""
    payloads: list[tuple[str, dict[str, object]]] = [
        ("notice", {"text": f"line {number}"}) for number in range(1, LONG + 1)
    ]
    for number in range(100, LONG, 100):
        payloads[number - 1] = (
            "tool_result",
            {"id": f"c{number}", "ok": False, "summary": f"trouble {number}"},
        )
    events = [(number, kind, json.dumps(payload)) for number, (kind, payload) in enumerate(payloads, start=1)]
    with closing(sqlite3.connect(database_path)) as db:
        db.execute(
            "INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at) "
            "VALUES ('c', 'api', 'x', 0, '/', 1, 1)"
        )
        db.execute(
            "INSERT INTO runs (id, request_id, conversation_id, lane, source, prompt, backend, workdir, "
            "state, epoch, event_count, queued_at, started_at, finished_at, report) VALUES "
            "('long', 'long', 'c', 'x', 'api', 'A long story', 'demo', '/', 'failed', 1, ?, 1, 2, 3, ?)",
            (LONG, json.dumps({"patch": PATCH, "branch": "feature"})),
        )
        db.executemany("INSERT INTO run_events VALUES ('long', ?, 2, ?, ?)", events)
        db.commit()


PATCH = """\
diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1,2 +1,2 @@
 same
-old
+new
diff --git a/b.png b/b.png
new file mode 100644
Binary files /dev/null and b/b.png differ
"""


async def say(page: Page, request_id: str, text: str) -> str:
    """Ask something over the API, as the page's own session, and return the run's id."""
    asked: Any = await page.evaluate(
        """async (body) => (await fetch("/api/chat/messages", {method: "POST",
        headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)})).json()""",
        {"request_id": request_id, "text": text},
    )
    return str(asked["run_id"])


async def api(page: Page, path: str) -> Any:
    """Return the body of a GET of the API."""
    return await page.evaluate("async (path) => (await fetch(path)).json()", path)


async def test_a_run_is_watched_through_a_crash_stopped_and_tried_again(
    page: Page, program: Program, watch: Watch, database_path: Path
) -> None:
    """What the log shows is what is stored, each line once, though the server was killed meanwhile."""
    await page.goto(f"{program.address}/room/runs")
    line = page.locator(".run-line", has_text="count to 300")
    run_id = await say(page, "watched", "count to 300 slowly")
    await expect(line.locator(".run-state")).to_have_text("Working", timeout=SLOW_MS)
    await line.click()
    await expect(page.locator("#panel-log")).to_be_visible()
    said = page.locator(".log-row.text .log-text")
    await expect(said.first).to_contain_text("2 ", timeout=SLOW_MS)

    program.process.kill()
    await program.process.wait()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "offline", timeout=SLOW_MS)
    again = await start(database_path.parent, port=urlsplit(program.address).port or 0)
    program.process = again.process
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=SLOW_MS)
    await expect(said.last).to_contain_text("2 ", timeout=SLOW_MS)
    await expect(page.locator(".log-row.state")).to_have_count(2, timeout=SLOW_MS)
    watch.forgive_lost_connections()

    await page.locator("#run-stop").click()
    await page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    await expect(page.locator("#run-state")).to_have_text("Stopped", timeout=SLOW_MS)
    await expect(line.locator(".run-state")).to_have_text("Stopped", timeout=SLOW_MS)
    await eventually(lambda: shows_all(page, run_id), "the log shows what is stored", timeout_seconds=30)

    await page.get_by_role("tab", name="Details").click()
    await expect(page.locator("#more-attempts tr")).to_have_count(2)
    await page.locator("#run-again").click()
    await expect(page.locator("#run-state")).to_have_text("Working", timeout=SLOW_MS)
    assert run_id not in page.url
    await page.locator("#run-stop").click()
    await page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    await expect(page.locator("#run-state")).to_have_text("Stopped", timeout=SLOW_MS)


async def shows_all(page: Page, run_id: str) -> bool:
    """Tell whether the log on the page says what is stored, in its order, and nothing twice."""
    stored = (await api(page, f"/api/runs/{run_id}/events?limit=1000"))["events"]
    numbers = [
        int(seq)
        for seq in await page.locator(".log-row").evaluate_all("rows => rows.map(r => r.dataset.seq)")
    ]
    said = "".join(
        await page.locator(".log-row.text .log-text").evaluate_all("rows => rows.map(r => r.textContent)")
    )
    states = await page.locator(".log-row.state").count()
    assert numbers == sorted(set(numbers))
    return (said, states) == (
        "".join(event["payload"]["text"] for event in stored if event["kind"] == "text"),
        sum(event["kind"] == "state" for event in stored),
    )


async def test_a_long_log_is_read_by_kind_word_and_line(page: Page, program: Program) -> None:
    """Of many lines few are in the document; the end, an address, kinds and words lead to each of them."""
    await page.goto(f"{program.address}/room/runs#long/log")
    rows = page.locator(".log-row")
    await expect(page.locator("#log-count")).to_have_text("5,000 events")
    await expect(rows.first).to_contain_text("line 1")
    await page.locator("#log-to-end").click()
    await expect(rows.last).to_contain_text("line 5000")
    await expect(page.locator("#log-to-end")).to_be_hidden()
    await page.locator("#log").hover()
    await page.mouse.wheel(0, -5_000)
    await expect(page.locator("#log-to-end")).to_be_visible()
    assert await rows.count() < LONG / 5

    await page.goto(f"{program.address}/room/runs#long/log/2500")
    await expect(page.locator(".log-row[aria-current]")).to_contain_text("trouble 2500")
    await expect(page.locator(".log-row[aria-current]")).to_be_in_viewport()

    await page.get_by_role("button", name="Errors").click()
    await expect(page.locator("#log-count")).to_have_text("49 of 5,000 events")
    await expect(rows.nth(1)).to_contain_text("trouble 200")
    await page.locator("#log-words").fill("TROUBLE 49")
    await expect(page.locator("#log-count")).to_have_text("1 of 5,000 events")
    await expect(page.locator(".log-row mark")).to_have_text("trouble 49")
    await page.locator("#log-words").fill("")
    await page.get_by_role("button", name="All", exact=True).click()
    await expect(page.locator("#log-count")).to_have_text("5,000 events")
    async with page.expect_download() as told:
        await page.locator("#log-download").click()
    path = await (await told.value).path()
    lines = await asyncio.to_thread(lambda: path.read_text(encoding="utf-8").splitlines())
    assert len(lines) == LONG

    await page.get_by_role("tab", name="Changes").click()
    files = page.locator(".diff-file")
    await expect(files).to_have_count(2)
    await expect(files.first.locator(".diff-is-new")).to_have_text("+new")
    await expect(files.last).to_contain_text("binary")
    await page.set_viewport_size({"width": 1800, "height": 900})
    await page.get_by_role("button", name="Side by side").click()
    pair = files.first.locator(".diff-pair td")
    await expect(pair).to_have_text(["2", re.compile("old$"), "2", "+new"])
    await files.first.locator("summary").click()
    await expect(pair.first).to_be_hidden()

    await page.locator("#filter-state").select_option("succeeded")
    await expect(page.locator("#runs-empty")).to_be_visible()
    await page.locator("#filter-state").select_option("failed")
    await page.locator("#filter-words").fill("LONG STORY")
    await expect(page.locator(".run-line")).to_have_count(1)
