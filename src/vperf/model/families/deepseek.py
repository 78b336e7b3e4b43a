"""DeepSeek-V2/V3 and the models built like them: MLA, shared experts, first layers dense."""

from __future__ import annotations

from vperf.model.blocks import mla, moe
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.families.family import Family
from vperf.model.families.moe import first_dense


def _deepseek_mlp(config: Config, layer: int, scope: Scope) -> Block:
    dense_layer = first_dense(config, layer, scope)
    if dense_layer is not None:
        return dense_layer
    return moe.read(
        config, layer, scope,
        shared_width=config.integer("moe_intermediate_size")
        * (config.optional_integer("n_shared_experts", minimum=0) or 0),
    )  # fmt: skip


FAMILIES = (
    Family(("deepseek_v2", "deepseek_v3", "kimi_k2"), mla.read, _deepseek_mlp),
    Family(("minicpm3",), mla.read),
)  # fmt: skip
