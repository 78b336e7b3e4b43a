"""One point with what it gives, as every table of explore/ has it: speeds, cost, or why there are
none.

Not here: which points (grid.py), and their order and layout (compare.py, sweep.py, report/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from operator import mul
from typing import Any, Literal

from vperf.answer import Speed, Speeds
from vperf.deployment import Deployment
from vperf.errors import HubError, UnknownNameError, VperfError
from vperf.estimate_notes import link_of, unpacks
from vperf.explore.grid import Point
from vperf.explore.prices import Cost, Prices, cost_of
from vperf.notes import Note
from vperf.resolve import Resolver
from vperf.speeds import speeds
from vperf.values import dataclass

POWER_SHARE = (0.50, 0.63, 0.76)
"""Of their TDP that cards drew under load, 10th percentile, median and 90th: 79 served runs of
six cards whose power is published (H100, GH200, RTX 3090, 5060 Ti, 5070 Ti, 5090; 2024 to 2026)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One point and what it gives."""

    chosen: Mapping[str, Any]
    """By option, of those that vary."""
    model: str
    gpu: str
    figures: Speeds | None
    """None: `problem` says why this cannot be."""
    cost: Cost | None = None
    tokens_per_joule: float | None = None
    """Decoded, if the GPUs drew their whole TDP: at least so many, for they draw no more. None:
    the vendor states no TDP. Expected are more, by `POWER_SHARE`."""
    constants: Literal["measured", "same_die", "generic"] = "generic"
    unpacked: bool = False
    """The card multiplies some of the weights in a wider format than they are stored in."""
    beyond_context: bool = False
    """Longer than the context the model was made for."""
    problem: str = ""
    link: str = ""
    """What its GPUs exchange over."""
    taken: tuple[Note, ...] = ()
    """What was typed and taken as something else."""

    @property
    def fits(self) -> bool:
        """Whether it can be and each GPU has the memory."""
        return self.figures is not None and self.figures.fits

    @property
    def expected_tokens_per_joule(self) -> tuple[float | None, float | None, float | None]:
        """Decoded at the power that cards draw: expected, at the most of it, at the least."""
        at_tdp = self.tokens_per_joule
        if at_tdp is None:
            return None, None, None
        least, middle, most = POWER_SHARE
        return at_tdp / middle, at_tdp / most, at_tdp / least

    def to_dict(self) -> dict[str, Any]:
        """As JSON: SI units, floats unrounded; null where there is nothing."""
        figures, energy = self.figures, self.expected_tokens_per_joule
        return {
            **dict(self.chosen),
            "model": self.model,
            "gpu": self.gpu,
            "problem": self.problem or None,
            "fits": self.fits,
            "gpus": figures.gpus if figures else None,
            "memory_bytes": figures.memory_bytes if figures else None,
            "capacity_bytes": figures.capacity_bytes if figures else None,
            "limit": asdict(figures.limit) if figures else None,
            "expected": _expected(figures) if figures else None,
            "requests_per_s": figures.requests_per_s if figures else None,
            "output_tokens_per_s": figures.output_tokens_per_s if figures else None,
            "running_batch": (
                figures.serving.running_batch if figures and figures.serving else None
            ),
            "saturated": figures.serving.saturated if figures and figures.serving else None,
            "cost": asdict(self.cost) if self.cost else None,
            "decode_tokens_per_joule_at_tdp": self.tokens_per_joule,
            "decode_tokens_per_joule": energy[0],
            "decode_tokens_per_joule_low": energy[1],
            "decode_tokens_per_joule_high": energy[2],
            "constants": self.constants if figures else None,
            "weights_unpacked": self.unpacked,
            "beyond_context": self.beyond_context,
        }

    def flat(self) -> dict[str, Any]:
        """The same as one level of columns, for CSV and frames."""
        return flattened(self.to_dict())


_EMPTY: dict[str, tuple[str, ...]] = {
    "limit": Speed.__slots__,
    "expected": tuple(f"{name}{end}" for name in Speed.__slots__ for end in ("", "_low", "_high")),
    "cost": Cost.__slots__,
}
_BARE = ("cost",)
"""Whose columns need no prefix."""


def flattened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Nested keys as `limit_ttft_s`; every row has the same."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key not in _EMPTY:
            flat[key] = value
            continue
        for name in _EMPTY[key]:
            flat[name if key in _BARE else f"{key}_{name}"] = value[name] if value else None
    return flat


def _expected(figures: Speeds) -> dict[str, float]:
    found: dict[str, float] = {}
    for key in Speed.__slots__:
        found[key] = getattr(figures.expected, key)
        found[f"{key}_low"] = getattr(figures.expected.low, key)
        found[f"{key}_high"] = getattr(figures.expected.high, key)
    return found


def row_of(resolver: Resolver, point: Point, prices: Prices | None = None) -> Row:
    """The row of one point; what cannot be has its reason. Raises UnknownNameError, HubError."""
    try:
        deployment = resolver.deployment(point.scenario)
        figures = speeds(deployment)
    except (UnknownNameError, HubError):
        raise  # a slip of the pen, or of the network: not an answer
    except VperfError as error:
        model, gpu = resolver.ids(point.scenario)
        return Row(point.chosen, model, gpu, None, problem=error.message)
    return _row(point.chosen, deployment, figures, prices)


def _row(
    chosen: Mapping[str, Any], deployment: Deployment, figures: Speeds, prices: Prices | None
) -> Row:
    gpu = deployment.card.gpu
    price = prices.get(gpu.id) if prices else None
    watts = gpu.tdp_w * figures.gpus if gpu.tdp_w else None
    longest = deployment.model.max_context_tokens
    output = deployment.lengths.output_tokens
    tokens = deployment.prompt_tokens + (output if output > 1 else 0)  # one is not read back
    return Row(
        chosen,
        deployment.found.id,
        gpu.id,
        figures,
        cost=cost_of(figures, price) if price is not None else None,
        tokens_per_joule=figures.expected.decode_tokens_per_s / watts if watts else None,
        constants=deployment.card.constants.origins.whole,
        unpacked=unpacks(deployment.model, gpu),
        beyond_context=longest is not None and tokens > longest,
        link=link_of(gpu) if figures.gpus > 1 else "",
        taken=deployment.taken,
    )


_WAYS = frozenset(("tp", "pp", "dp", "ep", "pcp"))
_FELT = 1.02
"""Times further apart than this are not alike."""
_MAX_KEPT = 1000


class _Scaling:
    """Whether more GPUs are slower than fewer, all else alike."""

    def __init__(self) -> None:
        self._fewest: dict[tuple[Any, ...], Row] = {}
        self._slower: dict[str, Note] = {}

    def add(self, row: Row) -> None:
        """Compare one row with that of the fewest GPUs."""
        if row.chosen.keys().isdisjoint(_WAYS):
            return
        chosen = ((name, each) for name, each in row.chosen.items() if name not in _WAYS)
        alike = (row.model, row.gpu, *chosen)
        if alike not in self._fewest and len(self._fewest) >= _MAX_KEPT:
            return
        fewest = self._fewest.setdefault(alike, row)
        few, many = sorted((fewest, row), key=_gpus)
        if row.gpu not in self._slower and (note := _slower(few, many)):
            self._slower[row.gpu] = note
        self._fewest[alike] = few

    def notes(self) -> list[Note]:
        """A warning for each of the first cards of which that is so."""
        return list(self._slower.values())[:2]


def _gpus(row: Row) -> int:
    return row.figures.gpus if row.figures else 0


def _slower(few: Row, many: Row) -> Note | None:
    if few.figures is None or many.figures is None or _gpus(few) == _gpus(many):
        return None
    for name in ("tpot", "ttft"):
        before = getattr(few.figures.expected, f"{name}_s")
        after = getattr(many.figures.expected, f"{name}_s")
        if after > _FELT * before:
            return Note(
                "more_are_slower", gpu=many.gpu, few=_gpus(few), many=_gpus(many),
                figure=name.upper(), few_s=before, many_s=after, link=many.link,
            )  # fmt: skip
    return None


class Tally:
    """Counts what rows rest on, one after another, and says it in notes."""

    def __init__(self, prices: Prices | None = None) -> None:
        self._prices = prices
        self._kinds: Counter[tuple[bool, ...]] = Counter()
        self._unpriced: dict[str, None] = {}
        self._scaling = _Scaling()
        self._closed = False
        self._taken: dict[Note, None] = {}
        self.problems: Counter[str] = Counter()
        """Why settings cannot be, and how many."""

    def add(self, row: Row) -> None:
        """Count one row."""
        if row.figures is None:
            self.problems[row.problem] += 1
            return
        serving = row.figures.serving
        self._kinds[
            row.fits, row.constants == "measured", row.constants == "same_die",
            row.tokens_per_joule is not None,
            row.unpacked, row.beyond_context, serving is not None and serving.saturated,
        ] += 1  # fmt: skip
        if row.taken:
            self._taken |= dict.fromkeys(row.taken)
        self._closed |= serving is not None and serving.prompts is None
        self._scaling.add(row)
        if self._prices and row.gpu not in self._prices:
            self._unpriced.setdefault(row.gpu)

    @property
    def answered(self) -> int:
        """Rows with figures."""
        return self._kinds.total()

    @property
    def fitting(self) -> int:
        """Rows that fit."""
        return sum(count for kind, count in self._kinds.items() if kind[0])

    def notes(self) -> tuple[Note, ...]:
        """What the rows rest on."""
        if not self._kinds:
            return ()
        counts = self._kinds.values()
        facts = list(zip(*self._kinds, strict=True))
        measured, same_die, watts, *warned = (sum(map(mul, counts, of)) for of in facts[1:])
        found = [Note("mixed_constants", measured=measured, same_die=same_die, every=self.answered)]
        kinds = ("unpacked_settings", "beyond_settings", "saturated_settings")
        found += self._taken
        found += [Note(kind, count=n) for kind, n in zip(kinds, warned, strict=True) if n]
        found += self._scaling.notes()
        if self._closed:
            found.append(Note("closed_form"))
        if watts:
            found.append(Note("energy"))
        if self._prices:
            found.append(Note("dollars"))
        if self._unpriced:
            found.append(Note("no_price", gpus=tuple(self._unpriced)))
        return tuple(found)
