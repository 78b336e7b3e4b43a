"""The front of a plan as a chart."""

from __future__ import annotations

from vperf.explore.candidates import Candidate
from vperf.explore.plan import Plan
from vperf.report.chart import Axis, Chart, Mark, Series, letter
from vperf.report.format import clean, plural, seconds
from vperf.report.names import short_model
from vperf.report.plan_names import second_line, short_layout

_WINNER = "W"
"""Its label in a plot."""


def chart(answer: Plan) -> Chart:
    """The front: what a user sees against what a GPU gives, a line for each GPU and weights."""
    front = answer.front or ((answer.nearest,) if answer.nearest else ())
    several = len({each.weights for each in front}) > 1
    by_gpu: dict[str, list[Candidate]] = {}
    for each in front:
        name = clean(each.row.gpu)
        by_gpu.setdefault(f"{name}, {clean(each.weights)}" if several else name, []).append(each)
    drawn = [each for found in by_gpu.values() for each in found]
    letters = {
        id(each): _WINNER if each is answer.winner else letter(number)
        for number, each in enumerate(drawn)
    }
    series = [
        Series(
            name, tuple((c.per_user, c.per_gpu) for c in found), joined=len(found) > 1,
            labels=tuple(letters[id(each)] for each in found),
        )
        for name, found in by_gpu.items()
    ]  # fmt: skip
    key = [
        (name, letters[id(each)], f"{plural(each.gpus, 'GPU')}: {short_layout(each)}")
        for name, found in by_gpu.items()
        for each in found
    ]
    marks = []
    if answer.targets.tpot_s is not None:
        label = f"TPOT {seconds(answer.targets.tpot_s)}"
        marks.append(Mark("x", 1 / answer.targets.tpot_s, label))
    if answer.winner is not None:
        marks.append(
            Mark(
                "y",
                answer.winner.per_gpu,
                f"winner: {answer.winner.gpus} x {clean(answer.winner.row.gpu)}",
            )
        )
    return Chart(
        title=f"Deployments of {short_model(str(answer.fixed.get('model', '')))} that meet "
        "the targets",
        x=Axis("decode for one user", "tok/s"),
        y=Axis("output of one GPU", "tok/s"),
        series=tuple(series),
        marks=tuple(marks),
        key=tuple(key),
        setting=second_line(answer),
    )
