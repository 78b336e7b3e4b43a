"""What is said of an estimate: the answer, one table, memory, depth, ops, what it rests on.

Not here: how it looks (screen.py and the other writers) and how engines are started (commands.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from vperf.answer import Estimate, Serving, SimulatedRun, Speculative
from vperf.report.commands import SIXTEEN_BIT, Bench, Server, bench, drafts_of, launch
from vperf.report.document import (
    FAILS,
    Bar,
    Block,
    Bullets,
    Cell,
    Column,
    Facts,
    Headline,
    Prose,
    Range,
    Row,
    Shell,
    Span,
    Table,
    Text,
    Tone,
)
from vperf.report.format import (
    clean,
    gib,
    number,
    per_second,
    percent,
    plural,
    seconds,
    size,
    span,
    whole,
    work,
)
from vperf.report.names import counted, flags, nameable, own_cache, subject
from vperf.report.notes import note_blocks
from vperf.serving.memory import Memory, PlaceMemory
from vperf.timing.step import OpTime, PhaseTimes
from vperf.units import format_bandwidth, format_rate, format_requests

if TYPE_CHECKING:
    from vperf.explore.fit import Remedy

Bound = Literal["compute", "memory", "link", "host"]

_SHOWN_PEAKS = ("bf16", "fp8", "fp4")
_DEPTHS = (1024, 8192, 32768, 131072, 1048576)
"""Contexts of the short form."""
_POOR = 0.5
"""A share of the limit below which a figure stands out."""
_FREE_CELLS = 20


def document(
    answer: Estimate, *, ops: bool = False, ways: Sequence[Remedy] = ()
) -> Iterator[Block]:
    """The screen of `vperf estimate`."""
    fits = answer.memory.fits
    yield Headline(headline(answer))
    yield Prose(second_line(answer), "aside", tight=True)
    if not fits:
        yield Bullets(remedies(answer, ways), mark="\N{RIGHTWARDS ARROW}", tone="good", tight=True)
        yield Prose(f"with the memory: {_speeds(answer)}", "aside", "short", tight=True)
    yield speed_table(answer)
    if fits and answer.simulated:
        yield Prose(_run(answer.simulated), "aside")
        yield run_table(answer.simulated)
    rows = tuple(facts(answer))
    yield Facts(rows, when="full")
    depth = (("Depth", _depth_line(answer)),) if answer.depth else ()
    yield Facts((*rows, *depth), when="short")
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
    if answer.depth:
        yield _depth_table(answer)
    if answer.drafts:
        yield _drafts_table(answer)
    yield Facts((("Model", _model(answer)), ("GPU", _gpu(answer))), when="full")
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
        *(("saturated",) if _grows(answer) else ()),
        *(() if answer.memory.fits else ("no_fit",)),
    }


def _grows(answer: Estimate) -> bool:
    """Whether a queue grows without end: of a finite run it does not."""
    served = answer.serving
    return served is not None and served.saturated and served.prompts is None


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
    if served and _grows(answer):
        asked = format_requests(served.requests_asked_per_s or 0.0)
        most = f"{served.requests_per_s:,.3g}"
        return (Span(f"Cannot serve {asked}: at most {most}; the queue grows without end.", "bad"),)
    figure, rest = _rate(answer)
    first = f"; {_first(answer)} {seconds(answer.expected.ttft_s)}; "
    return (Span(figure, "good"), rest, first, Span("fits", "good"), ".")


def _rate(answer: Estimate) -> tuple[str, str]:
    expected = answer.expected
    key = "decode_tokens_per_s" if answer.workload.generates else "prefill_tokens_per_s"
    middle, low, high, limit = (
        per_second(getattr(each, key))
        for each in (expected, expected.low, expected.high, answer.limit)
    )
    return f"{middle} tok/s", f" expected ({span(low, high)}), limit {limit}"


def _speeds(answer: Estimate) -> str:
    return f"{''.join(_rate(answer))}; {_first(answer)} {seconds(answer.expected.ttft_s)}"


def _first(answer: Estimate) -> str:
    """What is there when the prompts are read."""
    batch = answer.workload.batch_size
    if answer.workload.generates:
        return "first token"
    return "one text in" if batch == 1 else f"{batch:,} texts in"


def second_line(answer: Estimate) -> str:
    """Line 2: what was asked."""
    return f"{subject(answer)} \N{MIDDLE DOT} {workload(answer)}"


def workload(answer: Estimate) -> str:
    """ "1,024 tokens in, 128 out, batch 1, bf16 weights, bf16 KV cache, vllm"."""
    asked, model = answer.workload, answer.model
    images = f" and {plural(asked.image_tokens, 'image token')}" if asked.image_tokens else ""
    load = f"batch {asked.batch_size:,}"
    out = f"{asked.output_tokens:,} out, " if asked.generates else ""
    if answer.serving:
        rate = answer.serving.requests_asked_per_s
        load = plural(asked.concurrency, "user") if rate is None else format_requests(rate)
        if prompts := answer.serving.prompts:
            at_once = rate is None and asked.concurrency >= prompts
            load = f"{plural(prompts, 'prompt')} at once" if at_once else (
                f"{load}, {plural(prompts, 'prompt')}"
            )  # fmt: skip
    return (
        f"{plural(asked.input_tokens, 'token')}{images} in, {out}{load}, "
        f"{clean(model.quantization)} weights, {clean(model.kv_cache_dtype)} KV cache, "
        f"{clean(asked.engine)}{f' {clean(asked.placement)}' if asked.placement else ''}"
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


# The table of speeds -------------------------------------------------------------------------

SPEED_COLUMNS: tuple[Column, ...] = (
    Column(""),
    Column("expected", "time", strong=True),
    Column("range", "time", rank=1),
    Column("limit", "time"),
    Column("of limit", "share"),
    Column("bound", "bound"),
    Column("even routing", "time", rank=3),
    Column("0 to limit", "bar", rank=5, width=24),
)
_EVEN = 6
"""The limit where tokens go to all experts alike: shown where that is another."""


def speed_table(answer: Estimate) -> Table:
    """Each figure expected, its range, its limit, and what bounds that."""
    batch = answer.workload.batch_size
    prefill, decode = answer.prefill.bound, answer.decode.bound
    everybody = f"Decode tok/s, all {batch:,}" if batch > 1 else "Decode tok/s"
    rows = [
        _speed(answer, "TTFT", "ttft_s", prefill, time=True),
        _speed(answer, "Prefill tok/s", "prefill_tokens_per_s", prefill),
        _speed(answer, "TPOT", "tpot_s", decode, time=True),
        _speed(answer, everybody, "decode_tokens_per_s", decode),
    ]
    if not answer.workload.generates:
        rows = [_speed(answer, "Latency", "ttft_s", prefill, time=True), rows[1]]
    elif batch > 1:
        rows.append(_speed(answer, "  for each user", "decode_tokens_per_s_per_user", decode))
    if _grows(answer):
        limit = rows[0].cells[3]
        even = rows[0].cells[_EVEN]
        rows[0] = Row(("TTFT", Span("grows", "bad"), "-", limit, "-", prefill, even, ""))
    if not answer.memory.fits:
        rows = [row._replace(tone="aside") for row in rows]
    columns = SPEED_COLUMNS
    if answer.ceiling == answer.limit:
        columns = (*columns[:_EVEN], *columns[_EVEN + 1 :])
        rows = [r._replace(cells=(*r.cells[:_EVEN], *r.cells[_EVEN + 1 :])) for r in rows]
    return Table(columns, rows, when="always" if answer.memory.fits else "full")


def _speed(answer: Estimate, name: str, key: str, bound: str, *, time: bool = False) -> Row:
    limit, expected = getattr(answer.limit, key), getattr(answer.expected, key)
    low, high = getattr(answer.expected.low, key), getattr(answer.expected.high, key)
    text = seconds if time else per_second

    def of_limit(value: float) -> float:
        top, below = (limit, value) if time else (value, limit)
        return top / below if below > 0 else 0.0

    return Row(
        (
            name, text(expected), span(text(low), text(high)), text(limit),
            share_of_limit(of_limit(expected)), bound,
            text(getattr(answer.ceiling, key)),
            Range(of_limit(low), of_limit(expected), of_limit(high)),
        )
    )  # fmt: skip


def share_of_limit(value: float) -> Cell:
    """A share that stands out where it is poor."""
    return Span(percent(value), "warn" if value < _POOR else "")


# The simulated run ---------------------------------------------------------------------------


def _run(run: SimulatedRun) -> str:
    """ "640 prompts, simulated: 12.1 requests/s, 6,190 tok/s; 61 running, 1 waiting on average"."""
    rates = f"{run.requests_per_s:,.3g} requests/s, {per_second(run.output_tokens_per_s)} tok/s"
    held = f"{run.mean_running:,.3g} running, {run.mean_waiting:,.3g} waiting on average"
    lost = f", {plural(run.preempted, 'preemption')}" if run.preempted else ""
    return f"{plural(run.prompts, 'prompt')}, simulated: {rates}; {held}{lost}"


def run_table(run: SimulatedRun) -> Table:
    """Mean and percentiles of each metric, as a benchmark's client has them."""
    percents = [f"p{percent:g}" for percent, _ in run.ttft.percentiles_s]
    columns = (Column(""), *(Column(name, "time") for name in ("mean", *percents)))
    metrics = (("TTFT", run.ttft), ("TPOT", run.tpot), ("ITL", run.itl), ("End to end", run.e2e))
    rows = [
        Row((name, seconds(each.mean_s), *(seconds(value) for _, value in each.percentiles_s)))
        for name, each in metrics
        if each is not None
    ]
    return Table(columns, rows)


