"""What is kept where it pays: no write is hidden, and what did not change is not read again."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pysqlite3
import pytest

from wireroom.cache.cache import Cache
from wireroom.cache.names import TREES
from wireroom.clock import to_ms
from wireroom.conversations.pages import ConversationPages
from wireroom.conversations.threads import NewConversation, append_message, begin_conversation
from wireroom.errors import NotFound
from wireroom.runs.retention import forget_before
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.clock import ManualClock
from wireroom.testing.eventually import eventually
from wireroom.workspaces.kept_trees import KeptTree, Trees, is_current, read_tree

_NOW_MS = to_ms(ManualClock().now())


@pytest.fixture
async def cache(database: SqliteDatabase, tmp_path: Path) -> AsyncIterator[Cache]:
    """Lend a cache beside the database, with a file."""
    made = Cache.beside(database, disk=tmp_path / "cache.sqlite3")
    yield made
    await made.close()


async def _begin(db: SqliteDatabase, name: str) -> None:
    wanted = NewConversation(name, "web", f"web:{name}", "/work")
    await db.write(partial(begin_conversation, wanted=wanted, now_ms=_NOW_MS))


async def test_list_of_conversations_follows_every_write(database: SqliteDatabase, cache: Cache) -> None:
    """A conversation, a message in it, and the end of it are in the next list."""
    pages = ConversationPages(database, cache)

    async def seen() -> list[tuple[str, int]]:
        page = await pages.page()
        assert page.total == len(page.listed)
        return [(one.id, one.message_count) for one in page.listed]

    assert await seen() == []
    await _begin(database, "a")
    assert await seen() == [("a", 0)]
    await database.write(lambda conn: append_message(conn, "a", "user", "hello", run_id=None, now_ms=_NOW_MS))
    assert await seen() == [("a", 1)]
    await database.write(lambda conn: forget_before(conn, _NOW_MS + 1, 20))
    assert await seen() == []


async def test_list_is_read_once_while_nothing_changes(database: SqliteDatabase, cache: Cache) -> None:
    """What was read is answered from memory, also with the database closed; another page is another read."""
    await _begin(database, "a")
    pages = ConversationPages(database, cache)
    first = await pages.page()
    assert (await pages.page(lane="web:none")).listed == ()
    await database.close()
    assert await pages.page() == first


async def test_list_follows_another_program(
    database: SqliteDatabase, database_path: Path, cache: Cache
) -> None:
    """A row that any other process writes to the file reaches the list."""
    pages = ConversationPages(database, cache)
    await _begin(database, "a")
    await pages.page()
    raw = pysqlite3.connect(database_path)
    raw.execute("UPDATE conversations SET title = 'by another program'")
    raw.commit()
    raw.close()

    async def seen() -> bool:
        return (await pages.page()).listed[0].title == "by another program"

    await eventually(seen, "the other program's write is in the list")


_AT_ONCE = timedelta(0)


@pytest.fixture
async def root(tmp_path: Path) -> Path:
    """Lend a folder with files; the file system's clock has moved on since they were made."""
    folder = tmp_path / "repository"
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("")
    (folder / "README.md").write_text("")
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("src")
    made_ns, probe = folder.stat().st_ctime_ns, tmp_path / "probe"

    def has_moved_on() -> bool:
        probe.unlink(missing_ok=True)
        probe.touch()
        return probe.stat().st_ctime_ns > made_ns

    await eventually(has_moved_on, "the file system's clock moves on")
    return folder


def _names(kept: KeptTree) -> list[str]:
    found: list[str] = []
    waiting = msgspec.json.decode(kept.body)
    while waiting:
        node = waiting.pop(0)
        found.append(node["path"])
        waiting = node.get("children", []) + waiting
    return found


def _add(root: Path) -> None:
    (root / "src" / "deep" / "new.py").write_text("")


def _remove(root: Path) -> None:
    (root / "src" / "a.py").unlink()


def _rename(root: Path) -> None:
    (root / "src" / "a.py").rename(root / "src" / "b.py")


def _move_folder(root: Path) -> None:
    (root / "src" / "deep").rename(root / "empty" / "deep")


def _turn_link(root: Path) -> None:
    (root / "src").rename(root / "source")


def _replace_by_file(root: Path) -> None:
    (root / "empty").rmdir()
    (root / "empty").write_text("")


@pytest.mark.parametrize(
    "change",
    [_add, _remove, _rename, _move_folder, _turn_link, _replace_by_file],
    ids=lambda one: one.__name__,
)
async def test_tree_follows_every_change_of_the_files(root: Path, cache: Cache, change: object) -> None:
    """Nobody tells of a change; the next listing has it, whatever it was."""
    trees = Trees(cache, _AT_ONCE)
    await trees.tree(root)
    assert callable(change)
    change(root)
    assert _names(await trees.tree(root)) == _names(read_tree(root, settled=_AT_ONCE))


async def test_tree_of_unchanged_files_is_not_read_again(
    root: Path, cache: Cache, tmp_path: Path, database: SqliteDatabase
) -> None:
    """The same object is given; the next process finds it on disk, and proves it."""
    trees = Trees(cache, _AT_ONCE)
    first = await trees.tree(root)
    assert await trees.tree(root) is first
    await cache.open(TREES, KeptTree).settled()
    await cache.close()
    again = Cache.beside(database, disk=tmp_path / "cache.sqlite3")
    found = await Trees(again, _AT_ONCE).tree(root)
    assert found == first
    await again.close()


def test_content_of_a_file_is_no_part_of_a_tree(root: Path) -> None:
    """Writing into a file changes no listing, so nothing is read again for it."""
    kept = read_tree(root, settled=_AT_ONCE)
    (root / "src" / "a.py").write_text("print()\n")
    assert is_current(kept)


def test_folder_that_has_just_changed_is_not_trusted(tmp_path: Path) -> None:
    """Within the step of a file system's clock a second change would leave no trace: it is read again."""
    (tmp_path / "a").write_text("")
    assert not is_current(read_tree(tmp_path))


def test_stamp_cannot_be_set_back(root: Path) -> None:
    """A program that sets a folder's time back after a change does not hide the change."""
    kept = read_tree(root, settled=_AT_ONCE)
    before = (root / "src").stat()
    (root / "src" / "new.py").write_text("")
    os.utime(root / "src", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not is_current(kept)


async def test_folder_that_went_is_not_found(root: Path, cache: Cache) -> None:
    """A kept tree does not outlive its folder."""
    trees = Trees(cache, _AT_ONCE)
    await trees.tree(root, "empty")
    (root / "empty").rmdir()
    with pytest.raises(NotFound):
        await trees.tree(root, "empty")
