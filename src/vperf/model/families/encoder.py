"""Encoders like BERT: its layers, with other MLPs, tables and heads. They read a text both ways and
generate no token.

The differences are those of the transformers classes (release 5.24), checked against exact
parameter counts in the tests, and of Hub code where it is said. Not here: the parts that they share
(encoder_parts.py), and layers of other kinds (encoder_layers.py).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.encoder_decoder import EncoderAttention
from vperf.model.blocks.gqa import attention_heads, head_size, hidden_size
from vperf.model.blocks.projection import Projections
from vperf.model.blocks.wrapper import Again
from vperf.model.checkpoint import MAX_LAYERS, Config
from vperf.model.families.encoder_parts import (
    Tables,
    bert,
    masked_decoder,
    masked_head,
    norm_of,
    read_attention,
    read_mapping,
    read_mlp,
    read_tables,
    read_top,
    stored,
    vectors,
    width_of_heads,
)
from vperf.model.families.keys import refuse, understood
from vperf.model.heads import Head
from vperf.model.ops import Linear

# --- Gated MLPs under BERT's and Nomic's names ----------------------------------------------------


def _jina_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """JinaBERT's model_type is bert; its gated MLP goes by a key (modeling_bert.py of
    jinaai/jina-bert-implementation)."""
    if config.text("feed_forward_type", default="original").endswith("glu"):
        return read_mlp(config, layer, scope, gated=True, up_bias=False)
    return read_mlp(config, layer, scope)


def _nomic_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """By transformers' keys, or by those of nomic-ai's own code."""
    refuse(config, "num_experts", "num_local_experts")
    gated = "glu" in config.text("activation_function", default="swiglu")
    return read_mlp(
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
    return read_attention(config, layer, scope)


# --- Layers that share their weights (ALBERT) ---------------------------------------------------


def _albert_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """The layers of a group are one set of weights; a group may hold several, run in a row."""
    groups, inner = config.integer("num_hidden_groups"), config.integer("inner_group_num")
    layers = config.layers()
    if groups > layers or inner > MAX_LAYERS:
        raise config.unsupported(f"{groups} groups of {layers} layers", "num_hidden_groups")
    hidden = hidden_size(config)
    blocks: tuple[Block, ...] = (
        read_attention(config, layer, scope, vectors=2 * hidden),
        replace(read_mlp(config, layer, scope), vectors=2 * hidden),
    ) * inner
    known = layer and groups * layer // layers == groups * (layer - 1) // layers
    return tuple(Again(block) for block in blocks) if known else blocks


# --- Tables and heads ---------------------------------------------------------------------------


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
    _, dim = width_of_heads(config)
    return ((config.integer("max_position_embeddings"), dim),)


def _languages(config: Config) -> Tables:
    refuse(config, "asm", "causal")
    count = config.integer("n_langs")
    used = config.flag("use_lang_emb", default=True) and count > 1
    return ((count, hidden_size(config)),) if used else ()


def _electra_top(config: Config, scope: Scope, head: Head) -> tuple[Block, ...]:
    """Trained to tell replaced tokens: a layer and one score a token."""
    if head.kind != "pretraining":
        masked = partial(masked_head, width_key="embedding_size", biases=1)
        return read_top(config, scope, head, pooler=False, masked=masked)
    hidden = hidden_size(config)
    chain = (
        (scope.linear("discriminator", hidden, hidden, bias=True),),
        (scope.linear("score", hidden, 1, bias=True, kind="head"),),
    )
    return (Projections("discriminator", chain),)


def _esm_extra(config: Config) -> int:
    """A norm over the embedding where it is asked for."""
    refuse(config, "is_folding_model")
    return norm_of(config) if config.flag("emb_layer_norm_before", default=False) else 0


def _esm_top(config: Config, scope: Scope, head: Head) -> tuple[Block, ...]:
    """Beside them a regression of contacts from all attention maps."""
    contacts = config.layers() * attention_heads(config) + 1
    top = read_top(config, scope, head, masked=partial(masked_head, biases=1))
    return (*top, stored("contacts", vectors(contacts)))


def _rembert_masked(config: Config, scope: Scope) -> tuple[Linear, ...]:
    hidden, width = hidden_size(config), config.integer("output_embedding_size")
    return (
        scope.linear("transform", hidden, width, bias=True, kind="head"), vectors(2 * width),
        scope.linear("decoder", width, config.integer("vocab_size"), bias=True, kind="head"),
    )  # fmt: skip


FAMILIES = (
    bert("bert", mlp=_jina_mlp),
    bert("roberta", "xlm-roberta", "camembert", "data2vec-text", "ibert", unused=2),
    bert("distilbert", rows=partial(read_tables, types=False),
         top=partial(read_top, pooler=False, masked=partial(masked_head, biases=1))),
    bert("ernie", rows=partial(read_tables, more=_tasks)),
    bert("mpnet", unused=2, rows=partial(read_tables, types=False),
         extra=lambda config: norm_of(config)
         + config.integer("relative_attention_num_buckets") * attention_heads(config)),
    bert("albert", layer=_albert_layer, norms=0, width="embedding_size",
         rows=partial(read_tables, width_key="embedding_size"),
         extra=partial(norm_of, key="embedding_size"),
         outside=partial(read_mapping, key="embedding_size", always=True),
         top=partial(read_top, masked=partial(masked_head, width_key="embedding_size"))),
    bert("electra", width="embedding_size", rows=partial(read_tables, width_key="embedding_size"),
         extra=partial(norm_of, key="embedding_size"), top=_electra_top,
         outside=partial(read_mapping, key="embedding_size")),
    bert("nomic_bert", attention=_nomic_attention, mlp=_nomic_mlp,
         rows=partial(read_tables, positions=None), top=partial(read_top, pooler=False)),
    bert("gte", "new", attention=_gte_attention,
         mlp=partial(read_mlp, gated=True, up_bias=False),
         rows=partial(read_tables, positions=None),
         top=partial(read_top, pooler=False, masked=partial(masked_head, biases=1))),
    bert("jina_embeddings_v3", rows=partial(read_tables, positions=None)),
    bert("esm", rows=partial(read_tables, types=False), final_norm=1, extra=_esm_extra,
         top=_esm_top),
    bert("roberta-prelayernorm", final_norm=1, unused=2),
    bert("xlm-roberta-xl", final_norm=1, extra=None, unused=2),
    bert("megatron-bert", final_norm=1, extra=None),
    bert("clip_text_model", rows=partial(read_tables, types=False), final_norm=1, extra=None,
         top=partial(read_top, pooler=False)),
    bert("tipsv2_text_model", rows=partial(read_tables, positions=None, types=False), final_norm=1,
         extra=None, top=partial(read_top, pooler=False)),
    bert("xlm", "flaubert", rows=partial(read_tables, types=False, more=_languages),
         top=partial(read_top, pooler=False, first=False,
                     masked=partial(masked_decoder, biases=1))),
    bert("rembert", width="input_embedding_size",
         rows=partial(read_tables, width_key="input_embedding_size"),
         extra=partial(norm_of, key="input_embedding_size"),
         outside=partial(read_mapping, key="input_embedding_size", always=True),
         top=partial(read_top, masked=_rembert_masked)),
    bert("roformer", width="embedding_size",
         rows=partial(read_tables, positions=None, more=_sines, width_key="embedding_size"),
         extra=partial(norm_of, key="embedding_size"),
         outside=partial(read_mapping, key="embedding_size"),
         top=partial(read_top, pooler=False,
                     masked=partial(masked_head, width_key="embedding_size"))),
    bert("roc_bert", rows=partial(read_tables, more=_glyph_tables), outside=_glyphs),
    bert("layoutlm", rows=partial(read_tables, more=_page_tables),
         top=partial(read_top, pools_always=True)),
    bert("tapas", rows=partial(read_tables, types=False, more=_table_tables)),
)  # fmt: skip
