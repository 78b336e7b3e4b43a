"""DeepSeek's lineage: MLA or compressed attention, perhaps an indexer, shared experts.

DeepSeek-V2/V3/V3.2/V4, Kimi-K2, GLM-4.7-Flash and GLM-5, Mistral-Small-4, LongCat-Flash, MiniCPM3.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model.blocks import dense, gqa, hyper, mla, moe, mtp, sparse
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.families.experts import is_sparse, sparse_or_dense
from vperf.model.families.family import Family
from vperf.model.families.keys import understood
from vperf.model.layers import item_of
from vperf.model.ops import Visibility

# --- DeepSeek sparse attention: V3.2, GLM-5 ----------------------------------------------------


def indexes(config: Config, layer: int) -> bool:
    """Whether a layer owns an indexer; GLM-5.2's "shared" layers reuse the picks of one before."""
    kind = config.string_at(layer, "indexer_types")
    pattern = config.raw("index_topk_pattern")
    every = config.optional_integer("index_topk_freq") or 1
    offset = config.optional_integer("index_skip_topk_offset", minimum=0)
    if kind is None and isinstance(pattern, str):  # a letter a layer
        if layer >= len(pattern):
            raise config.error("has fewer letters than there are layers", "index_topk_pattern")
        kind = {"F": "full", "S": "shared"}.get(item_of(pattern, layer), item_of(pattern, layer))
    elif kind is None:
        kind = config.string_at(layer, "index_topk_pattern")
    if kind is None:
        return max(layer - (2 if offset is None else offset) + 1, 0) % every == 0
    if kind not in {"full", "shared"}:
        raise config.unsupported(
            f"indexer type {kind[:40]!r} is not supported", f"indexer_types[{layer}]"
        )
    return kind == "full"


def _indexed_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    inner = scope.child("self_attn")
    attention = mla.read(
        config, layer, inner, visibility=Visibility(top=config.integer("index_topk"))
    )
    mlp = sparse_or_dense(config, layer, scope.child("mlp"))
    understood(config, "mlp_bias")  # the classes have the key and no such bias
    if not indexes(config, layer):
        return (attention, mlp)
    return (sparse.read_indexer(config, layer, inner.child("indexer")), attention, mlp)


def _indexed_mtp(config: Config, last: int, scope: Scope) -> tuple[Block, ...]:
    """A layer with an indexer of its own, also where the last layer shares one (GLM-5.2)."""
    inner = scope.child("self_attn")
    return (
        mtp.build(scope, gqa.hidden_size(config)),
        sparse.read_indexer(config, last, inner.child("indexer")),
        mla.read(config, last, inner, visibility=Visibility(top=config.integer("index_topk"))),
        sparse_or_dense(config, last, scope.child("mlp")),
    )


# --- DeepSeek-V4: compressed attention, hyper-connections, experts everywhere ------------------

_RATIOS = {
    "sliding_attention": 0, "compressed_sparse_attention": 4, "heavily_compressed_attention": 128,
}  # fmt: skip


def _compression(config: Config, layer: int) -> int:
    """0: the window alone; 4: an indexer picks entries; 128: all entries are read."""
    # One ratio more than there are layers is the MTP layer's.
    ratio = config.integer_at(layer, "compress_ratios")
    rates = config.raw("compress_rates")
    if isinstance(rates, dict) and any(_RATIOS.get(k) != v for k, v in rates.items()):
        raise config.unsupported("only compression by 4 and 128 is supported", "compress_rates")
    kind = config.string_at(layer, "layer_types")
    if kind is not None:
        ratio = _RATIOS.get(kind, -1)
    if ratio is None:
        raise config.error("missing; it is needed", "compress_ratios")
    if ratio not in _RATIOS.values():
        raise config.unsupported(
            "only windows and compression by 4 and 128 are supported",
            f"{'compress_ratios' if kind is None else 'layer_types'}[{layer}]",
        )
    return ratio


def _v4_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    return _v4_blocks(config, layer, scope, _compression(config, layer))


def _v4_mtp(config: Config, last: int, scope: Scope) -> tuple[Block, ...]:
    """A layer with the window alone, and a collapse of the streams of its own."""
    extra = hyper.head_parameters(config)
    return (
        mtp.build(scope, gqa.hidden_size(config), extra),
        *_v4_blocks(config, last, scope, 0),
    )