# Facts ---------------------------------------------------------------------------------------


def facts(answer: Estimate) -> Iterator[tuple[str, Text]]:
    """What drafts, a load and the memory come to, and the room that is left."""
    memory, asked = answer.memory, answer.workload
    if answer.ceiling.tpot_s > 1.01 * answer.limit.tpot_s:
        yield "Ceiling", _ceiling(answer)
    if answer.speculative:
        yield "Drafts", _drafts(answer.speculative)
    if answer.serving:
        yield "Load", _load(answer.serving)
    if asked.lora_rank:
        yield "Adapters", _adapters(answer)
    yield "Memory", memory_line(answer)
    if memory.places:
        yield "Places", _places(memory.places)
        for name, phase in (("Prefill", answer.prefill), ("Decode", answer.decode)):
            yield name, _place_times(phase)
    if memory.max_context_tokens <= 0 and memory.max_batch_size <= 0:
        yield "Room", "none: beside the weights no KV cache has space"
        return
    each = plural(asked.prompt_tokens + asked.output_tokens, "token")
    yield (
        "Room",
        f"context {whole(memory.max_context_tokens)} at batch {asked.batch_size:,}, "
        f"or batch {whole(memory.max_batch_size)} at {each}",
    )


def _ceiling(answer: Estimate) -> str:
    """Where the limit reads the fewest experts there can be: the one at even routing."""
    ceiling, rate = answer.ceiling, answer.expected.decode_tokens_per_s
    share = rate / ceiling.decode_tokens_per_s
    return (
        f"{seconds(ceiling.tpot_s)} TPOT at even routing, of which {share:.0%} are expected; a "
        "router with favourites may pass it, none the limit"
    )


