"""The cheapest or smallest deployment that meets targets: every candidate through the estimator.

    candidate = GPU x weights x cache x engine x layout of a replica x replicas (its load)

A replica that misses a target under some load misses it under any greater one, so that those are
counted and not computed. Where the closed form may be wrong about a target, simulated runs decide:
of a family of loads as many as it takes to find the greatest that meets the targets. Not here: the
speeds (speeds/) and the layout of screens (report/plan.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from vperf.answer import Estimate, Expected
from vperf.deployment import Deployment
from vperf.errors import InputError, VperfError, check_count
from vperf.estimate import estimate
from vperf.explore.candidates import (
    NETWORK_BYTES_PER_S,
    WAYS,
    Asked,
    Candidate,
    Layout,
    Reason,
    Targets,
    Times,
    Verdict,
    layouts,
    targets_of,
    times_of,
)
from vperf.explore.grid import Grid, Point, grid
from vperf.explore.prices import Prices, prices_of
from vperf.explore.rows import row_of
from vperf.frames import Plotted, frame
from vperf.notes import Note
from vperf.resolve import Resolver
from vperf.resolve.card import Cards
from vperf.resolve.engine import engine_named
from vperf.resolve.model import AS_STORED
from vperf.scenario import Scenario
from vperf.serving.load import errors_at
from vperf.serving.memory import sequence_bytes, that_holds
from vperf.serving.speculative import tokens_per_step
from vperf.speeds.run import simulate
from vperf.spelling import flag
from vperf.units import is_moderate, parse_bandwidth
from vperf.values import dataclass
from vperf.version import __version__

SCHEMA = "vperf/plan/1"

By = Literal["gpus", "cost", "latency", "throughput"]
"""What the winner has least or most of: GPUs, $ per request, TPOT, output tok/s of a GPU."""

MAX_GPUS = 8
_DECIDING_PROMPTS, _DECIDING_SHARE = 500, 0.35
"""Of a run that decides about the means of a rate, where prompts take up to this share of the time:
its standard error is up to 3 %. Rows that are shown have a whole run's."""
_MOST_AT_A_TIME = 16
"""Sequences up to which fewer at a time are tried."""
_USERS = tuple(1 << n for n in range(11))
"""Users of one replica that are tried where no load is given."""


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
    search = _Search(
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


class _Search:
    """Walks the candidates and keeps those that meet the targets, and what comes nearest."""

    def __init__(  # noqa: PLR0917  (what all candidates share)
        self,
        resolver: Resolver,
        targets: Targets,
        ways: Mapping[str, Sequence[int]],
        max_gpus: int,
        rate: float | None,
        users: int | None,
        prices: Prices | None,
        conservative: bool,
    ) -> None:
        self.resolver = resolver
        self.targets, self.max_gpus, self.conservative = targets, max_gpus, conservative
        self.rate, self.users = rate, users
        self.met: list[Candidate] = []
        self.nearest: Candidate | None = None
        self.nearest_of: dict[Asked, Candidate] = {}
        self.lost_of: dict[Asked, Counter[Reason]] = {}
        self._asked: Asked = "", None
        self.asked = self.computed = 0
        self.lost: Counter[Reason] = Counter()
        self.problems: Counter[str] = Counter()
        self.notes: dict[str, None] = {}
        self._ways, self._prices = ways, prices

    def pools_room(self, point: Point) -> tuple[tuple[Layout, ...], int, int]:
        """The layouts of a pool's replica of a point, the GPUs of a node and of all."""
        found, node = self._layouts(point)
        return tuple(each for each in found if each.gpus <= node), node, self.max_gpus

    def _layouts(self, point: Point) -> tuple[tuple[Layout, ...], int]:
        """Of a replica of a point, and the GPUs of a node."""
        at = self._one_user(point.scenario)
        node = at.card.gpu.node_size
        return tuple(layouts(at.model, self.max_gpus, self._ways, node)), node

    def stored(self, scenario: Scenario) -> str:
        """The format of the checkpoint's weights."""
        return self._one_user(replace(scenario, quantization=None)).model.quantization

    def _one_user(self, scenario: Scenario) -> Deployment:
        return self.resolver.deployment(replace(scenario, max_concurrency=1))

    def walk(self, point: Point) -> None:
        """All candidates of one GPU, weights, cache and engine."""
        self._asked = self.resolver.gpu(point.scenario).id, point.scenario.max_model_len
        try:
            found, _ = self._layouts(point)
        except VperfError as error:
            self.asked += 1
            self._out("layout", 1, error.message)
            return
        if not found:
            ways = ", ".join(f"{way} {'/'.join(map(str, n))}" for way, n in self._ways.items())
            self.asked += 1
            self._out("layout", 1, f"{ways} takes more than {_gpus(self.max_gpus)}")
        for layout in found:
            self._family(point, layout)

    def _family(self, point: Point, layout: Layout) -> None:
        """One layout under each load, the smallest first."""
        loads = list(self._loads(layout))
        self.asked += len(loads)
        found: list[Candidate] = []
        count = len(loads)
        for number, (replicas, load) in enumerate(loads):
            each, reason, problem = self._candidate(point, layout, replicas, load)
            if each is None:
                count = number
                self._out(reason, len(loads) - number, problem)
                break
            found.append(each)
            if self._verdict(each) == "misses":
                break
        meeting = self._meeting(found)
        for each in found[:meeting]:
            # Means that miss, of less load than a run that does not, are put right by their own.
            self._take(self.ran(each) if each.binding else each, 1)
        if meeting == len(found):
            return
        missing = found[meeting]
        for number in range(meeting, count):
            free = found[number] if number < len(found) else None
            fewer = self._fewer_at_a_time(point, layout, loads[number], free)
            if fewer is None:
                self._take(missing, count - number)
                return
            self._take(fewer, 1)

    def _candidate(
        self, point: Point, layout: Layout, replicas: int, load: Mapping[str, Any]
    ) -> tuple[Candidate | None, Reason, str]:
        """As the closed form has it; None with why there is none."""
        scenario = layout.of(point.scenario, **load)
        ways = {way: getattr(layout, way) for way in WAYS}
        chosen = {
            "quantization": scenario.quantization or AS_STORED,
            "engine": engine_named(scenario.engine).id, **ways, **load,
        }  # fmt: skip
        row = row_of(self.resolver, Point(chosen, scenario), self._prices)
        self.computed += 1
        if row.figures is None:
            return None, "layout", row.problem
        figures, deployment = row.figures, self.resolver.deployment(scenario)
        if not row.fits or not _holds(deployment, scenario.max_model_len):
            return None, "memory", ""
        speed, serving = figures.expected, figures.serving
        times = times_of(
            speed.high if self.conservative else speed, deployment.lengths.output_tokens
        )
        ratios = self.targets.ratios(times)
        if serving and serving.saturated and serving.requests_asked_per_s:
            ratios["saturated"] = serving.requests_asked_per_s / serving.requests_per_s
        gpu = deployment.card.gpu
        candidate = Candidate(
            row, scenario, replicas, layout, deployment.model.quantization,
            deployment.model.cache_name, gpu.name, gpu.tdp_w, times, ratios,
        )  # fmt: skip
        return candidate, "layout", ""

    def _fewer_at_a_time(
        self,
        point: Point,
        layout: Layout,
        load: tuple[int, Mapping[str, Any]],
        free: Candidate | None,
    ) -> Candidate | None:
        """A rate that misses the TPOT where its prompts interrupt those who decode, served with as
        many sequences at a time as meet it: if its requests then end no later, on average.
        `free`: the same without that cap, where it is known."""
        if self.rate is None or point.scenario.max_num_seqs is not None:
            return None
        free = free or self._candidate(point, layout, *load)[0]
        if free is None:
            return None
        best, most = None, self._fewest(free)
        while most <= _MOST_AT_A_TIME:
            capped = {**load[1], "max_num_seqs": most}
            each, _, _ = self._candidate(point, layout, load[0], capped)
            most *= 2
            if each is None or "saturated" in each.ratios:
                continue
            if self._verdict(each) == "misses":
                break
            each, free = self.ran(each), self.ran(free)
            if each.binding or each.times.e2e_s > free.times.e2e_s:
                break
            best = each
        return best

    def _fewest(self, candidate: Candidate) -> int:
        """The least power of two of sequences at a time that serves the rate of a candidate whose
        prompts alone make it miss the TPOT; of any other, beyond those that are tried."""
        beyond, most_s = 2 * _MOST_AT_A_TIME, self.targets.tpot_s
        at, figures = self.resolver.deployment(candidate.scenario), candidate.row.figures
        others = any(ratio > 1 for name, ratio in candidate.ratios.items() if name != "tpot")
        if most_s is None or others or figures is None or figures.serving is None:
            return beyond
        load = at.load
        assert load is not None
        assert load.requests_per_s is not None
        steps = at.replica.steps(load)
        gain = tokens_per_step(load.acceptance, at.model.draft_depth)
        if steps.decode(1 + figures.serving.running_batch).expected / gain > most_s:
            return beyond
        alone_s = steps.alone.expected + (load.output_tokens - 1) / gain * steps.decode(1).expected
        return 1 << max(0, math.ceil(math.log2(load.requests_per_s * alone_s)))

    def _verdict(self, candidate: Candidate) -> Verdict:
        """What the closed form knows about a candidate."""
        figures = candidate.row.figures
        serving = figures.serving if figures else None
        if serving is None or serving.saturated:
            return "misses" if candidate.binding else "meets"
        of_rate = serving.requests_asked_per_s is not None
        share = 0.0 if self.conservative else serving.prompt_share
        return self.targets.verdict(candidate.ratios, errors_at(share, of_rate=of_rate))

    def _meeting(self, found: list[Candidate]) -> int:
        """How many of these, under ever more load, meet the targets: those of which only a run
        knows are run, until one that meets them is beside one that does not."""
        verdicts = [self._verdict(each) for each in found]
        low = next((n for n, said in enumerate(verdicts) if said != "meets"), len(found))
        high = next((n for n, said in enumerate(verdicts) if said == "misses"), len(found))
        # The means know best where to begin.
        at = sum(each.binding is None for each in found[low:high]) + low - 1
        while low < high:
            at = min(max(at, low), high - 1)
            found[at] = self._decided(found[at])
            if found[at].binding:
                high = at
            else:
                low = at + 1
            at = (low + high) // 2
        return low

    def ran(self, candidate: Candidate) -> Candidate:
        """A candidate with the times of its simulated run, if it has none of these; and whoever met
        the targets but misses them so is out."""
        if candidate.simulated:
            return candidate
        figures = candidate.row.figures
        serving = figures.serving if figures else None
        if figures is None or serving is None or serving.saturated or candidate.pools is not None:
            return replace(candidate, simulated=True)
        return replace(self._with_times(candidate, candidate.scenario), simulated=True)

    def _decided(self, candidate: Candidate) -> Candidate:
        """A candidate with the times of a run that is long enough to say whether it meets means."""
        scenario, figures = candidate.scenario, candidate.row.figures
        serving = figures.serving if figures else None
        given = self.rate is None or scenario.num_prompts is not None or candidate.simulated
        varies = serving is None or serving.prompt_share > _DECIDING_SHARE
        if given or varies or self.targets.percents:
            return self.ran(candidate)
        return self._with_times(candidate, replace(scenario, num_prompts=_DECIDING_PROMPTS))

    def _with_times(self, candidate: Candidate, scenario: Scenario) -> Candidate:
        """A candidate with the times of a simulated run of a scenario."""
        figures = candidate.row.figures
        assert figures is not None
        times = self._of_run(scenario, candidate.times, figures.expected) or candidate.times
        return replace(candidate, times=times, ratios=self.targets.ratios(times))

    def exchange(self, old: Candidate, new: Candidate) -> None:
        """`new` in the place of `old`, where it still belongs there."""
        if self.nearest is old:
            self.nearest = new
        if self.nearest_of.get(old.asked) is old:
            self.nearest_of[old.asked] = new
        at = next((n for n, each in enumerate(self.met) if each is old), None)
        if at is not None:
            del self.met[at]
            self._take(new, 1)

    def _of_run(self, scenario: Scenario, times: Times, speed: Expected) -> Times | None:
        """The times of a candidate as its simulated run has them; None: it has none."""
        run = simulate(self.resolver.deployment(scenario))
        if run is None:
            return None
        found = self.targets.simulated(times, run)
        if not self.conservative:
            return found
        slow = speed.high
        slower = slow.tpot_s / speed.tpot_s
        return Times(
            found.ttft_s * (slow.ttft_s / speed.ttft_s),
            found.tpot_s * slower,
            found.e2e_s * slower,
        )

    def _loads(self, layout: Layout) -> Iterator[tuple[int, dict[str, Any]]]:
        """(replicas, load of each), the smallest load first."""
        most = self.max_gpus // layout.gpus
        if self.rate is not None:
            for replicas in range(most, 0, -1):
                yield replicas, {"request_rate": self.rate / replicas}
        elif self.users is not None:
            for replicas in range(min(most, self.users), 0, -1):
                yield replicas, {"max_concurrency": -(-self.users // replicas)}
        else:
            for users in _USERS:
                yield 1, {"max_concurrency": users}

    def _take(self, candidate: Candidate, left: int) -> bool:
        """Whether it meets the targets; if not, it and the `left` - 1 after it are out."""
        missed = candidate.binding
        if missed is None:
            self.met.append(candidate)
            return True
        self._out(missed[0], left)
        own = self.nearest_of.get(candidate.asked)
        if own is None or _distance(candidate) < _distance(own):
            self.nearest_of[candidate.asked] = candidate
        nearest = self.nearest
        if nearest is None or _distance(candidate) < _distance(nearest):
            self.nearest = candidate
        return False

    def _out(self, reason: Reason, count: int, problem: str = "") -> None:
        self.lost[reason] += count
        self.lost_of.setdefault(self._asked, Counter())[reason] += count
        if problem:
            self.problems[problem] += count

    def take_pools(self, found: Iterator[Candidate]) -> None:
        """Candidates with separate pools, each its own family."""
        for candidate in found:
            self.asked += 1
            self.computed += 1
            self._take(candidate, 1)


def _holds(deployment: Deployment, tokens: int | None) -> bool:
    """Whether one sequence of so many tokens fits, without which engines do not start. Raises
    InputError where requests are longer."""
    if tokens is None:
        return True
    whole = deployment.prompt_tokens + deployment.lengths.output_tokens
    if tokens < whole:
        raise InputError(
            f"{tokens:,} is less than a request of {whole:,} tokens", field="max-model-len",
            hint="the server would refuse it",
        )  # fmt: skip
    of_card = deployment.replica.pools
    wanted = sequence_bytes(deployment.model, of_card, tokens, 0)
    return wanted <= that_holds(of_card, wanted).free_bytes


def _distance(candidate: Candidate) -> tuple[float, int]:
    missed = candidate.binding
    return (missed[1] if missed else 0.0), candidate.gpus


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


def _best_per_gpu(search: _Search, by: By) -> tuple[GpuBest, ...]:
    best: dict[Asked, Candidate] = {}
    for each in sorted(search.met, key=lambda c: _rank(c, by)):
        best.setdefault(each.asked, each)
    missed = [c for asked, c in search.nearest_of.items() if asked not in best]
    missed.sort(key=_distance)
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
    search: _Search, by: By
) -> tuple[Candidate | None, tuple[Candidate, ...]]:  # fmt: skip
    winner = min(search.met, key=lambda c: _rank(c, by), default=None)
    front = _front(search.met, by)
    if winner is not None and not any(each is winner for each in front):
        # Of equals in all that the front is about, the winner stands for them.
        same = next(n for n, c in enumerate(front) if _rank(c, by)[:-1] == _rank(winner, by)[:-1])
        front = (*front[:same], winner, *front[same + 1 :])
    return winner, front


def _all_simulated(search: _Search, by: By) -> tuple[Candidate | None, tuple[Candidate, ...]]:
    """The winner and the front, once every row that is shown has the times of a run: means that are
    corrected may bring others up."""
    while True:
        winner, front = _winner_and_front(search, by)
        best = (each.candidate for each in _best_per_gpu(search, by))
        nearest = None if winner else search.nearest
        shown = {id(each): each for each in (*front, *best, nearest) if each}
        plain = [each for each in shown.values() if not each.simulated]
        if not plain:
            return winner, front
        for each in plain:
            search.exchange(each, search.ran(each))


def _gpus(count: int) -> str:
    return f"{count} GPU{'' if count == 1 else 's'}"


def _plan(search: _Search, by: By, points: Grid) -> Plan:
    winner, front = _all_simulated(search, by)
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
        best_per_gpu=_best_per_gpu(search, by),
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


def _notes(search: _Search, shown: Candidate | None, stored: str) -> Iterator[Note]:
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
