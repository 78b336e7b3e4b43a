"""The time of a step whose layers lie on several places: cards, and the CPUs of the host.

A token goes from place to place, so that the times of a step add up:

    expected  sum over places of their kernels + crossings + weights that are sent over the link
    limit     max( sum over places of what one token must read there / bandwidth,
                   what a place must read or compute of the whole step, for each place )

What a place's cache may have fetched while the token was elsewhere is credited at every visit; what
may run beside experts elsewhere (shared experts, the next tokens' work) is left out of the sum. A
long prompt's weights are sent to the card by some engines and multiplied there: its limit is that
of both ways at once, whichever part takes which. Not here: what lies where (model/placement.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from vperf.formats import BF16
from vperf.hardware.gpu import Gpu
from vperf.hardware.host import HostUse
from vperf.model.affine import Affine
from vperf.model.model import Model
from vperf.model.ops import Row, Step, Work
from vperf.model.placement import Placement, of_experts, rows_of, undivided
from vperf.model.rows import Placed, RowTable, together
from vperf.model.stored import Stored, far_rows, near_rows
from vperf.timing import collectives
from vperf.timing.bound import BoundRows, ItemTimes, PassTimes
from vperf.timing.limit import StepLimit
from vperf.timing.mixed import Group, joined
from vperf.timing.step import Card
from vperf.values import dataclass

_ACTIVATION_BYTES = 4.0
"""Of an element that crosses: llama.cpp's residual stream is fp32."""
_HOP_S, _HOP_SHARE = 20e-6, 0.8
"""From a card to the next: as between stages of a pipeline (compiled.py)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where layers lie: a card, or the host."""

    name: str
    card: Card
    host: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a deployment, cards first, and what lies on each."""

    places: tuple[Place, ...]
    placement: Placement | None = None
    """None: all layers are the card's own, `stored` weights of them lie on the host."""
    stored: Stored | None = None
    host: Gpu | None = None
    """Whose memory that is, and the experts'."""
    use: HostUse | None = None
    """How the engine uses the host."""
    batch_tokens: int = 512
    """Tokens of a prompt that are read at a time (llama.cpp's n_ubatch)."""
    pipelines: bool = False

    @property
    def cards(self) -> tuple[Place, ...]:
        """Without the host."""
        return tuple(place for place in self.places if not place.host)

    @property
    def link_bytes_per_s(self) -> float:
        """One way between the host and the first card."""
        return link_of(self.places[0].card.gpu, self.host)


def link_of(gpu: Gpu, host: Gpu | None) -> float:
    """The slower of what the card and a slot of the host have."""
    own = gpu.pcie_bytes_per_s or collectives.PCIE_UNKNOWN
    return min(own, (host and host.pcie_bytes_per_s) or own)


class _Sent(NamedTuple):
    """What is sent over the link for a step."""

    rows: tuple[Row, ...]
    least: Affine | float
    likely: Affine | float
    """Of weights and cache, in bytes."""


class _Mode(NamedTuple):
    """The rows of one kind of step, bound to their places."""

    bound: tuple[BoundRows | None, ...]
    serial: tuple[BoundRows | None, ...]
    """Of one token, without what may run beside experts elsewhere; cached at every visit."""
    host_alone: BoundRows | None
    """What the host's CPUs would do if nothing were sent."""
    sent: _Sent | None


