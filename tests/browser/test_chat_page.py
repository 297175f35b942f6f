"""The chat page as a person uses it, on the real program with the demo agent."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Page, expect

from browser.conftest import Program, Watch, start, stop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

NEWEST = ".run:last-child"


async def say(page: Page, text: str) -> None:
    """Type a message and send it with Enter."""
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def answered(page: Page, text: str, state: str = "succeeded") -> None:
    """Say something and wait for its end."""
    before = await page.locator(".run").count()
    await say(page, text)
    await expect(page.locator(".run")).to_have_count(before + 1)
    await expect(page.locator(NEWEST)).to_have_attribute("data-state", state, timeout=20_000)


async def test_message_is_answered_and_its_log_can_be_read(page: Page) -> None:
    """A sentence typed is worked on by the agent, answered as rendered Markdown, with its steps at hand."""
    await answered(page, "calculate 6 * 7")
    newest = page.locator(NEWEST)
    await expect(newest.locator(".bubble")).to_have_text("calculate 6 * 7")
    await expect(newest.locator(".said strong")).to_have_text("42")
    await expect(page.locator("#text")).to_be_focused()
    await expect(newest.locator(".log")).not_to_have_attribute("open", "")
    await newest.locator(".log > summary").click()
    await expect(newest.locator(".step.tool .tool-name")).to_have_text("calculate")
    await expect(newest.locator(".step.tool .mark.ok")).to_have_count(1)
    await expect(page.locator("#announce")).to_have_text("The answer has arrived.")


async def test_stop_ends_the_agent_and_keeps_what_it_said(page: Page) -> None:
    """What was said is seen while it is said; Stop takes effect at once; Try again asks anew."""
    await say(page, "count to 60 slowly")
    first = page.locator(".run").first
    await expect(first.locator(".saying")).to_contain_text("1 2")
    await first.locator(".stop").click()
    await expect(first).to_have_attribute("data-state", "cancelled", timeout=5_000)
    await expect(first.locator(".said")).to_contain_text("1 2")
    await expect(first.locator(".stop")).to_be_hidden()
    await first.locator(".again").click()
    second = page.locator(".run").nth(1)
    await expect(second.locator(".bubble")).to_have_text("count to 60 slowly")
    await second.locator(".stop").click()
    await expect(second).to_have_attribute("data-state", "cancelled")


async def test_waiting_messages_show_their_place_and_can_be_removed(page: Page) -> None:
    """While the agent is busy, the next ones wait in line, and the line moves up."""
    for text in ("count to 60 slowly", "list files", "calculate 1 + 1"):
        await say(page, text)
    runs = page.locator(".run")
    await expect(runs.nth(1).locator(".state-text")).to_have_text("Number 1 in line")
    await expect(runs.nth(2).locator(".state-text")).to_have_text("Number 2 in line")
    await runs.nth(1).get_by_role("button", name="Remove").click()
    await expect(runs.nth(1)).to_have_attribute("data-state", "cancelled")
    await expect(runs.nth(2).locator(".state-text")).to_have_text("Number 1 in line")
    await runs.nth(0).get_by_role("button", name="Stop").click()
    await expect(runs.nth(2)).to_have_attribute("data-state", "succeeded")


async def test_history_is_there_after_a_reload_and_in_new_conversations(page: Page) -> None:
    """Nothing lives in the browser only: reload, begin anew, look back, come back."""
    await answered(page, "calculate 6 * 7")
    await page.reload()
    await expect(page.locator(f"{NEWEST} .said")).to_contain_text("42")
    await page.click("#new-conversation")
    await expect(page.locator("#welcome")).to_be_visible()
    await expect(page.locator(".run")).to_have_count(0)
    await answered(page, "calculate 1 + 1")
    # Its entry comes above the other, which would move under the pointer of who presses before that.
    await expect(page.locator("#history")).to_contain_text("calculate 1 + 1")
    await page.locator("#history").get_by_text("calculate 6 * 7").click()
    await expect(page.locator("#past-note")).to_be_visible()
    await expect(page.locator("#composer")).to_be_hidden()
    await expect(page.locator(f"{NEWEST} .said")).to_contain_text("42")
    await page.locator("#past-note a").click()
    await expect(page.locator("#composer")).to_be_visible()
    await expect(page.locator(f"{NEWEST} .said")).to_contain_text("2")


async def test_list_of_conversations_changes_in_place(page: Page) -> None:
    """A finger that is on an earlier conversation keeps it, whatever news redraws the list meanwhile."""
    await answered(page, "calculate 6 * 7")
    await page.click("#new-conversation")
    await expect(page.locator("#welcome")).to_be_visible()
    earlier = page.locator("#history").get_by_text("calculate 6 * 7")
    await earlier.hover()
    await page.mouse.down()
    await page.evaluate("window.pressed = document.querySelector('#history a:hover')")
    await answered(page, "calculate 1 + 1")
    await expect(page.locator("#history")).to_contain_text("calculate 1 + 1")
    assert await page.evaluate("window.pressed.isConnected")
    await page.mouse.up()


async def test_log_of_an_earlier_run_is_fetched_when_it_is_opened(page: Page) -> None:
    """A run that ended before the page was opened shows its steps too."""
    await answered(page, "write hello to notes.txt")
    await page.reload()
    await page.locator(f"{NEWEST} .log > summary").click()
    await expect(page.locator(f"{NEWEST} .step.tool .about")).to_have_text("notes.txt")
    await expect(page.locator(f"{NEWEST} .log-title")).to_have_text("Log · 1 step")


async def test_unsent_text_survives_a_reload(page: Page) -> None:
    """Shift+Enter makes lines, and a draft is not lost."""
    await page.type("#text", "first line")
    await page.press("#text", "Shift+Enter")
    await page.type("#text", "second line")
    await page.reload()
    await expect(page.locator("#text")).to_have_value("first line\nsecond line")
    await expect(page.locator(".run")).to_have_count(0)


async def test_message_sent_while_the_program_is_down_arrives_once(
    page: Page, program: Program, watch: Watch, database_path: Path
) -> None:
    """The page says that it is offline, keeps the message, and sends it once when somebody answers."""
    await answered(page, "calculate 6 * 7")
    await stop(program)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
    await say(page, "calculate 1 + 1")
    await expect(page.locator(f"{NEWEST} .ask-note")).to_contain_text("Not sent yet")
    again = await start(database_path.parent, urlsplit(program.address).port or 0)
    try:
        await expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=40_000)
        await expect(page.locator(NEWEST)).to_have_attribute("data-state", "succeeded", timeout=40_000)
        await expect(page.locator(f"{NEWEST} .said")).to_contain_text("2")
        await page.reload()
        await expect(page.locator(".run")).to_have_count(2)
    finally:
        await stop(again)
    watch.forgive_lost_connections()


async def test_log_goes_on_without_a_gap_after_the_connection_was_cut(
    page: Page, program: Program, watch: Watch, database_path: Path
) -> None:
    """The program is killed in the middle of a run: the page comes back, and the run is whole at its end."""
    await say(page, "count to 6 slowly")
    await expect(page.locator(f"{NEWEST} .saying")).to_contain_text("1 2")
    program.process.kill()
    await program.process.wait()
    again = await start(database_path.parent, urlsplit(program.address).port or 0)
    try:
        await expect(page.locator(NEWEST)).to_have_attribute("data-state", "succeeded", timeout=60_000)
        await page.locator(f"{NEWEST} .log > summary").click()
        await expect(page.locator(f"{NEWEST} .step.again")).to_have_text("Taken up again.")
    finally:
        await stop(again)
    watch.forgive_lost_connections()


async def test_tabs_show_the_same(
    page: Page, context: BrowserContext, program: Program, watch: Watch
) -> None:
    """What is said in one tab is seen in another, and so is a new conversation."""
    other = await context.new_page()
    watch.over(other)
    await other.goto(program.address)
    await other.wait_for_selector("#connection[data-state=live]")
    await answered(page, "calculate 6 * 7")
    await expect(other.locator(f"{NEWEST} .said")).to_contain_text("42")
    await other.click("#new-conversation")
    await expect(page.locator("#welcome")).to_be_visible()


async def test_markup_in_messages_and_answers_stays_text(page: Page) -> None:
    """Neither the person's words nor the agent's become elements of the page."""
    nasty = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) <script>alert(1)</script>"
    await answered(page, f"write {nasty} to a.md")
    await answered(page, "read a.md")
    await expect(page.locator(f"{NEWEST} .said")).to_contain_text("<img src=x onerror=alert(1)>")
    assert await page.locator(".runs img, .runs script, .bubble a, .answer a").count() == 0


async def test_page_fits_a_phone_and_its_menu_works_by_keyboard(page: Page) -> None:
    """At 360 px nothing runs off the side; the menu opens, keeps the focus, and closes by Escape."""
    await page.set_viewport_size({"width": 360, "height": 740})
    await answered(page, f"write {'unbreakable' * 20} to {'long' * 20}.txt")
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    assert await page.evaluate("document.querySelector('#scroller').scrollWidth") <= 360
    await expect(page.locator("#drawer")).to_be_hidden()
    await page.get_by_role("button", name="Open the menu").press("Enter")
    await expect(page.locator("#drawer")).to_be_visible()
    await expect(page.get_by_role("button", name="Close the menu")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#drawer")).to_be_hidden()
    await expect(page.get_by_role("button", name="Open the menu")).to_be_focused()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_text_can_be_read_in_either_scheme(page: Page, scheme: str) -> None:
    """Text and soft text stand out from what is behind them: a contrast of 4.5 or more (WCAG 2.2, 1.4.3)."""
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await answered(page, "calculate 6 * 7")
    await expect(page.locator(".history-when")).to_have_count(1)
    selectors = [".said", ".bubble", ".reply-head", ".hint", "#connection", ".history-when", ".drawer h2"]
    contrasts = await page.evaluate(_CONTRASTS, selectors)
    assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}


async def test_every_control_has_a_name(page: Page) -> None:
    """People who listen to the page hear what each control is for."""
    await answered(page, "calculate 6 * 7")
    nameless = await page.evaluate(
        """() => [...document.querySelectorAll("button, a, textarea, summary")]
            .filter((one) => !one.ariaLabel && !one.textContent.trim() && !one.labels?.length)
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []


