"""The login form: who gets a session, which one, and who gets none."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from api.browsers import PASSWORD, add_account, ask, audited, browser, log_in
from wireroom.api.auth import COOKIE, SECURE_COOKIE
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

Client = aiohttp.ClientSession
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


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
