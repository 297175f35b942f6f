"""From made-up seconds to a report and its page."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import msgspec
import pytest

from wireroom.load.figures import Collected
from wireroom.load.findings import findings, memory_growth_mib
from wireroom.load.ledger import settle
from wireroom.load.patterns import Extent, Pattern
from wireroom.load.plots import Line, Mark, nice_top, plot
from wireroom.load.recorder import Recorder
from wireroom.load.report import drawn, plots
from wireroom.load.samples import Promise, Second
from wireroom.load.server_figures import Sample

MIB = 1024 * 1024
LENGTH = 20


def _second(number: int, *, ms: float, problem: str | None = None, people: int = 5) -> Second:
    recorder = Recorder()
    recorder.note("POST /telegram/webhook", ms, problem)
    recorder.note("GET /health", 1.0, None)
    recorder.note("OPEN /api/chat/stream", 90_000.0, "the stream ended")
    recorder.asked.append(Promise(f"K1x{number}", 100.0 + number, acknowledged=True))
    second = recorder.take(people)
    second.at = 101.0 + number
    return second


def _collected(pattern: Pattern = Pattern.STEADY, *, slow_from: int = LENGTH) -> Collected:
    seconds = [
        _second(number, ms=900.0 if number >= slow_from else 10.0, people=1 + number // 2)
        for number in range(LENGTH)
    ]
    asked = [promise for second in seconds for promise in second.asked]
    return Collected(
        pattern=pattern,
        extent=Extent(float(LENGTH), 10),
        began=100.0,
        seconds=seconds,
        samples=[
            Sample(
                at=100.0 + number, rss_bytes=(80 + number) * MIB, cpu_share=0.5, gauges={"jobs waiting": 3.0}
            )
            for number in range(LENGTH)
        ],
        answered_at={promise.token: promise.at + 0.5 for promise in asked},
        called_back_at={},
        accounts=[settle("chat messages", asked, {promise.token: 1 for promise in asked})],
        growth={"wireroom_store_commit_seconds_count": 4.0, "wireroom_store_commit_seconds_sum": 0.008},
        telegram_calls={"sendMessage": 20},
        left_out=["voice agents: /agent-tools is not there (404)"],
        about={"service": "made up <b>"},
    )


def test_findings_tell_requests_apart() -> None:
    """Each kind of request has a row; opening a stream is not among the total."""
    report = findings(_collected())

    by_name = {row.name: row for row in report.requests}
    assert by_name["POST /telegram/webhook"].count == LENGTH
    assert by_name["POST /telegram/webhook"].p99_ms == pytest.approx(10.0, rel=0.02)
    assert by_name["OPEN /api/chat/stream"].errors == {"the stream ended": LENGTH}
    assert (report.total.count, report.total.failed) == (2 * LENGTH, 0)


def test_findings_hold_requests_to_their_targets() -> None:
    """A target is listed when its request was made, with whether it holds."""
    held = {one.name: one.holds for one in findings(_collected(slow_from=0)).held}

    assert held == {"GET /health": True, "POST /telegram/webhook": False, "all requests": False}


def test_findings_measure_answers_from_the_first_push() -> None:
    """An answer half a second after its message is a wait of 500 ms."""
    (row,) = findings(_collected()).waits

    assert row.name == "message to its answer in the chat"
    assert row.p50_ms == pytest.approx(500.0, rel=0.02)


def test_findings_find_the_knee_of_a_stress_measurement() -> None:
    """Latency that leaps at the seventh step puts the knee at the sixth."""
    report = findings(_collected(Pattern.STRESS, slow_from=12))

    assert [step["people"] for step in report.steps] == list(range(1, 11))
    assert report.knee_words.startswith("The knee is at 6 people")
    assert "over 200 ms" in report.knee_words


def test_findings_are_unclean_when_an_answer_is_lost() -> None:
    """One message without an answer makes the whole measurement fail."""
    data = _collected()
    asked = [promise for second in data.seconds for promise in second.asked]

    report = findings(replace(data, accounts=[settle("chat messages", asked, {})]))

    assert not report.clean
    assert "20 lost" in report.verdict


def test_findings_are_unclean_when_nobody_could_act() -> None:
    """A measurement without a request proves nothing."""
    assert not findings(replace(_collected(), seconds=[], accounts=[])).clean


def test_findings_warn_of_a_crowded_generator() -> None:
    """When the people's own process fills its core, the report says so."""
    busy = [Sample(at=100.0, people_cpu_share=0.97, machine_share=0.99)]

    remarks = findings(replace(_collected(), samples=busy)).remarks

    assert any("people used 97%" in remark for remark in remarks)
    assert any("All cores were in use" in remark for remark in remarks)


def test_memory_growth_compares_quarters() -> None:
    """Growth is the last quarter's median over the second's."""
    samples = [Sample(at=float(number), rss_bytes=number * MIB) for number in range(40)]

    assert memory_growth_mib(samples) == pytest.approx(20.0)
    assert memory_growth_mib(samples[:3]) is None


def test_report_is_json_that_reads_back() -> None:
    """The JSON beside the page is the report itself."""
    report = findings(_collected(Pattern.STRESS, slow_from=12))

    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report


def test_page_stands_alone() -> None:
    """The page shows the figures, escapes what it is given, and asks for nothing from elsewhere."""
    page = drawn(findings(_collected(Pattern.STRESS, slow_from=12)))

    assert "The knee is at 6 people" in page
    assert "made up &lt;b&gt;" in page
    assert "voice agents: /agent-tools is not there (404)" in page
    assert "<script" not in page
    assert "src=" not in page
    assert "href=" not in page


def test_page_of_a_bare_measurement_is_drawn() -> None:
    """Without a service's figures, answers or promises there is still a page."""
    bare = replace(
        _collected(), samples=[], answered_at={}, accounts=[], growth={}, telegram_calls={}, left_out=[]
    )

    assert "Nothing was promised whose effect could be looked at" in drawn(findings(bare))


def test_plots_are_well_formed() -> None:
    """Every plot of a report can be read as XML and has a line."""
    figures = [figure for figure in plots(findings(_collected(Pattern.STRESS, slow_from=12))) if figure]

    assert len(figures) >= 6
    for figure in figures:
        tags = [element.tag.rpartition("}")[2] for element in ET.fromstring(figure).iter()]  # noqa: S314 - ours
        assert "polyline" in tags


def test_plot_breaks_a_line_where_there_is_no_value() -> None:
    """A gap makes two lines, and a lonely point a dot."""
    points = [(0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, 4.0)]

    figure = plot("A & B", [Line("x<y", points)], unit="ms", axis="seconds", marks=[Mark(1.0, "knee")])

    assert figure.count("<polyline") == 1
    assert figure.count("<circle") == 1
    assert "A &amp; B" in figure
    assert "x&lt;y" in figure
    assert 'class="mark"' in figure


def test_plot_of_nothing_is_empty() -> None:
    """Without a value there is no plot."""
    assert plot("A", [Line("a", [(0.0, None)])], unit="", axis="") == ""


@pytest.mark.parametrize(
    ("most", "top"),
    [(0.0, 1.0), (0.9, 1.0), (1.0, 1.0), (1.2, 1.5), (37.0, 40.0), (620.0, 750.0), (9_999.0, 10_000.0)],
)
def test_nice_top_is_round_and_high_enough(most: float, top: float) -> None:
    """The top of an axis is a round number that no value exceeds."""
    assert nice_top(most) == pytest.approx(top)
