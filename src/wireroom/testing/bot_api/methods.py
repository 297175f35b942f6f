"""The methods of the Bot API that read and change chats: plain functions of the world and the parameters.

A method returns its `result` as JSON values or raises `ApiRefusal`. Taking updates is `feed`'s.
Source: Telegram Bot API, the section named like the method.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from wireroom.testing.bot_api.attachments import read_album, read_file, read_media
from wireroom.testing.bot_api.drafts import SeenDraft
from wireroom.testing.bot_api.errors import ApiRefusal, bad_request
from wireroom.testing.bot_api.forum import FORUM_METHODS
from wireroom.testing.bot_api.markup import read_commands, read_keyboard, read_reactions
from wireroom.testing.bot_api.model import AttachmentKind, Chat, ChatKind, Content, Message
from wireroom.testing.bot_api.params import Params
from wireroom.testing.bot_api.rich import read_rich, text_of
from wireroom.testing.bot_api.text import read_draft, read_text
from wireroom.testing.bot_api.world import World

_MAX_DOWNLOAD_BYTES = 20 * 1024 * 1024
_MAX_CALLBACK_ANSWER = 200
_ACTIONS = frozenset(
    {
        *("typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice"),
        *("upload_document", "choose_sticker", "find_location", "record_video_note", "upload_video_note"),
    }
)

Method = Callable[[World, Params], Any]


def _chat(world: World, params: Params) -> Chat:
    given = params.text("chat_id")
    if not given:
        raise bad_request("chat_id is empty")
    return world.chat(params.integer("chat_id"))


def _thread(chat: Chat, params: Params) -> int | None:
    thread = params.integer("message_thread_id") or None
    if thread is not None and thread not in chat.topics:
        raise bad_request("message thread not found")
    return _open_thread(chat, thread)


def _open_thread(chat: Chat, thread: int | None) -> int | None:
    if thread in chat.closed and not chat.bot_manages_topics:
        raise bad_request("TOPIC_CLOSED")
    return thread


def _replied(chat: Chat, params: Params) -> Message | None:
    reply = params.mapping("reply_parameters")
    if reply is None:
        return None
    wanted = Params(reply)
    message = chat.messages.get(wanted.integer("message_id"))
    if message is None and not wanted.flag("allow_sending_without_reply"):
        raise bad_request("message to be replied not found")
    return message


def _send(world: World, params: Params, read: Callable[[], Content], album: str | None = None) -> Any:
    chat = _chat(world, params)
    thread = _thread(chat, params)
    replied = _replied(chat, params)
    if thread is None and replied is not None and replied.thread in chat.topics:
        thread = _open_thread(chat, replied.thread)
    message = world.post(
        chat,
        world.bot,
        read(),
        reply_to=replied.id if replied else None,
        thread=thread,
        markup=read_keyboard(params, only_inline=False),
    )
    message.album = album
    return message.to_json()


def _send_message(world: World, params: Params) -> Any:
    return _send(world, params, lambda: Content(*read_text(params)))


def _send_rich_message(world: World, params: Params) -> Any:
    return _send(world, params, lambda: _rich_content(params))


def _rich_content(params: Params) -> Content:
    blocks = read_rich(params)
    return Content(text_of(blocks), blocks=blocks)


def _send_document(world: World, params: Params) -> Any:
    return _send(world, params, lambda: read_file(world, params, AttachmentKind.DOCUMENT))


def _send_photo(world: World, params: Params) -> Any:
    return _send(world, params, lambda: read_file(world, params, AttachmentKind.PHOTO))


def _send_media_group(world: World, params: Params) -> Any:
    album = world.new_album()
    return [
        _send(world, params, partial(_as_read, content), album=album) for content in read_album(world, params)
    ]


def _as_read(content: Content) -> Content:
    return content


def _send_voice(world: World, params: Params) -> Any:
    return _send(world, params, lambda: read_file(world, params, AttachmentKind.VOICE))


def _own_message(world: World, params: Params) -> Message:
    chat = _chat(world, params)
    if not params.has("message_id"):
        raise bad_request("message identifier is not specified")
    message = chat.messages.get(params.integer("message_id"))
    if message is None:
        raise bad_request("message to edit not found")
    if message.sender != world.bot:
        raise bad_request("message can't be edited")
    return message


def _edit_message_text(world: World, params: Params) -> Any:
    content = _rich_content(params) if params.has("rich_message") else Content(*read_text(params))
    message = _own_message(world, params)
    if message.content.attachment is not None:
        raise bad_request("there is no text in the message to edit")
    world.edit(message, content, read_keyboard(params, only_inline=True))
    return message.to_json()


def _edit_message_media(world: World, params: Params) -> Any:
    message = _own_message(world, params)
    media = params.mapping("media")
    if media is None:
        raise bad_request("media is not specified")
    markup = read_keyboard(params, only_inline=True)
    world.edit(message, read_media(world, params, media), markup)
    return message.to_json()


def _edit_message_reply_markup(world: World, params: Params) -> Any:
    message = _own_message(world, params)
    world.edit(message, message.content, read_keyboard(params, only_inline=True))
    return message.to_json()


def _delete_message(world: World, params: Params) -> Any:
    chat = _chat(world, params)
    message = chat.messages.get(params.integer("message_id"))
    if message is None:
        raise bad_request("message to delete not found")
    if message.sender != world.bot and chat.kind is not ChatKind.PRIVATE:
        raise bad_request("message can't be deleted")
    world.delete(message)
    return True


def _send_chat_action(world: World, params: Params) -> Any:
    chat = _chat(world, params)
    _thread(chat, params)
    if params.text("action").lower() not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    return True


def _send_message_draft(world: World, params: Params) -> Any:
    return _show_draft(world, params, lambda: Content(*read_draft(params)))


def _send_rich_message_draft(world: World, params: Params) -> Any:
    def content() -> Content:
        blocks = read_rich(params, is_draft=True)
        return Content(text_of(blocks), blocks=blocks)

    return _show_draft(world, params, content)


def _show_draft(world: World, params: Params, read: Callable[[], Content]) -> bool:
    chat = _chat(world, params)
    thread = _thread(chat, params)
    if chat.kind is not ChatKind.PRIVATE:
        raise bad_request("TEXTDRAFT_PEER_INVALID")
    if params.integer("draft_id") == 0:
        raise bad_request("draft identifier must be non-zero")
    content = read()
    draft = SeenDraft(
        chat_id=chat.id,
        draft_id=params.integer("draft_id"),
        thread=thread,
        text=content.text,
        entities=content.entities,
        blocks=content.blocks,
        can_stop=params.flag("can_stop"),
        keep_on_stop=params.flag("keep_on_stop"),
        shown_at=world.draft_clock(),
    )
    world.show_draft(chat, draft)
    return True


def _answer_callback_query(world: World, params: Params) -> Any:
    query = params.text("callback_query_id")
    if query not in world.callbacks:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    text = params.text("text")
    if len(text) > _MAX_CALLBACK_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    world.callbacks[query] = {"text": text, "show_alert": params.flag("show_alert")}
    return True


def _set_message_reaction(world: World, params: Params) -> Any:
    chat = _chat(world, params)
    message = chat.messages.get(params.integer("message_id"))
    if message is None:
        raise bad_request("message to react not found")
    message.reactions = read_reactions(params)
    return True


def _set_my_commands(world: World, params: Params) -> Any:
    world.commands[params.text("scope") + params.text("language_code")] = read_commands(params)
    return True


def _get_file(world: World, params: Params) -> Any:
    stored = world.files.get(params.text("file_id"))
    if stored is None:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if world.local_folder is not None:
        path = world.local_folder.resolve() / stored.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored.content)
        return stored.to_json() | {"file_path": str(path)}
    if len(stored.content) > _MAX_DOWNLOAD_BYTES:
        raise bad_request("file is too big")
    return stored.to_json()


def _get_me(world: World, _params: Params) -> Any:
    return {
        **world.bot.to_json(),
        "can_join_groups": True,
        "can_read_all_group_messages": not world.has_privacy,
        "has_topics_enabled": world.private_topics,
        "supports_inline_queries": False,
    }


SENDING = frozenset(
    {"sendMessage", "sendRichMessage", "sendDocument", "sendPhoto", "sendMediaGroup", "sendVoice"}
)
"""The methods that flood control counts."""

METHODS: dict[str, Method] = {
    "getMe": _get_me,
    "getFile": _get_file,
    "sendMessage": _send_message,
    "sendRichMessage": _send_rich_message,
    "sendDocument": _send_document,
    "sendPhoto": _send_photo,
    "sendMediaGroup": _send_media_group,
    "sendVoice": _send_voice,
    "sendChatAction": _send_chat_action,
    "sendMessageDraft": _send_message_draft,
    "sendRichMessageDraft": _send_rich_message_draft,
    "editMessageText": _edit_message_text,
    "editMessageMedia": _edit_message_media,
    "editMessageReplyMarkup": _edit_message_reply_markup,
    "deleteMessage": _delete_message,
    "answerCallbackQuery": _answer_callback_query,
    "setMessageReaction": _set_message_reaction,
    "setMyCommands": _set_my_commands,
    **FORUM_METHODS,
}


def act(world: World, method: str, params: Params) -> Any:
    """Do what the method says, in one step.

    Raises:
        ApiRefusal: the Bot API would refuse it; nothing was changed. 404 for a method that is not played.
    """
    found = METHODS.get(method)
    if found is None:
        raise ApiRefusal(404, "Not Found: method not found")
    return found(world, params)
