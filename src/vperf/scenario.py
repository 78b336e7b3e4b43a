"""What was typed: every option of an estimate, once, with its default and all that is known of it.

A field of `Scenario` is an option of `vperf.estimate`, of every command, of vperf.toml and of the
MCP tools; its `Option` says how the command line spells it and what it changes. Values are names
and numbers as they were given, or the very Gpu, Engine or config that a Python program holds.

Not here: what a name means and whether a value can be (resolve/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.serving.lengths import Lengths
from vperf.values import dataclass

ModelLike = str | Path | Mapping[str, Any] | ModelConfig
"""A Hub id, a shipped name, a path, "-" for standard input, or a config: as a dict, or as found."""

INPUT_LEN, OUTPUT_LEN = 1024, 128
"""Where neither lengths nor a workload are given."""

DEFAULT_ENGINE = "vllm"
PLACING_ENGINE = "llama.cpp"
"""Where layers are placed one by one, on unlike cards or the host, and no engine is given."""

Shapes = Literal["both", "model", "card", "load"]
"""What an option changes: the model as it is loaded, its card with the engine, or the load alone.
Deployments that differ in their load share all else (resolve/)."""


class Option(NamedTuple):
    """How the command line has one field of Scenario."""

    heading: str
    flags: tuple[str, ...]
    help: str
    metavar: str | None
    """None: a switch, which turns its default over."""
    kind: type = str
    """Of one value: str, int, float; bool of a switch, list of an option that repeats by itself."""
    repeats: bool = True
    """Whether commands of many scenarios take several values, and of numbers ranges."""
    shapes: Shapes = "both"
    minimum: int | None = None
    shown: str = ""
    """What help says of a default that is not handed over, so that what was given can be told."""


def _option(
    heading: str, flags: str, help: str, metavar: str | None, *, default: Any = None, **more: Any
) -> Any:
    option = Option(heading, tuple(flags.split()), help, metavar, **more)
    return field(default=default, metadata={"option": option})


def _of_load(heading: str, flags: str, help: str, metavar: str, **more: Any) -> Any:
    return _option(heading, flags, help, metavar, shapes="load", **more)


def _ways(flags: str, help: str) -> Any:
    return _option(_PARALLEL, flags, help, "N", default=1, kind=int, shapes="model", minimum=1)


_CARD, _LENGTHS, _FORMATS = "Model and GPU", "Workload", "Formats"
_ENGINE, _PARALLEL = "Engine", "Parallelism"
_SERVED, _DRAFTS = "Served load", "Speculative decoding"
_PLACES = "Host and placement"
_ADAPTERS, _DIFFUSION = "LoRA adapters", "Diffusion language models"
_ELSEWHERE = "Cache beyond the card"

_MODEL = (
    "Hub id (owner/name), a unique short name of a bundled model, a directory, a config.json, "
    "or - for a config.json on standard input."
)
_GPU = (
    "GPU id, any name that a driver or vendor prints, several as 2xh100, local (the one in this "
    "machine), or a GPU file (.toml)."
)
_QUANTIZATION = (
    "Weights as bf16, fp16, fp8, int8, int4, awq, gptq, mxfp4 or nvfp4 "
    "instead of the checkpoint's own."
)
_CAP = "Consider no longer context."
_GROUPS = "Attention groups, each with sequences of its own; tp x pp x dp GPUs."
_PCP = "Groups of GPUs that each read other tokens of a prompt; tp x pp x dp x pcp GPUs."
_DCP = "Of the tp GPUs, those that each keep other tokens of KV heads they would all keep."
_PEERS = "Cards read each other's memory. [no GeForce does]"
_NODE = "GPUs of a node. [8, or those that the link joins]"
_BETWEEN = "From a GPU to other nodes, one way. [50 GB/s]"
_HIT = "Share of a prompt found in cache, under a served load."
_RATE = "A served load: requests per second; inf: all at once."
_PROMPTS = "Requests of the simulated run. [ten a user, 1000 at a rate]"
_BURSTS = "Of a rate: 1 is Poisson, less comes in bursts, inf is constant. [1]"
_SEQUENCES = "Sequences the engine admits at a time. [the engine's]"
_BUDGET = "Tokens of one step of the engine. [the engine's]"
_TRACE = "A served load: requests with times and lengths, as CSV or JSON lines."
_SESSIONS = "A served load: users whose prompts hold all that was said before."
_THINK = 'Between an answer and the next prompt of a session, as "5 s".'
_PERCENTILES = "Percentiles of the simulated run. [50,90,95,99]"
_GOODPUT = 'Requests that keep all these times, as "ttft:500ms tpot:30ms e2e:20s".'
_WORKLOAD = "The lengths instead: chat, rag, agent, coding-agent, summarize, or a file of them."
_SHARE = "Share of GPU memory the engine takes. [the engine's]"
_TASK = "What it is run for: generate, embed, rerank or classify. [as its head says]"
_HOST = "The machine around the cards, as EPYC 9654, 2x NAME or local. [a desktop's or server's]"
_HOST_MEMORY = 'Its memory, as "DDR5-6000 x2", "96 GB" or "80 GB/s".'
_NGL = "Layers on the cards, the last ones, output layer included; others on the host. [all]"
_NCMOE = "Layers, the first ones, whose experts stay on the host."
_OT = "Tensors elsewhere, as blk\\.1[0-9]\\.ffn_.*_exps=CPU; repeatable."
_TS = "Shares of the layers for each card, as 3,1. [by free memory]"
_CPU_OFFLOAD = "GiB of weights of each GPU in host memory, read over the link at every step."
_KV_OFFLOAD = "Prompts are found in a cache beyond the card: host, disk, or a rate as 12 GB/s."
_KV_HIT = "Share of each prompt found there. [all but its last token]"
_KV_SIZE = "GiB of that cache, of all GPUs together."
_PREFILL_GPU = "Cards of their own that read the prompts, as h100 or 2xh100; the others decode."
_ENCODER_GPU = "Cards of their own that encode images and sounds, as l40s or 2xl40s."
_DRAFTED = "What drafts: mtp (the model's own layers), draft_model, eagle, eagle3, medusa or ngram."
_DRAFTER = "The model or EAGLE head that drafts."
_PEAK = 'Another dense peak, as bf16="250 TFLOPS"; repeatable.'


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. Lengths are tokens of each request; None leaves it to model or engine."""

    model: ModelLike = _option(
        _CARD, "--model -m", _MODEL, "MODEL", default=MISSING, shapes="model"
    )
    gpu: str | Gpu | None = _option(_CARD, "--gpu -g", _GPU, "GPU", default=MISSING, shapes="card")
    """None: `gpu_file` describes the card."""
    input_len: int = _of_load(
        _LENGTHS,
        "--input-len",
        "Tokens of the prompt.",
        "TOKENS",
        default=INPUT_LEN,
        kind=int,
        minimum=1,
        shown=str(INPUT_LEN),
    )
    output_len: int = _of_load(
        _LENGTHS,
        "--output-len",
        "Tokens generated.",
        "TOKENS",
        default=OUTPUT_LEN,
        kind=int,
        minimum=1,
        shown=str(OUTPUT_LEN),
    )
    batch_size: int = _of_load(
        _LENGTHS, "--batch-size", "Sequences at a time.", "N", default=1, kind=int, minimum=1
    )
    """Equal requests that start together."""
    quantization: str | None = _option(
        _FORMATS, "--quantization -q", _QUANTIZATION, "FORMAT", shapes="model"
    )
    """What-if over the weights that the checkpoint holds."""
    kv_cache_dtype: str | None = _option(
        _FORMATS, "--kv-cache-dtype", "KV cache as bf16, fp16, fp8, ...", "FORMAT", shapes="model"
    )
    max_model_len: int | None = _option(
        _LENGTHS, "--max-model-len", _CAP, "TOKENS", kind=int, shapes="model", minimum=1
    )
    engine: str | Engine | None = _option(
        _ENGINE, "--engine", "What runs the model.", "NAME", shown=DEFAULT_ENGINE
    )
    """None: that of a GGUF file, of the card, or DEFAULT_ENGINE."""
    tp: int = _ways("--tensor-parallel-size --tp", "GPUs that share a layer.")
    pp: int = _ways("--pipeline-parallel-size --pp", "Stages of layers.")
    ep: int = _ways("--expert-parallel-size --ep", "Groups of whole experts.")
    dp: int = _ways("--data-parallel-size --dp", _GROUPS)
    """Attention groups; tp x pp x dp GPUs."""
    pcp: int = _ways("--prefill-context-parallel-size --attn-cp-size --pcp", _PCP)
    """Groups that read a prompt together; tp x pp x dp x pcp GPUs."""
    dcp: int = _ways("--decode-context-parallel-size --dcp-size --dcp", _DCP)
    """Of the `tp` GPUs, those that share out the tokens of a cache."""
    peer_access: str | None = _option(
        _PARALLEL, "--peer-access", _PEERS, "yes|no", shapes="card", repeats=False
    )
    """Whether cards read each other's memory, over PCIe or a bridge; None: as the card's file."""
    gpus_per_node: int | None = _option(
        _PARALLEL, "--gpus-per-node", _NODE, "N", kind=int, shapes="card", minimum=1, repeats=False
    )
    node_link: str | None = _option(
        _PARALLEL, "--node-link", _BETWEEN, "RATE", shapes="card", repeats=False
    )
    max_concurrency: int | None = _of_load(
        _SERVED, "--max-concurrency", "A served load: so many users.", "USERS", kind=int, minimum=1
    )
    """A served load: users in a closed loop; of a rate, at most so many are out."""
    request_rate: float | None = _of_load(_SERVED, "--request-rate", _RATE, "RATE", kind=float)
    """A served load: requests per second, in an open loop; inf: all at once."""
    prefix_cache_hit: float = _of_load(
        _SERVED, "--prefix-cache-hit", _HIT, "SHARE", default=0.0, kind=float
    )
    num_prompts: int | None = _of_load(
        _SERVED, "--num-prompts", _PROMPTS, "N", kind=int, minimum=1, repeats=False
    )
    """Requests of the simulated run; None: ten for each user, a thousand at a rate."""
    burstiness: float | None = _of_load(
        _SERVED, "--burstiness", _BURSTS, "SHAPE", kind=float, repeats=False
    )
    """Shape of the gamma distribution of gaps at a rate: 1 is Poisson, inf constant."""
    max_num_seqs: int | None = _option(
        _ENGINE,
        "--max-num-seqs",
        _SEQUENCES,
        "N",
        kind=int,
        shapes="card",
        minimum=1,
        repeats=False,
    )
    """Sequences that the engine admits at a time; None: its own default."""
    max_num_batched_tokens: int | None = _option(
        _ENGINE,
        "--max-num-batched-tokens",
        _BUDGET,
        "TOKENS",
        kind=int,
        shapes="card",
        minimum=1,
        repeats=False,
    )
    """Tokens of one step of the engine; None: its own default."""
    trace: str | Path | None = _of_load(_SERVED, "--trace", _TRACE, "FILE", repeats=False)
    """A served load: a file of requests with their times."""
    sessions: int | None = _of_load(
        _SERVED, "--sessions", _SESSIONS, "N", kind=int, minimum=1, repeats=False
    )
    """A served load: users whose prompts hold all that was said before."""
    think_time: str | float | None = _of_load(
        _SERVED, "--think-time", _THINK, "TIME", repeats=False
    )
    """Between an answer and a session's next prompt, as "5 s" or in seconds."""
    metric_percentiles: str | None = _of_load(
        _SERVED, "--metric-percentiles", _PERCENTILES, "LIST", repeats=False
    )
    """Percentiles to report, as "50,99.9"."""
    goodput: str | None = _of_load(_SERVED, "--goodput", _GOODPUT, "TIMES", repeats=False)
    """Requests that keep all of these times are counted apart."""
    host: str | None = _option(_PLACES, "--host", _HOST, "NAME", shapes="card", repeats=False)
    """The host that what lies on no card is on; None: one that is then said."""
    host_memory: str | None = _option(
        _PLACES, "--host-memory", _HOST_MEMORY, "MEMORY", shapes="card", repeats=False
    )
    n_gpu_layers: int | None = _option(
        _PLACES, "--n-gpu-layers --gpu-layers -ngl", _NGL, "N", kind=int, shapes="card", minimum=-1
    )
    n_cpu_moe: int | None = _option(
        _PLACES, "--n-cpu-moe -ncmoe", _NCMOE, "N", kind=int, shapes="card", minimum=0
    )
    cpu_moe: bool = _option(
        _PLACES,
        "--cpu-moe -cmoe",
        "All experts stay on the host.",
        None,
        default=False,
        kind=bool,
        shapes="card",
        repeats=False,
    )
    override_tensor: Sequence[str] = _option(
        _PLACES,
        "--override-tensor -ot",
        _OT,
        "PATTERN=PLACE",
        default=(),
        kind=list,
        shapes="card",
        repeats=False,
    )
    tensor_split: str | None = _option(
        _PLACES, "--tensor-split -ts", _TS, "SHARES", shapes="card", repeats=False
    )
    cpu_offload_gb: float | None = _option(
        _PLACES, "--cpu-offload-gb", _CPU_OFFLOAD, "GIB", kind=float, shapes="card"
    )
    kv_offload: str | None = _of_load(
        _ELSEWHERE, "--kv-offload", _KV_OFFLOAD, "PLACE", repeats=False
    )
    kv_offload_hit: float | None = _of_load(
        _ELSEWHERE, "--kv-offload-hit", _KV_HIT, "SHARE", kind=float, repeats=False
    )
    kv_offload_size: float | None = _of_load(
        _ELSEWHERE,
        "--kv-offload-size --kv-offloading-size",
        _KV_SIZE,
        "GIB",
        kind=float,
        repeats=False,
    )
    prefill_gpu: str | None = _of_load(
        _ELSEWHERE, "--prefill-gpu", _PREFILL_GPU, "GPU", repeats=False
    )
    """Another kind of card, or more of them, with the engine's link between both."""
    encoder_gpu: str | None = _of_load(
        _ELSEWHERE, "--encoder-gpu", _ENCODER_GPU, "GPU", repeats=False
    )
    cuda_graphs: bool = _option(
        _ENGINE,
        "--no-cuda-graphs --enforce-eager",
        "The host launches every kernel.",
        None,
        default=True,
        kind=bool,
        repeats=False,
    )
    speculative: str | None = _option(_DRAFTS, "--speculative", _DRAFTED, "METHOD", shapes="model")
    draft_model: ModelLike | None = _option(
        _DRAFTS, "--draft-model", _DRAFTER, "MODEL", shapes="model", repeats=False
    )
    draft_quantization: str | None = _option(
        _DRAFTS,
        "--draft-quantization",
        "Weights of the draft model in this format, instead of its own.",
        "FORMAT",
        shapes="model",
        repeats=False,
    )
    draft_tokens: int | None = _option(
        _DRAFTS,
        "--draft-tokens",
        "Drafts in a row. [MTP: one a module]",
        "K",
        kind=int,
        shapes="model",
        minimum=1,
    )
    draft_branches: int | None = _option(
        _DRAFTS,
        "--draft-branches",
        "Of a tree: best drafts kept in each pass (SGLang's eagle-topk).",
        "N",
        kind=int,
        shapes="model",
        minimum=1,
        repeats=False,
    )
    verify_tokens: int | None = _option(
        _DRAFTS,
        "--verify-tokens",
        "Of a tree: tokens of a sequence that a step verifies.",
        "N",
        kind=int,
        shapes="model",
        minimum=2,
        repeats=False,
    )
    acceptance: float | str | None = _of_load(
        _DRAFTS,
        "--acceptance",
        "Probability that a draft is accepted, 0 to 1; or of each draft, as 0.8/0.6/0.4.",
        "A",
        kind=float,
    )
    """Or the share of all steps in which each draft is accepted, as "0.8,0.6,0.4"."""
    acceptance_length: float | None = _of_load(
        _DRAFTS,
        "--acceptance-length",
        "Tokens of a step instead, as engines log them.",
        "TOKENS",
        kind=float,
    )
    block_length: int | None = _option(
        _DIFFUSION,
        "--block-length",
        "Tokens that a step denoises.",
        "TOKENS",
        kind=int,
        shapes="model",
        minimum=1,
    )
    tokens_per_step: float | None = _of_load(
        _DIFFUSION,
        "--tokens-per-step",
        "Tokens that a step keeps, on average.",
        "TOKENS",
        kind=float,
    )
    lora_rank: int | None = _option(
        _ADAPTERS,
        "--lora-rank",
        "LoRA adapters of this rank, unmerged.",
        "R",
        kind=int,
        shapes="model",
        minimum=1,
    )
    max_loras: int | None = _option(
        _ADAPTERS,
        "--max-loras",
        "Adapters in memory, which requests use evenly. [1]",
        "N",
        kind=int,
        shapes="model",
        minimum=1,
    )
    lora_targets: str | None = _option(
        _ADAPTERS,
        "--lora-targets",
        "Modules that they adapt, as q_proj,v_proj,experts. [all linear layers but experts]",
        "NAMES",
        shapes="model",
        repeats=False,
    )
    """Last names of modules, as in adapter_config.json's target_modules."""
    image_tokens: int = _of_load(
        _LENGTHS,
        "--image-tokens",
        "Tokens of a request's images.",
        "TOKENS",
        default=0,
        kind=int,
        minimum=0,
    )
    """Tokens that the images of a request add to its prompt."""
    image: str | None = _of_load(
        _LENGTHS, "--image", "Size of a request's images, as 1024x768.", "WxH", repeats=True
    )
    images: int | None = _of_load(
        _LENGTHS, "--images", "How many of them. [1]", "N", kind=int, minimum=1
    )
    audio: str | None = _of_load(
        _LENGTHS, "--audio", "Sound of a request, as 30s.", "TIME", repeats=False
    )
    video: str | None = _of_load(
        _LENGTHS, "--video", "Video of a request, as 10s@2fps@1280x720.", "VIDEO", repeats=False
    )
    workload: str | Path | Lengths | None = _of_load(
        _LENGTHS, "--workload", _WORKLOAD, "NAME", repeats=False
    )
    """The lengths by name or as a file, in place of input_len and output_len."""
    gpu_memory_utilization: float | None = _option(
        _ENGINE, "--gpu-memory-utilization", _SHARE, "SHARE", kind=float
    )
    """Share of GPU memory that the engine takes; None: its own default."""
    task: str | None = _option(_CARD, "--task", _TASK, "TASK", shapes="model", repeats=False)
    texts_per_request: int | None = _of_load(
        _SERVED,
        "--texts-per-request",
        "Of embeddings, scores, labels. [1]",
        "N",
        kind=int,
        minimum=1,
        repeats=False,
    )
    revision: str | None = _option(
        _CARD,
        "--revision",
        "Branch, tag or commit of a Hub model.",
        "REV",
        repeats=False,
        shapes="model",
    )
    gpu_file: str | Path | None = _option(
        _CARD,
        "--gpu-file",
        "TOML that describes a card, instead of --gpu.",
        "FILE",
        repeats=False,
        shapes="card",
    )
    memory_bandwidth: str | None = _option(
        _CARD,
        "--memory-bandwidth",
        'Another bandwidth, as "1.5 TB/s".',
        "RATE",
        repeats=False,
        shapes="card",
    )
    memory: str | None = _option(
        _CARD, "--memory", 'Another memory size, as "48 GB".', "SIZE", repeats=False, shapes="card"
    )
    peak: Sequence[str] = _option(
        _CARD, "--peak", _PEAK, "FORMAT=RATE", default=(), kind=list, repeats=False, shapes="card"
    )

    def gives(self, names: tuple[str, ...]) -> bool:
        """Whether any of these options was given; their defaults are None, False or ()."""
        for name in names:  # a sweep asks this of every row
            value = getattr(self, name)
            if value is not None and value is not False and value != ():
                return True
        return False

    @property
    def served(self) -> bool:
        """Whether it is of a load of many requests rather than of one batch."""
        return (
            self.max_concurrency is not None
            or self.request_rate is not None
            or self.trace is not None
            or self.sessions is not None
        )


