"""GPUs by name, or from a user's file: configs/gpus/<id>.toml -> `Gpu`.

A file says what the vendor publishes (dense rates), what the driver allows, and apart from both,
in [achieved], what was measured. Text with units throughout. The keys:

    name aliases                  every spelling that means exactly this card
    default_for, others           vaguer spellings for which this card is the stated default
    vendor architecture compute_capability released tdp
    source checked confidence     where the figures come from, and when they were looked at
    assumptions notes             assumptions are printed under every answer, notes are not
    explain                       figure -> why it does not follow from the rest of the file
    [memory]                      size (what the driver shows), nominal, type, bus_bits,
                                  gbit_per_pin, bandwidth
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

Only name, memory.size, memory.bandwidth and one peak are required; what else is missing is
assumed, and the assumption said. Not here: time, and any efficiency factor.
"""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
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
)

from vperf.errors import InputError, UnknownNameError
from vperf.hardware.gpu import PIPES, Achieved, AllReduce, Gpu, Link
from vperf.sources.catalog import data_dir, is_plain_id
from vperf.units import (
    format_bandwidth,
    format_bytes,
    format_rate,
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


class AchievedTable(_Table):
    """[achieved]: what was measured; seconds, bytes/s, FLOP/s."""

    source: str
    checked: datetime.date
    memory_bandwidth: _BytesPerSecond | None = None
    gemm_latency: _Seconds | None = None
    quantize_latency: _Seconds | None = None
    quantize4_latency: _Seconds | None = None
    prefill_efficiency: PositiveFloat | None = None
    prefill_tile_keys: Annotated[float, Field(ge=0)] | None = None
    prefill_latency: _Seconds | None = None
    decode_latency: _Seconds | None = None
    decode_block: _Seconds | None = None
    moe_latency: _Seconds | None = None
    moe_efficiency: PositiveFloat | None = None
    flop_per_s: dict[_AchievedRate, _FlopPerSecond] = {}
    all_reduce: dict[_GroupSize, AllReduceTable] = {}

    def value(self) -> Achieved:
        """The frozen view the timing layer reads."""
        return Achieved(
            flop_per_s=dict(self.flop_per_s),
            memory_bandwidth=self.memory_bandwidth,
            gemm_latency_s=self.gemm_latency,
            quantize_latency_s=self.quantize_latency,
            quantize4_latency_s=self.quantize4_latency,
            prefill_efficiency=self.prefill_efficiency,
            prefill_tile_keys=self.prefill_tile_keys,
            prefill_latency_s=self.prefill_latency,
            decode_latency_s=self.decode_latency,
            decode_block_s=self.decode_block,
            moe_latency_s=self.moe_latency,
            moe_efficiency=self.moe_efficiency,
            all_reduce={
                int(size): AllReduce(line.latency, line.bandwidth)
                for size, line in self.all_reduce.items()
            },
            source=self.source,
            checked=self.checked.isoformat(),
        )


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

    def value(self, gpu_id: str) -> Gpu:
        """The frozen view, with what the file leaves out assumed and said so."""
        compute, assumed = self.compute, list(self.assumptions)

        def otherwise(value: float | None, default: float, words: str) -> float:
            if value is not None:
                return value
            assumed.append(f"{self.name}: {words}")
            return default

        rated = otherwise(
            compute.rated_clock, 1.8e9, "no rated_clock in the file, 1800 MHz assumed"
        )
        return Gpu(
            id=gpu_id,
            name=self.name,
            vendor=self.vendor,
            architecture=self.architecture,
            compute_capability=self.compute_capability,
            memory_bytes=self.memory.size,
            memory_bandwidth=self.memory.bandwidth,
            peak_flop_per_s=dict(self.peak),
            sm_count=int(otherwise(compute.sms, 128, "no SM count in the file, 128 assumed")),
            rated_clock_hz=rated,
            max_clock_hz=compute.limit_clock or compute.max_clock or rated,
            l2_bytes=otherwise(
                compute.last_level_cache or compute.l2,
                128 * 2.0**20,
                "no cache size in the file, 128 MiB assumed (it only loosens the limit)",
            ),
            link=Link(self.link.name, self.link.bandwidth) if self.link else None,
            pcie_bytes_per_s=self.pcie.bandwidth if self.pcie else None,
            tdp_w=self.tdp,
            achieved=self.achieved.value() if self.achieved else None,
            assumptions=tuple(assumed),
            source=self.source,
            checked=self.checked.isoformat() if self.checked else "",
            confidence=self.confidence,
            notes=tuple(self.notes),
            exp_per_clock=compute.exp_per_clock,
            memory_type=self.memory.type or "",
        )


def parse_gpu_file(text: str, source: str) -> GpuFile:
    """Validate the text of a GPU file; `source` is what errors call it.

    Raises InputError naming the file and the field.
    """
    try:
        return GpuFile.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"not valid TOML: {error}", source=source) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
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
    near = difflib.get_close_matches(keys[-1], table.model_fields, n=1)
    return f"did you mean {near[0]}?" if near else f"known keys: {', '.join(table.model_fields)}"


