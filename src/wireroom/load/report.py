"""Writes a report: a page that needs nothing but itself, and the same as JSON beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from wireroom.load.course import Moment, Reading
from wireroom.load.findings import Report
from wireroom.load.plots import Line, Mark, plot

_TEMPLATE = "report.html"


def write_report(report: Report, page: Path) -> Path:
    """Write the page, and the JSON beside it under the same name.

    Returns:
        Where the JSON is.
    """
    beside = page.with_suffix(".json")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(drawn(report), encoding="utf-8")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return beside


def drawn(report: Report) -> str:
    """Return the page. Pure but for reading its template."""
    pages = Environment(
        loader=PackageLoader("wireroom.load", "."),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["ms"] = shown_ms
    # What `plots` returns is markup of ours; the words in it are escaped there.
    figures = [Markup(figure) for figure in plots(report) if figure]  # noqa: S704 - as said above
    return pages.get_template(_TEMPLATE).render(report=report, plots=figures)


def plots(report: Report) -> list[str]:
    """Return the plots of a report as SVG, empty ones where there is nothing to show."""
    course, readings = report.course, report.readings
    gauges = sorted({name for reading in readings for name in reading.gauges})
    return [
        *_knee_plots(report),
        plot(
            "People and requests", _course(course, "people", "per_second"), unit="count, 1/s", axis="seconds"
        ),
        plot("Requests", _course(course, "p50_ms", "p99_ms"), unit="ms", axis="seconds"),
        plot(
            "Message to answer", _course(course, "answer_p50_ms", "answer_p99_ms"), unit="ms", axis="seconds"
        ),
        plot("Failures", _course(course, "failed_per_second"), unit="1/s", axis="seconds"),
        plot("Memory of the service", _readings(readings, "rss_mib"), unit="MiB", axis="seconds"),
        plot(
            "Processor",
            _readings(
                readings, "cpu_percent", "people_cpu_percent", "outside_cpu_percent", "machine_percent"
            ),
            unit="% of a core, machine: of all",
            axis="seconds",
        ),
        *(
            plot(
                name,
                [
                    Line(
                        name,
                        [(one.second, one.gauges.get(name, 0.0 if one.gauges else None)) for one in readings],
                    )
                ],
                unit="",
                axis="seconds",
            )
            for name in gauges
        ),
    ]


def shown_ms(value: float | None) -> str:
    """Return a latency for people: three digits that matter."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def _knee_plots(report: Report) -> list[str]:
    if not report.steps:
        return []
    highest = report.knee["highest"] if report.knee else None
    marks = [Mark(highest["people"], "knee")] if highest and report.knee and report.knee["broken"] else []
    named = {"p99_ms": "p99 of requests", "answer_p99_ms": "p99 of answers"}
    return [
        plot(
            f"{name} by load",
            [Line(name, [(step["people"], step[key]) for step in report.steps])],
            unit="ms",
            axis="people",
            marks=marks,
        )
        for key, name in named.items()
    ]


def _course(course: list[Moment], *names: str) -> list[Line]:
    return [Line(_worded(name), [(one.second, getattr(one, name)) for one in course]) for name in names]


def _readings(readings: list[Reading], *names: str) -> list[Line]:
    return [Line(_worded(name), [(one.second, getattr(one, name)) for one in readings]) for name in names]


def _worded(name: str) -> str:
    words = {
        "per_second": "requests a second",
        "failed_per_second": "failed",
        "p50_ms": "p50",
        "p99_ms": "p99",
        "answer_p50_ms": "p50",
        "answer_p99_ms": "p99",
        "rss_mib": "RSS",
        "cpu_percent": "service",
        "people_cpu_percent": "people",
        "outside_cpu_percent": "Bot API",
        "machine_percent": "machine",
    }
    return words.get(name, name)
