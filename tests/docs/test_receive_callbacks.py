"""The receiver's check that the guide shows accepts what we send, and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wireroom.callbacks.headers import sign
from wireroom.callbacks.reaction import retry_policy
from wireroom.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "receive-callbacks.md"
BODY = b'{"success":true}'
Check = Callable[..., bool]


@pytest.fixture
def is_genuine() -> Check:
    """Lend the function that the page shows."""
    found = re.search(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(compile(found[1], PAGE.name, "exec"), names)  # noqa: S102 - our own page
    check: Check = names["is_genuine"]
    return check


def test_genuine_callback_is_accepted(is_genuine: Check) -> None:
    """The page and the sender mean the same signature."""
    assert is_genuine(sign(BODY, "key", int(time.time())), BODY, "key")


@pytest.mark.parametrize(
    ("signature", "body", "key"),
    [
        pytest.param(lambda now: sign(BODY, "key", now), BODY + b" ", "key", id="another-body"),
        pytest.param(lambda now: sign(BODY, "key", now), BODY, "other", id="another-key"),
        pytest.param(lambda now: sign(BODY, "key", now - 301), BODY, "key", id="too-old"),
        pytest.param(lambda now: sign(BODY, "key", now + 400), BODY, "key", id="from-the-future"),
        pytest.param(lambda now: f"t={now},v1=", BODY, "key", id="no-digest"),
        pytest.param(lambda now: f"t={now},v1=\u00e9", BODY, "key", id="no-ascii"),
        pytest.param(lambda _: "", BODY, "key", id="nothing"),
        pytest.param(lambda _: "t=x,v1=y", BODY, "key", id="nonsense"),
    ],
)
def test_forged_callback_is_refused(
    is_genuine: Check, signature: Callable[[int], str], body: bytes, key: str
) -> None:
    """Another body, key or time is not genuine, and nonsense does not raise."""
    assert not is_genuine(signature(int(time.time())), body, key)


def test_page_tells_the_real_waits() -> None:
    """The waits that the page names are those of the policy."""
    policy = retry_policy(Settings.model_fields["callback_attempts"].default)
    page = " ".join(PAGE.read_text().split())
    assert f"after {policy.base.seconds}, " in page
    assert f"at most {policy.cap.seconds // 60} minutes apart" in page
    assert f"{policy.max_attempts} tries (`WIREROOM_CALLBACK_ATTEMPTS`)" in page
