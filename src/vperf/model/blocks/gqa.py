"""Multi-head, grouped-query and multi-query attention over a per-head KV cache.

Covers biases, QK norms, sinks, an output gate, windows and chunks, V narrower than K.
MLA has its own file: its cache has no heads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from vperf.formats import Format
from vperf.model import windows
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.cache import Span
from vperf.model.checkpoint import Config
from vperf.model.ops import (
    FULL,
    Coordinates,
    Linear,
    Visibility,
    Work,
    attention,
    both_ways,
    matmul,
)
from vperf.model.windows import Rule
from vperf.values import dataclass

QkNorm = Literal["none", "head", "per_head", "whole"]
"""head: one vector of head_dim for all heads (Qwen3, Gemma 3); per_head: [heads, head_dim]
(Command R+); whole: over all heads at once (OLMo 2)."""


@dataclass(frozen=True, slots=True)
class GroupedQueryAttention(Block):
    """`heads` queries over `kv_heads` keys; MHA when equal, MQA when one."""

    heads: int
    kv_heads: int
    qk_dim: int
    v_dim: int
    inputs: tuple[Linear, ...]
    """q, k, v and an output gate where there is one: they share the layer's input."""
    output: Linear
    visibility: Visibility = FULL
    vectors: int = 0
    shares_cache: bool = False
    """Reuses the cache of an earlier layer (Gemma 3n): reads it, stores nothing."""
    sinks: bool = False
    """A learned logit of each head takes part in its softmax (gpt-oss)."""
    causal: bool = True
    """No: positions see each other both ways, half a window to either side."""
    normed_together: bool = False
    """Q and K are normed over all heads at once: ranks that divide the heads sum their squares."""

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return "attention"

    def in_words(self) -> str:
        """What it is."""
        dim = f"{self.qk_dim}" if self.qk_dim == self.v_dim else f"{self.qk_dim}/{self.v_dim}"
        shared = ", cache of an earlier layer" if self.shares_cache else ""
        return (
            f"attention {self.heads} heads, {self.kv_heads} KV heads of {dim}"
            f"{self.visibility.in_words()}{shared}"
        )

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """q, k, v, (gate), o."""
        return tuple((1, linear) for linear in (*self.inputs, self.output))

    @property
    def cache_elements(self) -> int:
        """K and V of every KV head."""
        return 0 if self.shares_cache else self.kv_heads * (self.qk_dim + self.v_dim)

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Query heads; KV heads are divided, or copied where there are more ranks."""
        return ((self.heads, "attention heads"),)

    @property
    def cache_heads(self) -> int:
        """KV heads; copied beyond them."""
        return self.kv_heads

    def copied(self, ways: int) -> GroupedQueryAttention:
        """With a KV head for every rank (vLLM's QKVParallelLinear, SGLang's too)."""
        held = Block.copied(self, ways)
        return replace(held, kv_heads=max(self.kv_heads, ways))

    @property
    def summed_inside(self) -> int:
        """A sum of squares of Q and one of K, in fp32."""
        return 4 if self.normed_together else 0

    @property
    def cache_spans(self) -> tuple[Span, ...]:
        """All tokens, or the window."""
        return (Span(self.visibility.window or self.visibility.chunk),)

    @property
    def elementwise_elements(self) -> int:
        """Rotary embedding: Q and K read and written."""
        return 2 * self.qk_dim * (self.heads + self.kv_heads)

    @property
    def windows(self) -> tuple[int, ...]:
        """Where the cache read stops growing."""
        edge = self.visibility.most or self.visibility.chunk
        return (edge,) if edge else ()

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """QKV projection, attention, output projection."""
        core = attention(
            self.visibility.named("attention"),
            step,
            heads=self.heads,
            kv_heads=self.kv_heads,
            qk_dim=self.qk_dim,
            v_dim=self.v_dim,
            cache=cache,
            visibility=self.visibility,
            sinks=self.sinks,
        )
        if not self.causal:
            window = self.visibility.window
            reach = None if window is None else window // 2
            core = both_ways(core, step, self.heads, self.qk_dim + self.v_dim, reach)
        return (
            *matmul("qkv_proj", self.inputs, step.tokens),
            core,
            *matmul("o_proj", (self.output,), step.tokens, "row"),
        )


@dataclass(frozen=True, slots=True)
class FactoredQueryAttention(GroupedQueryAttention):
    """With a query that passes a narrower space (Step-3)."""

    query: Linear = Linear("wq", 0, 0)
    """From it to all heads."""

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """The query's second matrix too."""
        return (*((1, each) for each in (*self.inputs, self.query)), (1, self.output))

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """Both projections of the query."""
        first, *others = GroupedQueryAttention.ops(self, step, cache)
        return (first, *matmul("q_proj", (self.query,), step.tokens), *others)


