"""The flood rules, as tables and as properties over any sequence of questions."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wireroom.delivery.lanes import BotClock, ChatClock, Kind, LaneRules, Lanes
from wireroom.delivery.pace import SendingPace
from wireroom.delivery.permits import MemoryPermits
from wireroom.testing.clock import ManualClock

PERSON, OTHER, GROUP = 7, 8, -100


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([(0, PERSON, "send"), (0, PERSON, "send")], [0, 1]),
        ([(0, PERSON, "send"), (0.25, PERSON, "send"), (1, PERSON, "send")], [0, 0.75, 0]),
        ([(0, PERSON, "send"), (0, OTHER, "send")], [0, 0]),
        ([(0, PERSON, "send"), (0, PERSON, "edit"), (0.5, PERSON, "edit")], [0, 0, 0.5]),
        ([(0, PERSON, "progress"), (0, PERSON, "edit"), (0.25, PERSON, "progress")], [0, 0, 0.75]),
        ([(0, GROUP, "edit"), (1, GROUP, "edit"), (3, GROUP, "edit")], [0, 2, 0]),
        ([(i, GROUP, "send") for i in range(21)], [0] * 20 + [40]),
        (
            [(i, GROUP, "send") for i in range(20)] + [(60, GROUP, "send"), (60.5, GROUP, "send")],
            [0] * 21 + [0.5],
        ),
        ([(i, PERSON, "send") for i in range(100)], [0] * 100),
        ([(0, chat, "send") for chat in range(1, 32)], [0] * 30 + [1]),
        ([(0, chat, "edit") for chat in range(1, 32)], [0] * 30 + [1]),
    ],
    ids=[
        "one a second",
        "remaining time",
        "another chat is free",
        "an edit does not wait for a send",
        "an answer does not wait for progress",
        "group edits are spaced",
        "twenty a minute in a group",
        "the group window slides",
        "a person has no minute limit",
        "thirty a second in all",
        "edits count in all",
    ],
)
def test_ask_follows_the_rules(script: list[tuple[float, int, Kind]], expected: list[float]) -> None:
    """Each question gets 0 and the permit, or the time that is left."""
    lanes = Lanes()
    assert [lanes.ask(*question) for question in script] == expected


def test_flood_closes_that_chat_for_sends_and_edits() -> None:
    """`retry_after` holds back one chat entirely, from the moment it was said."""
    lanes = Lanes()
    lanes.flood(10, PERSON, 30)
    assert lanes.ask(11, PERSON, "send") == 29
    assert lanes.ask(11, PERSON, "edit") == 29
    assert lanes.ask(11, OTHER, "send") == 0
    assert lanes.ask(40, PERSON, "send") == 0


def test_a_shorter_flood_does_not_shorten_a_longer_one() -> None:
    """Of two flood waits the later end counts."""
    lanes = Lanes()
    lanes.flood(0, PERSON, 30)
    lanes.flood(1, PERSON, 2)
    assert lanes.ask(3, PERSON, "send") == 27


def test_waiting_as_told_is_enough() -> None:
    """Asking again after exactly the told time ends in a permit, whatever the rounding."""
    lanes = Lanes()
    now = 123456.1
    for _ in range(200):
        for _ in range(3):
            wait = lanes.ask(now, GROUP, "send")
            if wait == 0:
                break
            now += wait
        else:
            pytest.fail(f"still {wait} s to wait")


def test_idle_chats_are_forgotten() -> None:
    """A million chats, one after the other, never make a record longer than the last minute's permits."""
    lanes = Lanes()
    longest = 0
    for number in range(20_000):
        lanes.ask(number / 30, -1 - number, "send")
        longest = max(longest, len(lanes))
    assert longest <= 30 * 60 * 2


def test_forgetting_frees_a_flooded_chat_only_after_its_wait() -> None:
    """Other traffic does not make a flood wait forgotten."""
    lanes = Lanes()
    lanes.flood(0, PERSON, 1000)
    for number in range(2000):
        lanes.ask(number / 10, 1000 + number, "send")
    assert lanes.ask(200, PERSON, "send") == 800


