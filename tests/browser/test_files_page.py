"""The files that agents work on: by mouse and by keyboard, with links to lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from browser.conftest import Program, start, stop
from workspace_repositories import clone, make_remote

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
async def program(database_path: Path, tmp_path: Path) -> AsyncIterator[Program]:
    """Lend a running program with a repository."""
    root = tmp_path / "repositories"
    app = clone(make_remote(tmp_path / "elsewhere"), root / "app")
    (app / "src").mkdir()
    (app / "src" / "main.py").write_text("def main():\n" + "    return '<b>'\n" * 400)
    (app / "src" / "blob.bin").write_bytes(b"\0")
    running = await start(database_path.parent, REPOSITORIES_PATH=str(root))
    yield running
    await stop(running)


async def test_a_file_is_found_and_read(page: Page, program: Program) -> None:
    """The tree unfolds by keyboard, lines have addresses, names are searched, a binary file is told."""
    await page.goto(f"{program.address}/room/files")
    items = page.get_by_role("treeitem")
    await expect(items).to_have_count(2)
    await items.first.focus()
    for key in ("ArrowDown", "ArrowRight"):
        await page.keyboard.press(key)
    await expect(items.filter(has_text="README.md").last).to_be_visible()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    blob = page.locator("[role=treeitem][data-path='app/src/blob.bin']")
    await expect(blob).to_be_visible()
    await page.keyboard.press("m")
    await page.keyboard.press("Enter")
    await expect(page.locator("#file-name")).to_have_text("app/src/main.py")
    await expect(page.locator("#file-facts")).to_contain_text("401 lines")
    await expect(page.locator("#L1 .hl-k")).to_have_text("def")
    await expect(page.locator("#L2")).to_contain_text("<b>")
    await page.locator("#L2 .line-number").click()
    await page.locator("#L4 .line-number").click(modifiers=["Shift"])
    await expect(page.locator(".code-line.meant")).to_have_count(3)

    address = page.url.replace("lines=2-4", "lines=399")
    assert address != page.url
    await page.goto("about:blank")
    await page.goto(address)
    await expect(page.locator("#L399")).to_be_in_viewport()
    await expect(page.locator(".code-line.meant")).to_have_count(1)
    await expect(page.locator("[role=treeitem][aria-selected=true]")).to_have_text("main.py")
    async with page.expect_download() as told:
        await page.locator("#file-raw").click()
    assert (await told.value).suggested_filename == "main.py"

    await page.locator("#search-words").fill("SRC blob")
    await expect(page.locator("#hits-count")).to_have_text("1 file")
    await page.locator("#hit-list a").click()
    await expect(page.locator("#code")).to_contain_text("no text")
    await page.locator("#search-words").fill("")
    await expect(blob).to_be_visible()
