"""What a course of chaos was, for people and programs: a picture of the timeline, a page, and JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaos.evidence import Findings, Sample
from chaos.hands import Hands, Happened
from chaos.load import Load
from chaos.picture import Bar, Point, draw
from chaos.verdict import answers_per_second, recovery_seconds

_INTERVAL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Course:
    """One course from beginning to end."""

    seed: int
    seconds: float
    load: Load
    hands: Hands
    samples: list[Sample]
    found: Findings
    broken: list[str]
    """Promises that did not hold; see `chaos.verdict`."""


def write_report(course: Course, folder: Path | None) -> None:
    """Print the page; with a folder, leave `chaos.md`, `chaos.svg` and `chaos.json` there."""
    page = _page(course)
    sys.stdout.write("\n" + page)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chaos.md").write_text(page)
        (folder / "chaos.svg").write_text(_picture(course))
        (folder / "chaos.json").write_text(json.dumps(_facts(course), indent=1) + "\n")


def _page(course: Course) -> str:
    figures = _figures(course)
    lines = [
        f"# Chaos: {'every promise held' if not course.broken else 'BROKEN PROMISES'}",
        "",
        _setting(course),
        "",
        "![Timeline](chaos.svg)",
        "",
        "| Figure | Value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in figures.items()),
        "",
        "| Fault | Where | Began, s | Lasted, s | All well after, s |",
        "|---|---|---|---|---|",
        *(_row(course, one) for one in _in_order(course)),
        "",
        *(f"- {sentence}" for sentence in course.broken),
        *(f"- died alone: {name}" for name in course.hands.died_alone),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _setting(course: Course) -> str:
    return (
        f"Seed {course.seed}, {course.seconds:.0f} s of load, {len(course.hands.happened)} faults,"
        f" {os.cpu_count()} cores, Python {platform.python_version()}."
    )


def _figures(course: Course) -> dict[str, Any]:
    found = course.found
    ways = sorted({wish.way for wish in found.wishes})
    waits = sorted(w.done_seconds - w.asked_seconds for w in found.wishes if w.done_seconds is not None)
    begun = sum(note.what == "begin" for note in found.notes)
    recoveries = sorted(_recovery(course, one) for one in course.hands.happened)
    return {
        "wishes": len(found.wishes),
        **{f"… by {way}": sum(wish.way == way for wish in found.wishes) for way in ways},
        "requests of programs, repetitions included": course.load.tries,
        "lost": sum(wish.done_seconds is None for wish in found.wishes),
        "came true more than once": sum(times > 1 for times in found.answers.values()),
        "two agents of one run at once": sum(note.what == "overlap" for note in found.notes),
        "slots of the clock, each called under one key": len(found.slots),
        "calls and callbacks repeated under the same key": found.repeated,
        "agents begun / runs": f"{begun} / {len(found.runs)}",
        "stray messages left in chats": len(found.strays),
        "wait for an answer, p50 / p95 / worst": " / ".join(
            f"{_share(waits, share):.1f} s" for share in (0.5, 0.95, 1.0)
        ),
        "all well after a fault, p50 / worst": " / ".join(
            f"{_share(recoveries, share):.1f} s" for share in (0.5, 1.0)
        ),
        "processes that died alone": len(course.hands.died_alone),
    }


def _row(course: Course, one: Happened) -> str:
    lasted = one.lifted_seconds - one.began_seconds
    cells = (one.fault.kind, one.fault.where, *map(_tenths, (one.began_seconds, lasted)))
    return f"| {' | '.join((*cells, _tenths(_recovery(course, one))))} |"


def _tenths(seconds: float) -> str:
    return f"{seconds:.1f}"


def _recovery(course: Course, one: Happened) -> float:
    return recovery_seconds(course.found.wishes, one.lifted_seconds)


def _in_order(course: Course) -> list[Happened]:
    return sorted(course.hands.happened, key=lambda one: one.began_seconds)


def _picture(course: Course) -> str:
    members = [member.name for member in course.hands.site.cluster.members]
    bars = [
        Bar(
            one.fault.where,
            one.began_seconds,
            one.lifted_seconds,
            str(one.fault.kind),
            f"{one.fault.kind}, {one.fault.where}: {one.began_seconds:.1f} to {one.lifted_seconds:.1f} s,"
            f" well after {_recovery(course, one):.1f} s",
        )
        for one in _in_order(course)
    ]
    rates = answers_per_second(course.samples, _INTERVAL_SECONDS)
    charts: dict[str, dict[str, list[Point]]] = {
        "a second": {
            "asked": [(at, asked) for at, asked, _ in rates],
            "answered": [(at, answered) for at, _, answered in rates],
        },
        "open": {
            "wishes without an answer": [(s.at_seconds, float(s.asked - s.answered)) for s in course.samples],
            "jobs waiting or running": [
                (s.at_seconds, None if s.depth is None else float(s.depth)) for s in course.samples
            ],
        },
    }
    verdict = "every promise held" if not course.broken else f"{len(course.broken)} broken promises"
    title = f"Chaos, seed {course.seed}: {len(course.found.wishes)} wishes, {len(bars)} faults, {verdict}"
    return draw(title, [*members, "PostgreSQL", "Redis", "Telegram"], bars, charts)


def _facts(course: Course) -> dict[str, Any]:
    return {
        "seed": course.seed,
        "seconds": course.seconds,
        "broken": course.broken,
        "died_alone": course.hands.died_alone,
        "figures": _figures(course),
        "faults": [
            {
                "kind": str(one.fault.kind),
                "where": one.fault.where,
                "began_seconds": round(one.began_seconds, 2),
                "lifted_seconds": round(one.lifted_seconds, 2),
                "well_after_seconds": _finite(_recovery(course, one)),
            }
            for one in _in_order(course)
        ],
        "wishes": [
            {
                "token": wish.token,
                "asked_seconds": round(wish.asked_seconds, 2),
                "done_seconds": None if wish.done_seconds is None else round(wish.done_seconds, 2),
            }
            for wish in course.found.wishes
        ],
        "samples": [asdict(sample) for sample in course.samples],
        "strays": list(course.found.strays),
    }


def _share(ordered: list[float], share: float) -> float:
    """Return the value that this share of the ordered values does not exceed; 0 without values."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _finite(seconds: float) -> float | None:
    return round(seconds, 2) if math.isfinite(seconds) else None