def memory_line(answer: Estimate) -> Text:
    """A bar of what each GPU holds, and the same in numbers."""
    memory = answer.memory
    whole_bar = max(memory.total_bytes, memory.capacity_bytes)
    shares = (
        (memory.weight_bytes / whole_bar, "memory"),
        (memory.kv_cache_bytes / whole_bar, "compute"),
        (memory.other_bytes / whole_bar, ""),
    )
    each = " per GPU" if answer.gpu.count > 1 else ""
    mark = "" if memory.fits else f"{FAILS} "
    return (
        Bar(shares, cells=_FREE_CELLS),  # type: ignore[arg-type]
        Span(f" {mark}{gib(memory.total_bytes)}", "" if memory.fits else "bad"),
        f" of {gib(memory.capacity_bytes)} GiB{each}: ",
        Span("weights", "memory"), f" {gib(memory.weight_bytes)}, ",
        Span("KV", "compute"), f" {gib(memory.kv_cache_bytes)}, other {gib(memory.other_bytes)}",
    )  # fmt: skip


def _places(places: Sequence[PlaceMemory]) -> Text:
    """What each place holds of what it has."""
    parts: list[Span | str] = []
    for place in places:
        tone: Tone = "" if place.fits else "bad"
        took = f"{gib(place.total_bytes)} of {gib(place.capacity_bytes)} GiB"
        parts += [f"{', ' if parts else ''}{clean(place.place)} ", Span(took, tone)]
    return tuple(parts)


