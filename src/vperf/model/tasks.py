"""What a model is run for: tokens, a vector, scores. The answer of all but the first is there when
the text is read.

    embed       the last hidden states, pooled: no head is loaded
    rerank      one score for a query with a document
    classify    a score for each label

A decoder is run for the others as vLLM and SGLang convert it: its LM head is left out, and a head
of scores put on the last token. Not here: heads that a config states (heads.py,
families/encoder_parts.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from vperf.errors import InputError
from vperf.formats import BF16
from vperf.model.blocks.gqa import GroupedQueryAttention
from vperf.model.model import LayerKind, Model
from vperf.model.ops import Linear
from vperf.notes import Note

Task = Literal["generate", "embed", "rerank", "classify"]
TASKS: tuple[Task, ...] = get_args(Task)


_BOTH_WAYS = frozenset({"llama_bidirec"})


def task_named(name: str) -> Task:
    """The task of a name. Raises InputError."""
    found = name.strip().lower()
    if found not in TASKS:
        raise InputError(f"must be {', '.join(TASKS[:-1])} or {TASKS[-1]}, not {name!r}",
                         field="task")  # fmt: skip
    return found


def run_for(model: Model, model_id: str, task: Task, config: Mapping[str, Any]) -> Model:
    """The model as it is run for a task. Raises InputError where it cannot be."""
    if task == "generate":
        if not model.generates:
            raise InputError(f"{model_id} generates no tokens", field="task")
        return model
    if model.encoder and model.generates:
        raise InputError(
            f"{model_id} is an encoder-decoder: only as one that generates is it understood",
            field="task",
        )
    if not model.generates:  # its own head says what it is for
        return replace(model, task=task)
    labels = {"embed": 0, "rerank": 1}.get(task)
    if labels is None:
        labels = _labels(config, model_id)
    head = Linear("score", model.hidden, labels, BF16) if labels else None
    said = (*model.assumptions, Note("run_for", task=task), Note("no_tokens"))
    return replace(
        model, head=head, tied=False, generates=False, task=task, mtp_layers=0, mtp=None,
        assumptions=said,
    )  # fmt: skip


def seen_both_ways(model: Model, config: Mapping[str, Any]) -> Model:
    """The model that reads texts as its config says: its positions see each other both ways
    (EmbeddingGemma, llama-embed-nemotron, gte-Qwen2), or only what was before them."""
    stated = config.get("use_bidirectional_attention") is True or config.get("is_causal") is False
    if model.generates or not (stated or config.get("model_type") in _BOTH_WAYS):
        return model

    def read(kind: LayerKind) -> LayerKind:
        blocks = tuple(
            replace(block, causal=False) if isinstance(block, GroupedQueryAttention) else block
            for block in kind.blocks
        )
        return replace(kind, blocks=blocks)

    return replace(model, kinds=tuple((count, read(kind)) for count, kind in model.kinds))


def _labels(config: Mapping[str, Any], model_id: str) -> int:
    stated, listed = config.get("num_labels"), config.get("id2label")
    if type(stated) is int and stated > 0:
        return stated
    if isinstance(listed, Mapping) and listed:
        return len(listed)
    raise InputError(
        f"the config of {model_id} does not say how many labels: neither num_labels nor id2label",
        field="task",
    )
