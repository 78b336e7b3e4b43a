"""The lines of facts below an estimate's table: memory, room, load, drafts, model, GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vperf.answer import Estimate, KeptCache, ReadBy, Serving, Speculative, Texts
from vperf.report.document import FAILS, Bar, Span, Text, Tone
from vperf.report.estimate.depth import SHORT_DEPTHS, depth_line
from vperf.report.estimate.figures import run_of, tpot
from vperf.report.format import clean, gib, per_second, percent, plural, seconds, size, whole
from vperf.report.names import counted
from vperf.serving.memory import PlaceMemory
from vperf.timing.step import PhaseTimes
from vperf.units import format_bandwidth, format_rate, format_requests

_SHOWN_PEAKS = ("bf16", "fp8", "fp4")
_FEW_TOKENS = 64
"""A cache beyond the card that pays from so few on pays for all."""


_FREE_CELLS, _MEMORY_CELLS = 20, 10
"""Of the bar of memory; the short one where more is to be said beside it."""


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


def short_facts(answer: Estimate) -> Iterator[tuple[str, Text]]:
    """Those of the short form: a load's percentiles take the place of room and depth, the memory
    of several places that of the card's own."""
    loaded, placed = run_of(answer) is not None, bool(answer.memory.places)
    left_out = (("Load", "Room") if loaded else ()) + (("Memory",) if placed else ())
    yield from (row for row in facts(answer) if row[0] not in left_out)
    if answer.depth and not loaded and not placed:
        short = [p for p in answer.depth if p.context_tokens in SHORT_DEPTHS]
        yield "Depth", depth_line(short or answer.depth)


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
    ceiling_s, expected_s = answer.ceiling.tpot_s, tpot(answer).expected
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


def _load(served: Serving) -> str:
    """What a served load settles to."""
    running = f"{served.running_batch:.3g}"
    return (
        f"{running} sequence{' decodes' if running == '1' else 's decode'} at a time (room for "
        f"{whole(served.slots)}), {format_requests(served.requests_per_s, 3)}"
    )


def closed_form(answer: Estimate, served: Serving) -> str:
    """What the closed form of a load says beside its simulated run."""
    expected, later = answer.expected, ""
    if served.requests_asked_per_s is None:
        later = f" ({seconds(served.ttft_steady_s)} after the first burst)"
    return (
        f"have the closed form: TTFT {seconds(expected.ttft_s)}{later}, "
        f"TPOT {seconds(expected.tpot_s)}"
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
    of = f" on {clean(given.encoder_gpu)}, sent" if given.encoder_gpu else ""
    return (
        f"{seconds(given.expected_encode_s)} for the images or sounds of a request (limit "
        f"{seconds(given.limit_encode_s)}){of}, in the first token"
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


def _read_by(by: ReadBy) -> str:
    """What cards of their own take to read the prompts, beside those that decode."""
    cards = f"{by.gpus}x {by.gpu}" if by.gpus > 1 else by.gpu
    busy = "" if by.busy is None else f" ({percent(by.busy)} busy)"
    return (
        f"{clean(cards)} in {seconds(by.prefill_s)}, sent in {seconds(by.sent_s)} "
        f"({size(by.sent_bytes)}), first step {seconds(by.first_step_s)}; alone "
        f"{seconds(by.ttft_alone_s)}; reads {by.requests_per_s:,.3g} requests/s{busy}, the others "
        f"answer {by.decode_requests_per_s:,.3g}"
    )


def _adapters(answer: Estimate) -> str:
    """How much of the weights LoRA adapters are."""
    given, held = answer.workload, answer.memory.adapter_bytes
    each = " per GPU" if answer.gpu.count > 1 else ""
    return (
        f"{given.max_loras:,} of rank {given.lora_rank}, unmerged: {gib(held)} GiB of the "
        f"weights{each}"
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


def model_line(answer: Estimate) -> str:
    """What the model is and holds."""
    model = answer.model
    active = ""
    if model.active_parameters != model.parameters:
        active = f" ({whole(model.active_parameters)} active)"
    return (
        f"{clean(model.architecture)}, {whole(model.parameters)} parameters{active}, "
        f"{gib(model.weight_bytes)} GiB, {whole(model.kv_bytes_per_token)} bytes of KV a token"
    )


def gpu_line(answer: Estimate) -> str:
    """What the cards are, from their datasheet."""
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
