"""The cheapest or smallest deployment that meets targets: `plan`, its options and its answer.

Not here: the search (search.py), the order of what it finds (ranking.py), the layout of screens
(report/plan.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from vperf.answer import Estimate
from vperf.errors import InputError, check_count
from vperf.estimate import estimate
from vperf.explore.candidates import (
    NETWORK_BYTES_PER_S,
    WAYS,
    Candidate,
    Reason,
    Targets,
    targets_of,
)
from vperf.explore.grid import Grid, grid
from vperf.explore.prices import Prices, prices_of
from vperf.explore.ranking import By, GpuBest, all_simulated, best_per_gpu
from vperf.explore.search import Search
from vperf.frames import Plotted, frame
from vperf.notes import Note
from vperf.resolve import Resolver
from vperf.resolve.card import Cards
from vperf.spelling import flag
from vperf.units import is_moderate, parse_bandwidth
from vperf.values import dataclass
from vperf.version import __version__

SCHEMA = "vperf/plan/1"

MAX_GPUS = 8


@dataclass(frozen=True, slots=True, repr=False)
class Plan(Plotted):
    """The winner, the Pareto front it is on, and why the others lose."""

    winner: Candidate | None
    """None: no candidate meets the targets."""
    front: tuple[Candidate, ...]
    """Of those that meet the targets, by TPOT, output tok/s of a GPU, expense, weights as stored:
    no other is as good in all of them and better in one. The fastest for a user comes first."""
    nearest: Candidate | None
    """Where nobody meets the targets, what comes nearest to them."""
    best_per_gpu: tuple[GpuBest, ...]
    """Of each GPU that was asked for, the best first; those that miss a target last."""
    by: By
    targets: Targets
    conservative: bool
    """Targets are held against the slow end of the range."""
    max_gpus: int
    memory_utilization: float
    """Share of GPU memory that the engine of `estimate` takes."""
    max_batched_tokens: int
    """Tokens of one of its prefill steps."""
    request_rate: float | None
    max_concurrency: int | None
    asked: int
    """Candidates in all."""
    computed: int
    """The others are known to lose from those."""
    met: int
    """Candidates that meet the targets."""
    lost: Mapping[Reason, int]
    problems: Mapping[str, int]
    """Why layouts cannot be, and how many."""
    fixed: Mapping[str, Any]
    axes: tuple[str, ...]
    """Options with several choices."""
    stored: str
    """The format of the weights that the checkpoint holds."""
    estimate: Estimate | None
    """Of a replica of the winner, or of what comes nearest."""
    notes: tuple[Note, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        return {
            "schema": SCHEMA,
            "vperf_version": __version__,
            "by": self.by,
            "targets": {
                "ttft_s": self.targets.ttft_s,
                "tpot_s": self.targets.tpot_s,
                "e2e_s": self.targets.e2e_s,
                "conservative": self.conservative,
                "percentiles": dict(self.targets.percents),
            },
            "max_gpus": self.max_gpus,
            "request_rate": self.request_rate,
            "max_concurrency": self.max_concurrency,
            "fixed": dict(self.fixed),
            "axes": list(self.axes),
            "asked": self.asked,
            "computed": self.computed,
            "met": self.met,
            "lost": dict(self.lost),
            "problems": dict(self.problems),
            "winner": self.winner.to_dict() if self.winner else None,
            "stored_weights": self.stored,
            "front": [each.to_dict() for each in self.front],
            "nearest": self.nearest.to_dict() if self.nearest else None,
            "best_per_gpu": [
                {
                    "gpu": each.gpu,
                    "max_model_len": each.max_model_len,
                    "lost": each.lost,
                    "candidate": each.candidate.to_dict() if each.candidate else None,
                }
                for each in self.best_per_gpu
            ],
            "binding": self.nearest.binding[0] if self.nearest and self.nearest.binding else None,
            "notes": list(map(str, self.notes)),
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """The front as flat rows, for CSV and frames; without one, what comes nearest."""
        for each in self.front or ((self.nearest,) if self.nearest else ()):
            yield {**each.flat(), "winner": each is self.winner}

    def to_frame(self) -> Any:
        """The front as a pandas.DataFrame. Raises VperfError without pandas."""
        return frame(self.rows())


def plan(
    model: Any,
    gpu: Any,
    *,
    ttft: str | float | None = None,
    tpot: str | float | None = None,
    e2e: str | float | None = None,
    request_rate: float | None = None,
    max_concurrency: int | None = None,
    max_gpus: int = MAX_GPUS,
    gpus_per_node: int | None = None,
    by: By | None = None,
    prices: Prices | None = None,
    conservative: bool = False,
    disaggregate: bool = False,
    kv_link: str | float | None = None,
    tick: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Plan:
    """The best deployment of a model that meets the targets.

    `ttft`, `tpot` and `e2e` are seconds or text ("500ms"), met by the expected mean, or with
    `conservative` by the slow end of its range; "p99:500ms" by that percentile of a simulated run.
    The load is `request_rate` requests/s or `max_concurrency` users, split over replicas; without
    one, the users of one replica are chosen.
    `gpu`, `quantization`, `kv_cache_dtype`, `engine`, `tp`, `pp`, `ep`, `dp`, `pcp` and `dcp` may
    be lists; ways that are not given are powers of two, of context parallelism one.
    `disaggregate` also tries separate pools for prefill and decode, whose caches cross `kv_link`
    bytes/s of each GPU. `by` None: "cost" with prices, "gpus" without.
    `tick(done, all)` counts families of candidates. Raises VperfError.
    """
    targets = targets_of(ttft=ttft, tpot=tpot, e2e=e2e)
    _check(max_gpus, gpus_per_node, request_rate, max_concurrency)
    if options.get("kv_offload") is not None:
        _check_cache(targets, disaggregate=disaggregate)
    known = prices_of(prices) if prices else None
    objective = by or ("cost" if known else "gpus")
    if objective not in get_args(By):
        raise InputError(f"must be one of {', '.join(get_args(By))}, not {by!r}", field="by")
    ways = {way: _counts(way, options.pop(way, None)) for way in WAYS}
    resolver = Resolver()
    if gpus_per_node is not None:
        options["gpus_per_node"] = gpus_per_node
    points = grid({"model": model, "gpu": gpu, **options}, resolver)
    search = Search(
        resolver, targets, {way: counts for way, counts in ways.items() if counts}, max_gpus,
        request_rate, max_concurrency, known, conservative,
    )  # fmt: skip
    if any(
        isinstance(card, Cards) for card in (points.fixed.get("gpu"), *points.axes.get("gpu", ()))
    ):
        raise InputError(
            "plan finds how many GPUs it takes",
            field="gpu",
            hint=f"{flag('max_gpus')}, or {flag('tp')}",
        )
    if "model" in points.axes:
        raise InputError("one model at a time can be planned for", field="model")
    if objective == "cost":
        _check_priced([resolver.gpu(point.scenario).id for point in points], known)
    pools = None
    if disaggregate:
        from vperf.explore.disaggregation import Splitting  # noqa: PLC0415  (when asked for)

        if request_rate is None:
            raise InputError("needs request-rate", field="disaggregate")
        pools = Splitting(
            search.resolver, targets, request_rate, _link(kv_link), conservative, known
        )
    elif kv_link is not None:
        raise InputError("means nothing without disaggregate", field="kv-link")
    count = points.count
    for number, point in enumerate(points, 1):
        search.walk(point)
        if pools is not None:
            search.take_pools(pools.of(point, *search.pools_room(point)))
        if tick:
            tick(number, count)
    return _plan(search, objective, points)


def _check(max_gpus: int, node: int | None, rate: float | None, users: int | None) -> None:
    counts = (("max-gpus", max_gpus), ("gpus-per-node", node), ("max-concurrency", users))
    for name, value in counts:
        if value is not None:
            check_count(name, value, 1, 100_000)
    if rate is not None:
        if users is not None:
            raise InputError("give either max-concurrency or request-rate")
        number = isinstance(rate, int | float) and not isinstance(rate, bool)
        if not number or not is_moderate(rate):
            raise InputError(f"must be above 0, not {rate!r}", field="request-rate")


def _check_cache(targets: Targets, *, disaggregate: bool) -> None:
    """InputError for what is not known of a cache beyond the card."""
    if disaggregate:
        raise InputError(f"is not understood with {flag('kv_offload')}", field="disaggregate")
    if targets.percents:
        raise InputError(
            "percentiles are those of a simulated run, which knows of no cache beyond the card",
            field="kv-offload", hint="targets without a percentile are of means",
        )  # fmt: skip


def _counts(way: str, given: Any) -> tuple[int, ...]:
    if given is None:
        return ()
    counts = tuple(given) if isinstance(given, list | tuple | range | set) else (given,)
    return tuple(check_count(way, count, 1) for count in counts)


def _check_priced(gpus: Sequence[str], prices: Prices | None) -> None:
    missing = [gpu for gpu in gpus if not prices or gpu not in prices]
    if missing:
        raise InputError(
            f"no price for {missing[0]}", field="by cost",
            hint=f"add {flag('price')} {missing[0]}=2.50, or choose {flag('by')} gpus",
        )  # fmt: skip


def _link(given: str | float | None) -> float | None:
    if given is None:
        return None
    try:
        rate = parse_bandwidth(given, "GB/s") if isinstance(given, str) else float(given)
    except InputError as error:
        raise InputError(error.message, field="kv-link") from None
    if not is_moderate(rate):
        raise InputError(f"must be above 0, not {given!r}", field="kv-link")
    return rate


def _plan(search: Search, by: By, points: Grid) -> Plan:
    winner, front = all_simulated(search, by)
    nearest = None if winner else search.nearest
    if winner is None and nearest is None and set(search.lost) == {"layout"}:
        raise InputError(next(iter(search.problems)))
    shown = winner or nearest
    first = next(iter(points)).scenario
    stored = search.stored(first)
    whole = ("request_rate", "max_concurrency")
    some = shown.scenario if shown else replace(first, max_concurrency=1)
    deployment = search.resolver.deployment(some)
    engine = deployment.card.engine
    return Plan(
        winner=winner,
        front=front,
        nearest=nearest,
        best_per_gpu=best_per_gpu(search, by),
        by=by,
        targets=search.targets,
        conservative=search.conservative,
        max_gpus=search.max_gpus,
        asked=search.asked,
        computed=search.computed,
        met=len(search.met),
        lost=dict(search.lost.most_common()),
        problems=dict(search.problems.most_common()),
        fixed={name: value for name, value in points.shared().items() if name not in whole},
        axes=tuple(points.axes),
        stored=stored,
        estimate=estimate(deployment) if shown else None,
        notes=tuple(_notes(search, shown, stored)),
        request_rate=search.rate,
        max_concurrency=search.users,
        memory_utilization=engine.memory_utilization,
        max_batched_tokens=engine.max_batched_tokens,
    )


def _notes(search: Search, shown: Candidate | None, stored: str) -> Iterator[Note]:
    if shown is None:
        return
    if shown.scenario.quantization is not None:
        yield Note("weights_quality", weights=shown.weights, stored=stored)
    if shown.pools is not None:
        yield Note("pools")
        yield Note(
            "kv_link",
            gb_per_s=shown.pools.link_bytes_per_s / 1e9,
            port_gb_per_s=NETWORK_BYTES_PER_S / 1e9,
        )
    if shown.replicas > 1:
        kind = "replicas_rate" if search.users is None else "replicas_users"
        yield Note(kind, replicas=shown.replicas)
    if shown.at_a_time is not None:
        yield Note("at_a_time", sequences=shown.at_a_time)
    yield Note("one_node")
    yield Note("targets_slow" if search.conservative else "targets_mean")
