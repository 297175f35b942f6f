"""`wireroom profile cpu|memory|sql|loop|endpoints`: looks into a running service.

The service does it and answers over HTTP; this asks with the installation's secret, from the data folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from wireroom.cli.session import fail, print_rows, run

cli = typer.Typer(no_args_is_help=True, help="See what a running service spends time and memory on.")
_ANSWER_SECONDS = 60.0
"""How long after its period a profile may take to be put together."""
_MIB = 1024 * 1024


class Output(StrEnum):
    """What is made of a profile."""

    TEXT = "text"
    JSON = "json"
    SPEEDSCOPE = "speedscope"
    HTML = "html"


_SECONDS = typer.Option(10.0, "--seconds", help="How long to look, at most 60.")
_FORMAT = typer.Option(Output.TEXT, "--format", help="text, json, speedscope or html (a flame graph).")
_OUTPUT = typer.Option(None, "--output", help="File to write to instead of printing.")


@cli.command("cpu")
def cpu(
    seconds: float = _SECONDS,
    form: Output = _FORMAT,
    output: Path | None = _OUTPUT,
    within: bool = typer.Option(False, "--within", help="From within, even where py-spy may look."),
) -> None:
    """Show which code the processor works on; by py-spy where it is installed and may look."""
    show_answer("profile/cpu", seconds, form, output, _show_cpu, within=within)


@cli.command("loop")
def loop(seconds: float = _SECONDS, form: Output = _FORMAT, output: Path | None = _OUTPUT) -> None:
    """Show which tasks the event loop is busy with, and who blocked it."""
    show_answer("profile/loop", seconds, form, output, _show_loop)


@cli.command("memory")
def memory(seconds: float = _SECONDS, form: Output = _FORMAT, output: Path | None = _OUTPUT) -> None:
    """Show which code holds new memory; the service is many times slower while it looks."""
    show_answer("profile/memory", seconds, form, output, _show_memory)


@cli.command("sql")
def sql(
    seconds: float = _SECONDS,
    as_json: bool = typer.Option(False, "--json", help="One JSON object instead of a table."),
) -> None:
    """Show the statements that take most time."""
    show_answer("profile/sql", seconds, Output.JSON if as_json else Output.TEXT, None, _show_sql)


@cli.command("endpoints")
def endpoints(
    seconds: float | None = typer.Option(None, "--seconds", help="How long to count; none: since the start."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object instead of a table."),
) -> None:
    """Show calls, errors and percentiles of each route."""
    show_answer("profile/endpoints", seconds, Output.JSON if as_json else Output.TEXT, None, _show_endpoints)


@cli.command("watches")
def watches(
    as_json: bool = typer.Option(False, "--json", help="One JSON object instead of tables."),
) -> None:
    """Show who blocked the event loop lately, and what grows and does not come back."""
    show_answer("profile/watches", None, Output.JSON if as_json else Output.TEXT, None, _show_watches)


def show_answer(
    path: str,
    seconds: float | None,
    form: Output,
    output: Path | None,
    show: Callable[[Mapping[str, Any]], None],
    *,
    within: bool = False,
) -> None:
    """Print what the running service answers to `/admin/<path>`, by `show` or as it came, or write it."""
    answers: list[str] = []

    async def work() -> None:
        answers.append(await _ask(path, seconds, "json" if form is Output.TEXT else form.value, within))

    run(work())
    (answer,) = answers
    if output is not None:
        output.write_text(answer)
        typer.echo(f"Written: {output}")
    elif form is Output.TEXT:
        show(json.loads(answer))
    else:
        typer.echo(answer)


async def _ask(path: str, seconds: float | None, form: str, within: bool) -> str:
    """Return the service's answer; leave with what it said when it refuses or is not there."""
    import aiohttp  # noqa: PLC0415 - heavy; see cli.main

    from wireroom.app.commands import noted_address  # noqa: PLC0415 - as above
    from wireroom.secret_files import secret_of  # noqa: PLC0415 - as above
    from wireroom.settings import load_settings  # noqa: PLC0415 - as above

    settings = load_settings()
    address = noted_address(settings)
    secret = secret_of(settings.data_dir, "api-secret", settings.webhook_secret.get_secret_value())
    query = {"format": form, "within": str(within).lower()}
    if seconds is not None:
        query["seconds"] = f"{seconds:g}"
    limit = aiohttp.ClientTimeout(total=(seconds or 0) + _ANSWER_SECONDS)
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, headers=headers) as client,
            client.get(f"{address}/admin/{path}", params=query) as response,
        ):
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise fail(f"{address} does not answer ({error}). Is Wireroom running?") from error
    if not response.ok:
        raise fail(_reason(text) or f"{address} answered {response.status}.")
    return text


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return ""