# Names ---------------------------------------------------------------------------------------

_LOWER = bytes(range(256)).lower()
_SEPARATORS = bytes(b for b in range(256) if not chr(b).isalnum() or b > 127).replace(b"\n", b"")
_MARKS = re.compile(rb"\((?:r|tm|c)\)")
_VENDOR_WORDS = re.compile(
    rb"nvidia|geforce|amd|radeon|instinct|intel|apple|tesla|generation|edition|graphics|gpu"
)
_QUOTED = re.compile(rb'"([^"\n]*)"')


def _exact_key(text: str | bytes) -> bytes:
    """Case, separators and trademark signs do not count: "RTX 4090" is "rtx_4090"."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "ignore")
    return _MARKS.sub(b"", raw.lower()).translate(_LOWER, _SEPARATORS)


def _loose_key(text: str | bytes) -> bytes:
    """Nor do vendor words: "NVIDIA GeForce RTX 4090" is "RTX4090"."""
    return _VENDOR_WORDS.sub(b"", _exact_key(text))


def _folder() -> Path:
    return data_dir() / "gpus"


def gpu_names() -> tuple[str, ...]:
    """Every bundled id, sorted; reads no file (shell completion)."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def list_gpus() -> tuple[Gpu, ...]:
    """Every bundled GPU, by id."""
    return tuple(_bundled(gpu_id).value(gpu_id) for gpu_id in gpu_names())


def _bundled(gpu_id: str) -> GpuFile:
    path = _folder() / f"{gpu_id}.toml"
    return parse_gpu_file(path.read_text(encoding="utf-8"), f"configs/gpus/{path.name}")


def load_gpu(name: str) -> Gpu:
    """The bundled GPU of that name; a vague name gives its stated default, and an assumption.

    Raises UnknownNameError with the nearest ids, InputError if several cards have the name.
    """
    name = name.strip()
    plain = name.lower()
    if is_plain_id(plain) and (_folder() / f"{plain}.toml").is_file():
        return _bundled(plain).value(plain)
    return _resolve(name)


def _resolve(name: str) -> Gpu:
    exact, loose = _exact_key(name), _loose_key(name)
    if b"\n" in exact or not loose:
        raise _unknown(name)
    files = {gpu_id: _bundled(gpu_id) for gpu_id in _candidates(loose)}
    spellings = {gpu_id: (gpu_id, file.name, *file.aliases) for gpu_id, file in files.items()}
    by_exact = [i for i in files if exact in map(_exact_key, spellings[i])]
    by_default = [i for i in files if loose in map(_loose_key, files[i].default_for)]
    by_loose = [i for i in files if loose in map(_loose_key, spellings[i])]
    for found in (by_exact, by_default, by_loose):
        if len(found) > 1:
            raise InputError(f"{name!r} is the name of several GPUs: {', '.join(found)}")
        if found:
            gpu_id = found[0]
            gpu = files[gpu_id].value(gpu_id)
            return _as_default(gpu, files[gpu_id], name) if found is by_default else gpu
    raise _unknown(name)


def _candidates(loose: bytes) -> list[str]:
    """Ids whose file quotes the name before its first table; no TOML is parsed for this."""
    found = []
    for path in sorted(_folder().glob("*.toml")):
        head = path.read_bytes().partition(b"\n[")[0]
        lines = b"\n".join([b"", path.stem.encode(), *_QUOTED.findall(head), b""])
        if b"\n" + loose + b"\n" in _loose_key(lines):
            found.append(path.stem)
    return found


def _as_default(gpu: Gpu, file: GpuFile, name: str) -> Gpu:
    what = [file.memory.nominal or format_bytes(gpu.memory_bytes)]
    what.append(f"{gpu.memory_bandwidth / 1e9:g} GB/s")
    if gpu.tdp_w is not None:
        what.append(f"{gpu.tdp_w:g} W")
    others = f"; others: {', '.join(file.others)}" if file.others else ""
    line = f"{name} taken as {gpu.name} ({', '.join(what)}){others}"
    return replace(gpu, assumptions=(line, *gpu.assumptions))


