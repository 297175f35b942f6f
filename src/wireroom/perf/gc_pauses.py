"""Notes how long the cyclic garbage collector stops everything."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping

from wireroom.perf.metrics import GC_PAUSE_SECONDS

_PAUSES = [GC_PAUSE_SECONDS.labels(str(generation)) for generation in range(3)]


class PauseWatch:
    """Notes each run of the collector, between `start` and `stop`."""

    def __init__(self) -> None:
        """Prepare; nothing is noted yet."""
        self._began = 0.0

    def start(self) -> None:
        """Begin to note."""
        gc.callbacks.append(self.collector_ran)

    def stop(self) -> None:
        """Note no more; harmless when it did not."""
        if self.collector_ran in gc.callbacks:
            gc.callbacks.remove(self.collector_ran)

    def collector_ran(self, phase: str, info: Mapping[str, int]) -> None:
        """Note one run; a loop that the collector blocked is seen here, since this comes right after it."""
        if phase == "start":
            self._began = time.perf_counter()
        else:
            _PAUSES[info["generation"]].observe(time.perf_counter() - self._began)
