"""Prepares where an attempt works and what its agent is given, and tells afterwards what was done there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import structlog
from msgspec import structs

from wireroom.delivery.clean import clean_terminal_text
from wireroom.delivery.progress import ProgressLine
from wireroom.errors import LeaseLost, StoreUnavailable, WireroomError
from wireroom.runs.attempt import Attempt
from wireroom.runs.driver import Driver
from wireroom.runs.left_files import given_folders, goes_to_a_chat, with_left_files
from wireroom.runs.options import RunReport
from wireroom.runs.side import is_side
from wireroom.runs.states import RunState
from wireroom.runs.stopping import outlast
from wireroom.runs.verdict import RunEnding, Verdict
from wireroom.workspaces.mcp import McpServers, Tools
from wireroom.workspaces.outbox import Outbox
from wireroom.workspaces.private_dir import private_dir
from wireroom.workspaces.work import WorkSummary
from wireroom.workspaces.workspace import Workspace, Workspaces

_REASON_CHARS = 500
_log = structlog.get_logger(__name__)


class PlacedDriver:
    """A driver whose attempts have a folder, their tools, and a private place for configuration."""

    def __init__(self, driver: Driver, *, workspaces: Workspaces, tools: McpServers, data_dir: Path) -> None:
        """Place the attempts of another driver."""
        self._driver = driver
        self._workspaces = workspaces
        self._tools = tools
        self._data_dir = data_dir
        self._outbox = Outbox(data_dir)

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> RunEnding:
        """Make the place, work there, and describe the work; see `Driver.drive`."""
        try:
            workspace = await self._workspace(attempt)
            async with private_dir(self._data_dir, attempt.run_id, attempt.epoch) as private:
                tools = await self._tools.for_run(workspace.path, attempt.options.mcp_servers or ())
                outbox = await self._outbox_of(attempt, lane)
                folders = (*given_folders(self._data_dir, attempt.options), *([outbox] if outbox else []))
                placed = replace(_placed(attempt, workspace, tools, private), outbox=outbox, folders=folders)
                ending = _tellable(await self._driver.drive(placed, lane, line), tools)
        except (LeaseLost, StoreUnavailable):
            raise
        except (WireroomError, OSError) as error:
            return _not_placed(attempt, str(error))
        if ending.cut_off or is_side(lane):
            return ending
        report = await self._described(attempt, workspace, ending.report)
        if outbox is not None:
            report = await outlast(
                with_left_files(self._outbox, attempt, report), f"files of {attempt.run_id}"
            )
        return replace(ending, report=report)

    async def _outbox_of(self, attempt: Attempt, lane: str) -> Path | None:
        """Return where the agent leaves files for people; None where there is nobody to send them to."""
        if not goes_to_a_chat(lane) or is_side(lane):
            return None
        return await asyncio.to_thread(self._outbox.folder, attempt.conversation_id)

    async def _workspace(self, attempt: Attempt) -> Workspace:
        options = attempt.options
        if not options.worktree:
            return await self._workspaces.look_at(attempt.workdir)
        return await self._workspaces.prepare(
            attempt.run_id, options.repository or "", options.branch_name, worktree=True
        )

    async def _described(self, attempt: Attempt, workspace: Workspace, report: RunReport) -> RunReport:
        """Add what git shows.

        Neither a checkout that git cannot read any more nor a stop is a reason to lose the answer, which is
        then told without.
        """
        if workspace.is_worktree:
            report = structs.replace(report, branch=workspace.branch, worktree=str(workspace.path))
        try:
            summary = await self._workspaces.describe(workspace)
        except (WireroomError, OSError, asyncio.CancelledError) as error:
            _log.warning("work_not_described", run_id=attempt.run_id, reason=str(error))
            return report
        except Exception:  # noqa: BLE001 - after the agent: whatever it is, the work must not be done again
            _log.exception("work_not_described", run_id=attempt.run_id)
            return report
        return report if summary is None else _with_work(report, summary)


def _placed(attempt: Attempt, workspace: Workspace, tools: Tools, private: Path) -> Attempt:
    notices = [workspace.notice, *tools.notices]
    return replace(
        attempt,
        workdir=workspace.path,
        base=workspace.base,
        private_dir=private,
        mcp_servers=tools.servers,
        notices=tuple(notice for notice in notices if notice),
    )


def _tellable(ending: RunEnding, tools: Tools) -> RunEnding:
    """Blank the tools' secrets in the command line, where Codex has its servers' arguments."""
    if not tools.secrets:
        return ending
    command = tuple(tools.tellable(word) for word in ending.report.command)
    return replace(ending, report=structs.replace(ending.report, command=command))


def _with_work(report: RunReport, summary: WorkSummary) -> RunReport:
    seen, lines = summary.evidence, summary.lines
    if not (lines.files or seen.commits_ahead):
        return report
    diff = {
        "files": lines.files,
        "insertions": lines.insertions,
        "deletions": lines.deletions,
        "commits": seen.commits_ahead,
        "uncommitted": seen.changed_files,
        "pushed": seen.pushed,
    }
    return structs.replace(
        report, branch=seen.branch, diff=diff, patch=summary.diff, patch_cut=summary.diff_cut
    )


def _not_placed(attempt: Attempt, reason: str) -> RunEnding:
    said = clean_terminal_text(reason)[:_REASON_CHARS]
    verdict = Verdict(RunState.FAILED, "", said, None, "no_workspace")
    report = structs.replace(attempt.report, error_code=verdict.error_code)
    return RunEnding(verdict=verdict, report=report, usage={}, session_id=None, cut_off=False)
