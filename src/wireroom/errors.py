"""Every error that Wireroom raises on purpose, as one tree.

    WireroomError
    ├── SettingsError            a setting is missing or wrong; names the variable
    ├── BadInput                 the caller sent something that cannot be meant; 400
    ├── NotFound                 no such run, delivery, conversation; 404
    ├── Refused                  known, but not allowed; 403
    ├── Conflict                 the thing is in another state than the caller thinks; 409
    ├── LeaseLost                a newer attempt owns this work; stop without writing
    ├── AgentUnavailable         the coding agent's program cannot be started
    ├── StoreUnavailable         the database cannot take the write; nothing was stored; 503
    │   ├── StoreFull            the disk is full
    │   ├── StoreBusy            another process holds the file, or too many writers wait
    │   ├── StoreLost            this process can write no more; only a restart helps
    │   ├── StoreReadOnly        the file or folder may not be written
    │   └── StoreDamaged         the file is not a database, or its pages are broken
    ├── RedisUnavailable         Redis does not answer, or is known not to; go on without it
    ├── FileRefused              a file of a chat is not taken; the message is for people
    ├── SpeechError              see `speech.errors`, which refines it
    └── TelegramError            see `telegram.errors`, which refines it

Adapters translate foreign errors into these with `raise ... from`. The message says what happened, with
which value, and what to do about it; callers match on the class and its fields, never on the message.
"""

from __future__ import annotations


class WireroomError(Exception):
    """The root; `except WireroomError` is everything we raise on purpose."""


class SettingsError(WireroomError):
    """A setting is missing or wrong. The message names the environment variable and the remedy."""


class BadInput(WireroomError):
    """The caller sent something that cannot be meant."""


class NotFound(WireroomError):
    """The named thing does not exist."""


class Refused(WireroomError):
    """The caller is known and may not do this."""


class Conflict(WireroomError):
    """The thing is in another state than the caller thinks."""


class LeaseLost(WireroomError):
    """A newer attempt owns this work: its epoch is higher. Stop without writing."""


class AgentUnavailable(WireroomError):
    """The coding agent's program cannot be started."""


class StoreUnavailable(WireroomError):
    """The database cannot take the write now. Nothing was stored; the caller may try again."""


class StoreFull(StoreUnavailable):
    """The disk, or the quota of the database, is full."""


class StoreBusy(StoreUnavailable):
    """Another process holds the database, or more writers wait than the bound allows."""


class StoreLost(StoreUnavailable):
    """This process can write no more; only a restart helps."""


class StoreReadOnly(StoreUnavailable):
    """The database file, or its folder, may not be written."""


class StoreDamaged(StoreUnavailable):
    """The file is not a database, or its pages are broken. Restore a backup."""


class RedisUnavailable(WireroomError):
    """Redis does not answer, or is known not to: nothing waited for it. Go on without it."""


class FileRefused(WireroomError):
    """A file of a chat is not taken, or does not come. The message is for people."""


class SpeechError(WireroomError):
    """Speech was not turned into text, or text into speech. The message is for people."""


class TelegramError(WireroomError):
    """A call of the Bot API did not succeed."""
