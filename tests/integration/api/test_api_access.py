"""Sessions, accounts, people and the audit on a whole service; what a viewer and a foreign page may do."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, func, insert, select, update
from starlette.routing import Route, WebSocketRoute

from api.conftest import BROWSER
from wireroom.api.access_rules import PageRole
from wireroom.api.auth import COOKIE, SECURE_COOKIE, new_login_link
from wireroom.app.http import documented
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.store.schema import audit, page_sessions, people
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend
from wireroom.workspaces.workspace import Workspaces

Client = aiohttp.ClientSession
Json = dict[str, Any]
PASSWORD = "correct horse battery"
LOOKING = {"GET", "HEAD", "OPTIONS"}
NOT_A_SESSIONS = frozenset({"/login", "/logout", "/task-operator/callback"})
"""Login, its end, and a door of programs with a secret of its own."""
PROGRAMS = (
    "/telegram/set_webhook",
    "/mcp",
    "/agent-tools",
    "/cursor-runner/cursor/execute",
    "/cursor-runner/callback",
)
"""Doors of programs beside the described routes: no session opens them, an owner's neither."""
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@asynccontextmanager
async def browser(service: Service, **headers: str) -> AsyncIterator[Client]:
    """Lend a browser that has nothing yet."""
    jar = aiohttp.CookieJar(unsafe=True)
    asked = {**BROWSER, "Origin": service.address, **headers}
    async with aiohttp.ClientSession(service.address, cookie_jar=jar, headers=asked) as client:
        yield client


@pytest.fixture
async def viewer(service: Service) -> AsyncIterator[Client]:
    """Lend a browser that a viewer's link has logged in."""
    async with browser(service) as client:
        link = await new_login_link(service.services, PageRole.VIEWER)
        async with client.get(link) as response:
            assert response.status == 200
        yield client


async def ask(client: Client, method: str, path: str, status: int = 200, **options: Any) -> Json:
    """Call a route and return its JSON."""
    async with client.request(method, path, **options) as response:
        assert response.status == status, f"{method} {path}: {response.status} {await response.text()}"
        found: Json = await response.json()
    return found


async def log_in(client: Client, name: str, password: str = PASSWORD, **headers: str) -> int:
    """Send the login form and return the status of its answer."""
    form = {"name": name, "password": password}
    async with client.post("/login", data=form, headers=headers, allow_redirects=False) as response:
        return response.status


async def add_account(program: Client, name: str, role: str = "viewer") -> None:
    """Make an account."""
    body = {"name": name, "password": PASSWORD, "role": role}
    await ask(program, "POST", "/api/access/accounts", 201, json=body)


def routes_of(service: Service) -> Iterator[tuple[str, str]]:
    """Return method and an address of every route that the application has, described or not."""
    services = service.services
    app = documented(services, Workspaces(services.settings, os.environ, services.clock))
    for route in app.router.routes:
        if isinstance(route, Route):
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            yield from ((method, path) for method in sorted(route.methods or ()))
        else:
            assert isinstance(route, WebSocketRoute)


def changing(service: Service) -> list[tuple[str, str]]:
    """Return the routes that may change something."""
    found = [(method, path) for method, path in routes_of(service) if method not in LOOKING]
    assert len(found) > 50
    return [*found, *(("POST", path) for path in PROGRAMS)]


async def statuses(
    client: Client, routes: list[tuple[str, str]], **headers: str
) -> dict[tuple[str, str], int]:
    """Call each route with an empty object and return the statuses."""
    found = {}
    for method, path in routes:
        async with client.request(method, path, json={}, headers=headers, allow_redirects=False) as response:
            found[method, path] = response.status
    return found


async def audited(service: Service) -> list[tuple[str, str]]:
    """Return who did what, in order."""
    query = select(audit.c.who, audit.c.action).order_by(audit.c.id)
    rows = await service.services.db.read(lambda conn: conn.execute(query).all())
    return [(row.who, row.action) for row in rows]


async def test_viewer_can_change_nothing_by_any_route(service: Service, viewer: Client) -> None:
    """Every changing route of the application refuses a viewer's session, and leaves no trace."""
    routes = [one for one in changing(service) if one[1] not in NOT_A_SESSIONS]
    found = await statuses(viewer, routes)
    refused = {one for one, status in found.items() if status == 403}
    assert {one for one in found if one not in refused} == {("POST", path) for path in PROGRAMS}
    assert {found["POST", path] for path in PROGRAMS} <= {401, 404}
    assert await audited(service) == [("page", "session.begin")]


