"""Sessions, accounts, people and the audit on a whole service."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from pathlib import Path

import aiohttp
from sqlalchemy import Connection, func, insert, select, update

from api.browsers import PASSWORD, add_account, ask, audited, browser, log_in
from wireroom.api.auth import COOKIE
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.store.schema import audit, page_sessions, people
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

Client = aiohttp.ClientSession


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


async def test_kept_answers_end_with_the_session(database_path: Path, agent: ScriptedAgent) -> None:
    """However long lists are kept for their callers, one who was signed out gets none of them."""
    settings = Settings(data_dir=database_path.parent, port=0, response_cache_seconds=60)
    async with (
        Service(settings, backend=ScriptedBackend(agent)) as service,
        browser(service) as page,
        browser(service) as other,
    ):
        for client in (page, other):
            async with client.get(await service.login_link()) as response:
                assert response.status == 200
        paths = ("/api/list", "/api/runs", "/agents")
        for path in paths:
            async with page.get(path) as response:
                assert response.status == 200
        await ask(other, "POST", "/api/access/sign-out-everywhere?everybody=true")
        for path in paths:
            await ask(page, "GET", path, 401)
