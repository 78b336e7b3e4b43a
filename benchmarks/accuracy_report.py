"""docs/accuracy.md on one page, and all tables beside it, from the three modes of accuracy.py.

    python benchmarks/accuracy.py report DIR FILE

DIR holds serving.csv, single_stream.csv and kernels/. Beside FILE, FILE with "-details" in its name
gets every table but those that only help while fitting.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import accuracy_kernels
import accuracy_serving
import accuracy_single_stream
from generic_constants import count_constants

_LEFT_OUT = (
    "op, gpu",
    "op, regime, gpu",
    "op, dtype, regime",
    "op, engine",
    "phase, engine, model",
    "phase, engine, precision",
    "TPOT by concurrency",
    "TTFT by concurrency",
)
_BAR = 40
_EVERY = "20"
"""Kernels that are scored: one of so many, for all take a quarter of an hour."""

_PAGE = """# Accuracy

Written by `python benchmarks/accuracy.py report DIR docs/accuracy.md`; do not edit. Errors are
|predicted / measured - 1|. All tables: [accuracy-details.md]({details}).

**Served points**: {rows:,} runs of InferenceMAX and NVIDIA (aiconfigurator's tables, Apache-2.0,
commit 095f58a51) on H100, H200, B200 and B300 under vLLM, SGLang and TensorRT-LLM, asked with the
lengths, cache format and launch facts of their published commands; where the client is published
its very run is simulated. {apart} rows whose label cannot be true, or that their own repeats
contradict, are apart. **Out of sample**: host times, admission and a request's way are refitted
without the group and score what they have not seen; the cards' constants come from kernels.

| served | TPOT | TTFT |
|---|--:|--:|
| mean, median | {tpot_mape}, {tpot_median} | {ttft_mape}, {ttft_median} |
| dense, MoE, one GPU | {tpot_mape_dense}, {tpot_mape_moe}, {tpot_mape_one_gpu} | |
| client published | | {ttft_mape_client_known} |
| out of sample: without its model | {tpot_model} | {ttft_model} |
| ... without its card | {tpot_gpu} | {ttft_gpu} |
| ... without its cell (card, model, engine, format) | {tpot_cell} | {ttft_cell} |
| its card's constants hidden: more by | {tpot_hidden} | {ttft_hidden} |
| inside the range | {tpot_in_range} | {ttft_in_range} |
| ... the least and the most of a group of 30 | {tpot_strata} | {ttft_strata} |
| aiconfigurator on the same rows | {peer_tpot} | {peer_ttft} |

Errors of TPOT, share of the {scored:,} points:

```
{plot}
```

| one user, mean over cards | decode | prefill |
|---|--:|--:|
| vLLM, SGLang, TensorRT-LLM, gpt-fast | {decode_server} | {prefill_server} |
| llama.cpp, MLX | {decode_local} | {prefill_local} |

388 more one-user figures of 41 cards and 40 sources, which no constant had seen
(`benchmarks/one_user.py`; published 2025 and 2026), were off by 11 % in decode and 38 % in prefill
by card. What they showed was mended for all cards of a kind; they themselves are now off by 9 and
20 %, 82 and 69 % inside the range, none above its limit.

**The limit** is beaten by {beaten} served points (two Qwen3-32B fp8 runs on H100, twice as fast as
their TensorRT-LLM neighbours: their users were probably spread over several replicas), by {single}
of {single_rows} one-user figures and by {kernels_beaten} of {kernels_rows:,} kernels (one of 20).
Of 2,916 figures of 28 further sources two beat it: four dual cards (Arc Pro B60 "Dual") are eight
GPUs, and ten answers of Ministral-3-3B on a DGX Spark ended before the 4,096 tokens they are asked
as.

**Further sources**, cards, engines and years (2026-12-01; constants of AMD Instinct, RDNA4,
several GeForce cards and vLLM before 0.8 were fitted on them, those of the seven cards were not):
TPOT 13.3 % mean and 8.6 % median of 1,075 points, 76 % inside the range (AMD Instinct 9 % under
vLLM, 13 % under SGLang, 16 % with its cookbooks); output rate 22.9 and 12.2 % of 1,864, mean 18.5 %
without 13 of one source that are of decoding alone behind prompts of up to 262,144 tokens. Mean
TTFT is off by 59 % where nothing but users and lengths is asked, much of it releases of vLLM before
0.14 asked as today's; by 42 % where each run is simulated with its release, requests and lengths,
medians then by 34 % (half of them by less than 21). Every source that is off by more than 25 % is
in [the details]({details}) with what is known of why.

**Constants**: {constants} in all, {cards} of seven measured cards and {links} of their all-reduces,
{engines} of {engine_count} engines, {generic} for every other card and its generation. Beside them
{others} published rates of {other_cards} other cards, as measured. None belongs to one model or to
one source.

```json
{json}
```
"""

_DETAILS = """# Accuracy in detail

Written by `python benchmarks/accuracy.py report DIR docs/accuracy.md`; do not edit. The page:
[accuracy.md]({page}).