def _unknown(name: str) -> UnknownNameError:
    """The ids that contain the name first, then those that are spelled alike."""
    loose = _loose_key(name)[:64].decode()
    spelled: dict[str, str] = {}
    for gpu_id in gpu_names():
        file = (_folder() / f"{gpu_id}.toml").read_bytes()
        for text in (gpu_id.encode(), *_QUOTED.findall(file.partition(b"\nvendor")[0])):
            spelled.setdefault(_loose_key(text).decode(), gpu_id)
    inside = [spelled[key] for key in spelled if len(loose) > 1 and loose in key]
    alike = [spelled[key] for key in difflib.get_close_matches(loose, spelled, n=12, cutoff=0.4)]
    nearest = list(dict.fromkeys([*inside, *alike]))[:5]
    shown = name if len(name) <= 80 else f"{name[:77]}..."
    return UnknownNameError(
        "GPU", shown, nearest, hint="'vperf gpus' lists all; --gpu-file describes your own"
    )


# A user's own figures ------------------------------------------------------------------------


def load_gpu_file(path: str | Path) -> Gpu:
    """A GPU described by the user's own TOML file; its id is the file's name.

    Raises InputError naming file and field.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text file"
        raise InputError(f"cannot be read: {reason}", source=str(path)) from None
    return parse_gpu_file(text, str(path)).value(file.stem)


def override(
    gpu: Gpu,
    memory_bandwidth: str | None = None,
    memory: str | None = None,
    peaks: Mapping[str, str] | None = None,
) -> Gpu:
    """The GPU with the user's datasheet figures ("1.5 TB/s", "48 GB", {"bf16": "250 TFLOPS"}).

    Each is said in `assumptions`. A measured rate keeps its share of the datasheet figure: that
    share, unlike the rate, carries over between cards. Raises InputError naming the option.
    """
    said: list[str] = []
    achieved = gpu.achieved
    if memory_bandwidth is not None:
        new = _given(parse_bandwidth, memory_bandwidth, "memory bandwidth")
        kept = ""
        if achieved is not None and achieved.memory_bandwidth is not None:
            share = achieved.memory_bandwidth / gpu.memory_bandwidth
            achieved = replace(achieved, memory_bandwidth=new * share)
            kept = f", of which the measured {share:.0%} is kept"
        said.append(
            f"memory bandwidth {format_bandwidth(new)} as given,"
            f" not {format_bandwidth(gpu.memory_bandwidth)}{kept}"
        )
        gpu = replace(gpu, memory_bandwidth=new)
    if memory is not None:
        new = _given(parse_bytes, memory, "memory")
        said.append(f"memory {format_bytes(new)} as given, not {format_bytes(gpu.memory_bytes)}")
        gpu = replace(gpu, memory_bytes=new)
    for pipe, text in (peaks or {}).items():
        if pipe not in PIPES:
            near = difflib.get_close_matches(pipe, PIPES, n=3) or PIPES
            raise UnknownNameError("number format of a peak", pipe, near)
        new = _given(parse_rate, text, f"peak {pipe}")
        old = gpu.peak_flop_per_s.get(pipe)
        if achieved is not None:
            achieved = replace(achieved, flop_per_s=_rescaled(achieved.flop_per_s, pipe, new, old))
        instead = f", not {format_rate(old)}" if old else ""
        rated = "" if gpu.boost == 1 else f" at the rated clock; the limit allows x{gpu.boost:.2f}"
        said.append(f"{pipe} peak {format_rate(new)} as given{instead}{rated}")
        gpu = replace(gpu, peak_flop_per_s={**gpu.peak_flop_per_s, pipe: new})
    return replace(gpu, achieved=achieved, assumptions=(*gpu.assumptions, *said))


def _given(parse: Callable[[str], float], text: str, option: str) -> float:
    try:
        return parse(text)
    except InputError as error:
        raise InputError(error.message, field=option) from None


def _rescaled(
    rates: Mapping[str, float], pipe: str, new: float, old: float | None
) -> dict[str, float]:
    """Achieved rates with those of `pipe` at their old share of its peak; dropped without one."""
    touched: Iterable[str] = (pipe, "fp8_block") if pipe == "fp8" else (pipe,)
    scaled = {key: rates[key] * new / old for key in touched if old and key in rates}
    return {key: scaled.get(key, rate) for key, rate in rates.items() if key not in touched or old}
