"""Whether it fits, for a person, as CSV and as Markdown.

Not here: what takes the memory and what would make it fit (explore/fit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vperf.explore.fit import Fit, MemoryFit, Parts
from vperf.report import to_csv as csv_rows
from vperf.report.format import clean, percent, plural, shortened, size, whole
from vperf.report.markdown import bullets, document, escape, table
from vperf.report.page import Column, Page
from vperf.report.rows import heading, problem_lines
from vperf.report.words import short_model

_LONGEST_NAME = 28


def render(answer: Fit, *, width: int = 80, color: bool = False) -> str:
    """The whole screen as one string."""
    page = Page(width, color)
    page.prose(headline(answer), "bold" if answer.fitting else "bold yellow")
    page.prose(second_line(answer))
    page.blank()
    only = _only(answer)
    if only is not None and only.parts is not None:
        page.table([Column("per GPU", left=True), Column(""), Column("")], _parts(only.parts))
        page.blank()
        page.facts(_room_for(only))
        page.section("What would make it fit", ways(answer))
    else:
        shown = [room for room in answer.rooms if room.parts]
        names, cells = _columns(answer, shown, page.width)
        left = {*map(heading, answer.axes), "fits"}
        page.table([Column(n, left=n in left) for n in names],
                   ([cell(room) for cell in cells] for room in shown))  # fmt: skip
    page.section("Cannot be", problem_lines(answer.problems), "yellow")
    page.section("Notes", map(clean, answer.notes))
    return page.text()


def markdown(answer: Fit) -> str:
    """The same as Markdown."""
    names, cells = _columns(answer, answer.rooms, 10_000)
    rows = ([cell(room) for cell in cells] for room in answer.rooms if room.parts)
    return document([
        f"**{escape(headline(answer))}**",
        escape(second_line(answer)),
        table(names, rows),
        bullets("What would make it fit", ways(answer)),
        bullets("Cannot be", problem_lines(answer.problems)),
        bullets("Notes", answer.notes),
    ])  # fmt: skip


def csv(answer: Fit) -> str:
    """One row a model and GPU, bytes unrounded."""
    return "".join(csv_rows.lines(answer.flat()))


def _only(answer: Fit) -> MemoryFit | None:
    return answer.rooms[0] if len(answer.rooms) == 1 else None


def _name(room: MemoryFit) -> str:
    count = f"{room.gpus} x " if room.gpus > 1 else ""
    return f"{short_model(room.model)} on {count}{clean(room.gpu)}"


def headline(answer: Fit) -> str:
    """Line 1: yes or no, and by how much."""
    first = answer.rooms[0]
    assert first.parts is not None  # fit() raises where nothing can be
    each = " per GPU" if first.gpus > 1 else ""
    taken, there = size(first.parts.total_bytes), size(first.parts.capacity_bytes)
    if _only(answer):
        if first.fits:
            return f"Fits: {_name(first)} takes {taken} of {there}{each}."
        return f"Does not fit: {_name(first)} needs {taken} of {there}{each}."
    count = len(answer.rooms)
    if not answer.fitting:
        return f"None of {count:,} fits: nearest is {_name(first)}, which needs {taken} of {there}."
    which = "largest" if "model" in answer.axes else "smallest"
    return (
        f"{answer.fitting:,} of {count:,} fit; {which}: {_name(first)}, {taken} of {there}{each}."
    )


def second_line(answer: Fit) -> str:
    """What was asked."""
    room = next(room for room in answer.rooms if room.parts)
    who = plural(room.users, "user")
    tokens = {r.context_tokens for r in answer.rooms if r.parts}
    up_to = "up to " if len(tokens) > 1 else ""
    formats = {(r.quantization, r.kv_cache_dtype) for r in answer.rooms if r.parts}
    text = f"{who} with {up_to}{max(tokens):,} tokens each" if room.users > 1 else (
        f"{who} with {up_to}{max(tokens):,} tokens")  # fmt: skip
    if len(formats) == 1:
        ((weights, cache),) = formats
        text += f", {clean(weights)} weights, {clean(cache)} KV cache"
    same = _same(answer)
    if len(answer.rooms) > 1:
        text += "".join(
            f", {size(same[name])} {words}"
            for name, words in (("weights", "of weights"), ("KV cache", "of KV cache"),
                                ("of", "there"))
            if name in same
        )  # fmt: skip
    return f"{text}."


def _parts(parts: Parts) -> list[tuple[str, str, str]]:
    there = parts.capacity_bytes
    rows = [
        ("weights", parts.weight_bytes),
        ("KV cache", parts.kv_cache_bytes),
        ("activations", parts.activation_bytes),
        ("left free by the engine", parts.reserve_bytes),
        ("together", parts.total_bytes),
        ("there is", there),
    ]
    return [(name, size(value), percent(value / there)) for name, value in rows]


def _room_for(room: MemoryFit) -> list[tuple[str, str]]:
    if room.max_context_tokens <= 0:
        return [("Room for", "no KV cache at all beside the weights")]
    whose = "one user" if room.users == 1 else f"each of {room.users:,} users"
    longest = whole(room.max_context_tokens)
    if room.max_context_tokens == room.model_context_tokens:
        longest += " (all the model is made for)"
    found = [("Longest context", f"{longest} tokens for {whose}")]
    at = f"at {room.context_tokens:,} tokens each"
    found.append(
        ("Most users", f"{whole(room.max_users)} {at}" if room.max_users else f"none {at}")
    )
    return found


def ways(answer: Fit) -> list[str]:
    """What would make it fit, each with what it takes then."""
    found = []
    for way in answer.ways:
        parts = way.room.parts
        assert parts is not None
        each = " per GPU" if way.room.gpus > 1 else ""
        left = ""
        if way.room.max_context_tokens and "context" not in way.options:
            left = f", contexts to {way.room.max_context_tokens:,}"
        taken, there = size(parts.total_bytes), size(parts.capacity_bytes)
        found.append(f"{clean(way.text)}: {taken} of {there}{each}{left}")
    only = _only(answer)
    if only is not None and not only.fits and not found:
        found.append("nothing that was tried: fp8 or 4-bit weights, an fp8 cache, up to 16 GPUs")
    return found


def _columns(
    answer: Fit, rooms: Sequence[MemoryFit], width: int
) -> tuple[list[str], list[Callable[[MemoryFit], str]]]:
    """Headings and cells; of the sizes, as many as `width` has room for."""
    sizes = [(n, _size(p)) for n, p in _SIZES if n not in _same(answer)]
    while True:
        columns: list[tuple[str, Callable[[MemoryFit], str]]] = [
            *((heading(axis), _axis_cell(axis)) for axis in answer.axes or ("gpu",)),
            ("fits", lambda room: "yes" if room.fits else "no"),
            *sizes,
            ("context", lambda room: whole(room.max_context_tokens)),
            ("users", lambda room: whole(room.max_users)),
        ]
        needed = sum(
            2 + max([len(name), *(len(cell(room)) for room in rooms)]) for name, cell in columns
        )
        spare = next((n for n in ("KV cache", "weights") if n in dict(sizes)), None)
        if needed - 2 <= width or spare is None:
            return [name for name, _ in columns], [cell for _, cell in columns]
        sizes = [each for each in sizes if each[0] != spare]


_SIZES: tuple[tuple[str, Callable[[Parts], float]], ...] = (
    ("weights", lambda parts: parts.weight_bytes),
    ("KV cache", lambda parts: parts.kv_cache_bytes),
    ("all", lambda parts: parts.total_bytes),
    ("of", lambda parts: parts.capacity_bytes),
)


def _same(answer: Fit) -> dict[str, float]:
    """Sizes that are the same in all rows: said once instead of in each."""
    parts = [room.parts for room in answer.rooms if room.parts]
    found = {name: {part(each) for each in parts} for name, part in _SIZES}
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def _axis_cell(axis: str) -> Callable[[MemoryFit], str]:
    if axis == "model":
        return lambda room: shortened(short_model(room.model), _LONGEST_NAME)
    if axis == "gpu":
        return lambda room: clean(room.gpu)
    return lambda room: clean(room.chosen[axis])


def _size(part: Callable[[Parts], float]) -> Callable[[MemoryFit], str]:
    return lambda room: size(part(room.parts)) if room.parts else "-"
