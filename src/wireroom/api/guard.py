"""What stands before every route of the API: who calls, and by which name they reached us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import Connection, insert
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from wireroom.api.access_rules import may_do
from wireroom.api.auth import Caller, identify
from wireroom.api.hosts import is_own_host, own_hosts
from wireroom.api.services import Services
from wireroom.errors import Refused
from wireroom.store.schema import audit

_WHO_ARE_YOU = (
    "Log in by the link that Wireroom printed (`wireroom login` prints a new one), or send the secret as "
    "`Authorization: Bearer …`."
)
ONLY_LOOKING = "You are logged in as a viewer, who may look at everything and change nothing. Ask an owner."
_WRONG_SECRET = "Unauthorized - invalid or missing webhook secret"  # noqa: S105 - the older runner's words
Admit = Callable[[HTTPConnection], Awaitable[Caller]]


def admission(services: Services, *, secret_in_query: bool = False) -> Admit:
    """Return the check that lets nobody by whom it does not know, and gives who it is.

    Every route has this one guard, which also holds viewers to looking, so that no route can forget it. A
    page session counts only under a name of ours; a program proves itself by the secret alone, so it may use
    whatever name its network gives us. The check raises `HTTPException` 401, or `Refused`.
    """
    own = own_hosts(services.settings)
    refusal = _WRONG_SECRET if secret_in_query else _WHO_ARE_YOU

    async def admit(connection: HTTPConnection) -> Caller:
        caller = await identify(connection, services, secret_in_query=secret_in_query)
        if caller is None:
            raise HTTPException(401, refusal, {"WWW-Authenticate": "Bearer"})
        if caller.session is not None and not is_own_host(connection.headers.get("host", ""), own):
            raise Refused("This address is not known as Wireroom's; see WIREROOM_ALLOWED_HOSTS.")
        if not may_do(caller.role, connection.scope.get("method", "GET"), connection.scope["path"]):
            raise Refused(ONLY_LOOKING)
        return caller

    return admit


def caller_guard(
    services: Services, *, secret_in_query: bool = False
) -> Callable[[Request], Awaitable[None]]:
    """Return `admission` as a dependency of routes, which find the caller by `caller_of`."""
    admit = admission(services, secret_in_query=secret_in_query)

    async def guard(request: Request) -> None:
        request.state.caller = await admit(request)

    return guard


def caller_of(request: Request) -> Caller:
    """Return who was let in by the guard."""
    caller: Caller = request.state.caller
    return caller


def note_action(
    conn: Connection, caller: Caller, action: str, subject: str, *, now_ms: int, detail: str | None = None
) -> None:
    """Write one row of the audit, in the transaction of what it tells of."""
    conn.execute(
        insert(audit).values(
            created_at=now_ms, who=caller.name, action=action, subject=subject, detail=detail
        )
    )