def _place_times(phase: PhaseTimes) -> str:
    """What each place takes of a step."""
    parts = ", ".join(
        f"{clean(place.place)} {seconds(place.expected_s)} ({percent(place.share)})"
        for place in phase.places
    )
    return f"{seconds(phase.expected_s)}: {parts}"


def _depth_line(answer: Estimate) -> str:
    points = [p for p in answer.depth if p.context_tokens in _DEPTHS] or answer.depth
    cells = [
        f"{_context(p.context_tokens)} {per_second(p.expected_decode_tokens_per_s)}"
        f"{'' if p.fits else FAILS}"
        for p in points
    ]
    return f"{'   '.join(cells)} tok/s"


def _context(tokens: int) -> str:
    """ "1k", "128k", "1M": powers of two."""
    if tokens % 2**20 == 0:
        return f"{tokens // 2**20}M"
    return f"{tokens // 2**10}k" if tokens % 2**10 == 0 else f"{tokens:,}"


def _depth_table(answer: Estimate) -> Table:
    """Decode speed against context, contexts side by side."""
    points = answer.depth
    contexts = (
        Column(_context(p.context_tokens), "rate", 0 if p.context_tokens in _DEPTHS else 2)
        for p in points
    )
    expected = (
        Span(f"{FAILS} {per_second(p.expected_decode_tokens_per_s)}", "bad")
        if not p.fits
        else per_second(p.expected_decode_tokens_per_s)
        for p in points
    )
    return Table(
        (Column("tok/s at"), *contexts),
        (
            Row(("expected", *expected)),
            Row(("limit", *(per_second(p.limit_decode_tokens_per_s) for p in points))),
        ),
        when="full",
    )


def _load(served: Serving) -> str:
    """What a served load settles to."""
    running = f"{served.running_batch:.3g}"
    text = (
        f"{running} sequence{' decodes' if running == '1' else 's decode'} at a time (the cache "
        f"holds {whole(served.slots)}), {format_requests(served.requests_per_s, 3)} served"
    )
    if served.requests_asked_per_s is None and served.prompts is None:
        text += f"; first token {seconds(served.ttft_steady_s)} once the first burst is over"
    return text


def _drafts(answer: Speculative) -> str:
    """What speculative decoding brings, and from which acceptance on."""
    even = answer.break_even_acceptance
    pays = "drafting never pays" if even is None else f"pays from an acceptance of {even:.2f} on"
    by = clean(answer.method) + (f", {clean(answer.draft_model)}" if answer.draft_model else "")
    tree = answer.verified_tokens > answer.draft_tokens + 1
    count = f"{answer.draft_tokens} deep" if tree else f"{answer.draft_tokens} a step"
    nodes = f", {answer.verified_tokens} tokens verified" if tree else ""
    return (
        f"{count} ({by}){nodes}, {answer.tokens_per_step:.3g} "
        f"tokens a step of {seconds(answer.expected_step_s)}; {pays}: without, TPOT is "
        f"{seconds(answer.expected_plain_tpot_s)}"
    )


