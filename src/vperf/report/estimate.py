"""What is said of an estimate: the answer, one table, memory, depth, ops, what it rests on.

Not here: how it looks (screen.py and the other writers) and how engines are started (commands.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from vperf.answer import (
    DepthPoint,
    DraftsAt,
    Estimate,
    KeptCache,
    ReadBy,
    Serving,
    SimulatedRun,
    Speculative,
    Texts,
)
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
_FEW_TOKENS = 64
"""A cache beyond the card that pays from so few on pays for all."""
_DEPTHS = (1024, 8192, 32768, 131072, 1048576)
"""Contexts of the short form."""
_POOR = 0.5
"""A share of the limit below which a figure stands out."""
_FREE_CELLS, _MEMORY_CELLS = 20, 10
"""Of the bar of memory; the short one where more is to be said beside it."""
_SHORT_PERCENTILES = ("TTFT", "TPOT")


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
        yield Prose(_run(run), "aside")
        yield run_table(run)
    about: list[tuple[str, Text]] = [("Model", _model(answer)), ("GPU", _gpu(answer))]
    if answer.depth and (run or answer.drafts):
        about.insert(0, ("Depth", _depth_line(answer.depth)))
    if run and answer.serving and answer.serving.prompts is None:
        about.insert(0, ("Steady", _closed_form(answer)))
    yield Facts((*facts(answer), *about), when="full")
    yield Facts(tuple(_short_facts(answer)), when="short")
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
        yield _drafts_table(answer.drafts)
    elif answer.depth and run is None:
        yield _depth_table(answer)
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
        given = format_requests(served.requests_asked_per_s or 0.0)
        most = f"{served.requests_per_s:,.3g}"
        return (Span(f"Cannot serve {given}: at most {most}; the queue grows without end.", "bad"),)
    figure, *rest = _speeds(answer)
    return (Span(figure, "good"), *rest, "; ", Span("fits", "good"), ".")


def _speeds(answer: Estimate) -> tuple[str, str, str]:
    """Tokens/s of all, or of a user where a rate is offered; range and limit; the first token."""
    if answer.texts:
        of, name = _texts(answer), "texts/s"
        first = f"; {_first(answer)} {seconds(_ttft(answer).expected)}"
        ends = span(per_second(of.low), per_second(of.high))
        middle = f"{per_second(of.expected)} {name}"
        return middle, f" expected ({ends}), limit {per_second(of.limit)}", first
    offered = run_of(answer) is not None and _is_offered(answer)
    rate = _rate_of_user(answer) if offered else _rate_of_all(answer)
    return (
        f"{per_second(rate.expected)} tok/s{' a user' if offered else ''}",
        f" expected ({span(per_second(rate.low), per_second(rate.high))}), limit "
        f"{per_second(rate.limit)}",
        f"; {_first(answer)} {seconds(_ttft(answer).expected)}",
    )


def _is_offered(answer: Estimate) -> bool:
    """Whether a rate is, which all that is served then has."""
    return answer.serving is not None and answer.serving.requests_asked_per_s is not None


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


# The table of speeds -------------------------------------------------------------------------

SPEED_COLUMNS: tuple[Column, ...] = (
    Column(""),
    Column("expected", "time", strong=True),
    Column("range", "time", rank=1),
    Column("limit", "time"),
    Column("of limit", "share"),
    Column("bound", "bound"),
    Column("even routing", "time", rank=5),
    Column("0 to limit", "bar", rank=5, width=24),
)
_EVEN = 6
"""The limit where tokens go to all experts alike: shown where that is another."""


def _decode_rows(answer: Estimate) -> Iterator[Row]:
    batch, run, bound = answer.workload.batch_size, run_of(answer), answer.decode.bound
    everybody = f"Decode tok/s, all {batch:,}" if batch > 1 else "Decode tok/s"
    yield _row("TPOT", _tpot(answer), bound, time=True)
    if run is None or not _is_offered(answer):
        yield _row("Output tok/s" if run else everybody, _rate_of_all(answer), bound)
    if batch > 1 and answer.serving is None:
        yield _row("  for each user", _rate_of_user(answer), bound)


class _Figure(NamedTuple):
    """One figure as it is shown, seconds or a rate."""

    limit: float
    low: float
    expected: float
    high: float
    ceiling: float

    def times(self, factor: float) -> _Figure:
        """Another expected, its range as wide; no end beyond the limit."""
        inside = min if self.low < self.limit else max  # of a rate, of a time
        low, expected, high = (
            inside(factor * each, self.limit) for each in (self.low, self.expected, self.high)
        )
        return self._replace(low=low, expected=expected, high=high)


def _figure(answer: Estimate, key: str) -> _Figure:
    expected = answer.expected
    of = (answer.limit, expected.low, expected, expected.high, answer.ceiling)
    return _Figure(*(getattr(speed, key) for speed in of))


def run_of(answer: Estimate) -> SimulatedRun | None:
    """The simulated run whose means are shown; none of what does not fit, or whose queue grows."""
    shown = answer.serving is not None and not _grows(answer) and answer.memory.fits
    return answer.simulated if shown else None


def _prefill_bound(answer: Estimate) -> str:
    kept, by = answer.kept, answer.read_by
    if (kept and kept.sent_s > kept.rest_s) or (by and by.sent_s > by.prefill_s):
        return "link"
    return answer.prefill.bound


def _ttft(answer: Estimate) -> _Figure:
    """Of a served load the mean of its run."""
    run, closed = run_of(answer), _figure(answer, "ttft_s")
    return closed.times(run.ttft.mean_s / closed.expected) if run else closed


def _slower(answer: Estimate) -> float:
    """TPOT of the run over the one that is expected, which of a finite run is the same."""
    run = run_of(answer)
    return run.tpot.mean_s / answer.expected.tpot_s if run and run.tpot else 1.0


def _tpot(answer: Estimate) -> _Figure:
    return _figure(answer, "tpot_s").times(_slower(answer))


def _rate_of_user(answer: Estimate) -> _Figure:
    return _figure(answer, "decode_tokens_per_s_per_user").times(1 / _slower(answer))


def _texts(answer: Estimate) -> _Figure:
    """Texts read a second, of what generates no tokens."""
    each = answer.workload.prompt_tokens
    rate = _figure(answer, "prefill_tokens_per_s")
    return _Figure(*(value / each for value in rate))


def _rate_of_all(answer: Estimate) -> _Figure:
    """Decoded tokens/s of a batch; of a load all that its run put out, from first to last."""
    generates = answer.workload.generates
    rate = _figure(answer, "decode_tokens_per_s" if generates else "prefill_tokens_per_s")
    run = run_of(answer) if generates else None
    if run is None:
        return rate
    most = run.limit_output_tokens_per_s or math.inf
    whole = rate._replace(limit=most, ceiling=math.inf)
    return whole.times(run.output_tokens_per_s / rate.expected)


def speed_table(answer: Estimate) -> Table:
    """Each figure expected, its range, its limit, and what bounds that."""
    prefill, generates = _prefill_bound(answer), answer.workload.generates
    rows = [_row("TTFT" if generates else "Latency", _ttft(answer), prefill, time=True)]
    if answer.texts:
        rows.append(_row("Texts/s", _texts(answer), prefill))
    if answer.serving is None or not generates:  # of a load it would hold the queue
        rows.append(_row("Prefill tok/s", _figure(answer, "prefill_tokens_per_s"), prefill))
    if generates:
        rows += _decode_rows(answer)
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


def _row(name: str, figure: _Figure, bound: str, *, time: bool = False) -> Row:
    text = seconds if time else per_second

    def of_limit(value: float) -> float:
        top, below = (figure.limit, value) if time else (value, figure.limit)
        return top / below if below > 0 else 0.0

    return Row(
        (
            name, text(figure.expected), span(text(figure.low), text(figure.high)),
            text(figure.limit), share_of_limit(of_limit(figure.expected)), bound,
            text(figure.ceiling), Range(*map(of_limit, figure[1:4])),
        )
    )  # fmt: skip


def share_of_limit(value: float) -> Cell:
    """A share that stands out where it is poor."""
    return Span(percent(value), "warn" if value < _POOR else "")


# The simulated run ---------------------------------------------------------------------------


def _run(run: SimulatedRun) -> str:
    """ "Means of 640 prompts, simulated: 12.1 requests/s, 61 running, 1 waiting"."""
    held = f"{run.mean_running:,.3g} running, {run.mean_waiting:,.3g} waiting"
    lost = f", {plural(run.preempted, 'preemption')}" if run.preempted else ""
    rate = f"{run.requests_per_s:,.3g} requests/s"
    return f"Means of {plural(run.prompts, 'prompt')}, simulated: {rate}, {held}{lost}"


def run_table(run: SimulatedRun) -> Table:
    """Mean and percentiles of each metric, as a benchmark's client has them."""
    percents = [f"p{percent:g}" for percent, _ in run.ttft.percentiles_s]
    columns = (Column(""), *(Column(name, "time") for name in ("mean", *percents)))
    metrics = (("TTFT", run.ttft), ("TPOT", run.tpot), ("ITL", run.itl), ("End to end", run.e2e))
    rows = [
        Row(
            (name, seconds(each.mean_s), *(seconds(value) for _, value in each.percentiles_s)),
            detail=name not in _SHORT_PERCENTILES,
        )
        for name, each in metrics
        if each is not None
    ]
    return Table(columns, rows, tight=True)


