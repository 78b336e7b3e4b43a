"""Multi-head latent attention (DeepSeek-V2 and later): one small latent per token is cached.

Decode runs the absorbed form over the latent (score width kv_lora_rank + rope, value width
kv_lora_rank, one "head" of cache); prefill expands K and V and runs ordinary attention
(nope + rope, v). The form with fewer FLOPs for the step is taken: absorbing a prefill would cost
3.4 times the attention FLOPs, expanding a decode would redo kv_b for the whole cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vperf.formats import Format
from vperf.model.affine import Q
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import attention_heads, hidden_size
from vperf.model.cache import Span
from vperf.model.checkpoint import Config
from vperf.model.ops import (
    FULL,
    Coordinates,
    Linear,
    Step,
    Visibility,
    Work,
    attention,
    matmul,
    seen_keys,
)
from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class LatentAttention(Block):
    """Dims: `latent` = kv_lora_rank, `rope` shared by all heads, `nope` and `v_dim` per head."""

    heads: int
    latent: int
    rope: int
    nope: int
    v_dim: int
    inputs: tuple[Linear, ...]
    """q_a (or a full q_proj) and kv_a: they share the layer's input."""
    q_b: Linear | None
    kv_b: Linear
    output: Linear
    vectors: int = 0
    visibility: Visibility = FULL

    @property
    def part(self) -> str:
        """What its weights are counted as."""
        return "attention"

    def in_words(self) -> str:
        """What it is."""
        seen = self.visibility.in_words()
        return f"MLA {self.heads} heads, latent {self.latent} + {self.rope}{seen}"

    @property
    def linears(self) -> tuple[tuple[int, Linear], ...]:
        """q_a, q_b, kv_a, kv_b, o."""
        middle = (self.q_b, self.kv_b) if self.q_b else (self.kv_b,)
        return tuple((1, linear) for linear in (*self.inputs, *middle, self.output))

    @property
    def cache_elements(self) -> int:
        """The latent and the shared rotary key."""
        return self.latent + self.rope

    @property
    def divided(self) -> tuple[tuple[int, str], ...]:
        """Query heads; the latent is on every rank."""
        return ((self.heads, "attention heads"),)

    @property
    def cache_spans(self) -> tuple[Span, ...]:
        """All tokens, or the window."""
        return (Span(self.visibility.window),)

    @property
    def elementwise_elements(self) -> int:
        """Rotary over the rope part, norms over the latents."""
        return 2 * self.rope * (self.heads + 1) + 2 * sum(w.out_features for w in self.inputs)

    @property
    def windows(self) -> tuple[int, ...]:
        """Where attention reads no more keys."""
        return (self.visibility.most,) if self.visibility.most else ()

    def absorbs(self, step: Step) -> bool:
        """Whether the absorbed form is the cheaper one for this step."""
        pairs = self.visibility.pairs(step.new, step.past)
        absorbed = pairs * (2 * self.latent + self.rope) + step.new * self._expansion
        visibility = self._expanded_visibility
        expanded = (
            visibility.pairs(step.new, step.past) * (self.nope + self.rope + self.v_dim)
            + (step.new + visibility.cached_keys(step.past)) * self._expansion
        )
        return absorbed < expanded

    @property
    def _expanded_visibility(self) -> Visibility:
        # Every query picks other keys: the expanded form must expand them all (and masks).
        return FULL if self.visibility.top else self.visibility

    @property
    def _expansion(self) -> int:
        """Multiply-adds per head that kv_b costs for one token."""
        return self.latent * (self.nope + self.v_dim)

    def ops(self, step: Coordinates[Q], cache: Format) -> tuple[Work[Q], ...]:
        """The work of the cheaper form."""
        return self.form(step, cache, absorbs=step.case(_absorbs, self))

    def form(self, step: Coordinates[Q], cache: Format, *, absorbs: bool) -> tuple[Work[Q], ...]:
        """Low-rank projections, kv_b (absorbed or expanding), attention, output projection."""
        visibility = self.visibility if absorbs else self._expanded_visibility
        cached = step.fact(seen_keys, visibility)
        name = visibility.named("attention")
        core = attention(
            name,
            step,
            heads=self.heads,
            kv_heads=1 if absorbs else self.heads,
            qk_dim=self.latent + self.rope if absorbs else self.nope + self.rope,
            v_dim=self.latent if absorbs else self.v_dim,
            cache=cache,
            visibility=visibility,
            keys_shared=absorbs,
        )
        # Whichever form computes, what memory holds is the latent of every cached token.
        core = replace(
            core,
            kind="mla" if absorbs else "attention",
            cache_bytes=cached * self.cache_elements * cache.bytes_per_element,
            decode=absorbs,
        )
        return (
            *matmul("qkv_a_proj", self.inputs, step.tokens),
            *(matmul("q_b_proj", (self.q_b,), step.tokens) if self.q_b else ()),
            *_of_keys(
                matmul(
                    "kv_b_proj[absorbed]" if absorbs else "kv_b_proj",
                    (self.kv_b,),
                    step.tokens if absorbs else step.tokens + cached,
                ),
                not absorbs,
            ),
            core,
            *matmul("o_proj", (self.output,), step.tokens, "row"),
        )


def _of_keys(works: Iterable[Work[Q]], expands: bool) -> Iterable[Work[Q]]:
    return (replace(work, of_keys=True) for work in works) if expands else works


def _absorbs(step: Step, block: LatentAttention) -> bool:
    return block.absorbs(step)


_LAYER_TYPES = frozenset(
    {"full_attention", "attention", "indexed_attention", "deepseek_sparse_attention"}
)


def read(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    visibility: Visibility = FULL,
    v_dim: int | None = None,
    rotates: bool = True,
) -> LatentAttention:
    """MLA as DeepSeek, Kimi, GLM and MiniCPM3 spell it; head_dim and KV heads are ignored there.

    Not `rotates`: all of the query and key is without positions (Mistral Large 4).
    """
    kind = config.string_at(layer, "layer_types")
    if kind is not None and kind not in _LAYER_TYPES and not visibility.window:
        raise config.unsupported(
            f"MLA in a layer of type {kind[:40]!r} is not supported", f"layer_types[{layer}]"
        )
    hidden = hidden_size(config)
    heads = attention_heads(config)
    latent = config.integer("kv_lora_rank")
    rope = config.integer("qk_rope_head_dim", minimum=0)
    config.keys_read.update(("head_dim", "num_key_value_heads"))  # of no meaning here
    nope = config.integer("qk_nope_head_dim")
    if not rotates:
        nope, rope = nope + rope, 0
    v_dim = v_dim or config.integer("v_head_dim")
    q_rank = config.optional_integer("q_lora_rank", minimum=0)
    bias = config.flag("attention_bias", default=False)
    kv_a = scope.linear("kv_a_proj_with_mqa", hidden, latent + rope, bias=bias, parts=1)
    q_out = heads * (nope + rope)
    if q_rank:
        first = scope.linear("q_a_proj", hidden, q_rank, bias=bias, parts=1)
        second = scope.linear("q_b_proj", q_rank, q_out)
    else:  # DeepSeek-V2-Lite: no low-rank query
        first, second = scope.linear("q_proj", hidden, q_out), None
    return LatentAttention(
        heads,
        latent,
        rope,
        nope,
        v_dim,
        (first, kv_a),
        second,
        scope.linear("kv_b_proj", latent, heads * (nope + v_dim)),
        scope.linear("o_proj", heads * v_dim, hidden, bias=bias),
        (q_rank or 0) + latent,
        visibility,
    )
