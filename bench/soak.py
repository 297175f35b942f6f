"""Soak the runner and draw what its process held: `python -m bench.soak [RUNS]`, 10,000 without a number.

The soak itself is `tests/integration/test_runner_soak.py`; what the figures mean is in
`docs/performance/soak.md`, beside which the picture is drawn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import machine

_ROOT = Path(__file__).parent.parent
_TEST = "tests/integration/test_runner_soak.py"
_PICTURE = _ROOT / "docs" / "performance" / "soak.svg"
_RUNS = 10_000
_MIB = 1024 * 1024
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 800, 360, 64, 16, 40, 48
_LINES = 5
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#57606a}.g{stroke:#8c959f55}"
    ".m{fill:none;stroke:#0969da;stroke-width:2}.d{fill:none;stroke:#bc4c00;stroke-width:1.5}"
    ".km{fill:#0969da}.kd{fill:#bc4c00}"
)
Sample = dict[str, float]


def main() -> None:
    """Soak, draw, and print the figures."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else _RUNS
    samples = _soak(runs)
    _PICTURE.parent.mkdir(parents=True, exist_ok=True)
    _PICTURE.write_text(draw(samples), encoding="utf-8")
    for what, value in {**machine(), **figures(samples)}.items():
        sys.stdout.write(f"| {what} | {value} |\n")


def figures(samples: Sequence[Sample]) -> dict[str, str]:
    """Return what the samples say, by name."""
    quarter = len(samples) // 4
    sizes = [sample["rss_bytes"] / _MIB for sample in samples]
    seconds = samples[-1]["seconds"]
    return {
        "runs": f"{samples[-1]['runs']:,.0f} in {seconds:,.0f} s",
        "memory at the first run": f"{sizes[0]:.1f} MiB",
        "memory, middle of the second quarter": f"{_middle(sizes[quarter : 2 * quarter]):.1f} MiB",
        "memory, middle of the last quarter": f"{_middle(sizes[-quarter:]):.1f} MiB",
        "most memory": f"{max(sizes):.1f} MiB",
        "most descriptors": f"{max(sample['descriptors'] for sample in samples):.0f}",
    }


def draw(samples: Sequence[Sample]) -> str:
    """Return a picture of memory (left scale, MiB) and descriptors (same scale) over runs, as SVG."""
    most_runs = samples[-1]["runs"]
    memory = [(sample["runs"], sample["rss_bytes"] / _MIB) for sample in samples]
    descriptors = [(sample["runs"], sample["descriptors"]) for sample in samples]
    top = (max(value for _, value in memory) // 50 + 1) * 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        "<title>Memory and open descriptors of the process over the runs</title>",
        f"<style>{_STYLE}</style>",
        *(_grid(top * number / _LINES, top) for number in range(_LINES + 1)),
        *(_mark(most_runs * number / _LINES, most_runs) for number in range(_LINES + 1)),
        _line("m", memory, most_runs, top),
        _line("d", descriptors, most_runs, top),
        f'<text class="km" x="{_LEFT}" y="24">memory (RSS), MiB</text>',
        f'<text class="kd" x="{_LEFT + 160}" y="24">open descriptors</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">runs</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _soak(runs: int) -> list[Sample]:
    # On the disk of this package: the temporary folder of the system may be memory.
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        report = Path(folder) / "samples.json"
        environment = {
            **os.environ,
            "WIREROOM_SOAK_RUNS": str(runs),
            "WIREROOM_SOAK_REPORT": str(report),
        }
        subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:randomly", "--basetemp", f"{folder}/data", _TEST],
            env=environment,
            cwd=_ROOT,
            check=True,
        )
        samples: list[Sample] = json.loads(report.read_text())
    return samples


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _x(runs: float, most: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * runs / most


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top


def _grid(value: float, top: float) -> str:
    y = _y(value, top)
    line = f'<line class="g" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.0f}</text>'


def _mark(runs: float, most: float) -> str:
    anchor = "end" if runs == most else "middle"
    return f'<text x="{_x(runs, most):.1f}" y="{_HEIGHT - 28}" text-anchor="{anchor}">{runs:,.0f}</text>'


def _line(name: str, points: Sequence[tuple[float, float]], most: float, top: float) -> str:
    path = " ".join(f"{_x(runs, most):.1f},{_y(value, top):.1f}" for runs, value in points)
    return f'<polyline class="{name}" points="{path}"/>'


if __name__ == "__main__":
    main()
