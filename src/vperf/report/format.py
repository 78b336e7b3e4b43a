"""Text and numbers as people read them: safe against terminal escapes, in few significant digits.

Everything that reaches a screen passes `clean`: model ids, config strings and GPU names come from
strangers. Not here: layout (screen.py, markdown.py) and sentences
(estimate/ and its neighbours).
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


def gib(value: float) -> str:
    """Bytes in GiB, as people, vendors and nvidia-smi count memory: "15.3"; the unit is said once.

    >>> gib(16.4e9), gib(20e6)
    ('15.3', '0.02')
    """
    amount = value / 2**30
    if not math.isfinite(amount) or amount <= 0:
        return "0"
    return f"{amount:,.1f}" if amount >= 0.05 else f"{amount:.2g}"


def percent(value: float, digits: int = 0) -> str:
    """A share of one: "46%"; far above 1, "74x"."""
    if not math.isfinite(value):
        return "-"
    if abs(value) < 10:
        return f"{100 * value:.{digits}f}%"
    return f"{value:,.0f}x" if value < 1e4 else f"{value:.0e}x"


def dollars(usd: float | None) -> str:
    """ "0.123", "4.56", "1,234"; "-" where there is no price."""
    if usd is None:
        return "-"
    return f"{usd:,.0f}" if usd >= 100 else f"{usd:.2f}" if usd >= 1 else number(usd)


def number(value: float) -> str:
    """Three digits: "0.500", "29.5", "4,021"."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}"


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


def plural(count: int, noun: str, *, more: str = "") -> str:
    """ "1 token", "1,024 tokens", "4 more assumptions"."""
    return f"{count:,} {more}{noun}{'' if count == 1 else 's'}"


ASCII = str.maketrans({
    "\N{MICRO SIGN}": "u", "\N{MIDDLE DOT}": "-", "\N{MULTIPLICATION SIGN}": "x",
    "\N{RIGHTWARDS ARROW}": "->", "\N{BALLOT X}": "x", "\N{CHECK MARK}": "+",
    "\N{BLACK UP-POINTING TRIANGLE}": "^", "\N{BLACK DOWN-POINTING TRIANGLE}": "v",
    "\N{HORIZONTAL ELLIPSIS}": "...", "\N{EN DASH}": "-", "\N{EM DASH}": "-",
})  # fmt: skip
"""The same said in ASCII, for streams and terminals that have no more."""
