"""Mixture-of-experts decoders over per-head KV caches: Mixtral, Qwen3-MoE, gpt-oss and others.

Checked against exact parameter counts in the tests. Which layers have experts: experts.py; MLA
models: deepseek.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model import windows
from vperf.model.blocks import dense, gqa, moe, sparse
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.projection import Dormant
from vperf.model.checkpoint import Config
from vperf.model.families.dense import not_every_first_of
from vperf.model.families.experts import is_sparse, qwen_mlp, sparse_or_dense
from vperf.model.families.family import Family
from vperf.model.families.keys import understood
from vperf.model.layers import one_of
from vperf.model.ops import FULL, Visibility
from vperf.model.windows import all_but_every, even_layers, every_layer, from_max_window_layers


def _glm_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = gqa.norm_if(config, "use_qk_norm", "head", default=False)
    return gqa.read(config, layer, scope, qk_norm=norm, out_bias=False)


def _ernie_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """Experts from a first to a last layer, every so many; the score correction is a parameter."""
    bias = config.flag("use_bias", default=False)
    first = config.optional_integer("moe_layer_start_index", minimum=0) or 0
    last = config.raw("moe_layer_end_index")
    if last is None or last == -1:
        last = config.layers() - 1
    elif isinstance(last, bool) or not isinstance(last, int):
        raise config.error(f"must be an integer, not {last!r:.40}", "moe_layer_end_index")
    every = config.optional_integer("moe_layer_interval") or 1
    if not first <= layer <= last or (layer + 1) % every:
        return dense.read(config, layer, scope, bias=bias)
    width = config.integer("moe_intermediate_size")
    shared = config.optional_integer("moe_num_shared_experts", minimum=0) or 0
    return moe.read(
        config, layer, scope, width=width, shared_width=shared * width, shared_bias=bias,
        vectors=config.integer(*moe.EXPERT_KEYS),
    )  # fmt: skip


def _granite_shared(config: Config, layer: int, scope: Scope) -> Block:
    return moe.read(
        config, layer, scope, names=("router", "experts", "shared_mlp"),
        shared_width=config.optional_integer("shared_intermediate_size", minimum=0) or 0,
    )  # fmt: skip


def _laguna_attention(config: Config, layer: int, scope: Scope) -> Block:
    """Heads of every layer, and a gate: one number a head, or one an element."""
    heads = _of_layer(config, layer, "num_attention_heads_per_layer")
    understood(config, "num_attention_heads")
    block = gqa.read(config, layer, scope, heads=heads, qk_norm="head")
    per_head = config.raw("gating") in (None, True, "per-head")
    return gqa.with_gate(config, scope, block, "g_proj", per_head=per_head)


def _dots_window(config: Config, layer: int) -> bool:
    """dots.llm1: windowed from max_window_layers on, whatever use_sliding_window says."""
    first = config.optional_integer("max_window_layers", minimum=0)
    return first is not None and layer >= first


# --- Flint, Kolibri, Beam ----------------------------------------------------------------------


def _flint_mlp(config: Config, layer: int, scope: Scope) -> Block:
    """Qwen's rule for which layers are dense, the first two where nothing is said; no gate."""
    step = config.optional_integer("decoder_sparse_step") or 1
    listed = config.integers("mlp_only_layers")
    if one_of(layer, (0, 1) if listed is None else listed) or (layer + 1) % step:
        return dense.read(config, layer, scope, bias=False)
    return moe.read(
        config, layer, scope,
        shared_width=config.integer("shared_expert_intermediate_size", minimum=0),
        names=("gate", "experts", "shared_expert"),
    )  # fmt: skip


def _all_sparse(config: Config, layer: int, scope: Scope, *, shared_key: str) -> Block:
    return moe.read(
        config, layer, scope, width_keys=("moe_intermediate_size",),
        shared_width=config.integer(shared_key, minimum=0),
    )  # fmt: skip


def _beam_attention(config: Config, layer: int, scope: Scope) -> Block:
    """A gate an element, with a bias a head."""
    block = gqa.with_gate(config, scope, gqa.read(config, layer, scope, qk_norm="head"))
    return replace(block, vectors=block.vectors + block.heads)


