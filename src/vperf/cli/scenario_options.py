"""The options of an estimate, once, for every command that takes them. Names follow vLLM's.

`@scenario_options(...)` takes the parameter `typed` of a command and puts the options of this table
in its place; the command gets their values as `ScenarioOptions`. With `many`, options repeat and
take commas, and `ScenarioOptions.choices` holds what was given of each. A command that has but a
few of them takes those by `option(name)`. A new option of an estimate is a field of Scenario and a
line of the table here.

Not here: defaults (scenario.py), options of one command (its own file), and what a value means.
"""

# Imports wait for the command that needs them: a start costs what it uses.
# ruff: noqa: PLC0415

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from vperf.cli import options
from vperf.errors import InputError

if TYPE_CHECKING:
    from vperf.hardware.gpu import Gpu
    from vperf.scenario import Scenario


_MODEL = (
    "Hub id (owner/name), a unique short name of a bundled model, a directory, a config.json, "
    "or - for a config.json on standard input."
)
_GPU = (
    "GPU id, any name that a driver or vendor prints, local (the one in this machine), "
    "or a GPU file (.toml)."
)
_QUANTIZATION = (
    "Weights as bf16, fp16, fp8, int8, int4, awq, gptq, mxfp4 or nvfp4 "
    "instead of the checkpoint's own."
)
_WORKLOAD = "The lengths instead: chat, rag, agent, coding-agent, summarize, or a file of them."

_TABLE: dict[str, tuple[type, Any]] = {
    "model": (
        str,
        Option("--model", "-m", metavar="MODEL", help=_MODEL,
                autocompletion=options.complete_model),
    ),
    "gpu": (
        str,
        Option("--gpu", "-g", metavar="GPU", help=_GPU,
                autocompletion=options.complete_gpu),
    ),
    "input_len": (
        int, Option("--input-len", min=1, metavar="TOKENS", help="Tokens of the prompt.")
    ),
    "output_len": (
        int, Option("--output-len", min=1, metavar="TOKENS", help="Tokens generated.")
    ),
    "batch_size": (
        int, Option("--batch-size", min=1, metavar="N", help="Sequences at a time.")
    ),
    "quantization": (
        str, Option("--quantization", "-q", metavar="FORMAT", help=_QUANTIZATION)
    ),
    "kv_cache_dtype": (
        str, Option("--kv-cache-dtype", metavar="FORMAT", help="KV cache as bf16, fp16, fp8, ...")
    ),
    "max_model_len": (
        int,
        Option("--max-model-len", min=1, metavar="TOKENS", help="Consider no longer context."),
    ),
    "engine": (str, Option("--engine", metavar="NAME", help="What runs the model.")),
    "tp": (
        int,
        Option("--tensor-parallel-size", "--tp", min=1, metavar="N",
                help="GPUs that share a layer."),
    ),
    "pp": (
        int,
        Option("--pipeline-parallel-size", "--pp", min=1, metavar="N", help="Stages of layers."),
    ),
    "ep": (
        int,
        Option("--expert-parallel-size", "--ep", min=1, metavar="N",
                help="Groups of whole experts."),
    ),
    "dp": (
        int,
        Option("--data-parallel-size", "--dp", min=1, metavar="N",
                help="Attention groups, each with sequences of its own; tp x pp x dp GPUs."),
    ),
    "peer_access": (
        bool,
        Option("--peer-access/--no-peer-access", show_default=False,
                help="Cards read each other's memory. [no GeForce does]"),
    ),
    "gpus_per_node": (
        int,
        Option("--gpus-per-node", min=1, metavar="N",
                help="GPUs of a node. [8, or those of the link]"),
    ),
    "node_link": (
        str,
        Option("--node-link", metavar="RATE",
                help="From a GPU to other nodes, one way. [50 GB/s]"),
    ),
    "max_concurrency": (
        int,
        Option("--max-concurrency", min=1, metavar="USERS",
                help="A served load: so many users."),
    ),
    "request_rate": (
        float,
        Option("--request-rate", metavar="RATE", help="A served load: requests per second."),
    ),
    "prefix_cache_hit": (
        float,
        Option("--prefix-cache-hit", metavar="SHARE",
                help="Share of a prompt found in cache, under a served load."),
    ),
    "num_prompts": (
        int,
        Option("--num-prompts", min=1, metavar="N",
                help="Requests of the simulated run. [ten a user, 1000 at a rate]"),
    ),
    "burstiness": (
        float,
        Option("--burstiness", metavar="SHAPE",
                help="Of a rate: 1 is Poisson, less comes in bursts, inf is constant. [1]"),
    ),
    "max_num_seqs": (
        int,
        Option("--max-num-seqs", min=1, metavar="N",
                help="Sequences the engine admits at a time. [the engine's]"),
    ),
    "max_num_batched_tokens": (
        int,
        Option("--max-num-batched-tokens", min=1, metavar="TOKENS",
                help="Tokens of one step of the engine. [the engine's]"),
    ),
    "trace": (
        str,
        Option("--trace", metavar="FILE",
                help="A served load: requests with times and lengths, as CSV or JSON lines."),
    ),
    "sessions": (
        int,
        Option("--sessions", min=1, metavar="N",
                help="A served load: users whose prompts hold all that was said before."),
    ),
    "think_time": (
        str,
        Option("--think-time", metavar="TIME",
                help='Between an answer and the next prompt of a session, as "5 s".'),
    ),
    "metric_percentiles": (
        str,
        Option("--metric-percentiles", metavar="LIST",
                help="Percentiles of the simulated run. [50,90,95,99]"),
    ),
    "no_cuda_graphs": (
        bool,
        Option("--no-cuda-graphs", "--enforce-eager", help="The host launches every kernel."),
    ),
    "speculative": (
        str,
        Option("--speculative", metavar="METHOD", help="mtp: the model's own MTP layers draft."),
    ),
    "draft_tokens": (
        int,
        Option("--draft-tokens", min=1, metavar="K",
                help="Tokens drafted a step. [one a MTP layer]"),
    ),
    "acceptance": (
        float,
        Option("--acceptance", metavar="A", help="Probability that a draft is accepted, 0 to 1."),
    ),
    "image_tokens": (
        int,
        Option("--image-tokens", min=0, metavar="TOKENS", help="Tokens of a request's images."),
    ),
    "workload": (
        str,
        Option("--workload", metavar="NAME", help=_WORKLOAD),
    ),
    "gpu_memory_utilization": (
        float,
        Option("--gpu-memory-utilization", metavar="SHARE",
                help="Share of GPU memory the engine takes. [the engine's]"),
    ),
    "revision": (
        str,
        Option("--revision", metavar="REV", help="Branch, tag or commit of a Hub model."),
    ),
    "gpu_file": (
        Path,
        Option("--gpu-file", metavar="FILE", help="TOML that describes a card, instead of --gpu."),
    ),
    "memory_bandwidth": (
        str,
        Option("--memory-bandwidth", metavar="RATE", help='Another bandwidth, as "1.5 TB/s".'),
    ),
    "memory": (
        str, Option("--memory", metavar="SIZE", help='Another memory size, as "48 GB".')
    ),
    "peak": (
        list,
        Option("--peak", metavar="FORMAT=RATE",
                help='Another dense peak, as bf16="250 TFLOPS"; repeatable.'),
    ),
}  # fmt: skip
"""Every option by its parameter: fields of Scenario, then those that describe the card."""

