"""`/login` and `/logout`: a session for a link, or for a name and a password, and its end.

    GET /login?code=…   a link that Wireroom printed
    POST /login         name=ada&password=…&then=/room/board, from the form of the login page
    POST /logout        from any screen

A form of another site can do neither: not log people in as somebody else, nor log them out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from math import ceil

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from wireroom.api.access_accounts import has_accounts
from wireroom.api.access_login import LoggedIn, PasswordLogin, TooMany
from wireroom.api.access_rules import browser_name
from wireroom.api.access_sessions import end_session_of_token
from wireroom.api.auth import (
    Caller,
    give_session,
    identify,
    is_same_site,
    session_by_code,
    session_token,
    take_session,
)
from wireroom.api.guard import note_action
from wireroom.api.program_bodies import read_fields
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import BadInput
from wireroom.intake.webhook import BodyTooLarge
from wireroom.web.headers import page_headers

_MAX_BODY_BYTES = 4096
_HOME = "/"
_MINUTE_SECONDS = 60
Render = Callable[..., Response]
"""`render(template, status, name=value, …)`."""


class LoginPage:
    """The login page and what its forms do."""

    def __init__(self, services: Services, render: Render, paths: Sequence[str]) -> None:
        """Serve it.

        Args:
            services: The service's parts.
            render: Makes a page of a template.
            paths: Where a login may lead to.
        """
        self._services = services
        self._render = render
        self._paths = frozenset(paths)
        self._passwords = PasswordLogin(services)

    async def offer(
        self,
        then: str = _HOME,
        *,
        status: int = HTTPStatus.OK,
        problem: str = "",
        name: str = "",
        **values: object,
    ) -> Response:
        """Show how to log in, with what was wrong about the last try."""
        asks = await self._services.db.read(has_accounts)
        shown = {"asks_password": asks, "problem": problem, "name": name, "then": then, "values": values}
        return self._render("login.html", status, **shown)

    async def by_link(self, request: Request) -> Response:
        """Trade the link's code for a session."""
        code = request.query_params.get("code")
        token = await self._trade(request, code) if code else None
        if token is not None:
            return self._welcome(request, token, _HOME)
        if await identify(request, self._services) is not None:
            return _to(_HOME)
        if code is None:
            return await self.offer()
        return await self.offer(status=HTTPStatus.FORBIDDEN, problem="link-used")

    async def by_password(self, request: Request) -> Response:
        """Trade name and password for a session."""
        if not is_same_site(request, self._services.settings):
            return await self.offer(status=HTTPStatus.FORBIDDEN, problem="other-site")
        try:
            fields = await read_fields(request, _MAX_BODY_BYTES)
        except (BodyTooLarge, BadInput):
            return await self.offer(status=HTTPStatus.BAD_REQUEST, problem="unreadable")
        name, password, then = (_text(fields.get(key)) for key in ("name", "password", "then"))
        then = then if then in self._paths else _HOME
        try:
            found = await self._passwords.log_in(request, name, password)
        except HTTPException as error:
            response = await self.offer(then, status=error.status_code, problem="busy", name=name)
            response.headers.update(error.headers or {})
            return response
        match found:
            case LoggedIn(token):
                return self._welcome(request, token, then)
            case TooMany(seconds):
                wait = ceil(seconds / _MINUTE_SECONDS)
                response = await self.offer(
                    then, status=HTTPStatus.TOO_MANY_REQUESTS, problem="too-many", name=name, minutes=wait
                )
                response.headers["Retry-After"] = str(seconds)
                return response
        return await self.offer(then, status=HTTPStatus.UNAUTHORIZED, problem="wrong", name=name)

    async def log_out(self, request: Request) -> Response:
        """End the session; a wish that does not come from the page itself changes nothing."""
        settings = self._services.settings
        token, caller = session_token(request, settings), await identify(request, self._services)
        response = _to(_HOME)
        if token is not None and caller is not None and caller.session is not None:
            now_ms = to_ms(self._services.clock.now())

            def unit(conn: Connection) -> None:
                end_session_of_token(conn, token)
                note_action(conn, caller, "session.end", "session", now_ms=now_ms)

            await self._services.db.write(unit)
            take_session(response, request, settings)
        return response

    async def _trade(self, request: Request, code: str) -> str | None:
        now_ms, settings = to_ms(self._services.clock.now()), self._services.settings
        browser = browser_name(request.headers.get("user-agent", ""))
        replaces = session_token(request, settings)

        def unit(conn: Connection) -> str | None:
            token = session_by_code(conn, code, browser=browser, replaces=replaces, now_ms=now_ms)
            if token is not None:
                detail = f"link, {browser}" if browser else "link"
                note_action(conn, Caller("page"), "session.begin", "session", now_ms=now_ms, detail=detail)
            return token

        return await self._services.db.write(unit)

    def _welcome(self, request: Request, token: str, then: str) -> Response:
        response = _to(then)
        give_session(response, token, request, self._services.settings)
        return response


def _to(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, page_headers(()))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
