"""model + GPU + engine + workload -> Estimate: the answer as a plain frozen value.

Both commands and the Python API return what is defined here; `Estimate.to_dict()` is the contract
of `--json` (schema "vperf/estimate/1"). Not here: finding a model or a GPU by name (sources/),
and printing (report/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from vperf.errors import InputError
from vperf.formats import Format
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES, Step
from vperf.serving.memory import Memory, other_bytes, plan_memory
from vperf.serving.speculative import (
    DRAFT,
    break_even,
    checked_acceptance,
    decode_passes,
    tokens_per_step,
)
from vperf.timing.collectives import link_bytes_per_s
from vperf.timing.constants import Constants
from vperf.timing.ranges import spread
from vperf.timing.step import Card, OpTime, PhaseTimes, passes_seconds, time_passes, time_step
from vperf.version import __version__

if TYPE_CHECKING:
    from vperf.serving.load import Load

SCHEMA = "vperf/estimate/1"

ModelSource = Literal["bundled", "hub", "local", "gguf", "stdin"]

__all__ = [
    "DepthPoint",
    "Estimate",
    "Expected",
    "GpuFacts",
    "Memory",
    "ModelFacts",
    "OpTime",
    "PhaseTimes",
    "Serving",
    "Speculative",
    "Speed",
    "Workload",
    "estimate_model",
    "model_facts_of",
    "serve_model",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model as the answer reports it. Counts are elements, sizes bytes."""

    id: str
    source: ModelSource
    architecture: str
    parameters: int
    """Everything a checkpoint of this config stores, vision tower included."""
    active_parameters: int
    weight_bytes: float
    kv_bytes_per_token: float
    """One more token in every layer's cache, before any window is full."""
    quantization: str
    kv_cache_dtype: str
    max_context_tokens: int | None
    """The context the model was made for; None when its config does not say."""


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The GPU as the answer reports it."""

    id: str
    name: str
    count: int
    memory_bytes: float
    memory_bandwidth_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float]
    constants: Literal["measured", "generic", "datasheet"]
    """Where the constants behind `expected` come from."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked for: every sequence of the batch has the same lengths."""

    batch_size: int
    input_tokens: int
    output_tokens: int
    concurrency: int
    engine: str
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: int = 1
    data_parallel: int = 1
    image_tokens: int = 0
    """Tokens that the images of a request add to its input_tokens."""
    speculative: str | None = None
    """What drafts tokens; None: nothing does."""
    draft_tokens: int = 0
    acceptance: float | None = None

    @property
    def prompt_tokens(self) -> int:
        """All that prefill reads of one request."""
        return self.input_tokens + self.image_tokens


@dataclass(frozen=True, slots=True)
class Speed:
    """The five figures of an answer; rates count all sequences unless they say per user."""

    ttft_s: float
    prefill_tokens_per_s: float
    tpot_s: float
    decode_tokens_per_s: float
    decode_tokens_per_s_per_user: float


@dataclass(frozen=True, slots=True)
class Expected(Speed):
    """Speed with the range in which about 80 % of measurements fall.

    `low` and `high` bound each figure itself: `low.ttft_s` is the shortest time to expect,
    `high.decode_tokens_per_s` the highest rate.
    """

    low: Speed
    high: Speed


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """Decode speed (all sequences) with `context_tokens` in every sequence's cache."""

    context_tokens: int
    limit_decode_tokens_per_s: float
    expected_decode_tokens_per_s: float
    fits: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """What a load of many requests settles to; None in an estimate of equal requests at once."""

    running_batch: float
    """Sequences decoding at a time; the other users wait for their first token."""
    slots: int
    """Sequences that the KV cache has room for."""
    requests_per_s: float
    ttft_steady_s: float
    """Without the first burst, which a benchmark's mean TTFT holds."""
    requests_asked_per_s: float | None
    """The rate of an open loop; None: users in a closed loop."""
    saturated: bool
    """More requests arrive than can be served: TTFT grows for as long as that lasts."""


