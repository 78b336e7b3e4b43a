"""Dense decoders with GQA, MHA or MQA: Llama, and everything that is Llama with a difference.

The differences are those of the transformers class of each model_type (release 5.23), checked
against exact parameter counts in the tests.
"""

from __future__ import annotations

from functools import partial

from vperf.errors import UnsupportedModelError
from vperf.model.blocks import dense, gqa
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.families.family import Family
from vperf.model.ops import Linear
from vperf.model.windows import all_but_every, even_layers, every_layer, from_max_window_layers


def _positions(config: Config, scope: Scope, extra: int = 0) -> tuple[Linear, ...]:
    """A learned position table: one row a token is read."""
    rows = config.integer("n_positions", "max_position_embeddings") + extra
    return (scope.linear("embed_positions", gqa.hidden_size(config), rows, kind="embedding"),)


def _plain_mlp(config: Config, layer: int, scope: Scope, *, bias: bool | None = None) -> Block:
    """GELU MLP, four times the hidden width unless the config says otherwise (GPT-2, Bloom)."""
    stated = config.optional_integer(
        "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff"
    )
    return dense.read(
        config, layer, scope, gated=False, bias=bias,
        intermediate=stated or 4 * gqa.hidden_size(config),
    )  # fmt: skip


def _keyed_mlp(
    config: Config, layer: int, scope: Scope, *, key: str, default: bool = False, gated: bool = True
) -> Block:
    """An MLP whose biases follow the flag `key`."""
    return dense.read(config, layer, scope, gated=gated, bias=config.flag(key, default=default))


# --- RMSNorm, gated MLP, rotary --------------------------------------------------------------

LLAMA_LIKE = (
    Family(("llama", "xverse")),
    Family(("mistral", "ministral", "ministral3"), partial(gqa.read, rule=every_layer)),
    Family(("qwen2",), partial(gqa.read, rule=from_max_window_layers, qkv_bias=True,
                               out_bias=False)),
    Family(("qwen3",), partial(gqa.read, rule=from_max_window_layers, qk_norm="head")),
    Family(("phi3",), partial(gqa.read, rule=every_layer, qkv_bias=False, out_bias=False)),
    Family(("granite",), tied=False),
    Family(("smollm3",), tied=True),
    Family(("seed_oss",), lambda config, layer, scope: gqa.read(
        config, layer, scope, bias_default=True,
        out_bias=config.flag("attention_out_bias", default=False))),
    Family(("internlm3",), lambda config, layer, scope: gqa.read(
        config, layer, scope, bias_key="qkv_bias", out_bias=config.flag("bias", default=False)),
        partial(_keyed_mlp, key="bias")),
    Family(("internlm2",), partial(gqa.read, bias_key="bias")),
    Family(("olmo",), norms=0, final_norm=0),
    Family(("olmo2",), partial(gqa.read, qk_norm="whole")),
    Family(("olmo3",), partial(gqa.read, qk_norm="whole", rule=all_but_every(4))),
    Family(("exaone4",), partial(gqa.read, qk_norm="head", rule=all_but_every(4))),
    Family(("exaone",), tied=False),
    Family(("hunyuan_v1_dense",), partial(gqa.read, qk_norm="head"), tied=False),
    Family(("ernie4_5",), partial(gqa.read, bias_key="use_bias"),
           partial(_keyed_mlp, key="use_bias"), tied=True),
    Family(("glm",), partial(gqa.read, bias_default=False, out_bias=False),
           defaults={"head_dim": 128}),
    Family(("glm4",), partial(gqa.read, out_bias=False), norms=4, defaults={"head_dim": 128}),
    Family(("nemotron",), mlp=partial(dense.read, gated=False), norm_bias=True),
    Family(("arcee",), mlp=partial(dense.read, gated=False)),
)  # fmt: skip

# --- BitNet: norms inside both mechanisms -----------------------------------------------------


def _bitnet_attention(config: Config, layer: int, scope: Scope) -> Block:
    return gqa.read(config, layer, scope, vectors=gqa.hidden_size(config))


def _bitnet_mlp(config: Config, layer: int, scope: Scope) -> Block:
    width = config.integer("intermediate_size")
    block = dense.read(config, layer, scope, bias=False)
    return dense.DenseMlp(block.inputs, block.down, vectors=width)


# --- LayerNorm families: GPT-2's children -----------------------------------------------------


