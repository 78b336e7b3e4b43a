"""Diffusion language models: a step denoises a block of tokens, several of which it keeps.

Their layers are those of a plain decoder; tokens of a block see each other both ways. Keys are
those of the published configs and their code (GSAI-ML/LLaDA-8B, Dream-org/Dream-v0, JetLM/SDAR;
read 2026-12-01). Not here: what a step reads and keeps (serving/speculative.py).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vperf.model.blocks import dense, gqa
from vperf.model.blocks.base import Block, Scope
from vperf.model.checkpoint import Config
from vperf.model.families import moe
from vperf.model.families.family import Family
from vperf.model.families.keys import refuse


def _llada_attention(config: Config, layer: int, scope: Scope) -> Block:
    refuse(config, "alibi", "multi_query_attention", "weight_tying")
    if config.text("block_type", default="llama") != "llama":
        raise config.unsupported("only the gated MLP of Llama is understood", "block_type")
    heads = gqa.attention_heads(config)
    return gqa.read(
        config, layer, scope, bias_key="include_qkv_bias", qkv_bias=None, out_bias=False,
        heads=heads, kv_heads=config.optional_integer("n_kv_heads") or heads,
    )  # fmt: skip


def _llada_mlp(config: Config, layer: int, scope: Scope) -> Block:
    return dense.read(
        config, layer, scope, bias=config.flag("include_bias", default=False),
        intermediate=config.integer("mlp_hidden_size"),
    )  # fmt: skip


_SDAR_MOE = next(row for row in moe.FAMILIES if "qwen3_moe" in row.model_types)

FAMILIES = (
    Family(("llada",), _llada_attention, _llada_mlp, diffuses=True),
    Family(("Dream", "dream"), partial(gqa.read, qkv_bias=True, out_bias=False), diffuses=True),
    Family(("sdar",), partial(gqa.read, qk_norm="head"), diffuses=True),
    replace(_SDAR_MOE, model_types=("sdar_moe",), diffuses=True),
)  # fmt: skip
