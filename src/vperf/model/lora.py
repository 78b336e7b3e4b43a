"""LoRA adapters beside the weights, unmerged, as servers of several of them run them.

Every adapted matmul y = x W is followed by two kernels for the tokens of all adapters together
(Punica's SGMV, Chen et al. 2023, arXiv 2310.18547; vLLM's lora_shrink and lora_expand):

    shrink    x [T, K] @ A [K, r]     for each of the weights that share the input x
    expand    y += (x A) @ B [r, N]   reads and writes y once more

A step reads the adapters of its sequences: N (1 - (1 - 1/N)^batch) of N, which requests use evenly.
All of them may use one, so the limit counts the bytes of one; the others' are counted where
activations are. Tensor parallelism divides as vLLM does: A of a column-parallel weight is whole on
every rank, its B divided; of a row-parallel one the other way round.

Of experts each has its own A and B, and a token passes those of its k (vLLM's fused_moe_lora):
both kernels run for what goes up, again for what goes down, over T k rows. A step whose sequences
use n adapters reads n E (1 - (1 - k/E)^(T/n)) pairs of an adapter and an expert. Not here: reading
adapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vperf.formats import BF16
from vperf.model.affine import Q
from vperf.model.ops import Coordinates, Step, Work, distinct_experts, touched_experts
from vperf.values import dataclass

MAX_RANK, MAX_ADAPTERS = 1024, 1024
EXPERTS = "experts"
"""The name of all weights of all experts, as vLLM has it."""
_BYTES = 2.0
"""Of an element: adapters are kept in 16 bit."""


@dataclass(frozen=True, slots=True)
class Lora:
    """Adapters that are loaded together."""

    rank: int
    adapters: int = 1
    """In memory, and used by requests evenly."""
    targets: tuple[str, ...] = ()
    """Modules by their last name ("q_proj"); none: every linear layer but routers and experts.
    Names of an expert's weights are of all experts; EXPERTS names them all."""

    def outputs(self, work: Work[Q]) -> tuple[int, ...]:
        """Those of each module of a matmul that is adapted."""
        return tuple(
            outputs for name, outputs in work.modules if not self.targets or name in self.targets
        )

    def of_experts(self, work: Work[Q]) -> tuple[bool, ...]:
        """Which of the weights of experts are adapted, the one that goes down last."""
        every = EXPERTS in self.targets
        return tuple([every or name in self.targets for name, _ in work.modules])


def touched_adapters(step: Step, adapters: int) -> float:
    """Distinct adapters of the sequences of a step."""
    return distinct_experts(step.batch, adapters, 1)


def further_pairs(step: Step, adapters: int, experts: int, active: int) -> float:
    """Pairs of an adapter and an expert that a step reads, beyond those of a single adapter."""
    used = touched_adapters(step, adapters)
    if not used:
        return 0.0
    pairs = used * distinct_experts(step.tokens / used, experts, active)
    return max(0.0, pairs - distinct_experts(step.tokens, experts, active))


def adapted_experts(
    lora: Lora, work: Work[Q], step: Coordinates[Q], groups: int, ways: int
) -> Iterator[Work[Q]]:
    """One rank's kernels beside its experts, of which `groups` of ranks hold different ones and
    `ways` ranks share each. `step` is that of all who send them tokens."""
    which = lora.of_experts(work)
    if not any(which):
        return
    tokens, active, experts, hidden, width = work.shape
    assert isinstance(active, int)
    assert isinstance(experts, int)
    assert isinstance(hidden, int)
    assert isinstance(width, int)
    rows = tokens * float(active) / groups
    even = step.fact(touched_experts, experts, active) / groups
    others = step.fact(further_pairs, lora.adapters, experts, active) / groups
    least = float(-(-active // groups))
    up = [outputs for (_, outputs), is_it in zip(work.modules[:-1], which, strict=False) if is_it]
    kernels: list[tuple[str, float, int, bool]] = []
    if up:
        kernels += [
            ("up.lora_a", hidden, lora.rank * len(up), False),
            ("up.lora_b", lora.rank, sum(up) // ways, True),
        ]
    if which[-1]:
        kernels += [
            ("down.lora_a", width // ways, lora.rank, False),
            ("down.lora_b", lora.rank, hidden, True),
        ]
    for name, inputs, outputs, again in kernels:
        each = inputs * outputs
        yield Work(
            f"{work.name}_{name}",
            "matmul",
            rows * (2.0 * each),
            BF16,
            weight_bytes=even * (_BYTES * each),
            input_elements=rows * inputs + others * each,
            output_elements=rows * (outputs * (2.0 if again else 1.0)),
            shape=(rows, max(1, round(inputs)), max(1, outputs)),
            least_bytes=least * _BYTES * each,
            adapts="experts",
        )


def adapted(
    lora: Lora, works: Iterable[Work[Q]], step: Coordinates[Q], ways: int
) -> Iterator[Work[Q]]:
    """One rank's shrink and expand kernels of matmuls, given as all ranks do them together."""
    others = step.fact(touched_adapters, lora.adapters) - 1.0
    for work in works:
        if work.kind == "moe":
            continue
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
        adapts="matmul",
    )
