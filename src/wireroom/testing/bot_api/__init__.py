"""A real HTTP server on loopback that behaves as the Telegram Bot API, with faults and a memory.

It plays the methods that Wireroom uses, for one bot; people are played by the test. In another process:
`python -m wireroom.testing.bot_api --port 8081 --token 123456:abc`, steered over HTTP as `control` says.
Not played: finding links and hashtags in texts, rights in groups but that to manage topics, the 48 hours of
deletion. It takes webhooks over plain HTTP, as a local Bot API server does. It knows nothing of the rest of
Wireroom.
"""

from wireroom.testing.bot_api.calls import Call, OnCall
from wireroom.testing.bot_api.drafts import SeenDraft
from wireroom.testing.bot_api.faults import (
    DropAfter,
    DropBefore,
    Fault,
    FaultRule,
    Garble,
    Hang,
    Hold,
    Refuse,
    Slow,
    When,
    blocked,
    broken,
    flooded,
    rejected,
)
from wireroom.testing.bot_api.model import Change, Chat, ChatKind, Person, Sighting
from wireroom.testing.bot_api.params import Upload
from wireroom.testing.bot_api.people_files import Piece
from wireroom.testing.bot_api.server import BotAPIServer
from wireroom.testing.bot_api.view import Button, SeenMessage
from wireroom.testing.bot_api.webhook import Redelivery

__all__ = [
    "BotAPIServer",
    "Button",
    "Call",
    "Change",
    "Chat",
    "ChatKind",
    "DropAfter",
    "DropBefore",
    "Fault",
    "FaultRule",
    "Garble",
    "Hang",
    "Hold",
    "OnCall",
    "Person",
    "Piece",
    "Redelivery",
    "Refuse",
    "SeenDraft",
    "SeenMessage",
    "Sighting",
    "Slow",
    "Upload",
    "When",
    "blocked",
    "broken",
    "flooded",
    "rejected",
]
