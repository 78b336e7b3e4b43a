"""Encoder-decoders: T5, Whisper, BART and its kin.

The prompt is the encoder's, decode the decoder's. Checked against exact parameter counts in the
tests; blocks/encoder_decoder.py says how steps are read.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model.blocks import dense
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.encoder_decoder import CrossAttention, DecoderOnly, EncoderAttention
from vperf.model.blocks.gqa import attention_heads, hidden_size, kv_head_count
from vperf.model.blocks.projection import Dormant, Projections
from vperf.model.checkpoint import MAX_LAYERS, Config
from vperf.model.families.family import EncoderLayers, Family
from vperf.model.families.keys import refuse, understood
from vperf.model.ops import Linear

# --- T5 ---------------------------------------------------------------------------------------


def _t5_projections(
    config: Config, scope: Scope, names: tuple[str, ...] = ("q", "k", "v")
) -> tuple[int, int, tuple[Linear, ...], Linear]:
    hidden, heads, dim = hidden_size(config), config.integer("num_heads"), config.integer("d_kv")
    inputs = tuple(scope.linear(name, hidden, heads * dim) for name in names)
    return heads, dim, inputs, scope.linear("o", heads * dim, hidden)


def _t5_bias(config: Config, layer: int, every: bool) -> int:
    """Relative positions: a bias per bucket and head, kept by the first layer for all."""
    buckets, heads = config.integer("relative_attention_num_buckets"), config.integer("num_heads")
    return buckets * heads if every or layer == 0 else 0


def _t5_mlp(config: Config, scope: Scope) -> dense.DenseMlp:
    kind = config.text("feed_forward_proj", default="relu")
    gated, _, activation = kind.rpartition("-")
    if gated not in ("", "gated") or not activation:
        raise config.unsupported(f"feed-forward {kind!r} is not supported", "feed_forward_proj")
    return dense.build(
        scope, hidden_size(config), config.integer("d_ff"), gated=gated == "gated", bias=False
    )


def _t5_encoder(config: Config, scope: Scope, *, every: bool) -> EncoderLayers:
    hidden, layers = hidden_size(config), config.layers("num_layers")
    block = scope.child("block.0")
    heads, dim, inputs, output = _t5_projections(config, block.child("layer.0.SelfAttention"))
    blocks: tuple[Block, ...] = (
        EncoderAttention(heads, dim, inputs, output),
        _t5_mlp(config, block.child("layer.1.DenseReluDense")),
    )
    bias = _t5_bias(config, 0, every)
    first = (1, blocks, 3 * hidden + bias)  # with the encoder's final norm
    others = (layers - 1, blocks, 2 * hidden + (bias if every else 0))
    return (first, others)


def _t5_layer(config: Config, layer: int, scope: Scope, *, every: bool) -> tuple[Block, ...]:
    heads, dim, inputs, output = _t5_projections(config, scope.child("layer.0.SelfAttention"))
    _, _, cross, cross_output = _t5_projections(config, scope.child("layer.1.EncDecAttention"))
    return (
        CrossAttention(
            heads, dim, inputs, output, cross[0], cross[1:], cross_output,
            _t5_bias(config, layer, every),
        ),
        DecoderOnly(_t5_mlp(config, scope.child("layer.2.DenseReluDense"))),
    )  # fmt: skip


def _t5_layers(config: Config) -> int:
    return config.layers("num_decoder_layers", "num_layers")


def _t5(*names: str, every: bool = False) -> Family:
    return Family(
        names, norms=3, tied=True, ties=True, layer=partial(_t5_layer, every=every),
        layers=_t5_layers, encoder=partial(_t5_encoder, every=every),
        assumptions=("the prompt goes through the encoder, every token after it the decoder",),
    )  # fmt: skip


def _projections(
    config: Config, scope: Scope, heads_key: str, *, key_bias: bool
) -> tuple[int, int, tuple[Linear, ...], Linear]:
    """(heads, their size, queries, keys and values, output), all as wide as the model."""
    hidden, heads = hidden_size(config), config.integer(heads_key)
    if hidden % heads:
        raise config.error(f"{heads} heads do not divide d_model {hidden}", heads_key)
    inputs = tuple(
        scope.linear(name, hidden, hidden, bias=key_bias or name != "k_proj")
        for name in ("q_proj", "k_proj", "v_proj")
    )
    return heads, hidden // heads, inputs, scope.linear("out_proj", hidden, hidden, bias=True)


# --- Whisper ----------------------------------------------------------------------------------


def _whisper_mlp(config: Config, scope: Scope, key: str) -> dense.DenseMlp:
    return dense.build(scope, hidden_size(config), config.integer(key), gated=False, bias=True)


def _whisper_encoder(config: Config, scope: Scope) -> EncoderLayers:
    hidden = hidden_size(config)
    mels = config.integer("num_mel_bins")
    # Two convolutions over three frames; the second halves their number to the encoder's positions.
    first = scope.linear("conv1", 3 * mels, hidden, bias=True, kind="conv")
    second = scope.linear("conv2", 3 * hidden, hidden, bias=True, kind="conv")
    layer = scope.child("layers.0")
    heads, dim, inputs, output = _projections(
        config, layer.child("self_attn"), "encoder_attention_heads", key_bias=False
    )
    blocks: tuple[Block, ...] = (
        EncoderAttention(heads, dim, inputs, output),
        _whisper_mlp(config, layer, "encoder_ffn_dim"),
    )
    convolutions = (
        Projections("encoder", ((first,),), rows=2),
        Projections("encoder", ((second,),)),
    )
    layers = config.integer("encoder_layers", maximum=MAX_LAYERS)
    return (
        (1, (*convolutions, *blocks), 6 * hidden),  # with the encoder's final norm
        (layers - 1, blocks, 4 * hidden),
    )


def _decoder_layer(
    config: Config, layer: int, scope: Scope, *, key_bias: bool = True
) -> tuple[Block, ...]:
    """Attention over the output so far and over the encoder, of BART and, without a bias of k, of
    Whisper."""
    key = "decoder_attention_heads"
    heads, dim, inputs, output = _projections(
        config, scope.child("self_attn"), key, key_bias=key_bias
    )
    _, _, cross, cross_output = _projections(
        config, scope.child("encoder_attn"), key, key_bias=key_bias
    )
    return (
        CrossAttention(heads, dim, inputs, output, cross[0], cross[1:], cross_output),
        DecoderOnly(_whisper_mlp(config, scope, "decoder_ffn_dim")),
    )


def _whisper_positions(config: Config, scope: Scope) -> tuple[Linear, ...]:
    hidden = hidden_size(config)
    return tuple(
        scope.linear(name, hidden, config.integer(key), kind="embedding")
        for name, key in (
            ("encoder.embed_positions", "max_source_positions"),
            ("decoder.embed_positions", "max_target_positions"),
        )
    )


# --- BART and its kin -------------------------------------------------------------------------


def _bart_encoder(config: Config, scope: Scope, *, outer_norms: int) -> EncoderLayers:
    hidden, layer = hidden_size(config), scope.child("layers.0")
    heads, dim, inputs, output = _projections(
        config, layer.child("self_attn"), "encoder_attention_heads", key_bias=True
    )
    blocks: tuple[Block, ...] = (
        EncoderAttention(heads, dim, inputs, output),
        _whisper_mlp(config, layer, "encoder_ffn_dim"),
    )
    layers = config.integer("encoder_layers", maximum=MAX_LAYERS)
    return ((1, blocks, (4 + 2 * outer_norms) * hidden), (layers - 1, blocks, 4 * hidden))


def _bart_tables(config: Config, scope: Scope, *, extra: int | None) -> tuple[Linear, ...]:
    """Positions, with `extra` rows before the first; of an untied model every half's embedding."""
    hidden = hidden_size(config)
    refuse(config, "use_prompt")
    vocab = config.integer("vocab_size")
    if config.optional_integer("decoder_vocab_size") not in {None, vocab}:
        raise config.unsupported("two vocabularies are not understood", "decoder_vocab_size")
    if not config.flag("share_encoder_decoder_embeddings", default=True):
        raise config.unsupported("two embeddings are not understood", "decoder_vocab_size")
    tables = {}
    if extra is not None:
        tables["embed_positions"] = config.integer("max_position_embeddings") + extra
    if not config.flag("tie_word_embeddings", default=True):
        tables["embed_tokens"] = config.integer("vocab_size")
    return tuple(
        scope.linear(f"{part}.{name}", hidden, rows, kind="embedding")
        for part in ("encoder", "decoder")
        for name, rows in tables.items()
    )


