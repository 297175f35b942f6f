"""Pull requests on GitHub: the open one of a branch, or a new one.

    POST {api}/repos/ada/shop/pulls {"title": "…", "head": "work", "base": "main", "body": "…"}
    → 201 {"number": 7, "html_url": "https://github.com/ada/shop/pull/7", …}

Source: GitHub REST API, version 2022-11-28, "Pulls" and "Repositories".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
import msgspec

from wireroom.errors import BadInput
from wireroom.workspaces.git import GitFailed

T = TypeVar("T")
_SECONDS = 30.0
_SLUG = re.compile(
    r"(?:https://|ssh://)?(?:[^@/\s]+@)?github\.com[:/](?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?"
)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One that is open."""

    number: int
    url: str


class _Repository(msgspec.Struct):
    default_branch: str


class _Pull(msgspec.Struct):
    number: int
    html_url: str


class _Problem(msgspec.Struct):
    message: str = ""


class _Trouble(msgspec.Struct):
    message: str = ""
    errors: list[_Problem | str] = []


class GitHub:
    """GitHub's API with the token that git uses as well."""

    def __init__(self, session: aiohttp.ClientSession, *, api_url: str, token: str) -> None:
        """Call this address; without a token every call says that one is missing."""
        self._session = session
        self._api = api_url.rstrip("/")
        self._token = token

    async def default_branch(self, repository: str) -> str:
        """Return where pull requests go.

        Raises:
            BadInput: there is no token.
            GitFailed: GitHub refuses or does not answer; as for all calls here.
        """
        body = await self._call("GET", f"/repos/{repository}", HTTPStatus.OK)
        return _read(body, _Repository).default_branch

    async def find(self, repository: str, branch: str) -> PullRequest | None:
        """Return the open pull request of a branch of the repository itself."""
        owner = repository.partition("/")[0]
        wanted = {"head": f"{owner}:{branch}", "state": "open"}
        body = await self._call("GET", f"/repos/{repository}/pulls", HTTPStatus.OK, params=wanted)
        found = _read(body, list[_Pull])
        return PullRequest(found[0].number, found[0].html_url) if found else None

    async def create(self, repository: str, branch: str, base: str, *, title: str, body: str) -> PullRequest:
        """Open a pull request."""
        wanted = {"title": title, "head": branch, "base": base, "body": body}
        said = await self._call("POST", f"/repos/{repository}/pulls", HTTPStatus.CREATED, json=wanted)
        made = _read(said, _Pull)
        return PullRequest(made.number, made.html_url)

    async def _call(
        self,
        method: str,
        path: str,
        wanted: HTTPStatus,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> bytes:
        if not self._token:
            raise BadInput("Pull requests need a GitHub token: set GITHUB_TOKEN and start Wireroom again.")
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        limit = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with self._session.request(
                method, self._api + path, params=params, json=json, headers=headers, timeout=limit
            ) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GitFailed(f"GitHub does not answer ({type(error).__name__}). Try again.") from error
        if status != wanted:
            raise GitFailed(f"GitHub refused with {status}: {_reason(body)}")
        return body


def slug_of(remote: str) -> str:
    """Return `owner/name` of an address on GitHub. Pure.

    Raises:
        BadInput: it is none.
    """
    found = _SLUG.fullmatch(remote.strip())
    if found is None:
        raise BadInput("Pull requests are opened on GitHub only, and origin is not there.")
    return f"{found['owner']}/{found['name']}"


def _read(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise GitFailed(
            "GitHub answered something that is not its API's. See WIREROOM_GITHUB_API_URL."
        ) from error


def _reason(body: bytes) -> str:
    try:
        trouble = msgspec.json.decode(body, type=_Trouble)
    except msgspec.DecodeError:
        return "no reason given"
    details = [one if isinstance(one, str) else one.message for one in trouble.errors]
    return ". ".join(word for word in (trouble.message, *details) if word)[:500] or "no reason given"