# --- Hunyuan: lists of one number per layer, an own width or intermediate_size -----------------


def _of_layer(config: Config, layer: int, *names: str, minimum: int = 1) -> int | None:
    """A number, or the layer's entry of a list of numbers."""
    if isinstance(config.raw(*names), list):
        return config.integer_at(layer, *names, minimum=minimum)
    return config.optional_integer(*names, minimum=minimum)


def _hunyuan_mlp(config: Config, layer: int, scope: Scope, *, one_is_dense: bool = False) -> Block:
    """`one_is_dense`: Tencent's own code builds no router for a single expert."""
    dense_first = config.optional_integer("moe_layer_num_skipped", minimum=0) or 0
    if layer < dense_first or (one_is_dense and config.integer("num_experts") == 1):
        return dense.read(config, layer, scope, bias=False)
    width = _of_layer(config, layer, "moe_intermediate_size") or config.integer("intermediate_size")
    shared = 1
    if config.has("num_shared_expert"):
        shared = _of_layer(config, layer, "num_shared_expert", minimum=0) or 0
    if not config.flag("use_mixed_mlp_moe", default=True):
        shared = 0
    return moe.read(
        config, layer, scope, width=width, active=_of_layer(config, layer, *moe.ACTIVE_KEYS),
        shared_width=shared * width, names=("gate.wg", "experts", "shared_mlp"),
    )  # fmt: skip


def _hunyuan_attention(config: Config, layer: int, scope: Scope) -> Block:
    if config.flag("use_cla", default=False) and (config.raw("cla_share_factor") or 1) != 1:
        raise config.unsupported(
            "cross-layer attention (layers that share K and V) is not supported", "use_cla"
        )
    norm = gqa.norm_if(config, "use_qk_norm", "head", default=True)
    return gqa.read(config, layer, scope, qk_norm=norm)


# --- Ling (Bailing): fused QKV, biases by use_qkv_bias and use_bias ----------------------------


def _bailing_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = gqa.norm_if(config, "use_qk_norm", "head", default=False)
    return gqa.read(
        config, layer, scope, qk_norm=norm, qkv_bias=config.flag("use_qkv_bias", default=False),
        out_bias=config.flag("use_bias", default=False),
    )  # fmt: skip


# --- AFMoE (Trinity): gated attention, windows on three layers of four -------------------------


def _afmoe_window(config: Config, layer: int) -> bool:
    every = config.optional_integer("global_attn_every_n_layers") or 4
    return (layer + 1) % every != 0


def _afmoe_attention(config: Config, layer: int, scope: Scope) -> Block:
    understood(config, "global_attn_every_n_layers")
    block = gqa.read(config, layer, scope, rule=_afmoe_window, qk_norm="head")
    return gqa.with_gate(config, scope, block)


def _afmoe_mlp(config: Config, layer: int, scope: Scope) -> Block:
    if layer < (config.optional_integer("num_dense_layers", minimum=0) or 0):
        return dense.read(config, layer, scope)
    return sparse_or_dense(config, layer, scope, correction=True)


# --- MiMo-V2-Flash: windowed layers have KV heads, head_dims and sinks of their own ------------


def _mimo_v2_window(config: Config, layer: int) -> bool:
    flag = config.integer_at(layer, "hybrid_layer_pattern", maximum=1)
    return layer != 0 and (layer + 1) % 6 != 0 if flag is None else flag == 1


def _mimo_v2_attention(config: Config, layer: int, scope: Scope) -> Block:
    visibility = windows.visibility_of(config, layer, _mimo_v2_window)
    if visibility == FULL:
        return gqa.read(
            config, layer, scope, rule=_mimo_v2_window, out_bias=False,
            sinks=config.flag("add_full_attention_sink_bias", default=False),
        )  # fmt: skip
    return gqa.read(
        config, layer, scope, rule=_mimo_v2_window, out_bias=False,
        sinks=config.flag("add_swa_attention_sink_bias", default=True),
        heads=config.optional_integer("swa_num_attention_heads"),
        kv_heads=config.optional_integer("swa_num_key_value_heads")
        or 2 * config.integer("num_key_value_heads"),
        head_dim=config.optional_integer("swa_head_dim"),
        v_dim=config.optional_integer("swa_v_head_dim"),
    )  # fmt: skip


