"""Gemma 4's assistants: a few layers that draft over the cache of the model they draft for.

    [embedding, hidden state] of the model -> hidden, layers without keys and values of their own,
    which attend to the cache of the model's last layers of their kinds, an LM head; and back to the
    model's width for the next draft

So they read no prompt and keep no cache. Keys of Gemma4AssistantConfig (transformers 5.24) as
google/gemma-4-31B-it-assistant states them, read 2026-12-01. With ordered embeddings (E2B, E4B) the
head looks at its centroids and at the tokens of the best of them alone. Not here: what is accepted.
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
from vperf.model.drafter import Checkpoint, one_pass
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Linear
from vperf.model.quantization import read_scheme
from vperf.model.text_model import find_text_model


def read_assistant(
    config: Mapping[str, Any],
    model_id: str,
    source: str,
    target: Model,
    hf_quant_config: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """An assistant for `target`. Raises InputError where it was made for another model."""
    top = Config(config, source)
    own = config.get("text_config")
    if not isinstance(own, Mapping):
        raise top.unsupported("an assistant is understood with its text_config only", "text_config")
    width = top.optional_integer("backbone_hidden_size") or 1536
    if width != target.hidden:
        raise InputError(
            f"{model_id} drafts from hidden states of {width}, the model has {target.hidden}: it "
            "was made for another one", field="draft-model",
        )  # fmt: skip
    # Every layer shares its cache, which no model's own layers do.
    nested = {"model_type": "gemma4_text", **own, "num_kv_shared_layers": 0}
    family, text = find_text_model(Config(nested, source, "text_config"))
    scheme = read_scheme(config, hf_quant_config, source=source)
    hidden, scope = hidden_size(text), Scope("layers.0", scheme.weight)
    layers = [
        LayerKind(tuple(map(_over_the_models_cache, family.blocks(text, at, scope))), 4 * hidden)
        for at in range(text.integer("num_hidden_layers", maximum=64))
    ]
    ends = Projections(
        "assistant",
        ((scope.linear("pre_projection", 2 * width, hidden),),
         (scope.linear("post_projection", hidden, width),)),
    )  # fmt: skip
    layers[0] = replace(layers[0], blocks=(ends, *layers[0].blocks))
    counts: dict[LayerKind, int] = {}
    for layer in layers:
        counts[layer] = counts.get(layer, 0) + 1
    vocabulary = text.integer("vocab_size")
    read = vocabulary
    if top.flag("use_ordered_embeddings", default=False):
        centroids = top.optional_integer("num_centroids") or 2048
        best = top.optional_integer("centroid_intermediate_top_k") or 32
        read = min(vocabulary, centroids + best * vocabulary // centroids)
    outer = Scope("", scheme.weight)
    head = outer.linear("lm_head", hidden, read, kind="head")
    kinds = tuple((count, kind) for kind, count in counts.items())
    found = one_pass(target, hidden, kinds, head, shares=False)
    if read < vocabulary:
        rest = outer.linear("embed_tokens", hidden, vocabulary - read, kind="embedding")
        found = replace(found, embedding=rest)
    return Checkpoint(model_id, found, reads=False)


def _over_the_models_cache(block: Block) -> Block:
    if not isinstance(block, GroupedQueryAttention):
        return block
    query: tuple[Linear, ...] = block.inputs[:1]
    return replace(block, inputs=query, vectors=block.qk_dim, shares_cache=True)
