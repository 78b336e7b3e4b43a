"""What a deployment costs: $ per GPU-hour -> $ per million tokens. vperf ships no price.

    input    = $/s x seconds of the deployment that one prompt token takes
    output   = $/s x seconds that one output token takes

with every GPU of the deployment paid, and the batch or the load as asked for. Not here: how long a
token takes (speeds/).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from vperf.answer import Speeds
from vperf.errors import InputError
from vperf.files import read_toml
from vperf.sources.gpus import load_gpu
from vperf.spelling import flag
from vperf.units import is_moderate
from vperf.values import dataclass

Prices = Mapping[str, float]
"""$ per GPU-hour by GPU id."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars of a deployment."""

    usd_per_hour: float
    usd_per_mtok_input: float
    usd_per_mtok_output: float
    usd_per_request: float


def cost_of(figures: Speeds, usd_per_gpu_hour: float) -> Cost:
    """What the tokens of these figures cost at a price of one GPU for an hour."""
    hourly = usd_per_gpu_hour * figures.gpus
    rate = hourly / 3600
    return Cost(
        usd_per_hour=hourly,
        usd_per_mtok_input=1e6 * rate * figures.input_s,
        usd_per_mtok_output=1e6 * rate * figures.output_s,
        usd_per_request=rate / figures.requests_per_s,
    )


def prices_of(given: Mapping[str, float]) -> Prices:
    """Prices by GPU id, from any names of GPUs. Raises InputError, UnknownNameError."""
    prices: dict[str, float] = {}
    for name, usd in given.items():
        if isinstance(usd, bool) or not isinstance(usd, int | float) or not is_moderate(usd):
            raise InputError(
                f"must be $ per GPU-hour above 0, not {usd!r}", field=f"price of {name}"
            )
        gpu_id = load_gpu(name).id
        if gpu_id in prices:
            raise InputError(f"{gpu_id} is given twice", field=f"price of {name}")
        prices[gpu_id] = float(usd)
    return prices


def parse_prices(texts: Iterable[str]) -> dict[str, float]:
    """{"h100-sxm": 2.5} from ["h100-sxm=2.50"]. Raises InputError."""
    found: dict[str, float] = {}
    for text in texts:
        name, equals, usd = text.rpartition("=")
        try:
            value = float(usd.strip().removeprefix("$"))
        except ValueError:
            value = math.nan
        if not (equals and name.strip()) or math.isnan(value):
            raise InputError(f"{text!r} is not like h100-sxm=2.50", source=flag("price"),
                             hint="a GPU and its $ per GPU-hour")  # fmt: skip
        if name.strip() in found:
            raise InputError(f"{name.strip()} is given twice", source=flag("price"))
        found[name.strip()] = value
    return found


def load_prices(path: str | Path) -> dict[str, float]:
    """The prices of a TOML file whose keys are GPUs: `h100-sxm = 2.50`. Raises InputError."""
    data = read_toml(path)
    for name, usd in data.items():
        if isinstance(usd, bool) or not isinstance(usd, int | float):
            raise InputError("must be $ per GPU-hour, as 2.50", source=str(path), field=name)
    if not data:
        raise InputError("holds no price", source=str(path), hint="lines such as h100-sxm = 2.50")
    return data
