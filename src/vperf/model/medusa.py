"""Medusa heads: each drafts another of the next tokens from the last hidden state, all in one pass.

    head k    x + silu(W x), so many times, then an LM head of its own    (Cai et al. 2024, arXiv
              2401.10774), or the model's own; perhaps over the most frequent tokens alone

Keys of vLLM's MedusaConfig (num_heads, num_hidden_layers, truncated_vocab_size, original_lm_head,
medusa_fc_bias) and of FasterDecoding's (medusa_num_heads, medusa_num_layers), read 2026-12-01. Not
here: what is accepted, and how many nodes of a tree are verified (serving/speculative.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vperf.errors import InputError
from vperf.formats import BF16
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import Config
from vperf.model.drafter import Checkpoint, one_pass
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Linear
from vperf.spelling import flag

_MAX_HEADS, _MAX_LAYERS = 64, 16


def read_medusa(
    config: Mapping[str, Any], model_id: str, source: str, target: Model, drafts: int | None
) -> Checkpoint:
    """The heads of a config.json for `target`, which runs the first `drafts` of them. Raises
    InputError."""
    top = Config(config, source)
    heads = top.optional_integer("num_heads", "medusa_num_heads", maximum=_MAX_HEADS)
    if heads is None:
        raise InputError(
            f"{model_id} has no Medusa heads: neither num_heads nor medusa_num_heads in its config",
            field="draft-model", hint=f"{flag('speculative')} draft_model or eagle3",
        )  # fmt: skip
    if drafts is not None and drafts > heads:
        raise InputError(f"{drafts} are more than its {heads} heads", field="draft-tokens")
    hidden = top.optional_integer("hidden_size") or target.hidden
    if hidden != target.hidden:
        raise InputError(
            f"{model_id} drafts from hidden states of {hidden}, the model has {target.hidden}: it "
            "was made for another one", field="draft-model",
        )  # fmt: skip
    layers = top.optional_integer("medusa_num_layers", "num_hidden_layers", maximum=_MAX_LAYERS)
    bias = top.flag("medusa_fc_bias", default=not top.has("num_heads"))
    assert target.head is not None
    vocabulary = target.head.out_features
    whole = top.optional_integer("truncated_vocab_size") or vocabulary
    shares = top.flag("original_lm_head", default=False)
    step = Linear("linear", hidden, hidden, BF16, bias)
    blocks = Projections("medusa", ((step,),) * (heads * (layers or 1)))
    head = target.head if shares else Linear("lm_head", hidden, heads * whole, BF16)
    found = replace(
        one_pass(target, hidden, ((1, LayerKind((blocks,), 0)),), head, shares=shares),
        other_parameters=0,
    )
    return Checkpoint(model_id, found, reads=False, at_once=True, outputs=heads if shares else 1)
