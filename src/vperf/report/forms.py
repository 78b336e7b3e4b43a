"""One answer in every form, each made when it is asked for.

Not here: how a form is written (screen.py and the other writers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.answer import Estimate
    from vperf.explore.fit import Remedy
    from vperf.report.chart import Chart
    from vperf.report.document import Block, Document


@dataclass(frozen=True, slots=True)
class Report:
    """What makes the forms of an answer."""

    document: Callable[[], Document]
    data: Callable[[], Mapping[str, Any] | Iterable[tuple[str, Any]]]
    """The JSON object; as pairs whose values may be iterators, one that is written as it comes."""
    rows: Callable[[], Iterable[Mapping[str, Any]]]
    """Flat rows of the same keys in SI units, unrounded: the CSV."""
    chart: Callable[[], Chart] | None = None
    records: Callable[[], Iterable[Mapping[str, Any]]] | None = None
    """Rows as JSON objects, one a line."""


def of_estimate(answer: Estimate, *, ops: bool = False, ways: Sequence[Remedy] = ()) -> Report:
    """An estimate in every form; its JSON needs none of the words of its page.

    `ops`: with the op tables; `ways`: what would make it fit.
    """

    def document() -> Iterator[Block]:
        from vperf.report.estimate.page import document  # noqa: PLC0415

        return document(answer, ops=ops, ways=ways)

    def rows() -> Iterable[Mapping[str, Any]]:
        from vperf.report.estimate.ops import op_lines  # noqa: PLC0415

        return op_lines(answer)

    return Report(document, answer.to_dict, rows)
