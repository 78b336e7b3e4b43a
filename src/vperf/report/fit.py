"""What is said of a fit: yes or no, what takes the memory, what would make it fit.

Not here: the memory itself (explore/fit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vperf.explore.fit import Fit, MemoryFit, Parts
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
    Row,
    Span,
    Table,
    Text,
    Tone,
)
from vperf.report.format import clean, gib, per_second, plural, whole
from vperf.report.forms import Report
from vperf.report.names import counted, flags, short_model
from vperf.report.notes import note_blocks
from vperf.report.rows import heading, problem_lines

_SHOWN = 11
"""Rows of the short form."""
_BAR = 56
_PARTS: tuple[tuple[str, Callable[[Parts], float], Tone], ...] = (
    ("weights", lambda parts: parts.weight_bytes, "memory"),
    ("KV cache", lambda parts: parts.kv_cache_bytes, "compute"),
    ("activations", lambda parts: parts.activation_bytes, ""),
    ("left free by the engine", lambda parts: parts.reserve_bytes, "aside"),
)


def report(answer: Fit) -> Report:
    """The answer in every form."""
    return Report(
        lambda: document(answer), answer.to_dict, answer.flat,
        records=lambda: (room.to_dict() for room in answer.rooms),
    )  # fmt: skip


def document(answer: Fit) -> Iterator[Block]:
    """The screen of `vperf fit`."""
    yield Headline(headline(answer))
    yield Prose(second_line(answer), "aside", tight=True)
    only = _only(answer)
    if only is not None and only.parts is not None:
        yield from _parts(only.parts)
        yield Facts(tuple(_room_for(only)))
        yield Bullets(ways(answer), mark="\N{RIGHTWARDS ARROW}", tone="good")
    else:
        columns, cells = _columns(answer)
        rows = [
            Row(tuple(cell(room) for cell in cells), "" if room.fits else "aside")
            for room in answer.rooms
            if room.parts
        ]
        yield Table(columns, rows, short=_SHOWN)
    yield Bullets(problem_lines(answer.problems), "Cannot be", mark="!", tone="warn")
    yield from note_blocks(answer.notes)


def _only(answer: Fit) -> MemoryFit | None:
    return answer.rooms[0] if len(answer.rooms) == 1 else None


def _name(room: MemoryFit) -> str:
    return f"{short_model(room.model)} on {counted(room.gpu, room.gpus)}"


def headline(answer: Fit) -> Text:
    """Line 1: yes or no, and by how much."""
    first = answer.rooms[0]
    assert first.parts is not None  # fit() raises where nothing can be
    each = " on each GPU" if first.gpus > 1 else ""
    taken, there = gib(first.parts.total_bytes), gib(first.parts.capacity_bytes)
    if _only(answer):
        if first.fits:
            return (Span(f"Fits: {taken} of {there} GiB{each}.", "good"),)
        return (Span(f"Does not fit: {taken} GiB needed, {there} GiB there{each}.", "bad"),)
    count = len(answer.rooms)
    if not answer.fitting:
        near = f"nearest is {_name(first)}: {taken} GiB needed, {there} there{each}."
        return (Span(f"None of {count:,} fits: {near}", "bad"),)
    which = "largest" if "model" in answer.axes else "smallest"
    return (
        Span(f"{answer.fitting:,} of {count:,} fit", "good"),
        f"; {which}: {_name(first)}, {taken} of {there} GiB{each}.",
    )


def second_line(answer: Fit) -> str:
    """Line 2: what was asked."""
    room = next(room for room in answer.rooms if room.parts)
    tokens = {r.context_tokens for r in answer.rooms if r.parts}
    up_to = "up to " if len(tokens) > 1 else ""
    text = f"{plural(room.users, 'user')} with {up_to}{max(tokens):,} tokens"
    text += " each" if room.users > 1 else ""
    formats = {(r.quantization, r.kv_cache_dtype) for r in answer.rooms if r.parts}
    if len(formats) == 1:
        ((weights, cache),) = formats
        text += f", {clean(weights)} weights, {clean(cache)} KV cache"
    models = {room.model for room in answer.rooms}
    gpus = {(room.gpu, room.gpus) for room in answer.rooms if room.parts}
    names = [short_model(room.model)] if len(models) == 1 else []
    names += [f"on {counted(room.gpu, room.gpus)}"] if len(gpus) == 1 else []
    return " \N{MIDDLE DOT} ".join(part for part in (" ".join(names), text) if part)


def _parts(parts: Parts) -> Iterator[Block]:
    """What takes the memory, in words and as a bar above what there is."""
    words = " \N{MIDDLE DOT} ".join(f"{name} {gib(part(parts))}" for name, part, _ in _PARTS)
    yield Prose(f"{words} GiB", tight=True)
    most = max(parts.total_bytes, parts.capacity_bytes)
    needed = tuple((part(parts) / most, tone) for _, part, tone in _PARTS)
    there = ((parts.capacity_bytes / most, "aside"), (0.0, ""))
    yield Prose((Bar(needed, cells=_BAR), f" {gib(parts.total_bytes)} needed"), tight=True)
    yield Prose((Bar(there, cells=_BAR), f" {gib(parts.capacity_bytes)} there"), tight=True)  # type: ignore[arg-type]


def _room_for(room: MemoryFit) -> Iterator[tuple[str, Text]]:
    if room.max_context_tokens <= 0:
        yield "Room for", "no KV cache at all beside the weights"
        return
    whose = "one user" if room.users == 1 else f"each of {room.users:,} users"
    longest = whole(room.max_context_tokens)
    if room.max_context_tokens == room.model_context_tokens:
        longest += " (all the model is made for)"
    if room.pool_tokens:
        times = room.pool_tokens / max(1, room.context_tokens)
        held = f"{whole(room.pool_tokens)} tokens, {times:,.2f}x at {room.context_tokens:,}"
        yield "KV cache", f"{held} (as engines log it)"
    yield "Longest context", f"{longest} tokens for {whose}"
    at = f"at {room.context_tokens:,} tokens each"
    yield "Most users", f"{whole(room.max_users)} {at}" if room.max_users else f"none {at}"


def ways(answer: Fit) -> tuple[Text, ...]:
    """What would make it fit, each with what it takes then."""
    found: list[Text] = []
    names = [flags(way.options) for way in answer.ways]
    most = max(map(len, names), default=0)
    for way, name in zip(answer.ways, names, strict=True):
        parts = way.room.parts
        assert parts is not None
        each = " per GPU" if way.room.gpus > 1 else ""
        left = ""
        if way.room.max_context_tokens and "context" not in way.options:
            left = f", contexts to {way.room.max_context_tokens:,}"
        took = f"{gib(parts.total_bytes)} of {gib(parts.capacity_bytes)} GiB{each}{left}"
        if way.decode_tokens_per_s:
            took += f", {per_second(way.decode_tokens_per_s)} tok/s"
        found.append((Span(name.ljust(most), "command"), f"  {took}"))
    only = _only(answer)
    if only is not None and not only.fits and not found:
        found.append("nothing that was tried: fp8 or 4-bit weights, an fp8 cache, up to 16 GPUs")
    return tuple(found)


def _columns(answer: Fit) -> tuple[tuple[Column, ...], tuple[Callable[[MemoryFit], Cell], ...]]:
    found: list[tuple[Column, Callable[[MemoryFit], Cell]]] = [
        (Column(heading(axis)), _axis_cell(axis)) for axis in answer.axes or ("gpu",)
    ]
    found += [
        (Column("GiB", "fits", strong=True), _total),
        (Column("of", "memory"), _gib(lambda parts: parts.capacity_bytes)),
        (Column("weights", "memory", 2), _gib(lambda parts: parts.weight_bytes)),
        (Column("KV cache", "memory", 3), _gib(lambda parts: parts.kv_cache_bytes)),
        (Column("context", "count", 1), lambda room: whole(room.max_context_tokens)),
        (Column("users", "count", 1), lambda room: whole(room.max_users)),
        (Column("", "bar", 5), _share),
    ]
    return tuple(column for column, _ in found), tuple(cell for _, cell in found)


def _total(room: MemoryFit) -> Cell:
    if room.parts is None:
        return "-"
    text = gib(room.parts.total_bytes)
    return text if room.fits else Span(f"{FAILS} {text}", "bad")


def _share(room: MemoryFit) -> Cell:
    if room.parts is None:
        return ""
    return Bar(((min(1.0, room.parts.total_bytes / room.parts.capacity_bytes), "memory"),))


def _axis_cell(axis: str) -> Callable[[MemoryFit], Cell]:
    if axis == "model":
        return lambda room: short_model(room.model)
    if axis == "gpu":
        return lambda room: clean(room.gpu)
    return lambda room: clean(room.chosen[axis])


def _gib(part: Callable[[Parts], float]) -> Callable[[MemoryFit], Cell]:
    return lambda room: gib(part(room.parts)) if room.parts else "-"