LENGTHS = ("input_len", "output_len")
"""Stated by --workload too: what was given must be told from a default."""

CARD = ("gpu_file", "memory_bandwidth", "memory", "peak")


@dataclass(frozen=True)
class ScenarioOptions:
    """What the command line scenario_options of an estimate, by parameter."""

    values: Mapping[str, Any]
    """Of options that are given once."""
    choices: Mapping[str, tuple[Any, ...]]
    """Of options that may be given several times; those not given are not in it."""

    def options(self) -> dict[str, Any]:
        """What was given, as options of the Python API; choices are lists, the card is apart.

        Raises InputError for options that contradict each other.
        """
        found = {n: v for n, v in self.values.items() if n not in CARD and v is not None}
        if found.pop("no_cuda_graphs", False):
            found["cuda_graphs"] = False
        found.update((name, list(choices)) for name, choices in self.choices.items())
        if "workload" in found and any(name in found for name in LENGTHS):
            raise InputError(
                "--workload states the lengths", hint="leave out --input-len and --output-len"
            )
        return found

    @property
    def card(self) -> dict[str, Any]:
        """What describes the card beside --gpu, as `resolve_gpu` takes it."""
        return {name: self.values.get(name) for name in CARD}

    def scenario(self) -> Scenario:
        """The one scenario. Raises InputError without a model or GPU."""
        from vperf.scenario import Scenario

        given = self.options()
        if "model" not in given:
            raise missing_model()
        gpu = given.get("gpu")
        if gpu is not None and ("," in gpu or gpu.lower() == "all") and not Path(gpu).exists():
            raise InputError(
                f"{gpu!r} is not one GPU", source="--gpu",
                hint="vperf compare, sweep, fit and plan take several",
            )  # fmt: skip
        return Scenario(**{**given, "gpu": resolve_gpu(gpu, **self.card)})