def _show_cpu(report: Mapping[str, Any]) -> None:
    used, seconds, taken_by = report["cpu_seconds"], report["seconds"], report["taken_by"]
    typer.echo(f"{used:.2f} s of CPU time in {seconds:.1f} s (taken by {taken_by}).")
    _print_hot(report, used, _in_ms)


def _show_loop(report: Mapping[str, Any]) -> None:
    busy, seconds = report["busy_seconds"], report["seconds"]
    typer.echo(f"The event loop was at work for {busy:.2f} s of {seconds:.1f} s.")
    rows = [(_in_ms(held), name or "(callbacks)") for name, held in list(report["tasks"].items())[:15]]
    print_rows(("held the loop", "task"), rows, "No task held it.")
    _print_blocks(report)
    _print_hot(report, busy, _in_ms)


def _show_memory(report: Mapping[str, Any]) -> None:
    early = " It ended early: there was too much to note." if report["ended_early"] else ""
    held, peak = _in_mib(report["held_bytes"]), _in_mib(report["peak_bytes"])
    typer.echo(f"{held} asked for in {report['seconds']:.1f} s is still held, {peak} at most.{early}")
    _print_hot(report, report["held_bytes"], _in_mib)
    rows = [
        (str(one["after"] - one["before"]), one["name"])
        for one in report["growth"]
        if one["kind"] == "objects"
    ]
    print_rows(("more of them", "type"), rows, "Of no type there are more objects than before.")


def _show_sql(report: Mapping[str, Any]) -> None:
    rows = [
        (
            one["calls"],
            _in_ms(one["total_seconds"]),
            _in_ms(one["p95_seconds"]),
            _in_ms(one["slowest_seconds"]),
            one["place"] or "-",
            _cut(one["shape"]),
        )
        for one in report["statements"]
    ]
    print_rows(("calls", "in all", "p95", "slowest", "where", "statement"), rows, "No statement was sent.")


def _show_endpoints(report: Mapping[str, Any]) -> None:
    columns = ("p50_seconds", "p95_seconds", "p99_seconds", "slowest_seconds")
    rows = [
        (one["calls"], one["errors"], *(_in_ms(one[name]) for name in columns), one["route"])
        for one in report["endpoints"]
    ]
    print_rows(("calls", "errors", "p50", "p95", "p99", "slowest", "route"), rows, "No route was called.")


def _show_watches(report: Mapping[str, Any]) -> None:
    _print_blocks(report)
    rows = [(one["kind"], one["name"], one["before"], one["after"]) for one in report["growth"]]
    print_rows(("grows", "which", "was", "is"), rows, "Nothing grows without end.")


def _print_blocks(report: Mapping[str, Any]) -> None:
    rows = [(_in_ms(one["seconds"]), one["place"] or "-", one["task"] or "-") for one in report["blocks"]]
    print_rows(("blocked the loop for", "where", "task"), rows, "Nobody blocked the loop.")


def _print_hot(report: Mapping[str, Any], whole: float, shown: Callable[[float], str]) -> None:
    for title, name in (("ours", "ours"), ("all", "hottest")):
        rows = list(_hot_rows(report[name][:15], whole or 1.0, shown))
        print_rows(("share", "itself", "with callees", f"where ({title})"), rows, f"Nothing ({title}).")


def _hot_rows(
    hot: Sequence[Mapping[str, Any]], whole: float, shown: Callable[[float], str]
) -> Iterator[tuple[str, str, str, str]]:
    for one in hot:
        yield f"{one['itself'] / whole:.1%}", shown(one["itself"]), shown(one["total"]), one["place"]


def _in_ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _in_mib(size: float) -> str:
    return f"{size / _MIB:.2f} MiB"


def _cut(text: str, limit: int = 100) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
