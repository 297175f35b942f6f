"""What a coding agent's program may see of our environment: an allow list, never all but some. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

COMMON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TERM",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
"""Variables that any program may see; `*` stands for any characters."""


def agent_environment(environment: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return the variables that match `COMMON` or one of the further names of a back end."""
    allowed = (*COMMON, *names)
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in allowed)
    }


def at_home(environment: Mapping[str, str], homes: Path | None, name: str) -> dict[str, str]:
    """Return the environment with the HOME of the back end `name`, a folder in `homes`; None changes nothing.

    The XDG folders, which name places of another HOME, are then left to follow from this one.
    """
    if homes is None:
        return dict(environment)
    kept = {key: value for key, value in environment.items() if not key.startswith("XDG_")}
    return {**kept, "HOME": str(homes.absolute() / name)}
