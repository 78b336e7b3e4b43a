"""model + GPU + engine + workload -> Estimate.

Not here: what an Estimate is (answer.py), its notes (estimate_notes.py), finding a model
or a GPU by name (sources/), and printing (report/).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vperf import estimate_notes as notes
from vperf.answer import (
    DepthPoint,
    Estimate,
    GpuFacts,
    ModelFacts,
    Speculative,
    Workload,
)
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelSource
from vperf.model.model import Model
from vperf.model.ops import COLLECTIVES
from vperf.serving.lengths import Lengths, equal
from vperf.serving.memory import other_bytes, plan_memory
from vperf.serving.speculative import (
    DRAFT,
    break_even,
    decode_passes,
    prefill_passes,
    tokens_per_step,
)
from vperf.speeds import (
    batch_speeds,
    deployed_load,
    held_batch,
    load_speeds,
    mean_step,
    prompt_tokens,
    serving_of,
)
from vperf.timing.step import Card, PhaseTimes, passes_seconds, time_passes

if TYPE_CHECKING:
    from vperf.deployment import Deployment
    from vperf.serving.load import Load

_DEPTHS = (1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576)


def estimate(at: Deployment) -> Estimate:
    """The estimate of a deployment."""
    found, card, lengths = at.found, at.card, at.lengths
    if at.load is not None:
        answer = serve_model(
            at.model, found.id, found.source, card.gpu, card.engine,
            load=replace(at.load, input_tokens=lengths.input_tokens),
            image_tokens=at.image_tokens, acceptance=at.acceptance,
        )  # fmt: skip
    else:
        answer = estimate_model(
            at.model, found.id, found.source, card.gpu, card.engine,
            input_tokens=lengths.input_tokens, output_tokens=lengths.output_tokens,
            batch_size=at.batch_size, image_tokens=at.image_tokens, acceptance=at.acceptance,
            lengths=lengths,
        )  # fmt: skip
    if lengths.name:
        said = (*answer.assumptions, notes.of_workload(lengths, served=at.load is not None))
        workload = replace(answer.workload, name=lengths.name)
        answer = replace(answer, workload=workload, assumptions=said)
    return replace(answer, warnings=(*answer.warnings, *at.warnings)) if at.warnings else answer


def decode_step(at: Deployment, batch: int) -> PhaseTimes:
    """One decode step of so many sequences in the middle of the output, op by op."""
    return time_passes(decode_passes(at.model, batch, at.decode_context), at.card)


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
    lengths: Lengths | None = None,
) -> Estimate:
    """The estimate of one model on its GPUs: `batch_size` equal requests that start together.

    TTFT is the prefill of all prompts in one step; TPOT the mean of the decode steps that follow,
    at contexts input .. input + output, where the model drafts over the tokens a step yields at
    `acceptance`. `lengths` is a distribution whose means the two lengths are: the speeds are means
    over it. Raises InputError for lengths that cannot be.
    """
    if lengths is None:
        lengths = equal(input_tokens, output_tokens)
    prompt = prompt_tokens(model, model_id, lengths, image_tokens)
    card = Card(gpu, engine)
    constants = card.constants
    pace = batch_speeds(
        model, card, lengths, batch=batch_size, image_tokens=image_tokens, acceptance=acceptance
    )
    prefill = time_passes(prefill_passes(model, batch_size, prompt), card)
    middle = lengths.decode_context + image_tokens
    decode = time_passes(decode_passes(model, batch_size, middle), card)
    speculative = None
    if pace.acceptance is not None:
        undrafted = replace(model, draft_tokens=0)
        plain = mean_step(undrafted, card, lengths, batch_size, image_tokens)
        speculative = _speculative(model, decode, pace.step, plain, pace.acceptance)
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
        limit=pace.limit,
        expected=pace.expected,
        memory=memory,
        prefill=prefill,
        decode=decode,
        depth=_depths(model, card, batch_size, prompt, pace.gain),
        assumptions=notes.assumptions(model, card, speculative),
        not_modelled=notes.not_modelled(model, image_tokens, served=False),
        warnings=notes.warnings(model, memory, prompt + output_tokens),
        speculative=speculative,
    )


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
    text_tokens = load.input_tokens
    load = deployed_load(model, model_id, load, image_tokens=image_tokens, acceptance=acceptance)
    served, limit, expected = load_speeds(model, card, load)
    base = estimate_model(
        model, model_id, model_source, gpu, engine, input_tokens=text_tokens,
        output_tokens=load.output_tokens, batch_size=max(1, round(served.running_batch)),
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
    held = held_batch(model, card, load, base.workload.batch_size)
    memory = plan_memory(model, gpu, engine, held, load.input_tokens, load.output_tokens)
    passes = prefill_passes(model, 1, load.input_tokens - load.cached_tokens, load.cached_tokens)
    return replace(
        base,
        workload=replace(base.workload, concurrency=load.users or base.workload.batch_size),
        limit=limit,
        expected=expected,
        memory=memory,
        prefill=time_passes(passes, card),
        assumptions=(*base.assumptions, notes.of_load(load)),
        not_modelled=notes.not_modelled(model, image_tokens, served=True),
        warnings=(
            *notes.warnings(model, memory, load.input_tokens + load.output_tokens),
            *notes.load_warnings(load, served),
        ),
        serving=serving_of(served, load),
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
