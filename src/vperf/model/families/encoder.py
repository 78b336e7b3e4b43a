"""Encoders: BERT and its kin. They read a text both ways and generate no token.

What stands on the layers (pooler, scores, a masked-LM head) is that of the class that
`architectures` names; a masked-LM head is stored and not run, for a text's embedding has no use for
it. The differences are those of the transformers classes (release 5.24), checked against exact
parameter counts in the tests, and of Hub code where it is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from vperf.model.blocks import dense
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.dense import DenseMlp
from vperf.model.blocks.encoder_decoder import EncoderAttention
from vperf.model.blocks.gqa import attention_heads, head_size, hidden_size, kv_head_count
from vperf.model.blocks.projection import Dormant, Projections
from vperf.model.blocks.wrapper import Again
from vperf.model.checkpoint import MAX_LAYERS, Config
from vperf.model.families.family import Family
from vperf.model.families.keys import refuse, understood
from vperf.model.heads import Head
from vperf.model.ops import Linear

Tables = tuple[tuple[int, int], ...]
"""(rows, width) of embeddings beside the words'."""


def _vectors(total: int) -> Linear:
    """Norms or biases as if they were a matrix of one column."""
    return Linear("vectors", 1, total)


def _stored(name: str, *linears: Linear) -> Dormant:
    """Matrices that a text's step does not run, or whose work is not timed."""
    return Dormant(Projections(name, tuple((linear,) for linear in linears)))


# --- Attention and MLP --------------------------------------------------------------------------


def _width_of_heads(config: Config) -> tuple[int, int]:
    hidden, heads = hidden_size(config), attention_heads(config)
    if hidden % heads:
        raise config.error(f"{heads} heads do not divide a width of {hidden}", "hidden_size")
    return heads, hidden // heads


