"""The JSON of the statements in `/api/performance`: those that cost most, and those said again and again."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from wireroom.api.bodies import ms, short
from wireroom.perf.evidence import RepeatedStatement, StatementFigures


class StatementBody(BaseModel):
    """One shape of statement over the window."""

    statement: str = Field(description="Without its values.")
    calls: int
    p95_ms: float | None
    slowest_ms: float | None
    total_seconds: float | None
    rows: int
    place: str = Field(description="Where in the code it is said.")
    scans: list[str] = Field(description="Tables that it reads as a whole, where its plan is known.")

    @classmethod
    def of(cls, one: StatementFigures) -> Self:
        """Return a statement's figures as JSON."""
        return cls(
            statement=one.shape,
            calls=one.calls,
            p95_ms=ms(one.p95_seconds),
            slowest_ms=ms(one.slowest_seconds),
            total_seconds=short(one.total_seconds),
            rows=one.rows,
            place=one.place,
            scans=list(one.scans),
        )


class RepeatedBody(BaseModel):
    """A read that a request or job said again and again (N+1), over the window."""

    within: str
    statement: str
    place: str
    most_times: int
    occurrences: int
    total_seconds: float | None

    @classmethod
    def of(cls, one: RepeatedStatement) -> Self:
        """Return a finding as JSON."""
        return cls(
            within=one.within,
            statement=one.shape,
            place=one.place,
            most_times=one.most_times,
            occurrences=one.occurrences,
            total_seconds=short(one.total_seconds),
        )
