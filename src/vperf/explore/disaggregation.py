"""Separate pools for prefill and decode, and the caches that go from one to the other.

    TTFT = queue + prefill + transfer + first decode step + both servers' way of a request
    TPOT = D(B) / tokens a step, B = rate output TPOT: no prefill between one's own tokens
    queue = busy / (1 - busy) prefill / 2,  busy = rate prefill / replicas
    transfer = bytes of the prompt's cache that one GPU holds / one GPU's link

A prompt is prefilled alone; its cache is sent when it is complete. Not here: the times of steps
(serving/load.py), and what is best (plan.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vperf.answer import Serving, Speeds
from vperf.deployment import Deployment
from vperf.errors import VperfError
from vperf.explore.candidates import (
    NETWORK_BYTES_PER_S,
    WAYS,
    Candidate,
    Layout,
    Pool,
    Pools,
    Targets,
    times_of,
)
from vperf.explore.grid import Point
from vperf.explore.prices import Prices, cost_of
from vperf.explore.rows import Row
from vperf.hardware.gpu import Gpu
from vperf.resolve import Resolver
from vperf.resolve.model import AS_STORED
from vperf.serving.equal_steps import Steps
from vperf.serving.load import Load
from vperf.serving.memory import memory_use
from vperf.serving.speculative import tokens_per_step
from vperf.serving.trial import server_s
from vperf.speeds.load import held_batch
from vperf.speeds.pace import speed_of, with_range
from vperf.timing.collectives import link_bytes_per_s
from vperf.timing.ranges import decode_spread, spread_under_load
from vperf.values import dataclass

_BUSIEST = 0.95
"""A pool busier than this is taken as full: the queue has no steady state to speak of."""
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class _Side:
    """One layout of a replica, with what both its possible roles need."""

    layout: Layout
    deployment: Deployment
    steps: Steps
    prefill_s: float
    """One prompt alone, all its chunks."""
    gain: float
    """Tokens that a decode step yields, with drafts."""


@dataclass(frozen=True, slots=True)
class _Decode:
    """So many decode replicas under the load."""

    side: _Side
    replicas: int
    batch: float
    step_s: float
    limit_s: float
    """Of a token."""
    tpot_s: float


class Splitting:
    """Candidates with separate pools under a rate of requests."""

    def __init__(  # noqa: PLR0917  (what all points share)
        self,
        resolver: Resolver,
        targets: Targets,
        rate: float,
        link: float | None,
        conservative: bool,
        prices: Prices | None,
    ) -> None:
        self._resolver, self._targets, self._rate = resolver, targets, rate
        self._link, self._conservative, self._prices = link, conservative, prices

    def of(
        self, point: Point, layouts: Sequence[Layout], node: int, most: int
    ) -> Iterator[Candidate]:
        """For each pair of layouts and number of decode replicas, the fewest prefill replicas that
        meet the targets, or as many as there is room for."""
        sides = [side for layout in layouts if (side := self._side(point, layout)) is not None]
        for after in sides:
            for replicas in range(1, (most - 1) // after.layout.gpus + 1):
                decode = self._decode(after, replicas)
                if decode is None:
                    continue
                for before in sides:
                    room = (most - replicas * after.layout.gpus) // before.layout.gpus
                    found = self._best(point, before, decode, room, node)
                    if found is not None:
                        yield found

    def exactly(
        self, point: Point, layout: Layout, prefill: int, decode: int, node: int
    ) -> Candidate | None:
        """So many replicas of one layout; None where they cannot serve the rate."""
        side = self._side(point, layout)
        after = self._decode(side, decode) if side else None
        if side is None or after is None:
            return None
        busy = self._rate * side.prefill_s / (prefill * layout.dp)
        return self._candidate(point, side, after, prefill, min(busy, _BUSIEST), node)

    def _side(self, point: Point, layout: Layout) -> _Side | None:
        scenario = layout.of(point.scenario, request_rate=self._rate)
        try:
            deployment = self._resolver.deployment(scenario)
        except VperfError:
            return None  # counted where replicas do both
        load = deployment.load
        assert load is not None  # it has a rate
        model, card = deployment.model, deployment.card
        of_card = deployment.replica.pools
        use = memory_use(model, of_card, model.parallel.data, load.input_tokens, load.output_tokens)
        if use.total_bytes > card.gpu.memory_bytes:
            return None
        steps = deployment.replica.steps(load)
        groups, past, prefill = model.parallel.data, steps.cached_tokens, 0.0
        while past < load.input_tokens:
            new = min(card.engine.max_batched_tokens, load.input_tokens - past)
            prefill += deployment.compiled.prefill(groups, new, past)[1]
            past += new
        gain = tokens_per_step(load.acceptance, model.draft_depth)
        return _Side(layout, deployment, steps, prefill, gain)

    def _decode(self, side: _Side, replicas: int) -> _Decode | None:
        """Where the running batch settles; None: the cache has not the room for it."""
        wanted = self._rate / replicas * side.steps.output_tokens / side.gain

        def grows(batch: float) -> bool:
            return wanted * side.steps.decode(batch)[1] > batch

        low, high = 1.0, float(side.steps.slots())
        if grows(high):
            return None
        if grows(low):
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                low, high = (middle, high) if grows(middle) else (low, middle)
        else:
            high = low
        limit, step, _ = side.steps.decode(high)
        return _Decode(side, replicas, high, step, limit / side.gain, step / side.gain)

    def _best(
        self, point: Point, before: _Side, decode: _Decode, room: int, node: int
    ) -> Candidate | None:
        found = None
        for replicas in range(1, room + 1):
            busy = self._rate * before.prefill_s / (replicas * before.layout.dp)
            if busy > _BUSIEST:
                continue
            found = self._candidate(point, before, decode, replicas, busy, node)
            if found.binding is None:
                break
        return found

    def _candidate(  # noqa: PLR0917  (two pools and where they are)
        self, point: Point, before: _Side, decode: _Decode, replicas: int, busy: float,
        node: int,
    ) -> Candidate:  # fmt: skip
        after, steps = decode.side, before.steps
        first, second = before.deployment, after.deployment
        card, gpu, engine = second.card, second.card.gpu, second.card.engine
        queue = busy / (1 - busy) * before.prefill_s / 2
        sent = max(m.rank_cache_bytes(steps.input_tokens) for m in (first.model, second.model))
        prefill_gpus = replicas * before.layout.gpus
        decode_gpus = decode.replicas * after.layout.gpus
        gpus = prefill_gpus + decode_gpus
        rate = self._link or default_link(gpu, within_node=gpus <= node)
        ttft = queue + before.prefill_s + sent / rate + decode.step_s
        # The decode server gets tokens, so that the prompt's text is only read once.
        ttft += server_s(card, steps.input_tokens) + server_s(card, 0)
        running = decode.batch * decode.replicas

        of = steps.input_tokens, running
        limit = speed_of(steps.alone.limit, decode.limit_s, *of)
        expected = with_range(
            limit, ttft, decode.tpot_s, *of,
            ttft_spread=spread_under_load(engine, card.constants.origins.whole),
            tpot_spread=decode_spread(card.constants, engine, experts=second.model.has_experts),
        )  # fmt: skip
        of_card = second.replica.pools
        held = held_batch(second.model, of_card, _load(after.steps), max(1, round(decode.batch)))
        use = memory_use(second.model, of_card, held, steps.input_tokens, steps.output_tokens)
        figures = Speeds(
            limit=limit,
            expected=expected,
            gpus=gpus,
            memory_bytes=use.total_bytes,
            capacity_bytes=gpu.memory_bytes,
            input_s=prefill_gpus / gpus / self._rate / steps.input_tokens,
            output_s=decode_gpus / gpus / self._rate / steps.output_tokens,
            requests_per_s=self._rate,
            output_tokens_per_s=self._rate * steps.output_tokens,
            serving=Serving(running, after.steps.slots() * decode.replicas, self._rate, ttft,
                            self._rate, saturated=False),
        )  # fmt: skip
        scenario = after.layout.of(point.scenario, request_rate=self._rate / decode.replicas)
        ways = {way: getattr(after.layout, way) for way in WAYS}
        price = self._prices.get(gpu.id) if self._prices else None
        watts = gpu.tdp_w * gpus if gpu.tdp_w else None
        row = Row(
            {"quantization": scenario.quantization or AS_STORED, "engine": engine.id,
             **ways, "request_rate": self._rate},
            second.found.id, gpu.id, figures,
            cost=cost_of(figures, price) if price is not None else None,
            tokens_per_joule=expected.decode_tokens_per_s / watts if watts else None,
            constants=card.constants.origins.whole,
        )  # fmt: skip
        times = times_of(expected.high if self._conservative else expected, steps.output_tokens)
        pools = Pools(
            prefill=Pool(replicas, before.layout, busy),
            decode=Pool(decode.replicas, after.layout, decode.batch / after.steps.slots()),
            queue_s=queue,
            prefill_s=before.prefill_s,
            transfer_s=sent / rate,
            transfer_bytes=sent,
            link_bytes_per_s=rate,
            first_step_s=decode.step_s,
        )
        return Candidate(
            row, scenario, 1, after.layout, second.model.quantization, second.model.cache_name,
            gpu.name, gpu.tdp_w, times, self._targets.ratios(times), pools,
        )  # fmt: skip


def default_link(gpu: Gpu, *, within_node: bool) -> float:
    """Bytes per second of one GPU's way to the other pool: its peer link inside a node, a network
    port between nodes, neither faster than PCIe where there is no link."""
    peers = link_bytes_per_s(gpu)
    if within_node and peers < float("inf"):
        return peers
    return min(NETWORK_BYTES_PER_S, gpu.pcie_bytes_per_s or NETWORK_BYTES_PER_S)


def _load(steps: Steps) -> Load:
    return Load(steps.input_tokens, steps.output_tokens, requests_per_s=1.0)
