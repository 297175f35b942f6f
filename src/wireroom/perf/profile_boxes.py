"""A profile as boxes, for a flame graph that is drawn elsewhere: few enough to send. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wireroom.perf.profile_flame import Node, Unit, tree
from wireroom.perf.profile_samples import Sampled
from wireroom.perf.stacks import is_ours, short_file

MOST_BOXES = 4000
_SMALLEST_SHARE = 0.0005


@dataclass(frozen=True, slots=True)
class Frame:
    """A function, a thread or a task."""

    name: str
    place: str
    """`intake/accept.py:81`; empty for a thread or a task."""
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Boxes:
    """A flame graph."""

    unit: Unit
    total: float
    frames: Sequence[Frame]
    boxes: Sequence[tuple[int, int, float, float]]
    """(depth, number of its frame, weight with what it calls, weight of itself); a box stands before what it
    calls, and the first is the whole."""
    left_out: int
    """Boxes that were too small to be sent; their weight is in the boxes above them."""


def boxes_of(samples: Sequence[Sampled], unit: Unit) -> Boxes:
    """Return the boxes of a profile, heaviest of their neighbours first."""
    root = tree(samples)
    every = list(_walk(root))
    least = _least_weight([node.weight for _, node in every], root.weight * _SMALLEST_SHARE)
    kept = [(depth, node) for depth, node in every if node is root or node.weight >= least]
    numbers: dict[Frame, int] = {}
    boxes = [
        (depth, numbers.setdefault(_frame(node), len(numbers)), node.weight, _itself(node))
        for depth, node in kept
    ]
    return Boxes(unit, root.weight, list(numbers), boxes, len(every) - len(kept))


def _walk(root: Node) -> list[tuple[int, Node]]:
    """Return (depth, node) with each node before what is below it; without recursion, as stacks are deep."""
    found, open_nodes = [], [(0, root)]
    while open_nodes:
        depth, node = open_nodes.pop()
        found.append((depth, node))
        open_nodes += ((depth + 1, one) for one in sorted(node.below.values(), key=lambda one: one.weight))
    return found


def _least_weight(weights: Sequence[float], at_least: float) -> float:
    """Return what a box must weigh; none weighs more than the one it is in, so each has its way up."""
    heaviest = sorted(weights, reverse=True)
    # Those that weigh as much as the first that is too many go, too.
    too_many = heaviest[MOST_BOXES] if len(heaviest) > MOST_BOXES else 0.0
    return max(at_least, too_many * (1 + 1e-9))


def _itself(node: Node) -> float:
    return max(0.0, node.weight - sum(one.weight for one in node.below.values()))


def _frame(node: Node) -> Frame:
    spot = node.spot
    place = f"{short_file(spot.file)}:{spot.line}" if spot.file else ""
    return Frame(spot.name, place, bool(spot.file) and is_ours(spot.file))
