"""Who may talk to the bot, and how secrets and codes are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.intake.access import (
    Access,
    Role,
    access_of,
    digest,
    looks_like_code,
    pairing_code,
    same_secret,
)


@pytest.mark.parametrize(
    ("user_id", "role", "access"),
    [
        pytest.param(1, None, Access.GRANTED, id="allowed-by-setting"),
        pytest.param(1, Role.STRANGER, Access.GRANTED, id="allowed-after-a-refusal"),
        pytest.param(2, Role.OWNER, Access.GRANTED, id="owner"),
        pytest.param(2, Role.MEMBER, Access.GRANTED, id="member"),
        pytest.param(2, None, Access.REFUSE, id="newcomer"),
        pytest.param(2, Role.STRANGER, Access.SILENCE, id="refused-before"),
    ],
)
def test_access_follows_setting_and_role(user_id: int, role: Role | None, access: Access) -> None:
    """The setting's ids and paired people are granted; others are refused once, then left in silence."""
    assert access_of(user_id, allowed={1}, role=role) is access


@given(st.binary(min_size=10, max_size=32))
def test_pairing_code_looks_like_one_however_it_is_typed(draw: bytes) -> None:
    """A code is recognised in lower case and with space around, and has no look-alikes."""
    code = pairing_code(draw)

    assert looks_like_code(f" {code.lower()}\n")
    assert digest(f" {code.lower()}\n") == digest(code)
    assert not set(code) & set("ILO01")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("hello", id="short"),
        pytest.param("ABCDEFGHJKM", id="long"),
        pytest.param("ABCDE FGHJ", id="space"),
        pytest.param("ABCDEFGHI0", id="look-alikes"),
        pytest.param("what's up?", id="talk-of-the-same-length"),
    ],
)
def test_ordinary_talk_is_no_code(text: str) -> None:
    """What cannot be a code is never looked up."""
    assert not looks_like_code(text)


def test_digest_hides_the_code_and_tells_codes_apart() -> None:
    """What is stored is a SHA-256, which does not contain the code."""
    assert len(digest("ABCDEFGHJK")) == 64
    assert "ABCDEFGHJK" not in digest("ABCDEFGHJK").upper()
    assert digest("ABCDEFGHJK") != digest("ABCDEFGHJM")


@pytest.mark.parametrize(
    ("given_secret", "expected", "same"),
    [
        pytest.param("s3cret", "s3cret", True, id="same"),
        pytest.param("s3creT", "s3cret", False, id="other"),
        pytest.param("s3cret ", "s3cret", False, id="longer"),
        pytest.param("é", "é", True, id="beyond-ascii"),
        pytest.param("\ud800", "s3cret", False, id="lone-surrogate"),
        pytest.param(None, "s3cret", False, id="missing"),
        pytest.param("", "s3cret", False, id="empty"),
        pytest.param("", "", False, id="both-empty"),
        pytest.param("s3cret", "", False, id="none-expected"),
    ],
)
def test_secret_matches_only_itself(given_secret: str | None, expected: str, same: bool) -> None:
    """Equal secrets match; a missing or empty one never does, not even an empty one expected."""
    assert same_secret(given_secret, expected) is same
