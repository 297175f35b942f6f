"""What of a request goes over the wire: its fields as JSON types, and its file beside them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from wireroom.telegram.methods import EditMessageMedia, Method
from wireroom.telegram.types import Attachment, to_wire

_ATTACHED = "attach://document"
"""How the JSON of a request points at the uploaded form field `document`."""
_NOTHING = Attachment(file_name="", content=b"")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request ready for the wire."""

    api_name: str
    fields: Mapping[str, Any]
    """JSON types; in a multipart form every value that is not a string is sent as JSON."""
    upload: Attachment | None
    """Sent as the form field `upload_field`; None means a JSON body."""
    upload_field: str = "document"


def encode(request: Method[Any]) -> Encoded:
    """Return the request's fields as they go over the wire."""
    upload = request.attachment()
    if upload is None:
        return Encoded(request.api_name, to_wire(request), None)
    # The bytes travel beside the fields; converting them to JSON types would copy them as base64.
    name = request.upload_field
    fields: dict[str, Any] = to_wire(msgspec.structs.replace(request, **{name: _NOTHING}))
    del fields[name]
    if isinstance(request, EditMessageMedia):
        caption, kind = fields.pop("caption", None), fields.pop("kind", "document")
        fields["media"] = {"type": kind, "media": _ATTACHED} | ({"caption": caption} if caption else {})
    return Encoded(request.api_name, fields, upload, name)
