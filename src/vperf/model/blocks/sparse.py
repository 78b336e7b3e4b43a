"""Sparse attention: an indexer scores every key cheaply, attention then reads only the best.

DeepSeek-V3.2 and GLM-5 (DSA) put an indexer before MLA, MiniMax-M3 before GQA; DeepSeek-V4 also
compresses the cache: a window at full rate and one entry for every `ratio` older tokens. The index
keys are a cache of their own, in fp8 with a scale (132 bytes for 128 elements in vLLM and SGLang)
whatever the KV cache's format: counted in memory and in bytes read, not in KV bytes per token.
Queries that can read every key anyway (context <= top-k) need no scores and are counted with none.
"""

from __future__ import annotations

import math
from dataclasses import replace

from vperf.formats import BF16, FP8, Format
from vperf.model.affine import Q, longest
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import attention_heads, hidden_size
from vperf.model.cache import Span
from vperf.model.checkpoint import Config
from vperf.model.ops import (
    Coordinates,
    Linear,
    Step,
    Visibility,
    Work,
    attention,
    matmul,
)
from vperf.values import dataclass

INDEX_KEYS_ASSUMED = "index keys are cached in fp8 with one scale per 128 (vLLM, SGLang)"


def entry_pairs(queries: int, ratio: int, most: int | None = None) -> int:
    """(query, entry) pairs of the first `queries` tokens, an entry closing every `ratio` tokens.

    Query i (from 1) sees i // ratio entries, at most `most`. At ratio 1: n (n + 1) / 2.
    """
    if most is not None and queries >= ratio * most:
        flat = queries - ratio * most + 1
        return entry_pairs(ratio * most - 1, ratio) + flat * most
    whole, rest = divmod(queries, ratio)
    return ratio * whole * (whole - 1) // 2 + whole * (rest + 1)


def scored_pairs(step: Step, ratio: int, top: int) -> float:
    """(query, entry) pairs of the queries that see more than `top` entries."""
    end = step.past + step.new
    start = max(step.past, min(end, top * ratio))
    return step.batch * (entry_pairs(end, ratio) - entry_pairs(start, ratio))


def _scores(step: Step, ratio: int, top: int) -> bool:
    return scored_pairs(step, ratio, top) > 0


