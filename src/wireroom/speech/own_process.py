"""What a program of ours does first: bounds its memory, and dies with whoever started it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence

from wireroom.speech.child import NOT_POSSIBLE

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG. Source: prctl(2)."""


def run(main: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> None:
    """Call `main` with all arguments but the first, which is the memory in MiB; exit as `child` expects."""
    size, *rest = arguments
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)
    limit = int(size) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        main(rest)
    except (ValueError, FileNotFoundError, ImportError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - how a program tells
        sys.exit(NOT_POSSIBLE)
