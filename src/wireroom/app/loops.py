"""What the iterate loops of this installation are told."""

from __future__ import annotations

from wireroom.runs.budget import Budget, read_prices
from wireroom.runs.loop import Bounds
from wireroom.runs.loop_driver import Look
from wireroom.runs.loop_policy import LoopPolicy
from wireroom.runs.records import Attempt
from wireroom.settings import Settings
from wireroom.workspaces.work import Evidence
from wireroom.workspaces.workspace import Workspace, Workspaces


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


def git_evidence(workspaces: Workspaces) -> Look:
    """Return how a loop looks at what git shows of an attempt's folder."""

    async def look(attempt: Attempt) -> Evidence | None:
        return await workspaces.evidence(Workspace(attempt.workdir, branch=None, base=attempt.base))

    return look
