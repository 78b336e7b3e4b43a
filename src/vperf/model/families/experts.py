"""Which layers of a MoE have experts, and what is beside them: rules that several lineages share.

Not here: an expert and its router (blocks/moe.py), models (moe.py, deepseek.py, recent.py).
"""

from __future__ import annotations

from vperf.model.blocks import dense, moe
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.families.keys import understood
from vperf.model.layers import one_of


def qwen_mlp(config: Config, layer: int, scope: Scope, *, shared: bool) -> Block:
    """Experts every `decoder_sparse_step` layers, unless the layer is in `mlp_only_layers`."""
    step = config.optional_integer("decoder_sparse_step") or 1
    only_dense = config.integers("mlp_only_layers") or ()
    if one_of(layer, only_dense) or (layer + 1) % step:
        return dense.read(config, layer, scope)
    return moe.read(
        config, layer, scope,
        shared_width=config.integer("shared_expert_intermediate_size") if shared else 0,
        shared_gate=shared,
        names=("gate", "experts", "shared_expert"),
    )  # fmt: skip


def is_sparse(config: Config, layer: int) -> bool:
    """Whether a layer has experts, by `mlp_layer_types` or by DeepSeek's keys."""
    first = config.optional_integer("first_k_dense_replace", minimum=0) or 0
    frequency = config.raw("moe_layer_freq")
    kind = config.string_at(layer, "mlp_layer_types")
    if kind is not None:
        if kind not in _MLP_KINDS:
            raise config.unsupported(
                f"MLP type {kind[:40]!r} is not supported", f"mlp_layer_types[{layer}]"
            )
        return kind != "dense"
    if isinstance(frequency, list):  # MiMo-V2: a flag for every layer
        return config.integer_at(layer, "moe_layer_freq", maximum=1) == 1
    every = config.optional_integer("moe_layer_freq") or 1
    return layer >= first and layer % every == 0


_MLP_KINDS = frozenset({"dense", "sparse", "moe", "hash_moe"})

_SHARED_KEYS = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts")


def sparse_or_dense(
    config: Config,
    layer: int,
    scope: Scope,
    *,
    shared_key: str = "",
    correction: bool = False,
    biased: bool = False,
    width_of_shared: tuple[str, ...] = (),
    names: tuple[str, str, str] = ("gate", "experts", "shared_experts"),
) -> Block:
    """Experts with shared ones beside them, or a dense MLP, as DeepSeek, GLM and others have it.

    Shared experts are one MLP of their number times the expert width (or `width_of_shared`), or of
    width `shared_key`.
    `correction`: the score-correction bias is a parameter of the class, not a buffer. `biased`:
    dense MLPs and shared experts follow `mlp_bias`, which other classes do not have.
    """
    understood(
        config, *moe.EXPERT_KEYS, *moe.ACTIVE_KEYS, *_SHARED_KEYS, shared_key, *width_of_shared
    )
    bias = biased and config.flag("mlp_bias", default=False)
    if not is_sparse(config, layer):
        return dense.read(config, layer, scope, bias=bias)
    width = config.integer("moe_intermediate_size")
    if shared_key:
        shared = config.optional_integer(shared_key, minimum=0) or 0
    else:
        one = config.integer(*width_of_shared) if width_of_shared else width
        shared = one * (config.optional_integer(*_SHARED_KEYS, minimum=0) or 0)
    vectors = config.integer(*moe.EXPERT_KEYS) if correction else 0
    return moe.read(
        config, layer, scope, width=width, shared_width=shared, shared_bias=bias,
        vectors=vectors, names=names,
    )  # fmt: skip