def _attention(
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
    hidden, (heads, dim) = hidden_size(config), _width_of_heads(config)
    return EncoderAttention(
        heads, dim,
        tuple(
            scope.linear(name, hidden, hidden, bias=bias) for name in ("query", "key", "value")
        ),
        scope.linear("dense", hidden, hidden, bias=bias),
        vectors, None, reach, "",
    )  # fmt: skip


def _llama_attention(
    config: Config, layer: int, scope: Scope, *, norms: bool = False
) -> EncoderAttention:
    """GQA, head_dim, biases and windows by Llama's keys; `norms`: over all of q and of k."""
    hidden, heads = hidden_size(config), attention_heads(config)
    kv_heads, dim = kv_head_count(config, heads), head_size(config, hidden, heads)
    if heads % kv_heads:
        raise config.error(f"{kv_heads} do not divide {heads} heads", "num_key_value_heads")
    if norms and heads * dim != hidden:
        raise config.error(f"{heads} heads of it are not {hidden} wide", "head_dim")
    bias = config.flag("attention_bias", default=False)
    near = config.string_at(layer, "layer_types") == "sliding_attention"
    return EncoderAttention(
        heads, dim,
        (
            scope.linear("q_proj", hidden, heads * dim, bias=bias),
            scope.linear("k_proj", hidden, kv_heads * dim, bias=bias, parts=kv_heads),
            scope.linear("v_proj", hidden, kv_heads * dim, bias=bias, parts=kv_heads),
        ),
        scope.linear("o_proj", heads * dim, hidden, bias=bias),
        (heads + kv_heads) * dim if norms else 0, None if kv_heads == heads else kv_heads,
        config.integer("sliding_window") if near else None, "",
    )  # fmt: skip


def _mlp(
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
    up, down = (_grouped(config, key) for key in groups) if groups else (1, 1)
    names = ("gate_proj", "up_proj") if gated else ("intermediate",)
    return DenseMlp(
        tuple(scope.linear(name, hidden // up, width, bias=up_bias) for name in names),
        scope.linear("output", width // down, hidden, bias=down_bias),
    )


def _grouped(config: Config, key: str) -> int:
    groups = config.integer(key)
    if hidden_size(config) % groups:
        raise config.error(f"{groups} groups do not divide the channels", key)
    return groups


# --- Tables before the layers -------------------------------------------------------------------


def _rows(
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


def _mapping(
    config: Config, scope: Scope, *, key: str, bias: bool = True, always: bool = False
) -> tuple[Block, ...]:
    """From the embedding's width to that of the layers, where they differ."""
    hidden = hidden_size(config)
    width = config.optional_integer(key) or hidden
    if width == hidden and not always:
        return ()
    mapping = scope.linear("embedding_mapping", width, hidden, bias=bias)
    return (Projections("embedding", ((mapping,),)),)


def _norm(config: Config, *, key: str = "hidden_size") -> int:
    """Elements of a LayerNorm over the embedding."""
    return 2 * (config.optional_integer(key) or hidden_size(config))


# --- What stands on the layers ------------------------------------------------------------------

Masked = Callable[[Config, Scope], tuple[Linear, ...]]


def _masked(
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
    decoder = _decoder(config, scope, width, biases=biases, ties=ties)
    return (first, _vectors(2 * width), *decoder)


def _decoder(
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
        return (_vectors(vocab),) if biases else ()
    bias = (_vectors(biases * vocab),) if biases else ()
    return (scope.linear("decoder", width, vocab, kind="head"), *bias)


def _top(
    config: Config,
    scope: Scope,
    head: Head,
    *,
    pooler: bool = True,
    first: bool = True,
    masked: Masked = _masked,
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
    return (*below, _stored("masked_lm", *masked(config, scope)))


def _pool(config: Config, scope: Scope) -> Linear:
    hidden = hidden_size(config)
    return scope.linear("pooler", hidden, hidden, bias=True)


def _bert(
    *names: str,
    attention: Callable[..., Block] = _attention,
    mlp: Callable[..., Block] = _mlp,
    rows: Callable[[Config, Scope], tuple[Linear, ...]] = _rows,
    top: Callable[[Config, Scope, Head], tuple[Block, ...]] = _top,
    extra: Callable[[Config], int] | None = _norm,
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


_NOT_TIMED = "{} is not timed: the figures are of the layers without it"

# --- Gated MLPs under BERT's and Nomic's names ----------------------------------------------------


def _jina_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """JinaBERT's model_type is bert; its gated MLP goes by a key (modeling_bert.py of
    jinaai/jina-bert-implementation)."""
    if config.text("feed_forward_type", default="original").endswith("glu"):
        return _mlp(config, layer, scope, gated=True, up_bias=False)
    return _mlp(config, layer, scope)


def _nomic_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """By transformers' keys, or by those of nomic-ai's own code."""
    refuse(config, "num_experts", "num_local_experts")
    gated = "glu" in config.text("activation_function", default="swiglu")
    return _mlp(
        config, layer, scope, gated=gated,
        up_bias=config.flag("mlp_fc1_bias", default=False),
        down_bias=config.flag("mlp_fc2_bias", default=False),
    )  # fmt: skip


def _nomic_attention(config: Config, layer: int, scope: Scope) -> Block:
    refuse(config, "prenorm", "parallel_block", "use_rms_norm")
    hidden, heads = hidden_size(config), attention_heads(config)
    dim = head_size(config, hidden, heads)
    bias = config.flag("qkv_proj_bias", default=False)
    inputs = tuple(
        scope.linear(name, hidden, heads * dim, bias=bias) for name in ("query", "key", "value")
    )
    output = scope.linear("dense", heads * dim, hidden, bias=bias)
    return EncoderAttention(heads, dim, inputs, output, half="")


def _gte_attention(config: Config, layer: int, scope: Scope) -> Block:
    """Alibaba's `new` says how its code computes what it computes anyway."""
    understood(config, "layer_norm_type", "logn_attention_clip1", "pack_qkv")
    return _attention(config, layer, scope)


# --- ModernBERT: rotary, windows, no biases -------------------------------------------------------


def _modern_norm(config: Config) -> int:
    return hidden_size(config) * (1 + config.flag("norm_bias", default=False))


def _modern_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """The first layer's attention has no norm of its own: the embedding's is before it."""
    kind = config.string_at(layer, "layer_types")
    if kind is None:
        every = config.optional_integer("global_attn_every_n_layers") or 3
        kind = "sliding_attention" if layer % every else "full_attention"
    understood(config, "global_attn_every_n_layers", "local_attention")
    attention = _attention(
        config, layer, scope.child("attn"), bias=config.flag("attention_bias", default=False),
        reach=config.integer("local_attention") // 2 if kind == "sliding_attention" else None,
        vectors=_modern_norm(config) if layer else 0,
    )  # fmt: skip
    bias = config.flag("mlp_bias", default=False)
    mlp = _mlp(config, layer, scope.child("mlp"), gated=True, up_bias=bias, down_bias=bias)
    return attention, replace(mlp, vectors=_modern_norm(config))


def _modern_top(config: Config, scope: Scope, head: Head) -> tuple[Block, ...]:
    """A layer and a norm before scores of any kind and before the masked-LM head."""
    understood(config, "sparse_prediction")
    hidden, bias = hidden_size(config), config.flag("classifier_bias", default=False)
    if head.kind == "none":
        return ()
    of_masked = config.flag("decoder_bias", default=True)
    first = scope.linear("head", hidden, hidden, bias=bias)
    if head.kind == "labels":
        scores = scope.linear("score", hidden, head.labels, bias=True, kind="head")
        chain = ((first,), (scores,))
        return (Projections("classifier", chain, _modern_norm(config), pooled=not head.of_tokens),)
    norm = _vectors(_modern_norm(config))
    decoder = _decoder(config, scope, biases=int(of_masked))
    return (_stored("masked_lm", first, norm, *decoder),)


# --- DeBERTa: positions relative to each other ---------------------------------------------------


def _relative(config: Config) -> tuple[bool, frozenset[str]]:
    refuse(config, "talking_head")
    kinds = config.raw("pos_att_type")
    if isinstance(kinds, str):
        kinds = kinds.lower().split("|")
    if not isinstance(kinds, list | tuple | None):
        raise config.error("must be a list of strings", "pos_att_type")
    understood(config, "max_relative_positions", "position_buckets", "share_att_key")
    return config.flag("relative_attention", default=False), frozenset(map(str, kinds or ()))


def _deberta_attention(config: Config, layer: int, scope: Scope, *, second: bool) -> Block:
    """The first has no bias of k; the second may have other heads than the layers are wide."""
    attention = _attention(config, layer, scope)
    if not second:
        query, key, value = attention.inputs
        return replace(attention, inputs=(query, replace(key, bias=False), value))
    stated = config.optional_integer("attention_head_size")
    if stated not in {None, attention.head_dim}:
        raise config.unsupported("is not hidden_size / num_attention_heads", "attention_head_size")
    return attention


def _deberta_layer(config: Config, layer: int, scope: Scope, *, second: bool) -> tuple[Block, ...]:
    hidden, (relative, kinds) = hidden_size(config), _relative(config)
    attention = _deberta_attention(config, layer, scope.child("attention"), second=second)
    found: list[Linear] = []
    if relative and not (second and config.flag("share_att_key", default=False)):
        if "c2p" in kinds:
            found.append(scope.linear("pos_key_proj", hidden, hidden, bias=second))
        if "p2c" in kinds:
            found.append(scope.linear("pos_query_proj", hidden, hidden, bias=True))
    kernel = config.optional_integer("conv_kernel_size", minimum=0) if second else None
    if kernel and layer == 0:
        groups = config.optional_integer("conv_groups") or 1
        found.append(scope.linear("conv", kernel * hidden // groups, hidden, bias=True))
        found.append(_vectors(2 * hidden))
    understood(config, "conv_kernel_size", "conv_groups", "conv_act")
    more = (_stored("relative", *found),) if found else ()
    return (attention, *more, _mlp(config, layer, scope.child("mlp")))


def _deberta_extra(config: Config, *, second: bool) -> int:
    """The norm over the embedding, and the table of relative positions with its norm."""
    hidden, (relative, _) = hidden_size(config), _relative(config)
    total = 2 * hidden
    if not relative:
        return total
    stated = config.number("max_relative_positions", default=-1)
    reach = int(stated) if stated >= 1 else config.integer("max_position_embeddings")
    buckets = config.number("position_buckets", default=-1) if second else -1
    total += 2 * (int(buckets) if buckets > 0 else reach) * hidden
    if second and "layer_norm" in config.text("norm_rel_ebd", default="none"):
        total += 2 * hidden
    return total


def _deberta_rows(config: Config, scope: Scope) -> tuple[Linear, ...]:
    biased = config.flag("position_biased_input", default=True)
    return _rows(config, scope, positions=0 if biased else None, width_key="embedding_size")


def _deberta(name: str, *, second: bool) -> Family:
    return _bert(
        name, layer=partial(_deberta_layer, second=second), rows=_deberta_rows,
        extra=partial(_deberta_extra, second=second), width="embedding_size",
        top=partial(_top, pooler=False, masked=_deberta_masked),
        outside=partial(_mapping, key="embedding_size", bias=False),
        assumptions=(_NOT_TIMED.format("the part of its attention that reads relative positions"),),
    )  # fmt: skip


def _deberta_masked(config: Config, scope: Scope) -> tuple[Linear, ...]:
    if config.flag("legacy", default=True):
        return _masked(config, scope, width_key="embedding_size")
    return _masked(config, scope, ties=True)


# --- Layers that share their weights (ALBERT) ---------------------------------------------------


def _albert_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """The layers of a group are one set of weights; a group may hold several, run in a row."""
    groups, inner = config.integer("num_hidden_groups"), config.integer("inner_group_num")
    layers = config.layers()
    if groups > layers or inner > MAX_LAYERS:
        raise config.unsupported(f"{groups} groups of {layers} layers", "num_hidden_groups")
    hidden = hidden_size(config)
    blocks: tuple[Block, ...] = (
        _attention(config, layer, scope, vectors=2 * hidden),
        replace(_mlp(config, layer, scope), vectors=2 * hidden),
    ) * inner
    known = layer and groups * layer // layers == groups * (layer - 1) // layers
    return tuple(Again(block) for block in blocks) if known else blocks


# --- Convolutions, groups and adapters beside attention -----------------------------------------


def _convbert_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Half of the heads attend, the others are convolutions whose kernels the tokens choose."""
    hidden, heads = hidden_size(config), attention_heads(config)
    if config.integer("num_groups") > 1:
        raise config.unsupported("grouped MLPs are not understood", "num_groups")
    kept = max(1, heads // config.integer("head_ratio"))
    width, kernel = kept * (hidden // kept // 2), config.integer("conv_kernel_size")
    plain = _attention(config, layer, scope)
    attention = replace(
        plain, heads=kept, head_dim=width // kept,
        inputs=tuple(scope.linear(w.name, hidden, width, bias=True) for w in plain.inputs),
        vectors=kernel * hidden,
    )  # fmt: skip
    chain = (
        (scope.linear("pointwise", hidden, width, bias=True),),
        (scope.linear("conv_kernel", width, kept * kernel, bias=True),),
        (scope.linear("conv_out", hidden, width, bias=True),),
    )
    return attention, Projections("convolution", chain), _mlp(config, layer, scope)


def _squeezed(config: Config, layer: int, scope: Scope) -> Block:
    plain, hidden = _attention(config, layer, scope), hidden_size(config)
    keys = ("q_groups", "k_groups", "v_groups")
    return replace(
        plain,
        inputs=tuple(
            scope.linear(w.name, hidden // _grouped(config, key), hidden, bias=True)
            for w, key in zip(plain.inputs, keys, strict=True)
        ),
        output=scope.linear(
            "dense", hidden // _grouped(config, "post_attention_groups"), hidden, bias=True
        ),
    )


def _nystrom(config: Config, layer: int, scope: Scope) -> Block:
    """Every position sees the landmarks, which see every position."""
    kernel = config.optional_integer("conv_kernel_size", minimum=0) or 0
    reach = config.integer("num_landmarks")
    return _attention(config, layer, scope, reach=reach, vectors=attention_heads(config) * kernel)


def _hashed(config: Config, layer: int, scope: Scope) -> Block:
    window = config.optional_integer("conv_window", minimum=0) or 0
    return _attention(config, layer, scope, reach=64, vectors=attention_heads(config) * window)


def _near(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Longformer: a window, and projections of their own for tokens that see everything."""
    stated = config.raw("attention_window")
    if isinstance(stated, list | tuple):
        reach = config.integer_at(layer, "attention_window", minimum=2)
    else:
        reach = config.integer("attention_window", minimum=2)
    hidden = hidden_size(config)
    names = ("query_global", "key_global", "value_global")
    return (
        _attention(config, layer, scope, reach=(reach or 2) // 2),
        _stored("global", *(scope.linear(name, hidden, hidden, bias=True) for name in names)),
        _mlp(config, layer, scope),
    )


def _sparse(config: Config, layer: int, scope: Scope) -> Block:
    """BigBird: blocks near, first, last and at random."""
    kind = config.text("attention_type", default="block_sparse")
    attention = _attention(config, layer, scope)
    if not config.flag("use_bias", default=True):
        inputs = tuple(replace(w, bias=False) for w in attention.inputs)
        attention = replace(attention, inputs=inputs)
    if kind != "block_sparse":
        return attention
    blocks = 5 + config.integer("num_random_blocks", minimum=0)
    return replace(attention, reach=blocks * config.integer("block_size") // 2)


def _adapted(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """X-MOD: a bottleneck for each language, of which a text passes one."""
    hidden = hidden_size(config)
    width = hidden // config.integer("adapter_reduction_factor")
    languages = len(config.strings("languages") or ())
    chain = (
        (scope.linear("adapter_down", hidden, width, bias=True),),
        (scope.linear("adapter_up", width, hidden, bias=True),),
    )
    understood(config, "adapter_reuse_layer_norm", "ln_before_adapter", "default_language")
    norm = 2 * hidden if config.flag("adapter_layer_norm", default=False) else 0
    adapter = Projections("adapter", chain, norm)
    others = tuple(w for _ in range(languages - 1) for _, w in adapter.linears)
    return (
        _attention(config, layer, scope), _mlp(config, layer, scope), adapter,
        *((_stored("adapters", *others),) if others else ()),
    )  # fmt: skip


def _fourier_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    return (replace(_mlp(config, layer, scope), vectors=4 * hidden_size(config)),)


def _glyph_tables(config: Config) -> Tables:
    """RoCBERT: how a character sounds and looks."""
    return tuple(
        (config.integer(f"{what}_vocab_size"), config.integer(f"{what}_embed_dim"))
        for what in ("pronunciation", "shape")
    )


def _glyphs(config: Config, scope: Scope) -> tuple[Block, ...]:
    if not config.flag("concat_input", default=True):
        return ()
    hidden = width = hidden_size(config)
    for what in ("pronunciation", "shape"):
        if config.flag(f"enable_{what}", default=True):
            width += config.integer(f"{what}_embed_dim")
    return (Projections("embedding", ((scope.linear("map_inputs", width, hidden, bias=True),),)),)


def _page_tables(config: Config) -> Tables:
    """LayoutLM: where on the page a word is, and how large."""
    return ((config.integer("max_2d_position_embeddings"), hidden_size(config)),) * 4


def _table_tables(config: Config) -> Tables:
    """TAPAS: seven kinds of token types."""
    return tuple((rows, hidden_size(config)) for rows in config.integers("type_vocab_sizes") or ())


def _tasks(config: Config) -> Tables:
    if not config.flag("use_task_id", default=False):
        return ()
    return ((config.integer("task_type_vocab_size"), hidden_size(config)),)


def _sines(config: Config) -> Tables:
    """RoFormer stores the sines of its rotary positions."""
    _, dim = _width_of_heads(config)
    return ((config.integer("max_position_embeddings"), dim),)


def _languages(config: Config) -> Tables:
    refuse(config, "asm", "causal")
    count = config.integer("n_langs")
    used = config.flag("use_lang_emb", default=True) and count > 1
    return ((count, hidden_size(config)),) if used else ()


def _electra_top(config: Config, scope: Scope, head: Head) -> tuple[Block, ...]:
    """Trained to tell replaced tokens: a layer and one score a token."""
    if head.kind != "pretraining":
        masked = partial(_masked, width_key="embedding_size", biases=1)
        return _top(config, scope, head, pooler=False, masked=masked)
    hidden = hidden_size(config)
    chain = (
        (scope.linear("discriminator", hidden, hidden, bias=True),),
        (scope.linear("score", hidden, 1, bias=True, kind="head"),),
    )
    return (Projections("discriminator", chain),)


def _esm_extra(config: Config) -> int:
    """A norm over the embedding where it is asked for."""
    refuse(config, "is_folding_model")
    return _norm(config) if config.flag("emb_layer_norm_before", default=False) else 0


def _esm_top(config: Config, scope: Scope, head: Head) -> tuple[Block, ...]:
    """Beside them a regression of contacts from all attention maps."""
    contacts = config.layers() * attention_heads(config) + 1
    top = _top(config, scope, head, masked=partial(_masked, biases=1))
    return (*top, _stored("contacts", _vectors(contacts)))


def _rembert_masked(config: Config, scope: Scope) -> tuple[Linear, ...]:
    hidden, width = hidden_size(config), config.integer("output_embedding_size")
    return (
        scope.linear("transform", hidden, width, bias=True, kind="head"), _vectors(2 * width),
        scope.linear("decoder", width, config.integer("vocab_size"), bias=True, kind="head"),
    )  # fmt: skip


def _ultra_masked(config: Config, scope: Scope) -> tuple[Linear, ...]:
    hidden, width = hidden_size(config), config.integer("prediction_head_size")
    return (
        scope.linear("linear1", hidden, width), scope.linear("linear2", width, hidden),
        *_decoder(config, scope, biases=0),
    )  # fmt: skip


def _euro_masked(config: Config, scope: Scope) -> tuple[Linear, ...]:
    return _decoder(config, scope, biases=int(config.flag("mlp_bias", default=False)))


def _llama_mlp(config: Config, layer: int, scope: Scope) -> Block:
    return dense.read(config, layer, scope)


FAMILIES = (
    _bert("bert", mlp=_jina_mlp),
    _bert("roberta", "xlm-roberta", "camembert", "data2vec-text", "ibert", unused=2),
    _bert("distilbert", rows=partial(_rows, types=False),
          top=partial(_top, pooler=False, masked=partial(_masked, biases=1))),
    _bert("ernie", rows=partial(_rows, more=_tasks)),
    _bert("mpnet", unused=2, rows=partial(_rows, types=False), extra=lambda config: _norm(config)
          + config.integer("relative_attention_num_buckets") * attention_heads(config)),
    _bert("albert", layer=_albert_layer, norms=0, width="embedding_size",
          rows=partial(_rows, width_key="embedding_size"),
          extra=partial(_norm, key="embedding_size"),
          outside=partial(_mapping, key="embedding_size", always=True),
          top=partial(_top, masked=partial(_masked, width_key="embedding_size"))),
    _bert("electra", width="embedding_size", rows=partial(_rows, width_key="embedding_size"),
          extra=partial(_norm, key="embedding_size"), top=_electra_top,
          outside=partial(_mapping, key="embedding_size")),
    _deberta("deberta", second=False),
    _deberta("deberta-v2", second=True),
    _bert("modernbert", layer=_modern_layer, norms=0, rows=lambda config, scope: (),
          extra=lambda config: 2 * _modern_norm(config), top=_modern_top),
    _bert("nomic_bert", attention=_nomic_attention, mlp=_nomic_mlp,
          rows=partial(_rows, positions=None), top=partial(_top, pooler=False)),
    _bert("gte", "new", attention=_gte_attention,
          mlp=partial(_mlp, gated=True, up_bias=False), rows=partial(_rows, positions=None),
          top=partial(_top, pooler=False, masked=partial(_masked, biases=1))),
    _bert("jina_embeddings_v3", rows=partial(_rows, positions=None)),
    _bert("eurobert", attention=_llama_attention, mlp=_llama_mlp, norm_bias=False, final_norm=1,
          rows=lambda config, scope: (), extra=None,
          top=partial(_top, pooler=False, masked=_euro_masked)),
    _bert("ultrabert", attention=_llama_attention, mlp=_llama_mlp, norm_bias=False, final_norm=1,
          rows=lambda config, scope: (), extra=None,
          top=partial(_top, pooler=False, first=False, masked=_ultra_masked)),
    _bert("esmc", attention=partial(_llama_attention, norms=True), mlp=_llama_mlp,
          extra=hidden_size, rows=lambda config, scope: (),
          top=partial(_top, pooler=False, masked=partial(_masked, biases=1, ties=False))),
    _bert("esm", rows=partial(_rows, types=False), final_norm=1, extra=_esm_extra, top=_esm_top),
    _bert("roberta-prelayernorm", final_norm=1, unused=2),
    _bert("xlm-roberta-xl", final_norm=1, extra=None, unused=2),
    _bert("megatron-bert", final_norm=1, extra=None),
    _bert("clip_text_model", rows=partial(_rows, types=False), final_norm=1, extra=None,
          top=partial(_top, pooler=False)),
    _bert("tipsv2_text_model", rows=partial(_rows, positions=None, types=False), final_norm=1,
          extra=None, top=partial(_top, pooler=False)),
    _bert("xlm", "flaubert", rows=partial(_rows, types=False, more=_languages),
          top=partial(_top, pooler=False, first=False, masked=partial(_decoder, biases=1))),
    _bert("rembert", width="input_embedding_size",
          rows=partial(_rows, width_key="input_embedding_size"),
          extra=partial(_norm, key="input_embedding_size"),
          outside=partial(_mapping, key="input_embedding_size", always=True),
          top=partial(_top, masked=_rembert_masked)),
    _bert("roformer", width="embedding_size",
          rows=partial(_rows, positions=None, more=_sines, width_key="embedding_size"),
          extra=partial(_norm, key="embedding_size"),
          outside=partial(_mapping, key="embedding_size"),
          top=partial(_top, pooler=False, masked=partial(_masked, width_key="embedding_size"))),
    _bert("convbert", layer=_convbert_layer, width="embedding_size",
          rows=partial(_rows, width_key="embedding_size"),
          extra=partial(_norm, key="embedding_size"),
          outside=partial(_mapping, key="embedding_size"),
          top=partial(_top, pooler=False,
                      masked=partial(_masked, width_key="embedding_size", biases=1))),
    _bert("squeezebert", attention=_squeezed,
          mlp=partial(_mlp, groups=("intermediate_groups", "output_groups")),
          top=partial(_top, pools_always=True)),
    _bert("big_bird", attention=_sparse, top=partial(_top, pools_always=True)),
    _bert("longformer", layer=_near),
    _bert("nystromformer", attention=_nystrom, rows=partial(_rows, positions=2),
          top=partial(_top, pooler=False)),
    _bert("yoso", "mra", attention=_hashed, rows=partial(_rows, positions=2),
          top=partial(_top, pooler=False),
          assumptions=("its attention is an approximation: timed as 64 positions each way",)),
    _bert("xmod", layer=_adapted, extra=lambda config: _norm(config)
          * (1 + config.flag("pre_norm", default=False))),
    _bert("fnet", layer=_fourier_layer, norms=0,
          outside=partial(_mapping, key="hidden_size", always=True),
          top=partial(_top, pools_always=True),
          assumptions=(_NOT_TIMED.format("the Fourier transform"),)),
    _bert("roc_bert", rows=partial(_rows, more=_glyph_tables), outside=_glyphs),
    _bert("layoutlm", rows=partial(_rows, more=_page_tables),
          top=partial(_top, pools_always=True)),
    _bert("tapas", rows=partial(_rows, types=False, more=_table_tables)),
)  # fmt: skip
