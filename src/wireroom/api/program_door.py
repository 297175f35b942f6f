"""From a checked request of a program to its stored run, for every route that takes one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from wireroom.api.auth import Caller
from wireroom.api.guard import note_action
from wireroom.api.legacy import ShortRefusal
from wireroom.api.services import Services
from wireroom.backends.registry import FURTHER_NAMES, NAMES
from wireroom.clock import to_ms
from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.intake.program_requests import Accepted, ProgramIntake, ProgramRequest, QueueFull
from wireroom.runs.loop_policy import loop_policy, refuse_unpriced
from wireroom.runs.states import RunMode
from wireroom.workspaces.confine import resolve_inside

RETRY_AFTER_SECONDS = 10
_NO_REPOSITORY = (
    "Repository not found locally: {}. Please ensure the repository exists in the repositories directory."
)
Stored = TypeVar("Stored", Accepted, Accepted | QueueFull)


class ProgramDoor:
    """Looks at a request's repository and coding agents, then has it stored."""

    def __init__(self, services: Services) -> None:
        """Keep the service's parts."""
        self._services = services
        settings = services.settings
        self.intake = ProgramIntake(
            services.jobs,
            services.feed,
            services.asker,
            queue_limit=settings.queue_limit,
            elevenlabs=settings.elevenlabs_enabled,
        )

    async def accept(self, caller: Caller, wanted: ProgramRequest) -> Accepted:
        """Store the request as a run.

        Raises:
            ShortRefusal: 400 or 404, it cannot be run; 409, its id stands for another; 429, too many wait.
        """
        found = replace(wanted, workdir=await self.check(wanted))
        stored = await self._write(caller, found, self.intake.accept)
        if isinstance(stored, QueueFull):
            raise ShortRefusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{stored.limit} runs wait already. Try again later.",
                {"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        return stored

    async def accept_or_report(self, caller: Caller, wanted: ProgramRequest) -> Accepted:
        """Store the request as a run; what cannot be run is stored, too, and reported to its callback.

        Raises:
            ShortRefusal: as `accept`; 400 and 404 only for a request without a callback.
        """
        try:
            return await self.accept(caller, wanted)
        except ShortRefusal as refusal:
            is_reported = refusal.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
            if wanted.callback_url is None or not is_reported:
                raise
            reason = str(refusal)

        def reject(conn: Connection, wanted: ProgramRequest, now_ms: int) -> Accepted:
            return self.intake.reject(conn, wanted, reason, now_ms)

        return await self._write(caller, wanted, reject)

    async def check(self, wanted: ProgramRequest) -> str | None:
        """Return the folder of the repository that the request names, None if it names none.

        Raises:
            ShortRefusal: 400 or 404, the request cannot be run.
        """
        if not wanted.prompt.strip():
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, "prompt is required")
        for name in (wanted.backend, wanted.options.reviewer):
            if name is not None and name not in {*NAMES, *FURTHER_NAMES, self._services.asker.backend}:
                raise ShortRefusal(HTTPStatus.BAD_REQUEST, f"There is no coding agent {name}.")
        if wanted.mode is RunMode.ITERATE:
            self._check_price(wanted)
        repository = wanted.options.repository
        if repository is None or not repository.strip():
            return None
        root = self._services.settings.repositories_root
        folder = await asyncio.to_thread(_folder, root, repository)
        if folder is None:
            raise ShortRefusal(HTTPStatus.NOT_FOUND, _NO_REPOSITORY.format(repository))
        return str(folder)

    def _check_price(self, wanted: ProgramRequest) -> None:
        """Refuse a loop whose money budget could not be kept."""
        policy = loop_policy(self._services.settings)
        try:
            refuse_unpriced(policy, wanted.options, wanted.backend or self._services.asker.backend)
        except BadInput as error:
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, str(error)) from error

    async def _write(
        self,
        caller: Caller,
        wanted: ProgramRequest,
        store: Callable[[Connection, ProgramRequest, int], Stored],
    ) -> Stored:
        now_ms = to_ms(self._services.clock.now())

        def unit(conn: Connection) -> Stored:
            stored = store(conn, wanted, now_ms)
            if isinstance(stored, Accepted) and stored.created:
                note_action(conn, caller, "run.accept", stored.run_id, now_ms=now_ms)
            return stored

        try:
            return await self._services.db.write(unit)
        except BadInput as error:
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, str(error)) from error
        except Conflict as error:
            raise ShortRefusal(HTTPStatus.CONFLICT, str(error)) from error


def _folder(root: Path, name: str) -> Path | None:
    """Return the repository's folder, None when there is none or the name leads out of the root."""
    try:
        found = resolve_inside(root, name)
    except (BadInput, NotFound):
        return None
    return found if found.is_dir() else None
