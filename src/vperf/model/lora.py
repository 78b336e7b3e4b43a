"""LoRA adapters beside the weights, unmerged, as servers of several of them run them.

Every adapted matmul y = x W is followed by two kernels for the tokens of all adapters together
(Punica's SGMV, Chen et al. 2023, arXiv 2310.18547; vLLM's lora_shrink and lora_expand):

    shrink    x [T, K] @ A [K, r]     for each of the weights that share the input x
    expand    y += (x A) @ B [r, N]   reads and writes y once more

A step reads the adapters of its sequences: N (1 - (1 - 1/N)^batch) of N, which requests use evenly.
All of them may use one, so the limit counts the bytes of one; the others' are counted where
activations are. Tensor parallelism divides as vLLM does: A of a column-parallel weight is whole on
every rank, its B divided; of a row-parallel one the other way round. Not here: reading adapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vperf.formats import BF16
from vperf.model.affine import Q
from vperf.model.ops import Coordinates, Step, Work, distinct_experts
from vperf.values import dataclass

MAX_RANK, MAX_ADAPTERS = 1024, 1024
_BYTES = 2.0
"""Of an element: adapters are kept in 16 bit."""


@dataclass(frozen=True, slots=True)
class Lora:
    """Adapters that are loaded together."""

    rank: int
    adapters: int = 1
    """In memory, and used by requests evenly."""
    targets: tuple[str, ...] = ()
    """Modules by their last name ("q_proj"); none: every linear layer but routers and experts."""

    def outputs(self, work: Work[Q]) -> tuple[int, ...]:
        """Those of each module of a matmul that is adapted."""
        return tuple(
            outputs for name, outputs in work.modules if not self.targets or name in self.targets
        )


def touched_adapters(step: Step, adapters: int) -> float:
    """Distinct adapters of the sequences of a step."""
    return distinct_experts(step.batch, adapters, 1)


def adapted(
    lora: Lora, works: Iterable[Work[Q]], step: Coordinates[Q], ways: int
) -> Iterator[Work[Q]]:
    """One rank's shrink and expand kernels of matmuls, given as all ranks do them together."""
    others = step.fact(touched_adapters, lora.adapters) - 1.0
    for work in works:
        modules = lora.outputs(work)
        if not modules:
            continue
        tokens, inputs, _ = work.shape
        assert isinstance(inputs, int)
        rank, width = lora.rank * len(modules), sum(modules)
        column = work.split != "row"
        shrink, expand = inputs / (1 if column else ways), width / (ways if column else 1)
        yield _matmul(f"{work.name}.lora_a", tokens, shrink, rank, others)
        yield _matmul(f"{work.name}.lora_b", tokens, lora.rank, expand, others, again=True)


def _matmul(  # noqa: PLR0917  (a kernel and its shape)
    name: str,
    tokens: Q | float,
    inputs: float,
    outputs: float,
    others: Q,
    again: bool = False,
) -> Work[Q]:
    elements = inputs * outputs
    moved = tokens * inputs + others * elements
    return Work(
        name,
        "matmul",
        2.0 * tokens * elements,
        BF16,
        weight_bytes=_BYTES * elements,
        input_elements=moved,
        output_elements=tokens * outputs * (2.0 if again else 1.0),
        shape=(tokens, max(1, round(inputs)), max(1, round(outputs))),
    )