# Facts ---------------------------------------------------------------------------------------


def facts(answer: Estimate) -> Iterator[tuple[str, Text]]:
    """What drafts, a load and the memory come to, and the room that is left."""
    if answer.ceiling.tpot_s > 1.01 * answer.limit.tpot_s:
        yield "Ceiling", _ceiling(answer)
    if answer.speculative:
        yield "Drafts", _drafts(answer.speculative)
    if answer.texts:
        yield "Texts", _best_texts(answer.texts)
    elif answer.serving:
        yield "Load", _load(answer.serving)
    if answer.workload.expected_encode_s:
        yield "Tower", _tower(answer)
    if answer.workload.lora_rank:
        yield "Adapters", _adapters(answer)
    if answer.kept:
        yield "Cache", _kept(answer.kept)
    if answer.read_by:
        yield "Read by", _read_by(answer.read_by)
    yield "Memory", memory_line(answer)
    memory = answer.memory
    if memory.places:
        yield "Places", _places(memory.places)
        for name, phase in (("Prefill", answer.prefill), ("Decode", answer.decode)):
            yield name, _place_times(phase)
    yield "Room", _room(answer)


def _short_facts(answer: Estimate) -> Iterator[tuple[str, Text]]:
    """Those of the short form: a load's percentiles take the place of room and depth, the memory
    of several places that of the card's own."""
    loaded, placed = run_of(answer) is not None, bool(answer.memory.places)
    left_out = (("Load", "Room") if loaded else ()) + (("Memory",) if placed else ())
    yield from (row for row in facts(answer) if row[0] not in left_out)
    if answer.depth and not loaded and not placed:
        short = [p for p in answer.depth if p.context_tokens in _DEPTHS]
        yield "Depth", _depth_line(short or answer.depth)


