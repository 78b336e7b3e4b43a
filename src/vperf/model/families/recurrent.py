"""Models of recurrence alone (Mamba, Mamba-2, xLSTM, RWKV-4) or almost (RecurrentGemma).

Keys and class defaults are those of the transformers classes (release 5.23), checked against exact
parameter counts in the tests.
"""

from __future__ import annotations

from dataclasses import replace

from vperf.model.blocks import dense, gqa, linear_attention, mamba, rg_lru, rwkv
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.families.family import Family
from vperf.model.windows import every_layer

# --- No attention: Mamba, xLSTM, RWKV -------------------------------------------------------


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
    if not config.flag("add_out_norm", default=True):
        raise config.unsupported("xLSTM without an output norm is not supported", "add_out_norm")
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
    count = config.layers("num_hidden_layers", "num_blocks")
    if config.raw("num_blocks") not in (None, count):
        raise config.unsupported("contradicts num_hidden_layers", "num_blocks")
    return count


def _rwkv_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    return (
        rwkv.read_time_mix(config, scope.child("attention")),
        rwkv.read_channel_mix(config, scope.child("feed_forward")),
    )


# --- RecurrentGemma (Griffin): gated linear recurrences, every third layer local attention -----


def _griffin_layer(config: Config, layer: int, scope: Scope) -> tuple[Block, ...]:
    kinds = config.strings("block_types", "_block_types") or ("recurrent", "recurrent", "attention")
    kind = kinds[layer % len(kinds)]
    hidden = gqa.hidden_size(config)
    inner = scope.child("temporal_block")
    mixer: Block
    if kind == "attention":
        mixer = gqa.read(config, layer, inner, rule=every_layer, out_bias=True)
    elif kind == "recurrent":
        mixer = rg_lru.read(config, inner)
    else:
        raise config.unsupported(f"block type {kind[:40]!r} is not supported", "block_types")
    width = config.integer("intermediate_size", minimum=2)  # of gate and up together
    return mixer, dense.build(scope.child("mlp_block"), hidden, width // 2, bias=True)


FAMILIES = (
    Family(("mamba", "falcon_mamba"), layer=_mamba_layer, norms=1, tied=True),
    Family(("mamba2",), layer=_mamba2_layer, norms=1),
    Family(("xlstm",), layer=_xlstm_layer, layers=_xlstm_layers),
    # The first layer has a norm of its own before it.
    Family(("rwkv",), layer=_rwkv_layer, norm_bias=True,
           extra_parameters=lambda config: 2 * gqa.hidden_size(config)),
    Family(("recurrent_gemma",), layer=_griffin_layer, tied=True),
)  # fmt: skip