class Options(TypedDict, total=False):
    """The keywords of `vperf.estimate`: the fields of Scenario after model and gpu."""

    input_len: int
    output_len: int
    batch_size: int
    quantization: str | None
    kv_cache_dtype: str | None
    max_model_len: int | None
    engine: str | Engine | None
    tp: int
    pp: int
    ep: int
    dp: int
    pcp: int
    dcp: int
    peer_access: str | None
    gpus_per_node: int | None
    node_link: str | None
    max_concurrency: int | None
    request_rate: float | None
    prefix_cache_hit: float
    num_prompts: int | None
    burstiness: float | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    trace: str | Path | None
    sessions: int | None
    think_time: str | float | None
    metric_percentiles: str | None
    goodput: str | None
    host: str | None
    host_memory: str | None
    n_gpu_layers: int | None
    n_cpu_moe: int | None
    cpu_moe: bool
    override_tensor: Sequence[str]
    tensor_split: str | None
    cpu_offload_gb: float | None
    kv_offload: str | None
    kv_offload_hit: float | None
    kv_offload_size: float | None
    prefill_gpu: str | None
    encoder_gpu: str | None
    cuda_graphs: bool
    speculative: str | None
    draft_model: ModelLike | None
    draft_quantization: str | None
    draft_tokens: int | None
    draft_branches: int | None
    verify_tokens: int | None
    acceptance: float | str | None
    acceptance_length: float | None
    block_length: int | None
    tokens_per_step: float | None
    lora_rank: int | None
    max_loras: int | None
    lora_targets: str | None
    image_tokens: int
    image: str | None
    images: int | None
    audio: str | None
    video: str | None
    workload: str | Path | Lengths | None
    task: str | None
    texts_per_request: int | None
    gpu_memory_utilization: float | None
    revision: str | None
    gpu_file: str | Path | None
    memory_bandwidth: str | None
    memory: str | None
    peak: Sequence[str]


