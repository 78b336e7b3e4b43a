"""Speculative decoding with a model's own multi-token-prediction (MTP) modules.

A step verifies 1 + K tokens of every sequence in one pass, all their logits included, then drafts K
more, one pass of a module after another. With each draft accepted with probability A, whatever
came before it (Leviathan et al. 2023, arXiv 2211.17192, equation 1),

    tokens a step = 1 + A + ... + A^K = (1 - A^(K + 1)) / (1 - A)
    TPOT          = (verification + K drafts) / tokens a step

A module has a cache of its own, for which it reads the prompt too, behind the model. The first
token does not need that, so the limit leaves it out; engines give the token out after it.
Not here: which passes a step has and how long they take (timing/).
"""

from __future__ import annotations

import math
from dataclasses import replace

from vperf.errors import InputError
from vperf.model.model import Model
from vperf.model.ops import DECODE_KERNEL_MAX_NEW
from vperf.model.read import MTP_KEYS

METHODS = ("mtp",)
MOST_DRAFT_TOKENS = DECODE_KERNEL_MAX_NEW - 1
"""Verification is still decode attention up to here."""


def drafting(model: Model, model_id: str, method: str, draft_tokens: int | None) -> Model:
    """The model with its MTP modules loaded and drafting `draft_tokens` (default: one a module).

    Raises InputError where it has none, naming what was looked for.
    """
    if method not in METHODS:
        raise InputError(
            f"must be {' or '.join(METHODS)}, not {method!r}", field="speculative",
            hint="the model's own multi-token-prediction layers draft",
        )  # fmt: skip
    if not model.mtp_layers:
        raise InputError(
            f"{model_id} has no multi-token-prediction layers: its config has none of "
            f"{', '.join(MTP_KEYS)} above 0",
            field="speculative",
        )
    if model.draft is None:
        raise InputError(
            f"{model_id} has {model.mtp_layers} multi-token-prediction layers, but what they "
            f"compute is not understood for model_type {model.model_type!r}",
            field="speculative",
        )
    count = min(model.mtp_layers, MOST_DRAFT_TOKENS) if draft_tokens is None else draft_tokens
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_DRAFT_TOKENS:
        raise InputError(
            f"must be an integer from 1 to {MOST_DRAFT_TOKENS}, not {count!r}", field="draft-tokens"
        )
    return replace(model, draft_tokens=count)


def checked_acceptance(acceptance: float | None) -> float:
    """The acceptance, from 0 to 1. Raises InputError."""
    if acceptance is None:
        raise InputError(
            "missing: speculative decoding is as fast as its drafts are accepted",
            field="acceptance",
            hint="give the share of draft tokens that are accepted; DeepSeek-V3's report has "
            "0.85 to 0.9 for its one MTP layer",
        )
    number = isinstance(acceptance, int | float) and not isinstance(acceptance, bool)
    if not number or not 0 <= acceptance <= 1:
        raise InputError(f"must be from 0 to 1, not {acceptance!r}", field="acceptance")
    return float(acceptance)


def tokens_per_step(acceptance: float, draft_tokens: int) -> float:
    """Expected tokens of one step: the accepted drafts and the one that verification adds.

    >>> tokens_per_step(0.5, 2)
    1.75
    """
    return math.fsum([acceptance**i for i in range(draft_tokens + 1)]) if draft_tokens else 1.0


def break_even(slowdown: float, draft_tokens: int) -> float | None:
    """The acceptance at which a step that is `slowdown` times a plain one pays for itself.

    None where even accepting every draft does not.
    """
    if slowdown > draft_tokens + 1:
        return None
    if slowdown <= 1:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):  # more than a float can tell apart
        middle = (low + high) / 2
        if tokens_per_step(middle, draft_tokens) < slowdown:
            low = middle
        else:
            high = middle
    return high
