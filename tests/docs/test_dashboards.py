"""The dashboard, the alerts and the pages ask for figures that exist, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from reference_tables import FIGURES, FOLDER
from test_pages import commands

from wireroom.perf.metrics import REGISTRY

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "wireroom.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
OF_PROMETHEUS = {"instance", "job", "le"}
"""Labels that every figure has once it is scraped, or as a histogram."""


@cache
def samples() -> dict[str, set[str]]:
    """Return the labels of every sample that `/metrics` may show, by its name."""
    assert FIGURES, "importing them registers what they have"
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._names_to_collectors.values()):
        for family in collector.collect():
            for suffix in SUFFIXES[family.type]:
                found[family.name + suffix] = _labels(collector) | _labels(family)
    return found


def _labels(described: Any) -> set[str]:
    return set(getattr(described, "_labelnames", ()))


def _panels() -> Iterator[dict[str, Any]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        if panel["type"] != "row":
            yield panel


def _alerts() -> dict[str, str]:
    """Return each alert as it is written, by its name."""
    parts = re.split(r"^      - alert: (\w+)\n", ALERTS.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _expression(alert: str) -> str:
    folded = re.search(r"expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)", alert)
    assert folded
    return " ".join((folded[1] or folded[2]).split())


def _expressions() -> Iterator[tuple[str, str]]:
    for panel in _panels():
        yield from ((f"panel {panel['title']}", target["expr"]) for target in panel["targets"])
    yield from ((f"alert {name}", _expression(alert)) for name, alert in _alerts().items())
    for page in (FOLDER / "metrics.md", ROOT / "docs" / "how-to" / "watch-it.md"):
        asked = page.read_text().partition("<!-- end -->")[2] or page.read_text()
        yield from ((page.name, query) for query in re.findall(r"`([^`\n]*wireroom_\w+[^`\n]*)`", asked))


@pytest.mark.parametrize(("where", "expression"), list(_expressions()))
def test_expression_asks_for_what_exists(where: str, expression: str) -> None:
    """Each name is a figure's, each label that it is chosen or summed by is one that it has."""
    known = samples()
    names = re.findall(r"\bwireroom_\w+", expression)

    assert names or expression.startswith("up{"), f"{where} asks for nothing of ours"
    assert set(names) <= known.keys()
    for name, chosen in re.findall(r"\b(wireroom_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)(?:=|!)", chosen)) <= known[name] | OF_PROMETHEUS
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")}
    assert grouped <= set().union(*(known[name] for name in names)) | OF_PROMETHEUS
    assert expression.count("(") == expression.count(")")


def test_a_name_that_is_no_figure_is_noticed() -> None:
    """A figure is known by its names when scraped alone, and nothing else is."""
    known = samples()
    assert {"wireroom_jobs_wait_seconds_bucket", "wireroom_jobs_total"} <= known.keys()
    assert not {"wireroom_jobs", "wireroom_jobs_wait_seconds", "wireroom_nothing"} & known.keys()
    assert known["wireroom_jobs_depth"] == {"queue", "state"}
    assert isinstance(next(iter(REGISTRY.collect())), Metric)


def test_panels_do_not_overlap_and_show_every_part() -> None:
    """Each panel has a place of its own, and each part of the service a row."""
    board = json.loads(DASHBOARD.read_text())
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert {"Intake", "Jobs", "Runs", "Delivery", "Store", "Cache", "Redis", "Memory", "HTTP"} <= set(rows)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(("name", "alert"), list(_alerts().items()), ids=list(_alerts()))
def test_alert_says_what_is_wrong_and_what_to_do(name: str, alert: str) -> None:
    """Each alert has a severity, a sentence, and a remedy whose commands can be typed."""
    assert re.search(r"severity: (warning|critical)", alert), name
    summary, _, remedy = alert.partition("what_to_do:")
    assert "summary:" in summary
    assert len(remedy.split()) > 8
    typed = {
        " ".join(words.split()[: 2 if words.split()[0] in _groups() else 1])
        for words in re.findall(r"`wireroom ([a-z][a-z -]*[a-z])", alert)
    }
    assert typed <= commands()


def _groups() -> set[str]:
    return {command.split()[0] for command in commands() if " " in command}


def test_every_way_to_fail_has_an_alert() -> None:
    """Nothing that the figures can show to be broken is left without an alert."""
    assert set(_alerts()) >= {
        "WireroomDown",
        "WireroomDeadLetters",
        "WireroomQueueWaits",
        "WireroomLoopBlocked",
        "WireroomLeak",
        "WireroomCommitSlow",
        "WireroomRedisDown",
        "WireroomDeliveryFails",
        "WireroomMemoryHigh",
        "WireroomErrors",
    }
