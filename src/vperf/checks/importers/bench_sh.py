"""`bench.sh` of noonghunna/club-3090: a summary for each of its prompts, of a server of any engine.

As its reports print it (issues of that repository, 2026): decode_TPS is of one request after its
first token. What drafts is not printed, so a speed above the limit proves nothing. Not here: the
single runs above each summary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vperf.checks.importers.document import Document
from vperf.checks.importers.recognise import Format, TextFormat, blocks
from vperf.checks.importers.record import Record, number_or_text
from vperf.checks.importers.surroundings import cards_in, filled, options_in, setup_of
from vperf.checks.result import Result, Setup

_TOOL = "bench.sh"
_SUMMARY = r"=== summary \[([\w -]+)\] \(n=\d+\) ==="
_MEAN = re.compile(r"^[ \t]*(decode_TPS|TTFT|PP tok/s)[ \t]+mean=[ \t]*([\d.]+)(ms)?", re.MULTILINE)
_KEYS = {"decode_TPS": "decode", "TTFT": "ttft_ms", "PP tok/s": "prefill"}
_RUNS = re.compile(r"run-\d+[^\n]*?toks=[ \t]*(\d+)")
_ACCEPTED = re.compile(r"[Mm]ean acceptance length: ([\d.]+)")


def _summaries(document: Document) -> Iterator[Record]:
    for before, block in blocks(_SUMMARY, document.plain):
        values: dict[str, object] = {
            _KEYS[name]: number_or_text(mean) for name, mean, _ in _MEAN.findall(block)
        }
        if "decode" not in values:  # of the long prompt alone
            continue
        tokens = [float(count) for count in _RUNS.findall(before)]
        accepted = [float(length) for length in _ACCEPTED.findall(block)]
        title = re.match(rf"[ \t]*{_SUMMARY}", block)
        assert title is not None
        values |= {"tokens": sum(tokens) / len(tokens) if tokens else None,
                   "accepted": sum(accepted) / len(accepted) if accepted else None}  # fmt: skip
        yield Record(document.source, values, title[1], before)


def _read(record: Record) -> Iterator[Result]:
    notes: list[str] = []
    cards = cards_in(record.around)
    accepted = record.known("accepted")
    setup = Setup(
        gpu=cards[0] if len(set(cards)) == 1 else None,
        batch_size=1,
        output_len=record.known("tokens"),
        acceptance_length=accepted,
    )
    warnings = () if accepted else ("whether tokens were drafted is not said (speculation, MTP)",)
    yield Result(
        tool=_TOOL,
        label=record.where,
        setup=filled(setup, setup_of(options_in(record.around), notes)),
        decode_tokens_per_s=record.need("decode"),
        notes=(*notes, "TTFT of its short prompts is left out: their length is not printed"),
        warnings=warnings,
        doubtful=() if accepted else ("decode_tokens_per_s",),
    )


FORMATS: tuple[Format, ...] = (
    TextFormat(_TOOL, "=== summary [", lines=(_SUMMARY,), records=_summaries, read=_read),
)