def _falcon_attention(config: Config, layer: int, scope: Scope) -> Block:
    heads = gqa.attention_heads(config)
    if config.flag("new_decoder_architecture", default=False):
        kv_heads = config.optional_integer("num_kv_heads", "n_head_kv") or heads
    else:
        kv_heads = 1 if config.flag("multi_query", default=True) else heads
    bias = config.flag("bias", default=False)
    return gqa.read(
        config, layer, scope, kv_heads=kv_heads, qkv_bias=bias, out_bias=bias
    )


def _falcon_norms(config: Config) -> int:
    if config.flag("new_decoder_architecture", default=False):
        return config.optional_integer("num_ln_in_parallel_attn") or 2
    return 1 if config.flag("parallel_attn", default=True) else 2


def _bigcode_attention(config: Config, layer: int, scope: Scope) -> Block:
    kv_heads = 1 if config.flag("multi_query", default=True) else None
    return gqa.read(config, layer, scope, kv_heads=kv_heads, qkv_bias=True, out_bias=True)


def _phi_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = "head" if config.flag("qk_layernorm", default=False) else "none"
    return gqa.read(
        config, layer, scope, qkv_bias=True, out_bias=True, qk_norm=norm, norm_bias=True
    )


def _cohere_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = "per_head" if config.flag("use_qk_norm", default=False) else "none"
    return gqa.read(config, layer, scope, qk_norm=norm)


def _stablelm_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = "per_head" if config.flag("qk_layernorm", default=False) else "none"
    return gqa.read(
        config, layer, scope, bias_key="use_qkv_bias", out_bias=False, qk_norm=norm
    )


def _opt_extra(config: Config) -> int:
    hidden = gqa.hidden_size(config)
    if config.flag("_remove_final_layer_norm", default=False):
        raise UnsupportedModelError(
            "OPT without a final norm is not supported", source=config.source,
            field="_remove_final_layer_norm",
        )  # fmt: skip
    projected = config.optional_integer("word_embed_proj_dim") or hidden
    # opt-350m embeds into 512 and projects to 1024 and back; it has no final norm (post-norm).
    project = 2 * projected * hidden if projected != hidden else 0
    return project - (
        0 if config.flag("do_layer_norm_before", default=True) else 2 * hidden
    )


_BIASED = partial(gqa.read, qkv_bias=True, out_bias=True)
_BIASED_PLAIN_MLP = partial(_plain_mlp, bias=True)

LAYER_NORM = (
    Family(("gpt2",), _BIASED, _BIASED_PLAIN_MLP, norm_bias=True, tied=True,
           lookups=_positions),
    Family(("gpt_bigcode",), _bigcode_attention, _BIASED_PLAIN_MLP, norm_bias=True, tied=True,
           lookups=_positions),
    Family(("gpt_neox",), partial(gqa.read, bias_default=True), _BIASED_PLAIN_MLP, norm_bias=True),
    Family(("gptj",), partial(gqa.read, qkv_bias=False, out_bias=False), _BIASED_PLAIN_MLP,
           norms=1, norm_bias=True, head_bias=True),
    Family(("bloom",), _BIASED, _BIASED_PLAIN_MLP, norm_bias=True, tied=True,
           extra_parameters=lambda config: 2 * gqa.hidden_size(config)),
    Family(("opt",), partial(gqa.read, bias_key="enable_bias", bias_default=True),
           lambda config, layer, scope: _plain_mlp(
               config, layer, scope, bias=config.flag("enable_bias", default=True)),
           norm_bias=True, tied=True, extra_parameters=_opt_extra,
           lookups=partial(_positions, extra=2)),
    Family(("falcon",), _falcon_attention, lambda config, layer, scope: _plain_mlp(
        config, layer, scope, bias=config.flag("bias", default=False)),
        norms=_falcon_norms, norm_bias=True, tied=True),
    Family(("starcoder2",), partial(gqa.read, rule=every_layer, bias_key="use_bias",
                                    bias_default=True),
           partial(_keyed_mlp, key="use_bias", default=True, gated=False),
           norm_bias=True, tied=True),
    Family(("stablelm",), _stablelm_attention, norm_bias=True,
           norms=lambda config: 1 if config.flag("use_parallel_residual", default=False) else 2),
    Family(("phi",), _phi_attention, _BIASED_PLAIN_MLP, norms=1, norm_bias=True, head_bias=True),
    Family(("cohere",), _cohere_attention, norms=1, tied=True),
    Family(("cohere2",), partial(gqa.read, rule=all_but_every(4)), norms=1, tied=True),
)  # fmt: skip

OTHER = (Family(("bitnet",), _bitnet_attention, _bitnet_mlp, tied=True),)

FAMILIES = (*LLAMA_LIKE, *LAYER_NORM, *OTHER)
