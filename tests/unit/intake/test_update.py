"""What `intake.update` reads out of the Bot API's updates, in JSON and in forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.errors import BadInput
from wireroom.intake.update import (
    Incoming,
    Other,
    Place,
    Pressed,
    Said,
    Speaker,
    kind_of,
    nested_form,
    read_update,
)
from wireroom.speech.limits import Recording

ADA = {"id": 7, "is_bot": False, "first_name": "Ada", "last_name": "Lovelace", "username": "ada"}
_CHAT = {"id": 7, "type": "private"}


def _message(**fields: Any) -> dict[str, Any]:
    return {"message_id": 3, "date": 1, "chat": _CHAT, "from": ADA, "text": "hello", **fields}


def _read(update: Mapping[str, Any]) -> Incoming:
    return read_update(json.dumps(update))


def _said(text: str, *, edited: bool = False, thread: int | None = None) -> Said:
    return Said(1, Place(7, thread, 3), Speaker(7, "Ada Lovelace"), text, edited)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({}, _said("hello"), id="text"),
        pytest.param({"text": "  hello\n"}, _said("hello"), id="surrounding-space"),
        pytest.param({"text": None, "caption": "a photo"}, _said("a photo"), id="caption"),
        pytest.param({"text": None, "sticker": {}}, _said(""), id="neither"),
        pytest.param({"text": "a\0b"}, _said("ab"), id="nul"),
        pytest.param({"text": "null"}, _said("null"), id="the-word-null"),
        pytest.param({"text": "42"}, _said("42"), id="digits"),
        pytest.param(
            {"message_thread_id": 9, "is_topic_message": True}, _said("hello", thread=9), id="forum-topic"
        ),
        pytest.param({"message_thread_id": 9}, _said("hello"), id="reply-thread-is-no-topic"),
        pytest.param(
            {"message_thread_id": 1, "is_topic_message": True, "chat": {"id": -1002, "type": "supergroup"}},
            Said(1, Place(-1002, None, 3), Speaker(7, "Ada Lovelace"), "hello"),
            id="general-topic-is-the-chat",
        ),
    ],
)
def test_message_says_its_text_at_its_place(fields: dict[str, Any], said: Said) -> None:
    """A message gives speaker, place and text or caption; only a forum topic is a thread of its own."""
    assert _read({"update_id": 1, "message": _message(**fields)}) == said


def test_edited_message_is_marked() -> None:
    """An edit is a message with `edited`."""
    assert _read({"update_id": 1, "edited_message": _message()}) == _said("hello", edited=True)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        pytest.param({"first_name": "Ada", "last_name": "Lovelace"}, "Ada Lovelace", id="both"),
        pytest.param({"first_name": "Ada"}, "Ada", id="first"),
        pytest.param({"first_name": "", "username": "ada"}, "ada", id="username"),
        pytest.param({}, "7", id="id"),
    ],
)
def test_speaker_is_called_by_the_best_name(names: dict[str, str], shown: str) -> None:
    """A person is called by their names, else by username, else by id."""
    incoming = _read({"update_id": 1, "message": _message(**{"from": {"id": 7, **names}})})

    assert isinstance(incoming, Said)
    assert incoming.speaker == Speaker(7, shown)


@pytest.mark.parametrize(
    ("callback", "pressed"),
    [
        pytest.param(
            {"message": _message(), "data": "w:stop:run-1"},
            Pressed(1, Place(7, None, 3), Speaker(7, "Ada Lovelace"), "55", "w:stop:run-1"),
            id="button",
        ),
        pytest.param(
            {"inline_message_id": "x", "data": "a"},
            Pressed(1, None, Speaker(7, "Ada Lovelace"), "55", "a"),
            id="inline-message",
        ),
        pytest.param(
            {"message": _message()},
            Pressed(1, Place(7, None, 3), Speaker(7, "Ada Lovelace"), "55", ""),
            id="no-data",
        ),
    ],
)
def test_callback_query_is_a_pressed_button(callback: dict[str, Any], pressed: Pressed) -> None:
    """A callback query gives the button's data and the message that carries it, if there is one."""
    assert _read({"update_id": 1, "callback_query": {"id": "55", "from": ADA, **callback}}) == pressed


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        pytest.param({"channel_post": _message()}, "channel_post", id="channel-post"),
        pytest.param({"my_chat_member": {"date": 1}}, "my_chat_member", id="membership"),
        pytest.param({"x" * 100: 1}, "x" * 40, id="unknown-and-long"),
        pytest.param({}, "empty", id="empty"),
        pytest.param({"message": {"text": "no ids"}}, "unreadable", id="message-without-ids"),
        pytest.param({"message": "text"}, "unreadable", id="message-of-another-type"),
        pytest.param({"message": _message(chat={"id": 2**63})}, "unreadable", id="chat-id-beyond-64-bits"),
        pytest.param({"message": _message(**{"from": None})}, "anonymous", id="nobody-said-it"),
    ],
)
def test_other_updates_are_kept_by_kind(update: dict[str, Any], kind: str) -> None:
    """What Wireroom does not act on, or cannot read beyond its id, is `Other` with a short kind."""
    assert _read({"update_id": 1, **update}) == Other(1, kind)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="no-json"),
        pytest.param(b'{"update_id": 1', id="cut"),
        pytest.param(b"\xff\xfe", id="not-utf-8"),
        pytest.param(b'{"update_id": 1, "other": "\xff"}', id="not-utf-8-inside"),
        pytest.param(b"[1]", id="array"),
        pytest.param(b"{}", id="no-update-id"),
        pytest.param(b'{"update_id": null}', id="null-update-id"),
        pytest.param(b'{"update_id": true}', id="boolean-update-id"),
        pytest.param(b'{"update_id": "x"}', id="worded-update-id"),
        pytest.param(b'{"update_id": 9223372036854775808}', id="update-id-beyond-64-bits"),
        pytest.param(b'{"update_id": 1, "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", id="too-deep"),
        pytest.param(
            b'{"message": 5, "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", id="unreadable-too-deep"
        ),
    ],
)
def test_body_without_a_usable_update_id_is_bad_input(body: bytes) -> None:
    """A body that cannot be stored under an update id is refused, whatever is wrong with it."""
    with pytest.raises(BadInput):
        read_update(body)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """No body raises anything but `BadInput`."""
    try:
        read_update(body)
    except BadInput:
        return