def read(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    rule: Rule | None = None,
    bias_key: str = "attention_bias",
    bias_default: bool = False,
    qkv_bias: bool | None = None,
    out_bias: bool | None = None,
    qk_norm: QkNorm = "none",
    norm_bias: bool = False,
    sinks: bool = False,
    gated_query: bool = False,
    heads: int | None = None,
    kv_heads: int | None = None,
    head_dim: int | None = None,
    v_dim: int | None = None,
    visibility: Visibility | None = None,
    vectors: int = 0,
) -> GroupedQueryAttention:
    """Attention of a layer as most families spell it.

    Biases follow `bias_key` unless `qkv_bias` or `out_bias` fixes them; `rule` says which layers
    are windowed where the config has no layer_types; `gated_query`: q_proj is twice as wide.
    """
    hidden = hidden_size(config)
    heads = heads or attention_heads(config)
    kv_heads = kv_heads or kv_head_count(config, heads)
    if heads % kv_heads:
        raise config.error(
            f"{kv_heads} KV heads do not divide {heads} query heads", "num_key_value_heads"
        )
    head_dim = head_dim or head_size(config, hidden, heads)
    v_dim = v_dim or config.optional_integer("v_head_dim") or head_dim
    if qkv_bias is None or out_bias is None:
        flag = config.flag(bias_key, default=bias_default)
        qkv_bias = flag if qkv_bias is None else qkv_bias
        out_bias = flag if out_bias is None else out_bias
    if qk_norm != "none":
        config.keys_read.update(("use_qk_norm", "qk_norm_type"))  # they say what the family does
    norm = {"none": 0, "head": 2, "per_head": heads + kv_heads, "whole": heads + kv_heads}[qk_norm]
    return GroupedQueryAttention(
        heads,
        kv_heads,
        head_dim,
        v_dim,
        (
            scope.linear("q_proj", hidden, heads * head_dim * (1 + gated_query), bias=qkv_bias),
            scope.linear("k_proj", hidden, kv_heads * head_dim, bias=qkv_bias, parts=kv_heads),
            scope.linear("v_proj", hidden, kv_heads * v_dim, bias=qkv_bias, parts=kv_heads),
        ),
        scope.linear("o_proj", heads * v_dim, hidden, bias=out_bias),
        windows.visibility_of(config, layer, rule) if visibility is None else visibility,
        norm * head_dim * (1 + norm_bias) + (heads if sinks else 0) + vectors,
        sinks=sinks,
        normed_together=qk_norm == "whole",
    )


def with_gate(
    config: Config,
    scope: Scope,
    block: GroupedQueryAttention,
    name: str = "gate_proj",
    *,
    per_head: bool = False,
) -> GroupedQueryAttention:
    """With a gate on what it puts out: a number an element, or a head."""
    width = block.heads if per_head else block.heads * block.v_dim
    gate = scope.linear(name, hidden_size(config), width)
    return replace(block, inputs=(*block.inputs, gate))


def norm_if(config: Config, key: str, kind: QkNorm, *, default: bool) -> QkNorm:
    """QK norms of `kind` where the flag `key` asks for them."""
    return kind if config.flag(key, default=default) else "none"


def hidden_size(config: Config) -> int:
    """Width of the residual stream."""
    return config.integer(
        "hidden_size", "n_embd", "d_model", "n_embed", "dim", "model_dim", "emb_dim"
    )


def attention_heads(config: Config) -> int:
    """Query heads."""
    return config.integer("num_attention_heads", "n_head", "n_heads", "num_heads")


def kv_head_count(config: Config, heads: int) -> int:
    """KV heads; as many as query heads when the config has no word for them (MHA)."""
    return (
        config.optional_integer(
            "num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num"
        )
        or heads
    )


def head_size(config: Config, hidden: int, heads: int) -> int:
    """head_dim where the config states one (Qwen3-4B: 128, not 2560 / 32), else hidden / heads."""
    stated = config.optional_integer("head_dim", "kv_channels", "attention_head_dim")
    if stated is not None:
        return stated
    if hidden % heads:
        raise config.error(
            f"{heads} heads do not divide hidden_size {hidden}, and there is no head_dim",
            "num_attention_heads",
        )
    return hidden // heads
