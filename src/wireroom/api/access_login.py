"""Login by name and password: a few wrong tries at once, then longer and longer waits; all in the audit.

A wrong name and a wrong password take as long and are answered alike. Tries are counted by name and by
address, of which IPv6 gives one customer as many as they like: there, by network.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from sqlalchemy import Connection
from starlette.requests import Request

from wireroom.api.access_accounts import hash_of, session_of_account
from wireroom.api.access_rules import MOST_NAME_CHARS, MOST_PASSWORD_CHARS, browser_name, plain_password
from wireroom.api.auth import Caller, session_token
from wireroom.api.budgets import Budget
from wireroom.api.guard import note_action
from wireroom.api.rate_limits import home_of
from wireroom.api.services import Services
from wireroom.api.shared_budgets import Budgets, Charge
from wireroom.clock import to_ms

_QUARTER_SECONDS = 900.0
_DAY_SECONDS = 86_400.0
OF_A_NAME = {"login-name": Budget(5, _QUARTER_SECONDS), "login-name-day": Budget(20, _DAY_SECONDS)}
OF_AN_ADDRESS = {
    "login-address": Budget(20, _QUARTER_SECONDS),
    "login-address-day": Budget(100, _DAY_SECONDS),
}
"""More than of a name: everybody behind one proxy has one address."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The password was right."""

    token: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """Name or password was wrong."""


@dataclass(frozen=True, slots=True)
class TooMany:
    """There were too many wrong tries; nothing was looked at."""

    retry_seconds: int


class LoginTries:
    """Who has tried how often, by two budgets each.

    When the short one is used up, a try comes free every few minutes; when the long one is, every hour or so.
    """

    def __init__(self, budgets: Budgets) -> None:
        """Have them remembered by these budgets."""
        self._budgets = budgets

    async def begin(self, name: str, address: str) -> float:
        """Count a try and return 0, or the seconds until one may come; then nothing is counted.

        Args:
            name: The account's, known or not.
            address: Where the try comes from.
        """
        charges = _charges(name, address)
        verdicts = await self._budgets.charge(charges)
        wait = max(verdict.retry_seconds for verdict in verdicts)
        if wait:
            passed = zip(charges, verdicts, strict=True)
            await self._budgets.give_back([charge for charge, verdict in passed if verdict.may_pass])
        return wait

    async def was_right(self, name: str, address: str) -> None:
        """Do not count the last try: it was no guess."""
        await self._budgets.give_back(_charges(name, address))


def _charges(name: str, address: str) -> list[Charge]:
    names = [Charge(which, budget, name) for which, budget in OF_A_NAME.items()]
    return [*names, *(Charge(which, budget, address) for which, budget in OF_AN_ADDRESS.items())]


class PasswordLogin:
    """Lets people in by name and password."""

    def __init__(self, services: Services) -> None:
        """Use the service's parts."""
        self._services = services
        self._tries = LoginTries(services.budgets)

    async def log_in(self, request: Request, name: str, password: str) -> LoggedIn | Wrong | TooMany:
        """Try to begin a session, in the place of the one that the browser has.

        Raises:
            HTTPException: 503, too many people log in at this moment.
        """
        known_as, address = name.strip().lower()[:MOST_NAME_CHARS], home_of(request)
        wait = await self._tries.begin(known_as, address)
        if wait:
            return TooMany(ceil(wait))
        stored = await self._services.db.read(lambda conn: hash_of(conn, known_as))
        given = plain_password(password)[: MOST_PASSWORD_CHARS + 1]
        token = None
        if await self._services.passwords.is_right(given, stored) and stored is not None:
            token = await self._begin(request, known_as, stored)
        if token is None:
            await self._note_refusal(known_as if stored is not None else "an unknown account", address)
            return Wrong()
        await self._tries.was_right(known_as, address)
        return LoggedIn(token)

    async def _begin(self, request: Request, name: str, checked: str) -> str | None:
        services, now_ms = self._services, to_ms(self._services.clock.now())
        browser = browser_name(request.headers.get("user-agent", ""))
        replaces = session_token(request, services.settings)

        def unit(conn: Connection) -> str | None:
            token = session_of_account(conn, name, checked, browser=browser, replaces=replaces, now_ms=now_ms)
            if token is not None:
                detail = f"password, {browser}" if browser else "password"
                note_action(conn, Caller(name), "session.begin", "session", now_ms=now_ms, detail=detail)
            return token

        return await services.db.write(unit)

    async def _note_refusal(self, whose: str, address: str) -> None:
        """Write down a wrong try; not a name that nobody has, which may be a password in the wrong field."""
        now_ms, by = to_ms(self._services.clock.now()), Caller("stranger")
        await self._services.db.write(
            lambda conn: note_action(conn, by, "session.refused", whose, now_ms=now_ms, detail=address)
        )
