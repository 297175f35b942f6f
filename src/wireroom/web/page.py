"""`/` and the screens under `/room/`, `/login`, `/logout` and the page's files.

Without a session the page only says how to get one; everything that it shows comes from the API.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus

from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from wireroom import __version__
from wireroom.api.auth import identify
from wireroom.api.hosts import is_own_host, own_hosts
from wireroom.api.services import Services
from wireroom.web.assets import Assets, load_assets
from wireroom.web.headers import page_headers
from wireroom.web.languages import Texts, load_texts, texts_of, translator
from wireroom.web.login import LoginPage
from wireroom.web.screens import SCREENS, Screen

_Handler = Callable[[Request], Awaitable[Response]]


def routes(services: Services) -> list[BaseRoute]:
    """Return the page's routes; a Host that is not ours gets nothing but a word why."""
    page = _Page(services)
    assets = page.assets
    return [
        *(_NamedRoute(one.path, page.for_own_hosts(page.shows(one)), methods=["GET"]) for one in SCREENS),
        _NamedRoute("/login", page.for_own_hosts(page.login.by_link), methods=["GET"]),
        _NamedRoute("/login", page.for_own_hosts(page.login.by_password), methods=["POST"]),
        _NamedRoute("/logout", page.for_own_hosts(page.login.log_out), methods=["POST"]),
        _NamedRoute("/static/{digest}/{name:path}", page.for_own_hosts(assets.serve), methods=["GET"]),
    ]


@cache
def _of_the_package() -> tuple[Assets, Texts, Environment]:
    """Read what every page is made of; each template is compiled once, however many services there are."""
    assets, texts = load_assets(), load_texts()
    templates = Environment(
        loader=PackageLoader("wireroom.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    templates.globals |= {
        "asset": assets.url,
        "screens": SCREENS,
        "style": assets.style,
        "t": translator(texts),
        "version": __version__,
    }
    return assets, texts, templates


class _NamedRoute(Route):
    """A route that figures know by its template; FastAPI's router tells them only of its own routes."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as usual, and leave the route in the scope."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}


class _Page:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._own_hosts = own_hosts(services.settings)
        self.assets, self._texts, self._templates = _of_the_package()
        self._headers = page_headers(self.assets.styles.values())
        self.login = LoginPage(services, self._html, [one.path for one in SCREENS])

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
                return await self.login.offer(screen.path)
            return self._html(
                f"{screen.stem}.html",
                HTTPStatus.OK,
                screen=screen,
                role=caller.role.value,
                texts=texts_of(self._texts, screen.stem),
                has_bot=self._services.fresh_pairing_code is not None,
                backend=self._services.asker.backend,
            )

        return show

    def _html(self, template: str, status: int, **values: object) -> Response:
        text = self._templates.get_template(template).render(values)
        return HTMLResponse(text, status, self._headers)
