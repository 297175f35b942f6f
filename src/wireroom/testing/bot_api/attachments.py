"""Files in messages: photos, documents, albums, with the limits that the Bot API states.

Source: Telegram Bot API, sendPhoto (10 MB), sendMediaGroup (2-10 items of one kind), Sending files (50 MB).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wireroom.testing.bot_api.errors import bad_request
from wireroom.testing.bot_api.model import Attachment, AttachmentKind, Content
from wireroom.testing.bot_api.params import Params
from wireroom.testing.bot_api.text import read_caption
from wireroom.testing.bot_api.world import World

MAX_PHOTO_BYTES = 10 * 1024 * 1024
SMALLEST_ALBUM, LARGEST_ALBUM = 2, 10
_MEDIA = frozenset({AttachmentKind.DOCUMENT, AttachmentKind.PHOTO})
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")


def read_file(world: World, params: Params, kind: AttachmentKind) -> Content:
    """Return the content of a message with a file and its caption.

    Raises:
        ApiRefusal: 400, there is no file, or it is none of this kind, or the caption is too long.
    """
    caption, entities = read_caption(params)
    return Content(caption, entities, read_attachment(world, params, kind, kind.value))


def read_media(world: World, params: Params, media: Mapping[str, Any]) -> Content:
    """Return the content that an `InputMedia` object describes.

    Raises:
        ApiRefusal: as `read_file`; also for a type that is not played.
    """
    kind = media.get("type")
    if kind not in _MEDIA:
        raise bad_request(f"unsupported media type {kind!r}; this server plays documents and photos")
    about = params.with_values(media)
    caption, entities = read_caption(about)
    return Content(caption, entities, read_attachment(world, about, AttachmentKind(kind), "media"))


def read_album(world: World, params: Params) -> list[Content]:
    """Return the contents of sendMediaGroup, in order.

    Raises:
        ApiRefusal: 400, there are too few or too many, or documents are mixed with photos.
    """
    items = params.array("media")
    if not SMALLEST_ALBUM <= len(items) <= LARGEST_ALBUM:
        raise bad_request("there must be 2 to 10 messages in a media group")
    if len({item.get("type") for item in items}) > 1:
        raise bad_request("document can't be mixed with other media types")
    return [read_media(world, params, item) for item in items]


def read_attachment(world: World, params: Params, kind: AttachmentKind, name: str) -> Attachment:
    """Return the uploaded file, or the known one whose id is given.

    Raises:
        ApiRefusal: 400, it is missing, empty, unknown, or no picture that can be shown as a photo.
    """
    upload = params.upload(name)
    duration = params.integer("duration")
    if upload is None:
        known = world.files.get(params.text(name))
        if known is None:
            missing = not params.has(name)
            raise bad_request(
                f"there is no {kind.value} in the request"
                if missing
                else "wrong file identifier/HTTP URL specified"
            )
        return Attachment(kind, known, duration)
    if not upload.content:
        raise bad_request("file must be non-empty")
    if kind is AttachmentKind.PHOTO:
        _check_photo(upload.content)
    return world.attach(kind, upload.name, upload.content, upload.mime_type, duration)


def _check_photo(content: bytes) -> None:
    if len(content) > MAX_PHOTO_BYTES:
        raise bad_request(f"file of size {len(content)} bytes is too big for a photo")
    if not content.startswith(_PICTURES):
        raise bad_request("IMAGE_PROCESS_FAILED")
