"""What stands on top of the layers: an LM head, a classifier's scores, or nothing.

`architectures` names the class that a checkpoint was saved from: base models (embeddings) have no
LM head, classification and reward models one row a label instead. Not here: whether an LM head is
tied (read of the layers), what an encoder builds of it (families/encoder_parts.py).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from vperf.model.checkpoint import Config
from vperf.values import dataclass

Kind = Literal["lm", "none", "labels", "reward", "masked", "pretraining"]

_LM = re.compile(
    r"ForCausalLM|ModelLM$|LMHead|ForConditionalGeneration|LMModel$|Seq2Seq|TextToText"
)
_LABELS = r"For(Sequence|Token)Classification|ForQuestionAnswering|ForTextEncoding"
_MASKED = r"ForMaskedLM|WithLMHeadModel|LMHeadModel|ForCausalLM"
_DRAFT = re.compile(r"eagle|medusa|hydra|draft", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """`labels` rows, perhaps with a bias; of a reward model, `middle` layers of hidden width."""

    kind: Kind
    labels: int = 0
    bias: bool = False
    middle: int = 0
    of_tokens: bool = False
    """Whether every token has such scores, not every sequence."""
    assumptions: tuple[str, ...] = ()


LM = Head("lm")

TASKS: dict[Kind, Literal["generate", "embed", "rerank", "classify"]] = {
    "lm": "generate", "none": "embed", "masked": "embed", "pretraining": "embed",
    "labels": "classify", "reward": "classify",
}  # fmt: skip
"""What a model with such a head is for."""


def read_head(top: Config, *, has_class: bool) -> Head:
    """What `architectures` says of the head. Raises UnsupportedModelError for draft models.

    Base models are told by a name that ends in Model, where transformers has the class: older
    repositories (ChatGLM) call the whole LM so.
    """
    names = top.strings("architectures") or ()
    name = names[0] if names else ""
    if _DRAFT.search(name):
        raise top.unsupported(
            f"{name[:60]} is a draft model: it runs inside of the model it drafts for",
            "architectures",
        )
    if not name or _LM.search(name):
        return LM
    if re.search(_LABELS, name):
        return _labels(top, name)
    if name in {"Qwen2ForRewardModel", "Qwen2ForProcessRewardModel"}:
        # Two layers: hidden to hidden, then the scores (modeling_qwen2_rm.py of Qwen2.5-Math).
        return Head("reward", 2 if "Process" in name else 1, True, 1, False, _no_token(name))
    if name.endswith("ForRewardModel"):
        raise top.unsupported(f"the head of {name[:60]} is not known", "architectures")
    if name.endswith(("Model", "Encoder")) and (has_class or "Bidirectional" in name):
        return Head("none", assumptions=_no_token(name))
    return Head("lm", assumptions=(f"{name[:60]} is taken to have an LM head",))


def read_encoder_head(top: Config) -> Head:
    """The same of an encoder, where a masked-LM head is what checkpoints are trained with."""
    names = top.strings("architectures") or ()
    name = names[0] if names else ""
    if not name:
        return Head("none", assumptions=("architectures is missing: a base model is taken",))
    if name.endswith("ForPreTraining"):
        return Head("pretraining")
    if re.search(_MASKED, name):
        return Head("masked")
    if re.search(_LABELS, name):
        return replace(_labels(top, name, unsaid=2), assumptions=())
    if name.endswith(("WithProjection", "ForMultipleChoice")):
        raise top.unsupported(f"the head of {name[:60]} is not understood", "architectures")
    known = name.endswith(("Model", "Encoder"))
    return Head("none", assumptions=() if known else (f"{name[:60]} is taken to have no head",))


def _no_token(name: str) -> tuple[str, ...]:
    return (f"{name[:60]} has no LM head",)


def _labels(top: Config, name: str, unsaid: int = 1) -> Head:
    stated = top.optional_integer("num_labels")
    listed = top.raw("id2label")
    said: tuple[str, ...] = ()
    if "QuestionAnswering" in name:
        stated = 2
    elif stated is None and isinstance(listed, dict) and listed:
        stated = len(listed)
    elif stated is None:
        said = ("the config does not say how many labels: one score is counted",)
    of_tokens = "SequenceClassification" not in name
    return Head(
        "labels", stated or unsaid, of_tokens, 0, of_tokens, (*_no_token(name), *said)
    )  # fmt: skip
