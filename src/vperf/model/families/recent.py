"""Decoders of late 2026 whose layers have mechanisms of their own.

GLM-5 Next, HY 4, Mistral Large 4, dots.3 Note, A.X K2 (MLA with an indexer), Qwen4-Exp, Lara,
Muse, Dory. Keys and shapes are those of the transformers classes (release 5.24),
checked against exact parameter counts in the tests.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

from vperf.formats import BF16
from vperf.model.blocks import dense, gqa, hyper, linear_attention, mla, moe, sparse
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.projection import Projections
from vperf.model.blocks.short_conv import Smoothing
from vperf.model.blocks.wrapper import Again
from vperf.model.checkpoint import MAX_LAYERS, Config
from vperf.model.families.deepseek import indexes
from vperf.model.families.experts import is_sparse, qwen_mlp, sparse_or_dense
from vperf.model.families.family import Family
from vperf.model.families.keys import understood
from vperf.model.layers import one_of
from vperf.model.ops import FULL, Linear, Visibility
from vperf.model.windows import Rule, all_but_every

# --- MLA with an indexer -------------------------------------------------------------------------


def _best(config: Config) -> Visibility:
    return Visibility(top=config.integer("index_topk"))


def _gated(attention: mla.LatentAttention, gate: Linear) -> mla.LatentAttention:
    return replace(attention, inputs=(*attention.inputs, gate))


def _glm5_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Three layers of KDA to one of MLA without positions, whose indexer keeps one key for every
    `index_kpool` tokens; hyper-connections around both."""
    understood(
        config, "linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim", "index_head_dim",
        "index_n_heads", "index_topk", "index_kpool", "indexer_types", "kv_lora_rank",
        "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "head_dim",
        "num_attention_heads", "num_key_value_heads", "index_kpool_always_select_tail",
        "linear_attn_config", "index_topk_pattern", "index_topk_freq", "index_skip_topk_offset",
    )  # fmt: skip
    inner = scope.child("self_attn")
    mixer: tuple[Block, ...]
    kind = config.string_at(layer, "layer_types")
    if kind in {None, "full_attention"}:
        kind = "indexed_attention" if kind or layer % 4 == 3 else "linear_attention"
    if kind == "linear_attention":
        own = config.child("linear_attn_config") or config
        nested = own is not config
        mixer = (
            linear_attention.read_kda(
                config, inner, low_rank=True,
                heads=own.integer("num_heads" if nested else "linear_num_heads"),
                dim=own.integer("head_dim" if nested else "linear_head_dim"),
                kernel=own.integer(
                    "short_conv_kernel_size" if nested else "linear_conv_kernel_dim"
                ),
            ),
        )  # fmt: skip
    else:
        mixer = (mla.read(config, layer, inner, visibility=_best(config)),)
        if indexes(config, layer):
            mixer = (_pooled_indexer(config, inner.child("indexer")), *mixer)
    mlp = _sparse_mlp(config, layer, scope, first_dense=3)
    return (hyper.read(config, layer, scope), *mixer, mlp)


