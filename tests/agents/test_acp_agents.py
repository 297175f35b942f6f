"""Real agents that speak the Agent Client Protocol: they ask, a person presses a button, they go on."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agents import programs
from agents.programs import Program
from agents.wireroom_process import Room, open_room
from wireroom.testing.bot_api import SeenMessage
from wireroom.testing.eventually import eventually
from wireroom.testing.model_endpoint import Hang, Say, WriteFile

ONCE, DENY = "✅ Allow once", "🚫 Deny"

Configure = Callable[[Path, str], dict[str, str]]


def _claude(home: Path, url: str) -> dict[str, str]:
    return {**programs._claude(home, url), "WIREROOM_ACP_COMMAND": "claude-agent-acp"}


def _gemini(home: Path, url: str) -> dict[str, str]:
    return {**programs._gemini(home, url), "WIREROOM_ACP_COMMAND": "gemini --acp"}


def _opencode(home: Path, url: str) -> dict[str, str]:
    more = programs._opencode(home, url)
    config = home / ".config" / "opencode" / "opencode.json"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("{", '{"permission": {"edit": "ask", "bash": "ask"}, ', 1))
    return {**more, "WIREROOM_ACP_COMMAND": "opencode acp"}


def _codex(home: Path, url: str) -> dict[str, str]:
    more = programs._codex(home, url)
    config = home / ".codex" / "config.toml"
    asks = 'approval_policy = "untrusted"\nsandbox_mode = "read-only"\n'
    config.write_text(asks + config.read_text(encoding="utf-8"), encoding="utf-8")
    return {**more, "WIREROOM_ACP_COMMAND": "codex-acp"}


AGENTS: dict[str, Configure] = {
    "claude-agent-acp": _claude,
    "codex-acp": _codex,
    "gemini --acp": _gemini,
    "opencode acp": _opencode,
}


@pytest.fixture(params=AGENTS)
def command(request: pytest.FixtureRequest) -> str:
    """Name each agent in turn."""
    return str(request.param)


@pytest.fixture
async def asking_room(command: str, tmp_path: Path) -> AsyncIterator[Room]:
    """Open a chat whose work the agent does."""
    async with open_room(tmp_path, Program("acp", AGENTS[command], "")) as opened:
        yield opened


def show(command: str, what: str, began: float) -> None:
    """Print one line of evidence."""
    sys.stdout.write(f"{command}: {what} ({time.monotonic() - began:.1f} s)\n")


async def question(room: Room) -> SeenMessage:
    """Wait for a question that nobody has answered yet."""

    def asked() -> list[SeenMessage]:
        return [one for one in room.telegram.visible(room.chat) if "🔐" in one.text]

    try:
        await eventually(asked, "the agent asks for permission", timeout_seconds=60)
    except AssertionError as error:
        shown = [message.text for message in room.telegram.visible(room.chat)]
        raise AssertionError(f"{error}; the chat shows {shown}") from error
    return asked()[-1]


async def test_real_acp_agent_writes_what_a_button_allowed(command: str, asking_room: Room) -> None:
    """The agent asks under the message; "allow once" lets it really write the file, and it answers."""
    room, began = asking_room, time.monotonic()
    path = room.shop / "price.txt"
    room.model.script("set the price", WriteFile(str(path), "42 crowns"), Say("The price is set."))
    asked = await room.say("Please set the price")
    found = await question(room)
    assert not path.exists()
    await room.telegram.user_presses(found.button(ONCE))
    await room.answer_to(asked, "The price is set.")
    assert path.read_text(encoding="utf-8").strip() == "42 crowns"
    show(command, f"asked {found.text!r}, was allowed, and wrote the file", began)


async def test_real_acp_agent_obeys_a_denial(command: str, asking_room: Room) -> None:
    """What a person denies is not done."""
    room, began = asking_room, time.monotonic()
    path = room.shop / "price.txt"
    room.model.script("set the price", WriteFile(str(path), "42 crowns"), Say("I may not."))
    await room.say("Please set the price")
    found = await question(room)
    await room.telegram.user_presses(found.button(DENY))
    await eventually(lambda: not room.processes(), "the agent has ended", timeout_seconds=60)
    assert not path.exists()
    show(command, "was denied, and wrote nothing", began)


async def test_real_acp_agent_remembers(command: str, asking_room: Room) -> None:
    """The second message reaches the same session, or comes with what was said before."""
    room, began = asking_room, time.monotonic()
    room.model.script("my name is", Say("Welcome, Ada."))
    room.model.script("what am I called", Say("You are Ada."))
    await room.ask("Hello, my name is Ada", "Welcome, Ada.")
    await room.ask("Now what am I called?", "You are Ada.")
    last = [one for one in room.model.requests if "what am I called" in one.prompts[-1]][-1]
    said = "\n".join(message.text for message in last.asked.messages)
    assert said.index("my name is Ada") < said.index("Welcome, Ada.") < said.index("what am I called")
    resumed = "Earlier in this conversation" not in said
    show(command, f"the second message {'resumed the session' if resumed else 'came with context'}", began)


async def test_real_acp_agent_is_stopped(command: str, asking_room: Room) -> None:
    """`/stop` ends an agent that waits for its model; no process is left."""
    room, began = asking_room, time.monotonic()
    room.model.script("ponder", Hang())
    asked = await room.say("Please ponder")
    await eventually(lambda: room.model.hanging, "the agent waits for its model", timeout_seconds=60)
    stopping = time.monotonic()
    await room.ask("/stop", "⏹ Stopped.")
    await room.answer_to(asked, "⏹ Stopped.")
    await eventually(lambda: not room.processes(), "no process is left", timeout_seconds=10)
    show(command, f"/stop left no process after {time.monotonic() - stopping:.1f} s", began)
