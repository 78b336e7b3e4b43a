"""Charts with round figures, for the tests of both writers."""

from __future__ import annotations

from vperf.report.chart import Axis, Chart, Mark, Series

NAMES = (
    *("H100 SXM", "H200", "B200", "RTX PRO 6000 Workstation", "RTX 4090", "L40S"),
    *("A100 80GB", "MI300X", "MI355X", "RTX 5090", "DGX Spark", "M3 Ultra"),
)


def lines(count: int, *, log: bool = True) -> Chart:
    """`count` names, each with its limit and what is expected; the first also measured."""
    series = []
    for number, name in enumerate(NAMES[:count]):
        limit = tuple((2.0**k, (number + 1) * 100 * 2**k / (1 + 2**k / 64)) for k in range(11))
        expected = tuple((x, 0.8 * y) for x, y in limit)
        band = tuple((0.9 * y, 1.1 * y) for _, y in expected)
        series += [Series(name, limit, "limit"), Series(name, expected, band=band)]
    series.append(Series(NAMES[0], ((1.0, 75.0), (64.0, 2500.0)), "measured"))
    return Chart(
        "Decode throughput by batch size",
        Axis("batch size", "sequences", log),
        Axis("decode throughput", "tok/s", log),
        tuple(series),
        (Mark("x", 64.0, "compute-bound from 64"), Mark("y", 5000.0, "target")),
    )


def points() -> Chart:
    """Lettered points of two names under one roof, three of them on one place."""
    spots = ((1.0, 1e12), (1.0, 1e12), (1.0, 1.001e12), (100.0, 2e14))
    return Chart(
        "Roofline",
        Axis("arithmetic intensity", "FLOP/byte", True),
        Axis("attained", "FLOP/s", True),
        (
            Series("bf16", ((0.5, 1e12), (250.0, 5e14), (1000.0, 5e14)), "limit"),
            Series("decode", spots, joined=False, labels=("a", "b", "c", "d")),
        ),
        key=(("decode", "a", "decode qkv_proj"), ("decode", "d", "decode experts")),
    )
