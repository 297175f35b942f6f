"""Routes that FastAPI takes apart when they are first called or described, not when the service starts.

To read an endpoint's signature and to build the validators of its parameters and its answer costs 1 to 2 ms a
route, and a process calls few of its hundred routes. What finding a route needs is known at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path, get_name

DESCRIPTION_PATH = "/openapi.json"
_taking_apart = threading.RLock()
"""A route may be called while the description is being made on another thread."""


class LazyRoute(APIRoute):
    """A described route; give it to a router as its `route_class`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Keep what the route is made of; see `APIRouter.add_api_route`."""
        self._made_of: dict[str, Any] | None = options
        self.path = path
        self.endpoint = endpoint
        self.name = options.get("name") or get_name(endpoint)
        self.methods = {method.upper() for method in options.get("methods") or ("GET",)}
        self.include_in_schema = options.get("include_in_schema", True)
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)

    def __getattr__(self, name: str) -> Any:
        """Take the endpoint apart: somebody wants to know what that alone tells."""
        with _taking_apart:
            made_of = self.__dict__.get("_made_of")
            if made_of is not None:
                self._made_of = None
                super().__init__(self.path, self.endpoint, **made_of)
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(name) from None


def serve(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Put the routers' routes into the app, in this order.

    Not by `include_router`, which takes every route apart a second time, all of them in the first request.
    """
    for router in routers:
        app.router.routes.extend(router.routes)


def describe(app: FastAPI) -> None:
    """Serve the app's description: made on a thread, since that takes every route apart, for 0.3 s.

    The app must have been made without an `openapi_url`.
    """

    def encoded() -> bytes:
        return msgspec.json.encode(app.openapi())

    async def description(request: Request) -> Response:
        del request
        return Response(await asyncio.to_thread(encoded), media_type="application/json")

    app.router.routes.append(Route(DESCRIPTION_PATH, description, include_in_schema=False))
