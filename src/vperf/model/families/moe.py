"""Mixture-of-experts decoders over per-head KV caches: Mixtral, Qwen3-MoE, gpt-oss and others.

Checked against exact parameter counts in the tests. MLA models: deepseek.py.
"""

from __future__ import annotations

from functools import partial

from vperf.model.blocks import dense, gqa, moe
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.families.family import Family
from vperf.model.windows import even_layers, every_layer, from_max_window_layers


def _qwen_mlp(config: Config, layer: int, scope: Scope, *, shared: bool) -> Block:
    """Experts every `decoder_sparse_step` layers, unless the layer is in `mlp_only_layers`."""
    step = config.optional_integer("decoder_sparse_step") or 1
    only_dense = config.integers("mlp_only_layers") or ()
    if layer in only_dense or (layer + 1) % step:
        return dense.read(config, layer, scope)
    return moe.read(
        config, layer, scope,
        shared_width=config.integer("shared_expert_intermediate_size") if shared else 0,
        shared_gate=shared,
        names=("gate", "experts", "shared_expert"),
    )  # fmt: skip


def first_dense(config: Config, layer: int, scope: Scope) -> Block | None:
    """The dense MLP of the first layers (first_k_dense_replace), as DeepSeek and GLM have it."""
    first = config.optional_integer("first_k_dense_replace", minimum=0) or 0
    return dense.read(config, layer, scope) if layer < first else None


def _glm_mlp(config: Config, layer: int, scope: Scope) -> Block:
    return first_dense(config, layer, scope) or moe.read(
        config, layer, scope,
        shared_width=config.integer("moe_intermediate_size")
        * config.integer("n_shared_experts", minimum=0),
    )  # fmt: skip


def _glm_attention(config: Config, layer: int, scope: Scope) -> Block:
    norm = "head" if config.flag("use_qk_norm", default=False) else "none"
    return gqa.read(config, layer, scope, qk_norm=norm, out_bias=False)


FAMILIES = (
    Family(("mixtral",), partial(gqa.read, rule=every_layer, qkv_bias=False, out_bias=False),
           moe.read, mlp_scope="block_sparse_moe"),
    Family(("qwen2_moe",), partial(gqa.read, rule=from_max_window_layers, qkv_bias=True,
                                   out_bias=False), partial(_qwen_mlp, shared=True)),
    Family(("qwen3_moe",), partial(gqa.read, rule=from_max_window_layers, qk_norm="head"),
           partial(_qwen_mlp, shared=False)),
    Family(("gpt_oss",), partial(gqa.read, rule=even_layers, bias_default=True, sinks=True),
           partial(moe.read, expert_bias=True, router_bias=True,
                   width_keys=("intermediate_size",), names=("router", "experts", "shared")),
           defaults={"head_dim": 64, "sliding_window": 128}),
    Family(("olmoe",), partial(gqa.read, qk_norm="whole"), moe.read),
    Family(("phimoe",), partial(gqa.read, rule=every_layer), moe.read, norm_bias=True,
           mlp_scope="block_sparse_moe",
           head_bias=lambda config: config.flag("lm_head_bias", default=False)),
    Family(("granitemoe",), mlp=moe.read, mlp_scope="block_sparse_moe", tied=False),
    Family(("minimax_m2",), partial(gqa.read, qk_norm="whole"),
           partial(moe.read, width_keys=("intermediate_size",)),
           mlp_scope="block_sparse_moe"),
    Family(("glm4_moe",), _glm_attention, _glm_mlp),
)  # fmt: skip
