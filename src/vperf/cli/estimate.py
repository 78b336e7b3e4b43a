"""`vperf estimate`: read the options, ask the Python API once, write once.

Not here: any arithmetic, and any sentence of the answer (report/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vperf.cli import options, output
from vperf.errors import InputError

if TYPE_CHECKING:
    from vperf.answer import Estimate
    from vperf.hardware.gpu import Gpu

EPILOG = """\
Examples:

\b
  vperf estimate --model Qwen/Qwen3-4B-Instruct-2507 --gpu rtx-pro-6000
  vperf estimate -m llama-3.1-8b-instruct -g h100 --input-len 4096 --ops
  vperf estimate -m qwen3-32b -g "RTX 4090" -q int4 --batch-size 8 --json
  vperf estimate -m llama-3.3-70b-instruct -g h100 --tp 4 -q fp8
  vperf estimate -m deepseek-v3 -g h200 --tp 8 --speculative mtp \\
      --acceptance 0.85
  vperf estimate -m qwen3-32b -g h100 --tp 2 --max-concurrency 64
  vperf estimate -m ./my-checkpoint -g h200 -o answer.md
  vperf estimate -m - -g b200 < config.json
  vperf estimate -m qwen3-8b -g rtx-4090 --memory-bandwidth "1.5 TB/s" \\
      --memory "48 GB" --peak bf16="250 TFLOPS"

limit is the datasheet's speed of light, which no correct measurement beats;
expected is what a well-tuned engine reaches, with the range of most measurements.

