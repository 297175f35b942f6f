"""Roles, names, passwords, and what a browser is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.api.access_rules import (
    PageRole,
    account_name,
    browser_name,
    may_do,
    new_password,
    plain_password,
)
from wireroom.errors import BadInput

CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("GET", "/api/runs", True, id="looks"),
        pytest.param("HEAD", "/api/runs", True, id="looks-at-headers"),
        pytest.param("POST", "/api/runs/1/cancel", False, id="changes"),
        pytest.param("DELETE", "/agents/x", False, id="deletes"),
        pytest.param("QUERY", "/api/runs", False, id="a-method-that-nobody-knows"),
        pytest.param("GET", "/admin/profile/cpu", False, id="slows-the-service-down"),
        pytest.param("GET", "/admin/profile/new-kind", False, id="a-profile-to-come"),
        pytest.param("GET", "/admin/profile/endpoints", True, id="counted-anyway"),
        pytest.param("GET", "/admin/bottlenecks", True, id="looks-at-figures"),
    ],
)
def test_viewer_may_look_at_what_costs_nothing(method: str, path: str, *, allowed: bool) -> None:
    """Everything else is an owner's, and an owner may do all of it."""
    assert may_do(PageRole.VIEWER, method, path) is allowed
    assert may_do(PageRole.OWNER, method, path)


@given(st.text(max_size=12), st.text(max_size=30))
def test_no_other_method_is_a_viewers(method: str, path: str) -> None:
    """Whatever a method is called, a viewer has three."""
    assert may_do(PageRole.VIEWER, method, path) <= (method in {"GET", "HEAD", "OPTIONS"})


@pytest.mark.parametrize(("text", "name"), [(" Ada ", "ada"), ("j.doe-2", "j.doe-2"), ("0", "0")])
def test_name_is_stored_in_small_letters(text: str, name: str) -> None:
    """People need not remember how they wrote it."""
    assert account_name(text) == name


@pytest.mark.parametrize(
    "text", ["", " ", "-x", "a b", "a:b", "ada\n2", "ä", "x" * 41, "page", "Program", "network"]
)
def test_name_that_could_be_mistaken_is_refused(text: str) -> None:
    """Neither what cannot be typed, nor what the audit calls somebody else."""
    with pytest.raises(BadInput):
        account_name(text)


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 9, "x" * 201, "aaaaaaaaaaaa", "ada-lovelace1", "Ada-Lovelace"]
)
def test_weak_password_is_refused(text: str) -> None:
    """Too short, too long, a few characters, or the name."""
    with pytest.raises(BadInput):
        new_password(text, name="ada-lovelace")


def test_password_is_the_same_from_every_keyboard() -> None:
    """An accent may come as one character or as two."""
    assert new_password("cafe\u0301 latte 12", name="ada") == plain_password("caf\u00e9 latte 12")


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (CHROME, "Chrome on Linux"),
        (f"{CHROME} Edg/142.0", "Edge on Linux"),
        (SAFARI, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
        ("\x07bell\u202e x", "bell"),
        ("x" * 900, "x" * 40),
    ],
)
def test_browser_is_named_in_a_few_words(agent: str, name: str) -> None:
    """Enough to know one's own again; what a stranger sends is cut and cleaned."""
    assert browser_name(agent) == name