async def test_viewer_sees_every_screen_and_is_told_why_not_more(service: Service, viewer: Client) -> None:
    """Screens and lists are there; a profile is not, and a refusal says whom to ask."""
    for path in ("/", "/room/people", "/room/board"):
        async with viewer.get(path) as response:
            assert 'data-role="viewer"' in await response.text()
    for path in ("/api/runs", "/agents", "/api/tasks", "/api/access/audit", "/api/settings"):
        async with viewer.get(path) as response:
            assert response.status == 200
    for method, path in (("GET", "/admin/profile/cpu?seconds=0.1"), ("POST", "/api/chat/new")):
        assert "viewer" in (await ask(viewer, method, path, 403))["error"]


async def test_session_changes_nothing_from_another_sites_page(service: Service, page: Client) -> None:
    """To no changing route an owner's cookie is worth anything from a foreign page, or one of another port."""
    routes = changing(service)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        found = await statuses(page, routes, **headers)
        assert found.pop(("POST", "/logout")) == 303
        assert found.pop(("POST", "/login")) == 403
        assert set(found.values()) <= {401, 404}, {
            one: status for one, status in found.items() if status < 400
        }
        assert (await ask(page, "GET", "/api/access/me"))["role"] == "owner"
    assert await audited(service) == [("page", "session.begin")]


async def test_other_port_of_our_name_may_lead_here_and_ask_nothing(page: Client) -> None:
    """Its scripts and pictures get no answer with our cookie; a link from anywhere opens the page."""
    foreign = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    await ask(page, "GET", "/api/runs", 401, headers=foreign)
    led_here = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    await ask(page, "GET", "/api/runs", headers=led_here)


