"""The board in a real browser, in two windows: filing, ordering, watching tasks being done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from browser.conftest import Program, Watch, start, stop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

_RENAME = """() => fetch("/api/tasks/1", { method: "PATCH",
    headers: { "Content-Type": "application/json" }, body: '{"prompt": "1st thing"}' })"""


async def _open(context: BrowserContext, program: Program, watch: Watch) -> Page:
    """Open the board in one more window of the same person."""
    page = await context.new_page()
    watch.over(page)
    await page.goto(f"{program.address}/room/board")
    await page.wait_for_selector("#connection[data-state=live]")
    await page.wait_for_selector("#board[aria-busy=false]")
    return page


def _cards(page: Page, column: str) -> Locator:
    return page.locator(f"[data-column={column}] .row:not(.gap) .task-open")


def _row(page: Page, title: str) -> Locator:
    return page.locator(".row", has_text=title)


async def _file(page: Page, *prompts: str) -> None:
    await page.keyboard.press("n")
    for prompt in prompts:
        await page.keyboard.type(prompt)
        await page.keyboard.press("Enter")
    await expect(_cards(page, "ready").last).to_have_text(prompts[-1])
    await page.locator("#quick-text").blur()


async def _pick_up(page: Page, card: Locator) -> None:
    box = await card.bounding_box()
    assert box
    await page.mouse.move(box["x"] + 30, box["y"] + 12)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 40, box["y"] + 24, steps=3)
    await expect(page.locator(".ghost")).to_have_count(1)


async def _put_down(page: Page, target: Locator, *, below: bool = True) -> None:
    """Carry what is in the hand to just below or above another card, in steps as a hand does."""
    box = await target.bounding_box()
    assert box
    await page.mouse.move(box["x"] + 40, box["y"] + (box["height"] if below else 0), steps=6)
    await expect(page.locator(".ghost")).to_have_count(1)
    await page.mouse.up()
    await expect(page.locator(".ghost")).to_have_count(0)


async def _hold_and_carry(page: Page, card: Locator, target: Locator) -> None:
    """Hold a card with a finger until it is picked up, and let go of it in the lower part of the target."""
    start_box, end = await card.bounding_box(), await target.bounding_box()
    assert start_box
    assert end
    session = await page.context.new_cdp_session(page)

    async def finger(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    x, y = start_box["x"] + 60, start_box["y"] + 20
    await finger("touchStart", (x, y))
    await expect(page.locator(".ghost")).to_have_count(1)
    for step in range(1, 6):
        way = step / 5
        aim_x, aim_y = end["x"] + 30, end["y"] + end["height"] * 0.9
        await finger("touchMove", (x + (aim_x - x) * way, y + (aim_y - y) * way))
    await finger("touchEnd")
    await expect(page.locator(".ghost")).to_have_count(0)


def _forgive_refusals(watch: Watch, *statuses: str) -> None:
    """Forget what the browser says of answers that the test itself had asked for."""
    said = [f"the server responded with a status of {status}" for status in statuses]
    watch.complaints = [text for text in watch.complaints if not any(words in text for words in said)]


async def test_tasks_are_filed_ordered_and_watched_being_done(
    page: Page, context: BrowserContext, program: Program, watch: Watch
) -> None:
    """Type three, drag one, move one by keys; a second window shows it all, and the operator's work."""
    board, other = [await _open(context, program, watch) for _ in range(2)]
    await _file(board, "first thing", "second thing", "third thing")
    await expect(_cards(other, "ready")).to_have_text(["first thing", "second thing", "third thing"])

    await _pick_up(board, _cards(board, "ready").nth(2))
    await other.evaluate(_RENAME)
    await expect(_cards(other, "ready")).to_have_text(["1st thing", "second thing", "third thing"])
    await expect(_cards(board, "ready")).to_have_text(["first thing", "second thing", "third thing"])
    await _put_down(board, _cards(board, "ready").nth(0), below=False)
    await expect(_cards(board, "ready")).to_have_text(["third thing", "1st thing", "second thing"])
    await expect(_cards(other, "ready")).to_have_text(["third thing", "1st thing", "second thing"])
    await expect(board.locator("#panel")).to_be_hidden()

    await _cards(board, "ready").nth(2).focus()
    await board.keyboard.press("Alt+ArrowUp")
    await expect(_cards(other, "ready")).to_have_text(["third thing", "second thing", "1st thing"])
    await expect(_cards(board, "ready").nth(1)).to_be_focused()
    await board.keyboard.press("Alt+ArrowLeft")
    await expect(_cards(other, "backlog")).to_have_text(["second thing"])
    await _pick_up(other, _cards(other, "backlog").first)
    await _put_down(other, _cards(other, "ready").nth(0))
    await expect(_cards(board, "ready")).to_have_text(["third thing", "second thing", "1st thing"])

    await board.locator("#operator").check()
    await expect(other.locator("#operator")).to_be_checked()
    await expect(_cards(other, "done")).to_have_count(3, timeout=60_000)
    await expect(_cards(board, "ready")).to_have_count(0)
    await _cards(board, "done").last.click()
    await expect(board.locator("#history")).to_contain_text("succeeded")
    run = await board.locator("#history a").get_attribute("href")
    assert run is not None
    assert run.startswith("/room/runs#run-")


