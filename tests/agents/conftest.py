"""Lends each real program in turn; without `make test-agents`, nothing in this folder is collected."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.programs import PROGRAMS, Program, program_folder
from agents.wireroom_process import Room, open_room

collect_ignore_glob = [] if "WIREROOM_TEST_AGENTS" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session", params=PROGRAMS, ids=lambda program: program.name)
def program(request: pytest.FixtureRequest) -> Program:
    """Lend each installed program, and say which version it is."""
    found: Program = request.param
    sys.stdout.write(f"\n{found.name}: {found.version(program_folder())}\n")
    return found


@pytest.fixture
async def room(program: Program, tmp_path: Path) -> AsyncIterator[Room]:
    """Open a chat whose work the program does."""
    async with open_room(tmp_path, program) as opened:
        yield opened
