"""Logs never show what is secret or personal."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
import structlog

from wireroom.cli.logs import hide_secrets, set_up_logs


@pytest.fixture(autouse=True)
def _logs_as_before() -> object:
    """Undo what a test configures."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "bot_token",
        "TELEGRAM_BOT_TOKEN",
        "webhook_secret",
        "password",
        "Authorization",
        "prompt",
        "cookie",
    ],
)
def test_fields_named_like_secrets_are_blanked(name: str) -> None:
    """A field whose name speaks of a secret, or of a person's words, is blanked."""
    assert hide_secrets(None, "info", {name: "x", "run_id": "r"}) == {name: "[hidden]", "run_id": "r"}


@pytest.mark.parametrize("coloured", [True, False], ids=["terminal", "json"])
def test_traceback_shows_no_local_variables(capsys: pytest.CaptureFixture[str], coloured: bool) -> None:
    """A logged exception tells where it happened, not what the variables held."""
    set_up_logs("info", coloured=coloured)

    def fail(held: str) -> None:
        raise LookupError(f"lost, {len(held)} characters")

    held = str(5**20)
    try:
        fail(held)
    except LookupError:
        structlog.get_logger("test").exception("failed")
    printed = capsys.readouterr().err

    assert "LookupError: lost, 14 characters" in printed
    assert held not in printed


def test_level_keeps_less_severe_events_out(capsys: pytest.CaptureFixture[str]) -> None:
    """At `warning`, an info event is not written."""
    set_up_logs("warning", coloured=False)
    log = structlog.get_logger("test")
    log.info("quiet")
    log.warning("loud", run_id="r")

    printed = capsys.readouterr().err
    assert "quiet" not in printed
    assert '"event": "loud"' in printed


def test_log_that_cannot_be_written_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work goes on when a full disk or a closed pipe takes no more lines."""
    set_up_logs("info", coloured=False)
    log = structlog.get_logger("test")
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        log.info("nobody reads this")
        with contextlib.suppress(OSError):
            full.close()
    log.info("nor this")
