"""`llama-bench -o json | jsonl | csv | md | sql`: a result for every test (row).

Fields, the markdown table and the names of tests as in ggml-org/llama.cpp
tools/llama-bench/llama-bench.cpp at commit 0104b15 (read November 2026); names of file types as
llama_model_ftype_name in src/llama-model-loader.cpp. Markdown has the model's kind for its name,
and no GPU unless the lines that the backends print above it are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record, number_or_none, shown
from vperf.checks.importers.surroundings import cards_in, options_in, overrides, used_cards
from vperf.checks.result import Result, Setup
from vperf.errors import InputError, UnknownNameError
from vperf.formats import format_named
from vperf.sources.gpus import CPU
from vperf.units import parse_bytes, parse_count

_TOOL = "llama-bench"
_ALL_LAYERS = 99
"""What -ngl is unless somebody chose it; -1 in newer versions."""
_TENSOR_SPLITS = ("row", "tensor", "graph")
"""Modes (-sm) in which the cards share each matmul; by default each takes layers."""
_RPC = "RPC"
_MISTRALRS = "mistralrs-bench"
"""Of mistral.rs, whose table has llama-bench's columns and more."""
_KINDS = {"small": "s", "medium": "m", "large": "l"}
_NAMES = {"all_f32": "fp32", "f32": "fp32", "f16": "fp16", "bf16": "bf16", "q2_k_m": "q2_k",
          "iq3_s_mix": "iq3_m", "mxfp4_moe": "mxfp4_moe"}  # fmt: skip
_FTYPE = re.compile(
    r"(?:mostly )?((?:all F32|BF16|F16|F32|MXFP4 MoE|NVFP4|(?:I?Q|TQ)\d[A-Z0-9_]*(?: mix)?))"
    r"(?: - ([A-Z]\w+))?(?: - .*)?(?: \(guessed\))?$"
)
_TEST = re.compile(r"(?:pp ?(\d{1,12}))?\+?(?:tg ?(\d{1,12}))?(?: @ d(\d{1,12}))?")

_SPEED = re.compile(r"(\d[\d.,]*)(?:[^\d\n]{1,5}(\d[\d.,]*))?")
"""The mean and its deviation, with "±" between or what became of it."""


def _read(record: Record) -> Iterator[Result]:
    prompt, generated = record.count("n_prompt") or 0, record.count("n_gen") or 0
    depth = record.count("n_depth") or 0
    if not prompt and not generated:
        raise record.error("n_prompt", "and n_gen are 0: the row is no test")
    rate = record.need("avg_ts")
    deviation = record.number("stddev_ts")
    setup, notes, warnings = _setup(record)
    test = "+".join(
        f"{name}{length}" for name, length in (("pp", prompt), ("tg", generated)) if length
    )
    both = bool(prompt and generated)
    other = record.text("tool")
    yield Result(
        tool=other or _TOOL,
        label=f"{test} @ d{depth}" if depth else test,
        setup=Setup(
            **setup,
            engine=None if other else "llama.cpp",
            batch_size=record.degree("concurrency") or 1,
            input_len=prompt,
            output_len=generated,
            past_len=depth,
        ),
        decode_tokens_per_s=rate if generated and not both else None,
        prefill_tokens_per_s=rate if prompt and not both else None,
        latency_s=(prompt + generated) / rate if both else None,
        spread=deviation / rate if deviation else None,
        notes=tuple(notes),
        warnings=tuple(warnings),
    )


def _setup(record: Record) -> tuple[dict[str, Any], list[str], list[str]]:
    """What ran, what cannot be told of it, and what makes one card's answer doubtful."""
    notes: list[str] = []
    warnings: list[str] = []
    kind = (record.text("model_type") or "")[:200]
    quantization = _quantization(kind)
    if kind and quantization is None:
        notes.append(f"the quantization of {kind} is none that vperf names")
    build = record.count("build_number")
    gpu, gpus, unlike = _gpus(record, notes)
    rpc = _RPC in (record.text("backends") or "").split(",")
    if rpc:
        warnings.append(
            "RPC: layers ran on another machine too, whose cards the file does not name; graded as"
            " the card here alone"
        )
    split = record.text("split_mode") or "layer"
    shared = gpus if gpus and gpus > 1 else None
    cache = {record.text("type_k"), record.text("type_v")} - {None}
    if len(cache) > 1:
        notes.append(
            f"keys and values of the cache differ: {' and '.join(sorted(filter(None, cache)))}"
        )
    if record.get("no_kv_offload") in (True, 1):
        warnings.append("the KV cache stays in host memory (-nkvo)")
    layers, moved = record.get("n_gpu_layers"), record.get("tensor_buft_overrides")
    on_cpu = gpu is not None and gpu.startswith(CPU)
    some = isinstance(layers, int | float) and 0 <= layers < _ALL_LAYERS and not on_cpu
    shares = str(record.get("tensor_split") or "").split("/")
    flash = record.get("flash_attn")
    if flash in (False, 0):
        warnings.append("flash attention was off (-fa 0)")
    return (
        {
            "model": record.text("model_filename") or kind or None,
            "gpu": gpu,
            "gpus": gpus,
            "unlike_gpus": unlike,
            "n_gpu_layers": record.count("n_gpu_layers") if some else None,
            "n_cpu_moe": record.count("n_cpu_moe") or None,
            "rpc": rpc,
            "override_tensor": overrides("" if moved in (None, "none") else str(moved), notes),
            "tensor_split": "/".join(shares) if any(map(_share, shares)) else None,
            "cpu": (record.text("cpu_info") or "").split(",")[0].strip() or None,
            "max_batched_tokens": record.count("n_ubatch"),
            "tp": shared if split in _TENSOR_SPLITS else None,
            "pp": shared if split not in _TENSOR_SPLITS else None,
            "engine_version": f"b{build}" if build else None,
            "quantization": quantization,
            "kv_cache_dtype": cache.pop() if len(cache) == 1 else None,
            "flash_attention": _FLASH.get(flash) if isinstance(flash, int | float | str) else None,
            "weight_bytes": record.metric("model_size"),
            "params": record.metric("model_n_params"),
        },
        notes,
        warnings,
    )


