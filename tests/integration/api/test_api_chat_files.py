"""`/api/chat/files`: what people attach, on a whole service."""

from __future__ import annotations

from typing import Any

import aiohttp

from wireroom.app.service import Service
from wireroom.workspaces.inbox import FOLDER

Client = aiohttp.ClientSession


async def attach(client: Client, name: str, content: bytes) -> dict[str, Any]:
    """Give a file and return its body."""
    async with client.post("/api/chat/files", params={"name": name}, data=content) as response:
        assert response.status == 201, await response.text()
        body: dict[str, Any] = await response.json()
        return body


async def test_attached_file_reaches_the_agent_as_a_path(service: Service, page: Client) -> None:
    """The file lies under the data folder with what was sent, and the agent is told where."""
    given = await attach(page, "../plan.md", b"# The plan\n")
    assert (given["name"], given["size"]) == ("plan.md", 11)
    message = {"request_id": "r-1", "text": "say read it", "files": [given["id"]]}
    async with page.post("/api/chat/messages", json=message) as response:
        assert response.status == 202, await response.text()
    async with page.get("/api/chat") as response:
        prompt = (await response.json())["runs"][0]["prompt"]
    path = service.settings.data_dir.resolve() / FOLDER / given["id"] / "plan.md"
    assert prompt == f"say read it\n\nAttached files:\n- {path} (11 bytes)"
    assert path.read_bytes() == b"# The plan\n"


async def test_message_may_be_files_alone(page: Client) -> None:
    """A picture needs no words."""
    given = await attach(page, "a.png", b"\x89PNG")
    message = {"request_id": "r-2", "text": " ", "files": [given["id"]]}
    async with page.post("/api/chat/messages", json=message) as response:
        assert response.status == 202, await response.text()


async def test_message_with_an_unknown_file_is_refused(page: Client) -> None:
    """An id that was never given leads nowhere, and the message is not half sent."""
    message = {"request_id": "r-3", "text": "say x", "files": ["../wireroom.sqlite3"]}
    async with page.post("/api/chat/messages", json=message) as response:
        assert response.status == 400
        assert "Attach it again" in (await response.json())["error"]


async def test_file_beyond_the_bound_is_too_large(service: Service, page: Client) -> None:
    """It is refused by its declared length, before anything is read."""
    headers = {"Content-Length": str(service.settings.max_file_mib * 1024**2 + 1)}

    async def nothing() -> Any:
        yield b"x"

    async with page.post("/api/chat/files?name=big", data=nothing(), headers=headers) as response:
        assert response.status == 413
        assert "at most 50 MiB" in (await response.json())["error"]


async def test_stranger_cannot_attach(service: Service, stranger: Client) -> None:
    """Nothing is stored for who is not known."""
    async with stranger.post("/api/chat/files?name=a", data=b"x") as response:
        assert response.status == 401
    assert not (service.settings.data_dir / FOLDER).exists()
