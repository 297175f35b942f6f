"""Files of repositories in full: any size, any kind, in flat memory."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from contract.workspace_routes import program, workspace_routes
from wireroom.api.file_stream import FileStream
from wireroom.testing.eventually import eventually
from wireroom.workspaces.open_file import PIECE_BYTES

MIB = 1024 * 1024
SIZE = 24 * MIB + 17


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repositories' folder with a large file, and a secret that no caller gets."""
    root = tmp_path / "repositories"
    (root / "app").mkdir(parents=True)
    with (root / "app" / "große.bin").open("wb") as file:
        for number in range(SIZE // MIB):
            file.write(bytes([number]) * MIB)
        file.write(b"\0" * 17)
    (root / "app" / "empty").touch()
    (root / "app" / ".env").write_text("KEY=secret")
    (root / "app" / "link").symlink_to("/etc/passwd")
    return root


@pytest.fixture
async def client(database_path: Path, root: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a program's client of the routes."""
    async with workspace_routes(database_path.parent, root) as (address, _), program(address) as client:
        yield client


async def test_large_file_comes_whole_in_flat_memory(client: aiohttp.ClientSession, root: Path) -> None:
    """Every byte arrives, and at no time are more than a few pieces in memory."""
    digest = hashlib.sha256()
    tracemalloc.start(1)
    try:
        async with client.get("/repositories/api/app/download?path=große.bin") as response:
            assert response.status == 200
            async for piece in response.content.iter_chunked(PIECE_BYTES):
                digest.update(piece)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert digest.hexdigest() == hashlib.sha256((root / "app" / "große.bin").read_bytes()).hexdigest()
    assert response.headers["Content-Length"] == str(SIZE)
    assert response.headers["Content-Disposition"] == "attachment; filename*=utf-8''gro%C3%9Fe.bin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert peak_bytes < 12 * MIB


async def test_empty_file_is_a_file(client: aiohttp.ClientSession) -> None:
    """Nothing in it is an answer without a body."""
    async with client.get("/repositories/api/app/download?path=empty") as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize("path", [".env", "link", "none", "../outside", "."])
async def test_download_stays_inside(client: aiohttp.ClientSession, path: str) -> None:
    """What the browser of files does not show cannot be downloaded."""
    async with client.get("/repositories/api/app/download", params={"path": path}) as response:
        assert response.status in {400, 404}


class _Endless:
    """A file without an end that notes what is asked of it."""

    name = "x"
    size_bytes = 10**12

    def __init__(self) -> None:
        self.pieces = 0
        self.is_closed = False

    def piece(self, offset: int) -> bytes:
        del offset
        self.pieces += 1
        return b"x" * 1000

    def close(self) -> None:
        self.is_closed = True


async def test_file_is_closed_when_its_reader_leaves() -> None:
    """Nothing more is read for a caller who has gone, and the descriptor is given back."""
    file, left = _Endless(), asyncio.Event()

    async def receive() -> dict[str, str]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        if file.pieces == 3:
            left.set()

    sending = asyncio.create_task(FileStream(file)({"type": "http"}, receive, send))
    await eventually(sending.done, "the sending has ended")

    assert file.is_closed
    assert file.pieces < 1000
