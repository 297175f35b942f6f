"""What every story begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from empty_database import lay_out


@pytest.fixture(autouse=True)
def _migrated(tmp_path: Path) -> None:
    """Migrate the data folder `data` beforehand: what a first start does is told elsewhere."""
    lay_out(tmp_path / "data")
