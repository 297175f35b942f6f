"""What `intake.enclosed` reads beside the words: files, albums, what is answered, quoted, forwarded."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from wireroom.intake.enclosed import MOST_CONTEXT_CHARS, Enclosed
from wireroom.intake.update import Said, read_update
from wireroom.workspaces.given import ChatFile

ADA = {"id": 7, "first_name": "Ada", "last_name": "Lovelace"}
BOT = {"id": 1, "first_name": "Wireroom", "is_bot": True}
SMALL = {"file_id": "s", "file_unique_id": "us", "width": 90, "height": 60, "file_size": 900}
LARGE = {"file_id": "l", "file_unique_id": "ul", "width": 1280, "height": 853, "file_size": 90_000}
ZIP = {"file_id": "z", "file_unique_id": "uz", "file_name": "all\0.zip", "mime_type": "application/zip"}


RICH = {
    "blocks": [
        {"type": "heading", "text": ["Plan ", {"type": "bold", "text": "of today"}]},
        {"type": "list", "items": [{"label": "•", "blocks": [{"type": "paragraph", "text": "tea"}]}]},
        {"type": "divider"},
        {"type": "table", "cells": [[{"text": "name"}, {"text": {"type": "code", "text": "price"}}]]},
        {"type": "details", "summary": "rest", "blocks": [{"type": "pre", "text": "end"}]},
    ]
}


def said(**fields: Any) -> Said:
    """Return what a message with these fields says."""
    message = {"message_id": 3, "date": 1, "chat": {"id": 7, "type": "private"}, "from": ADA, **fields}
    found = read_update(json.dumps({"update_id": 1, "message": message}))
    assert isinstance(found, Said)
    return found


PHOTO = ChatFile("l", "ul", "photo_3.jpg", 90_000, 3)


@pytest.mark.parametrize(
    ("fields", "files"),
    [
        pytest.param({"photo": [SMALL, LARGE]}, (PHOTO,), id="photo-in-its-largest-size"),
        pytest.param({"photo": [LARGE, SMALL]}, (PHOTO,), id="whatever-the-order-of-sizes"),
        pytest.param({"document": ZIP}, (ChatFile("z", "uz", "all.zip", None, 3),), id="document"),
        pytest.param(
            {"document": ZIP | {"file_name": ""}}, (ChatFile("z", "uz", "file_3", None, 3),), id="nameless"
        ),
        pytest.param({"video": {"file_id": "v"}}, (ChatFile("v", "v", "video_3.mp4", None, 3),), id="video"),
        pytest.param(
            {"animation": {"file_id": "a", "file_name": "cat.mp4"}, "document": ZIP},
            (ChatFile("a", "a", "cat.mp4", None, 3),),
            id="animation-is-one-file",
        ),
        pytest.param({"document": ZIP | {"mime_type": "audio/ogg"}}, (), id="audio-is-heard"),
        pytest.param({"voice": {"file_id": "v"}}, (), id="voice-is-heard"),
        pytest.param({"sticker": {"file_id": "s"}}, (), id="sticker"),
        pytest.param(
            {"text": "this?", "reply_to_message": {"message_id": 2, "photo": [LARGE]}},
            (ChatFile("l", "ul", "photo_2.jpg", 90_000, 2),),
            id="file-of-the-message-that-is-answered",
        ),
    ],
)
def test_files_of_a_message(fields: dict[str, Any], files: tuple[ChatFile, ...]) -> None:
    """Each file is known by its ids and a name; what is spoken is none."""
    assert said(**fields).files == files


def test_pieces_of_an_album_know_it() -> None:
    """The caption is the text, and the album's id is kept."""
    piece = said(photo=[LARGE], caption=" Compare ", media_group_id="130")
    assert (piece.text, piece.album) == ("Compare", "130")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({}, "Fix it", id="nothing-answered"),
        pytest.param(
            {"reply_to_message": {"message_id": 2, "from": BOT, "text": "one\ntwo"}},
            "Fix it\n\n[Context: this answers what you wrote]\n> one\n> two",
            id="an-answer-of-the-bot",
        ),
        pytest.param(
            {"reply_to_message": {"message_id": 2, "from": ADA, "caption": "the plan"}},
            "Fix it\n\n[Context: this answers what Ada Lovelace wrote]\n> the plan",
            id="a-caption",
        ),
        pytest.param(
            {"reply_to_message": {"message_id": 2, "from": ADA, "text": "all"}, "quote": {"text": "part"}},
            "Fix it\n\n[Context: this answers what Ada Lovelace wrote]\n> part",
            id="a-quoted-part",
        ),
        pytest.param(
            {"external_reply": {"origin": {"chat": {"title": "News"}}}, "quote": {"text": "part"}},
            "Fix it\n\n[Context: this answers what News wrote]\n> part",
            id="from-another-chat",
        ),
        pytest.param(
            {"reply_to_message": {"message_id": 2, "forum_topic_created": {}}}, "Fix it", id="a-topic"
        ),
        pytest.param(
            {"reply_to_message": {"message_id": 2, "from": BOT, "rich_message": RICH}},
            "Fix it\n\n[Context: this answers what you wrote]\n"
            "> Plan of today\n> tea\n> name | price\n> rest\n> end",
            id="a-rich-message",
        ),
        pytest.param(
            {"reply_to_message": {"message_id": 2, "from": BOT, "rich_message": {"blocks": 5}}},
            "Fix it",
            id="a-rich-message-of-another-form",
        ),
        pytest.param(
            {"forward_origin": {"type": "hidden_user", "sender_user_name": "Bob"}},
            "[Forwarded from Bob]\n\nFix it",
            id="forwarded",
        ),
    ],
)
def test_words_carry_their_context(fields: dict[str, Any], words: str) -> None:
    """What is answered or forwarded is marked as such; commands see the text alone."""
    found = said(text="Fix it", **fields)
    assert (found.words, found.text) == (words, "Fix it")


def test_context_is_bounded() -> None:
    """However long the answered message is, the agent is told its beginning."""
    long = said(text="Fix it", reply_to_message={"message_id": 2, "from": BOT, "text": "x" * 4000})
    assert len(long.context) < MOST_CONTEXT_CHARS + 100
    assert long.context.endswith(" […]")


@pytest.mark.parametrize(
    "field",
    sorted(set(Enclosed.__struct_fields__) - {"text", "caption", "rich_message"}),
)
def test_is_bare_knows_every_enclosure(field: str) -> None:
    """A message is bare only without any field that is more than its words, a field added later included."""
    assert Enclosed(text="hi").is_bare
    assert not msgspec.structs.replace(Enclosed(text="hi"), **{field: "anything"}).is_bare