async def test_task_is_edited_made_to_wait_archived_and_tried_again(
    page: Page, context: BrowserContext, program: Program, watch: Watch, database_path: Path
) -> None:
    """What one window does the other shows; a circle is refused, a conflict is told, another program seen."""
    board, other = [await _open(context, program, watch) for _ in range(2)]
    await _file(board, "make the cake", "eat the cake", "wash up")
    await _make_wait(board, other)
    await _meet_in_one_task(board, other)
    await _put_away_and_find(board, other)

    with closing(sqlite3.connect(database_path, timeout=10)) as foreign, foreign:
        foreign.execute(
            "UPDATE task_details SET is_dead = 1, failures = 3, reason = 'No oven.' WHERE task_id = 2"
        )
        foreign.execute("UPDATE tasks SET status = 3 WHERE id = 2")
    await expect(_cards(other, "failed")).to_have_text(["eat the cake"])
    await _cards(other, "failed").click()
    await expect(other.locator("#facts")).to_contain_text("No oven.")
    await other.click("#panel-retry")
    await expect(_cards(board, "ready")).to_have_text(["bake the cake", "eat the cake"])
    _forgive_refusals(watch, "400", "409")


async def _make_wait(board: Page, other: Page) -> None:
    """Let task 2 wait for task 1, with labels; the other way round is refused."""
    await _cards(board, "ready").nth(1).click()
    await board.fill("#f-labels", "kitchen fun")
    await board.fill("#f-needs", "make")
    await expect(board.locator("#needs-found [role=option]")).to_have_count(1)
    await board.press("#f-needs", "Enter")
    await board.click("#panel-save")
    await expect(_row(other, "eat the cake")).to_contain_text("waits for #1")
    await expect(_row(other, "eat the cake")).to_contain_text("fun · kitchen")

    await _cards(other, "ready").nth(0).click()
    await expect(other.locator("#needed-by")).to_contain_text("eat the cake")
    await other.fill("#f-needs", "#2")
    await expect(other.locator("#needs-found [role=option]")).to_have_count(1)
    await other.press("#f-needs", "Enter")
    await other.click("#panel-save")
    await expect(other.locator("#panel-trouble")).to_contain_text("that would be a circle, 1 → 2 → 1")
    await other.get_by_role("button", name="Do not wait for task 2").click()