_FLASH = {1: True, "on": True, 0: False, "off": False}
"""-fa; "auto" says nothing."""


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _gpus(record: Record, notes: list[str]) -> tuple[str | None, int | None, tuple[str, ...]]:
    """Name and number of the GPUs, and all names of unlike ones; llama-bench lists what it sees."""
    names = [name.strip() for name in (record.text("gpu_info") or "").split(",") if name.strip()]
    if not names:
        cpu = record.text("cpu_info") if "CPU" in (record.text("backends") or "") else None
        if "CPU" in (record.text("backends") or ""):
            notes.append(f"ran on the CPU ({cpu or 'unnamed'})")
        return (f"{CPU}{cpu}", None, ()) if cpu else (None, None, ())
    names = used_cards(names)
    if record.text("split_mode") == "none":
        names = names[:1]
    devices = (record.text("devices") or "auto").split("/")
    if devices != ["auto"] and len(devices) < len(names):
        names = names[: len(devices)] if len(set(names)) == 1 else names
    if len(set(names)) > 1:
        notes.append(f"GPUs of several kinds: {', '.join(names)}")
        return None, len(names), tuple(names)
    return names[0], len(names), ()


def _quantization(kind: str) -> str | None:
    """ "qwen3 4B Q4_K - Medium" -> "q4_k_m"; None for what vperf has no name for."""
    for start in [match.end() for match in re.finditer(r"\s", kind)]:
        match = _FTYPE.match(kind, start)
        if match is None:
            continue
        size = _KINDS.get((match[2] or "").lower())
        name = "_".join(filter(None, [match[1].lower().replace(" ", "_"), size]))
        try:
            return format_named(_NAMES.get(name, name)).name
        except UnknownNameError:
            return None
    return None


def _rows(document: Document) -> Iterator[Record | InputError]:
    """The rows of every table, each with the cards that its own run lists above it."""
    before, bare = 0, False
    header: list[str] = []
    printed: dict[str, Any] = {}
    text = document.plain
    for number, match in enumerate(re.finditer(r"[^\n]*\n?", text), 1):
        line = match[0].strip()
        fenced, closed = line.startswith("|"), line.endswith("|")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        where = f"line {number}"
        head = [cell.lower() for cell in cells]
        if "test" in head and "t/s" in head:
            if not _BENCHY & set(head):
                header = head
                printed = _printed_around(text[before : match.start()], text, match.end(), printed)
                before = match.end()
                bare = not fenced
            continue
        if "|" not in line:
            header = header if set(line) <= set("+-= ") else []
            continue
        if not header and (bare_row := _headless(cells)):
            header, bare, printed = bare_row, not fenced, {}
        if not header or set(line) <= set("|:-+ "):
            continue
        if len(cells) != len(header) or (fenced and not closed) or (not fenced and not bare):
            yield InputError(
                "the row of the table is cut", source=document.source, field=where,
                hint="copy all of it, or give llama-bench -o json",
            )  # fmt: skip
            continue
        row = dict(zip(header, cells, strict=True))
        try:
            values = _row(row, document, where)
        except InputError as error:
            yield error
            continue
        yield Record(document.source, {**printed, **values}, where)


def _headless(cells: Sequence[str]) -> list[str]:
    """The head of a row that was copied without it, by what its cells are; empty if it is none."""
    if len(cells) < 4 or not _ROW.fullmatch(" | ".join(cells)):
        return []
    names = ["model", *("" for _ in cells[3:]), "test", "t/s"]
    for place, cell in enumerate(cells[1:-2], 1):
        if re.fullmatch(r"[\d.]+ [KMGT]i?B", cell):
            names[place] = "size"
        elif re.fullmatch(r"[\d.]+ [KMBT]", cell):
            names[place] = "params"
        elif re.fullmatch(r"[A-Za-z][\w,+ ]*", cell):
            names[place] = "backend"
    return names


