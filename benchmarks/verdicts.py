"""What `vperf check` says of measured runs: the distribution of its verdicts.

    python benchmarks/verdicts.py FILE [--trust A] [--list]

FILE is a table of runs as the modes single-stream and serving of accuracy.py read them; each decode
or prefill figure, or each served point, becomes a Result and is graded. A verdict agrees where it
is the one that the main figure implies, computed here from the estimate alone; MBU is held against
the column bw_fraction, which the table's maker computed from the same run. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import accuracy_serving
from accuracy_single_stream import Row, engine_name, gpu_of, number, quantization_of

import vperf
from vperf import Check, Result, Setup, VperfError
from vperf.checks.grade import VERDICTS


def _results(row: Row) -> Iterator[Result]:
    """A served point; or the decode rate of a row, and the prefill of a fresh prompt."""
    if "concurrency" in row:
        setup = Setup(
            model=row["model"], gpu=row["gpu"], engine=row["backend"], tp=int(row["tp"]),
            pp=int(row["pp"]), ep=int(row["ep"] or 1), dp=int(row["attention_dp"]),
            input_len=accuracy_serving.length(row, "isl"),
            output_len=accuracy_serving.length(row, "osl"),
            max_concurrency=int(row["concurrency"]),
        )  # fmt: skip
        first, others = (float(row[f"{name}_ms"]) / 1e3 for name in ("ttft", "tpot"))
        yield Result(row["backend"], "served", setup, ttft_s=first, tpot_s=others)
        return
    rate, generated = number(row, "decode_tok_s"), number(row, "generated_tokens") or 1.0
    if rate:
        known = number(row, "start_context")
        middle = number(row, "mean_context") or 0.0
        start = max(0.0, middle - generated / 2) if known is None else known
        yield Result(
            row["engine"], "decode", _setup(row, 0.0, generated, start), decode_tokens_per_s=rate
        )
    prompt, prefill = number(row, "prompt_tokens"), number(row, "prefill_tok_s")
    ttft = number(row, "ttft_ms")
    if prompt and (prefill or ttft) and not number(row, "prefill_start_context"):
        setup = _setup(row, prompt, 0.0, 0.0)
        if prefill:
            yield Result(row["engine"], "prefill", setup, prefill_tokens_per_s=prefill)
        elif ttft:
            yield Result(row["engine"], "prefill", setup, ttft_s=ttft / 1000)


def _setup(row: Row, prompt: float, output: float, past: float) -> Setup:
    return Setup(
        model=row["model_id"], gpu=gpu_of(row), engine=engine_name(row), input_len=prompt,
        output_len=output, past_len=past, batch_size=1,
    )  # fmt: skip


def _options(row: Row) -> dict[str, Any]:
    if "concurrency" in row:
        cache = row["kv_dtype"] or None
        return {"quantization": accuracy_serving.quantization(row), "kv_cache_dtype": cache}
    cache = "fp8" if row["kv_cache_dtype"] == "fp8" else None
    return {"quantization": quantization_of(row), "kv_cache_dtype": cache}


def _implied(check: Check) -> str:
    """The verdict from the answer's own figures."""
    speed, answer = check.main, check.estimate
    if check.scenario.served:
        times = answer.expected
        if speed.measured > times.high.tpot_s:
            return "slow"
        return "better" if speed.measured * 1.001 < times.low.tpot_s else "good"
    if speed.name == "decode_tokens_per_s":
        measured = speed.measured
        limit = answer.limit.decode_tokens_per_s
        low = answer.expected.low.decode_tokens_per_s
        high = answer.expected.high.decode_tokens_per_s
    else:
        prompt = answer.workload.prompt_tokens
        measured = prompt / speed.measured if speed.name == "ttft_s" else speed.measured
        limit = answer.limit.prefill_tokens_per_s
        low = answer.expected.low.prefill_tokens_per_s
        high = answer.expected.high.prefill_tokens_per_s
    if measured > 1.001 * limit:
        return "impossible"
    if measured < low:
        return "slow"
    return "better" if measured > 1.001 * high else "good"


def main(arguments: list[str]) -> int:
    """FILE."""
    parser = argparse.ArgumentParser(prog="verdicts.py", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--trust", help="rows of this grade of evidence alone")
    parser.add_argument("--list", action="store_true", help="print a line for every result")
    asked = parser.parse_args(arguments)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    refused: Counter[str] = Counter()
    agreed = worst = 0.0
    mbu: list[float] = []
    suspected = slow = 0
    with asked.file.open(newline="", encoding="utf-8") as lines:
        rows = [r for r in csv.DictReader(lines) if asked.trust in (None, r.get("trust"))]
    for row in rows:
        for result in _results(row):
            try:
                check = vperf.check(result, **_options(row))
            except VperfError as error:
                refused[str(error)] += 1
                continue
            counts[result.label][check.verdict] += 1
            agreed += check.verdict == _implied(check)
            slow += check.verdict == "slow"
            suspected += check.verdict == "slow" and any(
                each.kind == "suspect" for each in check.suspects
            )
            if result.label == "decode" and (fraction := number(row, "bw_fraction")):
                mbu.append(check.utilization[0].mbu / fraction)
            for fall in check.waterfalls:
                total = sum(part.seconds for part in fall.parts)
                worst = max(worst, abs(total / fall.measured_s - 1))
            if asked.list:
                main = check.main
                print(
                    f"{check.verdict:10} {main.of_limit:6.1%} of limit {main.of_expected:6.1%} of "
                    f"expected  {result.setup.gpu} {result.tool} {result.setup.model} "
                    f"{result.label} {row.get('id', '')} running {check.running_batch}"
                )
    graded = sum(each.total() for each in counts.values())
    print(f"{'':10}" + "".join(f"{name:>12}" for name in VERDICTS))
    for phase, each in counts.items():
        print(f"{phase:10}" + "".join(f"{each[name]:12}" for name in VERDICTS))
    for reason, count in refused.most_common():
        print(f"refused: {count}, {reason}")
    print(
        json.dumps(
            {
                "rows": len(rows), "graded": graded, "refused": refused.total(),
                "agree": agreed / graded if graded else 0.0,
                "slow_with_a_suspect": f"{suspected} of {slow}",
                "waterfall_worst_error": worst,
                "mbu_over_bw_fraction": statistics.quantiles(mbu, n=10) if len(mbu) > 1 else mbu,
                "verdicts": {phase: dict(each) for phase, each in counts.items()},
            }
        )
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