# --- Step-3.5: windowed layers have more heads, a gate for every head --------------------------


def _step_attention(config: Config, layer: int, scope: Scope) -> Block:
    other = config.child("attention_other_setting")
    windowed = config.string_at(layer, "layer_types") == "sliding_attention"
    heads = kv_heads = None
    understood(config, "num_sliding_attention_heads", "num_attention_groups")
    if windowed:
        heads = config.optional_integer("num_sliding_attention_heads")
        if other is not None:
            heads = heads or other.optional_integer("num_attention_heads")
            kv_heads = other.optional_integer("num_attention_groups")
    block = gqa.read(
        config, layer, scope, heads=heads, qk_norm="head",
        kv_heads=kv_heads or config.optional_integer("num_attention_groups", "num_key_value_heads"),
    )  # fmt: skip
    if not config.flag("use_head_wise_attn_gate", default=True):
        return block
    return gqa.with_gate(config, scope, block, "g_proj", per_head=True)


def _listed(config: Config, layer: int) -> bool | None:
    """Whether `moe_layers_enum`, a list or numbers with commas, names the layer; None without."""
    listed = config.raw("moe_layers_enum")
    if isinstance(listed, str):
        return str(layer) in {item.strip() for item in listed.split(",")}
    return config.lists(layer, "moe_layers_enum")


def _step_mlp(config: Config, layer: int, scope: Scope) -> Block:
    sparse = _listed(config, layer)
    if sparse is None:
        sparse = is_sparse(config, layer) if config.has("mlp_layer_types") else layer >= 3
    if not sparse:
        return dense.read(config, layer, scope)
    return moe.read(
        config, layer, scope,
        experts=config.integer("moe_num_experts", "n_routed_experts", *moe.EXPERT_KEYS),
        active=config.integer("moe_top_k", *moe.ACTIVE_KEYS),
        width=config.integer("moe_intermediate_size"),
        shared_width=config.integer("share_expert_dim", "share_expert_dims", minimum=0),
        shared_bias=config.flag("mlp_bias", default=False),
        names=("gate", "experts", "share_expert"),
    )  # fmt: skip


# --- Command A MoE: dense layers first, with a window pattern of their own ---------------------


def _cohere_moe_window(config: Config, layer: int) -> bool:
    first = config.optional_integer("first_k_dense_replace", minimum=0) or 0
    prefix = config.optional_integer("prefix_dense_sliding_window_pattern") or 1
    period = config.optional_integer("sliding_window_pattern") or 4
    return bool((layer + 1) % prefix if layer < first else (layer - first + 1) % period)


def _cohere_moe_mlp(config: Config, layer: int, scope: Scope) -> Block:
    width = config.integer("intermediate_size")
    understood(config, "prefix_dense_intermediate_size", *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS)
    if not is_sparse(config, layer):
        first_width = config.optional_integer("prefix_dense_intermediate_size")
        return dense.read(config, layer, scope, bias=False, intermediate=first_width or width)
    shared = config.optional_integer("num_shared_experts", minimum=0) or 0
    return moe.read(config, layer, scope, width=width, shared_width=shared * width)


# --- Aria: every layer has experts of intermediate_size ----------------------------------------


def _aria_mlp(config: Config, layer: int, scope: Scope) -> Block:
    width = config.integer("intermediate_size")
    shared = config.optional_integer("moe_num_shared_experts", minimum=0) or 0
    bias = config.flag("mlp_bias", default=False)
    return moe.read(
        config, layer, scope, width=width, shared_width=shared * width, shared_bias=bias,
        vectors=gqa.hidden_size(config) if bias and not shared else 0,  # of an MLP without width
        names=("router", "experts", "shared_experts"),
    )  # fmt: skip


# --- ERNIE 4.5 VL: experts of the images beside those of the text --------------------------------


