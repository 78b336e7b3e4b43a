"""vperf.toml: several checks with their setups and thresholds, and [defaults] that they share.

Every path in it is relative to the file. `file` may be a pattern ("results/*.json"): a check for
each match. Not here: what the thresholds mean (thresholds.py), and grading (check.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from vperf.checks.baseline import read_baseline
from vperf.checks.check import Check, apply_thresholds, compare_to_baseline, grade_all
from vperf.checks.thresholds import Thresholds, longest, refuse_unapplied, share
from vperf.errors import InputError, VperfError
from vperf.files import is_file, is_there, read_toml
from vperf.resolve import Resolver
from vperf.scenario import Options
from vperf.values import dataclass

_SECONDS = ("max_ttft", "max_tpot")
_PLAIN: Mapping[str, Any] = {"engine": str, "workload": str, "gpu_file": str, "peak": list[str],
                             "draft_model": str}  # fmt: skip
"""Options as a TOML file has them, where Python takes objects too."""
_PATTERN = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Planned:
    """One result file of a [[check]]."""

    name: str
    """The file as vperf.toml would name it."""
    file: str
    label: str | None
    model: str | None
    gpu: str | None
    options: Mapping[str, Any]
    bars: Thresholds
    baseline: Path | None


@dataclass(frozen=True, slots=True)
class Graded:
    """What became of the checks of a vperf.toml, each by its file and label."""

    checks: tuple[tuple[str, Check], ...]
    errors: tuple[tuple[str, VperfError], ...]
    """Files that could not be graded, or bars that could not be judged, and why."""


def check_config(
    path: str | Path, *, baseline: str | Path | None = None, max_drift: float | None = None
) -> tuple[tuple[str, Check], ...]:
    """Grade every check of a vperf.toml, each by its file and label.

    `baseline` and `max_drift` win over those in the file. A result that is not in the baseline of
    others has no drift, and a warning. Raises InputError, as `vperf.check_all` does.
    """
    graded = grade_config(path, baseline=baseline, max_drift=max_drift)
    for _, error in graded.errors:
        raise error
    return graded.checks


def grade_config(
    path: str | Path,
    *,
    baseline: str | Path | None = None,
    max_drift: float | None = None,
    explain: bool = True,
) -> Graded:
    """As check_config, but a file that cannot be graded keeps no other from its verdict.

    Raises InputError where the vperf.toml itself, or a baseline, is wrong.
    """
    found: list[tuple[Planned, Check]] = []
    errors: list[tuple[str, VperfError]] = []
    resolver = Resolver()
    for plan in read_config(Path(path)):
        try:
            graded = grade_all(
                plan.file, plan.gpu, plan.model, plan.label, plan.options, resolver, explain=explain
            )
        except VperfError as error:
            errors.append((plan.name, error))
            continue
        changes: dict[str, Any] = {"baseline": Path(baseline)} if baseline is not None else {}
        if max_drift is not None:
            changes["bars"] = replace(plan.bars, max_drift=max_drift)
        found += ((replace(plan, **changes), each) for each in graded)
    plans = [plan for plan, _ in found]
    checks = _apply(plans, [each for _, each in found], errors)
    named = zip(plans, checks, strict=True)
    return Graded(
        tuple((f"{plan.name} {each.result.label}".strip(), each) for plan, each in named),
        tuple(errors),
    )


def _apply(
    plans: list[Planned], checks: list[Check], errors: list[tuple[str, VperfError]]
) -> list[Check]:
    """Each beside its baseline and held against its bars; those of one baseline together.

    A bar that no result of a file can be held against is one of `errors`.
    """
    for path in dict.fromkeys(plan.baseline for plan in plans if plan.baseline):
        here = [number for number, plan in enumerate(plans) if plan.baseline == path]
        compared = compare_to_baseline([checks[number] for number in here], read_baseline(path))
        for number, each in zip(here, compared, strict=True):
            checks[number] = each
    checks = [apply_thresholds(each, plan.bars) for plan, each in zip(plans, checks, strict=True)]
    for file in dict.fromkeys(plan.file for plan in plans):
        ours = [number for number, each in enumerate(plans) if each.file == file]
        try:
            for number in ours:
                names = {
                    n for each in ours for bar in checks[each].bars for n in (bar.name, bar.metric)
                }
                if checks[number].drift is None and plans[number].baseline:
                    names.add("max_drift")
                held = {n for each in ours for n, _ in checks[each].result.percentiles}
                refuse_unapplied(plans[number].bars, names, held, file)
        except InputError as error:
            errors.append((plans[ours[0]].name, error))
    return checks


def read_config(path: Path) -> tuple[Planned, ...]:
    """Every check of a vperf.toml. Raises InputError, which names the file and the key."""
    data = read_toml(path)
    unknown = sorted(set(data) - {"check", "defaults"})
    if unknown:
        hint = "known: [[check]], [defaults]"
        if isinstance(data[unknown[0]], dict | list):
            raise InputError(f"unknown table {unknown[0]!r}", source=str(path), hint=hint)
        raise InputError(
            f"{unknown[0]!r} stands in no table", source=str(path),
            hint="put it under [defaults] or [[check]]",
        )  # fmt: skip
    entries = data.get("check")
    if not isinstance(entries, list) or not entries:
        raise InputError(
            "has no [[check]]", source=str(path),
            hint='each has a file, as file = "result.json", and bars, as min_efficiency = 0.7',
        )  # fmt: skip
    shared = _checked(data.get("defaults", {}), path, "[defaults]")
    if "file" in shared:
        raise InputError("belongs to a [[check]]", source=str(path), field="[defaults]: file")
    return tuple(
        plan
        for number, entry in enumerate(entries, 1)
        for plan in _planned(shared, entry, path, f"check {number}")
    )


def _planned(
    shared: Mapping[str, Any], entry: Any, path: Path, where: str
) -> Iterator[Planned]:  # fmt: skip
    values = {**shared, **_checked(entry, path, where)}
    if "file" not in values:
        raise InputError(
            "has no file", source=str(path), field=where, hint='as file = "result.json"'
        )
    names = [field.name for field in fields(Thresholds)]
    bars = Thresholds(**{name: values.pop(name) for name in names if name in values})
    file, label, model, gpu, baseline = (
        values.pop(name, None) for name in ("file", "label", "model", "gpu", "baseline")
    )
    for name in ("workload", "gpu_file"):
        if name in values:
            values[name] = _beside(values[name], path)
    for name in _files(file, path, where):
        yield Planned(
            name=name,
            file=name if name == "-" else str(path.parent / name),
            label=label,
            model=model and _beside(model, path),
            gpu=gpu and _beside(gpu, path),
            options=values,
            bars=bars,
            baseline=path.parent / baseline if baseline else None,
        )


def _files(file: str, path: Path, where: str) -> list[str]:
    """The file, or those that a pattern matches, by name."""
    if not _PATTERN & set(file) or is_there(path.parent / file):
        return [file]
    if Path(file).is_absolute():
        raise InputError(
            "a pattern is relative to the vperf.toml", source=str(path), field=f"{where}: file"
        )
    try:
        found = sorted(each for each in path.parent.glob(file) if is_file(each))
    except ValueError as error:
        raise InputError(str(error), source=str(path), field=f"{where}: file") from None
    if not found:
        raise InputError(f"{file!r} matches no file", source=str(path), field=f"{where}: file")
    return [each.relative_to(path.parent).as_posix() for each in found]


def _beside(name: str, path: Path) -> str:
    """A model or GPU file beside the vperf.toml; any other name as it is."""
    file = path.parent / name
    looks = name.startswith(".") or name.endswith((".toml", ".json", ".gguf"))
    return str(file) if looks and is_there(file) else name


def _checked(table: Any, path: Path, where: str) -> dict[str, Any]:
    """The values of one table by option, of the right types; bars as Thresholds names them."""
    from pydantic import ValidationError  # noqa: PLC0415  (a start costs what it uses)

    if not isinstance(table, dict):
        raise InputError("is not a table", source=str(path), field=where)
    schema = _schema()
    named = {str(key).replace("-", "_"): value for key, value in table.items()}
    try:
        values: dict[str, Any] = schema.model_validate(named).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, schema.model_fields, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else "keys are the options of 'vperf check'"
            raise InputError(
                f"unknown key {key!r}", source=str(path), field=where, hint=hint
            ) from None
        raise InputError(first["msg"], source=str(path), field=f"{where}: {key}") from None
    bars: dict[str, Any] = {"percentiles": ()}
    for name in _SECONDS:
        if name in values:
            of = f"{name.removeprefix('max_')}_s"
            mean, ranks = longest(values.pop(name), f"{path}: {where}: {name}", of)
            bars["percentiles"] += ranks
            if mean is not None:
                bars[f"{name}_s"] = mean
    if not bars["percentiles"]:
        del bars["percentiles"]
    if "max_drift" in values:
        bars["max_drift"] = share(values.pop("max_drift"), f"{path}: {where}: max_drift")
    for name in ("min_efficiency", "min_of_limit", "min_mbu"):
        if name in values:
            bars[name] = values.pop(name)
    try:
        Thresholds(**bars)
    except InputError as error:
        raise InputError(error.message, source=f"{path}: {where}") from None
    return {**values, **bars}


@cache
def _schema() -> Any:
    """A table as pydantic has it: the file, bars, and every option of an estimate."""
    from typing import get_type_hints  # noqa: PLC0415

    from pydantic import ConfigDict, create_model  # noqa: PLC0415

    texts = ("file", "label", "model", "gpu", "baseline", *_SECONDS)
    own: dict[str, Any] = {
        **dict.fromkeys(texts, (str, "")),
        **dict.fromkeys(("min_efficiency", "min_of_limit", "min_mbu"), (float, 0.0)),
        "max_drift": (str | float, 0.0),
    }
    options: dict[str, Any] = {
        name: (_PLAIN.get(name, hint), None) for name, hint in get_type_hints(Options).items()
    }
    return create_model("CheckTable", __config__=ConfigDict(extra="forbid", strict=True),
                        **own, **options)  # fmt: skip