def _room(answer: Estimate) -> str:
    memory, given = answer.memory, answer.workload
    if memory.max_context_tokens <= 0 and memory.max_batch_size <= 0:
        return "none: beside the weights no KV cache has space"
    each = plural(given.prompt_tokens + given.output_tokens, "token")
    most = f"batch {whole(memory.max_batch_size)} at {each}"
    if not memory.kv_cache_bytes:  # a text leaves nothing behind, and any number waits
        most = f"any number of texts of {each}"
    return f"context {whole(memory.max_context_tokens)} at batch {given.batch_size:,}, or {most}"


def _ceiling(answer: Estimate) -> str:
    """Where the limit reads the fewest experts there can be: the one at even routing."""
    ceiling_s, expected_s = answer.ceiling.tpot_s, _tpot(answer).expected
    return (
        f"{seconds(ceiling_s)} TPOT where routing is even, {percent(ceiling_s / expected_s)} of "
        "its speed expected"
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
        Bar(shares, cells=_MEMORY_CELLS if each or mark else _FREE_CELLS),  # type: ignore[arg-type]
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


def _depth_line(points: Iterable[DepthPoint]) -> str:
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
        f"{running} sequence{' decodes' if running == '1' else 's decode'} at a time (room for "
        f"{whole(served.slots)}), {format_requests(served.requests_per_s, 3)}"
    )
    if served.requests_asked_per_s is None and served.prompts is None:
        text += f"; first token {seconds(served.ttft_steady_s)} after the first burst"
    return text


def _closed_form(answer: Estimate) -> str:
    expected = answer.expected
    return (
        f"TTFT {seconds(expected.ttft_s)}, TPOT {seconds(expected.tpot_s)}: the closed form, "
        "which tables and checks have"
    )


def _drafts(answer: Speculative) -> str:
    """What speculative decoding brings, and from which acceptance on."""
    even = answer.break_even_acceptance
    pays = "never pays" if even is None else f"pays from {even:.2f}"
    by = clean(answer.method) + (f", {clean(answer.draft_model)}" if answer.draft_model else "")
    tree = answer.verified_tokens > answer.draft_tokens + 1
    count = f"{answer.draft_tokens} deep" if tree else f"{answer.draft_tokens} a step"
    nodes = f", {answer.verified_tokens} tokens verified" if tree else ""
    return (
        f"{count} ({by}){nodes}: {answer.tokens_per_step:.3g} tokens in "
        f"{seconds(answer.expected_step_s)}, else 1 in "
        f"{seconds(answer.expected_plain_tpot_s)}; {pays}"
    )


