"""From what was collected to what is reported: a verdict, what was used, remarks. Pure.

The report is a value; `report` draws it, and its JSON is the same value.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from wireroom.load.course import MIB, Moment, Reading, course_of, reading_of, steps_of
from wireroom.load.figures import (
    Collected,
    Held,
    Row,
    held_targets,
    quick_tallies,
    request_rows,
    row_of,
    wait_rows,
)
from wireroom.load.knee import Step, find_knee
from wireroom.load.ledger import Account
from wireroom.load.patterns import Pattern
from wireroom.load.server_figures import Sample, own_times

_CROWDED = 0.9
_FULL = 0.95


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement, as reported."""

    pattern: Pattern
    seconds: float
    people: int
    about: dict[str, str]
    verdict: str
    clean: bool
    """Nothing was lost or doubled of what could be looked at, and something was."""
    accounts: list[dict[str, Any]]
    total: Row
    requests: list[Row]
    waits: list[Row]
    """Times until answers and callbacks."""
    held: list[Held]
    resources: dict[str, str]
    remarks: list[str]
    left_out: list[str]
    course: list[Moment]
    readings: list[Reading]
    steps: list[dict[str, Any]]
    knee: dict[str, Any] | None
    knee_words: str
    events: int
    telegram_calls: dict[str, int]
    own_times: dict[str, tuple[int, float]]
    """Of the service: how many samples a histogram has, and their mean in ms."""
    growth: dict[str, float]


def findings(data: Collected) -> Report:
    """Return the report of a measurement."""
    rows = request_rows(data.seconds, data.extent.seconds)
    total = row_of(
        "all requests", [tally for one in data.seconds for tally in quick_tallies(one)], data.extent.seconds
    )
    steps = steps_of(data) if data.pattern is Pattern.STRESS else []
    knee = find_knee(steps, data.targets) if steps else None
    clean, verdict = _verdict(data, total)
    return Report(
        pattern=data.pattern,
        seconds=data.extent.seconds,
        people=data.extent.people,
        about=dict(data.about),
        verdict=verdict,
        clean=clean,
        accounts=[_account_body(account) for account in data.accounts],
        total=total,
        requests=rows,
        waits=wait_rows(data),
        held=held_targets([*rows, total]),
        resources=resources_of(data),
        remarks=remarks_of(data),
        left_out=list(data.left_out),
        course=course_of(data),
        readings=[reading_of(sample, data.began) for sample in data.samples if sample.at >= data.began],
        steps=[asdict(step) for step in steps],
        knee=None if knee is None else {**asdict(knee), "reasons": list(knee.reasons)},
        knee_words="" if knee is None else _knee_words(knee.highest, knee.broken, knee.reasons),
        events=sum(one.events for one in data.seconds),
        telegram_calls=dict(data.telegram_calls),
        own_times=own_times(data.growth),
        growth=dict(data.growth),
    )


def resources_of(data: Collected) -> dict[str, str]:
    """Return what was used, in words: memory, processor, disk."""
    found: dict[str, str] = {}
    sizes = [sample.rss_bytes / MIB for sample in data.samples if sample.rss_bytes is not None]
    if sizes:
        found["memory of the service (RSS)"] = (
            f"{sizes[0]:.1f} MiB at first, {max(sizes):.1f} at most, {sizes[-1]:.1f} at last"
        )
    for name, pick in _SHARES.items():
        shares = [share for sample in data.samples if (share := pick(sample)) is not None]
        if shares:
            found[name] = f"{statistics.mean(shares):.0%} on average, {max(shares):.0%} at most"
    disks = [sample.disk_bytes for sample in data.samples if sample.disk_bytes is not None]
    if disks:
        found["data folder"] = f"{disks[-1] / MIB:.1f} MiB at last"
    return found


def remarks_of(data: Collected) -> list[str]:
    """Return what a reader must know before believing a figure."""
    remarks = [f"Ended early: {data.ended_early}."] if data.ended_early else []
    for name, pick in _GENERATORS.items():
        shares = [share for sample in data.samples if (share := pick(sample)) is not None]
        if shares and statistics.mean(shares) > _CROWDED:
            remarks.append(
                f"{name} used {statistics.mean(shares):.0%} of a core on average: times are partly its own,"
                " and the service may bear more than is shown."
            )
    machine = [one.machine_share for one in data.samples if one.machine_share is not None]
    if machine and statistics.mean(machine) > _FULL:
        remarks.append(
            f"All cores were in use for {statistics.mean(machine):.0%} of the time. Service, agents, people"
            " and the Bot API server share them, so what is shown is the machine's limit."
        )
    if not data.answers_seen:
        remarks.append(
            "The chats could not be looked at, so nothing is known of answers. See --telegram-port."
        )
    growth = memory_growth_mib(data.samples)
    if data.pattern is Pattern.SOAK and growth is not None:
        remarks.append(f"Memory from the second quarter to the last: {growth:+.1f} MiB (medians).")
    return remarks


def memory_growth_mib(samples: Sequence[Sample]) -> float | None:
    """Return by how much the median memory of the last quarter exceeds the second's; None if unknown."""
    sizes = [sample.rss_bytes / MIB for sample in samples if sample.rss_bytes is not None]
    quarter = len(sizes) // 4
    if quarter == 0:
        return None
    return statistics.median(sizes[-quarter:]) - statistics.median(sizes[quarter : 2 * quarter])


_SHARES: dict[str, Callable[[Sample], float | None]] = {
    "processor of the service (of one core)": lambda sample: sample.cpu_share,
    "processor of the people (of one core)": lambda sample: sample.people_cpu_share,
    "processor of the Bot API server (of one core)": lambda sample: sample.outside_cpu_share,
    "processor of the machine (of all cores)": lambda sample: sample.machine_share,
}
_GENERATORS: dict[str, Callable[[Sample], float | None]] = {
    "The process of the people": lambda sample: sample.people_cpu_share,
    "The Bot API server": lambda sample: sample.outside_cpu_share,
}


def _verdict(data: Collected, total: Row) -> tuple[bool, str]:
    if not total.count:
        return False, "Nobody could do anything: no request was made."
    unclean = [account.verdict for account in data.accounts if not account.is_clean]
    if unclean:
        return False, "Not everything acknowledged had its effect once: " + "; ".join(unclean) + "."
    seen = [account for account in data.accounts if account.acknowledged]
    if not seen:
        return True, "Nothing was promised that could be looked at."
    counts = ", ".join(f"{account.kept} of {account.acknowledged} {account.what}" for account in seen)
    return True, f"0 lost, 0 doubled: {counts} had their effect once."


def _account_body(account: Account) -> dict[str, Any]:
    return {
        "what": account.what,
        "acknowledged": account.acknowledged,
        "kept": account.kept,
        "lost": len(account.lost),
        "doubled": len(account.doubled),
        "unacknowledged": account.unacknowledged,
        "unacknowledged_but_kept": account.unacknowledged_but_kept,
        "tokens": account.named(),
    }


def _knee_words(highest: Step | None, broken: Step | None, reasons: Sequence[str]) -> str:
    if highest is None:
        return f"Not even the lightest load holds: {'; '.join(reasons)}."
    held = f"{highest.people} people, {highest.per_second:.0f} requests a second"
    if broken is None:
        return f"The knee is beyond what was tried: {held} hold."
    return f"The knee is at {held}. With {broken.people} people: {'; '.join(reasons)}."
