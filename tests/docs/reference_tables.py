"""Makes the tables of docs/reference from the code.

`python tests/docs/reference_tables.py` writes them into the pages, between `<!-- made: name -->` and
`<!-- end -->`; `test_reference.py` fails while a page differs.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import typer.main
from fastapi.routing import APIRoute
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from starlette.routing import Route

from wireroom import errors
from wireroom.agents import figures as agent_figures
from wireroom.agents.desk import AgentDesk
from wireroom.api.callback_inbox import CallbackInbox
from wireroom.api.errors import status_of
from wireroom.api.health import health
from wireroom.api.services import Services
from wireroom.api.telegram_admin import WebhookAdmin
from wireroom.app.http import Doors, documented, plain_routes
from wireroom.backends import protocol
from wireroom.callbacks import figures as callback_figures
from wireroom.cli.main import cli
from wireroom.clock import SystemClock
from wireroom.errors import WireroomError
from wireroom.intake.webhook import Webhook
from wireroom.perf.metrics import REGISTRY
from wireroom.redis.keys import FAMILIES
from wireroom.settings import Settings, variables_of
from wireroom.speech import errors as speech_errors
from wireroom.telegram import errors as telegram_errors
from wireroom.workspaces.workspace import Workspaces

FIGURES = (agent_figures, callback_figures)
"""Modules that have figures of their own: importing them is what registers these."""

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
BLOCK = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings() -> str:
    """Return one row a setting: variables, default, meaning."""
    rows = [
        (", ".join(f"`{name}`" for name in variables_of(field)), _default(field), field.description or "")
        for field in Settings.model_fields.values()
    ]
    return _table(("Variable", "Default", "Meaning"), rows)


def metrics() -> str:
    """Return one row a metric: name as scraped, type, labels, meaning."""
    rows = []
    for metric in REGISTRY._names_to_collectors.values():
        described = next(iter(metric.collect()), None)
        labels = ", ".join(f"`{name}`" for name in getattr(metric, "_labelnames", ()))
        if described is not None:
            name = described.name + ("_total" if described.type == "counter" else "")
            rows.append((f"`{name}`", described.type, labels or "-", described.documentation))
    return _table(("Name", "Type", "Labels", "Meaning"), sorted(set(rows)))


def events() -> str:
    """Return one row a kind of event: name, what it tells and its payload."""
    rows = [(f"`{value}`", meaning) for value, meaning in _members(protocol.EventKind)]
    return _table(("Kind", "What it tells, and its payload"), rows)


def tree() -> str:
    """Return the drawing of the error tree."""
    return f"```text\n{_drawing(errors)}\n```\n"


def telegram_tree() -> str:
    """Return the drawing of Telegram's errors."""
    return f"```text\n{_drawing(telegram_errors)}\n```\n"


def speech_tree() -> str:
    """Return the drawing of speech's errors."""
    return f"```text\n{_drawing(speech_errors)}\n```\n"


def statuses() -> str:
    """Return one row an error that has a status of its own."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, WireroomError) and kind.__bases__ == (WireroomError,)
    ]
    rows = sorted(
        (str(int(status)), f"`{kind.__name__}`", (kind.__doc__ or "").strip())
        for kind in kinds
        if (status := status_of(kind("x"))) is not None
    )
    return _table(("Status", "Error", "Meaning"), rows)


def commands() -> str:
    """Return one row a command: how it is typed and what it does."""
    rows = [(f"`wireroom {name}{_typed(command)}`", _help(command)) for name, command in _commands()]
    return _table(("Command", "What it does"), rows)


def options() -> str:
    """Return one row an option of a command."""
    rows = [
        (f"`{name}`", f"`{option.opts[0]}`", _option_default(option), option.help or "")
        for name, command in _commands()
        for option in command.params
        if option.param_type_name == "option" and option.name != "help"
    ]
    return _table(("Command", "Option", "Default", "Meaning"), rows)


def api() -> str:
    """Return one row a route that the API's description has."""
    paths: dict[str, dict[str, Any]] = documented(_services(), _workspaces()).openapi()["paths"]
    rows = [
        (f"`{method.upper()} {path}`", " ".join(route["description"].split()))
        for path, methods in paths.items()
        for method, route in methods.items()
    ]
    return _table(("Route", "What it does"), rows)


