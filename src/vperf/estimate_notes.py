"""Which notes an estimate has: what it takes for granted, leaves out and warns of.

Not here: their sentences (notes.py), and the figures (estimate.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vperf.answer import Speculative, Speed
from vperf.formats import Format
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.notes import Note, notes_of
from vperf.serving.lengths import Lengths
from vperf.serving.memory import Memory
from vperf.serving.speculative import shares_of
from vperf.timing.collectives import all_reduce_line, link_bytes_per_s
from vperf.timing.step import Card

if TYPE_CHECKING:
    from vperf.deployment import Deployment
    from vperf.serving.load import Load, Served


def memory(card: Card, held: Memory) -> tuple[Note, ...]:
    """Where the engine takes more of the memory than by default."""
    default = card.engine.memory_utilization
    if held.utilization <= default:
        return ()
    return (Note("utilization_raised", share=held.utilization, default=default),)


_KEPT_WHERE = {"host": "in host memory", "disk": "on disk"}


def elsewhere(at: Deployment) -> tuple[Note, ...]:
    """Of prompts that are not read where they are decoded."""
    if (kept := at.kept) is not None:
        tokens, where = at.prompt_tokens, _KEPT_WHERE.get(kept.place, "beyond the card")
        return (
            Note("kv_kept", found=kept.found(tokens), tokens=tokens, where=where,
                 rate=kept.bytes_per_s / 1e9, share=kept.share),
        )  # fmt: skip
    if (ahead := at.ahead) is not None:
        gpu, count = ahead.compiled.card.gpu.name, ahead.compiled.model.parallel.gpus
        gpu = f"{count}x {gpu}" if count > 1 else gpu
        return (Note("read_by", gpu=gpu, rate=ahead.bytes_per_s / 1e9),)
    return ()


def assumptions(
    model: Model, card: Card, speculative: Speculative | None, *, engine_given: bool
) -> tuple[Note, ...]:
    """What was taken for granted: ambiguous names, defaults, fallbacks, constants, the engine."""
    gpu, constants, engine = card.gpu, card.constants, card.engine
    notes = [*notes_of("card", gpu.assumptions), *notes_of("model", model.assumptions)]
    notes += [_no_pipe(f, gpu) for f in model.formats if _falls_back(f, gpu)]
    if gpu.boost > 1.001:
        notes.append(Note("boost", clock_mhz=gpu.max_clock_hz / 1e6, boost=gpu.boost))
    if model.has_experts:
        favours = gpu.vendor == "NVIDIA" and model.favours_experts
        taken = "routers with favourites" if favours else "even routing too"
        notes.append(Note("routing", expected=taken))
    if model.windows:
        notes.append(Note("windows"))
    origins = constants.origins
    notes.append(
        Note(
            "measured_constants" if origins.whole == "measured" else "generic_constants",
            matmul_rates=origins.matmul_rates,
            memory_stream=origins.memory_stream,
            kernel_times=origins.kernel_times,
            same_die=gpu.same_die,
            source=gpu.achieved.source if gpu.achieved else "",
        )
    )
    notes.append(
        Note(
            "engine" if engine_given else "engine_default",
            name=engine.name,
            vendor=gpu.vendor,
            cuda_graphs=engine.cuda_graphs,
            step_s=engine.host_s_per_step,
            sequence_s=engine.host_s_per_sequence,
        )
    )
    if model.parallel.gpus > 1:
        notes.append(_parallel(model, card))
    if model.parallel.prefill > 1:
        notes.append(Note("context_apart", engine=engine.name, shared=model.parallel.shares_cache))
    if model.diffuses and model.drafter is not None:
        notes.append(Note("denoising", block=1 + model.drafter.tokens))
    if model.lora is not None:
        notes.append(
            Note(
                "lora",
                rank=model.lora.rank,
                adapters=model.lora.adapters,
                targets=model.lora.targets,
            )
        )
    if speculative:
        notes += _drafting(model, speculative)
    return tuple(notes)


def calibrated(card: Card, plain: Speed | None) -> tuple[Note, ...]:
    """That the card's file holds the factors of a server, and the figures without them."""
    found = card.gpu.calibration
    if found is None or plain is None:
        return ()
    factors = {name: getattr(found, name) for name in ("memory", "compute", "host", "link")}
    return (
        Note(
            "calibrated", base=found.base, results=found.results, before=found.error_before,
            after=found.error_after, tpot_ms=plain.tpot_s * 1e3, ttft_ms=plain.ttft_s * 1e3,
            **factors,
        ),
    )  # fmt: skip


def _drafting(model: Model, speculative: Speculative) -> Iterator[Note]:
    by = drafted_by(speculative)
    uneven = speculative.acceptance_by_position
    equal = shares_of(speculative.acceptance, len(uneven))
    yield Note(
        "drafts",
        by=by,
        draft_tokens=speculative.draft_tokens,
        verified=speculative.verified_tokens,
        acceptance=speculative.acceptance,
        by_position=() if all(map(math.isclose, uneven, equal)) else uneven,
        tokens_per_step=speculative.tokens_per_step,
    )
    if model.draft is not None:
        yield Note("drafts_prompt", by=by)
    if speculative.method in {"eagle", "eagle3"}:
        yield Note("drafts_shared")
    elif speculative.method == "draft_model":
        yield Note("draft_model_divided")


_BY = {"mtp": "the model's own MTP layer", "ngram": "looking the text up"}


def drafted_by(speculative: Speculative) -> str:
    """What drafts, in words."""
    return speculative.draft_model or _BY[speculative.method]


