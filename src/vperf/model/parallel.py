"""One GPU's share of a step, and the collectives that joining the shares takes.

Tensor parallelism divides heads and widths, expert parallelism divides experts, attention data
parallelism divides the sequences, pipeline parallelism the layers. What divides into fewer parts
than there are ranks (KV heads, a router) is copied before, by its block. Works on ops: what a
mechanism computes is said once, in its block. Not here: how fast a link is (timing/).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vperf.errors import InputError
from vperf.formats import BF16
from vperf.model.ops import Op, OpKind


@dataclass(frozen=True, slots=True)
class Parallel:
    """How many ways each thing is divided; tensor x data x pipeline is the number of GPUs."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    """Of the GPUs of one pipeline stage, how many groups hold different experts whole."""
    data: int = 1
    """Attention data parallelism: groups that each decode their own sequences."""

    def __post_init__(self) -> None:
        for name, ways in (
            ("tensor-parallel-size", self.tensor),
            ("pipeline-parallel-size", self.pipeline),
            ("expert-parallel-size", self.expert),
            ("data-parallel-size", self.data),
        ):
            if isinstance(ways, bool) or not isinstance(ways, int) or not 1 <= ways <= 1024:
                raise InputError(f"must be an integer from 1 to 1024, not {ways!r}", field=name)
        if self.stage % self.expert:
            raise InputError(
                f"{self.expert} groups of experts do not divide {self.stage} GPUs",
                field="expert-parallel-size",
            )

    @property
    def stage(self) -> int:
        """GPUs that work on the same layers."""
        return self.tensor * self.data

    @property
    def expert_ways(self) -> int:
        """GPUs that share one expert."""
        return self.stage // self.expert

    @property
    def gpus(self) -> int:
        """All of them."""
        return self.stage * self.pipeline

    def sequences(self, batch: int) -> int:
        """Sequences of one attention group in one pass of the pipeline, rounded up."""
        return -(-batch // (self.data * self.pipeline))


_ROW_PARALLEL = (
    "o_proj", "o_b_proj", "out_proj", "down_proj", "shared_down_proj", "x_proj", "linear_out",
    "output", "ffn_value",
)  # fmt: skip
"""Matmuls that consume divided columns: their input is divided, their output is a partial sum."""

SINGLE = Parallel()


def share(op: Op, parallel: Parallel, cache_heads: int) -> Op:
    """The part of an op that one rank runs; `cache_heads`: KV heads its cache can be split into.

    `op` is of a block as all ranks hold it together (Block.copied).
    """
    ways = parallel.tensor
    if op.kind == "moe":
        return _scaled(op, parallel.stage, parallel.stage, 1)
    if ways == 1 or op.kind == "elementwise":
        return op
    if op.kind == "matmul":
        return _matmul_share(op, ways)
    if op.kind not in ("attention", "mla"):
        return _scaled(op, ways, ways, ways)
    batch, heads, *rest = op.shape
    own = replace(op, shape=(batch, heads // ways, *rest))
    return _scaled(own, ways, ways, min(ways, max(1, cache_heads)))


def _matmul_share(op: Op, ways: int) -> Op:
    m, k, n = op.shape
    rows = op.name.startswith(_ROW_PARALLEL)
    return replace(
        op,
        flops=op.flops / ways,
        weight_bytes=op.weight_bytes / ways,
        input_elements=op.input_elements / (ways if rows else 1),
        output_elements=op.output_elements / (1 if rows else ways),
        shape=(m, -(-k // ways), n) if rows else (m, k, -(-n // ways)),
    )


def _scaled(op: Op, work: int, weight: int, cache: int) -> Op:
    return replace(
        op,
        flops=op.flops / work,
        weight_bytes=op.weight_bytes / weight,
        cache_bytes=op.cache_bytes / cache,
        input_elements=op.input_elements / work,
        output_elements=op.output_elements / work,
        score_pairs=op.score_pairs / work,
        tile_queries=op.tile_queries / work,
        blocks=op.blocks / cache,
    )


def collective(name: str, kind: OpKind, elements: float, ranks: int) -> Op:
    """An exchange of `elements` 16-bit activations among `ranks` GPUs."""
    return Op(name, kind, 0.0, BF16, input_elements=elements, shape=(ranks,))