**In-sample.** The constants of the seven cards and of the engines were fitted on these kernels and
served points, and the ranges are their residuals. The forms were chosen on split halves. Constants
of AMD Instinct, RDNA4, GeForce with several cards and llama.cpp come from other points, which are
not in these tables.

**Known to be weak.** TTFT holds the server's own time, which differs between campaigns; where the
client is not published no form helps. Block-scaled fp8 experts of Qwen3.5 and GLM-5 under SGLang
0.5.9 and of MiniMax-M2.5 under vLLM 0.16 and 0.17 are predicted 9 to 18 % too fast, under later
releases right: what changed in them is not known, and a release is not fitted on one model. Four
Qwen3-32B runs under TensorRT-LLM 1.2 are twice as fast as those of 1.0. InferenceMAX's launch
commands for MiniMax-M2.5 on H100 and H200 ask for piecewise CUDA graphs, whose host time vperf
does not know. GLM-5 nvfp4 under nightly builds of SGLang is measured as slow as GLM-5 fp8. SGLang
on AMD Instinct depends on the release (a published regression, sgl-project/sglang#14043). Prompts
of DeepSeek under TensorRT-LLM take 0.6 to 1 ms a layer longer than their kernels (TTFT off by 43 %;
it would be 26), which TPOT in attention groups denies. A step that reads a prompt takes SGLang's
releases before 0.5.10 30 to 100 ms longer, most with Qwen3.5. Runs with default commands
(cookbooks) are two to five times slower than tuned ones. A mean TTFT holds what was compiled while
the first users waited: 70 s of it in SGLang's DeepSeek-R1 fp4 on B200 of 2025 (a tenth of the
requests wait for it: means 7 s over medians, whatever the load), 0.9 s in vLLM 0.17's Kimi-K2.5
with expert parallelism on B200 and none on B300 (88 ms of every mean), 198 s in one run of
MiniMax-M2.5 on H100; nothing in a launch command says which run was warm.

**Further sources worse than 25 %**, of more than 20 rows (error of the mean; TTFT also as run: with
its release, requests and lengths simulated, `as run`), and why.

- GPUStack's lab, H100, A100, H200, 2025 (rate 163, 41 %): bursts of 1,000 ShareGPT prompts at once,
  asked as 1,000 users for ever: the longest answers drain with the cards half idle. As finite runs
  with exponential lengths the rate is 1.01 (TensorRT-LLM), 1.21 (vLLM) and 1.24 times (SGLang) what
  was measured, for ever 1.40, 1.39 and 2.16 times.
- LottoLottoLotto, 3090 (rate 86, 130 %): 13 rows state decoding alone as the rate of requests with
  prompts of 2,048 to 262,144 tokens; the cards are held to 220 of 350 W (Mistral-7B alone on one
  takes 1.4 to 1.5 times as long); over PCIe 3.0 tp 4 of Qwen3.6-27B reads prompts at a third of
  what is expected; its users come once, together (median TTFT 24 s of 96).
- SGLang's cookbook (TPOT 83, 33 %; rate 83, 37 %; TTFT 83, 75 % (as run 80 %)): default commands,
  one warm-up request, ten requests a user at most: kernels untuned and compiled while measured
  (medians 41 %); B200 FP4 and MI300X most.
- hholtmann, GeForce 50 (rate 50, 26 %; TTFT 50, 43 % (as run 41 %, without two of gpt-oss-20b on 16
  GB, whose 256 sequences do not fit under 0.12)): vLLM 0.12 sorts logits, 39 B each, and Gemma-3's
  windows hold 8,192 tokens of a step: on 16 to 32 GB the cache holds a few requests and the others
  wait for it; asked as today's release at its own step it holds more. Some prompts were cached:
  medians from a fourteenth of what theirs take.
- sariekr, gpt-oss-20b, 2025-08 (TPOT 21, 44 %; rate 21, 48 %; TTFT 21, 61 %): vLLM 0.10 in
  gpt-oss's first weeks: B200 and MI300X are no faster than H200 (2.5 times as long as expected,
  H100 and H200 1.35 times), later releases right within 5 % (InferenceMAX); requests are cut at 30
  s.
- InferenceMAX 2026 (TTFT 211, 41 % (as run 32 %)): ATOM on MI355X is asked as vLLM (as run 41 %);
  SGLang on ROCm compiles for 4 to 10 s (as run 46 %, medians 28 %); gpt-oss under TensorRT-LLM
  1.2.0rc2 has two thirds of the TTFT that is expected; vLLM 0.13 17 % as run.
- io.net, vLLM 0.8.5 (TTFT 45, 119 % (as run 26 %)): its scheduler admits in the next step, today's
  in the third after it.
- kyuz0, R9700 and others, vLLM 0.13 (TTFT 52, 72 % (as run 29 %)): the same.