@dataclass(frozen=True, slots=True)
class Speculative:
    """What speculative decoding does to a step; seconds are means over the output."""

    method: str
    draft_tokens: int
    acceptance: float
    """Probability that a draft token is accepted, given."""
    tokens_per_step: float
    break_even_acceptance: float | None
    """Where expected TPOT is that of plain decoding; None: drafting never pays."""
    limit_step_s: float
    expected_step_s: float
    """Verification and all drafts."""
    limit_draft_s: float
    expected_draft_s: float
    """All drafts of a step."""
    limit_plain_tpot_s: float
    expected_plain_tpot_s: float
    """Without drafts."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The whole answer. Every figure the command line prints is read from here."""

    model: ModelFacts
    gpu: GpuFacts
    workload: Workload
    limit: Speed
    expected: Expected
    memory: Memory
    prefill: PhaseTimes
    decode: PhaseTimes
    """One decode step in the middle of the output."""
    depth: tuple[DepthPoint, ...]
    assumptions: tuple[str, ...]
    not_modelled: tuple[str, ...]
    warnings: tuple[str, ...]
    serving: Serving | None = None
    speculative: Speculative | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        expected: dict[str, float] = {}
        for key in Speed.__slots__:
            expected[key] = getattr(self.expected, key)
            expected[f"{key}_low"] = getattr(self.expected.low, key)
            expected[f"{key}_high"] = getattr(self.expected.high, key)
        return {
            "schema": SCHEMA,
            "vperf_version": __version__,
            "model": asdict(self.model),
            "gpu": {**_plain(self.gpu), "peak_flop_per_s": dict(self.gpu.peak_flop_per_s)},
            "workload": asdict(self.workload),
            "limit": asdict(self.limit),
            "expected": expected,
            "memory": asdict(self.memory),
            "prefill": _phase(self.prefill),
            "decode": _phase(self.decode),
            "serving": asdict(self.serving) if self.serving else None,
            "speculative": asdict(self.speculative) if self.speculative else None,
            "depth": [asdict(point) for point in self.depth],
            "assumptions": list(self.assumptions),
            "not_modelled": list(self.not_modelled),
            "warnings": list(self.warnings),
        }


def _phase(times: PhaseTimes) -> dict[str, Any]:
    return {**asdict(times), "ops": [asdict(op) for op in times.ops]}


def _plain(value: GpuFacts) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


_DEPTHS = (1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576)

MAX_TOKENS = 10**9
"""No length or batch beyond it is a question."""


def estimate_model(
    model: Model,
    model_id: str,
    model_source: ModelSource,
    gpu: Gpu,
    engine: Engine,
    *,
    input_tokens: int,
    output_tokens: int,
    batch_size: int,
    image_tokens: int = 0,
    acceptance: float | None = None,
) -> Estimate:
    """The estimate of one model on its GPUs: `batch_size` equal requests that start together.

    TTFT is the prefill of all prompts in one step; TPOT the mean of the decode steps that follow,
    at contexts input .. input + output, where the model drafts over the tokens a step yields at
    `acceptance`. Raises InputError for lengths that cannot be.
    """
    for name, value in (
        ("input-len", input_tokens), ("output-len", output_tokens), ("batch-size", batch_size)
    ):  # fmt: skip
        _check_count(name, value, 1)
    prompt = input_tokens + _checked_images(model, model_id, image_tokens)
    card = Card(gpu, engine)
    constants = card.constants
    prefill = time_step(model, Step(batch_size, prompt, 0), card)
    middle = prompt + (output_tokens - 1) // 2
    decode = time_passes(decode_passes(model, batch_size, middle), card)
    step = _mean_step(model, card, batch_size, prompt, output_tokens)
    speculative, gain = None, 1.0
    if model.draft_tokens:
        accepted = checked_acceptance(acceptance)
        gain = tokens_per_step(accepted, model.draft_tokens)
        plain = _mean_step(replace(model, draft_tokens=0), card, batch_size, prompt, output_tokens)
        speculative = _speculative(model, decode, step, plain, accepted)

    def speed(ttft_s: float, tpot_s: float) -> Speed:
        return Speed(
            ttft_s=ttft_s,
            prefill_tokens_per_s=batch_size * prompt / ttft_s,
            tpot_s=tpot_s,
            decode_tokens_per_s=batch_size / tpot_s,
            decode_tokens_per_s_per_user=1 / tpot_s,
        )

    limit = speed(prefill.limit_s, step[0] / gain)
    memory = plan_memory(model, gpu, engine, batch_size, prompt, output_tokens)
    return Estimate(
        model=model_facts_of(model, model_id, model_source),
        gpu=GpuFacts(
            id=gpu.id,
            name=gpu.name,
            count=model.parallel.gpus,
            memory_bytes=gpu.memory_bytes,
            memory_bandwidth_bytes_per_s=gpu.memory_bandwidth,
            peak_flop_per_s=gpu.peak_flop_per_s,
            constants=constants.origin,
        ),
        workload=Workload(
            batch_size,
            input_tokens,
            output_tokens,
            batch_size,
            engine.id,
            model.parallel.tensor,
            model.parallel.pipeline,
            model.parallel.expert,
            model.parallel.data,
            image_tokens,
            speculative.method if speculative else None,
            model.draft_tokens,
            speculative.acceptance if speculative else None,
        ),
        limit=limit,
        expected=_with_range(limit, prefill.expected_s, step[1] / gain, constants, speed),
        memory=memory,
        prefill=prefill,
        decode=decode,
        depth=_depths(model, card, batch_size, prompt, gain),
        assumptions=_assumptions(model, card, speculative),
        not_modelled=_not_modelled(model, image_tokens),
        warnings=_warnings(model, memory, prompt + output_tokens),
        speculative=speculative,
    )


