"""Where an agent finds files and leaves them; has those come back, each once, behind its answer.

Taking them is moving files, which no commit undoes: what was taken and not told of by a crash is found by the
run's next attempt. Telling is a delivery for each, in the unit that ends the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog
from msgspec import structs
from sqlalchemy import Connection

from wireroom.delivery.outbox import send_notice
from wireroom.delivery.outgoing import store_parts
from wireroom.delivery.parts import FilePart
from wireroom.delivery.queries import recipient_of_run
from wireroom.jobs.port import Jobs
from wireroom.runs.attempt import Attempt
from wireroom.runs.options import RunOptions, RunReport
from wireroom.workspaces.inbox import FOLDER as INBOX
from wireroom.workspaces.outbox import LeftFile, Outbox

_CHATS = "telegram:"
_log = structlog.get_logger(__name__)


def goes_to_a_chat(lane: str) -> bool:
    """Tell whether what an agent leaves can be sent somewhere. Pure."""
    return lane.startswith(_CHATS)


def given_folders(data_dir: Path, options: RunOptions) -> tuple[Path, ...]:
    """Return the folders of the files that came with the request. Pure."""
    files = options.given.files if options.given else ()
    return tuple(data_dir.resolve() / INBOX / file.folder for file in files if file.folder)


async def with_left_files(outbox: Outbox, attempt: Attempt, report: RunReport) -> RunReport:
    """Return the report with what the agent left; a disk that fails costs the files, never the answer."""
    try:
        left = await asyncio.to_thread(outbox.take, attempt.conversation_id, attempt.run_id)
    except OSError as error:
        _log.warning("files_not_taken", run_id=attempt.run_id, reason=str(error))
        return structs.replace(report, not_sent=(f"The outbox cannot be read ({error.strerror}).",))
    return structs.replace(report, files=left.files, not_sent=left.problems)


def send_left_files(conn: Connection, jobs: Jobs, run_id: str, report: RunReport, now_ms: int) -> None:
    """Have each file sent behind the answer, and what is not sent told; in the unit that ends the run."""
    to = recipient_of_run(conn, run_id) if report.files or report.not_sent else None
    if to is None:
        return
    for file in report.files:
        title = f"📎 {file.name}"
        delivery_id = send_notice(conn, jobs, to, title, now_ms=now_ms, opening=title)
        store_parts(conn, delivery_id, [_part(file)], now_ms)
    if report.not_sent:
        send_notice(conn, jobs, to, _told(report.not_sent), now_ms=now_ms)


def _part(file: LeftFile) -> FilePart:
    return FilePart(file.path, file.digest, file.name, file.image_type)


def _told(problems: Sequence[str]) -> str:
    return "\n".join(["📎 Not sent:", *(f"- `{problem.replace('`', '')}`" for problem in problems)])
