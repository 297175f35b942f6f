"""What of a setting is shown, and how the machine's memory is read."""

from __future__ import annotations

import pytest

from wireroom.doctor.machine import read_meminfo
from wireroom.doctor.plain import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:secret@db:5432/wireroom?sslkey=x", "postgresql://…@db:5432/wireroom?…"),
        ("https://token@host/path#part", "https://…@host/path?…"),
        ("redis+cluster://h1:1,h2:2", "redis+cluster://h1:1,h2:2"),
        ("sqlite:////srv/wireroom.sqlite3", "sqlite:////srv/wireroom.sqlite3"),
        ("http://[broken", "…"),
        ("no address", "no address"),
    ],
)
def test_address_is_shown_without_what_may_be_secret(text: str, shown: str) -> None:
    """User, password, query and fragment are left out, and that something was left out is seen."""
    assert without_secrets(text) == shown


def test_memory_is_read_in_bytes() -> None:
    """Lines with a size count; others, and a machine without any, do no harm."""
    assert read_meminfo("MemTotal:  16 kB\nHugePages_Total:  0\nodd") == {"MemTotal": 16_384}
    assert read_meminfo("") == {}