def _check_count(name: str, value: int, least: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value <= MAX_TOKENS:
        raise InputError(
            f"must be an integer from {least} to {MAX_TOKENS}, not {value!r}", field=name
        )


def _checked_images(model: Model, model_id: str, image_tokens: int) -> int:
    """Image tokens of a model that puts images into its prompt. Raises InputError."""
    _check_count("image-tokens", image_tokens, 0)
    if image_tokens and not model.images:
        raise InputError(
            f"{model_id} (model_type {model.model_type!r}) has no vision tower that puts tokens "
            "into the prompt",
            field="image-tokens",
        )
    return image_tokens


def _speculative(
    model: Model,
    decode: PhaseTimes,
    step: tuple[float, float],
    plain: tuple[float, float],
    acceptance: float,
) -> Speculative:
    """`step` and `plain`: mean (limit, expected) seconds with and without drafts."""
    drafts = [op for op in decode.ops if op.name.startswith(DRAFT)]
    return Speculative(
        method="mtp",
        draft_tokens=model.draft_tokens,
        acceptance=acceptance,
        tokens_per_step=tokens_per_step(acceptance, model.draft_tokens),
        break_even_acceptance=break_even(step[1] / plain[1], model.draft_tokens),
        limit_step_s=step[0],
        expected_step_s=step[1],
        limit_draft_s=max(
            sum(op.compute_s for op in drafts),
            sum(op.memory_s for op in drafts),
            sum(op.limit_s for op in drafts if op.kind in COLLECTIVES),
        ),
        expected_draft_s=sum(op.expected_s for op in drafts),
        limit_plain_tpot_s=plain[0],
        expected_plain_tpot_s=plain[1],
    )


def serve_model(
    model: Model,
    model_id: str,
    model_source: ModelSource,
    gpu: Gpu,
    engine: Engine,
    *,
    load: Load,
) -> Estimate:
    """The estimate of a served load: users in a closed loop, or requests at a rate.

    TTFT as a benchmark that starts with all users at once reports it; TPOT with the prefills of
    others between one's own tokens; rates of the whole deployment. The limit is that of the batch
    that is running.
    """
    from vperf.serving.load import serve  # noqa: PLC0415  (most estimates are of a batch)

    card = Card(gpu, engine)
    served = serve(model, card, load)
    running = served.running_batch
    base = estimate_model(
        model, model_id, model_source, gpu, engine, input_tokens=load.input_tokens,
        output_tokens=load.output_tokens, batch_size=max(1, round(running)),
    )  # fmt: skip

    def speed(ttft_s: float, tpot_s: float) -> Speed:
        return Speed(
            ttft_s=ttft_s,
            prefill_tokens_per_s=load.input_tokens / ttft_s,
            tpot_s=tpot_s,
            decode_tokens_per_s=running / tpot_s,
            decode_tokens_per_s_per_user=1 / tpot_s,
        )

    limit = speed(served.limit_ttft_s, served.limit_tpot_s)
    # As many sequences as fit at full length; pages are shared out while they are shorter.
    held = max(1, min(base.workload.batch_size, base.memory.max_batch_size))
    memory = plan_memory(model, gpu, engine, held, load.input_tokens, load.output_tokens)
    warnings = list(_warnings(model, memory, load.input_tokens + load.output_tokens))
    if served.saturated:
        warnings.append(
            f"saturated: {load.requests_per_s:g} requests/s are asked for and at most "
            f"{served.requests_per_s:.2f} can be served; the queue and TTFT grow without end"
        )
    if load.users is not None and load.users > served.slots:
        warnings.append(
            f"the KV cache has room for {served.slots} of {load.users} users; the others wait"
        )
    prompt = Step(1, load.input_tokens - load.cached_tokens, load.cached_tokens)
    return replace(
        base,
        workload=replace(base.workload, concurrency=load.users or base.workload.batch_size),
        limit=limit,
        expected=_with_range(limit, served.ttft_s, served.tpot_s, card.constants, speed),
        memory=memory,
        prefill=time_step(model, prompt, card),
        assumptions=(*base.assumptions, _load_line(load)),
        not_modelled=tuple(line for line in base.not_modelled if not line.startswith("queueing")),
        warnings=tuple(warnings),
        serving=Serving(
            served.running_batch,
            served.slots,
            served.requests_per_s,
            served.ttft_steady_s,
            load.requests_per_s,
            served.saturated,
        ),
    )


def model_facts_of(model: Model, model_id: str, source: ModelSource) -> ModelFacts:
    """What a model is, without a GPU."""
    return ModelFacts(
        id=model_id,
        source=source,
        architecture=model.model_type,
        parameters=model.parameters,
        active_parameters=model.active_parameters,
        weight_bytes=model.weight_bytes,
        kv_bytes_per_token=model.kv_bytes_per_token,
        quantization=model.quantization,
        kv_cache_dtype=model.cache_name,
        max_context_tokens=model.max_context_tokens,
    )


def _mean_step(
    model: Model, card: Card, batch: int, input_tokens: int, output_tokens: int
) -> tuple[float, float]:
    """Mean (limit, expected) seconds of the decode steps of one output.

    Between two kinks (a window filling up) a step's time is linear in its context or bends
    upwards, so the value in the middle is the mean, or below it: safe for the limit.
    """
    first = input_tokens
    last = max(first, input_tokens + output_tokens - 2)
    edges = {first, last + 1}
    for window in model.windows:
        multiple = max(1, first // window)
        edges.update(
            edge for edge in (window * (multiple + i) for i in range(16)) if first < edge <= last
        )
    cuts = sorted(edges)
    limit_sum = expected_sum = 0.0
    for start, end in pairwise(cuts):
        limit, expected = passes_seconds(decode_passes(model, batch, (start + end - 1) // 2), card)
        limit_sum += limit * (end - start)
        expected_sum += expected * (end - start)
    steps = last + 1 - first
    return limit_sum / steps, expected_sum / steps


def _with_range(
    limit: Speed,
    ttft_s: float,
    tpot_s: float,
    constants: Constants,
    speed: Callable[[float, float], Speed],
) -> Expected:
    """Expected speed with its range; the fast end of the range stops at the limit."""
    ttft_fast, ttft_slow = (ttft_s * f for f in spread("prefill", constants.origin))
    tpot_fast, tpot_slow = (tpot_s * f for f in spread("decode", constants.origin))
    fast = speed(max(ttft_fast, limit.ttft_s), max(tpot_fast, limit.tpot_s))
    slow = speed(ttft_slow, tpot_slow)

    def bound(times: Speed, rates: Speed) -> Speed:
        return Speed(
            times.ttft_s,
            rates.prefill_tokens_per_s,
            times.tpot_s,
            rates.decode_tokens_per_s,
            rates.decode_tokens_per_s_per_user,
        )

    middle = speed(max(ttft_s, limit.ttft_s), max(tpot_s, limit.tpot_s))
    return Expected(**asdict(middle), low=bound(fast, slow), high=bound(slow, fast))


def _depths(
    model: Model, card: Card, batch: int, input_tokens: int, gain: float
) -> tuple[DepthPoint, ...]:
    """Decode speed by context, where a step yields `gain` tokens."""
    longest = model.max_context_tokens or max(_DEPTHS)
    contexts = sorted({d for d in _DEPTHS if d < longest} | {longest})
    other = other_bytes(model, card.gpu, card.engine, batch, input_tokens)
    free = card.gpu.memory_bytes - model.rank_weight_bytes - other
    sequences = -(-batch // model.parallel.data)
    points = []
    for context in contexts:
        limit, expected = passes_seconds(decode_passes(model, batch, context), card)
        fits = sequences * model.rank_cache_bytes(context) <= free
        points.append(DepthPoint(context, gain * batch / limit, gain * batch / expected, fits))
    return tuple(points)


def _assumptions(model: Model, card: Card, speculative: Speculative | None) -> tuple[str, ...]:
    gpu, constants, engine = card.gpu, card.constants, card.engine
    lines = [*gpu.assumptions, *model.assumptions]
    lines += [_fallback_line(f, gpu) for f in model.formats if _falls_back(f, gpu)]
    if gpu.boost > 1.001:
        lines.append(
            f"limit: compute peaks at the card's highest clock, {gpu.max_clock_hz / 1e6:.0f} MHz "
            f"({gpu.boost:.2f} x rated)"
        )
    if model.parameters != model.active_parameters:
        lines.append("experts: uniform routing; distinct experts read grow with the batch")
    if model.windows:
        lines.append("windowed layers cache no more than their window")
    if constants.origin == "measured":
        source = gpu.achieved.source if gpu.achieved else ""
        lines.append(f"expected: rates measured on this card ({source})" if source else
                     "expected: rates measured on this card")  # fmt: skip
    else:
        lines.append("expected: nobody's measurements of this card; generic fractions of its peaks")
    graphs = "CUDA graphs" if engine.cuda_graphs else "no CUDA graphs"
    lines.append(
        f"{engine.name}: {graphs}, {engine.host_s_per_step * 1e3:g} ms of host time a step"
    )
    if model.parallel.gpus > 1:
        lines.append(_parallel_line(model, card))
    if speculative:
        lines.append(
            f"speculative decoding: {speculative.draft_tokens} drafted a step by the model's own "
            f"MTP layer, each token accepted with probability {speculative.acceptance:g} as "
            f"given, independently: {speculative.tokens_per_step:.3g} tokens a step"
        )
    return tuple(lines)


def _load_line(load: Load) -> str:
    """What a served load takes for granted."""
    hit = f"; {load.prefix_hit:.0%} of each prompt found in cache" if load.prefix_hit else ""
    if load.users is None:
        return f"requests arrive evenly, each as long as the others{hit}"
    return (
        f"closed loop: {load.users} users, all starting at once, each sending its next request "
        f"when answered; a tenth of the requests measured are the first burst{hit}"
    )


def _parallel_line(model: Model, card: Card) -> str:
    """How the model is divided, and over what."""
    p, gpu = model.parallel, card.gpu
    ways = [
        f"{name} {count}"
        for name, count in (
            ("tensor", p.tensor), ("pipeline", p.pipeline), ("expert", p.expert),
            ("attention data", p.data),
        )
        if count > 1
    ]  # fmt: skip
    link = gpu.link.name if gpu.link else "PCIe"
    rate = link_bytes_per_s(gpu)
    speed = f" at {rate / 1e9:,.0f} GB/s one way" if rate < float("inf") else ""
    measured = gpu.achieved is not None and gpu.achieved.all_reduce
    return (
        f"{p.gpus} GPUs in one node, parallel: {', '.join(ways)}; joined by {link}{speed}, "
        f"all-reduces {'measured on this card' if measured else 'from generic constants'}"
    )


def _falls_back(fmt: Format, gpu: Gpu) -> bool:
    if fmt.any_path and fmt.paths[0].pipe in gpu.peak_flop_per_s:
        return False  # it has that pipe, and another is faster (int8 on a B300)
    return fmt.path(gpu.peak_flop_per_s) != fmt.paths[0]


def _fallback_line(fmt: Format, gpu: Gpu) -> str:
    wanted, got = fmt.paths[0], fmt.path(gpu.peak_flop_per_s)
    return (
        f"{gpu.id} has no {wanted.required} pipe: {fmt.name} weights stay {fmt.bits:g}-bit in "
        f"memory and are multiplied in {got.pipe}"
    )


def _not_modelled(model: Model, image_tokens: int = 0) -> tuple[str, ...]:
    lines = ["queueing and prefix caching: all prompts start at once (see --max-concurrency)",
             "throttling and power caps"]  # fmt: skip
    if model.draft_tokens:
        lines.append("the prefill of the layer that drafts")
    if image_tokens:
        lines.append("the vision tower's time to encode the images (its weights are in memory)")
    elif model.tower_parameters:
        lines.append("the vision or audio tower's time (its weights are in memory)")
    return tuple(lines)


def _warnings(model: Model, memory: Memory, context: int) -> tuple[str, ...]:
    lines = []
    if not memory.fits:
        short = memory.total_bytes - memory.capacity_bytes
        lines.append(f"does not fit: {short / 1e9:,.1f} GB more memory is needed")
    longest = model.max_context_tokens
    if longest is not None and context > longest:
        lines.append(f"{context} tokens are beyond the model's maximum context of {longest}")
    return tuple(lines)