def cached_entries(step: Step, ratio: int) -> float:
    """Entries that the cache holds before the step."""
    return step.batch * (step.past // ratio)


@longest
def last_entries(step: Step, ratio: int) -> float:
    """Entries of one sequence after the step; of unequal ones, the most."""
    return (step.past + step.new) // ratio


@dataclass(frozen=True, slots=True)
class Indexer(Block):
    """Scores `heads` small queries against one key per `ratio` tokens; picks the `top` best."""

    heads: int
    dim: int
    top: int
    inputs: tuple[Linear, ...]
    """Key projection and head weights: they share the layer's input."""
    query: Linear | None = None
    """From the query latent of MLA; None: the query is one of `inputs` (MiniMax-M3)."""
    vectors: int = 0
    ratio: int = 1
    key_bytes: int = 0
    """Of one index key, its scale included."""
    format: Format = FP8
    """Of the scores' multiplication."""

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return "attention"

    def in_words(self) -> str:
        """What it is."""
        return f"indexer {self.heads} heads of {self.dim}, picks {self.top}"

    @property
    def whole(self) -> bool:
        """Yes."""
        return True

    @property
    def elementwise_launches(self) -> int:
        """Norm of the key, rotary, Hadamard transform and quantization of queries and of keys, the
        cache write, top-k and its page numbers, where neighbours are fused.
        """
        return 8

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """Keys, head weights, queries."""
        return tuple((1, w) for w in (*self.inputs, *((self.query,) if self.query else ())))

    @property
    def index_spans(self) -> tuple[tuple[float, Span], ...]:
        """One key for every `ratio` tokens."""
        return ((float(self.key_bytes), Span(ratio=self.ratio)),)

    @property
    def elementwise_elements(self) -> int:
        """Rotary and quantization of queries and keys."""
        return 2 * self.dim * (self.heads + 1)

    @property
    def windows(self) -> tuple[int, ...]:
        """From here on keys are scored."""
        return (self.top * self.ratio,)

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Projections; scores of the queries that have more keys than they may read."""
        projections = (
            *matmul("indexer_proj", self.inputs, step.tokens, "whole"),
            *(matmul("indexer_q_proj", (self.query,), step.tokens, "whole") if self.query else ()),
        )
        if not step.case(_scores, self.ratio, self.top):
            return projections
        pairs = step.fact(scored_pairs, self.ratio, self.top)
        return (
            *projections,
            Work(
                "indexer",
                "matmul",
                2.0 * self.heads * self.dim * pairs,
                self.format,
                cache_bytes=step.fact(cached_entries, self.ratio) * self.key_bytes,
                input_elements=step.tokens * self.dim * (self.heads + 1),
                # The scores are written in fp32 and read again by the top-k.
                output_elements=4.0 * pairs,
                shape=(step.tokens * self.heads, self.dim, step.fact(last_entries, self.ratio)),
            ),
        )


def read_indexer(config: Config, layer: int, scope: Scope) -> Indexer:
    """The lightning indexer of DeepSeek-V3.2 and GLM-5: keys have a LayerNorm (with a bias)."""
    hidden = hidden_size(config)
    heads = config.integer("index_n_heads")
    dim = config.integer("index_head_dim")
    return Indexer(
        heads,
        dim,
        config.integer("index_topk"),
        (
            scope.linear("wk", hidden, dim),
            # Not quantized by any released checkpoint.
            scope.linear("weights_proj", hidden, heads, kind="router"),
        ),
        scope.linear("wq_b", config.integer("q_lora_rank"), heads * dim),
        vectors=2 * dim,
        key_bytes=fp8_key_bytes(dim),
    )


def fp8_key_bytes(dim: int) -> int:
    """An fp8 index key with an fp32 scale for every 128 elements."""
    return dim + 4 * math.ceil(dim / 128)


@dataclass(frozen=True, slots=True)
class CompressedVisibility(Visibility):
    """The last `window` tokens, and of the entries that stand for all tokens the `top` best."""

    ratio: int = 1

    def in_words(self) -> str:
        """What it leaves out, to follow the words of a mechanism."""
        return f"{Visibility.in_words(self)}, 1 entry a {self.ratio} tokens"

    def named(self, name: str) -> str:
        """The name of an op of this visibility."""
        return f"{name}[compressed]"

    def keys(self, position: int) -> int:
        """Window and entries of the query at 0-based `position`."""
        entries = (position + 1) // self.ratio
        near = min(position + 1, self.window or position + 1)
        return near + (entries if self.top is None else min(entries, self.top))

    def pairs(self, new: int, past: int) -> int:
        """Exact: the window's ramp and the entries' steps."""
        near = Visibility(window=self.window).pairs(new, past)
        far = entry_pairs(past + new, self.ratio, self.top)
        return near + far - entry_pairs(past, self.ratio, self.top)


@dataclass(frozen=True, slots=True)
class CompressedAttention(Block):
    """DeepSeek-V4: one shared head of K = V, compressed with age; low-rank queries and outputs.

    Entry i of the compressed cache is a gated average over `ratio` tokens; ratio 0: the window
    alone. The output projection is block-diagonal over `groups`, then mixed by `output`.
    """

    heads: int
    dim: int
    rope: int
    visibility: Visibility
    inputs: tuple[Linear, ...]
    """q_a, kv, and the compressor's kv and gate: they share the layer's input."""
    q_b: Linear
    groups: int
    group_output: Linear
    output: Linear
    vectors: int = 0

    def in_words(self) -> str:
        """What it is."""
        seen = self.visibility.in_words()
        return f"attention {self.heads} heads, 1 shared KV head of {self.dim}{seen}"

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """q_a, kv, compressor, q_b, o_a, o_b."""
        return tuple((1, w) for w in (*self.inputs, self.q_b, self.group_output, self.output))

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Query heads, and the groups of the output projection."""
        return ((self.heads, "attention heads"), (self.groups, "output groups"))

    @property
    def cache_elements(self) -> int:
        """K, which is V too."""
        return self.dim

    @property
    def cache_spans(self) -> tuple[Span, ...]:
        """The window at full rate and one entry for every `ratio` tokens."""
        near = Span(self.visibility.window)
        if isinstance(self.visibility, CompressedVisibility):
            return near, Span(ratio=self.visibility.ratio)
        return (near,)

    @property
    def elementwise_elements(self) -> int:
        """Rotary over the rope part, also of the output; norms; the compressor's gate."""
        return 2 * self.rope * (2 * self.heads + 1) + 2 * sum(w.out_features for w in self.inputs)

    @property
    def windows(self) -> tuple[int, ...]:
        """Where the window is full, and where top-k entries are."""
        window = (self.visibility.window,) if self.visibility.window else ()
        if isinstance(self.visibility, CompressedVisibility) and self.visibility.top is not None:
            return (*window, self.visibility.top * self.visibility.ratio)
        return window

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Projections with the compressor, attention over one shared head, grouped output."""
        core = attention(
            self.visibility.named("attention"),
            step,
            heads=self.heads,
            kv_heads=1,
            qk_dim=self.dim,
            v_dim=self.dim,
            cache=cache,
            visibility=self.visibility,
            keys_shared=True,
        )
        # Each group's weight sees its own slice of the heads: all heads are read once. A rank has
        # o_groups / tp of the groups (n_local_groups in vLLM and SGLang, read 2026-12-01).
        grouped = matmul("o_a_proj", (self.group_output,), step.tokens, "blocks")
        return (
            *matmul("qkv_a_proj", self.inputs, step.tokens),
            *matmul("q_b_proj", (self.q_b,), step.tokens),
            replace(core, kind="mla", decode=True),
            *(replace(op, input_elements=op.input_elements * self.groups) for op in grouped),
            *matmul("o_b_proj", (self.output,), step.tokens, "row"),
        )


def read_compressed(
    config: Config, layer: int, scope: Scope, ratio: int
) -> tuple[Indexer, CompressedAttention] | tuple[CompressedAttention]:
    """DeepSeek-V4's attention of a layer; with its indexer where the ratio is the small one (4)."""
    hidden = hidden_size(config)
    heads = attention_heads(config)
    dim = config.integer("head_dim")
    rank = config.integer("q_lora_rank")
    groups = config.integer("o_groups")
    group_rank = config.integer("o_lora_rank")
    window = config.integer("sliding_window")
    if heads * dim % groups:
        raise config.error(f"{groups} groups do not divide {heads} heads of {dim}", "o_groups")
    overlaps = ratio == OVERLAPPING_RATIO
    inputs = [
        scope.linear("q_a_proj", hidden, rank, parts=1),
        scope.linear("kv_proj", hidden, dim, parts=1),
    ]
    vectors = heads + rank + dim  # sinks, the norms of both latents
    visibility = Visibility(window=window)
    if ratio:
        # Overlapping windows keep two series per token.
        width = dim * (1 + overlaps)
        inner = scope.child("compressor")
        inputs += [inner.linear(n, hidden, width, parts=1) for n in ("kv_proj", "gate_proj")]
        vectors += ratio * width + dim  # position bias, norm
        visibility = CompressedVisibility(
            window=window, ratio=ratio, top=config.integer("index_topk") if overlaps else None
        )
    block = CompressedAttention(
        heads,
        dim,
        config.optional_integer("qk_rope_head_dim", maximum=dim) or dim // 8,
        visibility,
        tuple(inputs),
        scope.linear("q_b_proj", rank, heads * dim),
        groups,
        scope.linear("o_a_proj", heads * dim // groups, groups * group_rank),
        scope.linear("o_b_proj", groups * group_rank, hidden),
        vectors,
    )
    if not overlaps:
        return (block,)
    return (_compressed_indexer(config, scope.child("compressor.indexer"), ratio), block)


OVERLAPPING_RATIO = 4
"""DeepSeek-V4's compressed sparse attention: two overlapping series, an indexer. 128 has none."""


def _compressed_indexer(config: Config, scope: Scope, ratio: int) -> Indexer:
    hidden = hidden_size(config)
    heads = config.integer("index_n_heads")
    dim = config.integer("index_head_dim")
    return Indexer(
        heads,
        dim,
        config.integer("index_topk"),
        (
            *(scope.linear(n, hidden, 2 * dim) for n in ("kv_proj", "gate_proj")),
            scope.linear("scorer.weights_proj", hidden, heads, kind="router"),
        ),
        scope.linear("q_b_proj", config.integer("q_lora_rank"), heads * dim),
        vectors=ratio * 2 * dim + dim,
        ratio=ratio,
        key_bytes=fp8_key_bytes(dim),
    )


def read_block_indexer(config: Config, layer: int, scope: Scope) -> Indexer:
    """MiniMax-M3: queries and keys straight from the hidden state, blocks of keys are picked."""
    hidden = hidden_size(config)
    legacy = config.child("sparse_attention_config")
    heads, dim, block, blocks = (
        config.optional_integer(name)
        or (legacy.optional_integer(old) if legacy else None)
        or default
        for name, old, default in (
            ("index_n_heads", "sparse_num_index_heads", 4),
            ("index_head_dim", "sparse_index_dim", 128),
            ("index_block_size", "sparse_block_size", 128),
            ("index_topk_blocks", "sparse_topk_blocks", 16),
        )
    )
    return Indexer(
        heads,
        dim,
        block * blocks,
        (scope.linear("q_proj", hidden, heads * dim), scope.linear("k_proj", hidden, dim)),
        vectors=2 * dim,
        key_bytes=2 * dim,
        format=BF16,
    )