async def test_login_form_takes_a_name_and_a_password(service: Service, program: Client) -> None:
    """The session has the account's role and name; the audit tells of it, and of what it did."""
    await add_account(program, "ada", "owner")
    async with browser(service, **FIREFOX) as client:
        async with client.get("/room/board") as response:
            assert 'value="/room/board"' in await response.text()
        form = {"name": " Ada ", "password": PASSWORD, "then": "/room/board"}
        async with client.post("/login", data=form, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/room/board")
            assert "HttpOnly; Max-Age=2592000; Path=/; SameSite=lax" in response.headers["Set-Cookie"]
        me = await ask(client, "GET", "/api/access/me")
        assert (me["name"], me["role"], me["account"]) == ("ada", "owner", "ada")
        (session,) = (await ask(client, "GET", "/api/access/sessions"))["sessions"]
        assert (session["account"], session["browser"], session["this"]) == ("ada", "Firefox on Linux", True)
        await ask(client, "POST", "/api/chat/new")
    assert await audited(service) == [
        ("program", "account.add"),
        ("ada", "session.begin"),
        ("ada", "conversation.new"),
    ]


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/api/runs", "/login", ""])
async def test_login_leads_to_a_screen_and_nowhere_else(service: Service, program: Client, then: str) -> None:
    """An address of another site in the form is not followed."""
    await add_account(program, "ada")
    async with browser(service) as client:
        form = {"name": "ada", "password": PASSWORD, "then": then}
        async with client.post("/login", data=form, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/")


async def test_wrong_login_does_not_tell_what_was_wrong(service: Service, program: Client) -> None:
    """Unknown name and wrong password look alike; after five tries even the right one must wait."""
    await add_account(program, "ada")
    pages = set()
    async with browser(service) as client:
        for name in ("ada", "eve") * 4:
            form = {"name": name, "password": "wrong password"}
            async with client.post("/login", data=form, allow_redirects=False) as response:
                assert response.status == 401
                assert "Set-Cookie" not in response.headers
                pages.add((await response.text()).replace(f'value="{name}"', ""))
        assert len(pages) == 1
        assert await log_in(client, "ada", "wrong password") == 401
        async with client.post("/login", data={"name": "ada", "password": PASSWORD}) as response:
            assert response.status == 429
            assert 0 < int(response.headers["Retry-After"]) <= 180
            assert "Try again in 3 min" in await response.text()
    refused = (await ask(program, "GET", "/api/access/audit?action=session.refused"))["entries"]
    assert [entry["subject"] for entry in refused].count("ada") == 5
    assert "eve" not in {entry["subject"] for entry in refused}
    assert {entry["detail"] for entry in refused} == {"127.0.0.1"}


async def test_login_form_of_another_site_logs_nobody_in(service: Service, program: Client) -> None:
    """Not even with the right password: nobody shall work in an account that a stranger chose."""
    await add_account(program, "ada")
    async with browser(service) as client:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
            assert await log_in(client, "ada", **headers) == 403
        assert len(client.cookie_jar) == 0
        assert await log_in(client, "ada") == 303


async def test_login_form_is_bounded_and_may_be_nonsense(service: Service, program: Client) -> None:
    """Long and odd forms are refused; without an account there is no form, and nobody gets in."""
    async with browser(service) as client:
        async with client.get("/login") as response:
            assert 'type="password"' not in await response.text()
        assert await log_in(client, "ada") == 401
        await add_account(program, "ada")
        async with client.get("/login") as response:
            assert 'type="password"' in await response.text()
        assert await log_in(client, "ada", "x" * 5000) == 400
        assert await log_in(client, "ada\x00\udfff".encode("utf-8", "replace").decode(), "x\x00") == 401
        async with client.post(
            "/login", data=b"\xff\xfe", headers={"Content-Type": "text/plain"}
        ) as response:
            assert response.status == 400


async def test_token_is_always_a_fresh_one(program: Client, stranger: Client) -> None:
    """A token that a stranger planted does not become a session, and a login ends the session before it."""
    await add_account(program, "ada")
    form, tokens = {"name": "ada", "password": PASSWORD}, ["planted"]
    for _ in range(2):
        cookie = {"Cookie": f"{COOKIE}={tokens[-1]}"}
        async with stranger.post("/login", data=form, headers=cookie, allow_redirects=False) as response:
            assert response.status == 303
            tokens.append(response.cookies[COOKIE].value)
    assert len(set(tokens)) == 3
    for token, status in zip(tokens, (401, 401, 200), strict=True):
        await ask(stranger, "GET", "/api/access/me", status, headers={"Cookie": f"{COOKIE}={token}"})


async def test_one_session_is_signed_out_by_its_id(service: Service, program: Client, page: Client) -> None:
    """Its browser is nobody at once; an id opens nothing, and an unknown one is not found."""
    await add_account(program, "ada")
    async with browser(service) as client:
        assert await log_in(client, "ada") == 303
        sessions = (await ask(page, "GET", "/api/access/sessions"))["sessions"]
        (theirs,) = [one for one in sessions if not one["this"]]
        async with Client(service.address, cookies={COOKIE: theirs["id"]}) as thief:
            await ask(thief, "GET", "/api/access/me", 401)
        assert await ask(page, "DELETE", f"/api/access/sessions/{theirs['id']}") == {"ended": 1}
        await ask(client, "GET", "/api/access/me", 401)
        await ask(page, "DELETE", f"/api/access/sessions/{theirs['id']}", 404)


async def test_sign_out_everywhere_ends_mine_or_everybodys(
    service: Service, program: Client, page: Client
) -> None:
    """Of two browsers of an account neither goes on, others do; with everybody nobody does."""
    await add_account(program, "ada", "owner")
    async with browser(service) as one, browser(service) as other:
        assert [await log_in(client, "ada") for client in (one, other)] == [303, 303]
        assert await ask(one, "POST", "/api/access/sign-out-everywhere") == {"ended": 2}
        assert len(one.cookie_jar) == 0
        await ask(other, "GET", "/api/access/me", 401)
        await ask(page, "GET", "/api/access/me")
        assert await log_in(one, "ada") == 303
        assert await ask(one, "POST", "/api/access/sign-out-everywhere?everybody=true") == {"ended": 2}
        await ask(page, "GET", "/api/access/me", 401)
    await ask(program, "POST", "/api/access/sign-out-everywhere", 400)


async def test_change_of_an_account_ends_its_other_sessions(service: Service, program: Client) -> None:
    """Password and role: whoever changes the own stays, as what they are now; a removed account is out."""
    await add_account(program, "ada", "owner")
    path = "/api/access/accounts/ada"
    async with browser(service) as own, browser(service) as other:
        assert [await log_in(client, "ada") for client in (own, other)] == [303, 303]
        new = {"password": "another password"}
        assert await ask(own, "PUT", f"{path}/password", json=new) == {"ended": 1}
        await ask(other, "GET", "/api/access/me", 401)
        assert await log_in(other, "ada") == 401
        assert await log_in(other, "ada", "another password") == 303
        assert (await ask(own, "PUT", f"{path}/role", json={"role": "viewer"}))["role"] == "viewer"
        await ask(other, "GET", "/api/access/me", 401)
        assert (await ask(own, "GET", "/api/access/me"))["role"] == "viewer"
        await ask(own, "PUT", f"{path}/role", 403, json={"role": "owner"})
        assert await ask(program, "DELETE", path) == {"ended": 1}
        await ask(own, "GET", "/api/access/me", 401)
        assert await log_in(own, "ada", "another password") == 401
    await ask(program, "DELETE", path, 404)


async def test_accounts_are_checked(program: Client) -> None:
    """Bad names, weak passwords, unknown roles and a second of the same name; no answer has a hash."""
    await add_account(program, "ada")
    for body, status in (
        ({"name": "ADA", "password": PASSWORD}, 409),
        ({"name": "a b", "password": PASSWORD}, 400),
        ({"name": "bob", "password": "short"}, 400),
        ({"name": "bob", "password": PASSWORD, "role": "king"}, 422),
    ):
        await ask(program, "POST", "/api/access/accounts", status, json=body)
    await ask(program, "PUT", "/api/access/accounts/bob/password", 404, json={"password": PASSWORD})
    (account,) = (await ask(program, "GET", "/api/access/accounts"))["accounts"]
    assert set(account) == {"name", "role", "created_at", "changed_at"}


async def test_viewer_sees_the_own_account_and_sessions_only(service: Service, program: Client) -> None:
    """Names of others are nothing to guess from."""
    await add_account(program, "ada", "owner")
    await add_account(program, "bob")
    async with browser(service) as owner, browser(service) as viewer:
        assert [await log_in(owner, "ada"), await log_in(viewer, "bob")] == [303, 303]
        sessions = (await ask(viewer, "GET", "/api/access/sessions"))["sessions"]
        accounts = (await ask(viewer, "GET", "/api/access/accounts"))["accounts"]
        assert ([one["account"] for one in sessions], [one["name"] for one in accounts]) == (["bob"], ["bob"])
        assert len((await ask(owner, "GET", "/api/access/sessions"))["sessions"]) == 2


async def test_role_of_a_person_is_changed_and_the_person_forgotten(
    service: Service, program: Client
) -> None:
    """People of the bot are listed, members first; what is done to them is in the audit."""
    values = [
        {"bot_id": 1, "user_id": 5, "name": "Eve", "role": "stranger", "created_at": 1},
        {"bot_id": 1, "user_id": 6, "name": "Ada", "role": "member", "created_at": 2},
    ]
    await service.services.db.write(lambda conn: conn.execute(insert(people), values))
    listed = (await ask(program, "GET", "/api/access/people"))["people"]
    assert [(one["name"], one["role"]) for one in listed] == [("Ada", "member"), ("Eve", "stranger")]
    path = f"/api/access/people/{listed[0]['id']}"
    assert (await ask(program, "PUT", path, json={"role": "owner"}))["role"] == "owner"
    await ask(program, "PUT", path, 422, json={"role": "king"})
    await ask(program, "DELETE", path)
    await ask(program, "DELETE", path, 404)
    await ask(program, "PUT", path, 404, json={"role": "owner"})
    assert len((await ask(program, "GET", "/api/access/people"))["people"]) == 1
    assert await audited(service) == [("program", "person.role"), ("program", "person.remove")]


async def test_audit_is_read_in_pieces_and_filtered(service: Service, program: Client) -> None:
    """By who, by action, by time; the pieces together are the whole, newest first."""

    def fill(conn: Connection) -> None:
        rows = [
            {"created_at": n * 1000, "who": f"w{n % 3}", "action": f"a{n % 5}", "subject": str(n)}
            for n in range(1, 121)
        ]
        conn.execute(insert(audit), rows)

    async def read(query: str) -> list[str]:
        found, cursor = [], ""
        while True:
            body = await ask(program, "GET", f"/api/access/audit?per_page=25&{query}{cursor}")
            found += [entry["subject"] for entry in body["entries"]]
            if body["next_cursor"] is None:
                return found
            cursor = f"&cursor={body['next_cursor']}"

    await service.services.db.write(fill)
    assert await read("") == [str(n) for n in range(120, 0, -1)]
    assert await read("who=w1") == [str(n) for n in range(120, 0, -1) if n % 3 == 1]
    assert await read("who=w1&action=a2") == [str(n) for n in range(120, 0, -1) if n % 15 == 7]
    assert await read("since=1970-01-01T00:01:50Z") == [str(n) for n in range(120, 109, -1)]
    assert await read("until=1970-01-01T00:00:03Z&action=") == ["2", "1"]
    assert await read("since=2100-01-01T00:00:00Z") == []
    assert await read("until=1970-01-01T00:00:00Z") == []
    assert await ask(program, "GET", "/api/access/audit/names") == {
        "who": ["w0", "w1", "w2"],
        "actions": ["a0", "a1", "a2", "a3", "a4"],
    }
    for wrong in ("cursor=x", "since=yesterday", "since=2026-01-01T00:00:00", "per_page=0"):
        async with program.get(f"/api/access/audit?{wrong}") as response:
            assert response.status in {400, 422}


async def test_last_use_of_a_session_is_noted_now_and_then(service: Service, page: Client) -> None:
    """Requests within five minutes write nothing; the first one after them notes the time."""

    async def seen_at() -> int:
        query = select(page_sessions.c.seen_at)
        return int(await service.services.db.read(lambda conn: conn.execute(query).scalar_one()))

    def sleep(conn: Connection) -> None:
        conn.execute(update(page_sessions).values(seen_at=page_sessions.c.seen_at - 301_000))

    begun = await seen_at()
    await ask(page, "GET", "/api/runs")
    assert await seen_at() == begun
    await service.services.db.write(sleep)
    service.services.cache.forget("sessions")
    await asyncio.gather(*(ask(page, "GET", "/api/runs") for _ in range(5)))
    assert await seen_at() >= begun


async def test_sessions_that_are_over_are_not_listed_and_go_at_the_next_login(
    service: Service, program: Client
) -> None:
    """They are nobody, and do not pile up."""
    await add_account(program, "ada")
    async with browser(service) as client:
        assert await log_in(client, "ada") == 303
        await service.services.db.write(lambda conn: conn.execute(update(page_sessions).values(expires_at=5)))
        assert await ask(program, "GET", "/api/access/sessions") == {"sessions": []}
        assert await log_in(client, "ada") == 303
    query = select(func.count()).select_from(page_sessions)
    assert await service.services.db.read(lambda conn: conn.execute(query).scalar_one()) == 1


async def test_open_network_learns_nothing_of_who_may_come_in(
    database_path: Path, agent: ScriptedAgent
) -> None:
    """A network that needs no secret for `/api` is for programs that run agents."""
    settings = Settings(
        data_dir=database_path.parent,
        port=0,
        open_networks=(ip_network("127.0.0.0/8"),),
        open_routes=("/api",),
    )
    async with (
        Service(settings, backend=ScriptedBackend(agent)) as service,
        Client(service.address) as client,
    ):
        await ask(client, "GET", "/api/runs")
        await ask(client, "GET", "/api/access/sessions", 403)
        body = {"name": "eve", "password": PASSWORD, "role": "owner"}
        await ask(client, "POST", "/api/access/accounts", 403, json=body)


async def test_session_behind_tls_has_a_cookie_that_only_we_can_set(
    database_path: Path, agent: ScriptedAgent
) -> None:
    """Its name begins with `__Host-`; one that anybody could set without TLS does not count there."""
    settings = Settings(
        data_dir=database_path.parent, port=0, telegram_webhook_base_url="https://wireroom.example"
    )
    async with (
        Service(settings, backend=ScriptedBackend(agent)) as service,
        Client(service.address, cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        link = (await service.login_link()).removeprefix(service.address)
        host = {"Host": "wireroom.example"}
        async with client.get(link, headers=host, allow_redirects=False) as response:
            cookie = response.headers["Set-Cookie"]
        found = re.fullmatch(
            r"__Host-wireroom_session=([\w-]{43}); HttpOnly; Max-Age=2592000; Path=/; SameSite=lax; Secure",
            cookie,
        )
        assert found
        for name, status in ((SECURE_COOKIE, 200), (COOKIE, 401)):
            headers = {**host, "Cookie": f"{name}={found[1]}"}
            await ask(client, "GET", "/api/runs", status, headers=headers)
        headers = {**host, "Cookie": f"{SECURE_COOKIE}={found[1]}", "Origin": "https://wireroom.example"}
        async with client.post("/logout", headers=headers, allow_redirects=False) as response:
            assert '__Host-wireroom_session=""' in response.headers["Set-Cookie"]
            assert "Secure" in response.headers["Set-Cookie"]
        await ask(client, "GET", "/api/runs", 401, headers=headers)