def _pooled_indexer(config: Config, scope: Scope) -> Block:
    plain = sparse.read_indexer(config, 0, scope)
    pool = config.integer("index_kpool")
    gate = scope.linear("compress_gate", gqa.hidden_size(config), plain.dim, kind="router")
    return replace(
        plain, inputs=(*plain.inputs, gate), vectors=plain.vectors + pool * plain.dim,
        top=max(1, plain.top // pool), ratio=pool,
    )  # fmt: skip


def _sparse_mlp(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    first_dense: int,
    width_of_shared: tuple[str, ...] = (),
) -> Block:
    """Experts but for the first layers, where no list says which."""
    if not config.has("mlp_layer_types", "first_k_dense_replace") and layer < first_dense:
        understood(
            config, "mlp_layer_types", "moe_intermediate_size", "n_shared_experts",
            *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS, *width_of_shared,
        )  # fmt: skip
        return dense.read(config, layer, scope.child("mlp"), bias=False)
    return sparse_or_dense(config, layer, scope.child("mlp"), width_of_shared=width_of_shared)


def _hy4_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Sinks, a gate an element, and hyper-connections that do not mix the streams."""
    inner = scope.child("self_attn")
    plain = mla.read(config, layer, inner, visibility=_best(config))
    width = plain.heads * plain.v_dim
    gate = inner.linear("gate_proj", gqa.hidden_size(config), width)
    attention = replace(_gated(plain, gate), vectors=plain.vectors + plain.heads)
    kind = config.string_at(layer, "indexer_types")
    owns = kind == "full" if kind else layer == 0 or (layer - 1) % 4 == 0
    understood(config, "index_head_dim", "index_n_heads")
    indexer = (sparse.read_indexer(config, layer, inner.child("indexer")),) if owns else ()
    streams = config.integer("hc_mult", maximum=1024)
    mixing = hyper.read(config, layer, scope, weights=2 * streams, scales=2)
    return (mixing, *indexer, attention, _sparse_mlp(config, layer, scope, first_dense=1))


def _large4_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Every fourth layer has no positions; scales of the softmax are learned, a layer may read the
    latents of another."""
    inner, hidden = scope.child("self_attn"), gqa.hidden_size(config)
    flag = config.integer_at(layer, "no_rope_layers", maximum=1)
    every = config.optional_integer("no_rope_layer_interval") or 4
    rotates = flag == 1 if flag is not None else (layer + 1) % every != 0
    source = config.integer_at(layer, "kv_source_layers")
    if source not in {None, layer}:
        raise config.unsupported("layers that share a cache are not understood", "kv_source_layers")
    attention = mla.read(config, layer, inner, visibility=_best(config), rotates=rotates)
    attention = replace(attention, vectors=attention.vectors + 2 * attention.heads)
    mlp = _sparse_mlp(config, layer, scope, first_dense=1)
    understood(config, "index_head_dim", "index_n_heads")
    if not indexes(config, layer):
        return attention, mlp
    heads, dim = config.integer("index_n_heads"), config.integer("index_head_dim")
    inside = inner.child("indexer")
    indexer = sparse.Indexer(
        heads, dim, config.integer("index_topk"),
        (
            inside.linear("wk", hidden, dim),
            inside.linear("weights_proj", hidden, heads, kind="router"),
            inside.linear("wq_b", hidden, heads * dim),
        ),
        vectors=2 * dim + 2 * hidden + 2 * heads, key_bytes=sparse.fp8_key_bytes(dim),
    )  # fmt: skip
    return indexer, attention, mlp


_DOTS3_NEAR = {
    "num_attention_heads": 64, "num_key_value_heads": 64, "q_lora_rank": 1024,
    "kv_lora_rank": 1024, "head_dim": 256, "qk_nope_head_dim": 192, "v_head_dim": 128,
}  # fmt: skip
"""What the class makes of its windowed layers where the config does not say."""


def _dots3_near(config: Config) -> dict[str, int]:
    """As the released checkpoint has it: keys that begin with swa_."""
    found = {
        name: config.optional_integer(f"swa_{name}") or default
        for name, default in _DOTS3_NEAR.items()
    }
    rope = config.optional_integer("swa_qk_rope_head_dim")
    found["qk_rope_head_dim"] = rope or found["head_dim"] - found["qk_nope_head_dim"]
    return found


def _dots3_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """MLA with a window or an indexer, of shapes of their own; a gate a head, a norm over the
    rotary key."""
    inner = scope.child("self_attn")
    kind = config.string_at(layer, "layer_types")
    if kind is None:
        raise config.error("missing; which layers have windows is unknown", "layer_types")
    near = kind == "sliding_attention"
    understood(
        config, "index_head_dim", "index_n_heads", "index_topk", "sliding_window", "use_dsa",
        "sliding_window_size", "use_sliding_window", "swa_qk_rope_head_dim", "mlp_bias",
        *(f"swa_{name}" for name in _DOTS3_NEAR),
    )  # fmt: skip
    if kind == "full_attention" and config.raw("use_dsa") is False:
        raise config.unsupported("layers without an indexer are not understood", "use_dsa")
    if near and not config.has("per_layer_config"):
        config = config.overlaid(_dots3_near(config))
    window = config.integer("sliding_window", "sliding_window_size")
    seen = Visibility(window=window) if near else _best(config)
    plain = mla.read(config, layer, inner, visibility=seen)
    gate = inner.linear("g_proj", gqa.hidden_size(config), plain.heads)
    attention = replace(_gated(plain, gate), vectors=plain.vectors + plain.rope)
    shared = ("moe_shared_expert_intermediate_size", "shared_experts_intermediate_size")
    mlp = _sparse_mlp(config, layer, scope, first_dense=1, width_of_shared=shared)
    if near:
        return attention, mlp
    return sparse.read_indexer(config, layer, inner.child("indexer")), attention, mlp


def _axk2_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Queries and an output gate from both latents; norms with a bottleneck of their own."""
    inner, hidden = scope.child("self_attn"), gqa.hidden_size(config)
    rank = config.integer("gated_norm_rank")
    plain = mla.read(config, layer, inner, visibility=_best(config))
    if plain.q_b is None:
        raise config.error("missing; it is needed", "q_lora_rank")
    both = inner.linear(
        "q_gate_proj", 2 * plain.q_b.in_features,
        plain.heads * (plain.nope + plain.rope + plain.v_dim),
    )  # fmt: skip
    attention = replace(plain, q_b=both)
    mlp = _sparse_mlp(config, layer, scope, first_dense=1)

    def norm(name: str) -> Block:
        chain = (
            (scope.linear(f"{name}.fc1", hidden, rank),),
            (scope.linear(f"{name}.fc2", rank, hidden),),
        )
        return Projections("gated_norm", chain)

    norms: tuple[Block, ...] = (norm("input_layernorm"),)
    if isinstance(mlp, moe.MixtureOfExperts):
        norms = (*norms, norm("post_attention_layernorm"))
    indexer = sparse.read_indexer(config, layer, inner.child("indexer"))
    return (*norms, indexer, attention, mlp)


# --- Qwen4-Exp: Gated DeltaNet, blocks of keys picked, tables of n-grams --------------------------


def _qwen4_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    hidden = gqa.hidden_size(config)
    understood(
        config, "linear_num_value_heads", "linear_num_key_heads", "linear_key_head_dim",
        "linear_value_head_dim", "linear_conv_kernel_dim", "num_attention_heads", "head_dim",
        "num_key_value_heads", "attention_bias", "indexer_n_heads", "indexer_kv_heads",
        "indexer_head_dim", "indexer_budget", "indexer_compress_ratio", "number_of_conv_states",
        "output_gate_type", "full_attention_interval", "ple_embed_dim", "ple_conv_kernel_size",
        "ngram_size", "heads_per_ngram", "ngram_vocab_size_base", "split_ngram_parts",
        "make_ngram_vocab_size_divisible_by",
    )  # fmt: skip
    kind = config.string_at(layer, "layer_types")
    every = config.optional_integer("full_attention_interval") or 4
    if kind is None:
        kind = "linear_attention" if (layer + 1) % every else "indexed_attention"
    mixer: tuple[Block, ...]
    if kind == "linear_attention":
        inner = scope.child("linear_attn")
        mixer = (linear_attention.read_gated_delta_net(config, inner, layout="split"),)
    elif kind in {"indexed_attention", "full_attention"}:
        inner = scope.child("self_attn")
        budget, ratio = config.integer("indexer_budget"), config.integer("indexer_compress_ratio")
        attention = gqa.read(
            config, layer, inner, qk_norm="head", gated_query=True,
            visibility=Visibility(top=budget),
        )  # fmt: skip
        heads, keys = config.integer("indexer_n_heads"), config.integer("indexer_kv_heads")
        dim = config.integer("indexer_head_dim")
        projection = inner.linear("index_qk_proj", hidden, (heads + keys) * dim)
        indexer = sparse.Indexer(
            heads, dim, max(1, budget // ratio), (projection,), vectors=2 * dim, ratio=ratio,
            key_bytes=2 * keys * dim, format=BF16,
        )  # fmt: skip
        mixer = (indexer, attention)
    else:
        raise config.unsupported(f"{kind[:40]!r} is not supported", f"layer_types[{layer}]")
    experts = qwen_mlp(config, layer, scope.child("mlp"), shared=True)
    return (_gated_residuals(config, scope), *_ngrams(config, layer, scope), *mixer, experts)


def _mixing(config: Config, scope: Scope, name: str, *, spreads: bool) -> tuple[Linear, ...]:
    streams, hidden = config.integer("hc_count", maximum=1024), gqa.hidden_size(config)
    wide, rank = streams * hidden, config.integer("hc_lowrank")
    down = scope.linear(f"{name}.mix_down", wide, rank)
    up = scope.linear(f"{name}.mix_up", rank, wide)
    spread = (scope.linear(f"{name}.inject", wide, streams, kind="router"),) if spreads else ()
    return (down, up, *spread)


def _gated_residuals(config: Config, scope: Scope) -> Block:
    """Streams mixed through a bottleneck before attention and before the experts."""
    streams, hidden = config.integer("hc_count", maximum=1024), gqa.hidden_size(config)
    mixes = [
        each
        for name in ("attn_hyper_connection", "mlp_hyper_connection")
        for each in _mixing(config, scope, name, spreads=True)
    ]
    return hyper.HyperConnections(streams, hidden, tuple(mixes), 2 * streams * hidden)


def _qwen4_outside(config: Config, scope: Scope) -> tuple[Block, ...]:
    streams, hidden = config.integer("hc_count", maximum=1024), gqa.hidden_size(config)
    mixes = _mixing(config, scope, "mixer", spreads=False)
    return (hyper.HyperConnections(streams, hidden, mixes, streams * hidden),)


def _ngram_layers(config: Config) -> tuple[int, ...]:
    return tuple(sorted(set(config.integers("ple_layer_ids", minimum=1) or ())))


def _ngrams(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """What looked-up n-grams add to every stream (`ple_layer_ids` counts layers from 1)."""
    if not one_of(layer + 1, _ngram_layers(config)):
        return ()
    streams, hidden = config.integer("hc_count", maximum=1024), gqa.hidden_size(config)
    width = config.optional_integer("ple_embed_dim") or hidden
    group = (
        scope.linear("ple.key_proj", width, streams * hidden),
        scope.linear("ple.value_proj", width, hidden),
    )
    kernel = config.integer("ple_conv_kernel_size")
    wide = streams * hidden
    return (Projections("ngrams", (group,), 3 * wide), Smoothing(wide, kernel))


def _ngram_tables(config: Config, scope: Scope) -> tuple[Linear, ...]:
    """One table a layer that has them: a prime number of rows for every head, the next one each."""
    layers = _ngram_layers(config)
    size = config.integer("ngram_size", minimum=2, maximum=64)
    heads = (size - 1) * config.integer("heads_per_ngram", maximum=1024)
    width = config.optional_integer("ple_embed_dim") or gqa.hidden_size(config)
    base = config.integer("ngram_vocab_size_base", maximum=10**9)
    to = config.integer("make_ngram_vocab_size_divisible_by")
    primes = _primes_from(base, heads * len(layers)) if layers else ()
    tables = []
    for number in range(len(layers)):
        rows = sum(primes[number * heads : (number + 1) * heads])
        rows = -(-rows // to) * to
        name = f"ngram_embedding.{number}"
        tables.append(scope.linear(name, max(1, width // heads), rows, kind="embedding"))
    return tuple(tables)


@lru_cache(maxsize=8)
def _primes_from(least: int, count: int) -> tuple[int, ...]:
    """The first `count` primes from `least` on."""
    found: list[int] = []
    number = max(2, least)
    while len(found) < count:
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            found.append(number)
        number += 1
    return tuple(found)


# --- Lara: Gated DeltaNet among windows ----------------------------------------------------------


_LARA = (
    "linear_attention", "sliding_attention", "linear_attention", "full_attention",
    "sliding_attention",
)  # fmt: skip
"""The class's own period."""


def _lara_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    understood(
        config, "linear_num_value_heads", "linear_num_key_heads", "linear_key_head_dim",
        "linear_value_head_dim", "linear_conv_kernel_dim", "num_attention_heads", "head_dim",
        "num_key_value_heads", "attention_bias", "sliding_window",
    )  # fmt: skip
    mixer: Block
    kind = config.string_at(layer, "layer_types") or _LARA[layer % len(_LARA)]
    if kind == "linear_attention":
        inner = scope.child("linear_attn")
        mixer = linear_attention.read_gated_delta_net(config, inner, layout="split")
    else:
        near = kind == "sliding_attention"
        seen = Visibility(window=config.integer("sliding_window")) if near else FULL
        mixer = gqa.read(config, layer, scope.child("self_attn"), qk_norm="head", visibility=seen)
    width = config.integer("shared_expert_intermediate_size", minimum=0)
    experts = moe.read(
        config, layer, scope.child("mlp"), shared_width=width,
        names=("gate", "experts", "shared_expert"),
    )  # fmt: skip
    return mixer, experts


# --- Muse, Dory ----------------------------------------------------------------------------------


def _fourth_from_last(config: Config, layer: int) -> bool:
    """Windowed but for the last layer and every fourth before it."""
    return (config.layers() - 1 - layer) % 4 != 0


def _gated_gqa(
    config: Config, layer: int, scope: Scope, rule: Rule = _fourth_from_last
) -> gqa.GroupedQueryAttention:
    return gqa.with_gate(config, scope, gqa.read(config, layer, scope, rule=rule))


def _spark_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Experts in a narrower space with norms on both sides; gates on both residuals."""
    attention = _gated_gqa(config, layer, scope.child("self_attn"))
    hidden = gqa.hidden_size(config)
    attention = replace(attention, vectors=attention.vectors + hidden)
    inner = scope.child("mlp")
    understood(
        config, "moe_hidden_size", "moe_intermediate_size", *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS
    )
    if not is_sparse(config, layer):
        return attention, replace(dense.read(config, layer, inner, bias=False), vectors=hidden)
    narrow = config.integer("moe_hidden_size")
    plain = moe.read(config, layer, inner, width=config.integer("moe_intermediate_size"))
    width = plain.expert.down.in_features
    expert = dense.DenseMlp(
        tuple(
            inner.linear(each.name, narrow, width, kind="expert") for each in plain.expert.inputs
        ),
        inner.linear("down_proj", width, narrow, kind="expert"),
    )
    latent = (
        inner.linear("pre_expert_proj", hidden, narrow),
        inner.linear("post_expert_proj", narrow, hidden),
    )
    return attention, replace(
        plain, expert=expert, latent=latent, vectors=2 * narrow + hidden, expert_vectors=narrow
    )


def _dory_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """A mechanism a layer, or attention and MLP where the list names no MLP. The middle ones run
    several times, each time with a cache of its own."""
    hidden, inner = gqa.hidden_size(config), scope.child("self_attn")
    kind, listed = config.string_at(layer, "layer_types"), config.raw("layer_types")
    apart = isinstance(listed, list | tuple) and "mlp" in listed
    understood(
        config, "n_input_layers", "n_output_layers", "n_recurrent_layers", "n_recurrent_loops",
        "num_attention_heads", "num_key_value_heads", "head_dim", "sliding_window",
        "intermediate_size", "attention_bias", "mlp_bias",
    )  # fmt: skip
    blocks: list[Block] = []
    if kind != "mlp":
        attention = _gated_gqa(config, layer, inner, rule=all_but_every(4))
        width = attention.heads * attention.qk_dim
        blocks.append(replace(attention, vectors=hidden + 2 * width))
    if kind == "mlp" or not apart:
        mlp = dense.read(config, layer, scope.child("mlp"))
        blocks.append(replace(mlp, vectors=hidden + 2 * mlp.down.in_features))
    first = config.integer("n_input_layers", minimum=0, maximum=MAX_LAYERS)
    last = config.integer("n_output_layers", minimum=0, maximum=MAX_LAYERS)
    rest = config.layers() - first - last
    middle = config.optional_integer("n_recurrent_layers", minimum=0, maximum=MAX_LAYERS)
    if rest < 0 or middle not in {None, rest}:
        raise config.error("the three kinds of layers are not all layers", "n_recurrent_layers")
    loops = config.integer("n_recurrent_loops", maximum=64)
    repeats = loops - 1 if first <= layer < first + rest else 0
    if config.text("recurrent_kv_cache_mode", default="per_loop") != "per_loop":
        raise config.unsupported("a cache shared by loops is not understood",
                                 "recurrent_kv_cache_mode")  # fmt: skip
    return (*blocks, *(Again(block) for block in blocks * repeats))


FAMILIES = (
    Family(("glm5_next_text",), layer=_glm5_layer, assumptions=(sparse.INDEX_KEYS_ASSUMED,)),
    Family(("hy_v4", "hy_v4_vl_text"), layer=_hy4_layer, extra_parameters=hyper.head_parameters,
           assumptions=(sparse.INDEX_KEYS_ASSUMED,)),
    Family(("mistral_large4_text",), layer=_large4_layer,
           extra_parameters=lambda config: config.integer("qk_rope_head_dim") // 2,
           assumptions=(sparse.INDEX_KEYS_ASSUMED,)),
    Family(("dots3_note_text",), layer=_dots3_layer, assumptions=(sparse.INDEX_KEYS_ASSUMED,)),
    Family(("axk2",), layer=_axk2_layer, assumptions=(sparse.INDEX_KEYS_ASSUMED,)),
    Family(("qwen4_exp_text",), layer=_qwen4_layer, outside=_qwen4_outside, lookups=_ngram_tables,
           norms=0, final_norm=0, assumptions=("index keys are cached in bf16",)),
    Family(("lara_mini",), layer=_lara_layer),
    Family(("muse_glimmer_text",), _gated_gqa, partial(dense.read, bias=False), norms=4),
    Family(("muse_spark_text",), layer=_spark_layer, norms=3),
    Family(("dory",), layer=_dory_layer, norms=0, final_norm=0,
           extra_parameters=lambda config: config.integer("vocab_size")),
)  # fmt: skip
