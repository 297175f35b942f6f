"""`python -m bench run|compare|validate|list`, as `wireroom bench` does it."""

from __future__ import annotations

import signal
import sys

from bench.commands import cli
from wireroom.errors import WireroomError

if __name__ == "__main__":
    # A shell has its programs in the background ignore it; `compare` ends the other commit's run by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli()
    except WireroomError as error:
        sys.exit(str(error))