def _v4_blocks(config: Config, layer: int, scope: Scope, ratio: int) -> tuple[Block, ...]:
    attention = sparse.read_compressed(config, layer, scope.child("self_attn"), ratio)
    if not is_sparse(config, layer):
        raise config.unsupported(
            "DeepSeek-V4 with dense layers is not supported", f"mlp_layer_types[{layer}]"
        )
    width = config.integer("moe_intermediate_size")
    if config.optional_integer("n_shared_experts", minimum=0) != 1:
        raise config.unsupported("only 1 shared expert is understood", "n_shared_experts")
    understood(config, "attention_bias")  # the class has the key and no such bias
    experts = moe.read(
        config, layer, scope.child("mlp"), width=width, shared_width=width,
        shared_bias=config.flag("mlp_bias", default=False),
    )  # fmt: skip
    return (hyper.read(config, layer, scope), *attention, experts)


# --- LongCat-Flash: two attentions and two MLPs in a layer, experts across both ----------------


def _longcat_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    pairs = config.raw("num_layers")
    if config.has("num_hidden_layers") and config.raw("num_hidden_layers") != pairs:
        raise config.unsupported(
            "num_hidden_layers and num_layers disagree: which of them counts pairs is not clear",
            "num_layers",
        )
    if config.text("zero_expert_type", default="identity") != "identity":
        raise config.unsupported(
            "zero experts other than the identity are not supported", "zero_expert_type"
        )
    width = config.integer("ffn_hidden_size", "intermediate_size")
    hidden = gqa.hidden_size(config)
    halves = (
        block
        for i in range(2)
        for block in (
            mla.read(config, layer, scope.child(f"self_attn.{i}")),
            dense.build(scope.child(f"mlps.{i}"), hidden, width),
        )
    )
    experts = moe.read(
        config, layer, scope.child("mlp"),
        width=config.integer("expert_ffn_hidden_size", "moe_intermediate_size"),
        identities=config.optional_integer("zero_expert_num", minimum=0) or 0,
        router_bias=config.flag("router_bias", default=False),
        names=("router.classifier", "experts", "shared"),
    )  # fmt: skip
    return (*halves, experts)


# --- A.X K1: a norm behind the experts ---------------------------------------------------------


def _axk1_mlp(config: Config, layer: int, scope: Scope) -> Block:
    block = sparse_or_dense(config, layer, scope)
    if not isinstance(block, moe.MixtureOfExperts):
        return block
    return replace(block, vectors=block.vectors + gqa.hidden_size(config))


# --- MiniCPM3: a v_head_dim left out is hidden / heads -----------------------------------------


def _minicpm3_attention(config: Config, layer: int, scope: Scope) -> Block:
    hidden = gqa.hidden_size(config)
    heads = gqa.attention_heads(config)
    stated = config.optional_integer("v_head_dim")
    return mla.read(config, layer, scope, v_dim=stated or max(1, hidden // heads))


_INDEXED = (sparse.INDEX_KEYS_ASSUMED,)

FAMILIES = (
    Family(("deepseek_v2",), mla.read, partial(sparse_or_dense, biased=True)),
    Family(("axk1",), mla.read, _axk1_mlp, defaults={"first_k_dense_replace": 1}),
    Family(("sarvam_mla",), mla.read, sparse_or_dense),
    Family(("deepseek_v3", "kimi_k2", "mistral4"), mla.read, sparse_or_dense, mtp="last layer"),
    Family(("glm4_moe_lite",), mla.read, sparse_or_dense, mtp="last layer",
           defaults={"first_k_dense_replace": 1}),
    Family(("deepseek_v32", "glm_moe_dsa"), layer=_indexed_layer, mtp=_indexed_mtp,
           assumptions=_INDEXED),
    Family(("deepseek_v4", "deepseek_ref"), layer=_v4_layer, mtp=_v4_mtp, assumptions=_INDEXED,
           extra_parameters=hyper.head_parameters),
    Family(("longcat_flash",), layer=_longcat_layer, norms=4),
    Family(("pangu_ultra_moe",), mla.read, sparse_or_dense, mtp="last layer",
           norms=lambda config: 4 if config.flag("sandwich_norm", default=False) else 2),
    Family(("youtu",), mla.read, tied=True),
    Family(("minicpm3",), _minicpm3_attention, tied=True),
)  # fmt: skip