Exit codes: 0 answered, 2 wrong usage or input, 3 the Hub could not be reached.
"""


def estimate(
    *,
    model: options.Model = None,
    gpu: options.GpuName = None,
    input_len: Annotated[
        int, typer.Option("--input-len", min=1, metavar="TOKENS", help="Tokens of the prompt.")
    ] = 1024,
    output_len: Annotated[
        int, typer.Option("--output-len", min=1, metavar="TOKENS", help="Tokens generated.")
    ] = 128,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, metavar="N", help="Sequences at a time.")
    ] = 1,
    quantization: options.Quantization = None,
    kv_cache_dtype: Annotated[
        str | None,
        typer.Option("--kv-cache-dtype", metavar="FORMAT", help="KV cache as bf16, fp16, fp8, ..."),
    ] = None,
    max_model_len: Annotated[
        int | None,
        typer.Option(
            "--max-model-len", min=1, metavar="TOKENS", help="Consider no longer context."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="NAME", help="What runs the model.")
    ] = "vllm",
    tp: Annotated[
        int,
        typer.Option(
            "--tensor-parallel-size", "--tp", min=1, metavar="N", help="GPUs that share a layer."
        ),
    ] = 1,
    pp: Annotated[
        int,
        typer.Option(
            "--pipeline-parallel-size", "--pp", min=1, metavar="N", help="Stages of layers."
        ),
    ] = 1,
    ep: Annotated[
        int,
        typer.Option(
            "--expert-parallel-size", "--ep", min=1, metavar="N", help="Groups of whole experts."
        ),
    ] = 1,
    dp: Annotated[
        int,
        typer.Option(
            "--data-parallel-size",
            "--dp",
            min=1,
            metavar="N",
            help="Attention groups, each with sequences of its own; tp x pp x dp GPUs.",
        ),
    ] = 1,
    max_concurrency: Annotated[
        int | None,
        typer.Option(
            "--max-concurrency", min=1, metavar="USERS", help="A served load: so many users."
        ),
    ] = None,
    request_rate: Annotated[
        float | None,
        typer.Option("--request-rate", metavar="RATE", help="A served load: requests per second."),
    ] = None,
    prefix_cache_hit: Annotated[
        float,
        typer.Option(
            "--prefix-cache-hit",
            metavar="SHARE",
            help="Share of a prompt found in cache, under a served load.",
        ),
    ] = 0.0,
    no_cuda_graphs: Annotated[
        bool,
        typer.Option(
            "--no-cuda-graphs", help="The host launches every kernel, as --enforce-eager."
        ),
    ] = False,
    speculative: Annotated[
        str | None,
        typer.Option(
            "--speculative", metavar="METHOD", help="mtp: the model's own MTP layers draft."
        ),
    ] = None,
    draft_tokens: Annotated[
        int | None,
        typer.Option(
            "--draft-tokens",
            min=1,
            metavar="K",
            help="Tokens drafted a step. [one a MTP layer]",
        ),
    ] = None,
    acceptance: Annotated[
        float | None,
        typer.Option(
            "--acceptance", metavar="A", help="Probability that a draft is accepted, 0 to 1."
        ),
    ] = None,
    image_tokens: Annotated[
        int,
        typer.Option(
            "--image-tokens", min=0, metavar="TOKENS", help="Tokens of a request's images."
        ),
    ] = 0,
    revision: Annotated[
        str | None,
        typer.Option("--revision", metavar="REV", help="Branch, tag or commit of a Hub model."),
    ] = None,
    gpu_file: Annotated[
        Path | None,
        typer.Option(
            "--gpu-file", metavar="FILE", help="TOML that describes a card, instead of --gpu."
        ),
    ] = None,
    memory_bandwidth: Annotated[
        str | None,
        typer.Option(
            "--memory-bandwidth", metavar="RATE", help='Another bandwidth, as "1.5 TB/s".'
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option("--memory", metavar="SIZE", help='Another memory size, as "48 GB".'),
    ] = None,
    peak: Annotated[
        list[str] | None,
        typer.Option(
            "--peak",
            metavar="FORMAT=RATE",
            help='Another dense peak, as bf16="250 TFLOPS"; repeatable.',
        ),
    ] = None,
    ops: Annotated[
        bool, typer.Option("--ops", help="Add the table of both phases, op by op.")
    ] = False,
    json: options.Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the op tables as CSV.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, to paste into an issue.")
    ] = False,
    output_file: options.Output = None,
) -> None:
    """How fast a model runs on a GPU: TTFT, prefill and decode speed.

    Each figure twice, as limit and as expected; what bounds it; whether it fits.
    """
    options.refuse_empty(
        model=model,
        gpu=gpu,
        quantization=quantization,
        kv_cache_dtype=kv_cache_dtype,
        engine=engine,
        revision=revision,
        speculative=speculative,
    )
    form = output.choose(json=json, csv=csv, markdown=markdown, output=output_file)
    if model is None:
        raise InputError("--model is missing", hint="'vperf models' lists those that are bundled")
    card = _card(gpu, gpu_file, memory_bandwidth, memory, _peaks(peak or []))

    from vperf import api

    answer = api.estimate(
        model,
        card,
        input_len=input_len,
        output_len=output_len,
        batch_size=batch_size,
        quantization=quantization,
        kv_cache_dtype=kv_cache_dtype,
        max_model_len=max_model_len,
        engine=engine,
        tp=tp,
        pp=pp,
        ep=ep,
        dp=dp,
        max_concurrency=max_concurrency,
        request_rate=request_rate,
        prefix_cache_hit=prefix_cache_hit,
        cuda_graphs=not no_cuda_graphs,
        speculative=speculative,
        draft_tokens=draft_tokens,
        acceptance=acceptance,
        image_tokens=image_tokens,
        revision=revision,
    )
    output.write(_rendered(answer, form, ops), output_file)


def _card(
    gpu: str | None,
    gpu_file: Path | None,
    memory_bandwidth: str | None,
    memory: str | None,
    peaks: dict[str, str],
) -> str | Gpu:
    """The GPU by name, or as a file and overrides describe it."""
    if gpu is not None and gpu_file is not None:
        raise InputError("--gpu cannot be combined with --gpu-file: give one of them")
    if gpu is None and gpu_file is None:
        raise InputError("--gpu is missing", hint="'vperf gpus' lists them; or --gpu-file")
    changed = memory_bandwidth is not None or memory is not None or bool(peaks)
    if gpu is not None and not changed:
        return gpu

    from vperf.sources.gpus import load_gpu, load_gpu_file, override

    card = load_gpu_file(gpu_file) if gpu_file else load_gpu(gpu or "")
    return override(card, memory_bandwidth, memory, peaks) if changed else card


def _peaks(given: list[str]) -> dict[str, str]:
    peaks: dict[str, str] = {}
    for text in given:
        pipe, equals, rate = text.partition("=")
        if not (equals and pipe.strip() and rate.strip()):
            raise InputError(f'{text!r} is not like bf16="250 TFLOPS"', source="--peak")
        if pipe.strip().lower() in peaks:
            raise InputError(f"{pipe.strip()} is given twice", source="--peak")
        peaks[pipe.strip().lower()] = rate.strip()
    return peaks


def _rendered(answer: Estimate, form: output.Form, ops: bool) -> str:
    # One of these is imported: a start costs what it uses.
    if form == "json":
        from vperf.report import json as report_json

        return report_json.render(answer)
    if form == "csv":
        from vperf.report import csv as report_csv

        return report_csv.render(answer)
    if form == "markdown":
        from vperf.report import markdown as report_markdown

        return report_markdown.render(answer, ops=ops)
    from vperf.report import table

    return table.render(answer, ops=ops, width=output.width(), color=output.color(sys.stdout))
