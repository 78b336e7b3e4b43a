"""Models of odd layers: one mixer each (Nemotron-H), recurrence alone (Mamba, Mamba-2, xLSTM), or
layers that a search has thinned out (Llama-Nemotron).

Keys and class defaults are those of the transformers classes (release 5.23), for Llama-Nemotron of
the code in its repository. Hybrids of a mixer and an MLP per layer: hybrid.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vperf.errors import UnsupportedModelError
from vperf.model.blocks import dense, gqa, linear_attention, mamba, moe
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import MAX_LAYERS, Config
from vperf.model.families.family import Family
from vperf.model.families.hybrid import refuse, understood

# --- Nemotron-H: a list of layers, each a norm and one mixer ----------------------------------

_MIXERS = {
    "M": "mamba", "*": "attention", "-": "mlp", "E": "moe",
    "mamba": "mamba", "linear_attention": "mamba", "attention": "attention",
    "full_attention": "attention", "mlp": "mlp", "moe": "moe",
}  # fmt: skip


def _nemotron_list(config: Config) -> Sequence[object]:
    """The list of layer kinds, or the string that abbreviates it (M, *, -, E)."""
    kinds = config.raw("layers_block_type", "layer_types")
    pattern = config.raw("hybrid_override_pattern")
    if kinds is None:
        kinds = pattern
        if not isinstance(kinds, str):
            raise config.error("missing; the layers are unknown", "hybrid_override_pattern")
    elif not isinstance(kinds, list | tuple):
        raise config.error("must be a list", "layers_block_type")
    if not 0 < len(kinds) <= MAX_LAYERS:
        raise config.error(f"must have 1 to {MAX_LAYERS} entries", "layers_block_type")
    return kinds


def _nemotron_layers(config: Config) -> int:
    """num_hidden_layers may be missing (Nemotron-3-Ultra); the list decides."""
    count = len(_nemotron_list(config))
    stated = config.optional_integer("num_hidden_layers")
    if stated not in (None, count):
        raise config.error(f"is {stated}, but {count} layers are listed", "num_hidden_layers")
    return count


def _nemotron_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    refuse(config, "sliding_window", "mamba_proj_bias", "tie_word_embeddings")
    understood(
        config, "n_routed_experts", "moe_latent_size", "ssm_state_size", "mamba_num_heads",
    )  # fmt: skip
    kind = _nemotron_list(config)[layer]
    mixer = _MIXERS.get(kind) if isinstance(kind, str) else None
    inner = scope.child("mixer")
    if mixer == "attention":
        return (gqa.read(config, layer, inner),)
    if mixer == "mlp":
        return (dense.read(config, layer, inner, gated=False),)
    if mixer == "moe":
        return (_nemotron_moe(config, layer, inner),)
    if mixer != "mamba":
        raise UnsupportedModelError(
            f"layer type {str(kind)[:40]!r} is not supported",
            source=config.source, field=f"layers_block_type[{layer}]",
        )  # fmt: skip
    bias = config.flag("use_bias", default=False)
    return (
        mamba.read_mamba2(
            config,
            inner,
            heads=config.integer("mamba_num_heads"),
            head_dim=config.integer("mamba_head_dim"),
            groups=config.integer("n_groups", "mamba_n_groups"),
            state=config.integer("ssm_state_size"),
            kernel=config.integer("conv_kernel", "mamba_d_conv"),
            chunk=config.integer("chunk_size", "mamba_chunk_size"),
            in_bias=bias,
            out_bias=bias,
            conv_bias=config.flag("use_conv_bias", "mamba_conv_bias", default=True),
        ),
    )


def _nemotron_moe(config: Config, layer: int, scope: Scope) -> Block:
    """Ungated (relu2) experts, in Super and Ultra inside a latent space; one shared expert."""
    if config.integer("n_shared_experts", minimum=0) != 1:
        # vLLM and transformers disagree on what any other number builds.
        raise config.error("only 1 shared expert is understood", "n_shared_experts")
    hidden = gqa.hidden_size(config)
    bias = config.flag("mlp_bias", default=False)
    width = config.integer("moe_intermediate_size")
    block = moe.read(
        config, layer, scope, gated=False, width=width,
        shared_width=config.integer("moe_shared_expert_intermediate_size"), shared_bias=bias,
    )  # fmt: skip
    latent = config.optional_integer("moe_latent_size")
    if latent is None:
        return block
    one = scope.child("experts.0")
    return replace(
        block,
        latent=(
            scope.linear("fc1_latent_proj", hidden, latent, bias=bias),
            scope.linear("fc2_latent_proj", latent, hidden, bias=bias),
        ),
        expert=dense.DenseMlp(
            (one.linear("up_proj", latent, width, kind="expert"),),
            one.linear("down_proj", width, latent, kind="expert"),
        ),
    )


# --- No attention at all ----------------------------------------------------------------------


def _mamba_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """Mamba and Falcon-Mamba (whose norms of dt, B and C have no weights)."""
    hidden = gqa.hidden_size(config)
    inner = config.optional_integer("intermediate_size")
    return (
        mamba.read_mamba(
            config,
            scope.child("mixer"),
            inner=inner or config.integer("expand") * hidden,
            state=config.integer("state_size"),
            kernel=config.integer("conv_kernel"),
            rank_key="time_step_rank",
            bias=config.flag("use_bias", default=False),
            conv_bias=config.flag("use_conv_bias", default=True),
        ),
    )


def _mamba2_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    heads = config.integer("num_heads")
    head_dim = config.integer("head_dim")
    inner = config.integer("expand") * gqa.hidden_size(config)
    if heads * head_dim != inner:
        raise config.error(f"{heads} heads of {head_dim} do not make up {inner}", "num_heads")
    bias = config.flag("use_bias", default=False)
    return (
        mamba.read_mamba2(
            config,
            scope.child("mixer"),
            heads=heads,
            head_dim=head_dim,
            groups=config.integer("n_groups"),
            state=config.integer("state_size"),
            kernel=config.integer("conv_kernel"),
            chunk=config.integer("chunk_size"),
            in_bias=bias,
            out_bias=bias,
            conv_bias=config.flag("use_conv_bias", default=True),
        ),
    )


def _xlstm_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    refuse(config, "tie_word_embeddings")
    if not config.flag("add_out_norm", default=True):
        raise UnsupportedModelError(
            "xLSTM without an output norm is not supported",
            source=config.source, field="add_out_norm",
        )  # fmt: skip
    hidden = gqa.hidden_size(config)
    if (config.optional_integer("embedding_dim") or hidden) != hidden:
        raise config.error("differs from hidden_size", "embedding_dim")
    bias = config.flag("use_bias", default=False)
    width = _scaled(config, hidden, "ffn_proj_factor")
    unit = config.integer("ffn_round_up_to_multiple_of")
    mixer = linear_attention.read_mlstm(
        config,
        scope.child("mlstm_layer"),
        keys=int(_scaled(config, hidden, "qk_dim_factor")),
        values=int(_scaled(config, hidden, "v_dim_factor")),
    )
    # (4096 x 2.667 + 63) // 64: the class rounds up only from the next whole number on.
    rounded = int((width + unit - 1) // unit) * unit
    mlp = dense.build(scope.child("ffn"), hidden, rounded, bias=bias)
    return mixer, replace(mlp, vectors=2 * hidden * bias)  # the two norms of a layer may be biased


def _scaled(config: Config, hidden: int, key: str) -> float:
    width = hidden * config.number(key)
    if not 1 <= width < 2**31:
        raise config.error(f"makes a width of {width}", key)
    return width


def _xlstm_layers(config: Config) -> int:
    return config.layers("num_hidden_layers", "num_blocks")


# --- Llama-Nemotron (DeciLM): every layer has its own KV heads and MLP width, or lacks them ----


def _nas_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    """A part that is a no_op has no norm either, so the norms are counted with the parts."""
    listed = config.raw("block_configs")
    if not isinstance(listed, list | tuple) or layer >= len(listed):
        raise config.error("must be a list with an entry for every layer", "block_configs")
    if not isinstance(listed[layer], Mapping):
        raise config.error("must be an object", f"block_configs[{layer}]")
    parts = Config(listed[layer], config.source, f"block_configs[{layer}]")
    hidden = gqa.hidden_size(config)
    heads = gqa.attention_heads(config)
    blocks: list[Block] = []
    attention = _nas_part(parts, "attention")
    if attention is not None:
        refuse(attention, "num_sink_tokens", "window_length", "sparsify")
        group = attention.integer("n_heads_in_group")
        if heads % group:
            raise attention.error(f"does not divide {heads} heads", "n_heads_in_group")
        blocks.append(
            gqa.read(
                config, layer, scope.child("self_attn"), kv_heads=heads // group, vectors=hidden
            )
        )
    mlp = _nas_part(parts, "ffn")
    if mlp is not None:
        refuse(mlp, "sparsify")
        width = int(2 * mlp.number("ffn_mult") * hidden / 3)
        if not 1 <= width < 2**31:
            raise mlp.error(f"makes an MLP of width {width}", "ffn_mult")
        block = dense.read(
            config, layer, scope.child("mlp"), intermediate=math.ceil(width / 256) * 256
        )
        blocks.append(replace(block, vectors=hidden))
    return tuple(blocks)


def _nas_part(block: Config, name: str) -> Config | None:
    """Attention or MLP of a layer; None where it is left out."""
    part = block.child(name)
    if part is None:
        raise block.error("missing; it is needed", name)
    refuse(part, "replace_with_linear")
    return None if part.flag("no_op", default=False) else part


FAMILIES = (
    Family(("nemotron_h",), layer=_nemotron_layer, layers=_nemotron_layers, norms=1, defaults={
        "head_dim": 128, "conv_kernel": 4, "n_groups": 8, "chunk_size": 128}),
    Family(("mamba", "falcon_mamba"), layer=_mamba_layer, norms=1, tied=True, defaults={
        "expand": 2, "state_size": 16, "conv_kernel": 4}),
    Family(("mamba2",), layer=_mamba2_layer, norms=1, defaults={
        "expand": 2, "n_groups": 8, "state_size": 128, "conv_kernel": 4, "chunk_size": 256}),
    Family(("xlstm",), layer=_xlstm_layer, layers=_xlstm_layers, defaults={
        "num_heads": 8, "qk_dim_factor": 0.5, "v_dim_factor": 1.0, "ffn_proj_factor": 2.667,
        "ffn_round_up_to_multiple_of": 64}),
    Family(("nemotron-nas",), layer=_nas_layer, norms=0),
)  # fmt: skip
