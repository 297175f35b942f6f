"""The page's files, read once: their addresses carry a digest of all, so browsers may keep them for good.

A page that was loaded before an upgrade asks by the old digest; it gets today's file and does not keep it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wireroom.web.headers import PLAIN_HEADERS

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEEP = "public, max-age=31536000, immutable"
_DIGEST_CHARS = 12
VENDOR = "vendor"
"""The folder of files that others wrote; `manifest.json` in it says which, and what they must be."""


@dataclass(frozen=True, slots=True)
class Assets:
    """The static files of the page, by name."""

    contents: Mapping[str, bytes]
    digest: str

    def url(self, name: str) -> str:
        """Return the address of a file; modules import their neighbours relative to it."""
        if name not in self.contents:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"

    @property
    def styles(self) -> Mapping[str, bytes]:
        """The style sheets by name."""
        return {name: content for name, content in self.contents.items() if name.endswith(".css")}

    def style(self, name: str) -> Markup:
        """Return a style sheet as a part of the page: one that is fetched holds the first paint up."""
        return Markup("<style>") + Markup(self.styles[name].decode()) + Markup("</style>")  # noqa: S704 - our own file

    async def serve(self, request: Request) -> Response:
        """Answer `GET /static/{digest}/{name}`."""
        name = request.path_params["name"]
        content = self.contents.get(name)
        if content is None:
            raise HTTPException(404, f"There is no file {name}.")
        kept = request.path_params["digest"] == self.digest
        headers = {"Cache-Control": _KEEP if kept else "no-store", **PLAIN_HEADERS}
        return Response(content, headers=headers, media_type=_TYPES[name.rpartition(".")[2]])


def load_assets() -> Assets:
    """Read the package's static files."""
    own = files("wireroom.web") / "static"
    contents = _read(own, "") | _read(own / VENDOR, f"{VENDOR}/")
    seen = hashlib.sha256()
    for name, content in contents.items():
        seen.update(name.encode() + b"\0" + content + b"\0")
    return Assets(contents, seen.hexdigest()[:_DIGEST_CHARS])


def _read(folder: Traversable, prefix: str) -> dict[str, bytes]:
    return {
        prefix + entry.name: entry.read_bytes()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.rpartition(".")[2] in _TYPES
    }
