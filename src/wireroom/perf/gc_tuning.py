"""Keeps the cyclic garbage collector out of the way of requests.

What it is worth stands in docs/performance/profiling.md, with the command that measures it.
"""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 100)
"""Objects made and not freed before the youngest generation is looked at, and how many of those looks come
before one at the next."""


def spare_the_collector() -> None:
    """Take what was made at start out of the cyclic collector's sight, and let it look less often.

    Libraries leave some 200,000 objects that live for ever; walking them in the middle of a request costs
    tens of milliseconds and frees nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
