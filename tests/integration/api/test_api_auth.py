"""Nobody unknown gets past any route of the API; a browser's session only works from the page itself."""

from __future__ import annotations

import aiohttp
import pytest
from sqlalchemy import update

from wireroom.api.auth import COOKIE
from wireroom.app.service import Service
from wireroom.store.schema import page_sessions

Client = aiohttp.ClientSession

ROUTES = [
    ("GET", "/api/runs"),
    ("GET", "/api/runs/{run_id}"),
    ("GET", "/api/runs/{run_id}/events"),
    ("GET", "/api/runs/{run_id}/stream"),
    ("POST", "/api/runs/{run_id}/cancel"),
    ("POST", "/api/runs/{run_id}/retry"),
    ("GET", "/api/deliveries"),
    ("POST", "/api/deliveries/{delivery_id}/retry"),
    ("POST", "/api/deliveries/{delivery_id}/discard"),
    ("GET", "/api/chat"),
    ("GET", "/api/chat/conversations"),
    ("GET", "/api/chat/conversations/{conversation_id}"),
    ("GET", "/api/chat/stream"),
    ("POST", "/api/chat/files"),
    ("POST", "/api/chat/messages"),
    ("POST", "/api/chat/new"),
    ("POST", "/api/chat/pairing-code"),
]
every_route = pytest.mark.parametrize(
    ("method", "path"), ROUTES, ids=[f"{method} {path}" for method, path in ROUTES]
)
MESSAGE = {"request_id": "r", "text": "say x"}


async def refusal(client: Client, method: str, path: str, headers: dict[str, str]) -> None:
    """Call the route and see that it refuses, in the one shape."""
    json = MESSAGE if method == "POST" else None
    async with client.request(method, path, json=json, headers=headers) as response:
        body = await response.json()
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (body["success"], body["path"]) == (False, path)


async def test_table_of_routes_is_complete(program: Client) -> None:
    """A route that is added must be added here, and so be tested for its guard."""
    async with program.get("/openapi.json") as response:
        described = (await response.json())["paths"]
    ours = [path for path in described if path.startswith(("/api/runs", "/api/deliveries", "/api/chat"))]
    found = {(method.upper(), path) for path in ours for method in described[path]}
    assert found == set(ROUTES)


@every_route
async def test_caller_without_valid_credentials_is_refused(
    service: Service, stranger: Client, method: str, path: str
) -> None:
    """Nothing, a wrong secret in each header, an empty one, and a made-up session all get a 401."""
    wrong: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {service.services.api_secret}"},
        {"X-Webhook-Secret": "wrong"},
        {"X-Cursor-Runner-Secret": ""},
        {"X-Admin-Secret": f"{service.services.api_secret}x"},
        {"Cookie": f"{COOKIE}=made-up"},
    ]
    for headers in wrong:
        await refusal(stranger, method, path, headers)


@every_route
async def test_session_is_refused_from_another_sites_page(page: Client, method: str, path: str) -> None:
    """A foreign Origin, and the `null` of a sandboxed frame, make the cookie worthless."""
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        await refusal(page, method, path, {"Origin": origin})


@every_route
async def test_expired_session_is_refused(service: Service, page: Client, method: str, path: str) -> None:
    """After its thirty days a session is nobody."""
    await service.services.db.write(lambda conn: conn.execute(update(page_sessions).values(expires_at=1)))
    service.services.cache.forget("sessions")
    await refusal(page, method, path, {})


@every_route
async def test_session_is_refused_under_a_foreign_name(page: Client, method: str, path: str) -> None:
    """A name that a stranger had resolve to us gets nothing, even with the cookie."""
    json = MESSAGE if method == "POST" else None
    async with page.request(method, path, json=json, headers={"Host": "evil.example"}) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    "header", ["Authorization", "X-Webhook-Secret", "X-Cursor-Runner-Secret", "X-Admin-Secret"]
)
async def test_program_with_the_secret_is_let_in_under_any_name(
    service: Service, stranger: Client, header: str
) -> None:
    """Each header of the older services works, also over a name of the container's network."""
    secret = service.services.api_secret
    value = f"Bearer {secret}" if header == "Authorization" else secret
    async with stranger.get("/api/runs", headers={header: value, "Host": "wireroom:8480"}) as response:
        assert response.status == 200


async def test_session_is_let_in_from_the_page_itself(service: Service, page: Client) -> None:
    """Our own Origin passes, for reading and for changing."""
    origin = {"Origin": service.address}
    async with page.get("/api/chat", headers=origin) as response:
        assert response.status == 200
    async with page.post("/api/chat/new", headers=origin) as response:
        assert response.status == 200


async def test_body_of_another_content_type_is_not_read_as_json(page: Client) -> None:
    """A form of another site cannot pass for our page's JSON."""
    text = '{"request_id": "r", "text": "say x"}'
    async with page.post("/api/chat/messages", data=text, headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 422
