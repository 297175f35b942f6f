"""The page's files that others wrote are those that were looked at, with their licences."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import wireroom.web
from wireroom.web.assets import VENDOR, load_assets

FOLDER = Path(wireroom.web.__file__).parent / "static" / VENDOR
MANIFEST = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))


def test_vendor_files_are_the_ones_of_the_manifest() -> None:
    """A file that was changed, or that nobody entered, is found; so is one that is gone."""
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in FOLDER.iterdir()
        if file.name != "manifest.json"
    }
    entered = {name: digest for one in MANIFEST for name, digest in one["files"].items()}
    assert found == entered


def test_vendor_packages_have_version_licence_and_source() -> None:
    """Who gets Wireroom gets the licence of what is in it, and finds where it came from."""
    for one in MANIFEST:
        assert one["version"]
        assert one["licence"] in {"MIT", "ISC", "BSD-3-Clause", "Apache-2.0"}
        assert one["licence_file"] in one["files"]
        assert one["source"].startswith("https://")


def test_vendor_scripts_are_served_and_licences_are_not() -> None:
    """Browsers get the code by its name in the folder; the rest is for people."""
    served = {name for name in load_assets().contents if name.startswith(f"{VENDOR}/")}
    code = {f"{VENDOR}/{name}" for one in MANIFEST for name in one["files"] if name.endswith((".js", ".css"))}
    assert served == code
