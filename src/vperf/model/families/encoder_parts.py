"""What encoders are made of: BERT's attention and MLP, its tables of embeddings, and what stands on
the layers.

What stands there (pooler, scores, a masked-LM head) is that of the class that `architectures`
names; a masked-LM head is stored and not run, for a text's embedding has no use for it. Not here:
which family is made of what (encoder.py, encoder_layers.py).
"""

from __future__ import annotations

from collections.abc import Callable

from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.dense import DenseMlp
from vperf.model.blocks.encoder_decoder import EncoderAttention
from vperf.model.blocks.gqa import attention_heads, hidden_size
from vperf.model.blocks.projection import Dormant, Projections
from vperf.model.checkpoint import Config
from vperf.model.families.family import Family
from vperf.model.families.keys import refuse, understood
from vperf.model.heads import Head
from vperf.model.ops import Linear

Tables = tuple[tuple[int, int], ...]
"""(rows, width) of embeddings beside the words'."""


def vectors(total: int) -> Linear:
    """Norms or biases as if they were a matrix of one column."""
    return Linear("vectors", 1, total)


def stored(name: str, *linears: Linear) -> Dormant:
    """Matrices that a text's step does not run, or whose work is not timed."""
    return Dormant(Projections(name, tuple((linear,) for linear in linears)))


# --- Attention and MLP --------------------------------------------------------------------------


def width_of_heads(config: Config) -> tuple[int, int]:
    """Heads, and the width of each, which divide the layers' width."""
    hidden, heads = hidden_size(config), attention_heads(config)
    if hidden % heads:
        raise config.error(f"{heads} heads do not divide a width of {hidden}", "hidden_size")
    return heads, hidden // heads


def read_attention(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    bias: bool = True,
    reach: int | None = None,
    vectors: int = 0,
) -> EncoderAttention:
    """q, k, v and o of the width of the layers."""
    refuse(config, "is_decoder", "add_cross_attention", "use_qk_norm")
    hidden, (heads, dim) = hidden_size(config), width_of_heads(config)
    return EncoderAttention(
        heads, dim,
        tuple(
            scope.linear(name, hidden, hidden, bias=bias) for name in ("query", "key", "value")
        ),
        scope.linear("dense", hidden, hidden, bias=bias),
        vectors, None, reach, "",
    )  # fmt: skip


