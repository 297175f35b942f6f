"""What may be said to git, and what its answers mean: addresses, names, status, numbers of lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from wireroom.errors import BadInput

ADDS_REPOSITORY = ":000000 160000 "
"""What a line of `git diff --raw` begins with that adds another repository as a link."""
_LONGEST_WORDS = 1000
_HTTPS_PORT = 443
_COLUMNS = 3
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!/)[^\s:]+")
_HELPER = re.compile(r"[^/\[]*::")
_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s]+@")
_QUERY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?'\"]*)\?[^\s'\"]*")


def transport_of(address: str) -> str:
    """Return which of git's transports an address uses, such as `https`, `ssh` or `file`.

    `me@host:path` is ssh, anything else without a scheme is a file.

    Raises:
        BadInput: it is an option, names a helper (`ext::…`), or holds a space or a control character.
    """
    scheme, separator, rest = address.partition("://")
    host = rest.rpartition("@")[2] if separator else address
    is_odd = not address or not address.isprintable() or " " in address
    if is_odd or address.startswith("-") or host.startswith("-") or _HELPER.match(address):
        raise BadInput("repositoryUrl is no address of a repository, such as https://host/owner/name.git.")
    if separator:
        return scheme.lower()
    return "ssh" if _SCP_LIKE.fullmatch(address) else "file"


def check_address(address: str, transports: Collection[str]) -> None:
    """Let an address pass that uses one of the transports.

    Raises:
        BadInput: it uses another, see also `transport_of`.
    """
    used = transport_of(address)
    if used not in transports:
        allowed = ", ".join(sorted(transports))
        raise BadInput(f"Repositories are fetched by {allowed}, not by {used}; see GIT_ALLOW_PROTOCOL.")


def repository_name(address: str, wanted: str | None) -> str:
    """Return the folder's name for a clone: what is wanted, else the last part of the address.

    Raises:
        BadInput: it is no plain name of a folder.
    """
    path = re.split(r"[?#]", address)[0]
    name = wanted or re.split(r"[/:]", path.rstrip("/"))[-1].removesuffix(".git")
    if not _NAME.fullmatch(name) or name.endswith(".lock"):
        raise BadInput(f"{name!r} cannot be a repository's name: letters, digits and . _ - make one.")
    return name


def is_github(address: str) -> bool:
    """True when github.com is asked over https, without credentials; only that is given the token."""
    try:
        parts = urlsplit(address)
        port = parts.port or _HTTPS_PORT
    except ValueError:
        return False
    found = (parts.scheme, parts.hostname, port, parts.username)
    return found == ("https", "github.com", _HTTPS_PORT, None)


def without_credentials(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with `//name:password@` and queries cut out of addresses and the secrets blanked."""
    for secret in secrets:
        text = text.replace(secret, "[hidden]")
    return _QUERY.sub(r"\1", _CREDENTIALS.sub(r"\1", text))


def last_words(stderr: str) -> str:
    """Return what git said at the end, at most 1,000 characters, without its hints and progress."""
    lines = [line.rpartition("\r")[2].strip() for line in stderr.split("\n")]
    said = "\n".join(line for line in lines if line and not line.startswith("hint:"))
    return said[-_LONGEST_WORDS:]


@dataclass(frozen=True, slots=True)
class Status:
    """What `git status` says of a checkout."""

    head: str | None
    """The commit; None before the first one."""
    branch: str | None
    """The branch; None when none is checked out."""
    upstream: str | None
    ahead: int
    behind: int
    upstream_exists: bool
    """False when the branch has no upstream, or that is gone."""
    changed_files: int
    """Files that differ from the commit, new ones included, ignored ones not."""


def read_status(text: str) -> Status:
    r"""Read `git status --porcelain=v2 --branch -z`.

    Shape: `# branch.oid 1f2e\0# branch.head a\0# branch.upstream origin/a\0# branch.ab +1 -0\0? new.py\0`.
    Source: git-status(1), porcelain format version 2.
    """
    records = iter(text.split("\0"))
    heads: dict[str, str] = {}
    changed = 0
    for record in records:
        kind, _, rest = record.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            heads[name] = value
        elif kind in {"1", "2", "u", "?"}:
            changed += 1
        if kind == "2":
            # A renamed file is followed by a record with nothing but its former path.
            next(records, None)
    ahead, behind = _ahead_behind(heads.get("branch.ab"))
    oid, branch = heads.get("branch.oid"), heads.get("branch.head")
    return Status(
        head=None if oid in {None, "(initial)"} else oid,
        branch=None if branch in {None, "(detached)"} else branch,
        upstream=heads.get("branch.upstream"),
        ahead=ahead,
        behind=behind,
        upstream_exists="branch.ab" in heads,
        changed_files=changed,
    )


def _ahead_behind(value: str | None) -> tuple[int, int]:
    found = re.fullmatch(r"\+(\d+) -(\d+)", value or "")
    return (int(found[1]), int(found[2])) if found else (0, 0)


@dataclass(frozen=True, slots=True)
class Lines:
    """How many files and lines differ."""

    files: int
    insertions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class FileLines:
    """How many lines of one file differ; none are counted of a binary one."""

    path: str
    insertions: int
    deletions: int


def read_numbers(text: str) -> Lines:
    """Return the sums of what `read_file_lines` reads."""
    files = read_file_lines(text)
    return Lines(len(files), sum(one.insertions for one in files), sum(one.deletions for one in files))


def read_file_lines(text: str) -> tuple[FileLines, ...]:
    r"""Read `git diff --numstat -z --no-renames`: `12\t3\ta.py\0-\t-\tb.png\0`, where `-` means binary."""
    rows = (row.split("\t", _COLUMNS - 1) for row in text.split("\0") if row)
    return tuple(FileLines(path, _count(added), _count(gone)) for added, gone, path in rows)


def _count(cell: str) -> int:
    return int(cell) if cell.isdigit() else 0