def _adapters(answer: Estimate) -> str:
    """How much of the weights LoRA adapters are."""
    asked, held = answer.workload, answer.memory.adapter_bytes
    each = " per GPU" if answer.gpu.count > 1 else ""
    return (
        f"{asked.max_loras:,} of rank {asked.lora_rank}, unmerged: {gib(held)} GiB of the "
        f"weights{each}"
    )


def _drafts_table(answer: Estimate) -> Table:
    """What drafting brings at each batch, and the best number of drafts."""
    rows = [
        Row(
            (
                f"batch {each.batch_size:,}",
                f"{each.speedup:.2f} x",
                "never" if (even := each.break_even_acceptance) is None else percent(even),
                "-" if each.best_draft_tokens is None else str(each.best_draft_tokens),
                f"{each.best_speedup:.2f} x",
            )
        )
        for each in answer.drafts
    ]
    columns = (
        Column("drafts at"), Column("faster", "count"), Column("pays above", "share"),
        Column("best number", "count"), Column("then", "count"),
    )  # fmt: skip
    return Table(columns, rows, when="full")


def basis(answer: Estimate) -> str:
    """Where the constants behind expected come from."""
    match answer.gpu.constants:
        case "measured":
            return "constants measured on this card"
        case "datasheet":
            return "constants from the datasheet alone"
        case _:
            return "constants generic: not measured on this card"


def _model(answer: Estimate) -> str:
    model = answer.model
    active = (
        f" ({whole(model.active_parameters)} active)"
        if model.active_parameters != model.parameters
        else ""
    )
    return (
        f"{clean(model.architecture)}, {whole(model.parameters)} parameters{active} in "
        f"{gib(model.weight_bytes)} GiB, {whole(model.kv_bytes_per_token)} bytes of KV cache "
        "per token"
    )


def _gpu(answer: Estimate) -> str:
    gpu = answer.gpu
    peaks = ", ".join(
        f"{format_rate(gpu.peak_flop_per_s[pipe])} {pipe}"
        for pipe in _SHOWN_PEAKS
        if gpu.peak_flop_per_s.get(pipe)
    )
    return (
        f"{counted(gpu.id, gpu.count)}, {gib(gpu.memory_bytes)} GiB, "
        f"{format_bandwidth(gpu.memory_bandwidth_bytes_per_s)}, {peaks or 'no peak known'}; "
        f"{basis(answer)}"
    )


# Ops -----------------------------------------------------------------------------------------

OP_COLUMNS = (
    Column("op"),
    Column("compute", "time"),
    Column("memory", "time"),
    Column("expected", "time", strong=True),
    Column("bound", "bound"),
    Column("share", "share"),
    Column("limit", "time", rank=2),
    Column("of limit", "share", rank=2),
    Column("shape", rank=3),
    Column("FLOPs", "count", rank=4),
    Column("bytes", "memory", rank=4),
    Column("FLOP/byte", "count", rank=4),
    Column("", "bar", rank=5),
)


def op_table(name: str, phase: PhaseTimes) -> Table:
    """A row an op with both its times, then the host's, then the step; link time under memory."""
    return Table(OP_COLUMNS, tuple(_op_rows(phase)), op_title(name, phase))


def op_title(name: str, phase: PhaseTimes) -> str:
    """ "Decode with 1,088 tokens in the cache, op by op"."""
    cached = f" with {plural(phase.context_tokens, 'token')} in the cache"
    return f"{name}{cached if phase.context_tokens else ''}, op by op"