question = st.tuples(
    st.sampled_from([0.0, 0.01, 0.1, 0.3, 1.0, 2.5, 20.0]),
    st.sampled_from([1, 2, 3, -1, -2]),
    st.sampled_from(["send", "edit", "progress"]),
    st.sampled_from([None, None, None, None, None, 0.0, 3.0, 70.0]),
)
questions = st.lists(question, max_size=120)
crowd = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.0, 0.02, 0.5]),
        st.integers(1, 60),
        st.sampled_from(["send", "edit", "progress"]),
    ),
    min_size=30,
    max_size=150,
)


@settings(deadline=None)
@given(questions)
def test_no_window_ever_holds_more_than_its_limit(
    script: list[tuple[float, int, Kind, float | None]],
) -> None:
    """For any sequence of questions the permits keep every rule, and a flood wait is kept out entirely."""
    rules, lanes, now = LaneRules(), Lanes(), 1000.0
    permits: dict[tuple[int, Kind], list[float]] = defaultdict(list)
    closed: dict[int, float] = defaultdict(float)
    for pause, chat, kind, flood in script:
        now += pause
        if flood is not None:
            lanes.flood(now, chat, flood)
            closed[chat] = max(closed[chat], now + flood)
        if lanes.ask(now, chat, kind) == 0:
            assert now >= closed[chat]
            permits[chat, kind].append(now)
    for (chat, kind), times in permits.items():
        in_group = rules.group_edit_spacing_seconds if kind == "edit" else rules.chat_spacing_seconds
        spacing = in_group if chat < 0 else 1.0
        assert all(later >= earlier + spacing for earlier, later in pairwise(times))
        if chat < 0 and kind == "send":
            assert all(b >= a + 60 for a, b in zip(times, times[20:], strict=False))


@settings(deadline=None)
@given(crowd)
def test_no_second_holds_more_than_thirty_permits(script: list[tuple[float, int, Kind]]) -> None:
    """However many chats ask at once, any second has at most thirty permits in all."""
    lanes, now, permits = Lanes(), 0.0, []
    for pause, chat, kind in script:
        now += pause
        if lanes.ask(now, chat, kind) == 0:
            permits.append(now)
    assert all(b >= a + 1 for a, b in zip(permits, permits[30:], strict=False))


@settings(deadline=None)
@given(questions, st.integers(1, 500))
def test_one_chats_flood_never_changes_anothers_answer(
    script: list[tuple[float, int, Kind, float | None]], retry_after: int
) -> None:
    """With and without a flood in chat 99, every other chat is told the same."""
    calm, flooded, now = Lanes(), Lanes(), 0.0
    for pause, chat, kind, _ in script:
        now += pause
        flooded.flood(now, 99, retry_after)
        assert flooded.ask(now, 99, kind) > 0
        assert calm.ask(now, chat, kind) == flooded.ask(now, chat, kind)


@settings(max_examples=30, deadline=None)
@given(questions)
def test_forgetting_changes_no_answer(script: list[tuple[float, int, Kind, float | None]]) -> None:
    """Lanes that forget idle chats answer as lanes that never do."""

    class Elephant(Lanes):
        """Never forgets."""

        def _is_idle(self, now: float, chat_id: int) -> bool:  # noqa: ARG002 - the overridden signature
            return False

    forgetful, elephant, now = Lanes(), Elephant(), 0.0
    for pause, chat, kind, flood in script:
        now += pause
        if flood is not None:
            forgetful.flood(now, chat, flood)
            elephant.flood(now, chat, flood)
        assert forgetful.ask(now, chat, kind) == elephant.ask(now, chat, kind)


def test_chats_that_wait_for_the_overall_limit_are_given_different_turns() -> None:
    """With the limit used up, each who asks is told a later time, one thirtieth of a second apart."""
    lanes = Lanes()
    for chat in range(30):
        assert lanes.ask(0.0, chat, "send") == 0
    waits = [lanes.overall_wait(0.0) for _ in range(3)] + [lanes.ask(0.0, 100, "send")]
    assert waits == pytest.approx([1, 1 + 1 / 30, 1 + 2 / 30, 1 + 3 / 30])


