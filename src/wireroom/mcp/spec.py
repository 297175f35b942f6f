"""What a tool is: a name, checked arguments, and the route that does it. Pure.

Tools do nothing themselves. Each turns its arguments into one call of a route of ours, so what an agent may
do, what is refused, and what stands in the audit, is decided once, for HTTP and for tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field

EXCERPT_CHARS = 200
"""Of a long text in a list."""


class Arguments(BaseModel):
    """The arguments of a tool; one that it does not have is told, not dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)


class NoArguments(Arguments):
    """For tools that take none."""


class Paged(Arguments):
    """Which part of a list is wanted."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Field(ge=1, le=100)] = 20

    @property
    def offset(self) -> int:
        """Items before the page."""
        return (self.page - 1) * self.per_page

    def of(self, total: int) -> dict[str, int]:
        """Return where the page stands in a list of so many items."""
        return {"page": self.page, "per_page": self.per_page, "total": total}


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of our routes."""

    method: str
    path: str
    """With its names quoted; see `path_of`."""
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    """Sent as JSON; None sends nothing."""

    @property
    def query_string(self) -> str:
        """The query as it stands in an address."""
        return urlencode(self.query)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answered."""

    status: int
    body: Any
    """Decoded JSON; None for an empty one."""


class RouteCalls(Protocol):
    """Our own routes, without a connection."""

    async def call(self, call: Call) -> Answer:
        """Call the route as a program that has the installation's secret."""
        ...


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class ToolSpec(Generic[A]):
    """One tool."""

    name: str
    description: str
    """For the model, which sees it in every conversation: short."""
    arguments: type[A]
    call: Callable[[A], Call]
    show: Callable[[A, Any], Any] = lambda _, body: body
    """What is told of the route's answer."""
    changes: bool = True
    """False for a tool that only looks."""
    destroys: bool = False
    """What it does cannot be undone."""
    error_as_json: bool = False
    """A refusal is `{"error": "..."}`, as older clients of this tool expect; else `Error: ...`."""


def path_of(*segments: str | int) -> str:
    """Return a path of these segments; whatever a name holds, it stays one segment."""
    return "".join(f"/{quote(str(segment), safe='')}" for segment in segments)


def given(arguments: Arguments, *names: str) -> dict[str, Any]:
    """Return the arguments of these fields that were given and are not null, by their names on the wire."""
    said = arguments.model_dump(include=set(names) or None, exclude_unset=True, exclude_none=True)
    return dict(said)


def shorten(text: str, limit: int) -> str:
    """Return the beginning of a text, marked when it goes on."""
    return text if len(text) <= limit else text[:limit] + "…"


def input_schema(arguments: type[Arguments]) -> dict[str, Any]:
    """Return the JSON schema of the arguments without what costs tokens and tells nothing."""
    schema = arguments.model_json_schema(by_alias=True)
    compact = {name: value for name, value in schema.items() if name not in {"title", "description"}}
    compact["properties"] = {name: _compact(one) for name, one in schema.get("properties", {}).items()}
    return compact


def _compact(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Drop titles and null: an argument that is not given is left out."""
    short = {name: value for name, value in schema.items() if name != "title"}
    if "anyOf" in short:
        kinds = [kind for kind in short.pop("anyOf") if kind != {"type": "null"}]
        short = {**(kinds[0] if len(kinds) == 1 else {"anyOf": kinds}), **short}
    if short.get("default", 0) is None:
        del short["default"]
    return short