def _op_rows(phase: PhaseTimes) -> Iterator[Row]:
    for op in phase.ops:
        bound = op.bound
        link = bound == "link"
        second = op.limit_s if link else op.memory_s
        tone = "link" if link else "memory" if bound == "memory" else ""
        yield Row(
            (
                clean(op.name) if op.count == 1 else f"{op.count:,} x {clean(op.name)}",
                Span(seconds(op.compute_s), "compute" if bound == "compute" else ""),
                Span(seconds(second), tone),  # type: ignore[arg-type]
                seconds(op.expected_s),
                bound,
                percent(op.share, 1),
                seconds(op.limit_s),
                share_of_limit(op.limit_s / op.expected_s) if op.expected_s > 0 else "-",
                clean(op.shape),
                work(op.flops),
                size(op.bytes),
                _intensity(op.flops, op.bytes),
                Bar(((op.share, bound),)),
            )
        )
    host = phase.overhead_s / phase.expected_s if phase.expected_s > 0 else 0.0
    yield Row(
        ("overhead", "-", "-", seconds(phase.overhead_s), "host", percent(host, 1), "-", "-",
         "host time per step", "-", "-", "-", Bar(((host, ""),)))
    )  # fmt: skip
    flops, moved = sum(op.flops for op in phase.ops), sum(op.bytes for op in phase.ops)
    yield Row(
        (
            "total",
            seconds(sum(op.compute_s for op in phase.ops)),
            seconds(sum(op.memory_s for op in phase.ops)),
            seconds(phase.expected_s),
            phase.bound,
            percent(1.0, 1),
            seconds(phase.limit_s),
            share_of_limit(phase.limit_s / phase.expected_s) if phase.expected_s > 0 else "-",
            "",
            work(flops),
            size(moved),
            _intensity(flops, moved),
            "",
        ),
        "strong",
    )


def _intensity(flops: float, moved: float) -> str:
    return number(flops / moved) if flops > 0 and moved > 0 else "-"


def op_lines(answer: Estimate) -> Iterator[dict[str, Any]]:
    """The ops of both phases for CSV; each phase ends with its overhead, so that it adds up."""
    names = [field.name for field in fields(OpTime)]
    for name, phase in (("prefill", answer.prefill), ("decode", answer.decode)):
        for op in phase.ops:
            yield {"phase": name, **op.to_dict()}
        share = phase.overhead_s / phase.expected_s if phase.expected_s > 0 else 0.0
        rest = {
            **dict.fromkeys(names, 0.0), "name": "overhead", "kind": "overhead", "count": 1,
            "shape": "", "expected_s": phase.overhead_s, "bound": "host", "share": share,
            "pipe": "", "of_limit": 0.0,
        }  # fmt: skip
        yield {"phase": name, **rest}


# How to measure it ---------------------------------------------------------------------------


def verify(answer: Estimate) -> Shell:
    """The commands that would measure what was estimated; none where vperf knows none."""
    title = "Measure it:"
    if answer.model.quantization not in SIXTEEN_BIT:
        title = f"Measure it (with a checkpoint in {clean(answer.model.quantization)}):"
    return Shell(title, tuple(tuple(words) for words in _commands(answer) if words))


def _commands(answer: Estimate) -> Iterable[Sequence[str]]:
    if not nameable(answer):
        return ()
    asked, model = answer.workload, answer.model.id
    server = Server(
        asked.engine, model, asked.tensor_parallel, asked.pipeline_parallel,
        asked.expert_parallel, asked.data_parallel, kv_cache=own_cache(answer),
        drafts=drafts_of(answer.speculative),
        lora_rank=asked.lora_rank, max_loras=asked.max_loras,
    )  # fmt: skip
    served, run = answer.serving, answer.simulated
    rate = served.requests_asked_per_s if served else None
    measured = Bench(
        asked.prompt_tokens, asked.output_tokens, asked.concurrency if rate is None else None, rate,
        prompts=run.prompts if run else None,
    )  # fmt: skip
    started = launch(server)
    if started and asked.placement:
        started[-1] = [*started[-1], asked.placement]
    return [*started, bench(asked.engine, model, measured)]