def test_the_overall_wait_takes_no_permit() -> None:
    """Asking whether there is room at all leaves the room to who sends."""
    lanes = Lanes(LaneRules(overall_limit=1))
    assert [lanes.overall_wait(0.0) for _ in range(5)] == [0] * 5
    assert lanes.ask(0.0, PERSON, "send") == 0
    assert lanes.overall_wait(0.0) == 1


def test_permits_left_and_the_time_to_the_next_follow_the_overall_limit() -> None:
    """Both are told without taking a permit: what is left, and how long nothing is."""
    lanes = Lanes(LaneRules(overall_limit=2))
    assert (lanes.permits(0.0), lanes.seconds_to_permits(0.0, 1)) == (2, 0)
    assert lanes.ask(0.0, PERSON, "send") == 0
    assert (lanes.permits(0.5), lanes.seconds_to_permits(0.5, 1)) == (1, 0)
    assert (lanes.seconds_to_permits(0.5, 2), lanes.seconds_to_permits(0.5, 9)) == (0.5, 0.5)
    assert lanes.ask(0.5, OTHER, "send") == 0
    assert (lanes.permits(0.5), lanes.seconds_to_permits(0.5, 1)) == (0, 0.5)
    assert (lanes.permits(1.0), lanes.seconds_to_permits(1.0, 1)) == (1, 0)
    assert lanes.seconds_to_permits(1.0, 2) == 0.5


def test_sending_pace_gives_room_for_as_many_messages_as_may_be_sent() -> None:
    """The queue of deliveries claims what has both its permits, never more than its slots, else it waits."""
    clock = ManualClock()
    lanes = Lanes(LaneRules(overall_limit=6))
    pace = SendingPace(MemoryPermits(lanes, clock))
    assert (pace.seconds_held(), pace.room(2), pace.room(64)) == (0, 2, 3)
    for chat in range(5):
        assert lanes.ask(clock.monotonic(), chat, "send") == 0
        clock.advance(timedelta(milliseconds=50))
    assert pace.seconds_held() == pytest.approx(0.75)
    assert lanes.ask(clock.monotonic(), 5, "send") == 0
    assert pace.room(64) == 0
    assert pace.seconds_held() == pytest.approx(0.8)


def test_sending_pace_of_one_call_at_a_time_waits_for_no_second() -> None:
    """Where the limit is a single call a message begins with that one."""
    lanes = Lanes(LaneRules(overall_limit=1))
    pace = SendingPace(MemoryPermits(lanes, ManualClock()))
    assert (pace.seconds_held(), pace.room(64)) == (0, 1)


def test_messages_of_a_chat_go_in_their_order_however_late_they_ask() -> None:
    """Who was refused keeps its place before later ones, also when those ask at a better moment."""
    lanes = Lanes()
    assert lanes.ask(0.0, PERSON, "send", 1) == 0
    assert lanes.ask(0.2, PERSON, "send", 2) == pytest.approx(0.8)
    assert lanes.ask(1.0, PERSON, "send", 3) > 0
    assert lanes.ask(1.1, PERSON, "edit") == 0
    assert lanes.ask(1.2, PERSON, "send", 2) == 0
    assert lanes.ask(2.2, PERSON, "send", 3) == 0


def test_an_earlier_message_takes_no_place_from_the_first() -> None:
    """A message that was begun long ago may send its next part; the one that waits keeps its own."""
    lanes = Lanes(LaneRules(chat_spacing_seconds=0.1))
    lanes.flood(0.0, PERSON, 1)
    assert lanes.ask(0.0, PERSON, "send", 5) == 1
    assert lanes.ask(1.0, PERSON, "send", 4) == 0
    assert lanes.ask(1.2, PERSON, "send", 6) > 0
    assert lanes.ask(1.2, PERSON, "send", 5) == 0


