"""A comparison for a person, as CSV and as Markdown.

Not here: the order of the rows (explore/compare.py) and their columns (rows.py).
"""

from __future__ import annotations

from vperf.explore.compare import Comparison
from vperf.explore.rows import Row
from vperf.report.format import clean, per_second, seconds, size
from vperf.report.markdown import bullets, document, escape
from vperf.report.page import Page
from vperf.report.rows import (
    RowColumn,
    axis_columns,
    choice,
    csv_lines,
    dollars,
    figure_columns,
    fitted,
    heading,
    markdown_lines,
    problem_lines,
    shared_words,
)
from vperf.report.words import short_model
from vperf.resolve import AS_STORED


def render(answer: Comparison, *, width: int = 80, color: bool = False) -> str:
    """The whole screen as one string."""
    page = Page(width, color)
    page.prose(headline(answer), "bold" if answer.fitting else "bold yellow")
    page.prose(shared(answer))
    shown = [row for row in answer.rows if row.figures]
    columns, left_out = fitted(_columns(answer), page.width)
    page.blank()
    page.table([c.column for c in columns], ([c.cell(row) for c in columns] for row in shown))
    page.section("Cannot be", problem_lines(answer.problems), "yellow")
    page.section("Notes", _notes(answer, left_out))
    return page.text()


def markdown(answer: Comparison) -> str:
    """The same as Markdown, every column in it."""
    shown = [row for row in answer.rows if row.figures]
    return document([
        f"**{escape(headline(answer))}**",
        escape(shared(answer)),
        "\n".join(markdown_lines(_columns(answer), shown)),
        bullets("Cannot be", problem_lines(answer.problems)),
        bullets("Notes", _notes(answer, [])),
    ])  # fmt: skip


def csv(answer: Comparison) -> str:
    """Every row with every figure."""
    return "".join(csv_lines(answer.rows))


def _columns(answer: Comparison) -> list[RowColumn]:
    axes = {axis: list({row.chosen[axis]: None for row in answer.rows}) for axis in answer.axes}
    rows = answer.rows
    return [
        *axis_columns(axes),
        *figure_columns(
            priced=any(row.cost for row in rows),
            energy=any(row.tokens_per_joule for row in rows),
            served=any(row.figures and row.figures.serving for row in rows),
        ),
    ]


def named(answer: Comparison, row: Row) -> str:
    """A row in words: "Qwen3-32B on h100-sxm-80gb, tp 2, fp8 weights"."""
    others = []
    for axis in answer.axes:
        if axis not in ("model", "gpu"):
            value = choice(row.chosen[axis])
            what = heading(axis)
            if axis == "quantization":
                others.append("weights as stored" if value == AS_STORED else f"{value} {what}")
            else:
                others.append(f"{what} {value}")
    gpus = row.figures.gpus if row.figures else 1
    count = f"{gpus} x " if gpus > 1 else ""
    return ", ".join([f"{short_model(row.model)} on {count}{clean(row.gpu)}", *others])


def headline(answer: Comparison) -> str:
    """Line 1: the best row and what it reaches."""
    best = answer.rows[0]
    figures = best.figures
    assert figures is not None  # compare() raises where no setting can be
    name = named(answer, best)
    if not best.fits:
        need, have = size(figures.memory_bytes), size(figures.capacity_bytes)
        return f"None of {answer.asked:,} fits: first is {name}, which needs {need} of {have}."
    expected, limit = figures.expected, figures.limit
    match answer.by:
        case "decode":
            reached = f"decode {per_second(expected.decode_tokens_per_s)} tok/s expected, limit "
            what = f"Fastest{_of(answer)}: {name}: {reached}{per_second(limit.decode_tokens_per_s)}"
        case "ttft":
            what = (
                f"First token soonest{_of(answer)}: {name}: {seconds(expected.ttft_s)} expected, "
                f"limit {seconds(limit.ttft_s)}"
            )
        case "throughput":
            reached = f"{per_second(figures.output_tokens_per_s)} output tok/s expected"
            what = f"Most throughput{_of(answer)}: {name}: {reached}, prefill included"
        case "cost":
            cost = best.cost
            reached = (
                f"${dollars(cost.usd_per_mtok_input)} per million tokens in, "
                f"${dollars(cost.usd_per_mtok_output)} out" if cost else "no price"
            )  # fmt: skip
            what = f"Cheapest{_of(answer)}: {name}: {reached}, expected"
        case "energy":
            value = best.tokens_per_joule
            reached = "no TDP known" if value is None else f"{value:.3g} tok/J at TDP, expected"
            what = f"Most tokens per joule{_of(answer)}: {name}: {reached}"
        case "fits":
            free = (figures.capacity_bytes - figures.memory_bytes) * figures.gpus
            what = (
                f"{answer.fitting:,} of {answer.asked:,} fit; most room: {name}: {size(free)} free"
            )
    return f"{what}."


def _of(answer: Comparison) -> str:
    return f" of {answer.asked:,}" if answer.asked > 1 else ""


def shared(answer: Comparison) -> str:
    """Line 2: what all rows share, and how many fit."""
    fixed = dict(answer.fixed)
    model, gpu = fixed.pop("model", None), fixed.pop("gpu", None)
    names = [short_model(str(model))] if model else []
    names += [f"{'on ' if model else ''}{clean(gpu)}"] if gpu else []
    words = [" ".join(names)] if names else []
    words += shared_words(fixed, answer.axes)
    cannot = sum(answer.problems.values())
    lacking = answer.asked - answer.fitting - cannot
    counts = [f"{answer.fitting:,} fit"]
    counts += [f"{lacking:,} {'does' if lacking == 1 else 'do'} not"] if lacking else []
    counts += [f"{cannot:,} cannot be"] if cannot else []
    return f"{', '.join(words)}; {', '.join(counts)}."


def _notes(answer: Comparison, left_out: list[str]) -> list[str]:
    found = []
    if any(row.figures and not row.fits for row in answer.rows):
        found.append("speeds of what does not fit are those it would have with the memory")
    if len(answer.rows) < answer.asked:
        found.append(f"the first {len(answer.rows):,} of {answer.asked:,} (--top)")
    if left_out:
        found.append(
            f"no room at this width for {', '.join(left_out)}; --csv and --json have all figures"
        )
    shown = not any(name == "tok/J" for name in left_out)
    return [*found, *(note for note in answer.notes if shown or note.kind != "energy")]
