"""Linear attention, Mamba and convolutions of a GGUF file: which layers have them, their shapes."""

from __future__ import annotations

from vperf.model.gguf.header import GgufHeader
from vperf.model.gguf.parts import EXPERT_DOWN, Keys, Part, experts, experts_are_the_mlp


def mixers(attention: str, other: str) -> Part:
    """layer_types: attention where a layer has Q (or a KV projection), else `other`."""

    def part(h: GgufHeader) -> Keys:
        attends = set(h.holders("attn_k.weight"))
        return {"layer_types": [attention if i in attends else other for i in range(h.layers)]}

    return part


def delta_net(h: GgufHeader) -> Keys:
    """Gated DeltaNet: heads and widths of keys and values, the convolution."""
    heads, inner = h.needed("ssm.time_step_rank"), h.needed("ssm.inner_size")
    return {
        "linear_num_key_heads": h.needed("ssm.group_count"),
        "linear_num_value_heads": heads,
        "linear_key_head_dim": h.needed("ssm.state_size"),
        "linear_value_head_dim": max(1, inner // heads),
        "linear_conv_kernel_dim": h.needed("ssm.conv_kernel"),
    }


def mamba2(h: GgufHeader) -> Keys:
    """Mamba-2 beside attention; ssm.time_step_rank counts heads."""
    heads, inner = h.needed("ssm.time_step_rank"), h.needed("ssm.inner_size")
    return {
        "mamba_n_heads": heads,
        "mamba_d_head": max(1, inner // heads),
        "mamba_n_groups": h.needed("ssm.group_count"),
        "mamba_d_state": h.needed("ssm.state_size"),
        "mamba_d_conv": h.needed("ssm.conv_kernel"),
        "mamba_expand": max(1, inner // h.needed("embedding_length")),
        "mamba_conv_bias": h.has("ssm_conv1d.bias"),
        "mamba_proj_bias": h.has("ssm_in.bias"),
    }


def falcon_h1(h: GgufHeader) -> Keys:
    """Attention and Mamba-2 side by side in every layer."""
    return {
        "mamba_d_ssm": h.needed("ssm.inner_size"),
        "mamba_rms_norm": h.has("ssm_norm.weight"),
        "projectors_bias": h.has("ssm_out.bias"),
    }


def granite_hybrid(h: GgufHeader) -> Keys:
    """The MLP is a shared expert, also where no others are."""
    shared = h.length(0, "ffn_down_shexp.weight", "ffn_down.weight")
    if not h.has(*EXPERT_DOWN):
        return {"num_local_experts": 0, "shared_intermediate_size": shared}
    keys = experts_are_the_mlp(h)
    keys["num_local_experts"] = keys.pop("num_experts")
    return {**keys, "shared_intermediate_size": shared}


def pure_mamba(h: GgufHeader) -> Keys:
    """Mamba and Mamba-2 without attention."""
    inner, hidden = h.needed("ssm.inner_size"), h.needed("embedding_length")
    keys: Keys = {
        "state_size": h.needed("ssm.state_size"),
        "conv_kernel": h.needed("ssm.conv_kernel"),
        "expand": max(1, inner // hidden),
        "use_conv_bias": h.has("ssm_conv1d.bias"),
        "use_bias": h.has("ssm_in.bias"),
        "num_attention_heads": None,
    }
    if h.architecture == "mamba2":
        heads = h.needed("ssm.time_step_rank")
        return keys | {"num_heads": heads, "head_dim": max(1, inner // heads),
                       "n_groups": h.needed("ssm.group_count")}  # fmt: skip
    rank = h.needed("ssm.time_step_rank")
    return keys | {"intermediate_size": inner, "time_step_rank": rank}


def nemotron_h(h: GgufHeader) -> Keys:
    """Every layer has one mixer: which one, its tensors say."""
    letters = {"ssm_in.weight": "M", "attn_q.weight": "*", "ffn_up_exps.weight": "E",
               "ffn_up.weight": "-"}  # fmt: skip
    kinds = {i: letter for suffix, letter in letters.items() for i in h.holders(suffix)}
    if len(kinds) != h.layers:
        raise h.unsupported("a layer without a mixer")
    keys: Keys = {
        "hybrid_override_pattern": "".join(kinds[i] for i in range(h.layers)),
        "mamba_num_heads": h.needed("ssm.time_step_rank"),
        "mamba_head_dim": max(1, h.needed("ssm.inner_size") // h.needed("ssm.time_step_rank")),
        "n_groups": h.needed("ssm.group_count"),
        "ssm_state_size": h.needed("ssm.state_size"),
        "conv_kernel": h.needed("ssm.conv_kernel"),
        "use_conv_bias": h.has("ssm_conv1d.bias"),
        "tie_word_embeddings": None,
    }
    if h.has("ffn_up_exps.weight"):
        keys |= {
            **experts(h),
            "n_routed_experts": h.needed("expert_count"),
            "num_experts": None,
            "n_shared_experts": 1,
            "moe_shared_expert_intermediate_size": h.length(0, "ffn_down_shexp.weight"),
            "moe_latent_size": h.number("moe_latent_size") or None,
        }
    return keys


def jamba(h: GgufHeader) -> Keys:
    """Attention and experts at fixed periods, found from where they are."""
    keys: Keys = {
        "mamba_expand": max(1, h.needed("ssm.inner_size") // h.needed("embedding_length")),
        "mamba_d_state": h.needed("ssm.state_size"),
        "mamba_d_conv": h.needed("ssm.conv_kernel"),
        "mamba_dt_rank": h.needed("ssm.time_step_rank"),
        "num_experts": h.number("expert_count", 1) or 1,
        "num_experts_per_tok": h.number("expert_used_count", 1) or 1,
        "intermediate_size": h.length(0, "ffn_down.weight", *EXPERT_DOWN),
    }
    for name, layers in (("attn", h.holders("attn_k.weight")),
                         ("expert", h.holders(*EXPERT_DOWN))):  # fmt: skip
        if not layers:
            continue
        period = layers[1] - layers[0] if len(layers) > 1 else h.layers
        if layers != tuple(range(layers[0], h.layers, period)):
            raise h.unsupported("layers at no fixed period")
        keys |= {f"{name}_layer_period": period, f"{name}_layer_offset": layers[0]}
    return keys


def lfm2(h: GgufHeader) -> Keys:
    """Short convolutions; the width of the MLP is as stored."""
    return {
        "conv_L_cache": h.needed("shortconv.l_cache"),
        "conv_bias": h.has("shortconv.conv.bias"),
        "block_auto_adjust_ff_dim": False,
    }