def of_encoding(at: Deployment) -> tuple[Note, ...]:
    """What the tower reads of a request, and where it is kept."""
    if at.encoding is None:
        return ()
    parts, apart = at.encoding.parts, at.encoding.apart
    by = () if apart is None else (
        Note("encoded_by", gpu=at.encoding.compiled.card.gpu.name, count=apart.gpus,
             megabytes=apart.sent_bytes / 1e6, rate=apart.bytes_per_s / 1e9),
    )  # fmt: skip
    budget = max(at.card.engine.max_batched_tokens, at.encoding.tokens)
    return (
        Note(
            "encoding",
            parts=len(parts),
            sequences=sum(part.sequences for part in parts),
            patches=max(part.patches for part in parts),
            tokens=at.encoding.tokens,
            cache_tokens=budget,
            cache_gb=budget * 2.0 * at.model.hidden / 1e9,
        ),
        *by,
    )


def of_requests(lengths: Lengths, load: Load | None, prompts: int | None) -> tuple[Note, ...]:
    """What a served load takes for granted, and a workload's lengths."""
    served = load is not None
    named = (_of_workload(lengths, served=served),) if lengths.name else ()
    if load is None:
        return named
    if not lengths.output_tokens:
        return Note("texts_load", texts=load.texts), *named
    of_load = Note(
        "load",
        users=load.users,
        requests_per_s=load.requests_per_s,
        prefix_hit=load.prefix_hit,
        prompts=prompts,
    )
    return of_load, *named


def _of_workload(lengths: Lengths, *, served: bool) -> Note:
    """Whose lengths a workload's are, and what the figures are means of."""
    return Note(
        "workload",
        name=lengths.name,
        input_tokens=lengths.input_tokens,
        output_tokens=lengths.output_tokens,
        several=len(lengths.requests) > 1,
        served=served,
        source=lengths.source,
        prefix_hit=lengths.prefix_hit,
    )


def _parallel(model: Model, card: Card) -> Note:
    """How the model is divided, and over what."""
    p, gpu = model.parallel, card.gpu
    ways = {
        "tensor": p.tensor,
        "pipeline": p.pipeline,
        "expert": p.expert,
        "attention data": p.data,
        "prefill context": p.prefill,
        "decode context": p.decode,
    }
    rate = link_bytes_per_s(gpu)
    return Note(
        "parallel",
        gpus=p.gpus,
        ways={name: count for name, count in ways.items() if count > 1},
        link=link_of(gpu),
        bytes_per_s=rate if rate < math.inf else None,
        measured=_all_reduce_source(gpu, p.gpus),
        node=gpu.node_size,
        node_bytes_per_s=gpu.node_bytes_per_s,
    )


def _all_reduce_source(gpu: Gpu, ranks: int) -> str:
    """Where the time of an exchange is from; empty: generic constants."""
    if not gpu.peer_access or gpu.achieved is None or not gpu.achieved.all_reduce:
        return ""
    return "scaled" if all_reduce_line(gpu, ranks).scaled else "card"


def link_of(gpu: Gpu) -> str:
    """What GPUs of this kind exchange over."""
    if not gpu.peer_access:
        return "PCIe through the host's memory"
    return gpu.link.name if gpu.link else "PCIe"


def unpacks(model: Model, gpu: Gpu) -> bool:
    """Whether the card has no pipe for one of the model's formats and multiplies a wider one."""
    return any(_falls_back(f, gpu) for f in model.formats)


def _falls_back(fmt: Format, gpu: Gpu) -> bool:
    if fmt.any_path and fmt.paths[0].pipe in gpu.peak_flop_per_s:
        return False  # it has that pipe, and another is faster (int8 on a B300)
    return fmt.path(gpu.peak_flop_per_s) is not fmt.paths[0]


def _no_pipe(fmt: Format, gpu: Gpu) -> Note:
    return Note(
        "no_pipe",
        gpu=gpu.id,
        pipe=fmt.paths[0].required,
        format=fmt.name,
        bits=fmt.bits,
        taken=fmt.path(gpu.peak_flop_per_s).pipe,
    )


def not_modelled(model: Model, at: Deployment, *, served: bool) -> tuple[Note, ...]:
    """What the figures leave out."""
    kinds = ["throttling"] if served else ["queueing", "throttling"]
    if at.encoding is not None:
        kinds.append("image_host")
    elif at.image_tokens:
        kinds += ["image_host", "image_time"]
    elif model.tower_parameters:
        kinds.append("tower_time")
    if model.drafter and model.drafter.model is None and not model.diffuses:
        kinds.append("lookup_time")
    return tuple(map(Note, kinds))


def warnings(model: Model, memory: Memory, context: int) -> tuple[Note, ...]:
    """What the user should see first: it does not fit, the context is too long."""
    notes = []
    if not memory.fits:
        places = memory.places or (memory,)
        short = max(each.total_bytes - each.capacity_bytes for each in places)
        notes.append(Note("no_fit", short_gb=short / 1e9))
    longest = model.max_context_tokens
    if longest is not None and context > longest:
        notes.append(Note("context", context=context, most=longest))
    return tuple(notes)


def load_warnings(load: Load, served: Served, prompts: int | None) -> tuple[Note, ...]:
    """Where a load is more than the deployment can serve, or has room for; `prompts` of a run."""
    from vperf.serving.load import UNSURE_SHARE  # noqa: PLC0415  (most are of a batch)

    notes = []
    rate, most = load.requests_per_s, served.requests_per_s
    if served.saturated and rate is not None:
        notes.append(Note("saturated", requests_per_s=rate, most_per_s=most, prompts=prompts))
    elif prompts is None and load.output_tokens and served.prompt_share > UNSURE_SHARE:
        notes.append(Note("prompts_fill", share=served.prompt_share))
    if load.users is not None and load.users > served.slots and load.output_tokens:
        notes.append(Note("users_wait", slots=served.slots, users=load.users))
    return tuple(notes)
