"""Context parallelism: GPUs that each read other tokens of a prompt, or keep others of a cache.

    prefill   a group has 1 / c of the rows of every matmul, and the queries of as many tokens,
              dealt so that all have as many (query, key) pairs; keys and values of all tokens
              come to all, once a layer. MLA gathers its latents, and each group expands them all.
    decode    of n ranks each reads every n-th token; the queries of d ranks that divide heads of
              the same keys come to each other, and the parts of their outputs are merged

    gathered  new tokens x entry         + cached tokens x entry where groups share the cache
    merged    d ranks: queries + outputs of d ranks' heads; c groups: their outputs, all-reduced

Few new tokens (ops.decodes) are computed by all groups alike. As vLLM runs it (docs/serving/
context_parallel_deployment.md, commit 020505c; arXiv 2507.07120) and SGLang (docs/
advanced_features/prefill_cp and dcp on docs.sglang.io), read 2026-12-01; the former shares the
cache of a prompt among its groups, the latter gives each all of it. Not here: which models it is
refused for (divide.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vperf.model.affine import Q
from vperf.model.divide import Parallel, collective, divided
from vperf.model.ops import FULL, Coordinates, Work, decodes, seen_keys

if TYPE_CHECKING:
    from vperf.model.blocks.base import Block
    from vperf.model.model import Model

_CORES = frozenset({"attention", "mla"})


def reads_apart(parallel: Parallel, step: Coordinates[Q]) -> bool:
    """Whether each group has tokens of its own in the step."""
    return parallel.prefill > 1 and not step.case(decodes)


def of_context(
    model: Model, block: Block, step: Coordinates[Q], ops: Sequence[Work[Q]]
) -> tuple[tuple[Work[Q], ...], list[Work[Q]]]:
    """A group's part of a block, and what it takes to have it."""
    parallel = model.parallel
    if step.case(decodes):
        if parallel.cache_ways == 1:
            return tuple(ops), []
        cores = [work for work in ops if work.kind in _CORES]
        found = [_over_own_tokens(work, parallel) if work in cores else work for work in ops]
        return tuple(found), [each for work in cores for each in _merged(work, parallel)]
    if parallel.prefill > 1:
        ops = [work if work.kind == "moe" else _of_own_tokens(work, parallel) for work in ops]
    return tuple(ops), _gathered(model, block, step)


def _gathered(model: Model, block: Block, step: Coordinates[Q]) -> list[Work[Q]]:
    """Keys and values of others' tokens, in the format of the cache, as 16-bit elements."""
    parallel = model.parallel
    heads = min(parallel.tensor, max(1, block.cache_heads))
    entry = block.cache_elements * model.cache.bytes_per_element / heads / 2.0
    entry += sum(size / span.ratio for size, span in block.index_spans) / 2.0
    if not entry:
        return []
    new, cached = step.tokens * entry, step.fact(seen_keys, FULL) * entry
    exchanges = []
    if parallel.prefill > 1:
        moved = new + cached if parallel.shares_cache else new
        exchanges.append(collective("gather keys", "alltoall", moved, parallel.prefill))
    if parallel.decode > 1:
        exchanges.append(collective("gather cache", "alltoall", cached, parallel.decode))
    return exchanges


def _of_own_tokens(work: Work[Q], parallel: Parallel) -> Work[Q]:
    """Of a prompt: a part of the queries over all keys."""
    ways = parallel.prefill
    if work.of_keys:
        return replace(work, least_flops=work.flops / ways)
    queries = work.input_elements
    keys: Q | float = 0.0
    if work.kind in _CORES:
        width = work.shape[-1]
        keys, queries = work.input_elements - work.queries * width, work.queries * width
    rows, *rest = work.shape or (1,)
    if work.kind in _CORES:
        heads, new, *rest = rest
        shape = (rows, heads, new / ways, *rest)
    else:
        shape = (rows / ways, *rest) if work.shape else ()
    return replace(
        work,
        flops=work.flops / ways,
        least_flops=divided(work.least_flops, ways),
        input_elements=queries / ways + keys,
        output_elements=work.output_elements / ways,
        score_pairs=work.score_pairs / ways,
        queries=work.queries / ways,
        edges=work.edges / ways,
        shape=shape,
    )


def _over_own_tokens(work: Work[Q], parallel: Parallel) -> Work[Q]:
    """Of a decode step: the queries over a part of the keys, those of ranks with the same keys
    together."""
    groups = parallel.prefill if parallel.shares_cache else 1
    batch, heads, new, keys, width = work.shape
    return replace(
        work,
        flops=work.flops / groups,
        score_pairs=work.score_pairs / groups,
        cache_bytes=work.cache_bytes / parallel.cache_ways,
        shape=(batch, heads * parallel.decode, new, keys / parallel.cache_ways, width),
    )


def _merged(work: Work[Q], parallel: Parallel) -> list[Work[Q]]:
    """Queries to those that have the keys, over a narrower cache in its format, and their outputs
    back in 16 bit."""
    exchanges = []
    ways, ranks = parallel.tensor, parallel.decode
    if ranks > 1:
        narrow = min(1.0, work.format.bits / 16)
        queries = work.queries * work.shape[-1] * (narrow * ranks / ways)
        outputs = work.output_elements * (ranks / ways)
        exchanges.append(collective("gather queries", "alltoall", queries, ranks))
        exchanges.append(collective("merge attention", "alltoall", outputs, ranks))
    if parallel.shares_cache and parallel.prefill > 1:
        outputs = work.output_elements / ways
        exchanges.append(collective("merge attention", "allreduce", outputs, parallel.prefill))
    return exchanges