async def _meet_in_one_task(board: Page, other: Page) -> None:
    """Two people write into one task: the later one is told, keeps what was written, and decides."""
    await other.fill("#f-prompt", "bake the cake")
    await _cards(board, "ready").nth(0).click()
    await board.fill("#f-prompt", "buy the cake")
    await board.press("#f-prompt", "Control+Enter")
    await expect(other.locator("#panel-changed")).to_contain_text("changed meanwhile")
    await expect(other.locator("#f-prompt")).to_have_value("bake the cake")
    await other.click("#panel-save")
    await expect(other.locator("#panel-changed")).to_contain_text("Task 1 was changed meanwhile")
    await other.click("#keep-mine")
    await expect(other.locator("#panel")).to_be_hidden()
    await expect(_cards(board, "ready").nth(0)).to_have_text("bake the cake")


async def _put_away_and_find(board: Page, other: Page) -> None:
    """Archive and take it back, search by words and label, delete after being asked."""
    await _cards(board, "ready").nth(2).focus()
    await board.keyboard.press("a")
    await expect(_cards(other, "ready")).to_have_count(2)
    await expect(board.locator("[data-chip=archived]")).to_contain_text("1")
    await board.get_by_role("button", name="Undo").click()
    await expect(_cards(other, "ready")).to_have_text(["bake the cake", "eat the cake", "wash up"])

    await board.keyboard.press("/")
    await board.keyboard.type("WASH")
    await expect(_cards(board, "ready")).to_have_text(["wash up"])
    await board.fill("#search", "")
    await board.focus("#label-filter")
    await board.select_option("#label-filter", "fun")
    await expect(_cards(board, "ready")).to_have_text(["eat the cake"])
    await board.select_option("#label-filter", "")
    await expect(_cards(board, "ready")).to_have_count(3)

    await _cards(board, "ready").nth(2).focus()
    await board.keyboard.press("Delete")
    await board.get_by_role("button", name="Delete", exact=True).last.click()
    await expect(_cards(other, "ready")).to_have_text(["bake the cake", "eat the cake"])


async def test_board_works_by_touch_and_comes_back_with_the_server(
    browser: Browser, watch: Watch, database_path: Path
) -> None:
    """On a phone a card is held and carried onto a column's name; what was being typed outlives a restart."""
    running = await start(database_path.parent)
    try:
        phone = await browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True)
        page = await phone.new_page()
        watch.over(page)
        await page.goto(running.login_link)
        await page.wait_for_selector("#connection[data-state=live]")
        board = await _open(phone, running, watch)
        await _file(board, "one", "two", "three")

        await board.fill("#quick-text", "half a")
        await _cards(board, "ready").nth(2).click()
        await board.fill("#f-prompt", "three and a bit")
        await stop(running)
        await expect(board.locator("#connection")).to_have_attribute("data-state", "offline")
        running = await start(database_path.parent, urlsplit(running.address).port or 0)
        await expect(board.locator("#connection")).to_have_attribute("data-state", "live", timeout=60_000)
        await expect(board.locator("#f-prompt")).to_have_value("three and a bit")
        await board.reload()
        await expect(board.locator("#f-prompt")).to_have_value("three and a bit")
        await board.click("#panel-save")
        await expect(_cards(board, "ready").nth(2)).to_have_text("three and a bit")
        await board.focus("#quick-text")
        await board.keyboard.press("End")
        await board.keyboard.type(" thought")
        await board.keyboard.press("Enter")
        await expect(_cards(board, "ready")).to_have_text(["one", "two", "three and a bit", "half a thought"])

        await _hold_and_carry(board, _cards(board, "ready").nth(0), _cards(board, "ready").nth(1))
        await expect(_cards(board, "ready")).to_have_text(["two", "one", "three and a bit", "half a thought"])
        await _hold_and_carry(board, _cards(board, "ready").nth(0), board.locator("[data-chip=backlog]"))
        await expect(_cards(board, "ready")).to_have_text(["one", "three and a bit", "half a thought"])
        await board.click("[data-chip=backlog]")
        await expect(_cards(board, "backlog")).to_have_text(["two"])
        assert await board.evaluate("document.documentElement.scrollWidth") == 360
        await phone.close()
    finally:
        await stop(running)
    watch.forgive_lost_connections()
