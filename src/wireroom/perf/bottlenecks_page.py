"""Bottlenecks as a page that needs nothing but a browser; what it shows is escaped. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from wireroom.perf.bottlenecks import Bottlenecks, Cause

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.4rem}article{border:1px solid #d0d7de;border-radius:8px;padding:.8rem 1rem;margin:1rem 0}
h2{font-size:1rem;margin:0;display:flex;justify-content:space-between;gap:1rem}
.bar{height:6px;border-radius:3px;background:#cf222e;margin:.5rem 0}ul{margin:.3rem 0;padding-left:1.2rem}
li,p{overflow-wrap:anywhere}.kind{color:#57606a;font-weight:400}.do{margin:.3rem 0 0}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}article{border-color:#30363d}}
"""


def bottlenecks_page(found: Bottlenecks) -> str:
    """Return the report as one HTML document."""
    until = datetime.fromtimestamp(found.to_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Bottlenecks</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>What made people wait</h1><p>{found.seconds:.0f} s until {until}.</p>"
        f"{_causes(found.causes)}</html>"
    )


def _causes(causes: Sequence[Cause]) -> str:
    if not causes:
        return "<p>Nothing worth a line: no cause cost a hundredth of a second.</p>"
    dearest = causes[0].cost_seconds
    return "".join(_article(cause, cause.cost_seconds / dearest) for cause in causes)


def _article(cause: Cause, share: float) -> str:
    shown = "".join(f"<li>{escape(sentence)}" for sentence in cause.shown_by)
    return (
        f"<article><h2><span>{escape(cause.what)} <span class=kind>{escape(cause.kind)}</span></span>"
        f"<span>{cause.cost_seconds:.2f} s</span></h2>"
        f'<div class="bar" style="width:{max(1.0, share * 100):.0f}%"></div>'
        f"<ul>{shown}</ul><p class=do>{escape(cause.advice)}</article>"
    )
