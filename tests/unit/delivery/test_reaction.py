"""The full table: what follows from each error of the Bot API at each step."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.delivery.reaction import (
    PATIENCE,
    Call,
    GiveUp,
    Later,
    LeaveTopic,
    MoveChat,
    PlaceAgain,
    Reaction,
    SendPlain,
    Shown,
    is_outage,
    react,
)
from wireroom.telegram.errors import (
    BotAPIError,
    CannotParse,
    ChatMigrated,
    ChatNotFound,
    Conflict,
    FloodWait,
    Forbidden,
    MessageGone,
    NotModified,
    Rejected,
    TelegramUnavailable,
    TooLong,
    TopicGone,
    Unauthorized,
    Uncertain,
)

FLOOD = FloodWait("sendMessage", "Too Many Requests", retry_after_seconds=30)
MIGRATED = ChatMigrated("sendMessage", "group chat was upgraded", migrate_to_chat_id=-1009)
CLOSED = TopicGone("sendMessage", "Bad Request: TOPIC_CLOSED")
RETRIED = Later(4.0, counts=True)
AT_ONCE = timedelta()
GATEWAY = Uncertain("sendMessage", "answered 502 without a Bot API reply", status=502)


def _refused(error: BotAPIError) -> GiveUp:
    return GiveUp(f"Telegram refuses it: {error.description}")


def _error(kind: type[BotAPIError]) -> BotAPIError:
    return kind("sendMessage", "words")


TABLE: list[tuple[BotAPIError, Reaction, Reaction]] = [
    (_error(NotModified), Shown(), Shown()),
    (FLOOD, Later(30, counts=False, closes_lane=True), Later(30, counts=False, closes_lane=True)),
    (MIGRATED, MoveChat(-1009), MoveChat(-1009)),
    (_error(CannotParse), SendPlain(), SendPlain()),
    (_error(MessageGone), _refused(_error(MessageGone)), PlaceAgain()),
    (_error(Uncertain), Later(4.0, counts=True, unsure=True), RETRIED),
    (GATEWAY, Later(4.0, counts=True, unsure=True), RETRIED),
    (_error(TelegramUnavailable), RETRIED, RETRIED),
    (_error(Unauthorized), RETRIED, RETRIED),
    (_error(Rejected), _refused(_error(Rejected)), _refused(_error(Rejected))),
    (_error(TooLong), _refused(_error(TooLong)), _refused(_error(TooLong))),
    (_error(TopicGone), LeaveTopic(is_closed=False), LeaveTopic(is_closed=False)),
    (CLOSED, LeaveTopic(is_closed=True), LeaveTopic(is_closed=True)),
    (_error(ChatNotFound), _refused(_error(ChatNotFound)), _refused(_error(ChatNotFound))),
    (_error(Forbidden), GiveUp("sendMessage: words"), GiveUp("sendMessage: words")),
    (_error(Conflict), GiveUp("sendMessage: words"), GiveUp("sendMessage: words")),
]
"""(error, when placing, when filling) at the third failed try of twelve, without jitter."""


@pytest.mark.parametrize(("error", "placing", "filling"), TABLE, ids=[type(row[0]).__name__ for row in TABLE])
def test_reaction_follows_the_class_of_the_error(
    error: BotAPIError, placing: Reaction, filling: Reaction
) -> None:
    """Each class of error has one reaction for each step."""
    assert react(error, Call.PLACE, attempts=2, max_attempts=12, waited=AT_ONCE, jitter=0) == placing
    assert react(error, Call.FILL, attempts=2, max_attempts=12, waited=AT_ONCE, jitter=0) == filling


def test_table_covers_every_class_of_error() -> None:
    """No class of `telegram.errors` is without a row."""
    assert {type(error) for error, _, _ in TABLE} == _family(BotAPIError)


def _family(kind: type[BotAPIError]) -> set[type[BotAPIError]]:
    found = set(kind.__subclasses__())
    return found.union(*(_family(below) for below in found))


@pytest.mark.parametrize(
    ("attempts", "max_attempts", "again"),
    [
        pytest.param(0, 1, False, id="one-try-only"),
        pytest.param(0, 2, True, id="first-of-two"),
        pytest.param(1, 2, False, id="second-of-two"),
        pytest.param(10, 12, True, id="last-but-one"),
        pytest.param(11, 12, False, id="last"),
    ],
)
def test_missing_answers_end_in_a_dead_letter(attempts: int, max_attempts: int, again: bool) -> None:
    """A call without an answer is tried again until the tries are used up, then given up with its words."""
    reaction = react(
        _error(Uncertain),
        Call.FILL,
        attempts=attempts,
        max_attempts=max_attempts,
        waited=AT_ONCE,
        jitter=0,
    )

    assert isinstance(reaction, Later) is again
    assert again or reaction == GiveUp("sendMessage: words")


OUTAGES = [_error(TelegramUnavailable), _error(Unauthorized), GATEWAY]


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", Call)
@given(max_attempts=st.integers(1, 30), tries=st.integers(0, 60))
def test_outage_of_the_api_kills_no_delivery_within_a_day(
    error: BotAPIError, call: Call, max_attempts: int, tries: int
) -> None:
    """However often it fails, an outage leaves half of the tries, and ends a delivery only by its age."""
    attempts = 0
    for _ in range(tries):
        reaction = react(
            error, call, attempts=attempts, max_attempts=max_attempts, waited=PATIENCE / 2, jitter=0
        )
        assert isinstance(reaction, Later)
        assert reaction.seconds <= 300
        attempts += reaction.counts

    assert attempts == min(tries, max_attempts // 2)
    reaction = react(error, call, attempts=attempts, max_attempts=max_attempts, waited=PATIENCE, jitter=0)
    assert isinstance(reaction, GiveUp) is (attempts == max_attempts // 2)


@pytest.mark.parametrize(
    ("status", "outage"),
    [pytest.param(None, False, id="no-answer"), pytest.param(200, False, id="unreadable"), (502, True)],
)
def test_only_a_gateways_page_makes_an_uncertain_call_an_outage(status: int | None, outage: bool) -> None:
    """A call whose answer is missing or unreadable may be at fault itself."""
    assert is_outage(Uncertain("sendMessage", "words", status=status)) is outage


@pytest.mark.parametrize(
    ("attempts", "again"), [pytest.param(10, True, id="last-but-one"), pytest.param(11, False, id="last")]
)
def test_placing_again_has_an_end(attempts: int, again: bool) -> None:
    """A message that is gone again and again is not replaced for ever."""
    gone = _error(MessageGone)
    reaction = react(gone, Call.FILL, attempts=attempts, max_attempts=12, waited=AT_ONCE, jitter=0)

    assert reaction == (PlaceAgain() if again else _refused(gone))


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"),
    [
        pytest.param(0, 0.0, 1.0, id="first"),
        pytest.param(3, 0.0, 8.0, id="fourth"),
        pytest.param(3, 0.25, 10.0, id="jitter"),
        pytest.param(9, 0.0, 300.0, id="cap"),
        pytest.param(5_000, 0.0, 300.0, id="very-many"),
    ],
)
def test_wait_doubles_up_to_its_cap(attempts: int, jitter: float, seconds: float) -> None:
    """The wait is min(300, 2 ** attempts) * (1 + jitter)."""
    reaction = react(
        _error(TelegramUnavailable),
        Call.PLACE,
        attempts=attempts,
        max_attempts=20_000,
        waited=AT_ONCE,
        jitter=jitter,
    )

    assert reaction == Later(seconds, counts=True)


@given(st.integers(0, 100), st.floats(0, 0.99))
def test_flood_wait_never_uses_up_a_try(attempts: int, jitter: float) -> None:
    """However often Telegram asks to wait, the delivery waits as long as it says and does not die of it."""
    reaction = react(FLOOD, Call.PLACE, attempts=attempts, max_attempts=1, waited=PATIENCE, jitter=jitter)

    assert reaction == Later(30, counts=False, closes_lane=True)
