"""Speculative decoding: what drafts for a model, and what a step of drafts yields.

A step verifies 1 + M drafts of every sequence in one pass, all their logits included, then drafts
again, one pass of depth after another; M is the depth K of a chain, or the nodes of a tree. With
each draft accepted with probability A, whatever came before it (Leviathan et al. 2023, arXiv
2211.17192, equation 1), or the i-th one in a share s_i of all steps,

    tokens a step = 1 + A + ... + A^K = 1 + s_1 + ... + s_K
    TPOT          = (verification + K drafts) / tokens a step

What drafts has a cache of its own, for which it reads the prompt too, behind the model. The first
token does not need that, so the limit leaves it out; engines give the token out after it.
Not here: which passes a step has and how long they take (timing/), EAGLE's layers (model/eagle.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from vperf.errors import InputError, check_count
from vperf.model.divide import SINGLE, Parallel, divide
from vperf.model.drafter import Checkpoint, Drafter, Method
from vperf.model.model import Model
from vperf.model.ops import DECODE_KERNEL_MAX_NEW
from vperf.model.read import MTP_KEYS
from vperf.spelling import flag

METHODS: dict[str, Method] = {
    "mtp": "mtp", "nextn": "mtp",
    "draft_model": "draft_model", "draft": "draft_model", "standalone": "draft_model",
    "eagle": "eagle", "eagle3": "eagle3", "medusa": "medusa",
    "ngram": "ngram", "prompt_lookup": "ngram",
}  # fmt: skip
"""By their names and those that engines have for them."""

MAX_DRAFT_TOKENS = DECODE_KERNEL_MAX_NEW - 1
"""Of a chain: engines draft no longer ones, and verification is still decode attention."""
MAX_BRANCHES, MAX_NODES = 64, 256
"""Of a tree."""

_OTHER_VOCABULARY = 0.01
"""Share by which the vocabularies of a model and its draft model may differ: padding does."""


def method_named(name: str) -> Method:
    """The method of a name. Raises InputError."""
    found = METHODS.get(name.strip().lower().replace("-", "_"))
    if found is None:
        raise InputError(
            f"must be mtp, draft_model, eagle, eagle3, medusa or ngram, not {name!r}",
            field="speculative",
            hint="mtp: the model's own layers draft; draft_model, eagle, eagle3, medusa: "
            f"{flag('draft_model')} "
            "does; ngram: drafts are looked up in the prompt",
        )  # fmt: skip
    return found


def needs_checkpoint(method: Method) -> bool:
    """Whether what drafts has a checkpoint of its own."""
    return method in {"draft_model", "eagle", "eagle3", "medusa"}


def drafting(  # noqa: PLR0917  (a model, and how it drafts)
    model: Model,
    model_id: str,
    method: str,
    draft_tokens: int | None,
    draft: Checkpoint | None = None,
    branches: int | None = None,
    verified: int | None = None,
) -> Model:
    """The model that drafts `draft_tokens` in a row (MTP by default: one a module).

    `draft`: the checkpoint that drafts, read on its own or as an EAGLE head. `branches` of a tree,
    of which `verified` tokens are verified, the one before the drafts included. Raises InputError
    for what cannot draft, naming what was looked for.
    """
    named = method_named(method)
    if needs_checkpoint(named) and draft is None:
        raise InputError(
            "missing: it says how large the drafts are", field="draft-model",
            hint=f"{flag('speculative')} {named} takes the Hub id, directory or config.json of "
            "what drafts",
        )  # fmt: skip
    assists = draft is not None and not draft.reads and not draft.at_once
    if not needs_checkpoint(named) and draft is not None and not (named == "mtp" and assists):
        raise InputError(f"means nothing with {flag('speculative')} {named}", field="draft-model")
    if named == "mtp" and draft is None:
        _check_mtp(model, model_id)
    depth = _depth(named, model, draft_tokens)
    branches, tokens = _tree(named, depth, branches, verified)
    if draft is None:
        found = model.mtp_module if named == "mtp" else None
        copies = model.mtp_layers if found else 1
        return replace(model, drafter=Drafter(named, depth, tokens, branches, found, copies))
    if named == "draft_model" and not assists:
        _check_vocabulary(model, model_id, draft)
    own = replace(draft.model, cache=model.cache, cache_name=model.cache_name)
    drafter = Drafter(
        "mtp" if assists else named, depth, tokens, branches, own, joins=draft.joins, id=draft.id,
        reads=draft.reads, at_once=draft.at_once, outputs=draft.outputs,
    )  # fmt: skip
    return replace(model, drafter=drafter)


MAX_BLOCK = 4096


def denoising(model: Model, model_id: str, block_length: int | None) -> Model:
    """A diffusion language model that denoises blocks of so many tokens, the ones before cached.

    Such a step is a verification of the whole block, without anything that drafts.
    """
    if block_length is None:
        raise InputError(
            f"missing: {model_id} denoises blocks of tokens, whose length is the engine's",
            field="block-length", hint=f"{flag('block_length')} 32 {flag('tokens_per_step')} 4",
        )  # fmt: skip
    tokens = check_count("block-length", block_length, 1, MAX_BLOCK) - 1
    if not tokens:
        return model
    return replace(model, drafter=Drafter("diffusion", tokens, tokens))


def divided_with(model: Model, parallel: Parallel) -> Model:
    """The model divided over GPUs, and with it what drafts. Raises InputError."""
    if parallel == SINGLE:
        return model
    drafter = model.drafter
    if drafter is not None and drafter.model is not None:
        draft = drafter.model
        ways = parallel if draft.has_experts else replace(parallel, expert=1)
        if drafter.method == "mtp" and not drafter.id:  # checked with the model
            drafter = replace(drafter, model=replace(draft, parallel=ways))
        else:
            stages = min(parallel.pipeline, draft.layer_count)
            try:
                divide(draft, replace(ways, pipeline=stages))
            except InputError as error:
                raise InputError(f"{drafter.id}, which drafts: {error}") from None
            drafter = replace(drafter, model=replace(draft, parallel=ways))
        model = replace(model, drafter=drafter)
    return divide(model, parallel)


def _check_mtp(model: Model, model_id: str) -> None:
    if not model.mtp_layers:
        raise InputError(
            f"{model_id} has no multi-token-prediction layers: its config has none of "
            f"{', '.join(MTP_KEYS)} above 0",
            field="speculative",
            hint=f"{flag('speculative')} draft_model, eagle3 or ngram",
        )
    if model.mtp_module is None:
        raise InputError(
            f"{model_id} has {model.mtp_layers} multi-token-prediction layers, but what they "
            f"compute is not understood for model_type {model.model_type!r}",
            field="speculative",
        )


def _check_vocabulary(model: Model, model_id: str, draft: Checkpoint) -> None:
    if draft.model.head is None or draft.model.encoder:
        raise InputError(f"{draft.id} generates no tokens that could be drafts",
                         field="draft-model")  # fmt: skip
    own = model.embedding.out_features
    other = draft.model.embedding.out_features
    if abs(own - other) > _OTHER_VOCABULARY * own:
        raise InputError(
            f"{draft.id} has a vocabulary of {other:,} tokens, {model_id} one of {own:,}: drafts "
            "would be of other tokens",
            field="draft-model",
            hint="take a smaller model of the same family",
        )


def _depth(method: Method, model: Model, draft_tokens: int | None) -> int:
    if draft_tokens is None:
        if method != "mtp":
            raise InputError(f"missing: {flag('speculative')} {method} has no number of its own",
                             field="draft-tokens")  # fmt: skip
        return min(model.mtp_layers, MAX_DRAFT_TOKENS)
    return check_count("draft-tokens", draft_tokens, 1, MAX_DRAFT_TOKENS)


def _tree(
    method: Method, depth: int, branches: int | None, verified: int | None
) -> tuple[int, int]:
    """(branches, drafts that are verified): of a chain 1 and its depth."""
    if branches is None and verified is None:
        return 1, depth
    if method == "ngram":
        raise InputError(f"means nothing with {flag('speculative')} ngram: it drafts a chain",
                         field="draft-branches" if branches else "verify-tokens")  # fmt: skip
    wide = check_count("draft-branches", 1 if branches is None else branches, 1, MAX_BRANCHES)
    most = min(MAX_NODES, wide + (depth - 1) * wide * wide)  # the best of each pass's drafts
    if wide == 1:
        most = depth
    nodes = most if verified is None else check_count("verify-tokens", verified, 2, MAX_NODES) - 1
    if not depth <= nodes <= most:
        raise InputError(
            f"a tree of depth {depth} with {wide} branches has {depth + 1} to {most + 1} tokens to "
            f"verify, not {nodes + 1}",
            field="verify-tokens",
        )
    return wide, nodes


# Acceptance ----------------------------------------------------------------------------------


def checked_acceptance(
    acceptance: float | str | None, length: float | None, draft_tokens: int
) -> tuple[float, ...]:
    """The share of steps in which each draft is accepted: from one probability, from such shares as
    engines log them ("0.8,0.6,0.4"), or from the mean tokens of a step. Raises InputError.
    """
    if length is not None:
        if acceptance is not None:
            raise InputError("cannot be combined with acceptance", field="acceptance-length")
        return shares_of(_of_length(length, draft_tokens), draft_tokens)
    if acceptance is None:
        raise InputError(
            "missing: speculative decoding is as fast as its drafts are accepted",
            field="acceptance",
            hint="give the share of draft tokens that are accepted, or "
            f"{flag('acceptance_length')}, the "
            "tokens of a step that engines log; DeepSeek-V3's report has 0.85 to 0.9 for its one "
            "MTP layer",
        )
    if isinstance(acceptance, str):
        return _by_position(acceptance, draft_tokens)
    return shares_of(_probability(acceptance), draft_tokens)


def _probability(value: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise InputError(f"must be from 0 to 1, not {value!r}", field="acceptance")
    return float(value)


def _of_length(length: float, draft_tokens: int) -> float:
    number = isinstance(length, int | float) and not isinstance(length, bool)
    if not number or not 1 <= length <= draft_tokens + 1:
        raise InputError(
            f"must be from 1 to {draft_tokens + 1}, the tokens of a step of {draft_tokens} drafts, "
            f"not {length!r}",
            field="acceptance-length",
        )
    return acceptance_of(float(length), draft_tokens)


def _by_position(text: str, draft_tokens: int) -> tuple[float, ...]:
    parts = [part.strip() for part in text.replace("/", ",").split(",")]
    try:
        shares = tuple(map(_probability, map(float, parts)))
    except ValueError:
        raise InputError(f"must be a number from 0 to 1, or one for each draft, not {text!r}",
                         field="acceptance") from None  # fmt: skip
    if len(shares) == 1:
        raise InputError(f"must be a number from 0 to 1, not {text!r}", field="acceptance")
    if len(shares) != draft_tokens:
        raise InputError(
            f"{len(shares)} shares are given, {draft_tokens} drafts are made a step",
            field="acceptance", hint=f"{flag('draft_tokens')} {len(shares)}",
        )  # fmt: skip
    if any(later > first for first, later in pairwise(shares)):
        raise InputError(
            f"{text} rises: a draft is accepted in no more steps than the one before it",
            field="acceptance",
            hint="give the share of all steps in which each is accepted, as engines log it",
        )
    return shares


def shares_of(acceptance: float, draft_tokens: int) -> tuple[float, ...]:
    """The shares of steps in which each draft is accepted, with one probability for all."""
    return tuple(acceptance**i for i in range(1, draft_tokens + 1))


def mean_tokens(shares: Sequence[float]) -> float:
    """Tokens of a step."""
    return math.fsum((1.0, *shares))


def tokens_per_step(acceptance: float, draft_tokens: int) -> float:
    """Expected tokens of one step: the accepted drafts and the one that verification adds.

    >>> tokens_per_step(0.5, 2)
    1.75
    """
    return math.fsum([acceptance**i for i in range(draft_tokens + 1)]) if draft_tokens else 1.0


def acceptance_of(tokens: float, draft_tokens: int) -> float:
    """The probability with which drafts yield so many tokens a step."""
    if tokens >= draft_tokens + 1:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):  # more than a float can tell apart
        middle = (low + high) / 2
        if tokens_per_step(middle, draft_tokens) < tokens:
            low = middle
        else:
            high = middle
    return high


def break_even(slowdown: float, draft_tokens: int) -> float | None:
    """The acceptance at which a step that is `slowdown` times a plain one pays for itself.

    None where even accepting every draft does not.
    """
    if slowdown > draft_tokens + 1:
        return None
    return 0.0 if slowdown <= 1 else acceptance_of(slowdown, draft_tokens)
