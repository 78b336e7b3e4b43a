"""One GPU's share of a step, and the collectives that joining the shares takes.

Tensor parallelism divides heads and widths, expert parallelism divides experts, attention data
parallelism divides the sequences, pipeline parallelism the layers, context parallelism the tokens
of a sequence (context.py). What divides into fewer parts
than there are ranks (KV heads, a router) is copied before, by its block, which also says how a
matmul is split. Works on rows and ops alike. Not here: how fast a link is (timing/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from vperf.errors import InputError, check_count
from vperf.formats import BF16
from vperf.model.affine import Q
from vperf.model.ops import OpKind, Step, Work
from vperf.spelling import flag
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.blocks.base import Block
    from vperf.model.model import Model


MAX_WAYS = 1024


@dataclass(frozen=True, slots=True)
class Parallel:
    """How many ways each thing is divided; tensor x data x prefill x pipeline is the number of
    GPUs."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    """Of the GPUs of one pipeline stage, how many groups hold different experts whole."""
    data: int = 1
    """Attention data parallelism: groups that each decode their own sequences."""
    prefill: int = 1
    """Prefill context parallelism: groups that each read other tokens of the same prompts."""
    decode: int = 1
    """Decode context parallelism: ranks of `tensor` that each keep other tokens of the KV heads
    that they would all keep whole."""
    shares_cache: bool = False
    """Whether the groups that read other tokens keep those alone; if not, each keeps all."""

    def __post_init__(self) -> None:
        for name, ways in (
            ("tensor-parallel-size", self.tensor),
            ("pipeline-parallel-size", self.pipeline),
            ("expert-parallel-size", self.expert),
            ("data-parallel-size", self.data),
            ("prefill-context-parallel-size", self.prefill),
            ("decode-context-parallel-size", self.decode),
        ):
            check_count(name, ways, 1, MAX_WAYS)
        if self.tensor % self.decode:
            raise InputError(
                f"{self.decode} do not divide {self.tensor} GPUs that share a layer",
                field="decode-context-parallel-size",
                hint=f"it takes none beside those of {flag('tp')}",
            )
        if self.stage % self.expert:
            raise InputError(
                f"{self.expert} groups of experts do not divide {self.stage} GPUs",
                field="expert-parallel-size",
            )

    @property
    def stage(self) -> int:
        """GPUs that work on the same layers."""
        return self.tensor * self.data * self.prefill

    @property
    def cache_ways(self) -> int:
        """Ranks that each keep other tokens of a sequence."""
        return self.decode * (self.prefill if self.shares_cache else 1)

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

    def local(self, step: Step) -> Step:
        """What one attention group has of a step, in one pass of the pipeline."""
        return step if self.gpus == 1 else step._replace(batch=self.sequences(step.batch))


SINGLE = Parallel()


def share(work: Work[Q], parallel: Parallel, cache_heads: int) -> Work[Q]:
    """The part of a kernel's work that one rank does; `cache_heads`: KV heads its cache can be
    split into.

    `work` is of a block as all ranks hold it together (Block.copied).
    """
    ways = parallel.tensor
    if work.kind == "moe":
        return _rank_experts(_scaled(work, parallel.stage, parallel.stage, 1), parallel)
    if ways == 1 or (work.kind == "elementwise" and work.split == "whole"):
        return work
    if work.kind == "matmul":
        return _matmul_share(work, ways)
    if work.split == "blocks":
        batch, channels, *rest = work.shape
        work = replace(work, shape=(batch, channels // ways, *rest))
    if work.kind not in ("attention", "mla"):
        return _scaled(work, ways, ways, ways)
    batch, heads, *rest = work.shape
    assert isinstance(heads, int)
    own = replace(work, shape=(batch, heads // ways, *rest))
    return _scaled(own, ways, ways, min(ways, max(1, cache_heads)))


def _rank_experts(work: Work[Q], parallel: Parallel) -> Work[Q]:
    """Of groups that hold different experts, one has to read more than its share of a token's."""
    if work.least_bytes is None:
        return work
    active = work.shape[1]
    assert isinstance(active, int)
    of_group = -(-active // parallel.expert) * parallel.expert / active
    return replace(work, least_bytes=work.least_bytes * of_group)


def _matmul_share(work: Work[Q], ways: int) -> Work[Q]:
    if work.split == "whole":
        return work
    m, k, n = work.shape
    assert isinstance(k, int)
    assert isinstance(n, int)
    rows = work.split == "row"
    return replace(
        work,
        flops=work.flops / ways,
        least_flops=divided(work.least_flops, ways),
        weight_bytes=work.weight_bytes / ways,
        input_elements=work.input_elements / (1 if work.split == "column" else ways),
        output_elements=work.output_elements / (1 if rows else ways),
        shape=(m, -(-k // ways), n) if rows else (m, k, -(-n // ways)),
    )


def _scaled(work: Work[Q], ways: int, weight: int, cache: int) -> Work[Q]:
    return replace(
        work,
        flops=work.flops / ways,
        least_flops=divided(work.least_flops, ways),
        weight_bytes=work.weight_bytes / weight,
        least_bytes=divided(work.least_bytes, weight),
        popular_bytes=divided(work.popular_bytes, weight),
        cache_bytes=work.cache_bytes / cache,
        input_elements=work.input_elements / ways,
        output_elements=work.output_elements / ways,
        score_pairs=work.score_pairs / ways,
        queries=work.queries / ways,
        edges=work.edges / ways,
        band=work.band / ways,
        blocks=work.blocks / cache,
    )


def divided(quantity: Q | float | None, ways: int) -> Q | float | None:
    """That quantity of one of so many, where there is one."""
    return None if quantity is None else quantity / ways


def collective(name: str, kind: OpKind, elements: Q | float, ranks: int) -> Work[Q]:
    """An exchange of `elements` 16-bit activations among `ranks` GPUs."""
    return Work(name, kind, 0.0, BF16, input_elements=elements, shape=(ranks,))


def divide(model: Model, parallel: Parallel) -> Model:
    """The model divided over GPUs. Raises InputError where heads, widths or experts do not divide.

    They are those that vLLM and SGLang refuse; the vocabulary is padded, layers may be uneven.
    """
    layers = [kind for _, kind in (*model.kinds, *model.encoder)]
    blocks = [
        block for kind in ([*layers, model.mtp] if model.mtp else layers) for block in kind.blocks
    ]
    said: dict[str, None] = {}
    if parallel.prefill * parallel.decode > 1:
        parallel = _with_context(model, blocks, parallel)
    for block in blocks:
        _check_division(block, parallel)
        said.update(dict.fromkeys(_part_blocks(block, parallel)))
    if parallel.expert > 1 and not model.has_experts:
        raise InputError("the model has no experts to divide", field="expert-parallel-size")
    stages, count = parallel.pipeline, model.layer_count
    if stages > count:
        raise InputError(
            f"{stages} stages are more than {count} layers", field="pipeline-parallel-size"
        )
    if count % stages:
        said[f"{count} layers do not divide into {stages} stages: the mean stage is taken"] = None
    return replace(model, parallel=parallel, assumptions=(*model.assumptions, *said))


def _with_context(model: Model, blocks: Iterable[Block], parallel: Parallel) -> Parallel:
    """What divides the tokens of this model's sequences. Raises InputError where no engine does."""
    field = f"{'prefill' if parallel.prefill > 1 else 'decode'}-context-parallel-size"
    if model.encoder or not model.generates or model.diffuses:
        raise InputError("is of a decoder that generates token by token", field=field)
    blocks = tuple(blocks)
    if any(block.state_bytes for block in blocks):
        raise InputError(
            "recurrent layers read a prompt in order: its tokens are not divided", field=field
        )
    if any(span.window for block in blocks for span in block.cache_spans):
        raise InputError(
            "layers with windows keep caches of several lengths: engines divide none of them",
            field=field,
        )
    if model.lora is not None and parallel.prefill > 1:
        raise InputError("is not understood with adapters", field=field)
    sparse = any(block.index_spans for block in blocks)
    if parallel.decode > 1:
        if sparse:
            raise InputError("is not understood with sparse attention", field=field)
        cached = (block.cache_heads for block in blocks if block.cache_elements)
        heads = max(cached, default=1)
        if parallel.tensor < parallel.decode * heads:
            copies = max(1, parallel.tensor // heads)
            raise InputError(
                f"{heads} KV heads are kept {copies} times over {parallel.tensor} GPUs: at most "
                f"{copies}", field=field, hint=f"a larger {flag('tp')} keeps them more often",
            )  # fmt: skip
    return replace(parallel, shares_cache=parallel.shares_cache and not sparse)


def _check_division(block: Block, parallel: Parallel) -> None:
    ways = parallel.tensor
    for count, what in block.divided:
        if count % ways:
            raise InputError(
                f"{count} {what} do not divide over {ways} GPUs", field="tensor-parallel-size"
            )
    for parts in {w.parts for _, w in block.linears if w.parts}:
        if parts % ways and ways % parts:
            raise InputError(
                f"{parts} KV heads neither divide over {ways} GPUs nor divide them",
                field="tensor-parallel-size",
            )
    experts, width = block.expert_split
    wide = parallel.data > 1 and parallel.expert == parallel.stage  # some experts twice
    if experts % parallel.expert and not (wide and parallel.expert <= experts):
        raise InputError(
            f"{experts} experts do not divide over {parallel.expert} groups",
            field="expert-parallel-size",
        )
    if width % parallel.expert_ways:
        raise InputError(
            f"{width} columns of an expert do not divide over {parallel.expert_ways} GPUs",
            field="tensor-parallel-size",
            hint=_whole_experts(experts, parallel),
        )


def _part_blocks(block: Block, parallel: Parallel) -> Iterator[str]:
    """Experts that some GPUs hold again, and what engines refuse though it divides: a share that is
    not whole blocks of its scales."""
    experts, width = block.expert_split
    if not width:
        return
    if over := experts % parallel.expert:
        again = parallel.expert - over
        yield f"{experts} experts and {again} of them again on {parallel.expert} GPUs"
    share = width // parallel.expert_ways
    scaled = {w.format for n, w in block.linears if n > 1 and w.format.block_out > 1}
    way_out = _whole_experts(experts, parallel)
    for size in sorted({fmt.block_out for fmt in scaled if share % fmt.block_out}):
        yield (
            f"{share} columns of an expert a GPU are not whole blocks of {size}: vLLM and SGLang "
            f"refuse that{f' ({way_out})' if way_out else ''}"
        )


def _whole_experts(experts: int, parallel: Parallel) -> str:
    """What to do where experts cannot be cut; nothing where whole ones do not divide either."""
    ways = parallel.stage
    return "" if experts % ways else f"{flag('ep')} {ways} keeps experts whole"