def missing_model() -> InputError:
    """No model was named."""
    return InputError("--model is missing", hint="'vperf models' lists those that are bundled")


def option(name: str) -> Any:
    """One option of an estimate, as a parameter of a command: `Annotated[int, option(...)]`."""
    return _TABLE[name][1]


def scenario_options(
    *, many: Collection[str] = (), without: Collection[str] = (), optional: bool = False
) -> Callable[..., Any]:
    """A command with the options of an estimate in place of its parameter `typed`.

    Options in `many` repeat and take commas, numbers ranges too; it has none `without`. With
    `optional` none has a default, and `ScenarioOptions.values` holds those alone that were given.
    """
    from vperf.scenario import Scenario

    defaults = {field.name: field.default for field in fields(Scenario)}
    if optional:
        defaults = dict.fromkeys(defaults)
    defaults.update(model=None, gpu=None, no_cuda_graphs=False)
    names = [name for name in _TABLE if name not in without]

    def parameter(name: str) -> inspect.Parameter:
        kind, declared = _TABLE[name]
        default = defaults.get(name)
        annotation: Any
        if name in LENGTHS and name not in many:
            declared, default = copy(declared), None
            declared.show_default = str(defaults[name])
        if kind is list or name in many:
            annotation, default, declared = list[str] | None, None, copy(declared)
            declared.min = None  # of each choice, not of the text: see _split
        else:
            annotation = kind | None if default is None else kind
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default,
            annotation=Annotated[annotation, declared],
        )  # fmt: skip

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            p
            for p in inspect.signature(command, eval_str=True).parameters.values()
            if p.name != "typed"
        ]
        parameters = [*(parameter(name) for name in names), *own]
        parameters.sort(key=lambda p: p.kind)  # arguments stand before options

        @wraps(command)
        def run(**given: Any) -> None:
            values = {name: given.pop(name) for name in names}
            if optional:
                values = {
                    n: v for n, v in values.items() if not (v is None or v is False or v == [])
                }
            options.refuse_empty(
                **{n: v for n, v in values.items() if isinstance(v, str) and n not in CARD}
            )
            choices = {
                name: _split(name, texts)
                for name in many
                if name in values and (texts := values.pop(name))
            }
            command(typed=ScenarioOptions(values, choices), **given)

        run.__dict__["__signature__"] = inspect.Signature(parameters)
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return wrap


def _split(name: str, texts: list[str]) -> tuple[Any, ...]:
    kind, declared = _TABLE[name]
    return choices_of(texts, kind, declared.min, f"--{name.replace('_', '-')}")


def choices_of(texts: list[str], kind: Any, least: float | None, flag: str) -> tuple[Any, ...]:
    """The choices of one option: repeated, separated by commas, as ranges; each once, in order."""
    found: dict[Any, None] = {}
    for text in texts:
        for part in text.split(","):
            if not part.strip():
                raise InputError(f"{text!r} has an empty choice", source=flag)
            for value in _values(part.strip(), kind, flag):
                if least is not None and value < least:
                    raise InputError(f"{value} is less than {least}", source=flag)
                found[value] = None
    return tuple(found)


def _values(part: str, kind: Any, flag: str) -> Iterable[Any]:
    if kind in (int, float) and ".." in part:
        from vperf.explore.axis import spread_out

        return spread_out(part, kind, flag)
    try:
        return (kind(part),)
    except ValueError:
        what = "whole number" if kind is int else "number"
        raise InputError(f"{part!r} is not a {what}", source=flag) from None


def resolve_gpu(
    gpu: str | None,
    *,
    gpu_file: Path | None = None,
    memory_bandwidth: str | None = None,
    memory: str | None = None,
    peak: list[str] | None = None,
) -> str | Gpu:
    """The GPU by name, or as a file and overrides describe it."""
    peaks = peaks_of(peak or [])
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


def peaks_of(given: list[str]) -> dict[str, str]:
    """Rates in words by compute pipe, as --peak takes them. Raises InputError."""
    peaks: dict[str, str] = {}
    for text in given:
        pipe, equals, rate = text.partition("=")
        if not (equals and pipe.strip() and rate.strip()):
            raise InputError(f'{text!r} is not like bf16="250 TFLOPS"', source="--peak")
        if pipe.strip().lower() in peaks:
            raise InputError(f"{pipe.strip()} is given twice", source="--peak")
        peaks[pipe.strip().lower()] = rate.strip()
    return peaks
