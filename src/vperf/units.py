"""Text with units <-> SI floats. The only place where a prefix has a value.

Inside vperf everything is bytes, FLOP, seconds, hertz and their rates; "GB" is 1e9 bytes and
"GiB" 2**30. Not here: the layout of tables (report/) and number formats (formats.py).
"""

from __future__ import annotations

import math
import re

from vperf.errors import InputError

_DECIMAL = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18}
_BINARY = {"": 1.0, "ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40, "pi": 2.0**50}
_EITHER = _DECIMAL | _BINARY
_SECONDS = {
    "s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9, "ps": 1e-12,
    "min": 60.0,
}  # fmt: skip
_NUMBER = re.compile(
    r"([+-]?(?:(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d[\d_]*)\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)",
    re.DOTALL,
)
"""Commas stand between thousands alone: of "3,35 TB/s" nobody makes 335."""
_BITS = re.compile(r"(?:[KMGTP]i?b/s(?:ec)?|[kKmMgGtTpP]?i?(?:bps|bits?(?:/s(?:ec)?|ps)))")
"""How networks write their rates. "gb/s" is how people write GB/s."""
_LEAST, _MOST = 1e-30, 1e30
"""In SI units. What lies outside is no quantity of a computer, and overflows what is made of it."""
_MAX_DIGITS = 40
_WHOLE = r"([+-]?\d[\d_]*(?:\.\d+)?)\s*([kKmM]?)"
_WAYS = {
    "%": ("%",),
    "tok/s": ("tok/s", "tokens/s", "token/s", "toks/s", "t/s", "tps", "tok/sec", "tokens/sec"),
    "req/s": ("req/s", "requests/s", "request/s", "rps", "qps", "/s", "req/sec", "requests/sec"),
}
"""How people write a unit."""


def is_moderate(value: float) -> bool:
    """Whether a quantity above 0 can be squared, divided by and summed without overflow."""
    return _LEAST <= value <= _MOST


def refuse_odd(value: float, field: str) -> None:
    """Raises InputError for a quantity that is not above 0, or not moderate."""
    if not value > 0:
        raise InputError(f"must be above 0, not {value!r}", field=field)
    if not is_moderate(value):
        raise InputError(f"{value:g} is out of range", field=field)


def _split(text: str, what: str) -> tuple[float, str]:
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{text!r} is not {what}")
    return float(match[1].replace(",", "").replace("_", "")), match[2].lstrip()


def _checked(value: float, text: str, what: str) -> float:
    """The value with its prefix, if it is one of this world. Raises InputError."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{text!r} is not {what}: it must be a positive, finite number")
    if not is_moderate(value):
        raise InputError(
            f"{text!r} is not {what}: it must be from {_LEAST:g} to {_MOST:g} in base units"
        )
    return value


def _scaled(
    text: str, what: str, units: tuple[str, ...], prefixes: dict[str, float], bare: str = ""
) -> float:
    """With one of the units, the longest first, behind a prefix; a number alone is in `bare`."""
    value, given = _split(text, what)
    given = (given or bare).lower()
    for unit in units:
        if given.endswith(unit) and given[: len(given) - len(unit)] in prefixes:
            return _checked(value * prefixes[given[: len(given) - len(unit)]], text, what)
    raise InputError(f"{text!r} is not {what}")


def parse_bytes(text: str, bare: str = "") -> float:
    """Bytes from "48 GB", "80GiB", "97887 MiB"; GB is 1e9, GiB is 2**30; `bare`: of a number alone,
    which an option may be where a file may not."""
    what = 'a size in bytes such as "48 GB" or "80 GiB"'
    return _scaled(text, what, ("bytes", "byte", "b"), _EITHER, bare)


def parse_bandwidth(text: str, bare: str = "") -> float:
    """Bytes per second from "1792 GB/s", "1.5 TB/s", "3.35TBps", and from the bits of a network,
    "400 Gb/s", "400 Gbps" or "400 Gbit/s"; `bare` as in `parse_bytes`."""
    what = 'a bandwidth such as "1792 GB/s" or "1.5 TB/s"'
    ways = ("bits/sec", "bit/sec", "bits/s", "bit/s", "bitps", "b/sec", "b/s", "bps")
    found = _scaled(text, what, ways, _EITHER, bare)
    return found / 8 if _BITS.fullmatch(_split(text, what)[1].rstrip()) else found


def parse_rate(text: str, bare: str = "") -> float:
    """Operations per second from "989.4 TFLOPS", "1979 TOPS", "1.2 PFLOP/s"; `bare` as above."""
    units = ("flop/s", "flops", "op/s", "ops")
    return _scaled(text, 'a rate such as "250 TFLOPS"', units, _DECIMAL, bare)


def parse_count(text: str) -> float:
    """A count from "4B" (billion), "7.6b", "4022468096", "360M", "1.5k"."""
    return _scaled(text, 'a count such as "4B" or "4022468096"', ("",), _DECIMAL | {"b": 1e9})


def parse_frequency(text: str) -> float:
    """Hertz from "1830 MHz", "2.4 GHz"."""
    return _scaled(text, 'a frequency such as "1830 MHz"', ("hz",), _DECIMAL)


def parse_power(text: str) -> float:
    """Watts from "600 W"."""
    return _scaled(text, 'a power such as "600 W"', ("w",), _DECIMAL)


def parse_whole(text: str, unit: str = "") -> int:
    """A whole number from "4096", "1_000", or thousands: "4k", "1M". Raises ValueError.

    Of "tokens", k is 1024 after a power of two, as contexts are: "8k" is 8,192, "10k" is 10,000.
    """
    match = re.fullmatch(_WHOLE, text.strip())
    if match is None or ("." in match[1] and not match[2]):
        raise ValueError(f"{text!r} is not a whole number")
    if len(match[1]) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(match[1])} digits is out of range")
    power = {"": 0, "k": 1, "m": 2}[match[2].lower()]
    if not power:
        return int(match[1])
    count = float(match[1])
    binary = unit == "tokens" and count.is_integer() and int(count) & (int(count) - 1) == 0
    value = count * (1024 if binary else 1000) ** power
    if not value.is_integer():
        raise ValueError(f"{text!r} is not a whole number")
    return int(value)


def parse_number(text: str, unit: str = "") -> float:
    """A number, perhaps with k or M and its unit: "110 tok/s", "5 req/s", of "%" also "70%".

    Raises ValueError.
    """
    try:
        value = float(text)
    except ValueError:
        value = _with_unit(text, unit)
    if math.isinf(value) and "inf" not in text.lower():
        raise ValueError(f"a number of {len(text)} letters is out of range")
    if unit == "%" and value >= 2:
        raise ValueError(f"{text!r} is not a share of one; did you mean {value / 100:g}?")
    return value


def _with_unit(text: str, unit: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    said = match[2].strip().lower() if match else ""
    ways = _WAYS.get(unit, ())
    scales = dict.fromkeys(ways, 0.01 if unit == "%" else 1.0)
    for prefix, scale in (("k", 1e3), ("m", 1e6)) if unit != "%" else ():
        scales |= {f"{prefix}{between}{way}": scale for way in ("", *ways) for between in ("", " ")}
    if match is None or said not in scales:
        raise ValueError(f"{text!r} is not a number")
    return float(match[1].replace(",", "").replace("_", "")) * scales[said]


def parse_share(text: str) -> float:
    """A share of one from "5%", "5 %" or "0.05"."""
    number, percent, rest = text.partition("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = math.nan
    if rest.strip() or not 0 <= value < 1:
        raise InputError(f'{text!r} is not a share such as "5%" or 0.05')
    return value


def parse_seconds(text: str, bare: str = "") -> float:
    """Seconds from "62ms", "4 us", "1.5 s"; a fused kernel may take "0 us"; `bare` as above."""
    what = 'a time such as "62 ms"'
    value, unit = _split(text, what)
    unit = unit or bare
    if unit.lower() not in _SECONDS:
        raise InputError(f"{text!r} is not {what}")
    return value and _checked(value * _SECONDS[unit.lower()], text, what)


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")  # 0.9999 has the digits of 1.00
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}" if abs(value) < 10**digits else f"{value:,.0f}"


def _prefixed(value: float, unit: str, steps: tuple[tuple[float, str], ...], digits: int) -> str:
    for scale, prefix in steps:
        # 0.9995 rounds up to the next prefix: 999.6 MB reads better as 1.00 GB.
        if abs(value) >= scale * (1 - 0.5 * 10 ** (-digits)):
            return f"{_significant(value / scale, digits)} {prefix}{unit}"
    return f"{_significant(value, digits)} {unit}"


_UP = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_bytes(value: float, digits: int = 3) -> str:
    """ "8.04 GB"; decimal prefixes, three significant digits."""
    return _prefixed(value, "B", _UP, digits)


def format_bandwidth(value: float, digits: int = 4) -> str:
    """ "1,792 GB/s" below 10 TB/s, as datasheets print it."""
    if value < 10e12:
        return f"{_significant(value / 1e9, digits)} GB/s"
    return _prefixed(value, "B/s", _UP, digits)


def format_rate(value: float, digits: int = 4) -> str:
    """ "989.4 TFLOPS"; always tera, so that two cards compare by eye."""
    return f"{_significant(value / 1e12, digits)} TFLOPS"


def format_flops(value: float, digits: int = 3) -> str:
    """ "14.6 TFLOP": an amount of work, never a rate."""
    return _prefixed(value, "FLOP", _UP, digits)


def format_flop_per_s(value: float, digits: int = 3) -> str:
    """ "594 TFLOP/s", "1.81 GFLOP/s": what an op attains, over many orders of magnitude."""
    return _prefixed(value, "FLOP/s", _UP, digits)


def format_count(value: float, digits: int = 3) -> str:
    """ "4.02 B", "360 M": parameters."""
    return _prefixed(value, "", ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")), digits).rstrip()


def format_seconds(value: float, digits: int = 3) -> str:
    """ "14.7 ms", "812 µs", "1.25 s"."""
    return _prefixed(value, "s", ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")), digits)


def format_requests(per_s: float, digits: int = 6) -> str:
    """Requests per second: "5 requests/s", "1 request/s", "1,000,000 requests/s"."""
    number = f"{per_s:,.0f}" if per_s >= 1000 else f"{per_s:.{digits}g}"
    return f"{number} request{'' if number == '1' else 's'}/s"
