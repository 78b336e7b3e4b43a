"""What a GPU file may hold: configs/gpus/<id>.toml, and a user's own.

A file says what the vendor publishes (dense rates), what the driver allows, and apart from both,
in [achieved], what was measured. Text with units throughout. The keys:

    name aliases                  every spelling that means exactly this card
    default_for, others           vaguer spellings for which this card is the stated default
    vendor architecture compute_capability released tdp
    source checked confidence     where the figures come from, and when they were looked at
    assumptions notes             assumptions are printed under every answer, notes are not
    explain                       figure -> why it does not follow from the rest of the file
    [memory]                      size (what the driver shows), nominal, assumption (what the size
                                  takes for granted), type, bus_bits, gbit_per_pin, bandwidth
    [compute]                     sms (CUs, cores), l2, last_level_cache, exp_per_clock; clocks:
        rated_clock               at which the peaks are quoted (the tensor clock)
        fp32_clock                at which fp32 is quoted, where that is another one
        max_clock                 the highest the driver allows
        limit_clock               what the limit uses instead of max_clock, on cards where many
                                  measurements show that no matmul beats the rated peak
        ops_per_clock             per SM and pipe: sms x ops_per_clock x rated_clock = peak
    [peak]                        dense FLOP/s per pipe (hardware.gpu.PIPES)
    [link] [pcie]                 bandwidths in one direction
    [achieved]                    the fields of hardware.gpu.Achieved

Only name, memory.size, memory.bandwidth and one peak are required. A user's file is validated
with this when it is read, the bundled ones in the tests: pydantic takes longer to load than the
rest of an estimate. Not here: names, and the frozen `Gpu` (gpus.py).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    create_model,
)

from vperf.errors import InputError
from vperf.hardware.gpu import MEASURED, PIPES, achieved_key
from vperf.units import (
    parse_bandwidth,
    parse_bytes,
    parse_frequency,
    parse_power,
    parse_rate,
    parse_seconds,
)

_ACHIEVED_RATES = (*PIPES, "fp8_block")


def _unit(parse: Callable[[str], float]) -> BeforeValidator:
    def convert(value: object) -> float:
        try:
            return parse(value if isinstance(value, str) else repr(value))
        except InputError as error:
            raise ValueError(error.message) from None

    return BeforeValidator(convert)


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"{name!r} is not one of {', '.join(names)}")
        return name

    return AfterValidator(check)


_Bytes = Annotated[float, _unit(parse_bytes)]
_BytesPerSecond = Annotated[float, _unit(parse_bandwidth)]
_FlopPerSecond = Annotated[float, _unit(parse_rate)]
_Hertz = Annotated[float, _unit(parse_frequency)]
_Seconds = Annotated[float, _unit(parse_seconds)]
_Watts = Annotated[float, _unit(parse_power)]
_Pipe = Annotated[str, _one_of(PIPES)]
_AchievedRate = Annotated[str, _one_of(_ACHIEVED_RATES)]
_GroupSize = Annotated[str, Field(pattern=r"^[1-9]\d{0,3}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MemoryTable(_Table):
    """[memory]: sizes in bytes, bandwidth in bytes/s."""

    size: _Bytes
    bandwidth: _BytesPerSecond
    nominal: str = ""
    assumption: str = ""
    type: str = ""
    bus_bits: PositiveInt | None = None
    gbit_per_pin: PositiveFloat | None = None


class ComputeTable(_Table):
    """[compute]: counts, caches in bytes, clocks in hertz."""

    sms: PositiveInt | None = None
    rated_clock: _Hertz | None = None
    fp32_clock: _Hertz | None = None
    max_clock: _Hertz | None = None
    limit_clock: _Hertz | None = None
    max_clock_source: str = ""
    l2: _Bytes | None = None
    last_level_cache: _Bytes | None = None
    exp_per_clock: PositiveFloat = 16.0
    ops_per_clock: dict[_Pipe, PositiveFloat] = {}


class LinkTable(_Table):
    """[link]: the peer link, bytes/s in one direction."""

    name: str
    bandwidth: _BytesPerSecond


class PcieTable(_Table):
    """[pcie]: bytes/s in one direction."""

    bandwidth: _BytesPerSecond
    generation: PositiveInt | None = None
    lanes: PositiveInt | None = None


class AllReduceTable(_Table):
    """One group size of [achieved.all_reduce]."""

    latency: _Seconds
    bandwidth: _BytesPerSecond
    large_latency: _Seconds | None = None
    large_bandwidth: _BytesPerSecond | None = None


def _constant(name: str) -> Any:
    if name.endswith("_s"):
        return _Seconds | None
    return (_BytesPerSecond if name.endswith("_bandwidth") else PositiveFloat) | None


_FIELDS: dict[str, Any] = {achieved_key(name): (_constant(name), None) for name in MEASURED}
_Constants: Any = create_model("_Constants", __base__=_Table, **_FIELDS)


class AchievedTable(_Constants):  # type: ignore[misc]  # its fields are those of Achieved
    """[achieved]: what was measured; seconds, bytes/s, FLOP/s."""

    source: str
    checked: datetime.date
    flop_per_s: dict[_AchievedRate, _FlopPerSecond] = Field(default_factory=dict)
    all_reduce: dict[_GroupSize, AllReduceTable] = Field(default_factory=dict)


class GpuFile(_Table):
    """One TOML file; the module's docstring explains the keys."""

    name: Annotated[str, Field(min_length=1)]
    memory: MemoryTable
    peak: Annotated[dict[_Pipe, _FlopPerSecond], Field(min_length=1)]
    aliases: list[str] = []
    default_for: list[str] = []
    others: list[str] = []
    vendor: str = ""
    architecture: str = ""
    compute_capability: str = ""
    released: PositiveInt | None = None
    tdp: _Watts | None = None
    source: str = ""
    checked: datetime.date | None = None
    confidence: Literal["high", "medium", "low"] = "medium"
    assumptions: list[str] = []
    notes: list[str] = []
    explain: dict[str, str] = {}
    compute: ComputeTable = ComputeTable()
    link: LinkTable | None = None
    pcie: PcieTable | None = None
    achieved: AchievedTable | None = None


