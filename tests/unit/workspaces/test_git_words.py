"""What may be said to git, and what its answers mean."""

from __future__ import annotations

import pytest

from wireroom.errors import BadInput
from wireroom.workspaces.git_words import (
    Lines,
    Status,
    check_address,
    is_github,
    last_words,
    read_numbers,
    read_status,
    repository_name,
    transport_of,
    without_credentials,
)


@pytest.mark.parametrize(
    ("address", "transport"),
    [
        ("https://github.com/o/r.git", "https"),
        ("HTTPS://github.com/o/r", "https"),
        ("http://host/r", "http"),
        ("ssh://git@host:22/o/r.git", "ssh"),
        ("git@github.com:o/r.git", "ssh"),
        ("host:o/r", "ssh"),
        ("ssh://git@[::1]/o/r.git", "ssh"),
        ("git://host/r", "git"),
        ("file:///srv/r.git", "file"),
        ("/srv/r.git", "file"),
        ("../r", "file"),
        ("fd://7", "fd"),
    ],
)
def test_transport_of_an_address(address: str, transport: str) -> None:
    """The transport is what git would use."""
    assert transport_of(address) == transport


@pytest.mark.parametrize(
    "address",
    [
        "",
        "-u./evil",
        "--upload-pack=touch x",
        "ext::sh -c touch% /tmp/x",
        "transport::address",
        "ssh://-oProxyCommand=x/r",
        "ssh://me@-oProxyCommand=x/r",
        "https://host/a b",
        "https://host/r\n",
        "https://host/\0",
    ],
)
def test_address_that_is_none_is_refused(address: str) -> None:
    """Options, helpers that run programs, and odd characters never reach git."""
    with pytest.raises(BadInput):
        transport_of(address)


@pytest.mark.parametrize(
    "address", ["/srv/r.git", "file:///srv/r", "http://169.254.169.254/x", "git://host/r"]
)
def test_address_of_a_transport_that_is_not_allowed_is_refused(address: str) -> None:
    """Only what the installation allows is fetched."""
    with pytest.raises(BadInput, match="GIT_ALLOW_PROTOCOL"):
        check_address(address, {"https", "ssh"})


@pytest.mark.parametrize(
    ("address", "wanted", "name"),
    [
        ("https://github.com/o/wire.git", None, "wire"),
        ("https://github.com/o/wire/", "", "wire"),
        ("git@host:wire.git", None, "wire"),
        ("https://github.com/o/wire", "other-1.x", "other-1.x"),
    ],
)
def test_name_of_a_clone(address: str, wanted: str | None, name: str) -> None:
    """A clone is called what its caller wants, else as its address ends."""
    assert repository_name(address, wanted) == name


def test_name_of_a_clone_leaves_the_query_out() -> None:
    """A token may stand there."""
    assert repository_name("https://host/o/r.git?token=a/b", None) == "r"


@pytest.mark.parametrize(
    "wanted", ["..", ".", ".hidden", "-x", "a/b", "a\\b", "a b", "x" * 101, "a\0", "é", "a\n"]
)
def test_name_that_a_clone_cannot_have_is_refused(wanted: str) -> None:
    """Names are plain names of folders."""
    with pytest.raises(BadInput):
        repository_name("https://host/r", wanted)


@pytest.mark.parametrize(
    "address", ["https://host/..", "https://host/-x", "https://host/o/.git", "git@host:-x"]
)
def test_address_may_give_no_name(address: str) -> None:
    """What the address ends with is checked like a wish."""
    with pytest.raises(BadInput):
        repository_name(address, None)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://github.com/o/r", True),
        ("https://GitHub.com:443/o/r", True),
        ("https://me:mine@github.com/o/r", False),
        ("http://github.com/o/r", False),
        ("https://github.com.evil.example/o/r", False),
        ("https://github.com@evil.example/o/r", False),
        ("https://evil.example/github.com", False),
        ("https://github.com:8443/o/r", False),
        ("https://github.com:x/o/r", False),
        ("git@github.com:o/r", False),
        ("", False),
    ],
)
def test_token_is_for_github_alone(address: str, expected: bool) -> None:
    """Nothing that only resembles github.com over https is given the token."""
    assert is_github(address) is expected


def test_credentials_are_cut_out_of_words() -> None:
    """Addresses lose their name, their password and their query, secrets are blanked."""
    words = "fatal: 'https://me:p@w@host/r@1' and ssh://git@host/r and ghp_1 at 'https://host/r?token=t/': no"
    assert without_credentials(words, ["ghp_1"]) == (
        "fatal: 'https://host/r@1' and ssh://host/r and [hidden] at 'https://host/r': no"
    )


def test_last_words_are_short_and_without_hints() -> None:
    """Progress and hints are left out, and the end is what counts."""
    stderr = "Receiving: 1%\rReceiving: 100%, done.\nhint: try this\n\nfatal: no\n"
    assert last_words(stderr) == "Receiving: 100%, done.\nfatal: no"
    assert last_words("x" * 5000) == "x" * 1000


def test_status_of_a_busy_checkout_is_read() -> None:
    """Heads and changed files are told; a renamed file counts once."""
    text = (
        "# branch.oid 1f2e\0# branch.head feature\0# branch.upstream origin/feature\0# branch.ab +2 -1\0"
        "1 .M N... 100644 100644 100644 a b changed.py\0"
        "2 R. N... 100644 100644 100644 a b R100 new name.py\0? old name that looks like a record\0"
        "u UU N... 100644 100644 100644 100644 a b c both.py\0? new.py\0! ignored.log\0"
    )
    assert read_status(text) == Status("1f2e", "feature", "origin/feature", 2, 1, True, 4)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("# branch.oid (initial)\0# branch.head main\0", Status(None, "main", None, 0, 0, False, 0)),
        ("# branch.oid 1f\0# branch.head (detached)\0", Status("1f", None, None, 0, 0, False, 0)),
        (
            "# branch.oid 1f\0# branch.head a\0# branch.upstream origin/gone\0",
            Status("1f", "a", "origin/gone", 0, 0, False, 0),
        ),
        ("", Status(None, None, None, 0, 0, False, 0)),
    ],
    ids=["no commit", "detached", "upstream gone", "nothing"],
)
def test_status_of_an_odd_checkout_is_read(text: str, status: Status) -> None:
    """What is not there is None."""
    assert read_status(text) == status


def test_numbers_of_lines_are_added_up() -> None:
    """Binary files count as files; tabs and line ends may be part of a name."""
    assert read_numbers("12\t3\ta.py\0-\t-\timage.png\0" + "1\t0\twith\ttab\nand line\0") == Lines(3, 13, 3)
    assert read_numbers("") == Lines(0, 0, 0)
