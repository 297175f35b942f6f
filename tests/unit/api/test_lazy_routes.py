"""Routes are taken apart when they are needed, and are then what FastAPI makes of them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import Route

from asgi_calls import call
from wireroom.api.lazy_routes import DESCRIPTION_PATH, LazyRoute, describe, serve


class Body(BaseModel):
    """What is answered."""

    name: str
    number: int


def app_of(kind: type[APIRoute]) -> FastAPI:
    """Return an application with routes of this kind."""
    asked: list[str] = []

    async def note() -> None:
        asked.append("guard")

    async def show(name: str, number: Annotated[int, Query(ge=1)] = 7) -> Body:
        """Show it."""
        return Body(name=name + "".join(asked), number=number)

    async def change(name: str, body: Body) -> Body:
        return body.model_copy(update={"name": name})

    router = APIRouter(prefix="/things", tags=["things"], dependencies=[Depends(note)], route_class=kind)
    router.add_api_route("/{name}", show)
    router.add_api_route("/{name}", change, methods=["PUT"], status_code=201)
    app = FastAPI(openapi_url=None)
    serve(app, [router])
    return app


def own_routes(app: FastAPI) -> list[Route]:
    """Return the routes of the test's own."""
    return [route for route in app.router.routes if isinstance(route, LazyRoute)]


async def test_route_is_taken_apart_by_its_first_call() -> None:
    """Making it does not read its endpoint's signature; calling it does that of no other."""
    app = app_of(LazyRoute)
    assert [("dependant" in vars(route)) for route in own_routes(app)] == [False, False]
    assert (await call(app, "/things/a", query="number=8")).body == b'{"name":"aguard","number":8}'
    assert [("dependant" in vars(route)) for route in own_routes(app)] == [True, False]


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/things/a", ""),
        ("GET", "/things/a", "number=0"),
        ("GET", "/things/a", "number=x"),
        ("PUT", "/things/a", ""),
        ("DELETE", "/things/a", ""),
        ("GET", "/things/a/b", ""),
        ("GET", "/things/a/", ""),
    ],
)
async def test_lazy_route_answers_as_the_usual_one_does(method: str, path: str, query: str) -> None:
    """The same statuses, headers and bodies, refusals and redirects included."""
    lazy, usual = [
        await call(app_of(kind), path, method=method, query=query) for kind in (LazyRoute, APIRoute)
    ]
    assert (lazy.status, lazy.headers.items(), lazy.body) == (usual.status, usual.headers.items(), usual.body)


def test_description_is_the_usual_one() -> None:
    """OpenAPI sees no difference."""
    lazy, usual = app_of(LazyRoute).openapi(), app_of(APIRoute).openapi()
    assert msgspec.json.encode(lazy) == msgspec.json.encode(usual)


async def test_description_is_made_while_routes_are_called() -> None:
    """It takes all routes apart on a thread of its own; who calls one of them meanwhile is answered."""
    for _ in range(20):
        app = app_of(LazyRoute)
        describe(app)
        described, *answers = await asyncio.gather(
            call(app, DESCRIPTION_PATH),
            *(call(app, "/things/a", query="number=8") for _ in range(3)),
        )
        assert {answer.body for answer in answers} <= {
            b'{"name":"a' + b"guard" * n + b'","number":8}' for n in range(1, 4)
        }
        assert set(msgspec.json.decode(described.body)["paths"]) == {"/things/{name}"}


def test_unknown_name_is_no_attribute() -> None:
    """What no route has is refused as of any object, before and after it was taken apart."""
    [route, _] = own_routes(app_of(LazyRoute))
    for _ in range(2):
        with pytest.raises(AttributeError, match="nothing"):
            route.nothing  # type: ignore[attr-defined]  # noqa: B018 - the access is the test
