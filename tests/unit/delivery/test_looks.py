"""When an answer is a rich message, and how a chat is shown what is being written."""

from __future__ import annotations

import pytest

from wireroom.delivery.contents import contents_of
from wireroom.delivery.draft_ways import DraftWays, Way, way_after
from wireroom.delivery.drafts import thinking_blocks
from wireroom.delivery.looks import wants_rich_drafts
from wireroom.delivery.parts import DocumentPart, RichPart, TextPart, decode_part, encode_part, part_kind
from wireroom.telegram.errors import (
    BotAPIError,
    FloodWait,
    Forbidden,
    Rejected,
    TelegramUnavailable,
    Unauthorized,
    Uncertain,
)

ADA, TEAM = 7, -4_000_001
TABLE = "| a |\n|---|\n| 1 |"
PLAN = "> - [x] read\n> - [ ] write"
DIFF = "```diff\n" + "+x\n" * 30 + "```"
CODE = "# Done\n\n```py\nx = 1\n```"
PROSE = "All is *well*.\n\nReally."


@pytest.mark.parametrize(
    ("body", "chosen", "chat_id", "rich"),
    [
        pytest.param(TABLE, None, ADA, True, id="table"),
        pytest.param(PLAN, None, ADA, True, id="plan-in-a-quote"),
        pytest.param(DIFF, None, ADA, True, id="long-diff"),
        pytest.param(CODE, None, ADA, False, id="code-needs-none"),
        pytest.param(CODE, "on", ADA, True, id="code-where-wanted"),
        pytest.param(PROSE, "on", ADA, False, id="prose-never"),
        pytest.param(TABLE, "off", ADA, False, id="off"),
        pytest.param(TABLE, None, TEAM, False, id="groups-not"),
        pytest.param(TABLE, "on", TEAM, True, id="groups-where-wanted"),
        pytest.param(TABLE, "of a newer release", ADA, True, id="unknown-choice"),
        pytest.param(TABLE + "\n\n" + "x " * 17_000, None, ADA, False, id="too-long"),
    ],
)
def test_answer_is_rich_where_it_shows_more_than_text(
    body: str, chosen: str | None, chat_id: int, rich: bool
) -> None:
    """What the chat chose decides, and what text could not show; either way the part is stored and read."""
    contents = contents_of(body, chosen=chosen, chat_id=chat_id, max_text_parts=4)
    assert isinstance(contents[0], RichPart) is rich
    assert [decode_part(part_kind(part), encode_part(part)) for part in contents] == list(contents)


def test_answer_too_long_for_a_rich_message_has_its_document() -> None:
    """Beyond every limit the answer is an excerpt and a file, as it always was."""
    contents = contents_of(TABLE + "\n\n" + "word " * 40_000, chosen="on", chat_id=ADA, max_text_parts=4)
    assert [type(part) for part in contents] == [TextPart, DocumentPart]


def test_answer_without_visible_text_says_so() -> None:
    """Nothing to see is no empty message."""
    assert contents_of("\u200b", chosen="on", chat_id=ADA, max_text_parts=4) == (
        TextPart("(The answer has no visible text.)"),
    )


@pytest.mark.parametrize(
    ("way", "error", "after"),
    [
        (Way.RICH, Rejected("m", "bad", status=400), Way.TEXT),
        (Way.RICH, Unauthorized("m", "Not Found: method not found", status=404), Way.TEXT),
        (Way.TEXT, Rejected("m", "TEXTDRAFT_PEER_INVALID", status=400), Way.EDIT),
        (Way.TEXT, Forbidden("m", "blocked", status=403), Way.EDIT),
        (Way.RICH, FloodWait("m", "slow", retry_after_seconds=3), Way.RICH),
        (Way.RICH, Uncertain("m", "no answer"), Way.RICH),
        (Way.RICH, TelegramUnavailable("m", "away"), Way.RICH),
        (Way.RICH, Unauthorized("m", "Unauthorized", status=401), Way.RICH),
    ],
    ids=lambda value: value.description if isinstance(value, BotAPIError) else value.name,
)
def test_refusal_for_good_leads_to_the_next_plainer_way(way: Way, error: BotAPIError, after: Way) -> None:
    """What may pass changes nothing."""
    assert way_after(way, error) is after


def test_missing_method_concerns_every_chat_and_a_refusal_one() -> None:
    """A group never had drafts, whatever is known."""
    ways = DraftWays()
    ways.note(ADA, Way.RICH, Rejected("m", "bad", status=400))
    assert [ways.of(chat, rich=True) for chat in (ADA, 8, TEAM)] == [Way.TEXT, Way.RICH, Way.EDIT]
    ways.note(9, Way.RICH, Unauthorized("m", "Not Found: method not found", status=404))
    assert ways.of(8, rich=True) is Way.TEXT
    assert [wants_rich_drafts(chosen, ADA) for chosen in (None, "on", "off")] == [True, True, False]


def test_many_chats_are_forgotten_oldest_first() -> None:
    """What is known stays bounded; a forgotten chat is asked once more."""
    ways = DraftWays()
    for chat in range(1, 1_002):
        ways.note(chat, Way.TEXT, Rejected("m", "bad", status=400))
    assert [ways.of(chat, rich=True) for chat in (1, 2)] == [Way.RICH, Way.EDIT]


def test_progress_begins_with_what_the_agent_is_thinking() -> None:
    """The first paragraph is the thinking, the rest stands below; what is too rich goes as text."""
    assert thinking_blocks("⏳ Working …\n\nso far") == (
        {"type": "thinking", "text": "⏳ Working …"},
        {"type": "paragraph", "text": "so far"},
    )
    assert thinking_blocks("⏳ Working …") == ({"type": "thinking", "text": "⏳ Working …"},)
    assert thinking_blocks("⏳ Working …\n\n" + ">" * 30 + " deep") is None
