"""A model on a card with a workload -> Estimate.

Not here: what an Estimate is (answer.py), its speeds (speeds.py), its notes
(estimate_notes.py), finding a model or a GPU by name (sources/), and printing (report/).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from vperf import estimate_notes as notes
from vperf.answer import (
    DepthPoint,
    Estimate,
    Expected,
    GpuFacts,
    Later,
    ModelFacts,
    Serving,
    SimulatedRun,
    Speculative,
    Speed,
    Workload,
)
from vperf.model.config import ModelSource
from vperf.model.model import Model
from vperf.notes import Note
from vperf.serving.lengths import Lengths
from vperf.serving.memory import Memory, plan_memory, pools, that_holds
from vperf.serving.speculative import break_even, tokens_per_step
from vperf.speeds import (
    batch_speeds,
    deployed_load,
    held_batch,
    load_speeds,
    mean_step,
    prompt_tokens,
    serving_of,
    simulated_run,
)
from vperf.timing.compiled import Compiled
from vperf.timing.passes import Pass, decode_passes, prefill_passes
from vperf.timing.step import Card, PhaseTimes

if TYPE_CHECKING:
    from vperf.deployment import Deployment
    from vperf.serving.load import Load, Steps
    from vperf.serving.simulation import Run

_DEPTHS = (1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576)


def estimate(at: Deployment) -> Estimate:
    """The estimate of a deployment."""
    found, lengths, given = at.found, at.lengths, at.scenario.engine is not None
    if at.load is not None and at.run is not None:
        text_tokens = at.load.input_tokens - at.image_tokens
        return serve_model(
            at.compiled, found.id, found.source,
            load=replace(at.load, input_tokens=text_tokens), lengths=lengths, asked=at.run,
            image_tokens=at.image_tokens, acceptance=at.acceptance, warned=at.warnings,
            engine_given=given,
            steps=at.replica.steps(at.load),
        )  # fmt: skip
    return estimate_model(
        at.compiled, found.id, found.source, lengths=lengths, batch_size=at.batch_size,
        image_tokens=at.image_tokens, acceptance=at.acceptance, warned=at.warnings,
        engine_given=given,
    )  # fmt: skip


def decode_step(at: Deployment, batch: int) -> PhaseTimes:
    """One decode step of so many sequences in the middle of the output, op by op."""
    return at.compiled.itemise(decode_passes(at.model, batch, at.decode_context))


def estimate_model(
    compiled: Compiled,
    model_id: str,
    model_source: ModelSource,
    *,
    lengths: Lengths,
    batch_size: int,
    image_tokens: int = 0,
    acceptance: float | None = None,
    warned: tuple[Note, ...] = (),
    engine_given: bool = True,
) -> Estimate:
    """The estimate of one model on its GPUs: `batch_size` equal requests that start together.

    TTFT is the prefill of all prompts in one step; TPOT the mean of the decode steps that follow,
    at contexts input .. input + output, where the model drafts over the tokens a step yields at
    `acceptance`. Of a distribution of lengths, speeds are means over it. `warned`: what is said of
    the model itself. Raises InputError for lengths that cannot be.
    """
    model, card = compiled.model, compiled.card
    prompt = prompt_tokens(model, model_id, lengths, image_tokens)
    pace = batch_speeds(
        compiled, lengths, batch=batch_size, image_tokens=image_tokens, acceptance=acceptance
    )
    middle = lengths.decode_context + image_tokens
    speculative = None
    if pace.acceptance is not None:
        plain = mean_step(compiled.without_drafts(), lengths, batch_size, image_tokens)
        even = break_even(pace.step[1] / plain[1], model.draft_tokens)
        speculative = _speculative(
            compiled, batch_size, middle, acceptance=pace.acceptance, even=even, step=pace.step[:2],
            plain=plain[:2],
        )  # fmt: skip
    memory = plan_memory(model, card.gpu, card.engine, batch_size, prompt, lengths.output_tokens)
    said = (notes.of_workload(lengths, served=False),) if lengths.name else ()
    return _estimate(
        compiled,
        model_facts_of(model, model_id, model_source),
        _workload(compiled, lengths, batch_size, batch_size, image_tokens, speculative),
        limit=pace.limit,
        ceiling=pace.ceiling,
        expected=pace.expected,
        memory=memory,
        held_tokens=prompt + lengths.output_tokens,
        prefill=prefill_passes(model, batch_size, prompt),
        decode=decode_passes(model, batch_size, middle),
        gain=pace.gain,
        said=said,
        warned=warned,
        engine_given=engine_given,
        speculative=speculative,
    )


def serve_model(
    compiled: Compiled,
    model_id: str,
    model_source: ModelSource,
    *,
    load: Load,
    lengths: Lengths,
    asked: Run,
    image_tokens: int = 0,
    acceptance: float | None = None,
    warned: tuple[Note, ...] = (),
    engine_given: bool = True,
    steps: Steps | None = None,
) -> Estimate:
    """The estimate of a served load: users in a closed loop, or requests at a rate.

    TTFT as a benchmark that starts with all users at once reports it; TPOT with the prefills of
    others between one's own tokens; rates of the whole deployment. The limit is that of the batch
    that is running. Image tokens come on top of the load's input tokens. `steps`: those of loads of
    equal lengths. `asked`: the requests to simulate.
    """
    from vperf.serving.load import pays_from, serve  # noqa: PLC0415  (most estimates are of a batch)

    model, card = compiled.model, compiled.card
    prompt = load.input_tokens + image_tokens
    load = deployed_load(model, model_id, load, image_tokens=image_tokens, acceptance=acceptance)
    served, limit, ceiling, expected = load_speeds(compiled, load, steps)
    running = max(1, round(served.running_batch))
    middle = lengths.decode_context + image_tokens
    speculative, gain = None, 1.0
    if model.draft_tokens:
        gain = tokens_per_step(load.acceptance, model.draft_tokens)
        without = serve(compiled.without_drafts(), load)
        speculative = _speculative(
            compiled, running, middle, acceptance=load.acceptance,
            even=pays_from(compiled, load, without),
            step=(served.limit_tpot_s * gain, served.decode_s),
            plain=(without.limit_tpot_s, without.tpot_s),
        )  # fmt: skip
    held = held_batch(model, card, load, running)
    said: tuple[Note, ...] = (notes.of_load(load),)
    if lengths.name:
        said = (*said, notes.of_workload(lengths, served=True))
    return _estimate(
        compiled,
        model_facts_of(model, model_id, model_source),
        _workload(compiled, lengths, running, load.users or running, image_tokens, speculative),
        limit=limit,
        ceiling=ceiling,
        expected=expected,
        memory=plan_memory(
            model, card.gpu, card.engine, held, load.input_tokens, load.output_tokens
        ),
        held_tokens=load.input_tokens + load.output_tokens,
        prefill=prefill_passes(model, 1, load.input_tokens - load.cached_tokens,
                               load.cached_tokens),
        decode=decode_passes(model, running, middle),
        gain=gain,
        said=said,
        warned=(*notes.load_warnings(load, served), *warned),
        engine_given=engine_given,
        speculative=speculative,
        serving=serving_of(served, load),
        simulated=lambda: _simulated(compiled, load, _with_images(asked, image_tokens)),
        depth_prompt=prompt,
    )  # fmt: skip


def _with_images(asked: Run, image_tokens: int) -> Run:
    """Requests whose prompts hold images beside their text."""
    longer = tuple(
        replace(each, input_tokens=each.input_tokens + image_tokens)
        for each in asked.lengths.requests
    )
    return replace(asked, lengths=replace(asked.lengths, requests=longer))


def _simulated(compiled: Compiled, load: Load, asked: Run) -> SimulatedRun | None:
    if compiled.model.rank_weight_bytes >= compiled.card.gpu.memory_bytes:
        return None
    return simulated_run(compiled, asked, load.acceptance)


def _estimate(
    compiled: Compiled,
    facts: ModelFacts,
    workload: Workload,
    *,
    limit: Speed,
    ceiling: Speed,
    expected: Expected,
    memory: Memory,
    held_tokens: int,
    prefill: tuple[Pass, ...],
    decode: tuple[Pass, ...],
    gain: float,
    said: tuple[Note, ...],
    warned: tuple[Note, ...],
    engine_given: bool,
    speculative: Speculative | None,
    serving: Serving | None = None,
    simulated: Callable[[], SimulatedRun | None] = lambda: None,
    depth_prompt: int | None = None,
) -> Estimate:
    """Speeds and memory as they are; ops, depths and sentences for when they are read."""
    model, card = compiled.model, compiled.card
    prompt = workload.prompt_tokens if depth_prompt is None else depth_prompt
    return Estimate(
        model=facts,
        gpu=_gpu_facts(card, model.parallel.gpus),
        workload=workload,
        limit=limit,
        ceiling=ceiling,
        expected=expected,
        memory=memory,
        prefill=Later(lambda: compiled.itemise(prefill)),
        decode=Later(lambda: compiled.itemise(decode)),
        depth=Later(lambda: _depths(compiled, workload.batch_size, prompt, gain)),
        assumptions=Later(
            lambda: (
                *notes.assumptions(model, card, speculative, engine_given=engine_given),
                *notes.memory(card, memory),
                *said,
            )
        ),
        not_modelled=Later(
            lambda: notes.not_modelled(model, workload.image_tokens, served=serving is not None)
        ),
        warnings=Later(lambda: (*notes.warnings(model, memory, held_tokens), *warned)),
        simulated=Later(simulated),
        serving=serving,
        speculative=speculative,
    )


def _workload(  # noqa: PLR0917  (what it is made of)
    compiled: Compiled,
    lengths: Lengths,
    batch: int,
    concurrency: int,
    image_tokens: int,
    speculative: Speculative | None,
) -> Workload:
    parallel = compiled.model.parallel
    return Workload(
        batch,
        lengths.input_tokens,
        lengths.output_tokens,
        concurrency,
        compiled.card.engine.id,
        parallel.tensor,
        parallel.pipeline,
        parallel.expert,
        parallel.data,
        image_tokens,
        speculative.method if speculative else None,
        compiled.model.draft_tokens,
        speculative.acceptance if speculative else None,
        lengths.name or None,
    )


def _gpu_facts(card: Card, count: int) -> GpuFacts:
    gpu = card.gpu
    return GpuFacts(
        id=gpu.id,
        name=gpu.name,
        count=count,
        memory_bytes=gpu.memory_bytes,
        memory_bandwidth_bytes_per_s=gpu.memory_bandwidth,
        peak_flop_per_s=gpu.peak_flop_per_s,
        constants=card.constants.origin,
    )


def _speculative(
    compiled: Compiled,
    batch: int,
    context: int,
    *,
    acceptance: float,
    even: float | None,
    step: tuple[float, float],
    plain: tuple[float, float],
) -> Speculative:
    """`step` and `plain`: mean (limit, expected) seconds with and without drafts."""
    drafts = [p for p in decode_passes(compiled.model, batch, context) if p.role == "draft"]
    return Speculative(
        method="mtp",
        draft_tokens=compiled.model.draft_tokens,
        acceptance=acceptance,
        tokens_per_step=tokens_per_step(acceptance, compiled.model.draft_tokens),
        break_even_acceptance=even,
        limit_step_s=step[0],
        expected_step_s=step[1],
        limit_draft_s=max(compiled.sides(drafts)),
        expected_draft_s=compiled.kernels_s(drafts),
        limit_plain_tpot_s=plain[0],
        expected_plain_tpot_s=plain[1],
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
    compiled: Compiled, batch: int, input_tokens: int, gain: float
) -> tuple[DepthPoint, ...]:
    """Decode speed by context, where a step yields `gain` tokens."""
    model, card = compiled.model, compiled.card
    longest = model.max_context_tokens or max(_DEPTHS)
    contexts = sorted({d for d in _DEPTHS if d < longest} | {longest})
    sequences = -(-batch // model.parallel.data)
    free = pools(model, card.gpu, card.engine)
    points = []
    for context in contexts:
        limit, expected, _ = compiled.decode(batch, context)
        cache = sequences * model.rank_cache_bytes(context)
        fits = cache <= that_holds(free, cache).free_bytes
        points.append(DepthPoint(context, gain * batch / limit, gain * batch / expected, fits))
    return tuple(points)
