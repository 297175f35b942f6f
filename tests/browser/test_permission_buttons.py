"""An agent asks for permission while a person looks at the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from browser.conftest import Program, start, stop
from wireroom.testing.acp_agent import ScriptedAcpAgent

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
async def program(database_path: Path, tmp_path: Path) -> AsyncIterator[Program]:
    """Lend a running program whose agent asks."""
    command = ScriptedAcpAgent(tmp_path / "agent").command
    running = await start(database_path.parent, WIREROOM_BACKEND="acp", WIREROOM_ACP_COMMAND=command)
    yield running
    await stop(running)


async def ask(page: Page, script: str) -> None:
    """Send a message."""
    await page.fill("#text", script)
    await page.press("#text", "Enter")


async def test_a_question_is_answered_on_the_page(page: Page) -> None:
    """The question stands under the request, even after a reload; a button lets the agent go on."""
    await ask(page, "ask execute rm -rf build; write done.txt yes")
    question = page.locator(".run:last-child .question")
    await expect(question.locator("strong")).to_have_text("execute")
    await page.reload()
    await expect(question.locator(".question-about")).to_have_text("rm -rf build")
    await question.get_by_role("button", name="Allow once").click()
    run = page.locator(".run:last-child")
    await expect(run).to_have_attribute("data-state", "succeeded", timeout=20_000)
    await expect(run.locator(".said")).to_contain_text("written")
    await expect(question).to_have_count(0)


async def test_a_denial_and_a_stop_take_the_question_away(page: Page) -> None:
    """Denied, the agent hears it; stopped, nobody is asked any more."""
    run = page.locator(".run:last-child")
    await ask(page, "ask fetch http://example.com")
    await run.locator(".question").get_by_role("button", name="Deny").click()
    await expect(run.locator(".said")).to_contain_text("denied", timeout=20_000)
    await ask(page, "ask execute ls")
    await expect(page.locator(".run")).to_have_count(2)
    await expect(run.locator(".question")).to_have_count(1)
    await run.locator(".stop").click()
    await expect(run).to_have_attribute("data-state", "cancelled", timeout=10_000)
    await expect(run.locator(".question")).to_have_count(0)
