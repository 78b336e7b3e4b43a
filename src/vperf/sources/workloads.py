"""Workloads: configs/workloads/<name>.toml, or a user's TOML or JSON lines -> `Lengths`.

A TOML file states `input_len` and `output_len`, each a number or a table of percentiles
(`p10 = 200`, `p50 = 900`, ...), between which values are interpolated and beyond which they stay;
or `[[requests]]` with input_len, output_len and perhaps a weight. `source`, `checked` and
`prefix_cache_hit` are optional. JSON lines (.jsonl, or a list in .json) hold the lengths of one
request each. Not here: what the distribution does to a speed (speeds/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from vperf.errors import MAX_COUNT, InputError, UnknownNameError
from vperf.files import parse_json, parse_toml, read_text
from vperf.serving.lengths import Lengths, Request, distribution
from vperf.sources.catalog import Files, files_of

_INPUT = ("input_len", "input_length", "prompt_len", "prompt_tokens", "input_tokens")
_OUTPUT = ("output_len", "output_length", "completion_tokens", "output_tokens")
"""What benchmark tools call the two."""
_KEYS = {"input_len", "output_len", "requests", "source", "checked", "prefix_cache_hit"}
_PERCENTS = frozenset(map(str, range(101)))
_QUANTILES = 64


def workload_names() -> tuple[str, ...]:
    """Of the workloads that ship and the user's own."""
    return files_of("workloads").ids


def list_workloads() -> tuple[Lengths, ...]:
    """Every workload, by name; the user's broken files are left out."""
    return files_of("workloads").usable(load_workload)


def load_workload(name: str | Path) -> Lengths:
    """A workload by name, or a file. Raises UnknownNameError, InputError."""
    return _load(name, files_of("workloads"))


@lru_cache(maxsize=32)
def _load(name: str | Path, files: Files) -> Lengths:
    text = str(name)
    plain = text.strip().lower()
    if isinstance(name, str) and (file := files.path(plain)):
        return _from_toml(read_text(file), str(file), plain)
    path = Path(text).expanduser()
    if path.suffix.lower() not in (".toml", ".jsonl", ".json"):
        raise UnknownNameError(
            "workload", text[:80],
            hint=f"known: {', '.join(workload_names())}; or a .toml, .jsonl or .json file",
        )  # fmt: skip
    content = read_text(path)
    if path.suffix.lower() == ".toml":
        return _from_toml(content, text, path.stem)
    pairs = list(_json_pairs(content, text, lines=path.suffix.lower() == ".jsonl"))
    if not pairs:
        raise InputError("holds no request", source=text)
    return distribution(pairs, name=path.stem, source=f"{len(pairs):,} requests")


def _from_toml(content: str, source: str, name: str) -> Lengths:
    data = parse_toml(content, source)
    for key in data.keys() - _KEYS:
        raise InputError(
            "unknown key", source=source, field=key, hint=f"known: {', '.join(sorted(_KEYS))}"
        )
    hit = data.get("prefix_cache_hit", 0.0)
    if isinstance(hit, bool) or not isinstance(hit, int | float) or not 0 <= hit < 1:
        raise InputError(
            f"must be from 0 to below 1, not {hit!r}", source=source, field="prefix_cache_hit"
        )
    said = str(data.get("source", ""))
    if "requests" in data:
        if "input_len" in data or "output_len" in data:
            raise InputError("cannot be combined with input_len or output_len", source=source,
                             field="requests")  # fmt: skip
        pairs = list(_listed(data["requests"], source))
        return distribution(pairs, name=name, source=said, prefix_hit=float(hit))
    sides = [_side(data, key, source) for key in ("input_len", "output_len")]
    if all(len(side) == 1 for side in sides):
        (tokens_in,), (tokens_out,) = sides
        one = (Request(tokens_in, tokens_out),)
        return Lengths(one, tokens_in, tokens_out, name, said, float(hit))
    # Nothing says how the two go together: independent.
    pairs = [(a, b, 1.0) for a in sides[0] for b in sides[1]]
    return distribution(pairs, name=name, source=said, prefix_hit=float(hit))


def _side(data: Mapping[str, Any], key: str, source: str) -> list[int]:
    value = data.get(key)
    if value is None:
        raise InputError("required, but missing", source=source, field=key)
    if not isinstance(value, dict):
        return [_tokens(value, source, key)]
    points = []
    for name, tokens in value.items():
        digits = name.removeprefix("p")
        if not (name.startswith("p") and digits in _PERCENTS):
            raise InputError("is not a percentile such as p50", source=source,
                             field=f"{key}.{name}")  # fmt: skip
        points.append((int(digits) / 100, _tokens(tokens, source, f"{key}.{name}")))
    points.sort()
    if not points:
        raise InputError("has no percentile", source=source, field=key)
    if any(a[1] > b[1] for a, b in pairwise(points)):
        raise InputError("percentiles must not fall", source=source, field=key)
    return [_at((i + 0.5) / _QUANTILES, points) for i in range(_QUANTILES)]


def _at(share: float, points: list[tuple[float, int]]) -> int:
    if share <= points[0][0]:
        return points[0][1]
    for (low, a), (high, b) in pairwise(points):
        if share <= high:
            return round(a + (b - a) * (share - low) / (high - low))
    return points[-1][1]


def _listed(rows: object, source: str) -> Iterator[tuple[int, int, float]]:
    if not isinstance(rows, list) or not rows:
        raise InputError("must be a list of tables, [[requests]]", source=source, field="requests")
    for number, row in enumerate(rows):
        where = f"requests.{number}"
        if not isinstance(row, dict):
            raise InputError("must be a table", source=source, field=where)
        for key in row.keys() - {"input_len", "output_len", "weight"}:
            raise InputError("unknown key", source=source, field=f"{where}.{key}")
        weight = row.get("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
            raise InputError(f"must be above 0, not {weight!r}", source=source,
                             field=f"{where}.weight")  # fmt: skip
        tokens = [_tokens(row.get(k), source, f"{where}.{k}") for k in ("input_len", "output_len")]
        yield tokens[0], tokens[1], float(weight)


def _json_pairs(content: str, source: str, *, lines: bool) -> Iterator[tuple[int, int, float]]:
    rows: Iterable[tuple[str, Any]]
    if lines:
        texts = ((f"line {n}", text) for n, text in enumerate(content.splitlines(), 1))
        rows = [(at, parse_json(text, source, at)) for at, text in texts if text.strip()]
    else:
        data = parse_json(content, source)
        if not isinstance(data, list):
            raise InputError("must hold a list of requests", source=source)
        rows = [(f"request {n}", row) for n, row in enumerate(data, 1)]
    for where, row in rows:
        if not isinstance(row, dict):
            raise InputError("must be an object with the lengths of one request", source=source,
                             field=where)  # fmt: skip
        found = [next((row[k] for k in keys if k in row), None) for keys in (_INPUT, _OUTPUT)]
        if None in found:
            hint = (
                "conversations hold text: count their tokens with the model's tokenizer first"
                if "conversations" in row
                else ""
            )
            raise InputError(
                f"has no {'input_len' if found[0] is None else 'output_len'}", source=source,
                field=where, hint=hint,
            )  # fmt: skip
        yield _tokens(found[0], source, where), _tokens(found[1], source, where), 1.0


def _tokens(value: object, source: str, field: str) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 1 <= value <= MAX_COUNT:  # type: ignore[operator]
        raise InputError(f"must be a number of tokens, not {value!r}", source=source, field=field)
    return int(value)  # type: ignore[call-overload,no-any-return]
