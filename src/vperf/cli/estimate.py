"""`vperf estimate`: read the options, ask the Python API once, write once.

Not here: any arithmetic, and any sentence of the answer (report/).
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vperf.cli import output
from vperf.cli.scenario_options import ScenarioOptions, scenario_options
from vperf.scenario import OPTIONS

if TYPE_CHECKING:
    from vperf.answer import Estimate
    from vperf.explore.fit import Remedy
    from vperf.scenario import Scenario

EPILOG = """\
Examples:

\b
  vperf estimate qwen3-8b h100
  vperf estimate --model Qwen/Qwen3-4B-Instruct-2507 --gpu rtx-pro-6000
  vperf estimate -m llama-3.1-8b-instruct -g h100 --input-len 4096 --ops
  vperf estimate -m qwen3-32b -g "RTX 4090" -q int4 --batch-size 8 --json
  vperf estimate -m llama-3.3-70b-instruct -g h100 --tp 4 -q fp8
  vperf estimate -m qwen3-32b -g h100 --tp 4 --pcp 2 --input-len 32768
  vperf estimate -m deepseek-v3 -g h200 --tp 8 --dcp 8 --batch-size 64
  vperf estimate -m deepseek-v3 -g h200 --tp 8 --speculative mtp \\
      --acceptance 0.85
  vperf estimate -m llama-3.3-70b-instruct -g h200 -q fp8 --draft-tokens 4 \\
      --speculative draft_model --draft-model llama-3.2-1b-instruct \\
      --acceptance 0.8/0.7/0.6/0.5
  vperf estimate -m llama-3.1-8b-instruct -g h100 --lora-rank 16 --max-loras 8
  vperf estimate -m qwen3-32b -g h100 --tp 2 --max-concurrency 64
  vperf estimate -m qwen3-embedding-0.6b -g l4 --batch-size 32 --input-len 256
  vperf estimate openai/gpt-oss-120b rtx-3090 --n-cpu-moe 24 \\
      --host "Ryzen 9 9950X" --host-memory "96 GB DDR5-6000 x2"
  vperf estimate qwen3-32b rtx-5090+2xrtx-3090 -q q8_0
  vperf estimate qwen3-8b l40s --input-len 32768 --kv-offload host
  vperf estimate qwen3-8b 2xrtx-3090 --input-len 16384 --prefill-gpu h100
  vperf estimate -m qwen2.5-vl-7b-instruct -g h100 --image 1024x768 --images 2
  vperf estimate -m ./LLaDA-8B-Instruct -g h100 --block-length 32 \\
      --tokens-per-step 4
  vperf estimate -m ./my-checkpoint -g h200 -o answer.md
  vperf estimate -m - -g b200 < config.json
  vperf estimate -m qwen3-8b -g rtx-4090 --memory-bandwidth "1.5 TB/s" \\
      --memory "48 GB" --peak bf16="250 TFLOPS"

limit is what the datasheet allows, which no correct measurement beats;
expected is what a well-tuned engine reaches, with the range of most measurements.

Exit codes: 0 answered, 2 wrong usage or input, 3 the Hub could not be reached.
"""


@scenario_options()
@output.answers()
def estimate(
    *,
    typed: ScenarioOptions,
    ops: Annotated[
        bool, typer.Option("--ops", help="Add the table of both phases, op by op.")
    ] = False,
    out: output.Out,
) -> None:
    """How fast a model runs on a GPU: TTFT, prefill and decode speed.

    Each figure twice, as limit and as expected; what bounds it; whether it fits.
    """
    scenario = typed.scenario()

    from vperf import api
    from vperf.cli.progress import Progress
    from vperf.report.forms import of_estimate

    with Progress() as progress:
        answer = api.ask(scenario, progress.often)
        if answer.memory.fits:
            _ = answer.simulated  # what takes long of it
    ways = _ways(scenario, answer) if out.to_people and not answer.memory.fits else ()
    out.emit(of_estimate(answer, ops=ops, ways=ways))


def _ways(scenario: Scenario, answer: Estimate) -> Sequence[Remedy]:
    """What would make it fit."""
    from vperf.explore.fit import fit

    load = answer.workload
    options = {name: getattr(scenario, name) for name, option in OPTIONS.items()
               if option.shapes != "load"}  # fmt: skip
    return fit(
        context=load.prompt_tokens + load.output_tokens,
        users=1 if scenario.served else load.batch_size, **options,
    ).ways  # fmt: skip
