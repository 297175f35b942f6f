"""What was found when something was looked at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    PROBLEM = "problem"
    """Wireroom works, but not as it should."""
    FATAL = "fatal"
    """Wireroom cannot work at all until it is mended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    ok: bool
    text: str
    """What was found."""
    mend: str = ""
    """What to do about it; empty when nothing is wrong, or when `text` says it."""
    fatal: bool = False
    """Wireroom cannot work at all until it is mended."""

    @property
    def verdict(self) -> Verdict:
        """How much it matters."""
        if self.ok:
            return Verdict.FINE
        return Verdict.FATAL if self.fatal else Verdict.PROBLEM

    @property
    def sentence(self) -> str:
        """What was found and what to do about it, as one sentence."""
        return f"{self.text}; {self.mend}" if self.mend else self.text