def redis_keys() -> str:
    """Return one row a family of keys: its name, kind, value, life and readers."""
    rows = [
        (f"`{family.name}:…`", family.kind, family.holds, family.lives, family.reader) for family in FAMILIES
    ]
    return _table(("Keys", "Kind", "Hold", "Live", "Read by"), rows)


def routes() -> set[str]:
    """Return every route that is served, as `METHOD /path`."""
    nothing: Any = None
    webhook = Webhook(nothing, bot_id=0, secret="")
    admin = WebhookAdmin(None, api_secret="", webhook_secret="", base_url="")
    services = _services()
    inbox = CallbackInbox(nothing, services.clock, services.feed, secrets=[])
    doors = Doors(webhook, admin, inbox, nothing)
    plain = plain_routes(services, doors, nothing, ready=health, metrics=health)
    app = documented(services, _workspaces())
    served = {(method, route.path) for route in plain for method in route.methods or ()}
    served |= {
        (method, route.path_format if isinstance(route, APIRoute) else route.path)
        for route in app.router.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    described = {
        (method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods
    }
    return {f"{method} {path}" for method, path in served | described if method != "HEAD"}


def _services() -> Services:
    """Return what routes are built from; nothing of it is called."""
    nothing: Any = None
    db: Any = SimpleNamespace(dialect="sqlite")
    return Services(
        settings=Settings(),
        db=db,
        jobs=nothing,
        clock=SystemClock(),
        feed=nothing,
        asker=nothing,
        system_settings=nothing,
        desk=AgentDesk(nothing, concurrency=1, catch_ups=1),
        api_secret="",
        base_url=str,
    )


def _workspaces() -> Workspaces:
    return Workspaces(Settings(), {}, SystemClock())


TABLES: dict[str, Callable[[], str]] = {
    made.__name__: made
    for made in (
        settings,
        metrics,
        events,
        tree,
        telegram_tree,
        speech_tree,
        statuses,
        commands,
        options,
        api,
        redis_keys,
    )
}


def remade(page: str) -> str:
    """Return the page with every made block as the code has it now."""
    return BLOCK.sub(lambda block: block[1] + "\n" + TABLES[block[2]]() + "\n" + block[3], page)


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in ("", (), None):
        return "-"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _members(enum: type) -> Iterator[tuple[str, str]]:
    """Yield (value, docstring) of each member, as the source has them."""
    (body,) = [node for node in ast.parse(inspect.getsource(enum)).body if isinstance(node, ast.ClassDef)]
    for member, doc in zip(body.body, body.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(doc, ast.Expr):
            yield ast.literal_eval(member.value), ast.literal_eval(doc.value)


def _drawing(module: object) -> str:
    lines = (inspect.getdoc(module) or "").splitlines()
    drawn = [line for line in lines if line.startswith("    ")]
    return inspect.cleandoc("\n".join(drawn))


def _commands() -> Iterator[tuple[str, Any]]:
    top: Any = typer.main.get_command(cli)
    for name, command in top.commands.items():
        below = getattr(command, "commands", None)
        if below is None:
            yield name, command
        else:
            yield from ((f"{name} {sub}", found) for sub, found in below.items())


def _typed(command: Any) -> str:
    arguments = [
        param.name.upper().replace("_ID", "")
        for param in command.params
        if param.param_type_name == "argument"
    ]
    return "".join(f" {name}" for name in arguments)


def _option_default(option: Any) -> str:
    if option.is_flag:
        return "off"
    return "-" if option.default in ("", None) else f"`{option.default}`"


def _help(command: Any) -> str:
    return " ".join((command.help or "").split())


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.md")):
        before = path.read_text()
        after = remade(before)
        if after != before:
            path.write_text(after)
            sys.stdout.write(f"{path.name} was made again\n")
