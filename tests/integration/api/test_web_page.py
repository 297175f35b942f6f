"""The page's own routes: login, logout, files and headers, on a whole service."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from api.conftest import BROWSER
from wireroom.api.auth import COOKIE
from wireroom.app.service import Service
from wireroom.intake.access import looks_like_code
from wireroom.settings import Settings
from wireroom.store.schema import audit
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend
from wireroom.web.assets import load_assets
from wireroom.web.screens import SCREENS

Client = aiohttp.ClientSession
MOST_COMPRESSED_BYTES = 150_000
IMPORT = re.compile(r'^(?:import|export)[^"\n]*"\./([\w./]+)"', re.MULTILINE)


async def login_path(service: Service) -> str:
    """Return a fresh login link without the address."""
    return (await service.login_link()).removeprefix(service.address)


async def test_page_without_a_session_says_how_to_log_in(stranger: Client) -> None:
    """It is friendly, names the command, and shows nothing of the installation."""
    async with stranger.get("/") as response:
        text = await response.text()
        assert response.status == 200
    assert "wireroom login" in text
    assert "<script" not in text


async def test_login_link_works_once(service: Service, stranger: Client) -> None:
    """It sets a cookie that scripts cannot read and other sites' forms do not send; used again it says so."""
    path = await login_path(service)
    async with stranger.get(path, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        cookie = response.headers["Set-Cookie"]
    assert re.fullmatch(COOKIE + r"=[\w-]{43}; HttpOnly; Max-Age=2592000; Path=/; SameSite=lax", cookie)
    async with stranger.get(path) as response:
        assert response.status == 403
        assert "used already" in await response.text()


@pytest.mark.parametrize("query", ["?code=made-up", "?code="])
async def test_unknown_login_code_is_refused_kindly(stranger: Client, query: str) -> None:
    """It sets no cookie and says what to do."""
    async with stranger.get(f"/login{query}") as response:
        assert response.status == 403
        assert "Set-Cookie" not in response.headers
        assert "wireroom login" in await response.text()


async def test_used_link_in_a_browser_that_is_logged_in_leads_to_the_chat(
    service: Service, page: Client
) -> None:
    """Going back to the link, or opening the tab again, is not an error."""
    async with page.get("/login?code=used", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")


async def test_logout_ends_the_session_and_is_audited(service: Service, page: Client) -> None:
    """The cookie is worthless afterwards, wherever it was copied to."""
    token = next(iter(page.cookie_jar)).value
    async with page.post("/logout", headers={"Origin": service.address}, allow_redirects=False) as response:
        assert response.status == 303
    async with page.get("/api/chat", headers={"Cookie": f"{COOKIE}={token}"}) as response:
        assert response.status == 401
    query = select(audit.c.who, audit.c.action).order_by(audit.c.id)
    rows = await service.services.db.read(lambda conn: conn.execute(query).all())
    assert [tuple(row) for row in rows] == [("page", "session.begin"), ("page", "session.end")]


async def test_logout_from_another_sites_page_changes_nothing(page: Client) -> None:
    """A stranger's form cannot log people out."""
    async with page.post("/logout", headers={"Origin": "https://evil.example"}) as response:
        assert "Set-Cookie" not in response.headers
    async with page.get("/api/chat") as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/", "/login?code=x", "/static/x/chat.js"])
async def test_foreign_host_name_gets_no_page(page: Client, path: str) -> None:
    """A name that was made to resolve to us is told how to become ours, and gets nothing else."""
    async with page.get(path, headers={"Host": "evil.example<b>:8480"}) as response:
        text = await response.text()
        assert response.status == 403
    assert "WIREROOM_ALLOWED_HOSTS" in text
    assert "evil.example&lt;b&gt;" in text


@pytest.mark.parametrize("path", ["/", "/login?code=x"])
async def test_pages_hold_the_browser_to_their_own_files(stranger: Client, path: str) -> None:
    """No foreign, inline or evaluated script, no frame around us, nothing kept in a cache."""
    async with stranger.get(path) as response:
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert response.headers["Cache-Control"] == "no-store"
    assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
    assert re.fullmatch(r"'self'(?: 'sha256-[\w+/]{43}=')+", policy["style-src"])
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"


async def test_styles_within_a_page_are_those_that_its_policy_names(page: Client) -> None:
    """Each stands there whole, or the browser would leave the page bare; any other would not be obeyed."""
    for screen in SCREENS:
        async with page.get(screen.path) as response:
            policy, html = response.headers["Content-Security-Policy"], await response.text()
        styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
        assert len(styles) >= 2
        for style in styles:
            digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy


async def test_every_screen_is_small_and_loads_only_its_own_files(page: Client) -> None:
    """Everything that a screen needs comes from here, may be kept for good, and is under 150 kB."""
    assets = load_assets()
    for screen in SCREENS:
        async with page.get(screen.path) as response:
            html = await response.text()
        assert not re.search(
            r"<script(?![^>]*\b(?:src=|type=.application/json))|\son\w+=|\sstyle=|<style[^>]|stylesheet", html
        )
        links = re.findall(r'(?:src|href)="([^"#]+)"', html)
        assert len(links) > 2
        assert all(link.startswith("/") for link in links)
        asked = {link.split("/", 3)[3] for link in links if link.startswith("/static/")}
        needed = asked.union(*(imports_of(assets.contents, name) for name in asked))
        compressed = [gzip.compress(assets.contents[name]) for name in needed]
        total = sum(map(len, [gzip.compress(html.encode()), *compressed]))
        assert total < MOST_COMPRESSED_BYTES, f"{screen.name}: {total}"
    for name, content in assets.contents.items():
        async with page.get(assets.url(name)) as response:
            assert (response.status, await response.read()) == (200, content)
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def imports_of(contents: Mapping[str, bytes], name: str) -> set[str]:
    """Return every file that a script has a browser load, its neighbours' included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for imported in IMPORT.findall(contents.get(waiting.pop(), b"").decode()):
            if imported not in found:
                found.add(imported)
                waiting.append(imported)
    return found


def test_modules_import_only_files_that_are_there() -> None:
    """A misspelt import would be an empty page."""
    contents = load_assets().contents
    for name in contents:
        assert imports_of(contents, name) <= contents.keys()


async def test_file_by_an_old_digest_is_served_but_not_kept(stranger: Client) -> None:
    """A page that was open during an upgrade goes on working; unknown names are not found."""
    async with stranger.get("/static/000000000000/chat.js") as response:
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    for path in ("/static/x/none.js", "/static/x/..%2fpage.py", "/static/x/../page.py"):
        async with stranger.get(path) as response:
            assert response.status == 404


async def test_pairing_code_is_made_on_the_page_when_there_is_a_bot(
    database_path: Path, agent: ScriptedAgent
) -> None:
    """The box is there, and its code is a fresh one each time, with a line in the audit."""
    settings = Settings(
        data_dir=database_path.parent,
        port=0,
        bot_token=SecretStr("7:x"),
        telegram_api_url="http://127.0.0.1:1",
    )
    async with Service(settings, backend=ScriptedBackend(agent)) as service:
        headers = {"Authorization": f"Bearer {service.services.api_secret}", **BROWSER}
        async with Client(service.address, headers=headers) as client:
            async with client.get("/") as response:
                assert 'id="make-code"' in await response.text()
            codes = set()
            for _ in range(2):
                async with client.post("/api/chat/pairing-code") as response:
                    assert response.status == 200
                    codes.add((await response.json())["code"])
        query = select(audit.c.action)
        actions = await service.services.db.read(lambda conn: conn.execute(query).scalars().all())
    assert len(codes) == 2
    assert all(looks_like_code(code) for code in codes)
    assert actions == ["pairing.code"] * 2


async def test_page_without_a_bot_shows_no_pairing_box(page: Client) -> None:
    """There is nobody to send a code to."""
    async with page.get("/") as response:
        assert "make-code" not in await response.text()
