"""Logs: one JSON object a line for machines, coloured lines in a terminal; secrets never pass."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_HIDDEN = ("token", "secret", "password", "authorization", "prompt", "cookie")


class _SteadyStderr(io.TextIOBase):
    """Standard error; a line that a full disk or a closed pipe refuses is dropped and fails nobody's work."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


_steady_stderr = cast("TextIO", _SteadyStderr())


def set_up_logs(level: str, *, coloured: bool) -> None:
    """Send structured logs to standard error from this level on.

    Args:
        level: debug, info, warning or error.
        coloured: For a person at a terminal; else JSON.
    """
    # The default traceback of the coloured renderer shows local variables, so tokens and prompts too.
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if coloured
        else structlog.processors.JSONRenderer()
    )
    shown = [] if coloured else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            *shown,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(_steady_stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(logging.WARNING, _LEVELS[level]), stream=sys.stderr)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every field whose name says that it holds a secret or a person's words."""
    for name in event:
        if any(word in name.lower() for word in _HIDDEN):
            event[name] = "[hidden]"
    return event
