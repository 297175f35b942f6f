"""Where a callback goes: the address that a caller named, taken apart once and strictly. Pure.

What is checked here is what is used later: `callbacks.client` builds its request from the parts, so no second
reading of the address can mean another host. Whether a host may be called is `callbacks.guard`'s matter.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from wireroom.errors import BadInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_CHARS = 2048
_MAX_HOST_CHARS = 253
_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_SECRET = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_BRACKETS = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]*)?")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """An address that can be meant."""

    url: str
    """Without secret and fragment."""
    secret: str | None
    """What its `secret` parameter said."""
    scheme: str
    """http or https."""
    host: str
    """A name in lower case without a final dot, or an address without brackets."""
    port: int

    @property
    def address(self) -> Address | None:
        """The host as an address, None for a name."""
        return address_of(self.host)

    @property
    def origin(self) -> str:
        """Scheme, host and port, such as `https://example.com:443`; safe to log."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def read_target(url: str, *, name: str = "callbackUrl", takes_secret: bool = True) -> Target:
    """Take an address apart.

    Args:
        url: The address.
        name: What the caller calls it, for the message.
        takes_secret: Whether its `secret` parameter is taken out of it.

    Raises:
        BadInput: it is no plain http(s) address. The message never repeats it, since it may hold a secret.
    """
    if len(url) > MAX_URL_CHARS or not _PRINTABLE.fullmatch(url):
        raise BadInput(
            f"{name} must be at most {MAX_URL_CHARS} printable ASCII characters, no space or backslash."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
        is_odd = "[" in parts.netloc and not _BRACKETS.fullmatch(parts.netloc)
    except ValueError as error:
        raise BadInput(f"{name} is no address.") from error
    if parts.scheme not in _PORTS:
        raise BadInput(f"{name} must begin with http:// or https://.")
    if is_odd:
        raise BadInput(f"{name} must have nothing but a port after the brackets of its address.")
    if "@" in parts.netloc:
        raise BadInput(f"{name} must not hold a user or password; put a secret in ?secret= or a header.")
    if port == 0:
        raise BadInput(f"{name} must not name port 0.")
    query, secret = _without_secret(parts.query) if takes_secret else (parts.query, None)
    host = _checked_host(parts.hostname or "", name, bracketed="[" in parts.netloc)
    plain = urlunsplit((parts.scheme, parts.netloc.lower(), parts.path or "/", query, ""))
    return Target(plain, secret, parts.scheme, host, port or _PORTS[parts.scheme])


def address_of(host: str) -> Address | None:
    """Return the host as an address; None for a name, and for the odd spellings of addresses."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if "%" in host else address


def is_elevenlabs(target: Target) -> bool:
    """Tell whether the callback is for the voice agent, which is called only if a setting says so.

    Source: contract of cursor-runner, section 2.9.
    """
    path = urlsplit(target.url).path
    return "elevenlabs-agent" in target.host or ("/callback" in path and "elevenlabs" in target.host)


def _checked_host(host: str, what: str, *, bracketed: bool) -> str:
    """Return the host as it will be looked up.

    A name that ends in a number is how resolvers are made to read 2130706433, 0177.0.0.1 or 0x7f.1 as an
    address; browsers refuse those too. Source: WHATWG URL Standard, "ends in a number".
    """
    name = host.lower().removesuffix(".")
    if (address := address_of(name)) is not None and bracketed is (address.version == 6):  # noqa: PLR2004 - IP
        return name
    if (
        bracketed
        or len(name) > _MAX_HOST_CHARS
        or not _NAME.fullmatch(name)
        or _NUMBER.fullmatch(name.split(".")[-1])
    ):
        raise BadInput(f"{what} must name a host, or an address in its usual spelling.")
    return name


def _without_secret(query: str) -> tuple[str, str | None]:
    kept: list[str] = []
    secret: str | None = None
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(name) == "secret":
            secret = secret or unquote_plus(value) or None
        else:
            kept.append(pair)
    # It is sent in a header, where a line break would begin another one.
    if secret is not None and not _SECRET.fullmatch(secret):
        raise BadInput("The secret of callbackUrl must be printable ASCII characters.")
    return "&".join(kept), secret
