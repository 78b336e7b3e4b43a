"""Which deployment is best: the order of candidates, the best of each GPU, the Pareto front.

Rows that are shown have the times of a simulated run. Not here: the search (search.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from vperf.explore.candidates import (
    Asked,
    Candidate,
    Reason,
)
from vperf.explore.search import Search
from vperf.values import dataclass

By = Literal["gpus", "cost", "latency", "throughput"]
"""What the winner has least or most of: GPUs, $ per request, TPOT, output tok/s of a GPU."""


@dataclass(frozen=True, slots=True)
class GpuBest:
    """The best deployment of one GPU, for one length that a server takes: of those that meet the
    targets, or the nearest to them."""

    gpu: str
    candidate: Candidate | None
    """None: nothing of it could be held against the targets, because of `lost`."""
    lost: Reason | None = None
    max_model_len: int | None = None
    """None: as long as the requests."""

    @property
    def asked(self) -> Asked:
        """What it is the answer to."""
        return self.gpu, self.max_model_len


def _rank(candidate: Candidate, by: By) -> tuple[float, ...]:
    """The least is best."""
    c = candidate
    tpot, last = c.times.tpot_s, (c.gpus, c.times.ttft_s)
    longer = (-(c.scenario.max_model_len or 0),)
    match by:
        case "gpus":
            return (c.gpus, c.expense, c.what_if, *longer, tpot, -c.per_gpu, c.times.ttft_s)
        case "cost":
            return (c.expense, c.what_if, *longer, tpot, -c.per_gpu, *last)
        case "latency":
            return (tpot, c.expense, c.what_if, *longer, -c.per_gpu, *last)
        case "throughput":
            return (-c.per_gpu, c.expense, c.what_if, *longer, tpot, *last)


def best_per_gpu(search: Search, by: By) -> tuple[GpuBest, ...]:
    """Of each GPU and length that was asked for; those that miss a target last."""
    best: dict[Asked, Candidate] = {}
    for each in sorted(search.met, key=lambda c: _rank(c, by)):
        best.setdefault(each.asked, each)
    missed = [c for asked, c in search.nearest_of.items() if asked not in best]
    missed.sort(key=lambda candidate: candidate.distance)
    found = [
        GpuBest(c.row.gpu, c, max_model_len=c.scenario.max_model_len)
        for c in (*best.values(), *missed)
    ]
    seen = {each.asked for each in found}
    rest = ((asked, lost) for asked, lost in search.lost_of.items() if asked not in seen)
    return (
        *found,
        *(GpuBest(gpu, None, lost.most_common(1)[0][0], most) for (gpu, most), lost in rest),
    )


def _front(met: Sequence[Candidate], by: By) -> tuple[Candidate, ...]:
    """Those that no other is as good as in everything and better than in something."""

    def sides(c: Candidate) -> tuple[float, ...]:
        size = c.gpus if by == "gpus" else 0
        longest = c.scenario.max_model_len or 0
        return (c.times.tpot_s, -c.per_gpu, c.expense, c.what_if, size, -longest)

    front: list[tuple[tuple[float, ...], Candidate]] = []
    # In this order nobody is dominated by one that comes later; of equals the first stays.
    for each in sorted(met, key=lambda c: (*sides(c), *_rank(c, by))):
        own = sides(each)
        if not any(all(a <= b for a, b in zip(other, own, strict=True)) for other, _ in front):
            front.append((own, each))
    return tuple(each for _, each in front)


def _winner_and_front(
    search: Search, by: By
) -> tuple[Candidate | None, tuple[Candidate, ...]]:  # fmt: skip
    winner = min(search.met, key=lambda c: _rank(c, by), default=None)
    front = _front(search.met, by)
    if winner is not None and not any(each is winner for each in front):
        # Of equals in all that the front is about, the winner stands for them.
        same = next(n for n, c in enumerate(front) if _rank(c, by)[:-1] == _rank(winner, by)[:-1])
        front = (*front[:same], winner, *front[same + 1 :])
    return winner, front


def all_simulated(search: Search, by: By) -> tuple[Candidate | None, tuple[Candidate, ...]]:
    """The winner and the front, once every row that is shown has the times of a run: means that are
    corrected may bring others up."""
    while True:
        winner, front = _winner_and_front(search, by)
        best = (each.candidate for each in best_per_gpu(search, by))
        nearest = None if winner else search.nearest
        shown = {id(each): each for each in (*front, *best, nearest) if each}
        plain = [each for each in shown.values() if not each.simulated]
        if not plain:
            return winner, front
        for each in plain:
            search.exchange(each, search.ran(each))