async def test_log_out_leads_to_the_login_page(page: Page, watch: Watch) -> None:
    """And the chat is gone from this browser."""
    await page.get_by_role("button", name="Log out").click()
    await expect(page.locator(".notice")).to_contain_text("wireroom login")
    # The live connection ends first; a page that is slow to go away has time to ask why, and is told.
    watch.complaints = [text for text in watch.complaints if "401" not in text]


_CONTRASTS = """(selectors) => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return Object.fromEntries(selectors.map((selector) => {
    const element = document.querySelector(selector);
    const pair = [getComputedStyle(element).color, behind(element)].map(luminance);
    const [high, low] = pair.sort((a, b) => b - a);
    return [selector, (high + 0.05) / (low + 0.05)];
  }));
}"""


async def test_attached_files_go_with_the_message(page: Page, watch: Watch) -> None:
    """A file is sent when it is chosen, can be taken back, and is shown with the question it went with.

    One that nobody took is sent again.
    """
    await page.route("**/api/chat/files*", lambda route: route.abort(), times=1)
    files = [
        {"name": "plan.md", "mimeType": "text/markdown", "buffer": b"# Plan"},
        {"name": "wrong.txt", "mimeType": "text/plain", "buffer": b"x"},
    ]
    await page.set_input_files("#file-input", files)  # type: ignore[arg-type]  # dicts are fine at run time
    await expect(page.locator("#files li")).to_have_count(2)
    await page.get_by_role("button", name="Remove wrong.txt").click()
    await expect(page.locator("#files li")).to_have_text(["plan.md · 6 B"])
    await say(page, "read this")
    newest = page.locator(NEWEST)
    await expect(newest.locator(".prompt-files li")).to_have_text(["plan.md · 6 B"])
    await expect(page.locator("#files")).to_be_hidden()
    await expect(newest).to_have_attribute("data-state", "succeeded", timeout=20_000)
    await newest.get_by_role("link", name="Details of this run").click()
    await expect(page).to_have_url(re.compile(r"/room/runs#run-"))
    watch.forgive_lost_connections()
