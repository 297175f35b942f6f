"""What a loop follows from: its caller's wishes and the installation's settings. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wireroom.errors import BadInput
from wireroom.runs.budget import Budget, Prices, read_prices, unpriced
from wireroom.runs.loop import DEFAULT_ROUNDS, Bounds, bounds_of
from wireroom.runs.options import RunOptions
from wireroom.settings import Settings


@dataclass(frozen=True, slots=True)
class LoopPolicy:
    """What loops are told by the settings."""

    bounds: Bounds = field(default_factory=lambda: Bounds(DEFAULT_ROUNDS))
    """For callers that name none."""
    prices: Prices = field(default_factory=dict)
    reviewer: str = ""
    """Back end that reviews; empty: the one that works."""
    model: str | None = None
    """Model of workers that name none."""
    root: Path | None = None
    """Folder around the folders of work, where tasks may be described."""


def loop_policy(settings: Settings) -> LoopPolicy:
    """Return what the settings say.

    Raises:
        SettingsError: WIREROOM_PRICES is no price table.
    """
    return LoopPolicy(
        bounds=Bounds(
            settings.max_rounds, Budget(settings.budget_minutes or None, settings.budget_usd or None)
        ),
        prices=read_prices(settings.prices),
        reviewer=settings.review_backend,
        model=settings.model or None,
        root=settings.repositories_path,
    )


def reviewer_of(policy: LoopPolicy, options: RunOptions, backend: str) -> str:
    """Return which back end reviews the work of `backend`."""
    return options.reviewer or policy.reviewer or backend


def model_of(policy: LoopPolicy, options: RunOptions, backend: str, called: str) -> str | None:
    """Return the model that the back end `called` is asked for when `backend` works; None: its own choice.

    A worker's model is no model of another back end's reviewer.
    """
    return (options.model or policy.model) if called == backend else None


def why_unpriced(policy: LoopPolicy, options: RunOptions, backend: str) -> str | None:
    """Return why the loop's money budget cannot be kept, None when it can or there is none."""
    names = {backend, reviewer_of(policy, options, backend)}
    callees = [(model_of(policy, options, backend, name), name) for name in sorted(names)]
    return unpriced(bounds_of(options, policy.bounds).budget, policy.prices, callees)


def refuse_unpriced(policy: LoopPolicy, options: RunOptions, backend: str) -> None:
    """Refuse a request whose money budget cannot be kept, before it is stored.

    Args:
        policy: The installation's.
        options: What the caller asks for.
        backend: Who shall work.

    Raises:
        BadInput: says which model has no price.
    """
    if (reason := why_unpriced(policy, options, backend)) is not None:
        raise BadInput(reason)
