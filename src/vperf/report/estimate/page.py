"""The page of an estimate: the answer, one table, memory, depth, ops, notes, how to measure it.

Not here: the tables and lines themselves (speed_table.py, facts.py, depth.py, ops.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from vperf.answer import DraftsAt, Estimate
from vperf.report.commands import (
    SIXTEEN_BIT,
    Bench,
    Server,
    bench,
    drafts_of,
    launch,
    on_nodes,
)
from vperf.report.document import (
    Block,
    Bullets,
    Column,
    Facts,
    Headline,
    Prose,
    Row,
    Shell,
    Span,
    Table,
    Text,
)
from vperf.report.format import clean, gib, per_second, plural, seconds, span
from vperf.report.names import flags, nameable, own_cache, subject
from vperf.report.notes import note_blocks
from vperf.serving.memory import Memory, PlaceMemory
from vperf.units import format_requests

if TYPE_CHECKING:
    from vperf.explore.fit import Remedy

from vperf.report.estimate.depth import depth_line, depth_table
from vperf.report.estimate.facts import basis, closed_form, facts, gpu_line, model_line, short_facts
from vperf.report.estimate.figures import (
    grows,
    is_offered,
    rate_of_all,
    rate_of_user,
    run_of,
    texts,
    ttft,
)
from vperf.report.estimate.ops import op_table
from vperf.report.estimate.speed_table import run_line, run_table, speed_table


def document(
    answer: Estimate, *, ops: bool = False, ways: Sequence[Remedy] = ()
) -> Iterator[Block]:
    """The screen of `vperf estimate`."""
    fits = answer.memory.fits
    yield Headline(headline(answer))
    yield Prose(second_line(answer), "aside", tight=True)
    if not fits:
        yield Bullets(remedies(answer, ways), mark="\N{RIGHTWARDS ARROW}", tone="good", tight=True)
        speeds = "".join(_speeds(answer))
        yield Prose(f"with the memory: {speeds}", "aside", "short", tight=True)
    yield speed_table(answer)
    run = run_of(answer)
    if run:
        yield Prose(run_line(run), "aside")
        yield run_table(run)
    about: list[tuple[str, Text]] = [("Model", model_line(answer)), ("GPU", gpu_line(answer))]
    if answer.depth and (run or answer.drafts):
        about.insert(0, ("Depth", depth_line(answer.depth)))
    if run and answer.serving and answer.serving.prompts is None:
        about.insert(0, ("Tables", closed_form(answer, answer.serving)))
    yield Facts((*facts(answer), *about), when="full")
    yield Facts(tuple(short_facts(answer)), when="short")
    if ops:
        for title, phase in (("Prefill", answer.prefill), ("Decode", answer.decode)):
            if phase.ops:
                yield op_table(title, phase)
        yield Prose(
            "A step's limit is the larger of all its compute and all its memory time, with the "
            "cache credited once, so the limits of its ops need not add up to it.",
            "aside",
            "full",
        )
    if answer.drafts:
        yield drafts_table(answer.drafts)
    elif answer.depth and run is None:
        yield depth_table(answer)
    said = _said_in_line_1(answer)
    notes = (*answer.assumptions, *answer.warnings, *answer.not_modelled)
    yield from note_blocks(
        (note for note in notes if note.kind not in said),
        basis=basis(answer) if answer.gpu.constants == "measured" else "",
        more="" if ops else "how to measure it",
    )
    yield verify(answer)


def _said_in_line_1(answer: Estimate) -> set[str]:
    """Kinds of notes that line 1 makes needless."""
    return {
        *(("saturated",) if grows(answer) else ()),
        *(() if answer.memory.fits else ("no_fit",)),
    }


def headline(answer: Estimate) -> Text:
    """Line 1: the figure with its range and limit, or why there is none."""
    memory, served = answer.memory, answer.serving
    if not memory.fits:
        each = " on each GPU" if answer.gpu.count > 1 else ""
        worst: Memory | PlaceMemory = memory
        if memory.places:
            worst = max(memory.places, key=lambda p: p.total_bytes - p.capacity_bytes)
            each = f" on {clean(worst.place)}"
        need, there = gib(worst.total_bytes), gib(worst.capacity_bytes)
        return (Span(f"Does not fit: {need} GiB needed, {there} GiB there{each}.", "bad"),)
    if served and grows(answer):
        given = format_requests(served.requests_asked_per_s or 0.0)
        most = f"{served.requests_per_s:,.3g}"
        return (Span(f"Cannot serve {given}: at most {most}; the queue grows without end.", "bad"),)
    figure, *rest = _speeds(answer)
    return (Span(figure, "good"), *rest, "; ", _room(answer), ".")


def _room(answer: Estimate) -> Span:
    """That all of it fits, or which cards beside those that decode cannot hold the model."""
    by = answer.read_by
    if by is None or by.fits:
        return Span("fits", "good")
    need, there = gib(by.memory_bytes), gib(by.capacity_bytes)
    return Span(f"does not fit on {clean(by.gpu)}, which reads: {need} of {there} GiB", "bad")


def _speeds(answer: Estimate) -> tuple[str, str, str]:
    """Tokens/s of all, or of a user where a rate is offered; range and limit; the first token."""
    if answer.texts:
        of, name = texts(answer), "texts/s"
        first = f"; {_first(answer)} {seconds(ttft(answer).expected)}"
        ends = span(per_second(of.low), per_second(of.high))
        middle = f"{per_second(of.expected)} {name}"
        return middle, f" expected ({ends}), limit {per_second(of.limit)}", first
    offered = run_of(answer) is not None and is_offered(answer)
    rate = rate_of_user(answer) if offered else rate_of_all(answer)
    return (
        f"{per_second(rate.expected)} tok/s{' a user' if offered else ''}",
        f" expected ({span(per_second(rate.low), per_second(rate.high))}), limit "
        f"{per_second(rate.limit)}",
        f"; {_first(answer)} {seconds(ttft(answer).expected)}",
    )


def _first(answer: Estimate) -> str:
    """What is there when the prompts are read."""
    batch = answer.workload.batch_size
    if answer.workload.generates:
        return "first token"
    if answer.serving:
        texts = answer.texts.texts_per_request if answer.texts else 1
        return "a request in" if texts == 1 else f"a request of {texts:,} in"
    return "one text in" if batch == 1 else f"{batch:,} texts in"


def second_line(answer: Estimate) -> str:
    """Line 2: what was asked."""
    return f"{subject(answer)} \N{MIDDLE DOT} {workload(answer)}"


def workload(answer: Estimate) -> str:
    """ "1,024 tokens in, 128 out, batch 1, bf16 weights, bf16 KV cache, vllm"."""
    given, model = answer.workload, answer.model
    images = f" and {plural(given.image_tokens, 'image token')}" if given.image_tokens else ""
    load = f"batch {given.batch_size:,}"
    out = f"{given.output_tokens:,} out, " if given.generates else ""
    if answer.serving:
        rate = answer.serving.requests_asked_per_s
        load = plural(given.concurrency, "user") if rate is None else format_requests(rate)
        if prompts := answer.serving.prompts:
            at_once = rate is None and given.concurrency >= prompts
            load = f"{plural(prompts, 'prompt')} at once" if at_once else (
                f"{load}, {plural(prompts, 'prompt')}"
            )  # fmt: skip
    return (
        f"{plural(given.input_tokens, 'token')}{images} in, {out}{load}, "
        f"{clean(model.quantization)} weights, {clean(model.kv_cache_dtype)} KV cache, "
        f"{clean(given.engine)}{f' {clean(given.placement)}' if given.placement else ''}"
    )


def remedies(answer: Estimate, ways: Sequence[Remedy]) -> tuple[Text, ...]:
    """What would make it fit, and where there is more of it."""
    more = "vperf fit says what else would make it fit"
    if not ways:
        return (more,)
    lines: list[Text] = []
    on_host = [way for way in ways[2:] if way.decode_tokens_per_s]
    for way in (*ways[:2], *on_host[:1]):
        parts = way.room.parts
        if parts is not None:
            each = " per GPU" if way.room.gpus > 1 else ""
            took = f"{gib(parts.total_bytes)} of {gib(parts.capacity_bytes)} GiB{each}"
            if way.decode_tokens_per_s:
                took += f", {per_second(way.decode_tokens_per_s)} tok/s"
            lines.append((Span(flags(way.options), "command"), f": {took}"))
    return (*lines, more)


def drafts_table(drafts: Sequence[DraftsAt]) -> Table:
    """What drafting brings, batches side by side, and the best number of drafts."""
    pays = (each.break_even_acceptance for each in drafts)
    return Table(
        (
            Column("drafts at batch"),
            *(Column(f"{each.batch_size:,}", "count", n % 2) for n, each in enumerate(drafts)),
        ),
        (
            Row(("times as fast", *(f"{each.speedup:.2f}" for each in drafts))),
            Row(("pays above", *("never" if even is None else f"{even:.2f}" for even in pays))),
            Row(("best number", *(str(each.best_draft_tokens or "-") for each in drafts))),
            Row(("then", *(f"{each.best_speedup:.2f}" for each in drafts))),
        ),
        when="full",
        tight=True,
    )


# How to measure it ---------------------------------------------------------------------------


def verify(answer: Estimate) -> Shell:
    """The commands that would measure what was estimated; none where vperf knows none."""
    which = ""
    if answer.model.quantization not in SIXTEEN_BIT:
        which = f" (with a checkpoint in {clean(answer.model.quantization)})"
    commands = tuple(tuple(words) for words in _commands(answer) if words)
    nodes = -(-answer.gpu.count // answer.gpu.per_node)
    return Shell(f"Measure it{which}{on_nodes(commands, nodes)}:", commands)


def _commands(answer: Estimate) -> Iterable[Sequence[str]]:
    if not nameable(answer):
        return ()
    given, model = answer.workload, answer.model.id
    kept = answer.kept
    in_memory = kept is not None and kept.place == "host"
    server = Server(
        given.engine, model, given.tensor_parallel, given.pipeline_parallel,
        given.expert_parallel, given.data_parallel, given.prefill_context_parallel,
        given.decode_context_parallel, kv_cache=own_cache(answer),
        drafts=drafts_of(answer.speculative),
        lora_rank=given.lora_rank, max_loras=given.max_loras, kv_offload=in_memory,
        kv_offload_bytes=kept.size_bytes if kept and in_memory else None,
        node_gpus=answer.gpu.per_node,
    )  # fmt: skip
    served, run = answer.serving, answer.simulated
    rate = served.requests_asked_per_s if served else None
    measured = Bench(
        given.prompt_tokens, given.output_tokens, given.concurrency if rate is None else None, rate,
        prompts=run.prompts if run else None,
    )  # fmt: skip
    started = launch(server)
    if started and given.placement:
        started[-1] = [*started[-1], given.placement]
    return [*started, bench(given.engine, model, measured)]
