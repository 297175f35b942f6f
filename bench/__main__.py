"""`python -m bench run|compare|validate|list`, as `wireroom bench` does it."""

from __future__ import annotations

import sys

from bench.commands import cli
from wireroom.errors import WireroomError

if __name__ == "__main__":
    try:
        cli()
    except WireroomError as error:
        sys.exit(str(error))
