"""How the iterate loops of this installation look at what was done."""

from __future__ import annotations

from wireroom.runs.attempt import Attempt
from wireroom.runs.loop_driver import Look
from wireroom.workspaces.work import Evidence
from wireroom.workspaces.workspace import Workspace, Workspaces


def git_evidence(workspaces: Workspaces) -> Look:
    """Return how a loop looks at what git shows of an attempt's folder."""

    async def look(attempt: Attempt) -> Evidence | None:
        return await workspaces.evidence(Workspace(attempt.workdir, branch=None, base=attempt.base))

    return look