class PlacedTable:
    """The rows of a model on its places: what Compiled asks a table for."""

    __slots__ = ("_modes", "_rows", "_wanted", "_whole_rows", "card", "model", "places")

    def __init__(
        self, model: Model, places: Places, wanted: Callable[[Row], bool] | None = None
    ) -> None:
        self.model, self.places, self._wanted = model, places, wanted
        self.card = places.places[0].card
        self._rows = model.rows
        self._whole_rows = undivided(model).rows
        """Of a host, and of what it sends: to one card."""
        self._modes: dict[Any, _Mode] = {}

    # What a table answers ----------------------------------------------------------------------

    def times(self, step: Step) -> PassTimes:
        """Of one pass."""
        step = self.model.parallel.local(step)
        return self._times((step,), lambda bound: bound.at(step))

    def group_times(self, group: Group) -> PassTimes:
        """Of steps that run as one."""
        return self._times(tuple(group), lambda bound: bound.of_groups((group,)))

    def mixed_times(self, decodes: Group, chunks: Group, *, local: bool = False) -> PassTimes:
        """Of two kinds of steps that run as one."""
        own = self.model.parallel.local
        groups: tuple[Group, Group] = (decodes, chunks)
        if not local:
            groups = [own(step) for step in decodes], [own(step) for step in chunks]
        return self._times(
            tuple(groups[0]), lambda bound: bound.of_groups(groups), tuple(groups[1])
        )

    def sides(self, step: Step) -> tuple[float, float, float]:
        """(compute, memory, link) seconds of the limit: what bounds a step with several places is
        told by the largest of all places."""
        limit, _ = self.items(step)
        return limit.compute_s, limit.memory_s, limit.link_s

    # How long it takes -------------------------------------------------------------------------

    def _times(
        self,
        steps: tuple[Step, ...],
        values: Callable[[BoundRows], list[float]],
        chunks: tuple[Step, ...] = (),
    ) -> PassTimes:
        tokens = sum(step.tokens for step in (*steps, *chunks))
        mode = self._mode(steps[0], chunks[0] if chunks else None, tokens)
        each = [bound.times(values(bound)) if bound else _NONE for bound in mode.bound]
        kernels, launches = self._in_a_row([t[1] for t in each], tokens), sum(t[2] for t in each)
        one = Step(1, 1, max(step.past for step in (*steps, *chunks)))
        limit, ceiling = self._limits(mode, each, one, tokens, values)
        kernels += self._crossing_s(tokens) + self._sent_s(mode, tokens)
        return limit, max(kernels, limit), launches, max(limit, ceiling)

    def _limits(
        self,
        mode: _Mode,
        each: Sequence[PassTimes],
        one: Step,
        tokens: int,
        values: Callable[[BoundRows], list[float]],
    ) -> tuple[float, float]:
        """The limit, and the one at even routing."""
        hosts = [place.host for place in self.places.places]
        cards = [times for times, host in zip(each, hosts, strict=True) if not host]
        limit, ceiling = (max(times[k] for times in cards) for k in (0, 3))
        if mode.sent is None:
            alone = [b.times(b.at(one)) for b in mode.serial if b]
            return (
                max(sum(t[0] for t in alone), *(t[0] for t in each)),
                max(sum(t[3] for t in alone), *(t[3] for t in each)),
            )
        rate = self._link_limit()
        least = self._bytes(mode.sent.least, tokens) / rate
        even = self._bytes(mode.sent.likely, tokens) / rate
        if mode.host_alone is None:
            return max(limit, least), max(ceiling, even)
        by_host = mode.host_alone.times(values(mode.host_alone))
        read = least * rate / self._host_bandwidth
        return (
            max(limit, read, _both_ways(least, by_host[0])),
            max(ceiling, read, _both_ways(even, by_host[3])),
        )

    def _in_a_row(self, kernels: Sequence[float], tokens: int) -> float:
        """Places one after another; cards that each prefill another part of a prompt overlap."""
        total = sum(kernels)
        parts = -(-tokens // self.places.batch_tokens)
        if not self.places.pipelines or parts < 2 or len(self.places.cards) < 2:
            return total
        return total / parts + max(kernels) * (parts - 1) / parts

    def _crossing_s(self, tokens: int) -> float:
        """Activations from place to place."""
        count = self.places.placement.crossings if self.places.placement else 0
        if not count:
            return 0.0
        use, moved = self.places.use, _ACTIVATION_BYTES * tokens * self.model.hidden
        if use is None or not any(place.host for place in self.places.places):
            link = min(collectives.link_bytes_per_s(p.card.gpu) for p in self.places.cards)
            return count * (_HOP_S + moved / (_HOP_SHARE * link))
        parts = -(-tokens // self.places.batch_tokens)
        rate = use.link_share * self.places.link_bytes_per_s
        return count * (parts * use.crossing_s + moved / rate)

    def _sent_s(self, mode: _Mode, tokens: int) -> float:
        """Weights over the link: again for every part of a prompt that is read at a time."""
        if mode.sent is None:
            return 0.0
        use = self.places.use
        rate = min(self.places.link_bytes_per_s * (use.link_share if use else 1.0),
                   self._host_bandwidth)  # fmt: skip
        if self.places.stored is not None:
            return self._bytes(mode.sent.likely, tokens) / rate
        whole, rest = divmod(tokens, self.places.batch_tokens)
        sent = whole * self._bytes(mode.sent.likely, self.places.batch_tokens) if whole else 0.0
        return (sent + (self._bytes(mode.sent.likely, rest) if rest else 0.0)) / rate

    def _link_limit(self) -> float:
        return min(self.places.link_bytes_per_s, self._host_bandwidth)

    @property
    def _host_bandwidth(self) -> float:
        """Of its memory to one card: all read their weights at a time, whole ones go to one."""
        host, readers = self.places.host, self.model.parallel.gpus if self.places.stored else 1
        return host.memory_bandwidth / readers if host else float("inf")

    @staticmethod
    def _bytes(quantity: Affine | float, tokens: int) -> float:
        if not isinstance(quantity, Affine):
            return quantity
        step = Step(1, tokens, 0)
        return quantity.at(lambda at: at.value(step))

    # The rows of each place --------------------------------------------------------------------

    def sends(self, tokens: int) -> tuple[bool, bool]:
        """Whether a step of so many tokens sends (dense weights, experts) to the card."""
        use = self.places.use
        if use is None or not use.streams_from or self.places.placement is None:
            return False, False
        own = min(tokens, self.places.batch_tokens)
        spread = self._experts_per_active if use.experts_stream_evenly else 1.0
        return own >= use.streams_from, own >= use.streams_from * spread

    @property
    def _experts_per_active(self) -> float:
        for place, row in self._rows.of(Step(1, 1, 1)):
            if row.kind == "moe" and place:
                return float(row.shape[2] / row.shape[1])
        return 1.0

    def _mode(self, step: Step, chunk: Step | None, tokens: int) -> _Mode:
        sends = self.sends(tokens)
        key = (self._rows.key(step), chunk and self._rows.key(chunk), sends)
        mode = self._modes.get(key)
        if mode is None:
            made = self._made((step, chunk) if chunk else (step,), sends)
            key = (self._rows.key(step), chunk and self._rows.key(chunk), sends)
            mode = self._modes[key] = made
        return mode

    def _wanted_rows(self, table: RowTable, steps: Iterable[Step]) -> list[list[Placed]]:
        wanted = self._wanted
        return [[r for r in table.of(step) if wanted is None or wanted(r[1])] for step in steps]

    def _made(self, steps: Sequence[Step], sends: tuple[bool, bool]) -> _Mode:
        stored, placement = self.places.stored, self.places.placement
        first = self.places.places[0].card
        of_steps = self._wanted_rows(self._rows, steps)
        if stored is not None:
            near = [list(near_rows(stored, rows)) for rows in of_steps]
            far = [row for rows in of_steps[:1] for row in far_rows(stored, rows)]
            return _Mode((BoundRows(_joined(near), first),), (), None, _sent(far))
        assert placement is not None
        whole = self._wanted_rows(self._whole_rows, steps)
        seen = [whole if place.host else of_steps for place in self.places.places]
        each = list(zip(placement.shares, seen, strict=True))
        own = [[list(rows_of(share, rows)) for rows in of] for share, of in each]
        serial = [[list(rows_of(share, of[0], beside=False))] for share, of in each]
        hosts = [at for at, place in enumerate(self.places.places) if place.host]
        alone: BoundRows | None = None
        sent: list[Row] = []
        if any(sends):
            for at in hosts:
                before = _joined(own[at])
                moved = [[r for r in rows if _is_sent(r[1], sends)] for rows in own[at]]
                own[at] = [[r for r in rows if not _is_sent(r[1], sends)] for rows in own[at]]
                own[0] = [[*mine, *rows] for mine, rows in zip(own[0], moved, strict=True)]
                sent += [row for rows in moved[:1] for _, row in rows]
                alone = _bound(before, self.places.places[at].card)
        places = self.places.places
        return _Mode(
            tuple(_bound(_joined(r), p.card) for r, p in zip(own, places, strict=True)),
            tuple(
                _bound(_joined(rows), _visited(place.card, share.visits))
                for rows, place, share in zip(serial, places, placement.shares, strict=True)
            ),
            alone,
            _sent(sent) if sent else None,
        )

    # A table of ops ----------------------------------------------------------------------------

    def items(self, step: Step) -> tuple[StepLimit, list[ItemTimes]]:
        """Its limit, and its rows one by one, each with its place."""
        step = self.model.parallel.local(step)
        tokens = step.tokens
        mode = self._mode(step, None, tokens)
        found: list[ItemTimes] = []
        sums = [0.0, 0.0, 0.0]
        for bound, place in zip(mode.bound, self.places.places, strict=True):
            if bound is None:
                continue
            limit, items = bound.items(step)
            sums[0] += limit.compute_s
            sums[1] += limit.memory_s
            sums[2] += limit.link_s
            pipe = place.card.limits.pipe
            found += [each._replace(place=place.name, pipe=pipe(each.row)) for each in items]
        if mode.sent is not None:
            least = self._bytes(mode.sent.least, tokens)
            sums[2] += least / self._link_limit()
            seconds = self._sent_s(mode, tokens)
            found.append(_moved("weights from the host", self._bytes(mode.sent.likely, tokens),
                                least / self._link_limit(), seconds))  # fmt: skip
        if crossing := self._crossing_s(tokens):
            placement = self.places.placement
            assert placement is not None
            moved = placement.crossings * _ACTIVATION_BYTES * tokens * self.model.hidden
            found.append(_moved("activations between places", moved, 0.0, crossing))
        total, _, _, ceiling = self.times(step)
        return StepLimit(*_scaled(sums, total), 0.0, (), ceiling), found


_NONE: PassTimes = (0.0, 0.0, 0.0, 0.0)


def _scaled(sums: Sequence[float], total: float) -> tuple[float, float, float]:
    """Sides of which the largest is the limit of the step."""
    largest = max(sums)
    compute, memory, link = (side * total / largest if largest else 0.0 for side in sums)
    return compute, memory, link


def _both_ways(one: float, other: float) -> float:
    """Two ways that share the work, each as fast as it can: 1 / (1 / one + 1 / other)."""
    return one * other / (one + other) if one and other else 0.0


def _is_sent(row: Row, sends: tuple[bool, bool]) -> bool:
    """Whether a row runs on the card: where dense weights are sent, what stands between them goes
    along with them, and the cache that it reads."""
    return sends[1] if of_experts(row) else sends[0]


def _sent(rows: Iterable[Row]) -> _Sent:
    least: Affine | float = 0.0
    likely: Affine | float = 0.0
    kept = tuple(rows)
    for row in kept:
        least = least + row.count * row.least_streamed_bytes
        popular = row.popular_bytes
        likely = likely + row.count * (row.streamed_bytes if popular is None else popular)
    return _Sent(kept, least, likely)


def _bound(rows: Sequence[Row], card: Card) -> BoundRows | None:
    return BoundRows(rows, card) if rows else None


def _joined(of_steps: Sequence[Sequence[Placed]]) -> tuple[Row, ...]:
    """The rows of one kind of step, or of two that run as one."""
    return together(of_steps[0]) if len(of_steps) == 1 else joined(*of_steps)


def _visited(card: Card, visits: int) -> Card:
    """The card with its cache filled anew at every visit."""
    if visits <= 1:
        return card
    return Card(replace(card.gpu, l2_bytes=visits * card.gpu.l2_bytes), card.engine)


def _moved(name: str, moved: float, limit_s: float, expected_s: float) -> ItemTimes:
    """Bytes over a link as a row of the table."""
    row: Work[Affine] = Work(name, "transfer", 0.0, BF16, input_elements=moved / 2.0)
    return ItemTimes(
        row, [], 0.0, moved / 2.0, 0.0, 0.0, 0.0, limit_s, max(limit_s, expected_s), "link", ""
    )
