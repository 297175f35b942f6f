"""`/` and the screens under `/room/`, `/login`, `/logout` and the page's files.

Without a session the page only says how to get one; everything that it shows comes from the API.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from wireroom import __version__
from wireroom.api.auth import COOKIE, SESSION_LIFETIME, Caller, begin_session, end_session, identify
from wireroom.api.guard import note_action
from wireroom.api.hosts import came_by_tls, is_own_host, own_hosts
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.web.assets import load_assets
from wireroom.web.headers import PAGE_HEADERS
from wireroom.web.languages import load_texts, texts_of, translator
from wireroom.web.screens import SCREENS, Screen

_Handler = Callable[[Request], Awaitable[Response]]
_LOGIN_HINT = "Open the link that Wireroom printed when it started."
_LOGIN_USED = "This link has been used already, or is too old."


def routes(services: Services) -> list[BaseRoute]:
    """Return the page's routes; a Host that is not ours gets nothing but a word why."""
    page = _Page(services)
    assets = page.assets
    return [
        *(Route(one.path, page.for_own_hosts(page.shows(one)), methods=["GET"]) for one in SCREENS),
        Route("/login", page.for_own_hosts(page.log_in), methods=["GET"]),
        Route("/logout", page.for_own_hosts(page.log_out), methods=["POST"]),
        Route("/static/{digest}/{name}", page.for_own_hosts(assets.serve), methods=["GET"]),
    ]


class _Page:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._own_hosts = own_hosts(services.settings)
        self.assets = load_assets()
        self._templates = Environment(
            loader=PackageLoader("wireroom.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._texts = load_texts()
        self._templates.globals |= {
            "asset": self.assets.url,
            "screens": SCREENS,
            "t": translator(self._texts),
            "version": __version__,
        }

    def for_own_hosts(self, handler: _Handler) -> _Handler:
        """Return the handler behind the check of the Host header."""

        async def checked(request: Request) -> Response:
            host = request.headers.get("host", "")
            if is_own_host(host, self._own_hosts):
                return await handler(request)
            return self._html("stranger.html", HTTPStatus.FORBIDDEN, host=host)

        return checked

    def shows(self, screen: Screen) -> _Handler:
        """Return what answers with a screen, or with how to log in."""

        async def show(request: Request) -> Response:
            caller = await identify(request, self._services)
            if caller is None:
                return self._html("login.html", HTTPStatus.OK, message=_LOGIN_HINT)
            return self._html(
                f"{screen.stem}.html",
                HTTPStatus.OK,
                screen=screen,
                role="owner",
                texts=texts_of(self._texts, screen.stem),
                has_bot=self._services.fresh_pairing_code is not None,
                backend=self._services.asker.backend,
            )

        return show

    async def log_in(self, request: Request) -> Response:
        """Trade the link's code for a session; the cookie is Lax so that a printed link works."""
        token = await begin_session(self._services, request.query_params.get("code", ""))
        if token is None:
            if await identify(request, self._services) is not None:
                return _to_the_chat()
            return self._html("login.html", HTTPStatus.FORBIDDEN, message=_LOGIN_USED)
        await self._note("session.begin")
        response = _to_the_chat()
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(SESSION_LIFETIME.total_seconds()),
            httponly=True,
            samesite="lax",
            secure=came_by_tls(
                request.url.scheme,
                request.headers.get("host", ""),
                self._services.settings.telegram_webhook_base_url,
            ),
        )
        return response

    async def log_out(self, request: Request) -> Response:
        """End the session; a wish that does not come from the page itself changes nothing."""
        token = request.cookies.get(COOKIE)
        response = _to_the_chat()
        if token is not None and await identify(request, self._services) is not None:
            await end_session(self._services, token)
            await self._note("session.end")
            response.delete_cookie(COOKIE)
        return response

    async def _note(self, action: str) -> None:
        now_ms = to_ms(self._services.clock.now())
        caller = Caller("page")
        await self._services.db.write(
            lambda conn: note_action(conn, caller, action, "session", now_ms=now_ms)
        )

    def _html(self, template: str, status: HTTPStatus, **values: object) -> Response:
        text = self._templates.get_template(template).render(values)
        return HTMLResponse(text, status, PAGE_HEADERS)


def _to_the_chat() -> Response:
    return RedirectResponse("/", HTTPStatus.SEE_OTHER, PAGE_HEADERS)
