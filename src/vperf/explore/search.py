"""The search of `plan`: every candidate through the estimator, and those in doubt simulated.

    candidate = GPU x weights x cache x engine x layout of a replica x replicas (its load)

A replica that misses a target under some load misses it under any greater one, so that those are
counted and not computed. Where the closed form may be wrong about a target, simulated runs decide:
of a family of loads as many as it takes to find the greatest that meets the targets. Not here:
which of those that meet them is best (ranking.py), the speeds (speeds/).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vperf.answer import Expected
from vperf.deployment import Deployment
from vperf.errors import InputError, VperfError
from vperf.explore.candidates import (
    WAYS,
    Asked,
    Candidate,
    Layout,
    Reason,
    Targets,
    Times,
    Verdict,
    layouts,
    times_of,
)
from vperf.explore.grid import Point
from vperf.explore.prices import Prices
from vperf.explore.rows import row_of
from vperf.resolve import Resolver
from vperf.resolve.engine import engine_named
from vperf.resolve.model import AS_STORED
from vperf.scenario import Scenario
from vperf.serving.load import errors_of
from vperf.serving.memory import sequence_bytes, that_holds
from vperf.serving.speculative import tokens_per_step
from vperf.speeds.run import simulate

_DECIDING_PROMPTS, _DECIDING_SHARE = 500, 0.35
"""Of a run that decides about the means of a rate, where prompts take up to this share of the time:
its standard error is up to 3 %. Rows that are shown have a whole run's."""

_MOST_AT_A_TIME = 16
"""Sequences up to which fewer at a time are tried."""

_USERS = tuple(1 << n for n in range(11))
"""Users of one replica that are tried where no load is given."""


class Search:
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
        errors = errors_of(share, serving.running_batch, serving.slots, of_rate=of_rate)
        return self.targets.verdict(candidate.ratios, errors)

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
        if own is None or candidate.distance < own.distance:
            self.nearest_of[candidate.asked] = candidate
        nearest = self.nearest
        if nearest is None or candidate.distance < nearest.distance:
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


def _gpus(count: int) -> str:
    return f"{count} GPU{'' if count == 1 else 's'}"
