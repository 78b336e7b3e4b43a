"""NVIDIA's uneven models: Nemotron-H and Nemotron 3 (layers of one mixer each), Llama-Nemotron
(Llama layers that a search has thinned out).

Keys and class defaults are those of the transformers class (release 5.23), for Llama-Nemotron of
the code in its repository.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vperf.model.blocks import dense, gqa, mamba, moe, mtp
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import MAX_LAYERS, Config
from vperf.model.families.family import Family
from vperf.model.families.keys import refuse, understood
from vperf.model.layers import item_of

# --- Nemotron-H: a list of layers, each a norm and one mixer ----------------------------------

_MIXERS = {
    "M": "mamba", "*": "attention", "-": "mlp", "E": "moe",
    "mamba": "mamba", "linear_attention": "mamba", "attention": "attention",
    "full_attention": "attention", "mlp": "mlp", "moe": "moe",
}  # fmt: skip


def _nemotron_list(config: Config) -> str | Sequence[object]:
    """The list of layer kinds, or the string that abbreviates it (M, *, -, E)."""
    stated: object = config.raw("layers_block_type", "layer_types")
    pattern = config.text("hybrid_override_pattern", default="")
    kinds = pattern if stated is None else stated
    if not isinstance(kinds, str | list | tuple) or not 0 < len(kinds) <= MAX_LAYERS:
        raise config.error(f"must list 1 to {MAX_LAYERS} layers", "layers_block_type")
    return kinds


def _nemotron_layers(config: Config) -> int:
    """num_hidden_layers may be missing (Nemotron-3-Ultra); the list decides."""
    count = len(_nemotron_list(config))
    stated = config.optional_integer("num_hidden_layers")
    if stated not in (None, count):
        raise config.error(f"is {stated}, but {count} layers are listed", "num_hidden_layers")
    return count


def _nemotron_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    refuse(config, "sliding_window", "mamba_proj_bias")
    understood(
        config, "n_routed_experts", "n_shared_experts", "moe_latent_size", "ssm_state_size",
        "mamba_num_heads", "moe_shared_expert_intermediate_size", "num_experts_per_tok",
        "attention_bias", "num_attention_heads", "mlp_bias",
    )  # fmt: skip
    kind = item_of(_nemotron_list(config), layer)
    mixer = _MIXERS.get(kind) if isinstance(kind, str) else None
    inner = scope.child("mixer")
    if mixer == "attention":
        return (gqa.read(config, layer, inner, qkv_bias=False, out_bias=False),)
    if mixer == "mlp":
        return (dense.read(config, layer, inner, gated=False),)
    if mixer == "moe":
        return (_nemotron_moe(config, layer, inner),)
    if mixer != "mamba":
        raise config.unsupported(
            f"layer type {str(kind)[:40]!r} is not supported", f"layers_block_type[{layer}]"
        )
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


def _nemotron_mtp(config: Config, last: int, scope: Scope) -> tuple[Block, ...] | None:
    """A module is layers of one mixer each, the first behind the projection (vLLM's
    nemotron_h_mtp.py); None for other mixers than attention and experts."""
    pattern = config.text("mtp_hybrid_override_pattern", default="")
    kinds = config.strings("mtp_layers_block_type") or tuple(pattern)
    mixers = tuple(_MIXERS.get(kind) for kind in kinds)
    if not mixers or set(mixers) - {"attention", "moe"}:
        return None
    hidden = gqa.hidden_size(config)
    blocks = tuple(
        gqa.read(config, last, scope.child(f"layers.{i}.mixer"), qkv_bias=False, out_bias=False)
        if mixer == "attention"
        else _nemotron_moe(config, last, scope.child(f"layers.{i}.mixer"))
        for i, mixer in enumerate(mixers)
    )
    return mtp.build(scope, hidden, (len(blocks) - 1) * hidden), *blocks


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
    Family(("nemotron_h",), layer=_nemotron_layer, layers=_nemotron_layers, norms=1,
           mtp=_nemotron_mtp),
    Family(("nemotron-nas",), layer=_nas_layer, norms=0),
)  # fmt: skip
