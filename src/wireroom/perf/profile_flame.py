"""Profiles as pictures: a file for speedscope.app, and a page that needs nothing but a browser. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from wireroom.perf.profile_samples import Sampled, Spot, hottest, weight_of

Unit = Literal["seconds", "bytes"]
_SMALLEST_SHARE = 0.002
_ROW_PX = 18
_MOST_HOT = 20
_STYLE = """
body{font:13px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1b1f24;background:#fff}
h1{font-size:1.2rem}table{border-collapse:collapse}td,th{padding:.1rem .8rem .1rem 0;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:12px}
#flame{position:relative;overflow:hidden;border:1px solid #d0d7de;margin:.5rem 0}
#flame div{position:absolute;height:17px;font:11px/17px ui-monospace,monospace;white-space:nowrap;
overflow:hidden;text-indent:3px;cursor:pointer;border-radius:2px;box-sizing:border-box;
border-right:1px solid #fff}
#flame .lit{outline:2px solid #0969da;z-index:1}input{font:inherit;padding:.2rem .4rem;width:18rem}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}#flame div{color:#111}}
"""
_SCRIPT = """
const boxes=[...document.querySelectorAll('#flame div')];
function zoom(l,w){for(const b of boxes){const x=(b.dataset.l-l)/w,y=b.dataset.w/w;
b.style.left=Math.max(0,x)*100+'%';b.style.width=(Math.min(1,x+y)-Math.max(0,x))*100+'%';
b.hidden=x+y<=1e-9||x>=1-1e-9}}
document.getElementById('flame').addEventListener('click',e=>{const b=e.target;
if(b.dataset.w)zoom(+b.dataset.l,+b.dataset.w)});
document.getElementById('find').addEventListener('input',e=>{const word=e.target.value.toLowerCase();
for(const b of boxes)b.classList.toggle('lit',word!==''&&b.title.toLowerCase().includes(word))});
"""
SCRIPT_SOURCE = "'sha256-" + base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode() + "'"
"""What a Content-Security-Policy must allow as `script-src` for the page to zoom."""


def speedscope(samples: Sequence[Sampled], *, name: str, unit: Unit) -> dict[str, Any]:
    """Return the profile as JSON for https://www.speedscope.app.

    Source: speedscope, file-format-schema.json, a "sampled" profile.
    """
    index: dict[Spot, int] = {}
    stacks = [[index.setdefault(spot, len(index)) for spot in sample.spots] for sample in samples]
    frames = [
        {"name": spot.name, "file": spot.file, "line": spot.line} if spot.file else {"name": spot.name}
        for spot in index
    ]
    profile = {
        "type": "sampled",
        "name": name,
        "unit": unit,
        "startValue": 0,
        "endValue": weight_of(samples),
        "samples": stacks,
        "weights": [sample.weight for sample in samples],
    }
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": name,
        "exporter": "wireroom",
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": [profile],
    }


def flame_page(samples: Sequence[Sampled], *, title: str, unit: Unit, facts: Mapping[str, str]) -> str:
    """Return a page with the flame graph and the hottest functions; what it shows is escaped."""
    root = tree(samples)
    total = root.weight or 1.0
    boxes = list(_boxes(root, total, 0.0, 0))
    rows = 1 + max((depth for depth, _ in boxes), default=0)
    told = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}" for name, value in facts.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1><table>{told}</table>"
        '<p><input id="find" placeholder="Find a function or file"> Click a box to look into it.'
        f'<div id="flame" style="height:{rows * _ROW_PX}px">{"".join(html for _, html in boxes)}</div>'
        f"{_hot_table('Hottest lines of ours', samples, unit, total, only_ours=True)}"
        f"{_hot_table('Hottest of all', samples, unit, total, only_ours=False)}"
        f"<script>{_SCRIPT}</script></html>"
    )


def in_unit(weight: float, unit: Unit) -> str:
    """Return a weight as people read it: `1.25 s`, `340 ms`, `12.5 MiB`. Pure."""
    if unit == "seconds":
        return f"{weight:.2f} s" if weight >= 1 else f"{weight * 1000:.0f} ms"
    for name, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(weight) >= size:
            return f"{weight / size:.1f} {name}"
    return f"{weight:.0f} B"


@dataclass(slots=True)
class Node:
    """A function where it was called from, and what it called."""

    spot: Spot
    weight: float = 0.0
    """With what it called."""
    below: dict[Spot, Node] = field(default_factory=dict)


def tree(samples: Sequence[Sampled]) -> Node:
    """Return the stacks put together, with a root for the whole. Pure."""
    root = Node(Spot("all"))
    for sample in samples:
        node = root
        node.weight += sample.weight
        for spot in sample.spots:
            node = node.below.setdefault(spot, Node(spot))
            node.weight += sample.weight
    return root


def _boxes(node: Node, total: float, left: float, depth: int) -> Iterator[tuple[int, str]]:
    """Yield (row, HTML) of the node and of what is below it; what nobody could see is left out."""
    width = node.weight / total
    if width < _SMALLEST_SHARE:
        return
    shown = escape(node.spot.shown)
    hue = 28 + sum(node.spot.file.encode()) % 30 if node.spot.file else 205
    style = f"left:{left:.3%};width:{width:.3%};top:{depth * _ROW_PX}px;background:hsl({hue} 85% 68%)"
    box = f'<div data-l="{left:.5f}" data-w="{width:.5f}" title="{shown} {width:.1%}" style="{style}">'
    yield depth, f"{box}{shown}</div>"
    for child in sorted(node.below.values(), key=lambda one: -one.weight):
        yield from _boxes(child, total, left, depth + 1)
        left += child.weight / total


def _hot_table(title: str, samples: Sequence[Sampled], unit: Unit, total: float, *, only_ours: bool) -> str:
    rows = "".join(
        f'<tr><td class="n">{hot.itself / total:.1%}<td class="n">{in_unit(hot.itself, unit)}'
        f'<td class="n">{in_unit(hot.total, unit)}<td><code>{escape(hot.place)}</code>'
        for hot in hottest(samples, _MOST_HOT, only_ours=only_ours)
    )
    return f"<h2>{title}</h2><table><tr><th>share<th>itself<th>with what it calls<th>where{rows}</table>"
