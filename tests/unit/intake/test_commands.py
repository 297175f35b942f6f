"""Which messages are commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.intake.commands import Command, CommandName, parse_command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("/help", Command(CommandName.HELP), id="plain"),
        pytest.param("/STATUS now", Command(CommandName.STATUS, "now"), id="upper-case-and-rest"),
        pytest.param("  \n/help", Command(CommandName.HELP), id="leading-space"),
        pytest.param("/stop\nall ", Command(CommandName.STOP, "all"), id="rest-on-the-next-line"),
        pytest.param("/pair  AB  CD ", Command(CommandName.PAIR, "AB  CD"), id="rest-of-several-words"),
        pytest.param("/stop@MyBot all", Command(CommandName.STOP, "all"), id="for-our-bot"),
        pytest.param("/stop@mybot", Command(CommandName.STOP), id="for-our-bot-in-lower-case"),
        pytest.param("/stop@OtherBot", None, id="for-another-bot"),
        pytest.param("/helpme", None, id="longer-word"),
        pytest.param("/started thing", None, id="longer-word-and-rest"),
        pytest.param("/etc/hosts is broken", None, id="path"),
        pytest.param("/", None, id="slash-alone"),
        pytest.param("/@MyBot", None, id="name-alone"),
        pytest.param("please /stop", None, id="not-the-first-word"),
        pytest.param("stop", None, id="without-slash"),
        pytest.param("", None, id="empty"),
        pytest.param(" \n", None, id="blank"),
    ],
)
def test_command_is_the_first_word_whole(text: str, command: Command | None) -> None:
    """Only a whole first word of ours is a command; everything else is a prompt."""
    assert parse_command(text, "MyBot") == command


def test_command_for_any_bot_is_ours_while_our_name_is_unknown() -> None:
    """Before Telegram has told our name, a named command counts, so that an early `/stop@name` acts."""
    assert parse_command("/stop@Whoever") == Command(CommandName.STOP)


@pytest.mark.parametrize("name", list(CommandName), ids=str)
def test_every_command_is_parsed_and_described(name: CommandName) -> None:
    """Each command is found by its name and has a line for `/help`."""
    assert parse_command(f"/{name.value}") == Command(name)
    assert name.summary


@given(st.text())
def test_any_text_is_command_or_prompt(text: str) -> None:
    """No text raises, and what has no slash in front is never a command."""
    command = parse_command(text, "bot")

    assert command is None or text.lstrip().startswith("/")
