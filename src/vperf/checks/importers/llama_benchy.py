"""llama-benchy: the table it prints of an OpenAI-compatible server, and its JSON and CSV.

Columns, keys and tests as in eugr/llama-benchy src/llama_benchy/results.py at commit bd41254 and
schemas/benchmark_report_schema.json at 218200c (read December 2026): "pp2048 @ d4096 (c8)" with the
number of users where one is above 1, and "t/s (total)" over all of them; e2e_ttft has the way
through the network. A "ctx_" test reads, or decodes after, the depth alone. Not here: llama-bench
(llama_bench.py), whose table has none of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, JsonFormat, TextFormat
from vperf.checks.importers.record import Record, number_or_text, shown
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup
from vperf.errors import InputError

_TOOL = "llama-benchy"
_MS = 1e-3
_TEST = re.compile(
    r"(?P<kind>pp|tg|ctx_pp|ctx_tg)[ ]?(?P<tokens>\d{1,9})?"
    r"(?: @ d(?P<depth>\d{1,9}))?(?: \(c(?P<users>\d{1,6})\))?"
)


def _read(record: Record) -> Iterator[Result]:
    test = _TEST.fullmatch(record.text("test") or "")
    if test is None:
        raise record.error("test", f"{shown(record.get('test'))} is no test of llama-benchy")
    users, tokens = int(test["users"] or 1), int(test["tokens"] or 0)
    depth = int(test["depth"] or 0)
    prefill = test["kind"].endswith("pp")
    rate = record.need("rate")
    notes = ["measured from outside the server, over HTTP"]
    warnings = []
    if prefill and users > 1:
        warnings.append("the prompts of several users queue: their rate is of all together")
    cards = cards_in(record.around)
    setup = Setup(
        model=record.text("model"),
        gpu=cards[0] if len(set(cards)) == 1 else None,
        batch_size=users,
        input_len=(tokens or depth) if prefill else 0,
        output_len=0 if prefill else tokens or 1,
        past_len=depth if depth and (tokens or not prefill) else 0,
    )
    notes_around: list[str] = []
    around = setup_of(options_in(record.around), notes_around)
    yield Result(
        tool=_TOOL,
        label=record.text("test") or "",
        setup=filled(setup, around),
        ttft_s=record.known("ttft", _MS) if prefill and users == 1 and not depth else None,
        decode_tokens_per_s=None if prefill else rate,
        prefill_tokens_per_s=rate if prefill else None,
        notes=tuple(notes),
        warnings=tuple(warnings),
    )


def _rows(document: Document) -> Iterator[Record | InputError]:
    header: list[str] = []
    text = document.plain
    before = 0
    around = ""
    for number, match in enumerate(re.finditer(r"[^\n]*\n?", text), 1):
        line = match[0].strip()
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "test" in cells and "ttfr (ms)" in cells:
            header, around, before = cells, text[before : match.start()], match.end()
        elif "|" not in line:
            header = header if set(line) <= set("+-= ") else []
        elif header and not set(line) <= set("|:-+ "):
            if len(cells) != len(header):
                yield InputError(
                    "the row of the table is cut", source=document.source, field=f"line {number}"
                )
                continue
            row = dict(zip(header, cells, strict=True))
            values: dict[str, object] = {"model": row.get("model"), "test": row["test"]}
            values["rate"] = _number(row.get("t/s (total)") or row.get("t/s") or "")
            values["ttft"] = _number(row.get("e2e_ttft (ms)") or row.get("ttfr (ms)") or "")
            yield Record(document.source, values, f"line {number}", around)


def _report(record: Record) -> Iterator[Result]:
    """Of each run of the JSON what the table has as two rows."""
    for run in record.sections("benchmarks"):
        depth, users = run.count("context_size") or 0, run.degree("concurrency") or 1
        alone = run.get("is_context_prefill_phase") is True
        after = f" @ d{depth}" if depth else ""
        of_users = f" (c{users})" if (record.degree("max_concurrency") or 1) > 1 else ""
        for kind, size in (("pp", "prompt_size"), ("tg", "response_size")):
            rate = run.known(f"{kind}_throughput.mean")
            if rate is None:
                continue
            test = f"ctx_{kind}{after}" if alone else f"{kind}{run.count(size) or 0}{after}"
            values = {
                "model": record.get("model"), "test": f"{test}{of_users}", "rate": rate,
                "ttft": run.get("e2e_ttft.mean") if kind == "pp" else None,
            }  # fmt: skip
            yield from _read(Record(run.source, values, run.where, record.around))


def _sheet(record: Record) -> Iterator[Result]:
    ttft = record.get("e2e_ttft_mean")
    values = {
        "model": record.get("model"), "test": record.get("test_name"),
        "rate": record.get("t_s_mean"), "ttft": ttft if isinstance(ttft, float) else None,
    }  # fmt: skip
    yield from _read(Record(record.source, values, record.where, record.around))


def _number(text: str) -> float | str | None:
    """The mean before its deviation."""
    mean = text.split("±", maxsplit=1)[0].strip()
    return number_or_text(mean) if mean else None


FORMATS: tuple[Format, ...] = (
    JsonFormat(_TOOL, keys=("latency_mode", "prefix_caching_enabled", "benchmarks"), read=_report),
    JsonFormat(_TOOL, keys=("model", "test_name", "t_s_mean", "e2e_ttft_mean"), read=_sheet),
    TextFormat(
        _TOOL,
        "ttfr (ms)",
        lines=(r"[^\n]*\|[ \t]*test[ \t]*\|[^\n]*ttfr \(ms\)",),
        records=_rows,
        read=_read,
    ),
)