def _bart(*names: str, positions: int | None, outer_norms: int) -> Family:
    """`positions`: rows of the position tables beyond the context, None: no tables (sinusoidal);
    `outer_norms`: LayerNorms of embedding and of the end, of either half."""
    return Family(
        names, norms=3, norm_bias=True, final_norm=outer_norms, tied=True, layer=_decoder_layer,
        layers=lambda config: config.layers("decoder_layers"),
        encoder=partial(_bart_encoder, outer_norms=outer_norms),
        lookups=partial(_bart_tables, extra=positions),
        assumptions=("the prompt goes through the encoder, every token after it the decoder",),
    )  # fmt: skip


# --- LED: BART whose encoder sees a window, and global tokens ------------------------------------


def _led_encoder(config: Config, scope: Scope) -> EncoderLayers:
    """Projections of their own for tokens that see everything; stored, not run for others."""
    (_, blocks, first), (others, _, norm) = _bart_encoder(config, scope, outer_norms=1)
    attention, mlp = blocks
    assert isinstance(attention, EncoderAttention)
    hidden = hidden_size(config)
    extra = tuple(
        scope.linear(name, hidden, hidden, bias=True)
        for name in ("query_global", "key_global", "value_global")
    )
    stated = config.raw("attention_window")
    widths = stated if isinstance(stated, list) else [stated]
    reach = max((w for w in widths if isinstance(w, int)), default=0) // 2
    if reach < 1:
        raise config.error("missing; it is needed", "attention_window")
    stored = Dormant(Projections("global", (extra,)))
    layer = (replace(attention, reach=reach), stored, mlp)
    return ((1, layer, first), (others, layer, norm))


