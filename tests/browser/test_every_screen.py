"""What holds for every screen: readable by everybody, on every width, in both themes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Response, ViewportSize

from browser.conftest import Program, Watch, start, stop
from browser.screenshots import fill
from wireroom.testing.eventually import eventually
from wireroom.web.screens import SCREENS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MOST_STATEMENTS = 14
LOOKS: list[tuple[ViewportSize, Literal["light", "dark"]]] = [
    ({"width": 1280, "height": 800}, "light"),
    ({"width": 360, "height": 780}, "dark"),
]


@pytest.fixture
async def program(database_path: Path) -> AsyncIterator[Program]:
    """Lend a running program whose answers say how many statements they took."""
    running = await start(database_path.parent, LOG_LEVEL="debug")
    yield running
    await stop(running)


async def test_every_screen_is_readable_by_everybody(
    program: Program, database_path: Path, browser: Browser, watch: Watch
) -> None:
    """Nothing is found on a full screen, on a desktop in light and on a phone in dark colours.

    Nor does any request that a screen makes ask the database more than a fixed number of times.
    """
    await fill(program, database_path.parent)
    state = await logged_in(browser, program)
    found: list[str] = []
    statements: dict[str, int] = {}
    for size, theme in LOOKS:
        context = await browser.new_context(
            storage_state=state, color_scheme=theme, reduced_motion="reduce", viewport=size, bypass_csp=True
        )
        page = await context.new_page()
        watch.over(page)
        page.on("response", lambda response: statements.update(counted(response)))
        for screen in SCREENS:
            await page.goto(program.address + screen.path)
            found += [f"{screen.name}, {theme}: {wrong}" for wrong in await wrongs(page)]
        assert found == []
        await page.evaluate("document.querySelector('main').append(document.createElement('button'))")
        assert "button-name" in " ".join(await wrongs(page)), "a button without a name would not be found"
        await context.close()
    assert len(statements) > len(SCREENS)
    assert {path: count for path, count in statements.items() if count > MOST_STATEMENTS} == {}


def counted(response: Response) -> dict[str, int]:
    """Return by path how many statements an answer says that it took, if it says so."""
    told = response.headers.get("x-wireroom-statements")
    return {} if told is None else {urlsplit(response.url).path: int(told)}


async def logged_in(browser: Browser, program: Program) -> Any:
    """Log in once, and return what a browser keeps of it."""
    context = await browser.new_context()
    await (await context.new_page()).goto(program.login_link)
    state = await context.storage_state()
    await context.close()
    return state


async def wrongs(page: Page) -> list[str]:
    """Return what is wrong with the screen that is shown, once it shows what it has."""
    await page.wait_for_selector("#connection[data-state=live]")
    await eventually(lambda: stands_still(page), "the screen stands still")
    result = await Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]})
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    sideways = [f"scrolls sideways by {wide} pixels"] if wide > 0 else []
    return sideways + [told(violation) for violation in result.response["violations"]]


async def stands_still(page: Page) -> bool:
    """Tell whether the screen shows something, and the same for a moment."""
    first = await page.inner_text("main")
    await page.wait_for_timeout(200)
    return bool(first.strip()) and len(await page.inner_text("main")) == len(first)


def told(violation: Mapping[str, Any]) -> str:
    """Return a violation as one line with the places where it was seen."""
    places = [" ".join(map(str, node["target"])) for node in violation["nodes"]][:4]
    return f"{violation['id']}: {violation['help']}: {places}"
