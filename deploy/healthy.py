"""Whether the Wireroom of this container can do its work: exit 0, or 1 with the reason.

Asks `/ready` of this machine, with nothing but Python's own library: it answers while all else fails.
"""

from __future__ import annotations

import http.client
import os
import sys

SECONDS = 4
"""Less than the HEALTHCHECK's own limit, so that the reason is printed."""


def main() -> str | None:
    """Return what is wrong, None when nothing is."""
    host = os.environ.get("HOST", "127.0.0.1")
    here = "127.0.0.1" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(here, int(os.environ.get("PORT", "8480")), timeout=SECONDS)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        body = answer.read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"/ready does not answer: {error}"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else body


if __name__ == "__main__":
    sys.exit(main())