def _tower(answer: Estimate) -> str:
    """What the images of a request take of its first token."""
    given = answer.workload
    return (
        f"{seconds(given.expected_encode_s)} for the images or sounds of a request (limit "
        f"{seconds(given.limit_encode_s)}), in the first token"
    )


def _best_texts(of: Texts) -> str:
    """What one text takes, and from which batch on more of them bring little."""
    return (
        f"{of.task}: one alone takes {seconds(of.expected_one_s)} (limit "
        f"{seconds(of.limit_one_s)}); {per_second(of.best_texts_per_s)} texts/s from "
        f"{of.best_batch_size:,} at a time on"
    )


def _kept(kept: KeptCache) -> str:
    """What a cache beyond the card takes and saves."""
    line = (
        f"{plural(kept.found_tokens, 'token')} from {clean(kept.place)} in {seconds(kept.sent_s)}, "
        f"{size(kept.sent_bytes)} each GPU; the rest {seconds(kept.rest_s)}; "
        f"anew {seconds(kept.anew_s)}"
    )
    if kept.pays_above_bytes_per_s is not None:
        line += f"; pays above {format_bandwidth(kept.pays_above_bytes_per_s)}"
        if kept.pays_from_tokens is None:
            line += ", here for no prompt"
        elif kept.pays_from_tokens > _FEW_TOKENS:
            line += f", here from {plural(kept.pays_from_tokens, 'token')} on"
    if kept.holds_tokens is not None:
        line += f"; holds {plural(kept.holds_tokens, 'token')}"
    return line


def _read_by(by: ReadBy) -> Text:
    """What cards of their own take to read the prompts, beside those that decode."""
    cards = f"{by.gpus}x {by.gpu}" if by.gpus > 1 else by.gpu
    line = (
        f"{clean(cards)} in {seconds(by.prefill_s)}, sent in {seconds(by.sent_s)} "
        f"({size(by.sent_bytes)}), first step {seconds(by.first_step_s)}; alone "
        f"{seconds(by.ttft_alone_s)}; reads {by.requests_per_s:,.3g} requests/s, the others "
        f"answer {by.decode_requests_per_s:,.3g}"
    )
    if by.fits:
        return line
    need, there = gib(by.memory_bytes), gib(by.capacity_bytes)
    return (f"{line}; ", Span(f"does not fit: {need} of {there} GiB each", "bad"))


def _adapters(answer: Estimate) -> str:
    """How much of the weights LoRA adapters are."""
    given, held = answer.workload, answer.memory.adapter_bytes
    each = " per GPU" if answer.gpu.count > 1 else ""
    return (
        f"{given.max_loras:,} of rank {given.lora_rank}, unmerged: {gib(held)} GiB of the "
        f"weights{each}"
    )


def _drafts_table(drafts: Sequence[DraftsAt]) -> Table:
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


def basis(answer: Estimate) -> str:
    """Where the constants behind expected come from."""
    match answer.gpu.constants:
        case "measured":
            return "constants measured on this card"
        case "same_die":
            return "constants measured on another card with its die"
        case "datasheet":
            return "constants from the datasheet alone"
        case _:
            return "constants generic: not measured on this card"


def _model(answer: Estimate) -> str:
    model = answer.model
    active = ""
    if model.active_parameters != model.parameters:
        active = f" ({whole(model.active_parameters)} active)"
    return (
        f"{clean(model.architecture)}, {whole(model.parameters)} parameters{active}, "
        f"{gib(model.weight_bytes)} GiB, {whole(model.kv_bytes_per_token)} bytes of KV a token"
    )


def _gpu(answer: Estimate) -> str:
    gpu = answer.gpu
    peaks = ", ".join(
        f"{pipe} {format_rate(gpu.peak_flop_per_s[pipe]).removesuffix(' TFLOPS')}"
        for pipe in _SHOWN_PEAKS
        if gpu.peak_flop_per_s.get(pipe)
    )
    return (
        f"{counted(gpu.id, gpu.count)}, {format_bandwidth(gpu.memory_bandwidth_bytes_per_s)}, "
        f"{f'{peaks} TFLOPS' if peaks else 'no peak known'}"
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
    given, model = answer.workload, answer.model.id
    server = Server(
        given.engine, model, given.tensor_parallel, given.pipeline_parallel,
        given.expert_parallel, given.data_parallel, kv_cache=own_cache(answer),
        drafts=drafts_of(answer.speculative),
        lora_rank=given.lora_rank, max_loras=given.max_loras,
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