Less than 25 %, but of one sign: MLPerf 5.1 (rate 199, 24 %): Llama-2-70B on B200 and H200 is 1.16
to 1.36 times as fast as expected, in engines tuned for it; DeepSeek-R1 2 to 3.7 times slower, whose
parallelism is not stated and is asked as the best. dstack's Llama-3.1-405B fp8 on eight H100 (rate
25, 39 %): from 16 running sequences on it does not get faster, which means a cache of 80,000 to
100,000 tokens, a third of what its stated memory leaves: Meta's checkpoint keeps attention in 16
bit, and vLLM 0.6 profiles whole prompts. Argonne's runs under vLLM 0.6.1 on MI300X: untuned 16-bit
matmuls (docs/method.md).
"""


def _printed(main: Callable[[list[str]], int], *arguments: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(list(arguments))
    return out.getvalue()


def _tables(text: str) -> tuple[str, dict[str, Any]]:
    """The printed tables but those left out, and the JSON of the last line."""
    *body, last = text.strip().split("\n")
    parts = "\n".join(body).split("\n\n")
    kept = [part for part in parts if not part.lstrip("\n").startswith(_LEFT_OUT)]
    return "\n\n".join(part.strip("\n") for part in kept if part.strip()), json.loads(last)


def _plot(within: Mapping[str, float]) -> str:
    """A bar for each band of errors."""
    found, before = [], 0.0
    for top, share in within.items():
        found.append(
            f"{top:>9} {'█' * round(_BAR * (share - before))} {100 * (share - before):.0f} %"
        )
        before = share
    return "\n".join(found)


def main(arguments: list[str]) -> int:
    """DIR FILE."""
    directory, file = map(Path, arguments)
    beside = file.with_stem(f"{file.stem}-details")
    pieces, figures = [_DETAILS.format(page=file.name)], {}
    for title, run, more in (
        (
            "Served points",
            accuracy_serving.main,
            (str(directory / "serving.csv"), "--simulate", "--hidden"),
        ),
        ("Single streams", accuracy_single_stream.main, (str(directory / "single_stream.csv"),)),
        ("Kernels", accuracy_kernels.main, (str(directory / "kernels"), "--every", _EVERY)),
    ):
        tables, summary = _tables(_printed(run, *more))
        figures[summary["mode"]] = summary
        pieces.append(f"## {title}\n\n```\n{tables}\n```\n\n```json\n{json.dumps(summary)}\n```\n")
    beside.write_text("\n".join(pieces), encoding="utf-8")
    file.write_text(_page(figures, beside.name), encoding="utf-8")
    print(f"wrote {file} and {beside}")
    return 0


def _page(figures: Mapping[str, dict[str, Any]], details: str) -> str:
    served, single, kernels = (figures[m] for m in ("serving", "single-stream", "kernels"))
    counts = count_constants()

    def share(value: float) -> str:
        return f"{100 * value:.1f} %"

    def points(value: float) -> str:
        return f"{100 * value:.1f} points"

    unseen = served["out_of_sample"]
    cell = next(key.partition(" without its ")[2] for key in unseen if key.count(",") > 1)
    names = {"model": "model", "gpu": "gpu", "cell": cell}
    of_groups = {
        f"{metric}_{name}": share(unseen[f"{metric} without its {what}"])
        for metric in ("tpot", "ttft")
        for name, what in names.items()
    }
    by_card = single["by_card"]
    every = sum(
        counts[key]
        for key in counts
        if key.startswith(("of ", "generic")) and key != "of other cards in all"
    )
    return _PAGE.format(
        **{key: share(value) for key, value in served.items()
           if key.startswith(("tpot_", "ttft_")) and isinstance(value, float)},
        **of_groups,
        **{f"{metric}_strata": ", ".join(map(share, served[f"{metric}_in_range_of_strata"]))
           for metric in ("tpot", "ttft")},
        details=details,
        rows=served["rows"],
        apart=served["apart"],
        scored=served["scored"],
        **{f"{metric}_hidden": points(served["cost_of_hiding"][metric])
           for metric in ("tpot", "ttft")},
        peer_tpot=share(served["aiconfigurator_tpot_mape"]),
        peer_ttft=share(served["aiconfigurator_ttft_mape"]),
        plot=_plot(served["within"]),
        decode_server=share(by_card["decode server"]),
        decode_local=share(by_card["decode llama.cpp and mlx"]),
        prefill_server=share(by_card["prefill server"]),
        prefill_local=share(by_card["prefill llama.cpp and mlx"]),
        beaten=served["limit_violations"],
        single=single["limit_violations"],
        single_rows=single["scored"],
        kernels_beaten=kernels["limit_violations"],
        kernels_rows=kernels["scored"],
        constants=round(every),
        cards=round(counts["of those cards in all"]),
        links=round(counts["of their all-reduces in all"]),
        engines=round(counts["of engines in all"]),
        engine_count=round(counts["engines"]),
        generic=round(counts["generic, for every other card"]),
        others=round(counts["of other cards in all"]),
        other_cards=round(counts["other cards with measured rates"]),
        json=json.dumps(served),
    )  # fmt: skip
