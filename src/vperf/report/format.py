"""Text and numbers as people read them: safe against terminal escapes, in few significant digits.

Everything that reaches a screen passes `clean`: model ids, config strings and GPU names come from
strangers. Not here: layout (table.py, markdown.py) and sentences (words.py).
"""

from __future__ import annotations

import math

from vperf import units


def clean(text: object, limit: int = 2000) -> str:
    """One line of printable text: no control, escape, bidi or zero-width characters.

    >>> clean("a\\x1b[31mb\\nc")
    'a?[31mb c'
    """
    line = str(text)
    if len(line) > limit:
        line = line[: limit - 3] + "..."
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in line)


def shortened(text: str, most: int) -> str:
    """At most so many characters, with "..." where some are missing."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def per_second(value: float) -> str:
    """A rate in tokens per second: "12,345", "190", "58.3", "4.21"."""
    if not math.isfinite(value):
        return "-"
    if value >= 99.95 or value == 0:
        return f"{value:,.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3g}"


def seconds(value: float) -> str:
    """A time: "14.7 ms"; "-" where there is none."""
    return units.format_seconds(value) if math.isfinite(value) and value > 0 else "-"


def size(value: float) -> str:
    """Bytes: "8.04 GB"; "-" where there are none."""
    return units.format_bytes(value) if math.isfinite(value) and value > 0 else "-"


def work(value: float) -> str:
    """FLOPs in a column headed FLOPs: "14.6 T"; "-" where there are none."""
    return units.format_flops(value).removesuffix("FLOP") if value > 0 else "-"


def percent(value: float) -> str:
    """A share of one: "12.3 %"."""
    return f"{100 * value:.1f} %"


def whole(value: float) -> str:
    """A count with its thousands: "4,022,468,096"."""
    return f"{value:,.0f}" if math.isfinite(value) else "-"


def span(low: str, high: str) -> str:
    """A range of two formatted figures; the unit once where both have the same."""
    if low == high:
        return low
    number, _, unit = low.partition(" ")
    if unit and high.endswith(f" {unit}"):
        return f"{number}-{high}"
    return f"{low} - {high}" if unit else f"{low}-{high}"


def bits(value: float) -> str:
    """Bits per parameter as bytes: "2 bytes", "0.5 bytes", "1 byte"."""
    as_bytes = value / 8
    return f"{as_bytes:.4g} byte{'' if as_bytes == 1 else 's'}"


def plural(count: int, noun: str) -> str:
    """ "1 token", "1,024 tokens"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