def check_gpu_file(data: Mapping[str, Any], source: str) -> GpuFile:
    """Validate a parsed GPU file; `source` is what errors call it.

    Raises InputError naming the file and the field.
    """
    try:
        return GpuFile.model_validate(data)
    except ValidationError as error:
        # A misspelt key is also a missing one: say the key that is there.
        errors = error.errors(include_url=False)
        first = min(errors, key=lambda item: item["type"] != "extra_forbidden")
        keys = [str(key) for key in first["loc"] if key != "[key]"]
        raise InputError(
            _explained(first["type"], first["msg"]),
            source=source,
            field=".".join(keys),
            hint=_nearest_key(keys) if first["type"] == "extra_forbidden" else "",
        ) from None


def _explained(kind: str, message: str) -> str:
    ours = {"extra_forbidden": "unknown key", "missing": "required, but missing"}
    return ours.get(kind, message.removeprefix("Value error, "))


def _nearest_key(keys: list[str]) -> str:
    table: Any = GpuFile
    for key in keys[:-1]:
        annotation = table.model_fields[key].annotation if key in table.model_fields else None
        options = getattr(annotation, "__args__", (annotation,))
        table = next((o for o in options if isinstance(o, type) and issubclass(o, _Table)), None)
        if table is None:
            return ""
    import difflib  # noqa: PLC0415  (only on the way to an error)

    near = difflib.get_close_matches(keys[-1], table.model_fields, n=1)
    return f"did you mean {near[0]}?" if near else f"known keys: {', '.join(table.model_fields)}"
