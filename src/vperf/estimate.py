"""A model on a card with a workload -> Estimate.

Not here: what an Estimate is (answer.py), its speeds (speeds/), its notes
(estimate_notes.py), finding a model or a GPU by name (sources/), and printing (report/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vperf import estimate_notes as notes
from vperf.answer import (
    CardFacts,
    DepthPoint,
    DraftsAt,
    Estimate,
    GpuFacts,
    KeptCache,
    Later,
    ModelFacts,
    ReadBy,
    Serving,
    SimulatedRun,
    Speculative,
    Speed,
    Texts,
    Workload,
)
from vperf.deployment import Deployment, Replica
from vperf.model.config import ModelSource
from vperf.model.model import Model
from vperf.notes import Note
from vperf.serving.memory import Memory, memory_use, sequence_bytes, that_holds
from vperf.serving.memory_by_place import plan_places
from vperf.serving.speculative import break_even, mean_tokens, shares_of
from vperf.speeds import pace_of
from vperf.speeds.batch import mean_step
from vperf.speeds.pace import Pace
from vperf.timing.compiled import Compiled, Seconds
from vperf.timing.passes import Pass, decode_passes, prefill_passes
from vperf.timing.step import Card, OpTime, PhaseTimes

if TYPE_CHECKING:
    from vperf.serving.elsewhere import Ahead, Kept
    from vperf.serving.encoding import Encoding

_DRAFTED_BATCHES, _MAX_DRAFTS = 9, 8
"""Batches, and drafts in a row, that are looked at for the best number of drafts."""
_DEPTHS = (1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576)


def estimate(at: Deployment) -> Estimate:
    """The estimate of a deployment: speeds and memory as they are; ops, depths and sentences for
    when they are read."""
    compiled, model, card, load = at.compiled, at.model, at.card, at.load
    pace = pace_of(at)
    prompt, output = at.request_tokens
    memory = plan_places(compiled, at.replica.pools, pace.held, prompt, output)
    drafts = model.drafter is not None and not model.diffuses
    speculative = _speculative(at, pace) if drafts else None
    workload = _workload(at, pace, speculative)
    # Of a load, the prefill of one prompt; of a batch, of all of them.
    prompts, past = (pace.running, 0) if load is None else (1, load.cached_tokens)
    prefill = prefill_passes(model, prompts, prompt - past, past)
    decode = decode_passes(model, pace.running, at.decode_context)
    reads = compiled
    if at.kept is not None:
        past = at.kept.found(prompt)
        prefill = prefill_passes(model, prompts, prompt - past, past)
    elif at.ahead is not None:
        reads = at.ahead.compiled
        prefill = prefill_passes(reads.model, prompts, prompt)
    return Estimate(
        model=model_facts_of(model, at.found.id, at.found.source),
        gpu=_gpu_facts(card, at.gpus),
        workload=workload,
        limit=pace.limit,
        ceiling=pace.ceiling,
        expected=pace.expected,
        memory=memory,
        prefill=Later(lambda: with_encoding(reads.itemise(prefill), at.encoding, prompts)),
        decode=Later(lambda: compiled.itemise(decode)),
        depth=Later(lambda: _depths(at, pace)),
        assumptions=Later(lambda: _assumptions(at, pace, memory, speculative)),
        not_modelled=Later(lambda: notes.not_modelled(model, at, served=load is not None)),
        warnings=Later(lambda: _warnings(at, pace, memory)),
        uncalibrated=Later(lambda: _uncalibrated(at)),
        simulated=Later(lambda: _simulated(at, pace, prefill)),
        drafts=Later(lambda: _drafts(at, memory.max_batch_size)),
        serving=_serving(at, pace),
        speculative=speculative,
        texts=None if model.generates else _texts(at, pace),
        kept=_kept(at, at.kept) if at.kept else None,
        read_by=_read_by(at, at.ahead, pace) if at.ahead else None,
    )


def _assumptions(
    at: Deployment, pace: Pace, memory: Memory, speculative: Speculative | None
) -> tuple[Note, ...]:
    given = at.scenario.engine is not None
    return (
        *at.taken,
        *notes.assumptions(at.model, at.card, speculative, engine_given=given),
        *notes.calibrated(at.card, _uncalibrated(at)),
        *notes.memory(at.card, memory),
        *notes.elsewhere(at),
        *at.replica.notes,
        *notes.of_encoding(at),
        *notes.of_requests(at.lengths, at.load, _prompts(pace)),
    )


def _warnings(at: Deployment, pace: Pace, memory: Memory) -> tuple[Note, ...]:
    load, served = at.load, pace.served
    under_load = notes.load_warnings(load, served, _prompts(pace)) if load and served else ()
    return (*notes.warnings(at.model, memory, sum(at.request_tokens)), *under_load, *at.warnings)


def _kept(at: Deployment, kept: Kept) -> KeptCache:
    compiled, batch, prompt = at.compiled, at.batch_size, at.prompt_tokens
    found, sent = kept.found(prompt), kept.sent_bytes(at.compiled, batch, prompt)
    rate = kept.bytes_per_s * kept.share
    rest = compiled.prefill(batch, prompt - found, found).expected
    anew = compiled.prefill(batch, prompt).expected
    # A cache that the GPUs share out, of tokens each of them has a part of.
    token = at.model.rank_cache_bytes(prompt) / prompt * at.model.parallel.gpus
    return KeptCache(
        place=kept.place,
        found_tokens=found,
        sent_bytes=sent,
        bytes_per_s=rate,
        sent_s=sent / rate,
        rest_s=rest,
        anew_s=anew,
        pays=sent / rate + rest < anew,
        pays_above_bytes_per_s=sent / (anew - rest) if sent and anew > rest else None,
        pays_from_tokens=kept.pays_from(compiled, batch),
        size_bytes=kept.size_bytes,
        holds_tokens=None if kept.size_bytes is None else int(kept.size_bytes // token),
    )


def _read_by(at: Deployment, ahead: Ahead, pace: Pace) -> ReadBy:
    before, batch, (prompt, output) = ahead.compiled, at.batch_size, at.request_tokens
    model, encoding = before.model, at.encoding
    sent = ahead.sent_bytes(at.compiled, batch, prompt)
    use = memory_use(model, ahead.pools, batch, prompt, 0)
    encode, own = (
        each.seconds(batch).expected if each else 0.0 for each in (encoding, ahead.encoding_alone)
    )
    if at.load is not None and pace.served is not None:
        from vperf.serving.load import serve  # noqa: PLC0415  (most are of a batch)

        load, served, steps = at.load, pace.served, at.replica.steps(at.load)
        alike = replace(load, encode_s=own)
        read, alone = served.prefill_s, serve(at.compiled, alike).ttft_s
        most = ahead.most_requests_per_s(at.compiled, load, steps)
        first, busy = served.decode_s, served.requests_per_s / most[0]
    else:
        read = before.prefill(batch, prompt).expected + encode
        alone = at.compiled.prefill(batch, prompt).expected + own
        most = batch / read, batch / (pace.expected.tpot_s * output)
        first, busy = at.compiled.decode(batch, prompt).expected, None
    return ReadBy(
        gpu=before.card.gpu.id,
        gpus=model.parallel.gpus,
        tp=model.parallel.tensor,
        prefill_s=read,
        sent_bytes=sent,
        bytes_per_s=ahead.bytes_per_s,
        sent_s=sent / ahead.bytes_per_s,
        first_step_s=first,
        ttft_alone_s=alone,
        memory_bytes=use.total_bytes,
        capacity_bytes=before.card.gpu.memory_bytes,
        fits=use.total_bytes <= before.card.gpu.memory_bytes,
        requests_per_s=most[0],
        decode_requests_per_s=most[1],
        busy=busy,
    )


def _serving(at: Deployment, pace: Pace) -> Serving | None:
    if at.load is None or pace.served is None:
        return None
    from vperf.speeds.load import serving_of  # noqa: PLC0415  (most scenarios are of a batch)

    return serving_of(pace, pace.served, at.load)


def _texts(at: Deployment, pace: Pace) -> Texts:
    from vperf.speeds.texts import texts_of  # noqa: PLC0415  (most models generate)

    return texts_of(at, pace)


def _prompts(pace: Pace) -> int | None:
    return pace.simulated.prompts if pace.simulated else None


def with_encoding(prompt: PhaseTimes, encoding: Encoding | None, requests: int) -> PhaseTimes:
    """Prefill behind the towers that encode what is in its prompts."""
    if encoding is None:
        return prompt
    tower = encoding.compiled.itemise(encoding.passes(requests))
    of_prompt = Seconds(prompt.limit_s, prompt.expected_s, prompt.ceiling_s)
    limit, whole, ceiling = encoding.before(of_prompt, requests)
    ops = [
        replace(op, name=f"{name}{op.name}", share=op.expected_s / whole)
        for name, phase in (("tower ", tower), ("", prompt))
        for op in phase.ops
    ]
    return replace(
        prompt,
        limit_s=limit,
        ceiling_s=ceiling,
        expected_s=whole,
        overhead_s=tower.overhead_s + prompt.overhead_s,
        flops=tower.flops + prompt.flops,
        bytes=tower.bytes + prompt.bytes,
        ops=tuple(ops),
    )


def _uncalibrated(at: Deployment) -> Speed | None:
    """What is expected of the same without the calibration of its card."""
    found = at.card.gpu.calibration
    if found is None or at.compiled.places is not None:  # of host and cards together: not told
        return None
    inverse = replace(
        found, memory=1 / found.memory, compute=1 / found.compute, host=1 / found.host
    )
    gpu = replace(at.card.gpu, calibration=None)
    engine = at.card.engine.calibrated(inverse, gpu.architecture)
    plain = Replica(at.found, Compiled(at.model, Card(gpu, engine)))
    return pace_of(replace(at, replica=plain)).expected


def decode_step(at: Deployment, batch: int) -> PhaseTimes:
    """One decode step of so many sequences in the middle of the output, op by op."""
    return at.compiled.itemise(decode_passes(at.model, batch, at.decode_context))


def _simulated(at: Deployment, pace: Pace, prefill: Sequence[Pass]) -> SimulatedRun | None:
    """The run, with what none of so many users can beat."""
    if at.load is None:
        return None
    from vperf.speeds.run import simulated_run  # noqa: PLC0415  (most scenarios are of a batch)

    found = pace.simulated or simulated_run(at)
    if found is None or at.load.users is None:
        return found
    most = most_requests_per_s(at, at.load.users, at.compiled.itemise(prefill).ops)
    return replace(found, limit_output_tokens_per_s=most * at.lengths.output_tokens)


def as_batch(at: Deployment, batch: int) -> Deployment:
    """The same deployment decoding `batch` equal requests at once."""
    return replace(at, load=None, run=None, batch_size=batch)


def limit_of_batch(at: Deployment, batch: int) -> Speed:
    """The limit of so many requests at once."""
    return pace_of(as_batch(at, batch)).limit


def most_requests_per_s(at: Deployment, users: int, prefill: Iterable[OpTime]) -> float:
    """No load of so many users ends more requests: all decode always, prefill takes its FLOPs."""
    decoding = limit_of_batch(at, users).decode_tokens_per_s / at.lengths.output_tokens
    compute_s = sum(op.compute_s for op in prefill)
    groups = at.model.parallel.data * at.model.parallel.pipeline
    return min(decoding, groups / compute_s) if compute_s else decoding


def _workload(at: Deployment, pace: Pace, speculative: Speculative | None) -> Workload:
    parallel, lengths = at.model.parallel, at.lengths
    users = at.load.users if at.load is not None else None
    lora, encode = at.model.lora, at.encoding.seconds(1) if at.encoding else None
    return Workload(
        pace.running,
        lengths.input_tokens,
        lengths.output_tokens,
        users or pace.running,
        at.card.engine.id,
        parallel.tensor,
        parallel.pipeline,
        parallel.expert,
        parallel.data,
        at.image_tokens,
        speculative.method if speculative else None,
        at.model.draft_depth,
        speculative.acceptance if speculative else None,
        lengths.name or None,
        lora_rank=lora.rank if lora else 0,
        max_loras=lora.adapters if lora else 0,
        expected_encode_s=encode.expected if encode else 0.0,
        limit_encode_s=encode.limit if encode else 0.0,
        encoder_gpu=_encoder_of(at.encoding) if at.encoding else "",
        placement=at.placement,
        prefill_context_parallel=parallel.prefill,
        decode_context_parallel=parallel.decode,
    )


def _encoder_of(encoding: Encoding) -> str:
    """The cards of their own that encode; "" where there are none."""
    if encoding.apart is None:
        return ""
    count, gpu = encoding.apart.gpus, encoding.compiled.card.gpu.id
    return f"{count}x{gpu}" if count > 1 else gpu


def _gpu_facts(card: Card, count: int) -> GpuFacts:
    gpu, origins = card.gpu, card.constants.origins
    return GpuFacts(
        id=gpu.id,
        name=gpu.name,
        count=count,
        memory_bytes=gpu.memory_bytes,
        memory_bandwidth_bytes_per_s=gpu.memory_bandwidth,
        peak_flop_per_s=gpu.peak_flop_per_s,
        constants=origins.whole,
        constants_by_part={
            "matmul_rates": origins.matmul_rates,
            "memory_stream": origins.memory_stream,
            "kernel_times": origins.kernel_times,
        },
        cards=tuple(
            CardFacts(
                each.id, each.name, each.memory_bytes, each.memory_bandwidth, each.peak_flop_per_s
            )
            for each in (gpu.cards if gpu.beside else ())
        ),
        per_node=gpu.node_size,
    )


def _speculative(at: Deployment, pace: Pace) -> Speculative:
    """What drafting does, against the same workload without."""
    compiled, load, served = at.compiled, at.load, pace.served
    drafter, without = at.model.drafter, at.compiled.without_drafts()
    assert drafter is not None
    # (limit, expected) seconds of a step, and of one without drafts
    if load is not None and served is not None:
        from vperf.serving.equal_steps import Steps  # noqa: PLC0415  (most are of a batch)
        from vperf.serving.load import pays_from, serve  # noqa: PLC0415  (most are of a batch)

        acceptance = load.acceptance
        if at.ahead is not None:  # no prompt is read between tokens
            plainly = at.ahead.served(without, load, Steps(without, load))
            even = break_even(served.decode_s / plainly.decode_s, drafter.depth)
        else:
            plainly = serve(without, load)
            even = pays_from(compiled, load, plainly)
        step = served.limit_tpot_s * pace.gain, served.decode_s
        plain = plainly.limit_tpot_s, plainly.tpot_s
    else:
        assert pace.step is not None
        assert at.acceptance is not None
        mean = mean_step(without, at.lengths, at.batch_size, at.image_tokens)
        acceptance = at.acceptance
        even = break_even(pace.step.expected / mean.expected, drafter.depth)
        step, plain = pace.step[:2], mean[:2]
    passes = decode_passes(at.model, pace.running, at.decode_context)
    drafts = [each for each in passes if each.role == "draft"]
    return Speculative(
        method=drafter.method,
        draft_tokens=drafter.depth,
        acceptance=acceptance,
        tokens_per_step=mean_tokens(at.accepted),
        break_even_acceptance=even,
        limit_step_s=step[0],
        expected_step_s=step[1],
        limit_draft_s=max(compiled.sides(drafts)) if drafts else 0.0,
        expected_draft_s=compiled.kernels_s(drafts),
        limit_plain_tpot_s=plain[0],
        expected_plain_tpot_s=plain[1],
        draft_model=drafter.id or None,
        verified_tokens=1 + drafter.tokens,
        branches=drafter.branches,
        acceptance_by_position=at.accepted,
        draft_weight_bytes=drafter.rank_weight_bytes,
        draft_cache_bytes_per_token=drafter.rank_cache_bytes_per_token,
    )


def _drafts(at: Deployment, most: int) -> tuple[DraftsAt, ...]:
    """Drafting at each batch that fits, in steps of two."""
    drafter, compiled = at.model.drafter, at.compiled
    if drafter is None or at.model.diffuses:
        return ()
    chain = drafter.branches == 1
    depths = range(1, 1 + _known_depth(at, drafter.depth)) if chain else ()
    others = {depth: compiled.drafting(depth) for depth in depths}
    plain, context, found = compiled.without_drafts(), at.decode_context, []
    shares = _shares(at)
    for batch in (1 << exponent for exponent in range(_DRAFTED_BATCHES)):
        if batch > max(1, most):
            break
        alone = plain.decode(batch, context).expected
        slower = compiled.decode(batch, context).expected / alone
        best, speedup = (0, 1.0) if chain else (None, mean_tokens(at.accepted) / slower)
        for depth, other in others.items():
            brings = mean_tokens(shares[:depth]) * alone / other.decode(batch, context).expected
            if brings > speedup:
                best, speedup = depth, brings
        found.append(
            DraftsAt(
                batch, mean_tokens(at.accepted) / slower, break_even(slower, drafter.depth), best,
                speedup,
            )
        )  # fmt: skip
    return tuple(found)


def _known_depth(at: Deployment, depth: int) -> int:
    """Up to how many drafts in a row it is known how many are accepted: shares end."""
    by_position = isinstance(at.scenario.acceptance, str)
    return depth if by_position else max(depth, _MAX_DRAFTS)


def _shares(at: Deployment) -> tuple[float, ...]:
    if isinstance(at.scenario.acceptance, str):
        return at.accepted
    return shares_of(at.acceptance or 0.0, max(len(at.accepted), _MAX_DRAFTS))


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


def _depths(at: Deployment, pace: Pace) -> tuple[DepthPoint, ...]:
    """Decode speed by context."""
    compiled, model, batch, gain = at.compiled, at.model, pace.running, pace.gain
    if not model.generates:
        return ()
    longest = model.max_context_tokens or max(_DEPTHS)
    contexts = sorted({d for d in _DEPTHS if d < longest} | {longest})
    sequences = -(-batch // model.parallel.data)
    points = []
    for context in contexts:
        limit, expected, _ = compiled.decode(batch, context)
        wanted = sequences * sequence_bytes(model, at.replica.pools, context, 0)
        fits = wanted <= that_holds(at.replica.pools, wanted).free_bytes
        points.append(DepthPoint(context, gain * batch / limit, gain * batch / expected, fits))
    return tuple(points)