@pytest.mark.parametrize(
    ("incoming", "kind"),
    [
        pytest.param(_said("x"), "message", id="message"),
        pytest.param(_said("x", edited=True), "edited_message", id="edit"),
        pytest.param(Pressed(1, None, Speaker(7, "Ada"), "5", ""), "callback_query", id="press"),
        pytest.param(Other(1, "poll"), "poll", id="other"),
    ],
)
def test_kind_is_the_name_in_the_bot_api(incoming: Incoming, kind: str) -> None:
    """An update is stored under the Bot API's own word."""
    assert kind_of(incoming) == kind


def test_lane_tells_bots_chats_and_topics_apart() -> None:
    """Two places share a lane only when bot, chat and topic are the same."""
    places = [(1, Place(5, None, 1)), (1, Place(5, 2, 1)), (1, Place(6, None, 1)), (2, Place(5, None, 1))]

    assert len({place.lane(bot) for bot, place in places}) == len(places)
    assert Place(-5, 2, 1).lane(9) == Place(-5, 2, 8).lane(9) == "telegram:9:-5:2"


def _form(value: object, name: str = "") -> list[tuple[str, str]]:
    """Return the pairs that a form library makes of nested objects."""
    if isinstance(value, dict):
        return [
            pair for key, below in value.items() for pair in _form(below, f"{name}[{key}]" if name else key)
        ]
    return [(name, str(value).lower() if isinstance(value, bool) else str(value))]


@pytest.mark.parametrize(
    "update",
    [
        pytest.param({"update_id": 1, "message": _message(text="a&b=c [d] + é")}, id="message"),
        pytest.param({"update_id": 1, "message": _message(text="42")}, id="text-of-digits"),
        pytest.param(
            {"update_id": 1, "message": _message(message_thread_id=9, is_topic_message=True)}, id="topic"
        ),
        pytest.param(
            {"update_id": 1, "message": _message(**{"from": {"id": 7, "first_name": "42"}})}, id="name"
        ),
        pytest.param({"update_id": 1, "message": _message(chat={"id": -100123}, text="²")}, id="group"),
        pytest.param(
            {"update_id": 1, "callback_query": {"id": "55", "from": ADA, "message": _message(), "data": "9"}},
            id="button",
        ),
    ],
)
def test_form_means_the_same_as_json(update: dict[str, Any]) -> None:
    """An update in nested form fields reads like the same update in JSON."""
    pairs = parse_qsl(urlencode(_form(update)), keep_blank_values=True)

    assert _read(nested_form(pairs)) == _read(update)


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("a", "1"), ("a[b]", "2")], id="value-then-object"),
        pytest.param([("a[b]", "2"), ("a", "1")], id="object-then-value"),
        pytest.param([("a" + "[b]" * 100, "1")], id="too-deep"),
    ],
)
def test_contradicting_form_is_bad_input(pairs: list[tuple[str, str]]) -> None:
    """A form that means no object is refused instead of half read."""
    with pytest.raises(BadInput):
        nested_form(pairs)


@given(st.lists(st.tuples(st.text(alphabet="ab[]", max_size=8), st.text(max_size=4)), max_size=8))
def test_any_form_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    """No form raises anything but `BadInput`."""
    try:
        nested_form(pairs)
    except BadInput:
        return


_SOUND = {"file_id": "F", "file_unique_id": "U", "duration": 7, "file_size": 90, "mime_type": "audio/ogg"}


@pytest.mark.parametrize(
    ("fields", "recording"),
    [
        pytest.param({"voice": _SOUND}, Recording("F", "U", 7, 90, "audio/ogg"), id="voice"),
        pytest.param(
            {"audio": {**_SOUND, "mime_type": "audio/mpeg"}, "caption": " Do it "},
            Recording("F", "U", 7, 90, "audio/mpeg", "Do it"),
            id="audio-with-caption",
        ),
        pytest.param(
            {"video_note": {"file_id": "F", "file_unique_id": "U", "length": 240, "duration": 7}},
            Recording("F", "U", 7, None, "video/mp4"),
            id="video-note",
        ),
        pytest.param(
            {"document": {"file_id": "F", "file_unique_id": "U", "mime_type": "Audio/wav"}},
            Recording("F", "U", 0, None, "Audio/wav"),
            id="audio-document",
        ),
        pytest.param({"document": {**_SOUND, "mime_type": "text/plain"}}, None, id="other-document"),
        pytest.param({"document": {"file_name": "odd"}}, None, id="document-of-no-type"),
    ],
)
def test_message_carries_what_was_spoken(fields: dict[str, Any], recording: Recording | None) -> None:
    """Voice messages, audio, audio documents and video notes are recordings; other files are not."""
    said = _read({"update_id": 1, "message": _message(text=None, **fields)})
    assert isinstance(said, Said)
    assert said.recording == recording