def _led_positions(config: Config, scope: Scope) -> tuple[Linear, ...]:
    """Of either half, beside the embeddings that an untied model has of each."""
    hidden = hidden_size(config)
    positions = tuple(
        scope.linear(f"{part}.embed_positions", hidden, rows, kind="embedding")
        for part in ("encoder", "decoder")
        for rows in (config.integer(f"max_{part}_position_embeddings"),)
    )
    return (*positions, *_bart_tables(config, scope, extra=None))


# --- LongT5: an encoder that sees its neighbours --------------------------------------------------


def _long_encoder(config: Config, scope: Scope) -> EncoderLayers:
    if config.text("encoder_attention_type", default="local") != "local":
        raise config.unsupported("only local attention is understood", "encoder_attention_type")
    understood(config, "global_block_size", "is_gated_act")
    reach = config.integer("local_radius")

    def near(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        return tuple(
            replace(b, reach=reach) if isinstance(b, EncoderAttention) else b for b in blocks
        )

    layers = _t5_encoder(config, scope, every=False)
    return tuple((count, near(blocks), own) for count, blocks, own in layers)


# --- T5Gemma: Gemma 2's layers, with a cross-attention in the decoder's --------------------------


def _gemma_projections(
    config: Config, scope: Scope
) -> tuple[int, int, int, tuple[Linear, ...], Linear]:
    hidden, heads = hidden_size(config), attention_heads(config)
    kv_heads, dim = kv_head_count(config, heads), config.integer("head_dim")
    bias = config.flag("attention_bias", default=False)
    inputs = (
        scope.linear("q_proj", hidden, heads * dim, bias=bias),
        scope.linear("k_proj", hidden, kv_heads * dim, bias=bias, parts=kv_heads),
        scope.linear("v_proj", hidden, kv_heads * dim, bias=bias, parts=kv_heads),
    )
    return heads, kv_heads, dim, inputs, scope.linear("o_proj", heads * dim, hidden, bias=bias)


def _gemma_mlp(config: Config, scope: Scope) -> dense.DenseMlp:
    return dense.build(scope, hidden_size(config), config.integer("intermediate_size"))


def _t5gemma_encoder(config: Config, scope: Scope) -> EncoderLayers:
    """Four norms a layer, one at the end; an embedding of its own."""
    inner = config.child("encoder")
    if inner is None:
        raise config.error("missing; it is needed", "encoder")
    understood(config, "decoder", "cross_attention_hidden_size")
    hidden = hidden_size(inner)
    kinds: dict[tuple[Block, ...], int] = {}
    for layer in range(inner.layers()):
        place = scope.child(f"layers.{layer}")
        heads, kv_heads, dim, inputs, output = _gemma_projections(inner, place.child("self_attn"))
        near = inner.string_at(layer, "layer_types") == "sliding_attention"
        reach = inner.integer("sliding_window") if near else None
        blocks: tuple[Block, ...] = (
            EncoderAttention(heads, dim, inputs, output, 0, kv_heads, reach),
            _gemma_mlp(inner, place.child("mlp")),
        )
        kinds[blocks] = kinds.get(blocks, 0) + 1
    (first, count), *others = kinds.items()
    extra = hidden * (1 + inner.integer("vocab_size"))
    one = (1, first, 4 * hidden + extra)
    rest = ((count - 1, first, 4 * hidden),) if count > 1 else ()
    return (one, *rest, *((n, blocks, 4 * hidden) for blocks, n in others))


def _t5gemma_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    heads, kv_heads, dim, inputs, output = _gemma_projections(config, scope.child("self_attn"))
    _, _, _, cross, cross_output = _gemma_projections(config, scope.child("cross_attn"))
    understood(config, "layer_types", "sliding_window")
    other = config.optional_integer("cross_attention_hidden_size")
    wide = other or hidden_size(config)
    cross_inputs = tuple(replace(each, in_features=wide) for each in cross[1:])
    attention = CrossAttention(
        heads, dim, inputs, output, cross[0], cross_inputs, cross_output, kv_heads=kv_heads
    )
    return (attention, DecoderOnly(_gemma_mlp(config, scope.child("mlp"))))


FAMILIES = (
    Family(("led",), norms=3, norm_bias=True, tied=True, layer=_decoder_layer,
           layers=lambda config: config.layers("decoder_layers"), encoder=_led_encoder,
           lookups=_led_positions,
           assumptions=("the prompt goes through the encoder, every token after it the decoder",)),
    Family(("longt5",), norms=3, tied=True, ties=True, layer=partial(_t5_layer, every=False),
           layers=_t5_layers, encoder=_long_encoder,
           assumptions=("the prompt goes through the encoder, every token after it the decoder",)),
    Family(("t5gemma",), norms=6, tied=True, layer=_t5gemma_layer, encoder=_t5gemma_encoder,
           unfolded="decoder", assumptions=(
               "the prompt goes through the encoder, every token after it the decoder",
               "windows of the decoder over what it generated are counted as full attention")),
    _bart("bart", "mvp", "plbart", positions=2, outer_norms=1),
    _bart("mbart", positions=2, outer_norms=2),
    _bart("m2m_100", positions=None, outer_norms=1),
    _bart("marian", positions=0, outer_norms=0),
    _bart("blenderbot-small", positions=0, outer_norms=1),
    _bart("pegasus", "blenderbot", positions=0, outer_norms=1),
    _t5("t5", "mt5"),
    _t5("umt5", every=True),
    Family(("whisper",), norms=3, norm_bias=True, tied=True,
           layer=partial(_decoder_layer, key_bias=False),
           layers=lambda config: config.layers("decoder_layers"), encoder=_whisper_encoder,
           lookups=_whisper_positions,
           assumptions=("input tokens are the encoder's positions: 1500 for 30 s of sound",)),
)  # fmt: skip
