"""`/api/run-views/{run_id}/diff`: what a run changed, file by file.

A run that has ended shows what was recorded at its end; one that works, or whose record is missing, what git
sees now in its worktree, or without one the uncommitted changes of its folder, where others may work as well.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.errors import Conflict, NotFound
from wireroom.runs.look import folder_of_run
from wireroom.runs.queries import RunView, find_run
from wireroom.workspaces.diff_text import FileDiff, read_diff
from wireroom.workspaces.git import GitFailed
from wireroom.workspaces.workspace import Workspace, Workspaces


class Basis(StrEnum):
    """Where a diff comes from, or why there is none."""

    RECORDED = "recorded"
    """Written down when the run ended."""
    WORKTREE = "worktree"
    """The run's own worktree now, against the commit that it began with."""
    FOLDER = "folder"
    """Uncommitted changes in the run's folder now, whoever made them."""
    NOTHING = "nothing"
    """The run ended, and git saw no change."""
    WAITING = "waiting"
    """The run has not begun."""
    NO_GIT = "no_git"
    """The run works outside of git, which alone could tell."""
    GONE = "gone"
    """Nothing was recorded, and its folder is not there any more."""


class HunkBody(BaseModel):
    """Lines that stand together."""

    old_start: int
    new_start: int
    heading: str
    lines: list[str] = Field(description="Each begins with a space, `-`, `+` or a backslash.")


class FileDiffBody(BaseModel):
    """What became of one file."""

    path: str
    old_path: str | None
    status: str = Field(description="added, deleted, renamed or changed.")
    is_binary: bool
    insertions: int
    deletions: int
    hunks: list[HunkBody]

    @classmethod
    def of(cls, file: FileDiff) -> FileDiffBody:
        """Return the file as it is sent."""
        return cls(
            path=file.path,
            old_path=file.old_path,
            status=file.status,
            is_binary=file.is_binary,
            insertions=file.insertions,
            deletions=file.deletions,
            hunks=[
                HunkBody(
                    old_start=hunk.old_start,
                    new_start=hunk.new_start,
                    heading=hunk.heading,
                    lines=list(hunk.lines),
                )
                for hunk in file.hunks
            ],
        )


class DiffBody(BaseModel):
    """What a run changed."""

    run_id: str
    basis: Basis = Field(description="Where it comes from, or why there is none.")
    branch: str | None = None
    base: str | None = Field(default=None, description="The commit that it is counted from, if known.")
    files: list[FileDiffBody] = Field(default_factory=list)
    cut: bool = Field(default=False, description="It goes on; only its beginning is here.")


def router(services: Services, workspaces: Workspaces) -> APIRouter:
    """Return the route, which knows its caller."""
    made = APIRouter(
        prefix="/api/run-views",
        tags=["page"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )

    async def diff(run_id: str) -> DiffBody:
        """Show what a run changed."""
        run, folder = await services.db.read(lambda conn: _read(conn, run_id))
        if run.report.patch:
            cut = run.report.patch_cut
            files = await asyncio.to_thread(_files, run.report.patch, cut=cut)
            branch = run.report.branch
            return DiffBody(run_id=run.id, basis=Basis.RECORDED, branch=branch, files=files, cut=cut)
        return await _live_diff(workspaces, run, folder)

    made.add_api_route("/{run_id}/diff", diff)
    return made


async def _live_diff(workspaces: Workspaces, run: RunView, folder: str) -> DiffBody:
    """Return what git sees now.

    Raises:
        Conflict: git cannot read the checkout; says why.
    """
    try:
        own = await workspaces.own_worktree(run.id)
        if own is not None:
            return await _described(workspaces, run, own, Basis.WORKTREE)
        if run.started_at is None:
            return DiffBody(run_id=run.id, basis=Basis.WAITING)
        place = await workspaces.checkout_at(await asyncio.to_thread(workspaces.open_to_people, folder))
        if place is None:
            return DiffBody(run_id=run.id, basis=Basis.NO_GIT)
        if run.state.is_final:
            return DiffBody(run_id=run.id, basis=Basis.NOTHING)
        return await _described(workspaces, run, place, Basis.FOLDER)
    except NotFound:
        is_there = await asyncio.to_thread(Path(folder).is_dir)
        return DiffBody(run_id=run.id, basis=Basis.NO_GIT if is_there else Basis.GONE)
    except GitFailed as error:
        raise Conflict(f"What the run changed cannot be read: {error}") from error


async def _described(workspaces: Workspaces, run: RunView, place: Workspace, basis: Basis) -> DiffBody:
    summary = await workspaces.describe(place)
    if summary is None:
        return DiffBody(run_id=run.id, basis=Basis.NO_GIT)
    files = await asyncio.to_thread(_files, summary.diff, cut=summary.diff_cut)
    return DiffBody(
        run_id=run.id,
        basis=basis if files or not run.state.is_final else Basis.NOTHING,
        branch=place.branch,
        base=place.base,
        files=files,
        cut=summary.diff_cut,
    )


def _files(diff: str, *, cut: bool) -> list[FileDiffBody]:
    """Return the files; of a diff that was cut off, without its last line, which may be half of one."""
    text = diff.rpartition("\n")[0] if cut else diff
    return [FileDiffBody.of(file) for file in read_diff(text)]


def _read(conn: Connection, run_id: str) -> tuple[RunView, str]:
    run = find_run(conn, run_id)
    folder = None if run is None else folder_of_run(conn, run.id)
    if run is None or folder is None:
        raise NotFound(f"There is no run {run_id}.")
    return run, folder
