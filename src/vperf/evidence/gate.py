"""Bars that a result must clear, and vperf.toml, which holds several checks with theirs.

A bar that cannot be judged (no TTFT was measured) is an error, not a pass. A result above the limit
clears no bar: whatever it measured, it was not this. Without bars nothing fails.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vperf.errors import InputError
from vperf.question import Options

if TYPE_CHECKING:
    from vperf.evidence.check import Check


@dataclass(frozen=True, slots=True)
class Bars:
    """What is asked of a result; None asks nothing."""

    min_efficiency: float | None = None
    """Of the expected speed of the main figure."""
    min_of_limit: float | None = None
    """Of the limit of the main figure."""
    min_mbu: float | None = None
    """Model bandwidth utilization of decode."""
    max_ttft_s: float | None = None
    max_tpot_s: float | None = None

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"must be above 0, not {value!r}", field=_flag(name))

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, judged."""

    name: str
    """A field of Bars; "possible" for the bar that a result above the limit fails."""
    asked: float
    got: float
    passed: bool
    short: float
    """By how much it fails, as a share of the bar; 0 where it passes."""


def _flag(name: str) -> str:
    return name.removesuffix("_s").replace("_", "-")


def judged(bars: Bars, check: Check) -> tuple[Bar, ...]:
    """Every bar that this result can be held against."""
    found = []
    for name, got in _values(check).items():
        asked = getattr(bars, name)
        if asked is None or got is None:
            continue
        miss = 1 - got / asked if name.startswith("min") else got / asked - 1
        found.append(Bar(name, asked, got, miss <= 0, max(0.0, miss)))
    if bars and check.verdict == "impossible":
        worst = max(check.metrics, key=lambda metric: metric.of_limit)
        found = [replace(bar, passed=False) for bar in found]
        found.insert(0, Bar("possible", 1.0, worst.of_limit, False, worst.of_limit - 1))
    return tuple(found)


def _values(check: Check) -> dict[str, float | None]:
    times = {metric.name: metric.measured for metric in check.metrics}
    decode = next((use.mbu for use in check.utilization if use.phase == "decode"), None)
    return {
        "min_efficiency": check.main.of_expected,
        "min_of_limit": check.main.of_limit,
        "min_mbu": decode,
        "max_ttft_s": times.get("ttft_s"),
        "max_tpot_s": times.get("tpot_s") or check.tpot_s,
    }


def refuse_unjudged(bars: Bars, judged_names: set[str], source: str) -> None:
    """InputError for a bar that no result could be held against."""
    for name in (field.name for field in fields(bars)):
        if getattr(bars, name) is not None and name not in judged_names:
            what = {"max_ttft_s": "TTFT", "max_tpot_s": "TPOT"}.get(name, "decode speed")
            raise InputError(
                f"cannot be judged: {source} holds no {what}", field=f"--{_flag(name)}"
            )


@dataclass(frozen=True, slots=True)
class Planned:
    """One [[check]] of a vperf.toml."""

    file: Path
    """Beside the vperf.toml where it is relative."""
    label: str | None
    model: str | None
    gpu: str | None
    options: Mapping[str, Any]
    bars: Bars


_SECONDS = ("max_ttft", "max_tpot")


def read_config(path: Path) -> tuple[Planned, ...]:
    """The checks of a vperf.toml; [defaults] holds what they share. Raises InputError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid TOML: {error}", source=str(path)) from None
    unknown = sorted(set(data) - {"check", "defaults"})
    if unknown:
        raise InputError(
            f"unknown table {unknown[0]!r}", source=str(path), hint="known: [[check]], [defaults]"
        )
    shared, entries = data.get("defaults", {}), data.get("check", [])
    if not isinstance(shared, dict) or not isinstance(entries, list) or not entries:
        raise InputError(
            "has no [[check]]", source=str(path),
            hint='each has a file, as file = "result.json", and bars, as min_efficiency = 0.7',
        )  # fmt: skip
    return tuple(
        _planned({**shared, **entry} if isinstance(entry, dict) else {}, path, number)
        for number, entry in enumerate(entries, 1)
    )


def _planned(entry: dict[str, Any], path: Path, number: int) -> Planned:
    from pydantic import ValidationError  # noqa: PLC0415  (a start costs what it uses)

    where = f"check {number}"
    schema = _schema()
    named = {str(key).replace("-", "_"): value for key, value in entry.items()}
    try:
        values = schema.model_validate(named).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = ", ".join(schema.model_fields)
            raise InputError(
                f"unknown key {key!r}", source=str(path), field=where, hint=f"known: {known}"
            ) from None
        raise InputError(first["msg"], source=str(path), field=f"{where}: {key}") from None
    bars = {name: values.pop(name) for name in ("min_efficiency", "min_of_limit", "min_mbu")
            if name in values}  # fmt: skip
    for name in _SECONDS:
        if name in values:
            bars[f"{name}_s"] = seconds(values.pop(name), f"{path}: {where}: {name}")
    file = Path(values.pop("file"))
    try:
        checked = Bars(**bars)
    except InputError as error:
        raise InputError(error.message, source=f"{path}: {where}") from None
    return Planned(
        file=file if str(file) == "-" else path.parent / file,
        label=values.pop("label", None),
        model=values.pop("model", None),
        gpu=values.pop("gpu", None),
        options=values,
        bars=checked,
    )


def seconds(text: str, field: str) -> float:
    """A time as "200 ms". Raises InputError with the field."""
    from vperf.units import parse_seconds  # noqa: PLC0415

    try:
        value = parse_seconds(text)
    except InputError as error:
        raise InputError(error.message, field=field) from None
    if not value > 0:
        raise InputError("must be above 0", field=field)
    return value


def _schema() -> Any:
    """A [[check]] as pydantic has it: the file, bars, and every option of an estimate."""
    from typing import get_type_hints  # noqa: PLC0415

    from pydantic import ConfigDict, create_model  # noqa: PLC0415

    own: dict[str, Any] = {
        "file": (str, ...),
        **dict.fromkeys(("label", "model", "gpu", *_SECONDS), (str | None, None)),
        **dict.fromkeys(("min_efficiency", "min_of_limit", "min_mbu"), (float | None, None)),
    }
    options: dict[str, Any] = {
        name: (str | None if name == "engine" else hint | None, None)
        for name, hint in get_type_hints(Options).items()
    }
    return create_model("CheckEntry", __config__=ConfigDict(extra="forbid", strict=True),
                        **own, **options)  # fmt: skip
