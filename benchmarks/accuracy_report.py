"""docs/accuracy-tables.md from the three modes of accuracy.py, with the method and what is in-sample.

    python benchmarks/accuracy.py report DIR FILE

DIR holds serving.csv, single_stream.csv and kernels/. Tables that only help while fitting are left
out of FILE; the modes print them all.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import accuracy_kernels
import accuracy_serving
import accuracy_single_stream

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

_HEAD = """# Accuracy

Written by `python benchmarks/accuracy.py report DIR docs/accuracy-tables.md`; do not edit. `limit` and
`expected` are those of `vperf.estimate`; errors are predicted over measured, less one.

**Data.** Kernels and served points: NVIDIA aiconfigurator's published tables (Apache-2.0, commit
095f58a51, InferenceMAX runs among them). Single streams: published llama-bench, mlx-lm, gpt-fast,
vLLM and TensorRT-LLM results.

**In-sample.** The constants of the seven cards and of the engines were fitted on these kernels and
served points, and the ranges are their residuals: the figures below are those of a fit, not of a
forecast. The forms were chosen on split halves. No constant belongs to one model or one workload.

**How rows are read.** Points with InferenceMAX's three workloads draw lengths from 0.8 to 1 of the
nominal ones, so 0.9 of them are asked for. An fp8 KV cache is asked for by NVIDIA's nvfp4
checkpoints, TensorRT-LLM's fp8 ones and InferenceMAX's launch commands for gpt-oss and MiniMax-M2.5
under vLLM on Blackwell and for fp8 models under SGLang. "fp4" of gpt-oss is its own mxfp4.

**Measured faster than the limit.** Three served points, none of which can be what its label says:
a Qwen3-32B nvfp4 run on two B200 with 416 users and prompts of 15,000 tokens, whose caches would
take twice the memory there is (it alone adds 0.6 points to the mean error of TPOT, 1.7 to that of
dense models, 11 to that of TTFT); and two Qwen3-32B fp8 runs on H100 at half the time of their
TensorRT-LLM neighbours. Their users were probably spread over several replicas. The tables hold
them; those "without rows that beat the limit" do not. Of kernels, one delta-rule decode on an L40S,
inside its 96 MB L2; of experts, rows whose routing touched fewer experts than uniform routing does,
which the limit declares.

**Known to be weak.** TTFT under load: it holds the server's own time, which differs between
campaigns. InferenceMAX's SGLang looks for new requests every 10 or 30 steps; its TensorRT-LLM runs
of Llama-3.1-70B with 1,024 tokens in and out on 1 to 4 GPUs have a TTFT longer by 16 to 20 TPOT
than those with 8,192 out: their launch commands let prompts wait up to 20 steps for others
(batch_wait_timeout_iters); NVIDIA's runs of Llama-3.1-8B on H100 grow with the output length, as if
one user always waited for a slot. TPOT of Qwen3-32B fp8 on H100 under TensorRT-LLM 1.0: its prefill
runs at half the rate of fp8 matmuls, at that of bf16 ones (40 us a token on one GPU beyond the
model), unlike Llama-3.1-70B fp8 under later releases; a rate for one model is not fitted. Reading
it as block-scaled fp8 mends 1.5 points of 12, and its column says plain fp8 where that of
Qwen3-235B says block-scaled; a 16-bit cache would not hold its 128 users on one GPU. Block-scaled
fp8 experts (MiniMax-M2.5, Qwen3.5, DeepSeek, GLM-5) are mostly predicted 7 to 16 % too fast, but
Qwen3-235B, which has them too, 10 % too slow: reading their weights at 0.88 of the stream would
mend half of the first, but kernels measured alone do not show it. InferenceMAX's launch commands
for MiniMax-M2.5 on H100 and H200 ask for piecewise CUDA graphs, whose host time vperf does not
know. gpt-oss on one B200 is predicted 14 % too slow: real routers probably touch fewer experts than
uniform routing does. mxfp4 experts measured alone on H100 and H200 unpack as slowly as int4 ones
and are predicted 15 to 47 % too fast at up to 64 tokens; gpt-oss served by vLLM on H200 is
predicted within 1 % on average. Experts of 65 to 1,024 tokens measured alone are predicted 16 % too
fast. DeepSeek-R1 nvfp4 with 40 to 112 users on four and eight B200, all of which report 85 to 92 ms
whatever the users and GPUs, four times the time of neighbours with as many users. Qwen3.5 fp8 on
four B200 without expert parallelism and some DeepSeek-R1 runs of TensorRT-LLM with few users are up
to twice as fast as on eight GPUs, or as with expert parallelism: probably with speculative
decoding, which no column says. GLM-5 nvfp4 under nightly builds of SGLang, measured as slow as
GLM-5 fp8. Prefill on llama.cpp before flash attention was the default.
"""


def _printed(main: Callable[[list[str]], int], argument: Path) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main([str(argument)])
    return out.getvalue()


def _tables(text: str) -> tuple[str, dict[str, object]]:
    """The printed tables but those left out, and the JSON of the last line."""
    *body, last = text.strip().split("\n")
    parts = "\n".join(body).split("\n\n")
    kept = [part for part in parts if not part.lstrip("\n").startswith(_LEFT_OUT)]
    return "\n\n".join(part.strip("\n") for part in kept if part.strip()), json.loads(last)


def main(arguments: list[str]) -> int:
    """DIR FILE."""
    directory, file = map(Path, arguments)
    pieces = [_HEAD]
    for title, run, path in (
        ("Served points", accuracy_serving.main, directory / "serving.csv"),
        ("Single streams", accuracy_single_stream.main, directory / "single_stream.csv"),
        ("Kernels", accuracy_kernels.main, directory / "kernels"),
    ):
        tables, summary = _tables(_printed(run, path))
        pieces.append(f"## {title}\n\n```\n{tables}\n```\n\n```json\n{json.dumps(summary)}\n```\n")
    file.write_text("\n".join(pieces), encoding="utf-8")
    print(f"wrote {file}")
    return 0