def test_a_message_that_never_comes_again_loses_its_place() -> None:
    """It may have been dropped: after a while the next one goes."""
    lanes = Lanes()
    lanes.flood(0.0, PERSON, 1)
    assert lanes.ask(0.0, PERSON, "send", 5) == 1
    assert lanes.ask(10.9, PERSON, "send", 6) > 0
    assert lanes.ask(11.1, PERSON, "send", 6) == 0


CAREFUL = LaneRules(call_seconds=5)


def test_a_send_counts_from_its_end() -> None:
    """However long the call takes, the next one of the chat is made a second after its end."""
    lanes = Lanes(CAREFUL)
    assert lanes.ask(0.0, GROUP, "send") == 0
    assert lanes.ask(3.0, GROUP, "send") > 0
    lanes.settle(3.5, GROUP)
    assert lanes.ask(4.0, GROUP, "send") == 0.5
    assert lanes.chats[GROUP].sends == [3.5]


def test_a_send_that_is_never_settled_counts_for_as_long_as_it_may_arrive() -> None:
    """Its process was killed: five seconds for the call, and one of the limit."""
    lanes = Lanes(CAREFUL)
    assert lanes.ask(0.0, PERSON, "send") == 0
    assert lanes.ask(5.9, PERSON, "send") > 0
    assert lanes.ask(6.0, PERSON, "send") == 0


def test_sends_under_way_use_up_the_overall_limit() -> None:
    """As many as may be made are under way: the next one asks again soon, as any may end."""
    lanes = Lanes(LaneRules(overall_limit=2, call_seconds=5))
    assert [lanes.ask(0.0, chat, "send") for chat in (1, 2)] == [0, 0]
    assert lanes.permits(2.0) == 0
    assert 0 < lanes.ask(2.0, 3, "send") < 1
    lanes.settle(2.0, 1)
    assert lanes.permits(2.9) == 0
    assert lanes.permits(3.0) == 1


def test_three_refused_chats_mean_the_bot() -> None:
    """Two chats are those chats' affair; with the third everybody waits, for the shortest of the waits."""
    lanes = Lanes()
    for chat, seconds in ((1, 60), (1, 60), (2, 30)):
        lanes.flood(0.0, chat, seconds)
    assert lanes.ask(1.0, OTHER, "send") == 0
    lanes.flood(1.0, 3, 90)
    assert lanes.ask(2.0, OTHER, "edit") == pytest.approx(28)
    assert (lanes.permits(2.0), lanes.seconds_to_permits(2.0, 1)) == (0, 28)
    assert lanes.ask(30.0, OTHER, "edit") == 0


def test_refusals_far_apart_say_nothing_of_the_bot() -> None:
    """Three chats within minutes are three chats."""
    lanes = Lanes()
    for number, at in enumerate((0.0, 3.0, 6.0)):
        lanes.flood(at, number + 1, 60)
    assert lanes.ask(6.0, 9, "send") == 0


@settings(deadline=None)
@given(questions)
def test_clocks_that_are_stored_after_each_question_answer_the_same(
    script: list[tuple[float, int, Kind, float | None]],
) -> None:
    """What many processes share in a database, as JSON, loses nothing of the rules."""
    kept, bot, chats, now = Lanes(CAREFUL), b"{}", dict[int, bytes](), 0.0
    for pause, chat, kind, flood in script:
        now += pause
        stored = Lanes(
            CAREFUL,
            bot=msgspec.json.decode(bot, type=BotClock),
            chats={one: msgspec.json.decode(state, type=ChatClock) for one, state in chats.items()},
        )
        for lanes in (kept, stored):
            if flood is not None:
                lanes.flood(now, chat, flood)
        assert kept.ask(now, chat, kind, chat) == stored.ask(now, chat, kind, chat)
        bot = msgspec.json.encode(stored.bot)
        chats = {one: msgspec.json.encode(state) for one, state in stored.chats.items()}