def read_mlp(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    gated: bool = False,
    up_bias: bool = True,
    down_bias: bool = True,
    groups: tuple[str, str] | None = None,
) -> DenseMlp:
    """Biases by matrix; `groups`: keys of the groups of channels that each matrix mixes."""
    hidden = hidden_size(config)
    width = config.optional_integer("intermediate_size", "hidden_dim", "n_inner") or 4 * hidden
    up, down = (read_groups(config, key) for key in groups) if groups else (1, 1)
    names = ("gate_proj", "up_proj") if gated else ("intermediate",)
    return DenseMlp(
        tuple(scope.linear(name, hidden // up, width, bias=up_bias) for name in names),
        scope.linear("output", width // down, hidden, bias=down_bias),
    )


def read_groups(config: Config, key: str) -> int:
    """Groups of channels, which divide the layers' width."""
    groups = config.integer(key)
    if hidden_size(config) % groups:
        raise config.error(f"{groups} groups do not divide the channels", key)
    return groups


# --- Tables before the layers -------------------------------------------------------------------


def read_tables(
    config: Config,
    scope: Scope,
    *,
    positions: int | None = 0,
    types: bool = True,
    more: Callable[[Config], Tables] | None = None,
    width_key: str = "hidden_size",
) -> tuple[Linear, ...]:
    """Positions (`positions` more than the longest context; None: none are learned), token types
    and `more` tables."""
    width = config.optional_integer(width_key) or hidden_size(config)
    kind = config.text("position_embedding_type", default="absolute")
    if kind not in {"absolute", "rotary", "rope", "alibi"}:
        raise config.unsupported(f"{kind[:40]!r} is not understood", "position_embedding_type")
    learned = positions is not None and kind == "absolute"
    longest = config.optional_integer("max_position_embeddings", "n_positions")
    if learned and longest is None:
        raise config.error("missing; it is needed", "max_position_embeddings")
    kinds = config.optional_integer("type_vocab_size", minimum=0) if types else 0
    tables = (
        ((longest or 0) + (positions or 0) if learned else 0, width), (kinds or 0, width),
        *(more(config) if more else ()),
    )  # fmt: skip
    return tuple(
        scope.linear(f"embeddings.{number}", columns, rows, kind="embedding")
        for number, (rows, columns) in enumerate(tables)
        if rows
    )


def read_mapping(
    config: Config, scope: Scope, *, key: str, bias: bool = True, always: bool = False
) -> tuple[Block, ...]:
    """From the embedding's width to that of the layers, where they differ."""
    hidden = hidden_size(config)
    width = config.optional_integer(key) or hidden
    if width == hidden and not always:
        return ()
    mapping = scope.linear("embedding_mapping", width, hidden, bias=bias)
    return (Projections("embedding", ((mapping,),)),)


def norm_of(config: Config, *, key: str = "hidden_size") -> int:
    """Elements of a LayerNorm over the embedding."""
    return 2 * (config.optional_integer(key) or hidden_size(config))


# --- What stands on the layers ------------------------------------------------------------------


Masked = Callable[[Config, Scope], tuple[Linear, ...]]


def masked_head(
    config: Config,
    scope: Scope,
    *,
    width_key: str = "hidden_size",
    biases: int = 2,
    ties: bool | None = None,
) -> tuple[Linear, ...]:
    """A layer to the embedding's width, a norm, and the embedding again, untied where the config
    says so."""
    width = config.optional_integer(width_key) or hidden_size(config)
    first = scope.linear("transform", hidden_size(config), width, bias=True, kind="head")
    decoder = masked_decoder(config, scope, width, biases=biases, ties=ties)
    return (first, vectors(2 * width), *decoder)


def masked_decoder(
    config: Config,
    scope: Scope,
    width: int | None = None,
    *,
    biases: int,
    ties: bool | None = None,
) -> tuple[Linear, ...]:
    """The embedding again with a bias. Untied it has `biases`: that of the matrix is one more than
    that of the head, which are one where the matrix is the embedding."""
    vocab, width = config.integer("vocab_size"), width or hidden_size(config)
    tied = config.flag("tie_word_embeddings", default=True)
    if tied if ties is None else ties:
        return (vectors(vocab),) if biases else ()
    bias = (vectors(biases * vocab),) if biases else ()
    return (scope.linear("decoder", width, vocab, kind="head"), *bias)


def read_top(
    config: Config,
    scope: Scope,
    head: Head,
    *,
    pooler: bool = True,
    first: bool = True,
    masked: Masked = masked_head,
    pools_always: bool = False,
) -> tuple[Block, ...]:
    """A pooler of the base model, where its class has one and `add_pooling_layer` keeps it; scores,
    of a sequence behind a layer of hidden width (`first`); a masked-LM head, which is not run."""
    hidden = hidden_size(config)
    understood(config, "pooler_hidden_size")
    pooler = config.flag("add_pooling_layer", default=True) and pooler
    if head.kind == "pretraining":
        raise config.unsupported("the heads of pre-training are not understood", "architectures")
    if head.kind == "labels":
        scores = scope.linear("score", hidden, head.labels, bias=True, kind="head")
        behind = first and not head.of_tokens
        chain = ((_pool(config, scope),), (scores,)) if behind else ((scores,),)
        return (Projections("classifier", chain, pooled=not head.of_tokens),)
    pooled = pooler if head.kind == "none" else pools_always
    below = (Projections("pooled", ((_pool(config, scope),),), pooled=True),) if pooled else ()
    if head.kind == "none":
        return below
    return (*below, stored("masked_lm", *masked(config, scope)))


def _pool(config: Config, scope: Scope) -> Linear:
    hidden = hidden_size(config)
    return scope.linear("pooler", hidden, hidden, bias=True)


def bert(
    *names: str,
    attention: Callable[..., Block] = read_attention,
    mlp: Callable[..., Block] = read_mlp,
    rows: Callable[[Config, Scope], tuple[Linear, ...]] = read_tables,
    top: Callable[[Config, Scope, Head], tuple[Block, ...]] = read_top,
    extra: Callable[[Config], int] | None = norm_of,
    layer: Callable[[Config, int, Scope], tuple[Block, ...]] | None = None,
    outside: Callable[[Config, Scope], tuple[Block, ...]] | None = None,
    width: str = "word_embed_proj_dim",
    final_norm: int = 0,
    norms: int = 2,
    norm_bias: bool = True,
    unused: int = 0,
    assumptions: tuple[str, ...] = (),
) -> Family:
    """BERT but for what is given: LayerNorms with a bias around attention and MLP, one over the
    embedding, learned positions."""
    return Family(
        names, attention, mlp, "attention", norms=norms, norm_bias=norm_bias,
        final_norm=final_norm, extra_parameters=extra, lookups=rows, encodes=top, layer=layer,
        outside=outside, embedding_width=width, unused_positions=unused, assumptions=assumptions,
    )  # fmt: skip


NOT_TIMED = "{} is not timed: the figures are of the layers without it"
