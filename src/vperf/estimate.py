"""model + GPU + engine + workload -> Estimate.

Not here: what an Estimate is (answer.py), its assumptions in words (caveats.py), finding a model
or a GPU by name (sources/), and printing (report/).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from vperf.answer import (
    DepthPoint,
    Estimate,
    Expected,
    GpuFacts,
    ModelFacts,
    ModelSource,
    Serving,
    Speculative,
    Speed,
    Workload,
)
from vperf.caveats import assumptions, load_line, not_modelled, warnings_of
from vperf.errors import InputError
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES
from vperf.serving.memory import other_bytes, plan_memory
from vperf.serving.speculative import (
    DRAFT,
    break_even,
    checked_acceptance,
    decode_passes,
    prefill_passes,
    tokens_per_step,
)
from vperf.timing.constants import Constants
from vperf.timing.ranges import spread, spread_under_load
from vperf.timing.step import Card, PhaseTimes, passes_seconds, time_passes

if TYPE_CHECKING:
    from vperf.serving.load import Load

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
    prefill = time_passes(prefill_passes(model, batch_size, prompt), card)
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
        assumptions=assumptions(model, card, speculative),
        not_modelled=not_modelled(model, image_tokens),
        warnings=warnings_of(model, memory, prompt + output_tokens),
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
    image_tokens: int = 0,
    acceptance: float | None = None,
) -> Estimate:
    """The estimate of a served load: users in a closed loop, or requests at a rate.

    TTFT as a benchmark that starts with all users at once reports it; TPOT with the prefills of
    others between one's own tokens; rates of the whole deployment. The limit is that of the batch
    that is running. Image tokens come on top of the load's input tokens.
    """
    from vperf.serving.load import pays_from, serve  # noqa: PLC0415  (most estimates are of a batch)

    card = Card(gpu, engine)
    _check_count("input-len", load.input_tokens, 1)
    _check_count("output-len", load.output_tokens, 1)
    text_tokens = load.input_tokens
    prompt = text_tokens + _checked_images(model, model_id, image_tokens)
    load = replace(load, input_tokens=prompt)
    if model.draft_tokens:
        load = replace(load, acceptance=checked_acceptance(acceptance))
    served = serve(model, card, load)
    running = served.running_batch
    base = estimate_model(
        model, model_id, model_source, gpu, engine, input_tokens=text_tokens,
        output_tokens=load.output_tokens, batch_size=max(1, round(running)),
        image_tokens=image_tokens, acceptance=acceptance,
    )  # fmt: skip
    speculative = base.speculative
    if speculative:
        without = serve(replace(model, draft_tokens=0), card, load)
        speculative = replace(
            speculative,
            break_even_acceptance=pays_from(model, card, load, without),
            limit_step_s=served.limit_tpot_s * speculative.tokens_per_step,
            expected_step_s=served.decode_s,
            limit_plain_tpot_s=without.limit_tpot_s,
            expected_plain_tpot_s=without.tpot_s,
        )

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
    warnings = list(warnings_of(model, memory, load.input_tokens + load.output_tokens))
    if served.saturated:
        warnings.append(
            f"saturated: {load.requests_per_s:g} requests/s are asked for and at most "
            f"{served.requests_per_s:.2f} can be served; the queue and TTFT grow without end"
        )
    if load.users is not None and load.users > served.slots:
        warnings.append(
            f"the KV cache has room for {served.slots} of {load.users} users; the others wait"
        )
    passes = prefill_passes(model, 1, load.input_tokens - load.cached_tokens, load.cached_tokens)
    return replace(
        base,
        workload=replace(base.workload, concurrency=load.users or base.workload.batch_size),
        limit=limit,
        expected=_with_range(
            limit,
            served.ttft_s,
            served.tpot_s,
            card.constants,
            speed,
            ttft_spread=spread_under_load(engine, card.constants.origin),
        ),
        memory=memory,
        prefill=time_passes(passes, card),
        assumptions=(*base.assumptions, load_line(load)),
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
        speculative=speculative,
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
    *,
    ttft_spread: tuple[float, float] | None = None,
) -> Expected:
    """Expected speed with its range; the fast end of the range stops at the limit."""
    factors = ttft_spread or spread("prefill", constants.origin)
    ttft_fast, ttft_slow = (ttft_s * f for f in factors)
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