OPTIONS: Mapping[str, Option] = {f.name: f.metadata["option"] for f in fields(Scenario)}
"""Every option by its field."""

LOADS = ("max_concurrency", "request_rate", "trace", "sessions")
"""Those of which one makes a load."""

OF_LOADS = tuple(
    name
    for name, option in OPTIONS.items()
    if option.heading == _SERVED and name not in (*LOADS, "texts_per_request")
)
"""Those that mean nothing without a load."""

OF_DRAFTS = tuple(name for name, option in OPTIONS.items() if option.heading == _DRAFTS)
"""Those of speculative decoding, the first of which says what drafts."""

ACCEPTED = ("acceptance", "acceptance_length", "tokens_per_step")
"""Those of them that change no memory."""

MEDIA = ("image", "images", "audio", "video")
"""Those of a request's images and sounds."""

CARD = ("gpu_file", "memory_bandwidth", "memory", "peak")
"""Those that describe the card beside `gpu`."""

LAYER_OPTIONS = ("n_gpu_layers", "n_cpu_moe", "cpu_moe", "override_tensor", "tensor_split")
"""Those that place layers, experts or tensors one by one: of engines whose host computes."""
PLACING = (*LAYER_OPTIONS, "cpu_offload_gb")
"""All that leaves part of a model to the host."""
HOST = ("host", "host_memory")
"""The machine around the cards."""

ELSEWHERE = tuple(name for name, option in OPTIONS.items() if option.heading == _ELSEWHERE)
"""Those of prompts that are not read where they are decoded."""

OTHER_CARDS = ("prefill_gpu", "encoder_gpu")
"""Those of them that name cards of another kind, whose figures a table of one kind has not."""

Question = Scenario
"""An older name."""
