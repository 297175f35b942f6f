"""Nothing is written for ever, nobody walks all keys, and one module alone speaks to the library."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wireroom.errors import BadInput
from wireroom.redis import commands
from wireroom.redis.keys import CALLBACK_STATE, FAMILIES, LONGEST_TTL_SECONDS
from wireroom.redis.tally import counted, note_operations

SOURCE = Path(commands.__file__).parents[1]
KEEPS_FOR_EVER = re.compile(
    r"""["'](SET|MSET|MSETNX|SETNX|GETSET|APPEND|SETRANGE|INCR|DECR|INCRBY|DECRBY|INCRBYFLOAT|HSET|HMSET|LPUSH|RPUSH
        |SADD|ZADD|XADD|PERSIST|KEYS|FLUSHDB|FLUSHALL|RENAME|RESTORE|COPY)["']""",
    re.VERBOSE,
)
CALLS = re.compile(
    r"\b(client|redis|pipe|pool)\.(set|mset|setnx|getset|append|incr|incrby|hset|lpush|rpush|sadd|zadd|xadd|keys|persist)\("
)


def test_no_command_writes_without_a_time_to_live() -> None:
    """No file names a command that keeps a key for ever, outside of the scripts that give it its time."""
    scripts = SOURCE / "redis" / "commands.py"
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text()
        if path == scripts:
            for script in (commands._CLAIM, commands._RELEASE, commands._CHARGE, commands._REFUND):
                text = text.replace(script, "")
        if "redis" in text:
            assert not CALLS.search(text), path
            assert not KEEPS_FOR_EVER.search(text), path
    assert "'NX', 'EX', ARGV[2]" in commands._CLAIM


def test_library_is_imported_in_one_place_and_late() -> None:
    """Only `redis.client` imports redis-py, inside of functions: without an address nothing is paid."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text()
        tree = ast.parse(text if re.search(r"import\s+(redis|valkey)|from\s+(redis|valkey)", text) else "")
        names = {
            (name, node.col_offset > 0)
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            )
            if name.split(".")[0] in {"redis", "valkey"} and getattr(node, "level", 0) == 0
        }
        assert not names or (path.name == "client.py" and all(late for _, late in names)), path


def test_keys_are_named_in_one_place() -> None:
    """No other file spells a family's name: the families make all keys, so the page of keys is complete."""
    keys = SOURCE / "redis" / "keys.py"
    for path in sorted(SOURCE.rglob("*.py")):
        if path != keys and any(f"{family.name}:" in path.read_text() for family in FAMILIES):
            code = "\n".join(ast.unparse(node) for node in _code(path))
            assert not any(f"{family.name}:" in code for family in FAMILIES), path


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_TTL_SECONDS + 1, 1.5, "60", True, None])
def test_time_to_live_is_checked(seconds: object) -> None:
    """A time to live is a whole number of seconds from 1 to 86,400, whatever writes."""
    ttl: Any = seconds
    makers: list[Callable[[], object]] = [
        lambda: commands.setex("k", ttl, b"v"),
        lambda: commands.claim("k", "w", ttl),
    ]
    for make in makers:
        with pytest.raises(BadInput):
            make()
    assert commands.setex("k", LONGEST_TTL_SECONDS, b"v") == ("SETEX", "k", 86_400, b"v")


def test_key_has_its_family_and_a_bounded_name() -> None:
    """A key begins with its family's name, and neither is empty nor grows without bound."""
    assert CALLBACK_STATE.key("r1") == "cursor_runner_callback:r1"
    assert CALLBACK_STATE.rest("cursor_runner_callback:r1") == "r1"
    for rest in ("", "x" * 1025):
        with pytest.raises(BadInput):
            CALLBACK_STATE.key(rest)


def test_operations_are_counted_for_the_request_alone() -> None:
    """Every command of a pipeline and every round trip inside is counted; what is outside is not."""
    note_operations(1)
    with counted() as outer:
        note_operations(3)
        with counted() as inner:
            note_operations(1)
    note_operations(1)

    assert (outer.operations, outer.round_trips) == (3, 1)
    assert (inner.operations, inner.round_trips) == (1, 1)


def _code(path: Path) -> list[ast.stmt]:
    """Return a file's statements without its docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [
                one for one in body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
            ]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined] # every node with a list of statements
    return tree.body
