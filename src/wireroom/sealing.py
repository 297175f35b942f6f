"""Seals the secrets that lie in the database, so that who reads its file, or a backup, reads none of them.

AES-256-GCM under a key of the installation, which is never in the database. What a secret is about is sealed
with it: moved to another place, it does not open. It knows nothing of bots.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable

from wireroom.errors import SettingsError
from wireroom.secret_files import secret_of
from wireroom.settings import Settings

KEY_FILE = "secrets-key"
_PREFIX = "sealed:1:"
_NONCE_BYTES = 12
_UNREADABLE = (
    "WIREROOM_SECRETS_KEY: what is sealed in the database does not open with this key. Set the key that it"
    f" was sealed with, or bring back the file {KEY_FILE} of the data folder."
)


class Seal:
    """Seals and opens with one key."""

    def __init__(self, secret: str) -> None:
        """Derive the key from a secret that nobody can guess."""
        # Heavy, and only for installations that seal something.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - as above

        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"wireroom sealing 1")
        self._cipher = AESGCM(derived.derive(secret.encode()))

    def close(self, text: str, about: str) -> str:
        """Return the text sealed, such as `sealed:1:3q2-…`; each time another one."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), about.encode())
        return _PREFIX + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, about: str) -> str:
        """Return what was sealed about the same thing.

        Raises:
            SettingsError: it was sealed with another key, about something else, or not at all.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - heavy, as above

        if not sealed.startswith(_PREFIX):
            raise SettingsError(_UNREADABLE)
        try:
            raw = base64.urlsafe_b64decode(sealed.removeprefix(_PREFIX))
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], about.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise SettingsError(_UNREADABLE) from error


def seal_of(settings: Settings) -> Callable[[], Seal]:
    """Return what gives the installation's seal; the key is looked for, or made, when it is first asked.

    It raises `SettingsError` where several machines may share the database and no key is set for all of them.
    """
    known: list[Seal] = []

    def give() -> Seal:
        if not known:
            known.append(Seal(_key(settings)))
        return known[0]

    return give


def _key(settings: Settings) -> str:
    given = settings.secrets_key.get_secret_value()
    if not given and not settings.url.startswith("sqlite:"):
        raise SettingsError(
            "WIREROOM_SECRETS_KEY: on PostgreSQL every process needs the same key to read the secrets of the"
            " database, so none is generated. Set it in the environment of all of them."
        )
    return secret_of(settings.data_dir, KEY_FILE, given)