def _ernie_vl_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    attention = gqa.read(config, layer, scope.child("self_attn"), bias_key="use_bias")
    understood(
        config, "moe_intermediate_size", "moe_num_shared_experts", "moe_layer_start_index",
        "moe_layer_end_index", "moe_layer_interval", "moe_use_aux_free", "moe_capacity",
        *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS,
    )  # fmt: skip
    inner = scope.child("mlp")
    bias = config.flag("use_bias", default=False)
    kind = config.string_at(layer, "mlp_layer_types")
    if kind is None:
        starts = config.raw("moe_layer_start_index")
        start = min(starts) if isinstance(starts, list) and starts else starts
        kind = "sparse" if layer >= (1 if start is None else int(start)) else "dense"
    if kind == "dense":
        return attention, dense.read(config, layer, inner, bias=bias)
    widths = config.integers("moe_intermediate_size", minimum=1)
    counts = config.raw("moe_num_experts")
    counts = counts if isinstance(counts, list) else [counts, counts]
    if widths is None or len(widths) < 2 or len(counts) < 2:
        raise config.error("must hold a width for text and one for images", "moe_intermediate_size")
    experts = [
        moe.read(
            config, layer, inner.child(name), experts=count, width=width, vectors=count
        )
        for name, count, width in zip(("text_moe", "vision_moe"), counts, widths, strict=False)
    ]  # fmt: skip
    shared = widths[0] * (config.optional_integer("moe_num_shared_experts", minimum=0) or 0)
    text = experts[0]
    if shared:
        beside = dense.build(
            inner.child("shared_experts"), gqa.hidden_size(config), shared, bias=bias
        )
        text = replace(text, shared=beside)
    return attention, text, Dormant(experts[1])


# --- Step-3: queries through a narrower space, one KV head ---------------------------------------


_ARCTIC = {
    "moe_layer_frequency": 2, "parallel_attn_mlp_res": False, "num_experts_per_tok": 1,
    "num_local_experts": 8,
}  # fmt: skip
"""Class defaults of configuration_arctic.py of Snowflake/snowflake-arctic-instruct."""


