"""KINDS: all that timing and screens must know of an op kind, one row each.

A new kind is a member of `OpKind`, its form in expected.py and a row here. Not here: the work of an
op (model/ops.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from vperf.hardware.engine import Engine
from vperf.model.affine import Q
from vperf.model.ops import Op, Work
from vperf.timing import expected
from vperf.timing.constants import Constants

Spread = tuple[float, float]
"""measured / expected, 10th and 90th percentile."""

Part = Literal["matmul", "attention", "moe", "recurrent", "elementwise", "collectives", "transfers"]

_UNMEASURED: Spread = (0.7, 1.7)


class Kind(NamedTuple):
    """One op kind."""

    form: Callable[..., expected.Form[Any]]
    """(work, constants, engine) -> its expected time (expected.py)."""
    spread: Spread
    """Of one kernel alone: 140,000 measured kernels on seven cards, those that the L2 cannot have
    held."""
    decode_spread: Spread
    """The same of kernels that decode."""
    words: Callable[[Sequence[int], float], str]
    """(shape, elements in and out) as they stand in a table."""
    merges: bool
    """Whether a mixed step runs it once over the rows of all its sequences; if not, once for those
    that decode and once for those that prefill."""
    part: Part
    """Of the waterfall: what it is called where it falls short of its limit."""
    reads: Literal["weights", "kv_cache"]
    """What bounds it where memory does."""


def _matmul(shape: Sequence[int], elements: float) -> str:
    m, k, n = shape
    return f"[{m},{k}]x[{k},{n}]"


def _attention(shape: Sequence[int], elements: float) -> str:
    batch, heads, new, keys, dim = shape
    return f"{batch}x{heads} heads, {new}x{keys} keys, d {dim}"


def _experts(shape: Sequence[int], elements: float) -> str:
    tokens, active, experts, hidden, width = shape
    return f"{tokens} tokens, {active} of {experts}, {hidden}x{width}"


def _exchange(shape: Sequence[int], elements: float) -> str:
    return f"{elements:.0f} among {shape[0]}"


def _bytes(shape: Sequence[int], elements: float) -> str:
    return f"{2.0 * elements / 1e6:,.3g} MB"


def _product(shape: Sequence[int], elements: float) -> str:
    return "x".join(map(str, shape))


KINDS: dict[str, Kind] = {
    "matmul": Kind(expected.matmul, (0.89, 1.24), _UNMEASURED, _matmul, True, "matmul", "weights"),
    "attention": Kind(
        expected.attention, (0.74, 1.70), (0.89, 1.37), _attention, False, "attention", "kv_cache"
    ),
    "mla": Kind(
        expected.mla, _UNMEASURED, (0.89, 2.50), _attention, False, "attention", "kv_cache"
    ),
    "moe": Kind(expected.experts, (0.75, 1.65), _UNMEASURED, _experts, True, "moe", "weights"),
    "recurrent": Kind(
        expected.recurrence, (0.65, 3.00), (0.60, 1.42), _product, False, "recurrent", "kv_cache"
    ),
    "elementwise": Kind(
        expected.small_kernels, _UNMEASURED, _UNMEASURED, _product, True, "elementwise", "weights"
    ),
    "allreduce": Kind(
        expected.exchange, _UNMEASURED, _UNMEASURED, _exchange, True, "collectives", "weights"
    ),
    "alltoall": Kind(
        expected.exchange, _UNMEASURED, _UNMEASURED, _exchange, True, "collectives", "weights"
    ),
    "transfer": Kind(
        expected.transfer, _UNMEASURED, _UNMEASURED, _bytes, True, "transfers", "weights"
    ),
}


def form_of(work: Work[Q], constants: Constants, engine: Engine) -> expected.Form[Q]:
    """The form of an op or a row, by its kind."""
    return KINDS[work.kind].form(work, constants, engine)


def op_expected_s(op: Op, constants: Constants, engine: Engine) -> float:
    """Expected seconds of one run of an op, before the bound by its limit."""
    return expected.seconds(form_of(op, constants, engine))
