"""The plot of docs/how-far-to-trust.md: measured against expected TPOT of the points in tests/data.

    python docs/accuracy_plot.py

Points are chosen and scored by benchmarks/measured_points.py. Each circle is titled with its row.
Not here: the errors of all points (benchmarks/accuracy.py).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.append(str(DOCS.parent / "benchmarks"))  # as pytest's pythonpath

from measured_points import score, strata  # noqa: E402
from scoring import Point  # noqa: E402

PATH = DOCS / "images" / "accuracy.svg"
_KINDS = ("served, dense", "served, MoE", "one user")
_LOW_MS, _HIGH_MS = 2.0, 300.0
_TICKS_MS = (2, 5, 10, 20, 50, 100, 200)
_LEFT, _TOP, _SIDE = 70.0, 40.0, 520.0

_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 620 640" role="img"
 aria-label="Measured against expected TPOT: most points lie within a fifth of equality">
<style>
svg {{ color: #1f2328; font: 14px Helvetica, Arial, 'DejaVu Sans', sans-serif }}
text {{ fill: currentColor }} path {{ stroke: currentColor; fill: none }}
.grid {{ opacity: .15 }} .band {{ opacity: .5; stroke-dasharray: 4 4 }}
circle, rect, polygon {{ fill-opacity: .55; stroke-width: 1 }}
.k0 {{ fill: #0969da; stroke: #0969da }} .k1 {{ fill: #bc4c00; stroke: #bc4c00 }}
.k2 {{ fill: #1a7f37; stroke: #1a7f37 }}
@media (prefers-color-scheme: dark) {{ svg {{ color: #e6edf3 }} }}
</style>
<text x="{left}" y="22">expected TPOT (ms) of {count} measured points; dashed: 20 % off</text>
"""


def points() -> list[tuple[int, Point]]:
    """(index in _KINDS, point) of every TPOT; of one user it is a decode step."""
    found = []
    for name, stratum in strata().items():
        figure = {"serving": "tpot", "single_stream": "decode"}.get(stratum["table"])
        for point in score(name)[figure] if figure else ():
            kind = 2 if figure == "decode" else int(point.groups["kind"] == "moe")
            found.append((kind, point))
    return found


def draw(scored: Sequence[tuple[int, Point]]) -> str:
    """The plot as SVG; circles are dense, squares MoE, triangles one user."""
    return _HEAD.format(left=_LEFT, count=len(scored)) + "\n".join(_body(scored)) + "\n</svg>\n"


def _body(scored: Sequence[tuple[int, Point]]) -> Iterator[str]:
    for ms in _TICKS_MS:
        x, y = _x(ms), _y(ms)
        yield f'<path class="grid" d="M{x} {_TOP}v{_SIDE}M{_LEFT} {y}h{_SIDE}"/>'
        yield f'<text x="{x}" y="{_TOP + _SIDE + 20}" text-anchor="middle">{ms}</text>'
        yield f'<text x="{_LEFT - 8}" y="{y + 5}" text-anchor="end">{ms}</text>'
    for name, factor in (("even", 1.0), ("band", 1.2), ("band", 0.8)):
        low, high = max(_LOW_MS, _LOW_MS / factor), min(_HIGH_MS, _HIGH_MS / factor)
        ends = f"M{_x(low)} {_y(low * factor)}L{_x(high)} {_y(high * factor)}"
        yield f'<path class="{name}" d="{ends}"/>'
    for kind, point in scored:
        yield _mark(kind, _x(1e3 * point.measured_s), _y(1e3 * point.expected_s), point.what)
    x, y = _LEFT + _SIDE / 2, _TOP + _SIDE + 44
    yield f'<text x="{x}" y="{y}" text-anchor="middle">measured TPOT (ms)</text>'
    for kind, name in enumerate(_KINDS):
        x = _LEFT + 130 * kind
        yield _mark(kind, x + 8, _TOP + _SIDE + 65)
        yield f'<text x="{x + 20}" y="{_TOP + _SIDE + 70}">{name}</text>'


def _mark(kind: int, x: float, y: float, title: str = "") -> str:
    said = f"<title>{escape(title.strip())}</title>" if title else ""
    match kind:
        case 0:
            return f'<circle class="k0" cx="{x}" cy="{y}" r="4">{said}</circle>'
        case 1:
            corner = f'x="{x - 4:.1f}" y="{y - 4:.1f}"'
            return f'<rect class="k1" {corner} width="8" height="8">{said}</rect>'
    corners = f"{x},{y - 5:.1f} {x - 5:.1f},{y + 4:.1f} {x + 5:.1f},{y + 4:.1f}"
    return f'<polygon class="k2" points="{corners}">{said}</polygon>'


def _x(ms: float) -> float:
    return round(_LEFT + _SIDE * _share(ms), 1)


def _y(ms: float) -> float:
    return round(_TOP + _SIDE * (1 - _share(ms)), 1)


def _share(ms: float) -> float:
    """Where on a logarithmic axis."""
    return math.log(ms / _LOW_MS) / math.log(_HIGH_MS / _LOW_MS)


def write_plot() -> None:
    """Draw the points as they are now."""
    PATH.write_text(draw(points()), encoding="utf-8")


if __name__ == "__main__":
    write_plot()