def _arctic_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Experts in every so many layers, a dense MLP of the hidden width beside them (vLLM's
    arctic.py, 2024)."""
    attention = gqa.read(config, layer, scope.child("self_attn"), rule=every_layer)
    inner = scope.child("block_sparse_moe")
    if (layer + 1) % config.integer("moe_layer_frequency"):
        understood(config, *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS)
        return attention, dense.read(config, layer, inner.child("mlp"), bias=False)
    beside = _arctic_residual(config)
    width = gqa.hidden_size(config)
    return (
        attention,
        *((dense.build(scope.child("residual_mlp"), width, width),) if beside else ()),
        replace(moe.read(config, layer, inner), vectors=width if beside else 0),
    )


def _arctic_residual(config: Config) -> bool:
    """`use_residual` is what older files call it."""
    return config.flag("parallel_attn_mlp_res", "use_residual", default=False)


def _step3_attention(config: Config, layer: int, scope: Scope) -> Block:
    """Multi-matrix factorization: down to `share_q_dim`, a norm, up to all heads."""
    hidden, heads = gqa.hidden_size(config), gqa.attention_heads(config)
    groups = config.optional_integer("num_attention_groups", "num_key_value_heads") or 1
    dim, narrow = config.integer("head_dim"), config.integer("share_q_dim")
    if groups != 1:
        raise config.unsupported("more than one KV head is not understood", "num_attention_groups")
    return gqa.FactoredQueryAttention(
        heads, 1, dim, dim,
        (
            scope.linear("q_proj", hidden, narrow, parts=1),
            scope.linear("k_proj", hidden, dim, parts=1),
            scope.linear("v_proj", hidden, dim, parts=1),
        ),
        scope.linear("o_proj", heads * dim, hidden), vectors=narrow,
        query=scope.linear("wq", narrow, heads * dim),
    )  # fmt: skip


def _step3_mlp(config: Config, layer: int, scope: Scope) -> Block:
    understood(config, "share_expert_dim", "moe_num_experts", "moe_top_k", "moe_intermediate_size")
    sparse = _listed(config, layer)
    if not (layer > 0 if sparse is None else sparse):
        return dense.read(config, layer, scope, bias=False)
    return moe.read(
        config, layer, scope, experts=config.integer("moe_num_experts"),
        active=config.integer("moe_top_k"), width=config.integer("moe_intermediate_size"),
        shared_width=config.integer("share_expert_dim"), names=("gate", "experts", "share_expert"),
    )  # fmt: skip


def _param2_mlp(config: Config, layer: int, scope: Scope) -> Block:
    key = "moe_shared_expert_intermediate_size"
    stated = config.optional_integer(key, minimum=0)
    return sparse_or_dense(config, layer, scope, shared_key=key if stated is not None else "")


# --- DBRX: nested attn_config and ffn_config ---------------------------------------------------


def _nested(config: Config, name: str) -> Config:
    child = config.child(name)
    if child is None:
        raise config.error("missing; it is needed", name)
    return child


def _dbrx_attention(config: Config, layer: int, scope: Scope) -> Block:
    kv_heads = _nested(config, "attn_config").integer("kv_n_heads")
    if config.raw("num_key_value_heads") not in (None, kv_heads):
        raise config.unsupported("differs from attn_config.kv_n_heads", "num_key_value_heads")
    return gqa.read(config, layer, scope, kv_heads=kv_heads, qkv_bias=False, out_bias=False)


def _dbrx_mlp(config: Config, layer: int, scope: Scope) -> Block:
    ffn = _nested(config, "ffn_config")
    return moe.read(
        config, layer, scope, experts=ffn.integer("moe_num_experts"),
        active=ffn.integer("moe_top_k"), width=ffn.integer("ffn_hidden_size"),
        names=("router.layer", "experts.mlp", "shared"),
    )  # fmt: skip


# --- MiniMax-M3: an indexer before GQA, from the fourth layer on -------------------------------


def _minimax_m3_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    understood(
        config, "dense_intermediate_size", "shared_intermediate_size", "index_head_dim",
        "index_n_heads", "index_topk_blocks", "index_local_blocks", "index_block_size",
        *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS,
    )  # fmt: skip
    kind = config.string_at(layer, "layer_types")
    nested = config.child("sparse_attention_config")
    if kind is None and nested is not None:
        flag = nested.integer_at(layer, "sparse_attention_freq", maximum=1)
        kind = None if flag is None else ("full_attention", "minimax_m3_sparse")[flag]
    if kind not in {"full_attention", "minimax_m3_sparse"}:
        raise config.unsupported(
            "which layers have sparse attention is not understood", f"layer_types[{layer}]"
        )
    attention = scope.child("self_attn")
    full = gqa.read(config, layer, attention, qk_norm="head", visibility=FULL)
    mlp = scope.child("mlp")
    experts: Block
    if is_sparse(config, layer):
        experts = moe.read(
            config, layer, mlp, width=config.integer("intermediate_size"),
            shared_width=config.integer("shared_intermediate_size", minimum=0),
        )  # fmt: skip
    else:
        experts = dense.read(
            config, layer, mlp, intermediate=config.integer("dense_intermediate_size")
        )
    if kind == "full_attention":
        return (full, experts)
    indexer = sparse.read_block_indexer(config, layer, attention.child("indexer"))
    return (indexer, replace(full, visibility=Visibility(top=indexer.top)), experts)


FAMILIES = (
    Family(("mixtral",), partial(gqa.read, rule=every_layer, qkv_bias=False, out_bias=False),
           moe.read, mlp_scope="block_sparse_moe"),
    Family(("qwen2_moe",), partial(gqa.read, rule=from_max_window_layers, bias_key="qkv_bias",
                                   bias_default=True, out_bias=False),
           partial(qwen_mlp, shared=True)),
    Family(("qwen3_moe",), partial(gqa.read, rule=from_max_window_layers, qk_norm="head"),
           partial(qwen_mlp, shared=False)),
    Family(("gpt_oss",), partial(gqa.read, rule=even_layers, bias_default=True, sinks=True),
           partial(moe.read, expert_bias=True, router_bias=True,
                   width_keys=("intermediate_size",), names=("router", "experts", "shared"))),
    Family(("olmoe",), partial(gqa.read, qk_norm="whole"), moe.read),
    Family(("phimoe",), partial(gqa.read, rule=every_layer), moe.read, norm_bias=True,
           mlp_scope="block_sparse_moe",
           head_bias=lambda config: config.flag("lm_head_bias", default=False)),
    Family(("arctic",), layer=_arctic_layer, defaults=_ARCTIC),
    Family(("grok-1",), partial(gqa.read, qkv_bias=False, out_bias=False), moe.read, norms=4,
           mlp_scope="moe_block", ties=True, tied=True),
    Family(("granitemoe",), mlp=moe.read, mlp_scope="block_sparse_moe", tied=False),
    Family(("minimax_m2",), partial(gqa.read, qk_norm="whole"),
           partial(moe.read, width_keys=("intermediate_size",)),
           mlp_scope="block_sparse_moe"),
    Family(("glm4_moe", "glm4v_moe_text", "sarvam_moe"), _glm_attention, sparse_or_dense,
           mtp="last layer"),
    Family(("granitemoeshared",), mlp=_granite_shared, mlp_scope="block_sparse_moe"),
    Family(("granitemoe_swa",), partial(gqa.read, rule=not_every_first_of(4), sinks=True),
           _granite_shared, mlp_scope="block_sparse_moe"),
    Family(("laguna",), _laguna_attention, partial(
        sparse_or_dense, shared_key="shared_expert_intermediate_size", correction=True),
           defaults={"first_k_dense_replace": 1}),
    Family(("mellum",), partial(gqa.read, qk_norm="head"), sparse_or_dense),
    Family(("flex_olmo",), partial(gqa.read, qk_norm="whole"), moe.read),
    Family(("dots1",), partial(gqa.read, rule=_dots_window, qk_norm="head"), sparse_or_dense),
    Family(("deepseek", "deepseek_ocr2_text", "unlimited_ocr_text"),
           mlp=partial(sparse_or_dense, biased=True), defaults={"first_k_dense_replace": 1}),
    Family(("aria_text",), mlp=_aria_mlp),
    Family(("exaone_moe",), partial(gqa.read, rule=all_but_every(4), qk_norm="head"),
           sparse_or_dense),
    Family(("hy_v3",), partial(gqa.read, qk_norm="head"), partial(sparse_or_dense, biased=True),
           defaults={"first_k_dense_replace": 1}),
    Family(("flint",), partial(gqa.read, qk_norm="head", sinks=True), _flint_mlp),
    Family(("kolibri1",), partial(gqa.read, qk_norm="head", qkv_bias=False, out_bias=False),
           partial(_all_sparse, shared_key="shared_expert_intermediate_size"), norms=4),
    Family(("beam",), _beam_attention, sparse_or_dense, norms=4,
           defaults={"first_k_dense_replace": 3}),
    Family(("solar_open",), partial(gqa.read, out_bias=False), sparse_or_dense),
    Family(("ernie4_5_moe",), partial(gqa.read, bias_key="use_bias"), _ernie_mlp, tied=True,
           head_bias=lambda config: config.flag("use_bias", default=False)),
    Family(("hunyuan_v1_moe",), _hunyuan_attention, _hunyuan_mlp),
    Family(("hunyuan",), _hunyuan_attention, partial(_hunyuan_mlp, one_is_dense=True)),
    Family(("bailing_moe", "bailing_moe_v2"), _bailing_attention, sparse_or_dense,
           attention_scope="attention"),
    Family(("afmoe",), _afmoe_attention, _afmoe_mlp, norms=4),
    Family(("param2moe",), _bailing_attention, _param2_mlp),
    Family(("step3_text",), _step3_attention, _step3_mlp),
    Family(("ernie4_5_vl_moe_text",), layer=_ernie_vl_layer, tied=True),
    Family(("mimo_v2_flash", "mimo_v2"), _mimo_v2_attention, sparse_or_dense,
           defaults={"first_k_dense_replace": 1}),
    Family(("step3p5",), _step_attention, _step_mlp),
    Family(("cohere2_moe",), partial(gqa.read, rule=_cohere_moe_window), _cohere_moe_mlp, norms=1,
           tied=True),
    Family(("dbrx",), _dbrx_attention, _dbrx_mlp, attention_scope="norm_attn_norm.attn",
           mlp_scope="ffn"),
    Family(("minimax_m3_vl_text", "minimax_m3"), layer=_minimax_m3_layer, assumptions=(
        "index keys are cached in bf16",)),
)  # fmt: skip