_ROW = re.compile(
    r"[^|]{3,80} \| [\d.]+ [KMGT]i?B \| .*\| (?:pp|tg) ?\d+(?: ?\+ ?tg ?\d+)?(?: @ d\d+)?"
    r" \| \d[\d.,]*(?:[^\d|]{1,5}\d[\d.,]*)?"
)
_BUILD = re.compile(r"^build: \w+ \((\d+)\)[ \t]*$", re.MULTILINE)
_BELOW = 200_000
"""Characters below a table's header in which the line of its build is looked for."""
_BENCHY = {"ttfr (ms)", "e2e_ttft (ms)", "est_ppt (ms)"}
"""Columns of llama-benchy's table, which has llama-bench's first ones."""


def _row(row: Mapping[str, str], document: Document, where: str) -> dict[str, Any]:
    """The fields of JSON from a row of the table."""
    test, speed = _TEST.fullmatch(row["test"]), _SPEED.match(row["t/s"])
    if test is None or speed is None:
        raise InputError(
            f"{shown(row['test'])} at {shown(row['t/s'])} is no test of llama-bench",
            source=document.source, field=where,
        )  # fmt: skip
    prompt, generated, depth = (int(length or 0) for length in test.groups())
    numbers = {name: row.get(name) for name in ("ngl", "n_cpu_moe", "nkvo", "n_ubatch")}
    return {
        "model_type": row.get("model"),
        "model_size": _parsed(parse_bytes, row.get("size")),
        "model_n_params": _parsed(parse_count, row.get("params")),
        "backends": row.get("backend"),
        "n_gpu_layers": _cell(numbers["ngl"]),
        "n_cpu_moe": _cell(numbers["n_cpu_moe"]),
        "no_kv_offload": _cell(numbers["nkvo"]),
        "n_ubatch": _cell(numbers["n_ubatch"]),
        "tensor_split": row.get("ts"),
        "tensor_buft_overrides": row.get("ot"),
        "flash_attn": _cell(row.get("fa")),
        "type_k": row.get("type_k"),
        "type_v": row.get("type_v"),
        "split_mode": row.get("sm"),
        "n_prompt": prompt,
        "n_gen": generated,
        "n_depth": depth,
        "tool": _MISTRALRS if "ms/t" in row else None,
        "concurrency": _cell(row.get("concurrency")),
        "avg_ts": number_or_none(speed[1]),
        "stddev_ts": number_or_none(speed[2] or ""),
    }


def _printed_around(above: str, text: str, after: int, last: Mapping[str, Any]) -> dict[str, Any]:
    """The build line below the table; the GPUs of the lines above, or of the `last` table's."""
    found: dict[str, Any] = {name: last[name] for name in ("gpu_info",) if name in last}
    if build := re.compile(r"^build: \w+ \((\d+)\)[ \t]*$", re.MULTILINE).search(
        text, after, after + _BELOW
    ):
        found["build_number"] = float(build[1])
    if cards := cards_in(above):
        found["gpu_info"] = ", ".join(cards)
    if model := options_in(above).get("model"):
        found["model_filename"] = model
    return found


def _parsed(parse: Any, text: str | None) -> float | None:
    try:
        return None if text is None else float(parse(text))
    except InputError:
        return None


def _cell(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


_INSERT = re.compile(r"INSERT INTO \w+ \(([^()]{1,4000})\) VALUES \((.{1,8000}?)\);")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")


def _inserted(document: Document) -> Iterator[Record]:
    """The rows of -o sql, whose values are all quoted."""
    for index, match in enumerate(_INSERT.finditer(document.text), 1):
        names = [name.strip() for name in match[1].split(",")]
        values = [value.replace("''", "'") for value in _QUOTED.findall(match[2])]
        if len(names) == len(values):
            cells = dict(zip(names, map(_sql_value, values), strict=True))
            yield Record(document.source, cells, f"row {index}")


def _sql_value(text: str) -> str | float | None:
    try:
        return float(text)
    except ValueError:
        return text or None


FORMATS: tuple[Format, ...] = (
    TextFormat(
        _TOOL,
        "INSERT INTO",
        lines=(r"INSERT INTO \w+ \(build_commit",),
        records=_inserted,
        read=_read,
    ),
    JsonFormat(_TOOL, keys=("model_type", "n_prompt", "n_gen", "avg_ts"), read=_read),
    TextFormat(
        _TOOL,
        "t/s",
        lines=(r"[^\n]*\|[ \t]*test[ \t]*\|[ \t]*t/s[ \t]*(?:\||$)(?!.*ttfr)",),
        records=_rows,
        read=_read,
    ),
    TextFormat(
        _TOOL,
        "iB",
        lines=(
            r"(?:[^\n|]{0,80}\|)?[^\n|]{1,100}\|[ \t]*[\d.]{1,9} [KMGT]iB[ \t]*\|[^\n]{0,300}\|"
            r"[ \t]*(?:pp|tg)\d",
        ),
        records=_rows,
        read=_read,
        without=(r"[^\n]*\|[ \t]*test[ \t]*\|",),
    ),
)
