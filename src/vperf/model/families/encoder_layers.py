"""Encoders whose layers are not BERT's: relative positions, windows, Llama's layers, convolutions,
sparse attention, adapters.

The differences are those of the transformers classes (release 5.24), checked against exact
parameter counts in the tests. Not here: the parts that they share (encoder_parts.py).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model.blocks import dense
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.encoder_decoder import EncoderAttention
from vperf.model.blocks.gqa import attention_heads, head_size, hidden_size, kv_head_count
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import Config
from vperf.model.families.encoder_parts import (
    NOT_TIMED,
    bert,
    masked_decoder,
    masked_head,
    norm_of,
    read_attention,
    read_groups,
    read_mapping,
    read_mlp,
    read_tables,
    read_top,
    stored,
    vectors,
)
from vperf.model.families.family import Family
from vperf.model.families.keys import refuse, understood
from vperf.model.heads import Head
from vperf.model.ops import Linear

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
    attention = read_attention(
        config, layer, scope.child("attn"), bias=config.flag("attention_bias", default=False),
        reach=config.integer("local_attention") // 2 if kind == "sliding_attention" else None,
        vectors=_modern_norm(config) if layer else 0,
    )  # fmt: skip
    bias = config.flag("mlp_bias", default=False)
    mlp = read_mlp(config, layer, scope.child("mlp"), gated=True, up_bias=bias, down_bias=bias)
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
    norm = vectors(_modern_norm(config))
    decoder = masked_decoder(config, scope, biases=int(of_masked))
    return (stored("masked_lm", first, norm, *decoder),)


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
    attention = read_attention(config, layer, scope)
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
        found.append(vectors(2 * hidden))
    understood(config, "conv_kernel_size", "conv_groups", "conv_act")
    more = (stored("relative", *found),) if found else ()
    return (attention, *more, read_mlp(config, layer, scope.child("mlp")))


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
    return read_tables(config, scope, positions=0 if biased else None, width_key="embedding_size")


def _deberta_masked(config: Config, scope: Scope) -> tuple[Linear, ...]:
    if config.flag("legacy", default=True):
        return masked_head(config, scope, width_key="embedding_size")
    return masked_head(config, scope, ties=True)


def _deberta(name: str, *, second: bool) -> Family:
    return bert(
        name, layer=partial(_deberta_layer, second=second), rows=_deberta_rows,
        extra=partial(_deberta_extra, second=second), width="embedding_size",
        top=partial(read_top, pooler=False, masked=_deberta_masked),
        outside=partial(read_mapping, key="embedding_size", bias=False),
        assumptions=(NOT_TIMED.format("the part of its attention that reads relative positions"),),
    )  # fmt: skip


# --- Llama's layers -----------------------------------------------------------------------------


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


def _llama_mlp(config: Config, layer: int, scope: Scope) -> Block:
    return dense.read(config, layer, scope)


def _ultra_masked(config: Config, scope: Scope) -> tuple[Linear, ...]:
    hidden, width = hidden_size(config), config.integer("prediction_head_size")
    return (
        scope.linear("linear1", hidden, width), scope.linear("linear2", width, hidden),
        *masked_decoder(config, scope, biases=0),
    )  # fmt: skip


def _euro_masked(config: Config, scope: Scope) -> tuple[Linear, ...]:
    return masked_decoder(config, scope, biases=int(config.flag("mlp_bias", default=False)))


# --- Convolutions, groups, sparse attention, adapters -------------------------------------------


def _convbert_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Half of the heads attend, the others are convolutions whose kernels the tokens choose."""
    hidden, heads = hidden_size(config), attention_heads(config)
    if config.integer("num_groups") > 1:
        raise config.unsupported("grouped MLPs are not understood", "num_groups")
    kept = max(1, heads // config.integer("head_ratio"))
    width, kernel = kept * (hidden // kept // 2), config.integer("conv_kernel_size")
    plain = read_attention(config, layer, scope)
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
    return attention, Projections("convolution", chain), read_mlp(config, layer, scope)


def _squeezed(config: Config, layer: int, scope: Scope) -> Block:
    plain, hidden = read_attention(config, layer, scope), hidden_size(config)
    keys = ("q_groups", "k_groups", "v_groups")
    return replace(
        plain,
        inputs=tuple(
            scope.linear(w.name, hidden // read_groups(config, key), hidden, bias=True)
            for w, key in zip(plain.inputs, keys, strict=True)
        ),
        output=scope.linear(
            "dense", hidden // read_groups(config, "post_attention_groups"), hidden, bias=True
        ),
    )


def _nystrom(config: Config, layer: int, scope: Scope) -> Block:
    """Every position sees the landmarks, which see every position."""
    kernel = config.optional_integer("conv_kernel_size", minimum=0) or 0
    reach = config.integer("num_landmarks")
    return read_attention(
        config, layer, scope, reach=reach, vectors=attention_heads(config) * kernel
    )


def _hashed(config: Config, layer: int, scope: Scope) -> Block:
    window = config.optional_integer("conv_window", minimum=0) or 0
    return read_attention(config, layer, scope, reach=64, vectors=attention_heads(config) * window)


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
        read_attention(config, layer, scope, reach=(reach or 2) // 2),
        stored("global", *(scope.linear(name, hidden, hidden, bias=True) for name in names)),
        read_mlp(config, layer, scope),
    )


def _sparse(config: Config, layer: int, scope: Scope) -> Block:
    """BigBird: blocks near, first, last and at random."""
    kind = config.text("attention_type", default="block_sparse")
    attention = read_attention(config, layer, scope)
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
        read_attention(config, layer, scope), read_mlp(config, layer, scope), adapter,
        *((stored("adapters", *others),) if others else ()),
    )  # fmt: skip


def _fourier_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    return (replace(read_mlp(config, layer, scope), vectors=4 * hidden_size(config)),)


FAMILIES = (
    _deberta("deberta", second=False),
    _deberta("deberta-v2", second=True),
    bert("modernbert", layer=_modern_layer, norms=0, rows=lambda config, scope: (),
         extra=lambda config: 2 * _modern_norm(config), top=_modern_top),
    bert("eurobert", attention=_llama_attention, mlp=_llama_mlp, norm_bias=False, final_norm=1,
         rows=lambda config, scope: (), extra=None,
         top=partial(read_top, pooler=False, masked=_euro_masked)),
    bert("ultrabert", attention=_llama_attention, mlp=_llama_mlp, norm_bias=False, final_norm=1,
         rows=lambda config, scope: (), extra=None,
         top=partial(read_top, pooler=False, first=False, masked=_ultra_masked)),
    bert("esmc", attention=partial(_llama_attention, norms=True), mlp=_llama_mlp,
         extra=hidden_size, rows=lambda config, scope: (),
         top=partial(read_top, pooler=False, masked=partial(masked_head, biases=1, ties=False))),
    bert("convbert", layer=_convbert_layer, width="embedding_size",
         rows=partial(read_tables, width_key="embedding_size"),
         extra=partial(norm_of, key="embedding_size"),
         outside=partial(read_mapping, key="embedding_size"),
         top=partial(read_top, pooler=False,
                     masked=partial(masked_head, width_key="embedding_size", biases=1))),
    bert("squeezebert", attention=_squeezed,
         mlp=partial(read_mlp, groups=("intermediate_groups", "output_groups")),
         top=partial(read_top, pools_always=True)),
    bert("big_bird", attention=_sparse, top=partial(read_top, pools_always=True)),
    bert("longformer", layer=_near),
    bert("nystromformer", attention=_nystrom, rows=partial(read_tables, positions=2),
         top=partial(read_top, pooler=False)),
    bert("yoso", "mra", attention=_hashed, rows=partial(read_tables, positions=2),
         top=partial(read_top, pooler=False),
         assumptions=("its attention is an approximation: timed as 64 positions each way",)),
    bert("xmod", layer=_adapted, extra=lambda config: norm_of(config)
         * (1 + config.flag("pre_norm", default=False))),
    bert("fnet", layer=_fourier_layer, norms=0,
         outside=partial(read_mapping, key="hidden_size", always=True),
         top=partial(read_top, pools_always=True),
         assumptions=(NOT_TIMED.format("the Fourier transform"),)),
)  # fmt: skip
