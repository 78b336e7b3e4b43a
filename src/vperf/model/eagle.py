"""EAGLE heads: a decoder layer that drafts from the hidden states of the model it drafts for.

    EAGLE     [embedding, hidden state] -> hidden, then a layer without its first norm; the model's
              own LM head                                     (Li et al. 2024, arXiv 2401.15077)
    EAGLE-3   hidden states of three layers joined once a step, [embedding, hidden state] straight
              into attention, an LM head over its own, smaller vocabulary   (arXiv 2503.01840)

Both look tokens up in the model's embedding. Layouts as vLLM's llama_eagle.py and llama_eagle3.py
have them (commit 00bd149, read 2026-12-01). Not here: passes, and what is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vperf.errors import InputError
from vperf.model.blocks.base import Block, Scope
from vperf.model.blocks.gqa import GroupedQueryAttention, hidden_size
from vperf.model.blocks.projection import Projections
from vperf.model.checkpoint import Config
from vperf.model.drafter import Checkpoint, Method, one_pass
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Linear
from vperf.model.quantization import read_scheme
from vperf.model.text_model import find_text_model
from vperf.spelling import flag

_NESTS = ("transformer_layer_config", "model")
"""Where the layer stands: speculators' files, and those of vLLM's first EAGLE."""
_HIDDEN_STATES = 3


def read_eagle(  # noqa: PLR0917  (a config as it is found, and what it is for)
    config: Mapping[str, Any],
    model_id: str,
    source: str,
    method: Method,
    target: Model,
    hf_quant_config: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """The head of a config.json for `target`. Raises InputError, UnsupportedModelError."""
    top = Config(config, source)
    _check_kind(top, model_id, method)
    name = next((name for name in _NESTS if top.child(name)), None)
    family, text = find_text_model((name and top.child(name)) or top)
    nested = config[name] if name else {}
    scheme = read_scheme({**nested, **config}, hf_quant_config, source=source)
    hidden, scope = hidden_size(text), Scope("layers.0", scheme.weight)
    count = text.integer("num_hidden_layers", maximum=64)
    blocks = family.blocks(text, 0, scope)
    attention = blocks[0]
    if not isinstance(attention, GroupedQueryAttention):
        raise top.unsupported("an EAGLE head is understood with plain attention only",
                              "architectures")  # fmt: skip
    stated = top.optional_integer("target_hidden_size") or text.optional_integer(
        "target_hidden_size"
    )
    width = stated or target.hidden
    if width != target.hidden or (not stated and method == "eagle" and hidden != width):
        raise InputError(
            f"{model_id} drafts from hidden states of {stated or hidden}, the model has "
            f"{target.hidden}: it was made for another one",
            field="draft-model",
        )
    if method == "eagle":
        fc = Projections("eagle", ((scope.linear("fc", 2 * hidden, hidden),),))
        kinds = (
            (1, LayerKind((fc, *blocks), hidden)),
            *(((count - 1, LayerKind(blocks, 2 * hidden)),) if count > 1 else ()),
        )
        return Checkpoint(model_id, one_pass(target, hidden, kinds, target.head, shares=True))
    first = replace(attention, inputs=tuple(_wider(w, 2 * hidden) for w in attention.inputs))
    kinds = (
        (1, LayerKind((first, *blocks[1:]), 3 * hidden)),
        *(((count - 1, LayerKind(blocks, 2 * hidden)),) if count > 1 else ()),
    )
    vocabulary = (
        top.optional_integer("draft_vocab_size")
        or text.optional_integer("draft_vocab_size")
        or text.integer("vocab_size")
    )
    head = Scope("", scheme.weight).linear("lm_head", hidden, vocabulary, kind="head")
    joins = _joins(top, scope, width, hidden)
    return Checkpoint(model_id, one_pass(target, hidden, kinds, head, shares=False), joins)


def _check_kind(top: Config, model_id: str, method: Method) -> None:
    names = " ".join(top.strings("architectures") or ()).lower()
    said = f"{names} {top.raw('speculators_model_type') or ''} {top.raw('model_type') or ''}"
    third = "eagle3" in said.replace("-", "") or top.has("draft_vocab_size", "eagle_config")
    if third and method != "eagle3":
        raise InputError(f"{model_id} is an EAGLE-3 head", field="draft-model",
                         hint=f"{flag('speculative')} eagle3")  # fmt: skip
    if not third and method == "eagle3":
        hint = f"{flag('speculative')} {'eagle' if 'eagle' in said else 'draft_model'}"
        raise InputError(f"{model_id} is no EAGLE-3 head: no draft_vocab_size in its config",
                         field="draft-model", hint=hint)  # fmt: skip
    if method == "eagle" and top.optional_integer("num_hidden_layers") not in {None, 1, 2}:
        raise InputError(f"{model_id} is no EAGLE head: it has as many layers as a model",
                         field="draft-model",
                         hint=f"{flag('speculative')} draft_model")  # fmt: skip


def _joins(top: Config, scope: Scope, target_hidden: int, hidden: int) -> Block | None:
    """What makes one hidden state of those of several layers; None: the last one is taken."""
    own = top.child("eagle_config") or Config({}, top.source)
    if not own.flag("use_aux_hidden_state", default=True):
        return None
    listed = own.integers("eagle_aux_hidden_state_layer_ids") or top.integers(
        "eagle_aux_hidden_state_layer_ids"
    )
    states = len(listed) if listed else _HIDDEN_STATES
    return Projections("eagle", ((scope.linear("fc", states * target_hidden, hidden),),))


def _wider(weight: Linear, inputs: int) -> Linear:
    return replace(weight, in_features=inputs, format=weight.format.of_rows(inputs))
