"""What people may choose of each back end: its models and how long it thinks. Pure.

Sources: `claude --help` 2.1.330 and the model configuration page of Claude Code; the configuration reference
of Codex (`model_reasoning_effort`); the models page of Gemini CLI; `opencode run --help` (`--variant`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EFFORTS = ("low", "medium", "high")
"""How long an agent may be asked to think; every back end that knows efforts knows these words."""

_MOST_OFFERED = 8
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,99}")
_WITH_PROVIDER = re.compile(r"[^/]+/.+")


@dataclass(frozen=True, slots=True)
class Ability:
    """What one back end lets its callers choose."""

    takes_model: bool = True
    models: tuple[str, ...] = ()
    """Names that it is known to take; others may be as good."""
    form: re.Pattern[str] = _PLAIN
    """What every name of a model must look like."""
    form_words: str = "letters, digits and . _ : / @ [ ] -"
    """The same for people."""
    takes_effort: bool = False
    heeds_budget: bool = False
    """A single call ends when its money is spent."""
    is_free: bool = False
    """Nobody is paid for it."""
    forks_sessions: bool = False
    """A side question goes on from a copy of the session, which stays as it is."""
    answers_aside: bool = True
    """It can be kept from changing anything, or is our own."""


_ABILITIES = {
    "claude": Ability(
        models=("opus", "sonnet", "haiku"), takes_effort=True, heeds_budget=True, forks_sessions=True
    ),
    "codex": Ability(takes_effort=True),
    "cursor": Ability(models=("auto",)),
    "gemini": Ability(models=("auto", "pro", "flash", "flash-lite")),
    "opencode": Ability(
        form=_WITH_PROVIDER,
        form_words="provider/model",
        takes_effort=True,
        heeds_budget=True,
        forks_sessions=True,
    ),
    "acp": Ability(takes_effort=True),
    "demo": Ability(takes_model=False, is_free=True),
    "remote": Ability(takes_model=False, answers_aside=False),
}


def ability_of(backend: str) -> Ability:
    """Return what the back end of this name lets choose; one that is not known takes a model's name."""
    return _ABILITIES.get(backend, Ability())


def offered_models(backend: str, named: Iterable[str]) -> Sequence[str]:
    """Return the models to offer, the back end's own first.

    Args:
        backend: Its name.
        named: Models that the installation's settings name, for whatever back end.
    """
    ability = ability_of(backend)
    fitting = (name for name in named if refusal_of(backend, name) is None)
    return tuple(dict.fromkeys((*ability.models, *fitting)))[:_MOST_OFFERED]


def refusal_of(backend: str, model: str) -> str | None:
    """Return why the back end cannot be asked for the model, None when it can.

    Only what is sure is refused: whether a model exists is known to its provider alone.
    """
    ability = ability_of(backend)
    if not ability.takes_model:
        return f"{backend} has no choice of models."
    if not _PLAIN.fullmatch(model) or not ability.form.fullmatch(model):
        return f"That is no model's name for {backend}; expected {ability.form_words}."
    return None
